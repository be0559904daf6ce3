//! Who flies when: every refresh goes through here, so that a provider is never flooded, whatever
//! brought the crowd: a resume after which ten thousand accounts are due, or a provider that comes back.
//!
//! Each token endpoint's origin has a lane. A lane lets out the most urgent first, so many at a time, so
//! many a second, and none before the moment that the provider asked for (`Retry-After`, RFC 9110,
//! 10.2.3). After several failures in a row that say nothing about the accounts, the lane shuts: then
//! one account probes now and then, until it gets through.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::words::Origin;
use crate::model::Boot;

/// Flights of one lane at the same time.
const LANE_FLIGHTS: usize = 4;
/// Flights that a lane may let out at once after a rest.
const BURST: i64 = 10;
/// The time after which a lane may let out one more.
const PACE: Duration = Duration::from_millis(200);
/// Failures in a row that shut a lane.
const SHUT_AFTER: u32 = 5;
/// The first and the longest time that a lane stays shut before the next probe.
const SHUT_MIN: Duration = Duration::from_secs(5);
const SHUT_MAX: Duration = Duration::from_mins(5);

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// A refresh token whose fate is not known: the provider forgives a second use for seconds only.
    Unsettled,
    /// Callers wait.
    Waited,
    /// The schedule says so.
    Due,
}

/// How a flight ended, as far as its lane is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The provider answered for itself.
    Answered,
    /// It did not, or is in trouble.
    Trouble,
    /// Nothing was sent, for reasons of our own.
    Unsent,
    /// It asks to be left alone until then.
    Quiet(Boot),
}

type Ticket = (Urgency, Boot, usize);

/// All lanes.
pub(super) struct Traffic {
    most: usize,
    flying: usize,
    lanes: HashMap<Origin, Lane>,
}

#[derive(Default)]
struct Lane {
    flying: usize,
    queue: BTreeSet<Ticket>,
    /// The pace, as the moment at which the lane will have rested: each flight moves it on by
    /// [`PACE`], and it may lie [`BURST`] times that ahead.
    rested: Option<Boot>,
    quiet_until: Option<Boot>,
    troubles: u32,
    shut_until: Option<Boot>,
    /// Who is on its way through a shut lane as its probe.
    probe: Option<usize>,
}

impl Traffic {
    /// No lanes yet; at most `most` flights over all of them.
    pub(super) fn new(most: usize) -> Self {
        Self { most, flying: 0, lanes: HashMap::new() }
    }

    /// Queues for a flight.
    pub(super) fn queue(&mut self, origin: &Origin, urgency: Urgency, since: Boot, place: usize) {
        self.lanes.entry(origin.clone()).or_default().queue.insert((urgency, since, place));
    }

    /// Leaves the queue.
    pub(super) fn leave(&mut self, origin: &Origin, urgency: Urgency, since: Boot, place: usize) {
        if let Some(lane) = self.lanes.get_mut(origin) {
            lane.queue.remove(&(urgency, since, place));
        }
    }

    /// A flight of an earlier run goes on.
    pub(super) fn resume(&mut self, origin: &Origin) {
        self.flying += 1;
        self.lanes.entry(origin.clone()).or_default().flying += 1;
    }

    /// The most urgent account that may fly now, if one may. It counts as flying from here on.
    pub(super) fn next(&mut self, now: Boot) -> Option<usize> {
        if self.flying >= self.most {
            return None;
        }
        let open = self.lanes.values_mut().filter(|lane| lane.opens().is_some_and(|at| at <= now));
        let lane = open
            .filter(|lane| !lane.queue.is_empty())
            .min_by_key(|lane| lane.queue.first().copied())?;
        let (urgency, _, place) = lane.queue.pop_first()?;
        lane.depart(urgency, place, now);
        self.flying += 1;
        Some(place)
    }

    /// The flight of the account at `place` ended.
    pub(super) fn landed(&mut self, origin: &Origin, place: usize, outcome: Outcome, now: Boot) {
        self.flying = self.flying.saturating_sub(1);
        let Some(lane) = self.lanes.get_mut(origin) else { return };
        lane.flying = lane.flying.saturating_sub(1);
        let probed = lane.probe.take_if(|probe| *probe == place).is_some();
        match outcome {
            Outcome::Answered => {
                lane.troubles = 0;
                lane.shut_until = None;
            }
            // what left before the lane was shut says nothing new, and must not put the probe off
            Outcome::Trouble if lane.shut_until.is_some() && !probed => {}
            Outcome::Trouble => lane.trouble(now),
            Outcome::Unsent => {}
            Outcome::Quiet(until) => {
                lane.quiet_until = lane.quiet_until.max(Some(until));
            }
        }
        // an origin that nobody needs is forgotten once it has nothing to remember
        if lane.is_idle(now) {
            self.lanes.remove(origin);
        }
    }

