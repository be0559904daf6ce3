//! The traffic to one origin: its pace, and the pauses that it asks for.

use std::collections::HashMap;
use std::time::Duration;

use super::way::{Gate, Way};
use super::{Flights, Health, Outcome, Speed, Ticket};
use crate::lifecycle::words::TokenEndpoint;
use crate::model::Boot;

/// Flights of one lane at the same time.
pub(super) const LANE_FLIGHTS: usize = 4;
/// Of them, those of accounts whose last request hung: half a minute each, they must not take all.
pub(super) const LANE_SLOW: usize = 2;
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
    asked: Option<Asked>,
    turn: Turn,
    /// By the path of the token endpoint.
    pub(super) ways: HashMap<String, Way>,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Turn {
    #[default]
    Any,
    /// A failing account has just left. However urgent the next one like it is, a sound one goes first.
    Sound,
}

/// Who was told to wait, and until when. Whether the provider counts accounts or all requests of this machine is not
/// known (RFC 6585, 4, leaves it open), so the next flight decides. Taking a limit on all for one on an account
/// costs one more refusal; taking one on an account for a limit on all would stop accounts that are fine.
#[derive(Debug, Clone, Copy)]
struct Asked {
    place: usize,
    until: Boot,
    /// Who is on the way to find out.
    probe: Option<usize>,
}

impl Lane {
    pub(super) fn way(&mut self, endpoint: &TokenEndpoint) -> Option<&mut Way> {
        self.ways.get_mut(&endpoint.path)
    }

    pub(super) fn quiet_until(&self) -> Option<Boot> {
        self.quiet_until
    }

    /// Who may fly now, the most urgent of them. `spare`: whether slow ones may.
    pub(super) fn first(&mut self, spare: bool, now: Boot) -> Option<Ticket> {
        self.asked.take_if(|asked| asked.until <= now);
        self.earliest().filter(|earliest| *earliest <= now)?;
        let (gate, may) = (self.gate(spare), |(at, _): &(Boot, Ticket)| *at <= now);
        let ways = || self.ways.values();
        let sound = ways().filter_map(Way::sound).filter(may).map(|(_, ticket)| ticket).min();
        let failing =
            ways().filter_map(|way| way.failing(gate)).filter(may).map(|(_, ticket)| ticket).min();
        match (gate, self.turn) {
            (Gate::OneByOne, _) | (_, Turn::Sound) => sound.or(failing),
            (Gate::ForAll | Gate::ForQuick, Turn::Any) => sound.into_iter().chain(failing).min(),
        }
    }

    /// When somebody may fly; `None` while that depends on a landing, or nobody waits.
    pub(super) fn opens(&self, spare: bool) -> Option<Boot> {
        let earliest = self.earliest()?;
        let gate = self.gate(spare);
        let next = self.ways.values().flat_map(|way| [way.sound(), way.failing(gate)]).flatten();
        next.map(|(at, _)| at.max(earliest)).min()
    }

    /// The moment before which nobody may, whatever the ways say.
    fn earliest(&self) -> Option<Boot> {
        if self.flights.all() >= LANE_FLIGHTS {
            return None;
        }
        let paced = self.arrival.map(|arrival| arrival - PACE * BURST);
        // one at a time finds out whom the provider counts
        let asked = self.asked.filter(|asked| asked.probe.is_some()).map(|asked| asked.until);
        let latest = [self.quiet_until, paced, asked].into_iter().max().flatten();
        Some(latest.unwrap_or(Boot::LONG_AGO))
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
            let is_sound = way.health(ticket.place) == Health::Sound;
            self.turn = if is_sound { Turn::Any } else { Turn::Sound };
            way.depart(ticket);
        }
        if let Some(asked) = &mut self.asked {
            asked.probe = Some(ticket.place);
        }
        *self.flights.of(ticket.speed) += 1;
        self.arrival = Some(self.arrival.map_or(now, |arrival| arrival.max(now)) + PACE);
    }

    /// A flight ended. Gives how it was counted; `None` if it was not.
    pub(super) fn landed(
        &mut self,
        endpoint: &TokenEndpoint,
        place: usize,
        outcome: Outcome,
        now: Boot,
    ) -> Option<Speed> {
        let way = self.ways.get_mut(&endpoint.path)?;
        let speed = way.landed(place, outcome, now)?;
        let is_at_fault = way.health(place) == Health::AtFault;
        let count = self.flights.of(speed);
        *count = count.saturating_sub(1);
        if let Some(asked) = &mut self.asked {
            asked.probe.take_if(|probe| *probe == place);
        }
        match outcome {
            Outcome::Served | Outcome::Refused => self.asked = None,
            Outcome::Asked(until) if !is_at_fault => {
                let second =
                    self.asked.is_some_and(|asked| asked.place != place && asked.until > now);
                if second {
                    self.quiet_until = self.quiet_until.max(Some(until));
                }
                self.asked = Some(Asked { place, until, probe: None });
            }
            Outcome::Asked(_) | Outcome::Trouble | Outcome::Unsent => {}
        }
        if way.is_idle() {
            self.ways.remove(&endpoint.path);
        }
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
