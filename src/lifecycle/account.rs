//! One account as the lifecycle sees it: what it has, what it is doing, who waits for it.

use std::sync::Arc;
use std::time::Duration;

use super::leave::Leaving;
use super::portions::Portions;
use super::retry::Streak;
use super::schedule::{self, StormGuard};
use super::term::Term;
use super::traffic::{Speed, Ticket};
use super::words::{Ask, HandOut, Refusal, Rules};
use crate::model::{
    AccountSeed, Boot, BootId, Failure, FailureClass, Fingerprint, FlightId, Generation,
    GrantChange, Issued, Lack, Mode, Now, Portion, Scopes, Stamp, Standing,
};

/// The life that a token must have left when the caller does not say.
const MIN_VALID: Duration = Duration::from_mins(1);

/// An account.
pub(super) struct Account {
    pub(super) seed: AccountSeed,
    /// `None` while the provider's definition is missing: nothing can be sent then.
    pub(super) rules: Option<Rules>,
    pub(super) standing: Standing,
    pub(super) login: Login,
    /// The highest generation given out: that of a grant still on its way to the disk, or the
    /// current one.
    pub(super) latest: Generation,
    pub(super) mode: Mode,
    /// When somebody last asked for a token.
    pub(super) asked: Option<Boot>,
    pub(super) phase: Phase,
    /// A code exchange under way that will renew this account.
    pub(super) exchange: Option<FlightId>,
    /// When the last refresh was started.
    pub(super) last_start: Option<Boot>,
    /// What keeps refreshes that nobody's schedule asks for within bounds.
    pub(super) guard: StormGuard,
    /// The questions that wait for a token.
    pub(super) waiters: Vec<Ask>,
    /// Whether the user wants it used.
    pub(super) enabled: bool,
    /// How far its logout has come, once that was asked for.
    pub(super) leaving: Option<Leaving>,
    /// Where the account is in the timers.
    pub(super) wake: Option<Boot>,
    /// What watchers have not been told yet.
    pub(super) news: News,
}

/// What a login gave, and how it fares: what another login, or giving it back, replaces as a whole.
#[derive(Default)]
pub(super) struct Login {
    pub(super) generation: Generation,
    /// Whether there is a refresh token.
    pub(super) renewable: bool,
    /// What is known of its life.
    pub(super) term: Option<Term>,
    pub(super) token: Option<Cached>,
    /// A token of an earlier boot from a time that the wall clock has not reached yet: not handed out
    /// until the clock is set and tells its age.
    pub(super) undated: Option<Arc<Issued>>,
    /// Tokens that are good for a part of it.
    pub(super) portions: Portions,
    /// What APIs wanted and it lacks, as programs told.
    pub(super) wanted: Lack,
    pub(super) streak: Streak,
    pub(super) last_failure: Option<Failure>,
    pub(super) speed: Speed,
    /// An attempt on record whose fate is unknown. It is kept until the intent of the next one is
    /// durable, so that no crash in between can hide that the refresh token may be spent.
    pub(super) unresolved: Option<FlightId>,
    /// Whether an attempt was found unresolved at start: its account is served only once that is
    /// settled.
    pub(super) unsettled: bool,
}

impl Login {
    /// A login that nothing is known of yet, in the place of one whose tokens are gone. Generations go on.
    pub(super) fn after(before: &Self) -> Self {
        Self { generation: before.generation, ..Self::default() }
    }
}

/// What watchers have not been told yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum News {
    Nothing,
    Changed,
    NewToken,
}

/// The access token at hand.
pub(super) struct Cached {
    pub(super) issued: Arc<Issued>,
    /// Computed once: questions are compared with it.
    pub(super) fingerprint: Fingerprint,
    /// When it expires, if that is known.
    pub(super) expires: Option<Boot>,
    /// When it is to be refreshed.
    pub(super) due: Boot,
    /// When it was asked for.
    pub(super) sent: Boot,
}

/// What an account is doing.
pub(super) enum Phase {
    /// Nothing, until its token is due.
    Idle,
    /// Waiting for its time after a failure, or for the gap that two refreshes must have.
    Waiting(Boot),
    /// Waiting for a free place among the flights.
    Queued(Ticket),
    /// A flight is on its way.
    Flying,
    /// A grant is being made durable.
    Saving(FlightId),
}

