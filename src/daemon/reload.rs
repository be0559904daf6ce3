//! The user's files, read anew while the daemon runs: in a thread, one at a time, for their mount may be stuck.

use std::pin::Pin;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Sleep;

use super::files;
use crate::engine::Reload;
use crate::sys::notify;
use crate::sys::places::Places;

/// How long the service manager is kept waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// The reading of the user's files.
pub(super) struct Reading {
    places: Places,
    under_way: Option<UnderWay>,
    /// Whether it was asked for once more while it was under way.
    again: bool,
}

struct UnderWay {
    thread: JoinHandle<Reload>,
    /// Until it has taken too long; absent from then on.
    patience: Option<Pin<Box<Sleep>>>,
}

impl Reading {
    pub(super) fn of(places: &Places) -> Self {
        Self { places: places.clone(), under_way: None, again: false }
    }

    /// Has the files read, once more if somebody is at it.
    pub(super) fn begin(&mut self) {
        notify::reloading();
        let patience = Some(Box::pin(tokio::time::sleep(PATIENCE)));
        if let Some(under_way) = &mut self.under_way {
            self.again = true;
            under_way.patience = patience;
        } else {
            let places = self.places.clone();
            let thread = tokio::task::spawn_blocking(move || files::reload(&places));
            self.under_way = Some(UnderWay { thread, patience });
        }
    }

    /// What the files say now, as soon as that is known. What was read before is in force until then.
    pub(super) async fn outcome(&mut self) -> Reload {
        loop {
            let Some(UnderWay { thread, patience }) = &mut self.under_way else {
                return std::future::pending().await;
            };
            tokio::select! {
                biased;
                read = thread => {
                    self.under_way = None;
                    if std::mem::take(&mut self.again) {
                        self.begin();
                    }
                    match read {
                        Ok(read) => return read,
                        Err(error) => tracing::error!(%error, "settings and provider files not read"),
                    }
                }
                () = over(patience) => {
                    *patience = None;
                    let path = self.places.settings();
                    tracing::error!(
                        path = %path.display(),
                        "settings and provider files cannot be read: their file system does not answer; \
                         what was read before stays in force until it does"
                    );
                    notify::ready();
                }
            }
        }
    }

    /// Whether nothing is being read.
    pub(super) fn is_over(&self) -> bool {
        self.under_way.is_none()
    }
}

async fn over(patience: &mut Option<Pin<Box<Sleep>>>) {
    match patience {
        Some(patience) => patience.await,
        None => std::future::pending().await,
    }
}
