//! When an account next needs attention, and when its next refresh may start.

use std::time::Duration;

use super::account::Account;
use super::login::Fate;
use super::schedule;
use super::state::{Airborne, State, Work};
use super::traffic::{Speed, Ticket, Urgency, probe_pause};
use super::words::Ask;
use crate::model::{Boot, Mode, Portion};

/// For how many lives of its token a warm account is kept fresh after somebody asked.
const WARM_LIVES: u32 = 5;

/// How long a token of unknown fate goes before all others, whatever grace its provider promises.
const PRESSING: Duration = Duration::from_mins(1);

impl Account {
    /// When the account next needs attention, whatever happens. A daemon that drains starts nothing, nor
    /// does an account that leaves. `saving` is when an unsaved grant is to be saved again.
    pub(super) fn attention(&self, draining: bool, saving: Option<Boot>) -> Option<Boot> {
        if let State::Erasing { .. } = self.state {
            return None;
        }
        let refresh = match self.state.work() {
            Work::Airborne(Airborne::Saving(_)) => saving,
            _ if draining || self.state.is_leaving() => None,
            Work::Idle => self.due(),
            Work::Waiting(until) => Some(until),
            Work::Queued(_) | Work::Airborne(_) => None,
        };
        let patience = self.waiters.iter().map(|ask| ask.deadline).min();
        [refresh, patience, self.end()].into_iter().flatten().min()
    }

    /// When a login ends that cannot be renewed: with its access token.
    pub(super) fn end(&self) -> Option<Boot> {
        let lasts = self.login.is_renewable() || !self.incoming.is_empty();
        match self.state {
            // a flight of the login before lands first
            State::Good(_) if !lasts && self.state.airborne().is_none() => {
                self.login.token().and_then(|token| token.expires)
            }
            _ => None,
        }
    }

    /// When a refresh is due, if one can be made at all.
    pub(super) fn due(&self) -> Option<Boot> {
        // the login that is on its way to the disk takes the place of the one in force; its end wakes the account
        if self.is_superseded() {
            return None;
        }
        if self.obstacle().is_some() {
            // one that is held is tried as soon as it has nothing to wait for
            let is_tried = self.login.is_renewable() && self.rules.is_some();
            let waits_for_nothing = matches!(self.state, State::Held { work: Work::Idle, .. });
            return (is_tried && waits_for_nothing).then_some(Boot::LONG_AGO);
        }
        if let Fate::Unknown { .. } = self.login.fate {
            return Some(Boot::LONG_AGO);
        }
        let keep_alive = self.login.refresh.as_ref().zip(self.rules.as_ref());
        let keep_alive = keep_alive
            .and_then(|(term, rules)| term.keep_alive(rules, &self.seed.id, self.login.generation));
        [self.due_ahead(), keep_alive].into_iter().flatten().min()
    }

    /// When its mode wants a fresh token, whether or not anybody asks.
    fn due_ahead(&self) -> Option<Boot> {
        match (self.mode, self.login.token()) {
            // nobody is given its tokens, but its login is not to die of disuse
            _ if !self.enabled => None,
            (Mode::Lazy, _) | (Mode::Warm, None) => None,
            (Mode::Always, token) => Some(token.map_or(Boot::LONG_AGO, |token| token.due)),
            (Mode::Warm, Some(token)) => {
                let cools = self.asked? + self.lifetime()? * WARM_LIVES;
                (token.due <= cools).then_some(token.due)
            }
        }
    }

    /// Whether a failed refresh is tried again with nobody waiting and before the next is due.
    pub(super) fn persists(&self) -> bool {
        // a token of unknown fate, and a verdict that wants a second opinion, are not left lying
        let open = self.login.fate != Fate::Known || self.login.streak.called_dead;
        self.login.failure.is_some() && (open || self.due_ahead().is_some())
    }

    /// The earliest moment at which the next refresh may start, whatever it is for.
    pub(super) fn next_start(&self, now: Boot) -> Option<Boot> {
        self.earliest_start(self.next_part(now).as_deref(), now)
    }

    /// The earliest moment at which the next refresh for that part may start.
    pub(super) fn earliest_start(&self, part: Option<&Portion>, now: Boot) -> Option<Boot> {
        let rules = self.rules.as_ref()?;
        let (began, limited) = match part {
            Some(portion) => self.part_began(portion, now),
            None => (self.last_start, self.limited_until(now)),
        };
        let gap = began.zip(self.lifetime());
        let gap = gap.map(|(start, lifetime)| start + schedule::min_gap(lifetime, rules));
        // of the provider's own limit all flights are counted
        let throttle = self.last_start.zip(rules.throttle);
        let throttle = throttle.map(|(start, throttle)| start + throttle);
        // nobody's hurry makes a provider take a refresh that it refuses as too early
        let expires = self.login.token().and_then(|token| token.expires);
        let allowed = rules.not_before.and_then(|span| expires.map(|expires| expires - span));
        [gap, throttle, allowed, limited].into_iter().max().flatten()
    }

    /// Until when the rate limit keeps a refresh that is forced, if it does: a token that is due or gone is never kept
    /// from being renewed.
    fn limited_until(&self, now: Boot) -> Option<Boot> {
        let is_forced = self.login.token().is_some_and(|token| token.due > now);
        let is_known = self.login.fate == Fate::Known;
        self.forced.conforms_at().filter(|at| is_forced && is_known && *at > now)
    }

    /// Whether a question meets the rate limit, for the first time in this storm.
    pub(super) fn storms(&mut self, ask: &Ask, now: Boot) -> bool {
        if let Some(portion) = &ask.portion {
            return self.storms_for(portion, now);
        }
        self.limited_until(now).is_some() && self.forced.tell()
    }

    /// A refresh for that part starts.
    pub(super) fn start_counted(&mut self, part: Option<&Portion>, now: Boot) {
        self.last_start = Some(now);
        if let Some(portion) = part {
            self.part_begins(portion, now);
        } else if let Some(lifetime) = self.lifetime() {
            self.forced.count(lifetime, now);
        }
    }

    /// A place in the queue for flights.
    pub(super) fn ticket(&self, urgency: Urgency, slot: usize, now: Boot) -> Ticket {
        // who waits for another token has no use for what is left of this one
        let left = if self.waiters.is_empty() { self.left(now) } else { Duration::ZERO };
        let probe_by = now + probe_pause(left);
        let served = self.login.token().map_or(Boot::LONG_AGO, |token| token.sent);
        // an answer that was lost may have hung, whatever ended it
        let speed = if urgency == Urgency::Unsettled { Speed::Slow } else { self.login.speed };
        Ticket { urgency, since: now, slot, probe_by, speed, served }
    }

    /// Whether its refresh token is of unknown fate, and the provider may still forgive a second use of it: for a
    /// minute, or as long as it says. Later, one try is as good as another.
    pub(super) fn is_pressing(&self, now: Boot) -> bool {
        let grace = self.rules.as_ref().map_or(Duration::ZERO, |rules| rules.grace);
        let since = self.login.fate.unknown_since();
        since.is_some_and(|since| now.since(since) <= grace.max(PRESSING))
    }
}
