//! Stays on the session bus for as long as there is one: a bus that goes away, or is not there yet,
//! must not cost the socket's callers anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::engine::Handle;
use crate::face::dbus::{Address, BusEnd, Desk, Notices, Service, connect};
use crate::sys::log::LogControl;

/// The pauses between tries to come back on the bus.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_mins(1),
];

/// Puts the service on the bus, if there is one. Returns once that has worked or failed for the first time,
/// so that readiness means that the name is there. A bus that is not there yet is looked for again.
pub(super) async fn serve(
    faces: &mut JoinSet<()>,
    handle: Handle,
    log: LogControl,
    on_bus: Arc<AtomicBool>,
    mut notices: Option<Notices>,
    desk: Option<Desk>,
    shutdown: CancellationToken,
) {
    let whereabouts = Whereabouts::of_this_session();
    if whereabouts.is_there() {
        if let Some(notices) = &mut notices {
            notices.begin().await;
        }
    } else {
        tracing::info!("no session bus: serving the socket alone");
    }
    let bus = Membership { whereabouts, handle, log, on_bus, notices, desk, shutdown };
    let first = bus.enter().await;
    faces.spawn(bus.stay(first));
}

/// Where the session has its bus.
enum Whereabouts {
    /// The environment says so.
    Named,
    /// Where systemd has it, if it is there by now.
    Usual(PathBuf),
    /// Nowhere: this is no session.
    Nowhere,
}

impl Whereabouts {
    fn of_this_session() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        match (variable("DBUS_SESSION_BUS_ADDRESS"), variable("XDG_RUNTIME_DIR")) {
            (Some(_), _) => Self::Named,
            (None, Some(dir)) => Self::Usual(Path::new(&dir).join("bus")),
            (None, None) => Self::Nowhere,
        }
    }

    /// Whether it is worth a try to go there.
    fn is_there(&self) -> bool {
        match self {
            Self::Named => true,
            Self::Usual(path) => path.exists(),
            Self::Nowhere => false,
        }
    }
}

struct Membership {
    whereabouts: Whereabouts,
    handle: Handle,
    log: LogControl,
    on_bus: Arc<AtomicBool>,
    notices: Option<Notices>,
    desk: Option<Desk>,
    shutdown: CancellationToken,
}

impl Membership {
    /// The service on the bus, if that lets it on.
    async fn enter(&self) -> Option<Service> {
        if !self.whereabouts.is_there() {
            return None;
        }
        let uid = rustix::process::geteuid().as_raw();
        let entered =
            connect(Address::Session, self.handle.clone(), uid, Some(self.log.clone())).await;
        self.on_bus.store(entered.is_ok(), Ordering::Relaxed);
        entered.inspect_err(|error| tracing::warn!(%error, "not on the session bus")).ok()
    }

    async fn stay(mut self, mut entered: Option<Service>) {
        let mut failures = 0;
        loop {
            match entered {
                Some(service) => {
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
                None => failures += 1,
            }
            let pause = PAUSES[failures.min(PAUSES.len() - 1)];
            // a stop waits neither for the pause nor for a bus that does not answer
            let again = async {
                tokio::time::sleep(pause).await;
                self.enter().await
            };
            entered = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return,
                entered = again => entered,
            };
        }
    }
}
