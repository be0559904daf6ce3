//! The traffic to one origin: its pace, and the pauses that it asks for.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::way::{Gate, Way};
use super::{Flights, HANGS, Health, Outcome, Speed, Ticket, Urgency};
use crate::lifecycle::words::TokenEndpoint;
use crate::model::Boot;

/// Flights of one lane at the same time, but for those that hang: an account whose requests are never answered must not
/// keep a slot for half a minute.
pub(super) const LANE_FLIGHTS: usize = 4;
/// The same with them.
pub(super) const LANE_MAX: usize = 16;
/// Of them, those of accounts whose last request hung: half a minute each, they must not take all.
pub(super) const LANE_SLOW: usize = 2;
/// The same, if the token of the next one may be spent.
pub(super) const LANE_PRESSING: usize = 3;
/// Flights that a lane may let out at once after a rest.
const BURST: u32 = 10;
/// The time after which a lane may let out one more.
const PACE: Duration = Duration::from_millis(200);

#[derive(Default)]
pub(super) struct Lane {
    pub(super) flights: Flights,
    /// The pace, by GCRA (generic cell rate algorithm): the theoretical arrival time. Each flight moves it on by
    /// [`PACE`], and it may lie [`BURST`] times that ahead.
    arrival: Option<Boot>,
    quiet_until: Option<Boot>,
    /// When those that are under way left.
    departures: BTreeSet<(Boot, usize)>,
    asked: Option<Asked>,
    next: Next,
    /// By the path of the token endpoint.
    pub(super) ways: HashMap<String, Way>,
}

/// Who goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Next {
    /// The most urgent.
    #[default]
    Any,
    /// A sound one, for a failing one has just left. That costs one whose token may be spent the time between two
    /// departures; without it a dozen of them would take all departures of a minute.
    Sound,
}

/// Who was told to wait, and until when. Whether the provider counts accounts or all requests of this machine is not
/// known (RFC 6585, 4, leaves it open), so the next flight decides. Taking a limit on all for one on an account
/// costs one more refusal; taking one on an account for a limit on all would stop accounts that are fine.
#[derive(Debug, Clone, Copy)]
struct Asked {
    slot: usize,
    until: Boot,
    /// Who is on the way to find out, and since when.
    probe: Option<(usize, Boot)>,
}

impl Asked {
    /// When the next one may be let out to find out: one at a time, but none waits for one that hangs.
    fn opens(&self) -> Boot {
        self.probe.map_or(Boot::LONG_AGO, |(_, left)| self.until.min(left + HANGS))
    }
}

impl Lane {
    /// An account has another login or is gone.
    pub(super) fn forget(&mut self, endpoint: &TokenEndpoint, slot: usize) {
        self.asked.take_if(|asked| asked.slot == slot);
        if let Some(way) = self.ways.get_mut(&endpoint.path) {
            way.forget(slot);
        }
        self.drop_idle(endpoint);
    }

    /// The holder of a ticket goes without a flight.
    pub(super) fn leave(&mut self, endpoint: &TokenEndpoint, ticket: Ticket) {
        if let Some(way) = self.ways.get_mut(&endpoint.path) {
            way.leave(ticket);
        }
        self.drop_idle(endpoint);
    }

    fn drop_idle(&mut self, endpoint: &TokenEndpoint) {
        if self.ways.get(&endpoint.path).is_some_and(Way::is_idle) {
            self.ways.remove(&endpoint.path);
        }
    }

    pub(super) fn quiet_until(&self) -> Option<Boot> {
        self.quiet_until
    }

    /// Who may fly now, the most urgent of them. `spare`: whether slow ones may.
    pub(super) fn first(&mut self, spare: bool, now: Boot) -> Option<Ticket> {
        self.asked.take_if(|asked| asked.until <= now);
        self.earliest().filter(|earliest| *earliest <= now)?;
        let pressing = self.pressing(spare);
        if self.asked.is_some_and(|asked| asked.opens() > now) {
            return pressing;
        }
        let gate = self.gate(spare);
        let may = |(at, ticket): (Boot, Ticket)| (at <= now).then_some(ticket);
        let sound = self.ways.values().filter_map(Way::sound).filter_map(may).min();
        let failing = self.ways.values().filter_map(|way| way.failing(gate)).filter_map(may).min();
        match (gate, self.next) {
            (Gate::OneByOne, _) => pressing.or(sound).or(failing),
            (Gate::ForAll | Gate::ForQuick, Next::Sound) => sound.or(pressing).or(failing),
            (Gate::ForAll | Gate::ForQuick, Next::Any) => {
                pressing.or(sound.into_iter().chain(failing).min())
            }
        }
    }

