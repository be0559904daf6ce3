//! The way to one token endpoint: who waits for it, whether anybody is there, and whose fault a failure is.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::{HANGS, Health, Outcome, PROBE_MAX, PROBE_MIN, Speed, Ticket, Urgency};
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
    /// Those whose refresh token is of unknown fate, and may be forgiven for a moment only.
    pressing: Queue,
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

/// Accounts that wait, apart by how long they take.
#[derive(Default)]
struct Queue {
    quick: BTreeSet<Ticket>,
    slow: BTreeSet<Ticket>,
}

impl Queue {
    fn insert(&mut self, ticket: Ticket) {
        match ticket.speed {
            Speed::Quick => self.quick.insert(ticket),
            Speed::Slow => self.slow.insert(ticket),
        };
    }

    fn remove(&mut self, ticket: Ticket) {
        self.quick.remove(&ticket);
        self.slow.remove(&ticket);
    }

    fn contains(&self, ticket: Ticket) -> bool {
        self.quick.contains(&ticket) || self.slow.contains(&ticket)
    }

    fn first(&self, takes_slow: bool) -> Option<Ticket> {
        let slow = self.slow.first().filter(|_| takes_slow);
        self.quick.first().into_iter().chain(slow).min().copied()
    }

    fn is_empty(&self) -> bool {
        self.quick.is_empty() && self.slow.is_empty()
    }
}

/// Failing accounts that wait: in the order of departure, and in the two orders in which they probe a shut way.
#[derive(Default)]
struct Failing {
    queue: Queue,
    /// By the time for which they wait.
    oldest: BTreeSet<(Boot, Ticket)>,
    /// Those in doubt, by when they were served last, and of two alike first who waits longer: the later one was
    /// served, the more it tells that it fails now.
    likeliest: BTreeSet<(Boot, Reverse<Ticket>)>,
}

impl Failing {
    fn insert(&mut self, ticket: Ticket, health: Health) {
        self.queue.insert(ticket);
        self.oldest.insert((ticket.since, ticket));
        if health == Health::InDoubt {
            self.likeliest.insert((ticket.served, Reverse(ticket)));
        }
    }

    fn remove(&mut self, ticket: Ticket) {
        self.queue.remove(ticket);
        self.oldest.remove(&(ticket.since, ticket));
        self.likeliest.remove(&(ticket.served, Reverse(ticket)));
    }

    /// Who probes.
    fn probe(&self, turn: Turn) -> Option<Ticket> {
        let oldest = self.oldest.first().map(|(_, ticket)| *ticket);
        let mut likeliest = self.likeliest.iter().rev().map(|(_, Reverse(ticket))| *ticket);
        match turn {
            Turn::Likeliest => likeliest.next().or(oldest),
            Turn::Another { than } => likeliest.find(|ticket| ticket.slot != than).or(oldest),
            Turn::Oldest => oldest,
        }
    }
}

/// A way that leads nowhere at the moment.
struct Shut {
    /// When it was last probed.
    probed: Boot,
    pause: Duration,
    /// Who is on the way to find out, and since when.
    probe: Option<(usize, Boot)>,
    /// Who probes next, if no sound account waits.
    turn: Turn,
}

