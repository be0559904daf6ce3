//! Clients that registered themselves for a login that came to nothing. Nothing of them is on the disk, so each is
//! unregistered at once (RFC 7592, 2.3), and a stop waits for that.
//!
//! A crash in between leaves a client behind at its provider that nobody uses. That costs no login.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::task::{Done, Engine};
use crate::model::{ClientKey, Registration};
use crate::oauth::unregister;

/// How long a provider may take for it.
const UNDO_MAX: Duration = Duration::from_secs(10);

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

impl Engine {
    /// Whether nothing is under way that must not be cut off.
    pub(super) fn is_quiet(&self) -> bool {
        self.lifecycle.is_quiet() && self.fitting.ties.are_loose()
    }

    /// Has a client unregistered that nobody will use.
    pub(super) fn undo(&mut self, newcomer: Newcomer) {
        let Newcomer { client, registration } = newcomer;
        if self.clients.contains_key(&client) {
            return;
        }
        let (http, now, tie) = (self.http.clone(), self.clock.now(), self.fitting.ties.tie());
        self.tasks.spawn(async move {
            match tokio::time::timeout(UNDO_MAX, unregister(&http, &registration, now)).await {
                Ok(Ok(())) => tracing::info!(client = %client.client, "client unregistered"),
                Ok(Err(error)) => {
                    tracing::warn!(client = %client.client, %error, "client not unregistered");
                }
                Err(_) => {
                    let error = "no answer in time";
                    tracing::warn!(client = %client.client, error, "client not unregistered");
                }
            }
            drop(tie);
            Done::Over
        });
    }
}
