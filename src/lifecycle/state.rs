//! Where an account stands, and what it is doing: one value.
//!
//! ```text
//! Good, Held:  Idle --due, or asked--> Queued --its turn--> Flying --landed--> Saving --durable--> Idle
//!               ^                                             |                  |
//!               +------------------ Waiting <-----------------+ failed           + not saved: once more
//! any          --logged out--> Leaving --nothing in the air any more--> Erasing --> gone, or NeedsLogin
//! ```

use super::traffic::Ticket;
use super::words::{Parting, WaiterId};
use crate::model::{Boot, FlightId, Standing};

/// Where an account stands, and what it is doing.
#[derive(Debug)]
pub(super) enum State {
    /// Its login is good, as far as anybody knows.
    Good(Work),
    /// The provider rejects its client or the form of its request. It is tried now and then.
    Held {
        /// What the provider said.
        why: String,
        work: Work,
    },
    /// The user has to sign in again. Nothing is sent; the access token is handed out to its end.
    NeedsLogin {
        /// What the provider said.
        why: String,
    },
    /// Its user logs out. What is in the air lands first.
    Leaving {
        parting: Parting,
        waiter: WaiterId,
        /// Where it stands if the disk does not let go of it.
        standing: Standing,
        airborne: Option<Airborne>,
    },
    /// Its tokens are being erased.
    Erasing { parting: Parting, standing: Standing },
}

/// What an account is doing about its next token.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// Nothing, until its token is due.
    Idle,
    /// Waiting for its time after a failure, or for the gap that two refreshes must have.
    Waiting(Boot),
    /// Waiting for its turn among the flights.
    Queued(Ticket),
    /// A flight of its own is under way.
    Airborne(Airborne),
}

/// How far a flight has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Airborne {
    /// Its intent is on its way to the disk, or its request to the provider.
    Flying(FlightId),
    /// Its answer is on record and has not been read: the definition of the provider may be missing.
    Unread(FlightId),
    /// What it brought is on its way to the disk.
    Saving(FlightId),
}

impl State {
    /// The state of an account that stands there and does nothing.
    pub(super) fn at_rest(standing: Standing) -> Self {
        Self::new(standing, Work::Idle)
    }

    fn new(standing: Standing, work: Work) -> Self {
        match standing {
            Standing::Good => Self::Good(work),
            Standing::Held { why } => Self::Held { why, work },
            Standing::NeedsLogin { why } => Self::NeedsLogin { why },
        }
    }

    /// Where it stands, as a restart must know it.
    pub(super) fn standing(&self) -> Standing {
        match self {
            Self::Good(_) => Standing::Good,
            Self::Held { why, .. } => Standing::Held { why: why.clone() },
            Self::NeedsLogin { why } => Standing::NeedsLogin { why: why.clone() },
            Self::Leaving { standing, .. } | Self::Erasing { standing, .. } => standing.clone(),
        }
    }

    /// It stands there from now on, and does that. One that leaves goes on leaving.
    pub(super) fn stand(&mut self, to: Standing, work: Work) {
        match self {
            Self::Leaving { standing, airborne, .. } => {
                *standing = to;
                *airborne = work.airborne();
            }
            Self::Erasing { standing, .. } => *standing = to,
            Self::Good(_) | Self::Held { .. } | Self::NeedsLogin { .. } => {
                *self = Self::new(to, work);
            }
        }
    }

    /// It is good from now on, and waits for nothing that it waited for after a failure.
    pub(super) fn begin_anew(&mut self) {
        let work = self.work();
        self.stand(Standing::Good, if work.is_at_rest() { Work::Idle } else { work });
    }

    /// It does that from now on, and stands where it stood. Who needs a login, or leaves, does nothing.
    pub(super) fn work_on(&mut self, next: Work) {
        match self {
            Self::Good(work) | Self::Held { work, .. } => *work = next,
            Self::Leaving { airborne, .. } => *airborne = next.airborne(),
            Self::NeedsLogin { .. } | Self::Erasing { .. } => {}
        }
    }

    /// What it is doing about its next token.
    pub(super) fn work(&self) -> Work {
        match self {
            Self::Good(work) | Self::Held { work, .. } => *work,
            Self::Leaving { airborne: Some(airborne), .. } => Work::Airborne(*airborne),
            Self::NeedsLogin { .. } | Self::Leaving { .. } | Self::Erasing { .. } => Work::Idle,
        }
    }

    /// The flight that is under way, if one is.
    pub(super) fn airborne(&self) -> Option<Airborne> {
        self.work().airborne()
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. })
    }

    /// Whether its user logs out.
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self, Self::Leaving { .. } | Self::Erasing { .. })
    }

    /// Whether it is as good as gone.
    pub(super) fn is_going(&self) -> bool {
        matches!(
            self,
            Self::Leaving { parting: Parting::Erase, .. }
                | Self::Erasing { parting: Parting::Erase, .. }
        )
    }
}

impl Work {
    fn airborne(self) -> Option<Airborne> {
        match self {
            Self::Airborne(airborne) => Some(airborne),
            Self::Idle | Self::Waiting(_) | Self::Queued(_) => None,
        }
    }

    /// Whether nothing is under way and nothing waits for its turn.
    pub(super) fn is_at_rest(self) -> bool {
        matches!(self, Self::Idle | Self::Waiting(_))
    }
}

impl Airborne {
    /// The flight.
    pub(super) fn flight(self) -> FlightId {
        match self {
            Self::Flying(flight) | Self::Unread(flight) | Self::Saving(flight) => flight,
        }
    }
}
