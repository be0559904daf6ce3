//! What the daemon tells the engine, and the sign of life that it owes the service manager.

use std::os::fd::OwnedFd;

use tokio::time::Interval;

use crate::model::{ClientId, Modes};
use crate::provider::Catalog;

/// What the user's files say now.
#[derive(Debug)]
pub struct Reload {
    /// The providers that can be named.
    pub catalog: Catalog,
    /// Which accounts are kept fresh ahead of time; as before if the settings cannot be used.
    pub modes: Option<Modes>,
    /// The client that is described by a document of the user's, if the settings can be used.
    pub document: Option<ClientId>,
}

/// What the daemon tells the engine.
#[derive(Debug)]
pub enum Control {
    /// The user's files were read anew.
    Reload(Box<Reload>),
    /// End what is under way and stop.
    Drain,
    /// The machine is about to sleep or to shut down, and may wait until that is closed: it is, as soon
    /// as nothing is under way.
    Rest(Option<OwnedFd>),
    /// The machine woke, or does not sleep after all.
    Wake,
    /// The way to providers may be open again.
    NetworkUp,
    /// The wall clock was set.
    ClockSet,
}

/// When the next sign of life is due.
pub(super) async fn tick(watchdog: Option<&mut Interval>) {
    match watchdog {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}
