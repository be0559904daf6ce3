//! The way to one token endpoint: who waits for it, whether anybody is there, and whose fault a failure is.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::{Health, Outcome, PROBE_MAX, PROBE_MIN, Speed, Ticket, Urgency};
use crate::model::Boot;

/// Accounts in a row that found nobody there, after which a way shuts. One account that fails says nothing: a
/// provider may answer one account alone with a server error for ever.
pub(super) const SHUT_AFTER: usize = 5;
/// The first time that a way stays shut before it is probed; doubled up to [`PROBE_MAX`].
pub(super) const SHUT_MIN: Duration = Duration::from_secs(5);
/// How often an account fails although others were served since it failed before, until it is its own fault. The first
/// time the provider may have come back for a moment only.
pub(super) const STRIKES: u32 = 2;

#[derive(Default)]
pub(super) struct Way {
    sound: Sound,
    failing: Failing,
    flying: HashMap<usize, Speed>,
    /// How often an account was served.
    served: u64,
    /// The accounts that failed and were not served since.
    causes: HashMap<usize, Cause>,
    /// Those in doubt that failed since the provider last answered.
    row: HashSet<usize>,
    shut: Option<Shut>,
}

/// Whom a lane lets out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    ForAll,
    /// Those whose last request came to an end.
    ForQuick,
    /// One at a time: it is to be found out whether the provider serves anybody.
    OneByOne,
}

/// Why an account fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Not known.
    Open {
        /// How often others had been served by its last failure.
        served: u64,
        /// How often others had been served in between.
        strikes: u32,
    },
    /// The provider said it.
    Told,
}

/// Sound accounts that wait: in the order of departure, and in that in which they want a shut way probed.
#[derive(Default)]
struct Sound {
    queue: BTreeSet<Ticket>,
    probes: BTreeSet<(Boot, Ticket)>,
}

impl Sound {
    fn insert(&mut self, ticket: Ticket) {
        self.queue.insert(ticket);
        self.probes.insert((ticket.probe_by, ticket));
    }

    fn remove(&mut self, ticket: Ticket) {
        self.queue.remove(&ticket);
        self.probes.remove(&(ticket.probe_by, ticket));
    }
}

/// Failing accounts that wait: in the order of departure, apart by how long they take, and in the two orders in
/// which they probe a shut way.
#[derive(Default)]
struct Failing {
    quick: BTreeSet<Ticket>,
    slow: BTreeSet<Ticket>,
    /// By the time for which they wait.
    oldest: BTreeSet<(Boot, Ticket)>,
    /// Those in doubt, by when they were served last: the later, the more it tells that one fails now.
    likeliest: BTreeSet<(Boot, Ticket)>,
}

impl Failing {
    fn insert(&mut self, ticket: Ticket, health: Health) {
        match ticket.speed {
            Speed::Quick => self.quick.insert(ticket),
            Speed::Slow => self.slow.insert(ticket),
        };
        self.oldest.insert((ticket.since, ticket));
        if health == Health::InDoubt {
            self.likeliest.insert((ticket.served, ticket));
        }
    }

    fn remove(&mut self, ticket: Ticket) {
        self.quick.remove(&ticket);
        self.slow.remove(&ticket);
        self.oldest.remove(&(ticket.since, ticket));
        self.likeliest.remove(&(ticket.served, ticket));
    }

    fn first(&self, gate: Gate) -> Option<Ticket> {
        let (quick, slow) = (self.quick.first().copied(), self.slow.first().copied());
        match gate {
            Gate::ForAll => quick.into_iter().chain(slow).min(),
            Gate::ForQuick => quick,
            Gate::OneByOne => quick.or(slow),
        }
    }

    fn probe(&self, turn: Turn) -> Option<Ticket> {
        let likeliest = self.likeliest.last().filter(|_| turn == Turn::Likeliest);
        likeliest.or(self.oldest.first()).map(|(_, ticket)| *ticket)
    }
}

/// A way that leads nowhere at the moment.
struct Shut {
    /// When it was last probed.
    probed: Boot,
    pause: Duration,
    /// Who is on the way to find out.
    probe: Option<usize>,
    /// Who probes next, if no sound account waits.
    turn: Turn,
}

/// Who of the failing probes. The one that is likeliest to be served may fail for ever, so there are turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Likeliest,
    Oldest,
}

impl Shut {
    fn until(&self) -> Boot {
        self.probed + self.pause
    }

    /// When it is probed for a sound account that wants it by then.
    fn probed_by(&self, by: Boot) -> Boot {
        self.until().min(by.max(self.probed + PROBE_MIN))
    }
}