/// A grant on its way to the disk, as far as it is needed again when it has arrived.
pub(super) struct Pending {
    pub(super) generation: Generation,
    /// When the request was sent that brought it.
    pub(super) sent: Stamp,
    pub(super) refresh_lifetime: Option<Duration>,
    pub(super) issued: Option<Arc<Issued>>,
    pub(super) brings_refresh: bool,
    /// The part of the login that the token is for, if not all of it.
    pub(super) portion: Option<Arc<Portion>>,
    /// Whether it came by an exchange: then the refresh token was not used.
    pub(super) by_exchange: bool,
    /// The failure that the rest of the answer was, if only a refresh token could be rescued.
    pub(super) failure: Option<Failure>,
    /// The change itself, while it waits to be saved again.
    pub(super) held: Option<(Box<GrantChange>, Boot)>,
    pub(super) tries: u32,
}

/// What a question gets at the first look.
pub(super) enum Look {
    Served(HandOut),
    Refused(Refusal),
    /// A refresh is wanted first.
    Wanted,
}

impl Account {
    /// An account that nothing is known of but its name.
    pub(super) fn new(seed: AccountSeed, rules: Option<Rules>) -> Self {
        Self {
            seed,
            rules,
            standing: Standing::Good,
            login: Login::default(),
            latest: Generation(0),
            mode: Mode::default(),
            asked: None,
            phase: Phase::Idle,
            exchange: None,
            last_start: None,
            guard: StormGuard::default(),
            waiters: Vec::new(),
            enabled: true,
            leaving: None,
            wake: None,
            news: News::Nothing,
        }
    }

    /// The last access token, whether its age is known or not.
    pub(super) fn issued(&self) -> Option<Arc<Issued>> {
        let known = self.login.token.as_ref().map(|token| &token.issued);
        known.or(self.login.undated.as_ref()).cloned()
    }

    /// The generation of what a refresh brings: a new one if that is a refresh token.
    pub(super) fn next_generation(&mut self, brings_refresh: bool) -> Generation {
        if brings_refresh {
            self.latest = self.latest.next();
        }
        self.latest
    }

    /// What `ask` gets now. This is the refresh decision. Before `shut_until` nothing can be sent to
    /// the provider.
    pub(super) fn look(&self, ask: &Ask, shut_until: Option<Boot>, now: Boot) -> Look {
        if self.leaving.is_some() {
            return Look::Refused(Refusal::LoggedOut);
        }
        if !self.enabled {
            return Look::Refused(Refusal::Disabled);
        }
        if let Some(missing) = self.missing_scopes(&ask.scopes) {
            return Look::Refused(Refusal::ScopeNotGranted { missing });
        }
        if !ask.target.is_empty() {
            let missing = self.seed.target.lacks(&ask.target);
            if !missing.is_empty() {
                return Look::Refused(Refusal::NotForThat { missing });
            }
        }
        if let Some(token) = self.token_for(ask) {
            let lasts = token.lasts(self.attainable(ask, token), now);
            if token.serves(ask, now) && lasts && !self.login.unsettled {
                return Look::Served(self.hand_out(token, ask, now));
            }
        }
        match self.obstacle() {
            // it is just being tried whether that is still so
            Some(Refusal::Held { .. }) if self.is_busy() => Look::Wanted,
            Some(refusal) => self.second_best(ask, now, refusal),
            None => match self.too_late(ask, shut_until, now) {
                Some(refusal) => self.second_best(ask, now, refusal),
                None => Look::Wanted,
            },
        }
    }

    /// Why the next try comes too late for `ask`, if it does: better said now than then.
    fn too_late(&self, ask: &Ask, shut_until: Option<Boot>, now: Boot) -> Option<Refusal> {
        if let Phase::Waiting(until) = self.phase
            && until > ask.deadline
        {
            return Some(self.unavailable());
        }
        let idle = matches!(self.phase, Phase::Idle);
        let part = ask.portion.as_deref();
        let earliest = if idle { self.earliest_start(part, now) } else { None };
        if earliest > Some(ask.deadline) {
            return Some(Refusal::TooSoon { retry_at: earliest });
        }
        (shut_until > Some(ask.deadline)).then(|| {
            let failure = self.login.last_failure.clone().unwrap_or_else(in_trouble);
            Refusal::Unavailable { failure, retry_at: shut_until }
        })
    }

