//! How an account comes to its turn: wanted, queued, and off it goes.

use std::time::Duration;

use super::account::{Account, News, Phase};
use super::machine::{Flight, Lifecycle, Task};
use super::traffic::{Speed, Ticket, Urgency, probe_pause};
use super::words::{Effect, Purpose, TokenEndpoint};
use crate::model::{Boot, Now, Standing};

/// How long an account of a rejected client waits while another one finds out whether the client works again. The end
/// of that wakes it, unless it says nothing about the client.
const CLIENT_IS_PROBED: Duration = Duration::from_mins(1);

/// How long to wait before looking again whether a newer grant has arrived on the disk.
const GRANT_ON_ITS_WAY: Duration = Duration::from_secs(1);

/// How long a token of unknown fate goes before all others, whatever grace its provider promises.
const PRESSING: Duration = Duration::from_mins(1);

impl Lifecycle {
    /// Starts a refresh as soon as gap, back-off and the number of flights allow it.
    pub(super) fn want_refresh(&mut self, place: usize, urgency: Urgency, now: Now) {
        let Some(account) = &mut self.accounts[place] else { return };
        match account.phase {
            Phase::Idle => match account.next_start(now.boot) {
                Some(earliest) if earliest > now.boot => account.phase = Phase::Waiting(earliest),
                _ => self.start(place, urgency, now),
            },
            Phase::Queued(ticket) if urgency < ticket.urgency => {
                self.unqueue(place);
                self.start(place, urgency, now);
            }
            Phase::Waiting(_) | Phase::Queued(_) | Phase::Flying | Phase::Saving(_) => {}
        }
        self.rearm(place);
    }

    /// Queues a refresh: it starts at once if the traffic allows it.
    pub(super) fn start(&mut self, place: usize, urgency: Urgency, now: Now) {
        if self.draining {
            return;
        }
        let Some(account) = &mut self.accounts[place] else { return };
        // a newer grant is on its way to the disk: the one in force is over already
        if account.latest != account.login.generation {
            account.phase = Phase::Waiting(now.boot + GRANT_ON_ITS_WAY);
            return;
        }
        if let Standing::Held { .. } = account.standing {
            let client = account.seed.client.clone();
            if self.is_probed(&client, place) {
                if let Some(account) = &mut self.accounts[place] {
                    account.phase = Phase::Waiting(now.boot + CLIENT_IS_PROBED);
                }
                return;
            }
        }
        let Some(account) = &mut self.accounts[place] else { return };
        let Some(rules) = &account.rules else { return };
        let urgency = if account.is_pressing(now.boot) { Urgency::Unsettled } else { urgency };
        let ticket = account.ticket(urgency, place, now.boot);
        self.traffic.queue(&rules.endpoint, ticket);
        account.phase = Phase::Queued(ticket);
        self.touch(place, News::Changed);
    }

    /// It is an account's turn: off it goes.
    pub(super) fn depart(&mut self, place: usize, now: Now, out: &mut Vec<Effect>) {
        let flight = self.new_flight();
        let Some(account) = &mut self.accounts[place] else { return };
        let Some(rules) = &account.rules else { return };
        let endpoint = rules.endpoint.clone();
        debug_assert!(matches!(account.phase, Phase::Queued(_)), "who has a ticket queues");
        account.phase = Phase::Flying;
        let portion = account.next_part(now.boot);
        account.starts(portion.as_deref(), now.boot);
        let generation = account.login.generation;
        let resolves = account.login.unresolved;
        let subject = portion.as_ref().and_then(|_| account.subject(now.boot));
        let by_exchange = subject.is_some();
        let purpose = Purpose::Refresh { generation, portion: portion.clone(), subject };
        out.push(Effect::Begin { flight, account: account.seed.clone(), purpose });
        let task = Task::Refresh { place, endpoint, generation, portion, by_exchange };
        self.flights.insert(flight, Flight { task, resolves, pending: None });
        self.rearm(place);
    }

    /// Takes an account out of the queue for flights.
    pub(super) fn unqueue(&mut self, place: usize) {
        if let Some(account) = &mut self.accounts[place]
            && let Phase::Queued(ticket) = account.phase
        {
            if let Some(endpoint) = account.endpoint() {
                self.traffic.leave(endpoint, ticket);
            }
            account.phase = Phase::Idle;
        }
    }

    /// Forgets how the refreshes of an account went: with what it has now they may go otherwise.
    pub(super) fn forget_failures(&mut self, place: usize) {
        if let Some(endpoint) = self.accounts[place].as_ref().and_then(Account::endpoint) {
            self.traffic.forget(endpoint, place);
        }
    }

    pub(super) fn urgency(&self, place: usize) -> Urgency {
        match &self.accounts[place] {
            Some(account) if !account.waiters.is_empty() => Urgency::Waited,
            _ => Urgency::Due,
        }
    }
}

impl Account {
    /// Where its refreshes go, if that is known.
    pub(super) fn endpoint(&self) -> Option<&TokenEndpoint> {
        Some(&self.rules.as_ref()?.endpoint)
    }

    /// A place in the queue for flights.
    pub(super) fn ticket(&self, urgency: Urgency, place: usize, now: Boot) -> Ticket {
        // who waits for another token has no use for what is left of this one
        let left = if self.waiters.is_empty() { self.left(now) } else { Duration::ZERO };
        let probe_by = now + probe_pause(left);
        let served = self.login.token.as_ref().map_or(Boot::LONG_AGO, |token| token.sent);
        // an answer that was lost may have hung, whatever ended it
        let speed = if urgency == Urgency::Unsettled { Speed::Slow } else { self.login.speed };
        Ticket { urgency, since: now, place, probe_by, speed, served }
    }

    /// How long its token lives from now; one of unknown life does not run out.
    pub(super) fn left(&self, now: Boot) -> Duration {
        match &self.login.token {
            Some(token) => token.expires.map_or(Duration::MAX, |expires| expires.since(now)),
            None => Duration::ZERO,
        }
    }

    /// Whether its refresh token is of unknown fate, and the provider may still forgive a second use of it: for a
    /// minute, or as long as it says. Later, one try is as good as another.
    pub(super) fn is_pressing(&self, now: Boot) -> bool {
        let grace = self.rules.as_ref().map_or(Duration::ZERO, |rules| rules.grace);
        let since = self.login.streak.ambiguous_since.unwrap_or(now);
        self.login.unresolved.is_some() && now.since(since) <= grace.max(PRESSING)
    }
}
