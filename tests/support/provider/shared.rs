//! What the endpoints share.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::super::clock;
use super::config::Config;
use super::fault::{Fault, Orders};
use super::grants::{Consent, Grants};
use super::log::{Grant, Log, Outcome, TokenRequest};

/// The provider's state. Each lock is held for a few lines and never across an await.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    /// `http://127.0.0.1:PORT`, which also is the issuer.
    pub(super) base: String,
    started: Instant,
    grants: Mutex<Grants>,
    orders: Mutex<Orders>,
    tickets: Mutex<HashMap<String, Ticket>>,
    verifiers: Mutex<Vec<String>>,
    /// How revocations are refused at the moment.
    pub(super) no_revocation: Mutex<Option<NoRevocation>>,
    /// Lets go of the answers that are held.
    pub(super) release: watch::Sender<()>,
    pub(super) log: watch::Sender<Log>,
}

/// A refusal of the revocation endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoRevocation {
    /// Its status.
    pub(crate) status: u16,
    /// Its `Retry-After`.
    pub(crate) retry_after: u64,
}

/// An authorization request that waits for a person.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) consent: Consent,
    pub(super) state: Option<String>,
}

impl Shared {
    pub(super) fn new(config: Config, base: String) -> Self {
        let grants = Grants::new(config.rotation, config.old_access, config.access_lifetime);
        Self {
            config,
            base,
            started: clock::now(),
            grants: Mutex::new(grants),
            orders: Mutex::default(),
            tickets: Mutex::default(),
            verifiers: Mutex::default(),
            no_revocation: Mutex::default(),
            release: watch::Sender::default(),
            log: watch::Sender::default(),
        }
    }

    pub(super) fn grants(&self) -> MutexGuard<'_, Grants> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tickets(&self) -> MutexGuard<'_, HashMap<String, Ticket>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn verifiers(&self) -> MutexGuard<'_, Vec<String>> {
        self.verifiers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token request in progress: in the log from its first moment, and in flight until it is dropped,
/// which is when its answer is handed over or its client has gone.
#[derive(Debug)]
pub(super) struct Flight<'a> {
    shared: &'a Shared,
    index: usize,
}

impl<'a> Flight<'a> {
    pub(super) fn begin(
        shared: &'a Shared,
        connection: u64,
        grant: Grant,
        refresh: Option<String>,
    ) -> Self {
        let at = clock::since(shared.started);
        let outcome = Outcome::Pending;
        let request = TokenRequest { at, connection, grant, refresh, outcome, fault: None };
        let mut index = 0;
        shared.log.send_modify(|log| {
            index = log.requests.len();
            log.requests.push(request);
            log.in_flight += 1;
            log.most_in_flight = log.most_in_flight.max(log.in_flight);
        });
        Self { shared, index }
    }

    /// Says what became of it.
    pub(super) fn settle(&self, outcome: Outcome, fault: Option<Fault>) {
        self.shared.log.send_modify(|log| {
            let request = &mut log.requests[self.index];
            request.outcome = outcome;
            request.fault = fault;
        });
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.shared.log.send_modify(|log| log.in_flight -= 1);
    }
}
