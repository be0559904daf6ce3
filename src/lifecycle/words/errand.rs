//! Words about errands: what accounts that are gone leave to be done at their providers.

use std::time::Duration;

use crate::model::{AccountId, AccountName, Boot, ClientKey, ErrandId, Failure};

/// An errand, as the schedule needs to know it.
#[derive(Debug, Clone)]
pub struct ErrandSeed {
    /// Its number.
    pub errand: ErrandId,
    /// The account that is gone.
    pub account: AccountId,
    /// Its name.
    pub name: AccountName,
    /// The client that its tokens were issued to.
    pub client: ClientKey,
    /// When it went.
    pub since: Boot,
    /// How long its tokens live from then, where that is known.
    pub worth: Option<Duration>,
    /// Whether a client is to be unregistered, too.
    pub registered: bool,
}

/// News of an errand.
#[derive(Debug)]
pub enum ErrandEvent {
    /// There is one. It is on disk.
    New(ErrandSeed),
    /// A try has ended: it is done, or there is no doing it, or it failed in a way that passes.
    Tried {
        /// Which.
        errand: ErrandId,
        /// What keeps it from being done for now.
        result: Result<(), Failure>,
    },
}

/// What is to be done about an errand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrandEffect {
    /// Run it, then say [`ErrandEvent::Tried`](super::ErrandEvent::Tried).
    Run(ErrandId),
    /// Tell who waits for it that it has to wait itself.
    Waits(ErrandId),
    /// Forget it: it is done, or given up.
    Over(ErrandId),
}
