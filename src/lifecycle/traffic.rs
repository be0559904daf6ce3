//! Who flies when. Every refresh goes through here, so that no provider is flooded, whatever brought the crowd: a
//! resume after which ten thousand accounts are due, or a provider that comes back. And so that an account whose
//! refreshes fail does not hold up those whose refreshes would succeed.
//!
//! Each origin has a lane: so many flights at a time, so many a second, and none before the moment that the provider
//! asked for. Each token endpoint of an origin has a way: it shuts when several accounts in a row found nobody there,
//! and then one account at a time probes it. What an answer says about its account alone shuts nothing.

mod lane;
#[cfg(test)]
mod tests;
mod way;

use std::collections::HashMap;
use std::time::Duration;

use self::lane::Lane;
use super::words::{Origin, TokenEndpoint};
use crate::model::Boot;

/// The longest time from the end of a probe of a shut way to the next.
pub(super) const PROBE_MAX: Duration = Duration::from_mins(1);
/// The shortest: a crowd whose tokens have run out must not probe one after the other without a pause.
pub(super) const PROBE_MIN: Duration = Duration::from_secs(2);

/// How long a request takes that hangs: most answers come within a second.
pub(super) const HANGS: Duration = Duration::from_secs(5);

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Urgency {
    /// A refresh token whose fate is not known: the provider forgives a second use for seconds only.
    Unsettled,
    /// Callers wait.
    Waited,
    /// The schedule says so.
    Due,
}

/// How a flight ended, as far as the way to its token endpoint is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The account has its tokens.
    Served,
    /// The provider spoke about this account or its client. It is there.
    Refused,
    /// It spoke about something else that was asked for, such as a part of the login. It is there.
    Answered,
    /// Nothing was said about the account: no connection, no answer, a server error, a foreign page.
    Trouble,
    /// The provider asks for a pause until then, and leaves open whom it counts (RFC 6585, 4).
    Asked(Boot),
    /// Nothing was sent, for reasons of our own.
    Unsent,
}

/// A slot in a queue. The order is that of departure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket {
    pub(super) urgency: Urgency,
    pub(super) since: Boot,
    pub(super) slot: usize,
    /// When a shut way is probed for this account at the latest, if its refreshes have not failed.
    pub(super) probe_by: Boot,
    pub(super) speed: Speed,
    /// When the account was served last.
    pub(super) served: Boot,
}

/// How long an account whose token lives for `left` leaves a shut way alone.
pub(super) fn probe_pause(left: Duration) -> Duration {
    (left / 2).min(PROBE_MAX)
}

/// How long the last request of an account took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) enum Speed {
    #[default]
    Quick,
    /// It hung, and the next may take half a minute as well.
    Slow,
}

/// What is known of an account by how its refreshes went since the last one that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// None failed.
    Sound,
    /// It may be the way's fault.
    InDoubt,
    /// Others are served, or the provider said something about the account: it is the account's fault.
    AtFault,
}

/// How many flights are under way.
#[derive(Debug, Clone, Copy, Default)]
struct Flights {
    quick: usize,
    slow: usize,
}

impl Flights {
    fn all(self) -> usize {
        self.quick + self.slow
    }

    fn begin(&mut self, speed: Speed) {
        *self.of(speed) += 1;
    }

    fn end(&mut self, speed: Speed) {
        let count = self.of(speed);
        *count = count.saturating_sub(1);
    }

    fn of(&mut self, speed: Speed) -> &mut usize {
        match speed {
            Speed::Quick => &mut self.quick,
            Speed::Slow => &mut self.slow,
        }
    }
}

/// All lanes.
pub(super) struct Traffic {
    most: usize,
    flights: Flights,
    /// How many tickets there are: where there is none, which is at most events, nothing has to be looked through.
    queued: usize,
    lanes: HashMap<Origin, Lane>,
}

impl Traffic {
    /// No lanes yet; at most `most` flights over all of them.
    pub(super) fn new(most: usize) -> Self {
        Self { most, flights: Flights::default(), queued: 0, lanes: HashMap::new() }
    }

    /// Queues for a flight.
    pub(super) fn queue(&mut self, endpoint: &TokenEndpoint, ticket: Ticket) {
        self.queued += 1;
        let lane = self.lanes.entry(endpoint.origin.clone()).or_default();
        lane.ways.entry(endpoint.path.clone()).or_default().queue(ticket);
    }