    /// The token even if it lasts less long than asked for, as long as it lives; `refusal` else.
    pub(super) fn second_best(&self, ask: &Ask, now: Boot, refusal: Refusal) -> Look {
        match self.token_for(ask) {
            Some(token) if token.serves(ask, now) => Look::Served(self.hand_out(token, ask, now)),
            _ => Look::Refused(refusal),
        }
    }

    /// The remaining life that `ask` can have of such a token.
    fn attainable(&self, ask: &Ask, token: &Cached) -> Duration {
        let wanted = ask.min_valid.unwrap_or(MIN_VALID);
        match (&self.rules, token.lifetime()) {
            (Some(rules), Some(lifetime)) => schedule::attainable(wanted, lifetime, rules),
            _ => wanted,
        }
    }

    /// The token as an answer. It is stale if it lasts less long than the caller said; who said
    /// nothing is not told that a fresh token is stale because no token of this provider lives for a
    /// minute.
    fn hand_out(&self, token: &Cached, ask: &Ask, now: Boot) -> HandOut {
        let wanted = ask.min_valid.unwrap_or_else(|| self.attainable(ask, token));
        let stale = !token.lasts(wanted, now);
        HandOut { issued: Arc::clone(&token.issued), expires: token.expires, stale }
    }

    /// What stands in the way of any refresh.
    pub(super) fn obstacle(&self) -> Option<Refusal> {
        match &self.standing {
            Standing::NeedsLogin { why } => {
                return Some(Refusal::LoginRequired { why: why.clone() });
            }
            Standing::Held { why } => return Some(Refusal::Held { why: why.clone() }),
            Standing::Good => {}
        }
        if self.rules.is_none() {
            return Some(Refusal::Held { why: self.undefined() });
        }
        if !self.login.renewable {
            return Some(Refusal::LoginRequired { why: NOT_RENEWABLE.into() });
        }
        None
    }

    /// What to say when the provider's definition is missing.
    pub(super) fn undefined(&self) -> String {
        format!("no definition of provider {} is at hand", self.seed.client.provider)
    }

    /// Why nothing better can be had at the moment.
    pub(super) fn unavailable(&self) -> Refusal {
        let retry_at = match self.phase {
            Phase::Waiting(until) => Some(until),
            _ => None,
        };
        match (&self.login.last_failure, retry_at) {
            (Some(failure), _) if matches!(self.phase, Phase::Saving(_)) => {
                Refusal::NotSaved { why: failure.detail.clone() }
            }
            (Some(failure), _) => Refusal::Unavailable { failure: failure.clone(), retry_at },
            (None, Some(_)) => Refusal::TooSoon { retry_at },
            (None, None) => Refusal::TimedOut,
        }
    }

    /// When the account next needs attention, whatever happens. A daemon that drains starts nothing, nor
    /// does an account that leaves.
    pub(super) fn attention(&self, draining: bool, saving: Option<Boot>) -> Option<Boot> {
        if matches!(self.leaving, Some(Leaving::Erasing(_))) {
            return None;
        }
        let refresh = match self.phase {
            Phase::Saving(_) => saving,
            _ if draining || self.leaving.is_some() => None,
            Phase::Idle => self.due(),
            Phase::Waiting(until) => Some(until),
            Phase::Queued(_) | Phase::Flying => None,
        };
        let patience = self.waiters.iter().map(|ask| ask.deadline).min();
        let lasts = self.login.renewable || self.exchange.is_some();
        let end = if lasts || self.standing != Standing::Good {
            None
        } else {
            self.login.token.as_ref().and_then(|token| token.expires)
        };
        [refresh, patience, end].into_iter().flatten().min()
    }

