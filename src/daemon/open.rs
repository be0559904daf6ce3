//! Opens what the daemon keeps: the state's lock, the settings, the database, the way out.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::files::{self, FilesError};
use crate::api::{Fault, FaultKind};
use crate::config::Settings;
use crate::engine::{Info, Parts, unkept};
use crate::lifecycle;
use crate::oauth::{Http, HttpOptions, OauthError};
use crate::store::{self, StoreError};
use crate::sys::alarm::Alarm;
use crate::sys::clock::Clock;
use crate::sys::lock::{Lock, LockError};
use crate::sys::places::{Places, PlacesError, private_directory};

/// What the daemon has when all is well.
pub(super) struct Opened {
    pub(super) lock: Lock,
    pub(super) settings: Settings,
    pub(super) parts: Parts,
}

/// What keeps the daemon from keeping tokens.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// A directory cannot be used.
    #[error(transparent)]
    Places(#[from] PlacesError),
    /// Another daemon owns the state.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The settings cannot be used.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The database or its key cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Providers cannot be reached.
    #[error(transparent)]
    Http(#[from] OauthError),
}

impl OpenError {
    /// What callers are told.
    pub(super) fn fault(&self) -> Fault {
        let hint = match self {
            Self::Store(error) => return unkept(error),
            Self::Lock(LockError::Taken { .. }) => "stop the other ostlerd, or ask it",
            Self::Files(_) => "mend the file, then run: systemctl --user restart ostler",
            Self::Lock(LockError::File { .. }) | Self::Places(_) => {
                "mend that, then run: systemctl --user restart ostler"
            }
            Self::Http(_) => "install ca-certificates, then run: systemctl --user restart ostler",
        };
        Fault::new(FaultKind::Storage, self.to_string()).hint(hint)
    }
}

/// Opens everything. Blocks: nothing is served yet.
pub(super) fn open(
    places: &Places,
    clock: &Clock,
    alarm: Alarm,
    bus: Arc<AtomicBool>,
) -> Result<Opened, OpenError> {
    private_directory(&places.state)?;
    private_directory(&places.config)?;
    let lock = Lock::take(&places.lock())?;
    let settings = files::settings(&places.settings())?;
    let catalog = files::catalog(&places.providers());
    let http = Http::new(&HttpOptions::default())?;
    let at =
        store::Places { database: places.database(), keys: places.keys(), marks: places.marks() };
    let store::Opened { store, loaded, reports } = store::open(&at, clock.now())?;
    tracing::info!(
        accounts = loaded.accounts.len(),
        unfinished = loaded.attempts.len(),
        database = %places.database().display(),
        "state opened"
    );
    let limits = lifecycle::Settings { max_flights: settings.max_flights, ..Default::default() };
    let info = Info { places: at, bus };
    let clock = clock.clone();
    let courier = Arc::new(http.clone());
    let parts = Parts {
        store,
        reports,
        loaded,
        http,
        courier,
        catalog,
        clock,
        alarm,
        settings: limits,
        modes: settings.modes(),
        document: settings.client_id_metadata_document.clone(),
        info,
    };
    Ok(Opened { lock, settings, parts })
}