    /// When a lane with somebody in its queue opens, if only time keeps it closed.
    pub(super) fn next_deadline(&self) -> Option<Boot> {
        if self.flying >= self.most {
            return None;
        }
        let waiting = self.lanes.values().filter(|lane| !lane.queue.is_empty());
        waiting.filter_map(Lane::opens).min()
    }

    /// Shut lanes may be probed now: the way to them may be another one than before. A pause that a
    /// provider asked for stays.
    pub(super) fn reopen(&mut self, now: Boot) {
        for lane in self.lanes.values_mut() {
            lane.shut_until = lane.shut_until.map(|until| until.min(now));
        }
    }

    /// The moment before which nothing can fly in a lane, whoever waits.
    pub(super) fn shut_until(&self, origin: &Origin) -> Option<Boot> {
        let lane = self.lanes.get(origin)?;
        lane.quiet_until.max(lane.shut_until)
    }
}

impl Lane {
    /// When it may let the first in its queue out; `None` while that depends on a landing.
    fn opens(&self) -> Option<Boot> {
        if self.flying >= LANE_FLIGHTS {
            return None;
        }
        let unsettled = self.queue.first().is_some_and(|ticket| ticket.0 == Urgency::Unsettled);
        let shut = match self.shut_until {
            Some(_) if unsettled => None,
            Some(_) if self.probe.is_some() => return None,
            shut => shut,
        };
        let paced = self.rested.map(|rested| rested - PACE * u32::try_from(BURST).unwrap_or(1));
        Some([self.quiet_until, shut, paced].into_iter().flatten().max().unwrap_or(Boot::LONG_AGO))
    }

    fn depart(&mut self, urgency: Urgency, place: usize, now: Boot) {
        self.flying += 1;
        self.rested = Some(self.rested.map_or(now, |rested| rested.max(now)) + PACE);
        if self.shut_until.is_some() && urgency != Urgency::Unsettled {
            self.probe = Some(place);
        }
    }

    fn trouble(&mut self, now: Boot) {
        self.troubles = self.troubles.saturating_add(1);
        if let Some(over) = self.troubles.checked_sub(SHUT_AFTER) {
            let pause = SHUT_MIN.saturating_mul(1 << over.min(10)).min(SHUT_MAX);
            self.shut_until = Some(now + pause);
        }
    }