    /// When a refresh is due, if one can be made at all.
    pub(super) fn due(&self) -> Option<Boot> {
        if self.obstacle().is_some() {
            return None;
        }
        if self.login.unresolved.is_some() {
            return Some(Boot::LONG_AGO);
        }
        let keep_alive =
            self.login.term.as_ref().zip(self.rules.as_ref()).and_then(|(term, rules)| {
                term.keep_alive(rules, &self.seed.id, self.login.generation)
            });
        [self.due_ahead(), keep_alive].into_iter().flatten().min()
    }

    /// When its mode wants a fresh token, whether or not anybody asks.
    fn due_ahead(&self) -> Option<Boot> {
        match (self.mode, &self.login.token) {
            // nobody is given its tokens, but its login is not to die of disuse
            _ if !self.enabled => None,
            (Mode::Lazy, _) | (Mode::Warm, None) => None,
            (Mode::Always, token) => Some(token.as_ref().map_or(Boot::LONG_AGO, |token| token.due)),
            (Mode::Warm, Some(token)) => {
                let cools = self.asked? + self.lifetime()? * WARM_LIVES;
                (token.due <= cools).then_some(token.due)
            }
        }
    }

    /// A token as it is kept at hand; `None` as long as the wall clock cannot tell how old it is.
    pub(super) fn cache(&self, boot_id: &BootId, issued: &Arc<Issued>, now: Now) -> Option<Cached> {
        let sent = issued.sent.on_boot_clock(boot_id, now)?;
        let default = self.rules.as_ref().and_then(|rules| rules.default_lifetime);
        let stated = issued.lifetime.or(default);
        let due = self.rules.as_ref().map_or(sent, |rules| {
            let lifetime = schedule::scheduling_lifetime(stated, rules);
            schedule::due(sent, lifetime, rules, &self.seed.id, issued.generation)
        });
        Some(Cached {
            fingerprint: issued.access.fingerprint(),
            expires: stated.map(|span| sent + span),
            due,
            sent,
            issued: Arc::clone(issued),
        })
    }

    /// The earliest moment at which the next refresh may start, whatever it is for.
    pub(super) fn next_start(&self, now: Boot) -> Option<Boot> {
        self.earliest_start(self.next_part(now).as_deref(), now)
    }

    /// The flight under way is over.
    pub(super) fn rest_if_flying(&mut self) {
        if matches!(self.phase, Phase::Flying) {
            self.phase = Phase::Idle;
        }
    }

    /// Whether a failed refresh is tried again with nobody waiting and before the next is due.
    pub(super) fn persists(&self) -> bool {
        // a token of unknown fate, and a verdict that wants a second opinion, are not left lying
        let open = self.login.unresolved.is_some() || self.login.streak.called_dead;
        self.login.last_failure.is_some() && (open || self.due_ahead().is_some())
    }

    /// The earliest moment at which the next refresh for that part may start.
    pub(super) fn earliest_start(&self, part: Option<&Portion>, now: Boot) -> Option<Boot> {
        let rules = self.rules.as_ref()?;
        let (began, guarded) = match part {
            Some(portion) => self.began(portion, now),
            None => (self.last_start, self.guarded(now)),
        };
        let gap = began.zip(self.lifetime());
        let gap = gap.map(|(start, lifetime)| start + schedule::min_gap(lifetime, rules));
        // of the provider's own limit all flights are counted
        let throttle = self.last_start.zip(rules.throttle);
        let throttle = throttle.map(|(start, throttle)| start + throttle);
        // nobody's hurry makes a provider take a refresh that it refuses as too early
        let expires = self.login.token.as_ref().and_then(|token| token.expires);
        let allowed = rules.not_before.and_then(|span| expires.map(|expires| expires - span));
        [gap, throttle, allowed, guarded].into_iter().max().flatten()
    }

    /// Until when the storm guard keeps it, if it does: a token that is due or gone is never kept
    /// from being renewed.
    fn guarded(&self, now: Boot) -> Option<Boot> {
        let forced = self.login.token.as_ref().is_some_and(|token| token.due > now);
        self.guard.opens().filter(|opens| forced && self.login.unresolved.is_none() && *opens > now)
    }