    /// Leaves the queue.
    pub(super) fn leave(&mut self, endpoint: &TokenEndpoint, ticket: Ticket) {
        self.queued = self.queued.saturating_sub(1);
        if let Some(lane) = self.lanes.get_mut(&endpoint.origin) {
            lane.leave(endpoint, ticket);
        }
    }

    /// A flight of an earlier run goes on.
    pub(super) fn resume(&mut self, endpoint: &TokenEndpoint, slot: usize) {
        let lane = self.lanes.entry(endpoint.origin.clone()).or_default();
        // its answer is there already
        if lane.ways.entry(endpoint.path.clone()).or_default().resume(slot, Speed::Quick) {
            lane.flights.begin(Speed::Quick);
            self.flights.begin(Speed::Quick);
        }
    }

    /// The most urgent account that may fly now, if one may. It counts as flying from here on.
    pub(super) fn next(&mut self, now: Boot) -> Option<usize> {
        let spare = self.spare().filter(|_| self.queued > 0)?;
        let lanes = self.lanes.values_mut();
        let open = lanes.filter_map(|lane| Some((lane.first(spare, now)?, lane)));
        let (ticket, lane) = open.min_by_key(|(ticket, _)| *ticket)?;
        lane.depart(ticket, now);
        self.queued = self.queued.saturating_sub(1);
        self.flights.begin(ticket.speed);
        Some(ticket.slot)
    }

    /// The flight of the account at `slot` ended.
    pub(super) fn landed(
        &mut self,
        endpoint: &TokenEndpoint,
        slot: usize,
        outcome: Outcome,
        now: Boot,
    ) {
        let Some(lane) = self.lanes.get_mut(&endpoint.origin) else { return };
        let Some(speed) = lane.landed(endpoint, slot, outcome, now) else { return };
        self.flights.end(speed);
        // an origin that nobody needs is forgotten once it has nothing to remember
        if lane.is_idle(now) {
            self.lanes.remove(&endpoint.origin);
        }
    }

    /// The account at `slot` has another login, other rules, or is gone: how its refreshes went is forgotten.
    pub(super) fn forget(&mut self, endpoint: &TokenEndpoint, slot: usize) {
        if let Some(lane) = self.lanes.get_mut(&endpoint.origin) {
            lane.forget(endpoint, slot);
        }
    }

    /// When the next one in a queue may fly, if only time keeps it.
    pub(super) fn next_deadline(&self) -> Option<Boot> {
        let spare = self.spare().filter(|_| self.queued > 0)?;
        self.lanes.values().filter_map(|lane| lane.opens(spare)).min()
    }

    /// Shut ways may be probed now: the way to a provider may be another one than before. A pause that a
    /// provider asked for stays.
    pub(super) fn reopen(&mut self, now: Boot) {
        for way in self.lanes.values_mut().flat_map(|lane| lane.ways.values_mut()) {
            way.reopen(now);
        }
    }

    /// The moment before which nothing can fly for an account, however urgent.
    pub(super) fn shut_until(
        &self,
        endpoint: &TokenEndpoint,
        slot: usize,
        now: Boot,
    ) -> Option<Boot> {
        let lane = self.lanes.get(&endpoint.origin)?;
        let way = lane.ways.get(&endpoint.path);
        let shut = way.and_then(|way| way.shut_until(slot, now));
        lane.quiet_until().max(shut)
    }

    /// Whether it is an account's own fault that its refreshes fail.
    pub(super) fn is_at_fault(&self, endpoint: &TokenEndpoint, slot: usize) -> bool {
        let lane = self.lanes.get(&endpoint.origin);
        let way = lane.and_then(|lane| lane.ways.get(&endpoint.path));
        way.is_some_and(|way| way.health(slot) == Health::AtFault)
    }

    /// Whether slow ones may fly, if anybody may: a quarter of all flights is kept for the others, so that a handful
    /// of servers that let requests hang cannot take all.
    fn spare(&self) -> Option<bool> {
        let kept = self.most / 4;
        (self.flights.all() < self.most).then_some(self.flights.slow + kept < self.most)
    }
}

#[cfg(test)]
impl Traffic {
    /// Until when an origin asked to be left alone.
    pub(super) fn quiet_until(&self, origin: &Origin) -> Option<Boot> {
        self.lanes.get(origin)?.quiet_until()
    }
}
