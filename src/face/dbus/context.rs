//! What all objects share.

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accounts::Known;
use super::agent::Agents;
use super::callers::Callers;
use super::requests::{Ending, Requests};
use crate::api::{Account, Accounts, Fault, FaultKind, Listing, Request, Response};
use crate::engine::Handle;
use crate::model::{AccountName, Caller};

/// How long a caller is kept waiting at most. The common bindings (`GLib`, Qt, systemd) give up after
/// 25 seconds with an error that says nothing; before that a fault can say what is the matter. It is
/// more than the deadline that a request for a token carries, so that the engine's word comes first.
const PATIENCE: Duration = Duration::from_secs(23);

/// What all objects share. It does not hold the connection: the connection holds the objects.
pub(super) struct Context {
    pub(super) handle: Handle,
    pub(super) callers: Callers,
    pub(super) accounts: Known,
    pub(super) requests: Requests,
    /// Who puts questions to the user in the daemon's place.
    pub(super) agents: Agents,
    /// Where the ends of sign-ins go.
    pub(super) endings: mpsc::Sender<Ending>,
    /// The tasks that wait for those ends.
    pub(super) waits: TaskTracker,
    /// Whether providers can be reached, as far as is known.
    pub(super) online: AtomicBool,
    /// Whether the daemon has no secrets to work with.
    pub(super) locked: AtomicBool,
    /// Ends these tasks.
    pub(super) over: CancellationToken,
}

impl Context {
    pub(super) fn new(handle: Handle, owner: u32, endings: mpsc::Sender<Ending>) -> Self {
        Self {
            handle,
            callers: Callers::new(owner),
            accounts: Known::default(),
            requests: Requests::default(),
            agents: Agents::default(),
            endings,
            waits: TaskTracker::new(),
            online: AtomicBool::new(true),
            locked: AtomicBool::new(false),
            over: CancellationToken::new(),
        }
    }

    /// Asks the engine, within a caller's patience.
    pub(super) async fn ask(&self, caller: Caller, request: Request) -> Result<Response, Fault> {
        within(self.handle.ask(caller, request)).await.unwrap_or_else(|| Err(too_slow()))
    }

    /// The accounts that a caller may know of, or those of them that are asked for. What is not granted to a
    /// caller in a sandbox is not there for it.
    pub(super) async fn list(&self, caller: &Caller, listing: Listing) -> Result<Accounts, Fault> {
        match self.ask(caller.clone(), Request::ListAccounts(listing)).await? {
            Response::Accounts(accounts) => Ok(accounts),
            _ => Err(super::refusal::mismatch()),
        }
    }

    /// The accounts as the engine has them now.
    pub(super) async fn list_accounts(&self) -> Result<Accounts, Fault> {
        self.list(&Caller::daemon(), Listing::default()).await
    }

    /// One account as the engine has it now.
    pub(super) async fn look_up(&self, name: AccountName) -> Result<Account, Fault> {
        let found = self.list(&Caller::daemon(), Listing::of(name.clone())).await?;
        let gone = || Fault::new(FaultKind::NoSuchAccount, "the account is gone").of(name);
        found.iter().next().ok_or_else(gone)
    }

    /// Whether a caller may know of an account.
    pub(super) async fn may_know(&self, caller: &Caller, name: AccountName) -> Result<bool, Fault> {
        if !caller.is_confined() {
            return Ok(true);
        }
        match self.list(caller, Listing::of(name)).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.kind == FaultKind::NoSuchAccount => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}

/// The outcome, if it comes within a caller's patience.
pub(super) async fn within<F: Future>(future: F) -> Option<F::Output> {
    tokio::time::timeout(PATIENCE, future).await.ok()
}

pub(super) fn too_slow() -> Fault {
    Fault::new(FaultKind::Timeout, "no answer came in time")
}

/// Locks for a moment: no guard lives across an await, and what is behind these locks is whole
/// between any two statements, so that a panic elsewhere does not spoil it.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