    /// Whether a question meets the storm guard, for the first time in this storm.
    pub(super) fn storms(&mut self, ask: &Ask, now: Boot) -> bool {
        if let Some(portion) = &ask.portion {
            return self.storms_for(portion, now);
        }
        self.guarded(now).is_some() && self.guard.tell()
    }

    /// A refresh for that part starts.
    pub(super) fn starts(&mut self, part: Option<&Portion>, now: Boot) {
        self.last_start = Some(now);
        if let Some(portion) = part {
            self.begins(portion, now);
        } else if let Some(lifetime) = self.lifetime() {
            self.guard.count(lifetime, now);
        }
    }

    /// The life of its access tokens, as far as the schedule is concerned.
    fn lifetime(&self) -> Option<Duration> {
        let stated = self.login.token.as_ref().and_then(Cached::lifetime);
        self.rules.as_ref().map(|rules| schedule::scheduling_lifetime(stated, rules))
    }

    /// Notes something for the watchers.
    pub(super) fn tell(&mut self, news: News) {
        self.news = self.news.max(news);
    }

    /// What its tokens are good for, as far as the provider says.
    pub(super) fn granted_scopes(&self) -> &Scopes {
        self.login.token.as_ref().map_or(&self.seed.scopes, |token| &token.issued.scopes)
    }

    /// Why a new login is needed before an API is content that refused a token, as far as that can be
    /// told: of a token that is not the one at hand any more it cannot.
    pub(super) fn falls_short(&self, ask: &Ask) -> Option<Refusal> {
        let token = self.login.token.as_ref().map(|token| token.fingerprint);
        let is_current = ask.rejected.is_none() || ask.rejected == token;
        let wanted = &ask.wanted;
        let unnamed = self.granted_scopes().is_empty() && is_current && !wanted.scopes.is_empty();
        let missing =
            if unnamed { Some(wanted.scopes.clone()) } else { self.missing_scopes(&wanted.scopes) };
        match missing {
            Some(missing) => Some(Refusal::ScopeNotGranted { missing }),
            None => (wanted.is_step_up() && is_current).then_some(Refusal::StepUp),
        }
    }

    fn missing_scopes(&self, wanted: &Scopes) -> Option<Scopes> {
        let granted = self.granted_scopes();
        // a provider that names no scopes at all cannot be held to them
        if wanted.is_empty() || granted.is_empty() {
            return None;
        }
        let folds = self.rules.as_ref().is_some_and(|rules| rules.case_insensitive);
        let has = |scope: &str| {
            granted.iter().any(|granted| {
                let granted = granted.as_str();
                granted == scope || (folds && granted.eq_ignore_ascii_case(scope))
            })
        };
        let missing: Scopes = wanted.iter().filter(|scope| !has(scope.as_str())).cloned().collect();
        (!missing.is_empty()).then_some(missing)
    }
}

/// For how many lives of its token a warm account is kept fresh after somebody asked.
const WARM_LIVES: u32 = 5;

/// Why an account without a refresh token ends.
pub(super) const NOT_RENEWABLE: &str =
    "the provider gave no refresh token, so the login ends with its access token";

/// What is known of a provider that other accounts found in trouble.
fn in_trouble() -> Failure {
    Failure::new(
        FailureClass::Transient,
        "it asked for a pause, or has not recovered yet, and is left alone until then",
    )
}

impl Cached {
    /// The token's whole life, if it is known.
    pub(super) fn lifetime(&self) -> Option<Duration> {
        self.expires.map(|expires| expires.since(self.sent))
    }

    /// Whether it still lives, and is not the one that was rejected.
    fn serves(&self, ask: &Ask, now: Boot) -> bool {
        self.expires.is_none_or(|expires| expires > now) && ask.rejected != Some(self.fingerprint)
    }

    /// Whether it has that much life left, as far as is known.
    fn lasts(&self, wanted: Duration, now: Boot) -> bool {
        self.expires.is_none_or(|expires| expires.since(now) >= wanted)
    }
}

impl Account {
    /// Whether a flight or an unsaved grant is under way.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Flying | Phase::Saving(_))
    }
}