impl Way {
    pub(super) fn queue(&mut self, ticket: Ticket) {
        match self.health(ticket.place) {
            Health::Sound => self.sound.insert(ticket),
            health @ (Health::InDoubt | Health::AtFault) => self.failing.insert(ticket, health),
        }
    }

    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.sound.remove(ticket);
        self.failing.remove(ticket);
    }

    pub(super) fn has(&self, ticket: Ticket) -> bool {
        self.sound.queue.contains(&ticket) || self.failing.oldest.contains(&(ticket.since, ticket))
    }

    /// The sound account that flies next, and when; `None` while that depends on a landing, or none waits.
    pub(super) fn sound(&self) -> Option<(Boot, Ticket)> {
        let first = *self.sound.queue.first()?;
        let Some(shut) = self.shut.as_ref().filter(|_| first.urgency != Urgency::Unsettled) else {
            return Some((Boot::LONG_AGO, first));
        };
        let (by, ticket) = self.sound.probes.first().filter(|_| shut.probe.is_none())?;
        Some((shut.probed_by(*by), *ticket))
    }

    /// The same for those that fail.
    pub(super) fn failing(&self, gate: Gate) -> Option<(Boot, Ticket)> {
        let first = self.failing.first(gate);
        let pressing = first.filter(|first| first.urgency == Urgency::Unsettled);
        match (&self.shut, pressing) {
            (None, _) => Some((Boot::LONG_AGO, first?)),
            (Some(_), Some(pressing)) => Some((Boot::LONG_AGO, pressing)),
            // who has not failed finds out more: the others may fail whatever the way is like
            (Some(shut), None) if shut.probe.is_some() || !self.sound.queue.is_empty() => None,
            (Some(shut), None) => Some((shut.until(), self.failing.probe(shut.turn)?)),
        }
    }

    pub(super) fn depart(&mut self, ticket: Ticket) {
        self.leave(ticket);
        self.resume(ticket.place, ticket.speed);
        if let Some(shut) = &mut self.shut
            && ticket.urgency != Urgency::Unsettled
        {
            shut.probe = Some(ticket.place);
            shut.turn = match shut.turn {
                Turn::Likeliest => Turn::Oldest,
                Turn::Oldest => Turn::Likeliest,
            };
        }
    }

    /// Counts an account as flying.
    pub(super) fn resume(&mut self, place: usize, speed: Speed) {
        self.flying.insert(place, speed);
    }

    /// A flight ended. Gives how it was counted; `None` if it was not.
    pub(super) fn landed(&mut self, place: usize, outcome: Outcome, now: Boot) -> Option<Speed> {
        let speed = self.flying.remove(&place)?;
        let shut = self.shut.as_mut();
        let probed = shut.is_some_and(|shut| shut.probe.take_if(|probe| *probe == place).is_some());
        match outcome {
            Outcome::Served => {
                self.served += 1;
                self.causes.remove(&place);
                self.answered();
            }
            Outcome::Refused => {
                self.causes.insert(place, Cause::Told);
                self.answered();
            }
            Outcome::Trouble | Outcome::Asked(_) => self.found_nobody(place, probed, now),
            Outcome::Unsent => {}
        }
        Some(speed)
    }

    fn answered(&mut self) {
        self.row.clear();
        self.shut = None;
    }

    fn found_nobody(&mut self, place: usize, probed: bool, now: Boot) {
        let cause =
            self.causes.entry(place).or_insert(Cause::Open { served: self.served, strikes: 0 });
        if let Cause::Open { served, strikes } = cause
            && *served < self.served
        {
            *served = self.served;
            *strikes += 1;
        }
        if self.health(place) == Health::InDoubt {
            self.row.insert(place);
        }
        match &mut self.shut {
            Some(shut) if probed => {
                shut.probed = now;
                shut.pause = (shut.pause * 2).min(PROBE_MAX);
            }
            None if self.row.len() >= SHUT_AFTER => {
                let turn = Turn::Likeliest;
                self.shut = Some(Shut { probed: now, pause: SHUT_MIN, probe: None, turn });
            }
            // what left before the way was shut says nothing new, and must not put the probe off
            Some(_) | None => {}
        }
    }

    pub(super) fn forget(&mut self, place: usize) {
        self.causes.remove(&place);
        self.row.remove(&place);
    }

    pub(super) fn reopen(&mut self, now: Boot) {
        if let Some(shut) = &mut self.shut {
            shut.pause = shut.pause.min(now.since(shut.probed));
        }
    }

    /// When an account may fly that begins to wait now.
    pub(super) fn shut_until(&self, place: usize, now: Boot) -> Option<Boot> {
        let shut = self.shut.as_ref()?;
        Some(match self.health(place) {
            Health::Sound => shut.probed_by(now),
            Health::InDoubt | Health::AtFault => shut.until(),
        })
    }

    pub(super) fn health(&self, place: usize) -> Health {
        match self.causes.get(&place) {
            None => Health::Sound,
            Some(Cause::Open { strikes, .. }) if *strikes < STRIKES => Health::InDoubt,
            Some(Cause::Open { .. } | Cause::Told) => Health::AtFault,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.flying.is_empty()
            && self.sound.queue.is_empty()
            && self.failing.oldest.is_empty()
            && self.causes.is_empty()
    }
}