    fn is_idle(&self, now: Boot) -> bool {
        self.flying == 0
            && self.queue.is_empty()
            && self.troubles == 0
            && self.quiet_until.is_none_or(|until| until <= now)
            && self.rested.is_none_or(|rested| rested <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Boot = Boot(1_000_000);

    fn origin() -> Origin {
        Origin("https://id.example".into())
    }

    fn after(millis: u64) -> Boot {
        NOW + Duration::from_millis(millis)
    }

    fn crowd(traffic: &mut Traffic, count: usize) {
        for place in 0..count {
            traffic.queue(&origin(), Urgency::Due, NOW, place);
        }
    }

    #[test]
    fn a_lane_lets_four_out_at_a_time_and_the_most_urgent_first() {
        let mut traffic = Traffic::new(64);
        crowd(&mut traffic, 8);
        traffic.queue(&origin(), Urgency::Waited, after(5), 77);
        traffic.queue(&origin(), Urgency::Unsettled, after(9), 99);
        let out: Vec<_> = std::iter::from_fn(|| traffic.next(after(10))).collect();
        assert_eq!(out, [99, 77, 0, 1]);
        assert_eq!(traffic.next_deadline(), None, "a landing is what is waited for");
        traffic.landed(&origin(), 99, Outcome::Answered, after(20));
        assert_eq!(traffic.next(after(20)), Some(2));
    }

    #[test]
    fn ten_thousand_at_once_leave_at_a_bounded_rate() {
        let mut traffic = Traffic::new(64);
        crowd(&mut traffic, 10_000);
        let mut times = Vec::new();
        let mut now = NOW;
        while times.len() < 10_000 {
            while let Some(place) = traffic.next(now) {
                times.push(now);
                traffic.landed(&origin(), place, Outcome::Answered, now);
            }
            let Some(opens) = traffic.next_deadline() else { break };
            assert!(opens > now);
            now = opens;
        }
        assert_eq!(times.len(), 10_000);
        for (first, later) in times.iter().zip(times.iter().skip(20)) {
            assert!(later.since(*first) >= Duration::from_secs(1), "more than 20 in a second");
        }
    }

    #[test]
    fn lanes_do_not_hold_each_other_up() {
        let mut traffic = Traffic::new(64);
        crowd(&mut traffic, 100);
        while traffic.next(NOW).is_some() {}
        let other = Origin("https://other.example".into());
        traffic.queue(&other, Urgency::Due, NOW, 500);
        assert_eq!(traffic.next(NOW), Some(500));
    }

    #[test]
    fn what_a_provider_asks_for_holds_for_all_its_accounts() {
        let mut traffic = Traffic::new(64);
        crowd(&mut traffic, 2);
        assert!(traffic.next(NOW).is_some());
        traffic.landed(&origin(), 0, Outcome::Quiet(after(60_000)), NOW);
        assert_eq!(traffic.next(after(59_999)), None);
        assert_eq!(traffic.next_deadline(), Some(after(60_000)));
        assert!(traffic.next(after(60_000)).is_some());
    }

    #[test]
    fn a_lane_in_trouble_shuts_and_one_account_probes_until_it_gets_through() {
        let mut traffic = Traffic::new(64);
        crowd(&mut traffic, 50);
        let mut now = NOW;
        for _ in 0..SHUT_AFTER {
            now = now.max(traffic.next_deadline().unwrap());
            let place = traffic.next(now).unwrap();
            traffic.landed(&origin(), place, Outcome::Trouble, now);
        }
        let opens = traffic.next_deadline().unwrap();
        assert_eq!(opens, now + SHUT_MIN);
        let probe = traffic.next(opens).unwrap();
        assert_eq!(traffic.next(opens), None, "and nobody else");
        traffic.landed(&origin(), probe, Outcome::Trouble, opens);
        assert_eq!(traffic.next_deadline(), Some(opens + SHUT_MIN * 2), "a longer pause");
        let later = opens + SHUT_MIN * 2;
        let probe = traffic.next(later).unwrap();
        traffic.landed(&origin(), probe, Outcome::Answered, later);
        assert!(traffic.next(later).is_some() && traffic.next(later).is_some(), "open for all");
    }

    #[test]
    fn what_was_under_way_when_a_lane_shut_neither_puts_its_probe_off_nor_lets_another_out() {
        let mut traffic = Traffic::new(64);
        crowd(&mut traffic, 50);
        for _ in 0..SHUT_AFTER - 1 {
            let place = traffic.next(NOW).unwrap();
            traffic.landed(&origin(), place, Outcome::Trouble, NOW);
        }
        let late: Vec<_> = std::iter::from_fn(|| traffic.next(NOW)).collect();
        assert_eq!(late.len(), LANE_FLIGHTS);
        traffic.landed(&origin(), late[0], Outcome::Trouble, NOW);
        let opens = NOW + SHUT_MIN;
        assert_eq!(traffic.next_deadline(), Some(opens));
        traffic.landed(&origin(), late[1], Outcome::Trouble, after(100));
        assert_eq!(traffic.next_deadline(), Some(opens), "it is known already");
        let probe = traffic.next(opens).unwrap();
        traffic.landed(&origin(), late[2], Outcome::Trouble, opens);
        assert_eq!(traffic.next(opens), None, "one probe at a time");
        traffic.landed(&origin(), probe, Outcome::Trouble, opens);
        assert_eq!(traffic.next_deadline(), Some(opens + SHUT_MIN * 2));
        traffic.landed(&origin(), late[3], Outcome::Answered, opens);
        assert!(traffic.next(opens).is_some(), "a late answer is one, too");
    }

    #[test]
    fn a_token_of_unknown_fate_does_not_wait_for_a_shut_lane() {
        let mut traffic = Traffic::new(64);
        for _ in 0..SHUT_AFTER {
            crowd(&mut traffic, 1);
            let place = traffic.next(NOW).unwrap();
            traffic.landed(&origin(), place, Outcome::Trouble, NOW);
        }
        crowd(&mut traffic, 1);
        assert_eq!(traffic.next(NOW), None);
        traffic.queue(&origin(), Urgency::Unsettled, NOW, 42);
        assert_eq!(traffic.next(NOW), Some(42));
    }

    #[test]
    fn lanes_that_nobody_needs_are_forgotten() {
        let mut traffic = Traffic::new(64);
        crowd(&mut traffic, 1);
        traffic.next(NOW);
        traffic.landed(&origin(), 0, Outcome::Answered, after(10_000));
        assert!(traffic.lanes.is_empty());
    }
}
