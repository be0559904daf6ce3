//! Stays on the session bus for as long as there is one: a bus that goes away, or is not there yet,
//! must not cost the socket's callers anything.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::engine::Handle;
use crate::face::dbus::{Address, BusEnd, BusError, Desk, Notices, Service, connect};
use crate::sys::log::LogControl;

/// The pauses between tries to come back on the bus.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_mins(1),
];

/// Puts the service on the bus, if the environment names one. Returns once that has worked or failed
/// for the first time, so that readiness means that the name is there.
pub(super) async fn serve(
    faces: &mut JoinSet<()>,
    handle: Handle,
    log: LogControl,
    on_bus: Arc<AtomicBool>,
    mut notices: Option<Notices>,
    desk: Option<Desk>,
    shutdown: CancellationToken,
) {
    if !is_named() {
        tracing::info!("no session bus: serving the socket alone");
        return;
    }
    if let Some(notices) = &mut notices {
        notices.begin().await;
    }
    let bus = Membership { handle, log, on_bus, notices, desk, shutdown };
    let first = bus.enter().await;
    faces.spawn(bus.stay(first));
}

/// Whether there is a bus to be on: a service outside a session has none.
fn is_named() -> bool {
    let at_runtime_dir = || {
        let dir = std::env::var_os("XDG_RUNTIME_DIR")?;
        Path::new(&dir).join("bus").exists().then_some(())
    };
    std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some_and(|address| !address.is_empty())
        || at_runtime_dir().is_some()
}

struct Membership {
    handle: Handle,
    log: LogControl,
    on_bus: Arc<AtomicBool>,
    notices: Option<Notices>,
    desk: Option<Desk>,
    shutdown: CancellationToken,
}

impl Membership {
    async fn enter(&self) -> Result<Service, BusError> {
        let uid = rustix::process::geteuid().as_raw();
        let entered =
            connect(Address::Session, self.handle.clone(), uid, Some(self.log.clone())).await;
        match &entered {
            Ok(_) => self.on_bus.store(true, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "not on the session bus"),
        }
        entered
    }

    async fn stay(mut self, mut entered: Result<Service, BusError>) {
        let mut failures = 0;
        loop {
            match entered {
                Ok(service) => {
                    failures = 0;
                    let end = service
                        .run(self.notices.as_mut(), self.desk.as_mut(), self.shutdown.clone())
                        .await;
                    self.on_bus.store(false, Ordering::Relaxed);
                    if end == BusEnd::Stopped {
                        return;
                    }
                    tracing::warn!("the session bus closed the connection");
                }
                Err(_) => failures += 1,
            }
            let pause = PAUSES[failures.min(PAUSES.len() - 1)];
            // a stop does not wait for the pause
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            entered = self.enter().await;
        }
    }
}