    /// When somebody may fly; `None` while that depends on a landing, or nobody waits.
    pub(super) fn opens(&self, spare: bool) -> Option<Boot> {
        let earliest = self.earliest()?;
        if self.pressing(spare).is_some() {
            return Some(earliest);
        }
        let gate = self.gate(spare);
        let next = self.ways.values().flat_map(|way| [way.sound(), way.failing(gate)]).flatten();
        let asked = self.asked.map_or(Boot::LONG_AGO, |asked| asked.opens());
        next.map(|(at, _)| at.max(earliest).max(asked)).min()
    }

    /// The moment before which nobody may, whatever the ways say.
    fn earliest(&self) -> Option<Boot> {
        if self.flights.all() >= LANE_MAX {
            return None;
        }
        let paced = self.arrival.map(|arrival| arrival - PACE * BURST);
        // when the fourth of those that left last hangs
        let latest = self.departures.iter().rev().nth(LANE_FLIGHTS - 1);
        let taken = latest.map(|(left, _)| *left + HANGS);
        let earliest = [self.quiet_until, paced, taken].into_iter().max().flatten();
        Some(earliest.unwrap_or(Boot::LONG_AGO))
    }

    fn pressing(&self, spare: bool) -> Option<Ticket> {
        let takes_slow = spare && self.flights.slow < LANE_PRESSING;
        self.ways.values().filter_map(|way| way.pressing(takes_slow)).min()
    }

    fn gate(&self, spare: bool) -> Gate {
        match self.asked {
            Some(_) => Gate::OneByOne,
            None if spare && self.flights.slow < LANE_SLOW => Gate::ForAll,
            None => Gate::ForQuick,
        }
    }

    /// The holder of a ticket leaves.
    pub(super) fn depart(&mut self, ticket: Ticket, now: Boot) {
        if let Some(way) = self.ways.values_mut().find(|way| way.has(ticket)) {
            let is_sound = way.health(ticket.slot) == Health::Sound;
            self.next = if is_sound { Next::Any } else { Next::Sound };
            way.depart(ticket, now);
        }
        if let Some(asked) = &mut self.asked
            && ticket.urgency != Urgency::Unsettled
        {
            asked.probe = Some((ticket.slot, now));
        }
        self.flights.begin(ticket.speed);
        self.departures.insert((now, ticket.slot));
        self.arrival = Some(self.arrival.map_or(now, |arrival| arrival.max(now)) + PACE);
    }

    /// A flight ended. Gives how it was counted; `None` if it was not.
    pub(super) fn landed(
        &mut self,
        endpoint: &TokenEndpoint,
        slot: usize,
        outcome: Outcome,
        now: Boot,
    ) -> Option<Speed> {
        let way = self.ways.get_mut(&endpoint.path)?;
        let speed = way.landed(slot, outcome, now)?;
        self.departures.retain(|(_, flying)| *flying != slot);
        let is_at_fault = way.health(slot) == Health::AtFault;
        self.flights.end(speed);
        if let Some(asked) = &mut self.asked {
            asked.probe.take_if(|probe| probe.0 == slot);
        }
        match outcome {
            Outcome::Served | Outcome::Refused | Outcome::Answered => self.asked = None,
            Outcome::Asked(until) if !is_at_fault => {
                let second =
                    self.asked.is_some_and(|asked| asked.slot != slot && asked.until > now);
                if second {
                    self.quiet_until = self.quiet_until.max(Some(until));
                }
                let probe = self.asked.and_then(|asked| asked.probe);
                self.asked = Some(Asked { slot, until, probe });
            }
            Outcome::Asked(_) | Outcome::Trouble | Outcome::Unsent => {}
        }
        self.drop_idle(endpoint);
        Some(speed)
    }

    pub(super) fn is_idle(&self, now: Boot) -> bool {
        let is_over = |at: Option<Boot>| at.is_none_or(|at| at <= now);
        self.ways.is_empty()
            && is_over(self.quiet_until)
            && is_over(self.arrival)
            && is_over(self.asked.map(|asked| asked.until))
    }
}
