//! Clients that register themselves for a login, while nothing of them is on the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::{ClientKey, Registration};

/// What keeps the daemon from stopping, and the machine from sleeping, although nothing flies: providers that change
/// registrations of which the disk does not know.
#[derive(Clone, Default)]
pub(super) struct Ties(Arc<AtomicUsize>);

/// One of them, until it is dropped.
pub(super) struct Tie(Arc<AtomicUsize>);

impl Ties {
    pub(super) fn tie(&self) -> Tie {
        self.0.fetch_add(1, Ordering::Relaxed);
        Tie(Arc::clone(&self.0))
    }

    pub(super) fn are_loose(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

impl Drop for Tie {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a login has to do with registrations while it is prepared.
pub(super) struct Registering {
    ties: Ties,
    tie: Option<Tie>,
    /// The client that has registered itself for it.
    pub(super) newcomer: Option<Newcomer>,
}

impl Registering {
    pub(super) fn with(ties: &Ties) -> Self {
        Self { ties: ties.clone(), tie: None, newcomer: None }
    }

    /// A request is about to be sent that makes a registration, or changes one: a stop waits for what comes of it.
    pub(super) fn begin(&mut self) {
        self.tie = Some(self.ties.tie());
    }

    /// The engine has what came of it. A stop waits until what is given back is dropped.
    pub(super) fn end(&mut self) -> Option<Tie> {
        self.tie.take()
    }
}

/// A client that has just registered itself, for one login.
#[derive(Clone)]
pub(super) struct Newcomer {
    pub(super) client: ClientKey,
    pub(super) registration: Arc<Registration>,
}