/// Who of the failing probes, in this order. The one that is likeliest to be served may fail for ever, so there are
/// turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Likeliest,
    /// The likeliest but for that one.
    Another {
        than: usize,
    },
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
        if ticket.urgency == Urgency::Unsettled {
            return self.pressing.insert(ticket);
        }
        match self.health(ticket.slot) {
            Health::Sound => self.sound.insert(ticket),
            health @ (Health::InDoubt | Health::AtFault) => self.failing.insert(ticket, health),
        }
    }

    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.pressing.remove(ticket);
        self.sound.remove(ticket);
        self.failing.remove(ticket);
    }

    pub(super) fn has(&self, ticket: Ticket) -> bool {
        self.pressing.contains(ticket)
            || self.sound.queue.contains(&ticket)
            || self.failing.queue.contains(ticket)
    }

    /// The account whose token may be spent that flies next. No shut way keeps it.
    pub(super) fn pressing(&self, takes_slow: bool) -> Option<Ticket> {
        self.pressing.first(takes_slow)
    }

    /// The sound account that flies next, and when. A probe that takes long keeps none of them.
    pub(super) fn sound(&self) -> Option<(Boot, Ticket)> {
        let Some(shut) = &self.shut else {
            return Some((Boot::LONG_AGO, *self.sound.queue.first()?));
        };
        let (by, ticket) = self.sound.probes.first()?;
        let at = match shut.probe {
            Some((_, left)) => (*by).max(left + PROBE_MIN),
            None => shut.probed_by(*by),
        };
        Some((at, *ticket))
    }

    /// The same for those that fail; `None` while that depends on a landing, or none waits.
    pub(super) fn failing(&self, gate: Gate) -> Option<(Boot, Ticket)> {
        let takes_slow = gate != Gate::ForQuick;
        let Some(shut) = &self.shut else {
            return Some((Boot::LONG_AGO, self.failing.queue.first(takes_slow)?));
        };
        // who has not failed finds out more: the others may fail whatever the way is like
        if !self.sound.queue.is_empty() {
            return None;
        }
        let probe = self.failing.probe(shut.turn)?;
        // each of them within a minute or two, as long as that does not make a crowd: one alone may be served
        let waiting = u32::try_from(self.failing.oldest.len()).unwrap_or(u32::MAX);
        let pause = shut.pause.min((PROBE_MAX / waiting.max(1)).max(SHUT_MIN));
        let at = match shut.probe {
            Some((_, left)) => left + pause.max(HANGS),
            None => shut.probed + pause,
        };
        (takes_slow || probe.speed == Speed::Quick).then_some((at, probe))
    }

    pub(super) fn depart(&mut self, ticket: Ticket, now: Boot) {
        self.leave(ticket);
        self.resume(ticket.slot, ticket.speed);
        if let Some(shut) = &mut self.shut
            && ticket.urgency != Urgency::Unsettled
        {
            shut.probe = Some((ticket.slot, now));
            shut.turn = match shut.turn {
                Turn::Likeliest => Turn::Another { than: ticket.slot },
                Turn::Another { .. } => Turn::Oldest,
                Turn::Oldest => Turn::Likeliest,
            };
        }
    }

    /// Counts an account as flying; says whether it was not yet.
    pub(super) fn resume(&mut self, slot: usize, speed: Speed) -> bool {
        self.flying.insert(slot, speed).is_none()
    }

    /// A flight ended. Gives how it was counted; `None` if it was not.
    pub(super) fn landed(&mut self, slot: usize, outcome: Outcome, now: Boot) -> Option<Speed> {
        let speed = self.flying.remove(&slot)?;
        let shut = self.shut.as_mut();
        let probed = shut.is_some_and(|shut| shut.probe.take_if(|probe| probe.0 == slot).is_some());
        match outcome {
            Outcome::Served => {
                self.served += 1;
                self.causes.remove(&slot);
                self.answered();
            }
            Outcome::Refused => {
                self.causes.insert(slot, Cause::Told);
                self.answered();
            }
            Outcome::Answered => self.answered(),
            Outcome::Trouble | Outcome::Asked(_) => self.in_vain(slot, probed, now),
            Outcome::Unsent => {}
        }
        Some(speed)
    }

    fn answered(&mut self) {
        self.row.clear();
        self.shut = None;
    }

    fn in_vain(&mut self, slot: usize, probed: bool, now: Boot) {
        let open = Cause::Open { served: self.served, strikes: 0 };
        match self.causes.entry(slot).or_insert(open) {
            Cause::Open { served, strikes } if *served < self.served => {
                *served = self.served;
                *strikes += 1;
            }
            Cause::Open { .. } => {}
            // what the provider said before is no reason for what it does not say now
            told @ Cause::Told => *told = open,
        }
        if self.health(slot) == Health::InDoubt {
            self.row.insert(slot);
        }
        match &mut self.shut {
            Some(shut) if probed => {
                shut.probed = now;
                // a hint may have made it none at all
                shut.pause = (shut.pause * 2).clamp(SHUT_MIN, PROBE_MAX);
            }
            None if self.row.len() >= SHUT_AFTER => {
                let turn = Turn::Likeliest;
                self.shut = Some(Shut { probed: now, pause: SHUT_MIN, probe: None, turn });
            }
            // what left before the way was shut says nothing new, and must not put the probe off
            Some(_) | None => {}
        }
    }

    pub(super) fn forget(&mut self, slot: usize) {
        self.causes.remove(&slot);
        self.row.remove(&slot);
    }

    pub(super) fn reopen(&mut self, now: Boot) {
        if let Some(shut) = &mut self.shut {
            shut.pause = shut.pause.min(now.since(shut.probed));
        }
    }

    /// When an account may fly that begins to wait now.
    pub(super) fn shut_until(&self, slot: usize, now: Boot) -> Option<Boot> {
        let shut = self.shut.as_ref()?;
        Some(match self.health(slot) {
            Health::Sound => shut.probed_by(now),
            Health::InDoubt | Health::AtFault => shut.until(),
        })
    }

    pub(super) fn health(&self, slot: usize) -> Health {
        match self.causes.get(&slot) {
            None => Health::Sound,
            Some(Cause::Open { strikes, .. }) if *strikes < STRIKES => Health::InDoubt,
            Some(Cause::Open { .. } | Cause::Told) => Health::AtFault,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.flying.is_empty()
            && self.sound.queue.is_empty()
            && self.pressing.is_empty()
            && self.failing.queue.is_empty()
            && self.causes.is_empty()
    }
}
