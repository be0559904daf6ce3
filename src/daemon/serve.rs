//! The daemon's life: sockets and state opened, faces served, signals heeded, everything drained.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::args::Args;
use super::open::{self, OpenError, Opened};
use super::reload::Reading;
use super::{DaemonError, bus, host};
use crate::config::Settings;
use crate::engine::{Control, Engine, Handle, impaired};
use crate::face::dbus::{Desk, Notices};
use crate::face::socket;
use crate::model::Face;
use crate::store::Store;
use crate::sys::alarm::Alarm;
use crate::sys::clock::Clock;
use crate::sys::lock::LockError;
use crate::sys::log::LogControl;
use crate::sys::places::Places;
use crate::sys::signals::{Signal, Signals};
use crate::sys::socket::Passed;
use crate::sys::{self, notify};

/// Orders from signals that may wait for the engine.
const ORDERS: usize = 8;

/// Open files that connections to the socket never get: those of the database and the bus, of
/// sign-ins that wait for a browser, of the runtime.
const RESERVED_FILES: usize = 256;

/// Runs the daemon until a signal ends it.
pub(super) async fn serve(
    args: &Args,
    places: &Places,
    log: LogControl,
) -> Result<(), DaemonError> {
    let clock = Clock::open().map_err(DaemonError::system("the clock"))?;
    let alarm = Alarm::new().map_err(DaemonError::system("the alarm"))?;
    let mut signals = Signals::listen().map_err(DaemonError::system("signals"))?;
    let passed = sys::socket::passed(&places.tokens_socket())?;
    let on_bus = Arc::new(AtomicBool::new(false));
    let opened = open::open(places, &clock, alarm, Arc::clone(&on_bus));
    let opened = match opened {
        // somebody started a second daemon by hand: the first one is the one to ask
        Err(OpenError::Lock(error @ LockError::Taken { .. })) if passed.is_none() => {
            return Err(error.into());
        }
        opened => opened,
    };
    let bound = passed.is_none();
    let listeners = listen(passed, places)?;

    let (orders, control) = mpsc::channel(ORDERS);
    let (handle, settings, keeping, lock, prompts) = match opened {
        Ok(Opened { lock, settings, parts }) => {
            let (engine, handle, prompts) = Engine::new(parts);
            let keeping = tokio::spawn(async { engine.run(control).await.map(Some) });
            (handle, settings, keeping, Some(lock), Some(prompts))
        }
        Err(error) => {
            tracing::error!(%error, "serving nothing but this error");
            // the log has it too
            let _ = notify::status(&format!("cannot keep tokens: {error}"));
            let (handle, refusing) = impaired(error.fault(), control);
            let keeping = tokio::spawn(async {
                refusing.await;
                Ok(None)
            });
            (handle, Settings::default(), keeping, None, None)
        }
    };

    let shutdown = CancellationToken::new();
    let mut faces = JoinSet::new();
    let notices = settings.notifications.then(|| Notices::new(handle.clone()));
    let desk = prompts.map(|prompts| Desk::new(prompts, settings.notifications));
    serve_sockets(&mut faces, listeners, &handle, &settings, &shutdown);
    let mut hints = JoinSet::new();
    host::listen(&mut hints, &orders);
    let begin = async {
        if !args.no_bus {
            bus::serve(&mut faces, handle, log, on_bus, notices, desk, shutdown.clone()).await;
        }
        notify::ready();
        tracing::info!(pid = std::process::id(), version = env!("CARGO_PKG_VERSION"), "ready");
        std::future::pending::<Infallible>().await
    };
    // a bus that does not answer holds up no stop
    tokio::select! {
        biased;
        () = heed(&mut signals, &orders, places) => {}
        never = begin => match never {}
    }
    hints.shutdown().await;

    // Flights go first, since they may hold the only copy of a token; then the faces, whose callers
    // are answered by then.
    let kept = keeping.await;
    shutdown.cancel();
    while faces.join_next().await.is_some() {}
    match kept {
        Ok(Ok(store)) => store.into_iter().for_each(Store::close),
        Ok(Err(error)) => return Err(DaemonError::system("the alarm")(error)),
        Err(error) => {
            tracing::error!(%error, "the engine failed");
            return Err(DaemonError::system("the engine")(std::io::Error::other(error)));
        }
    }
    drop(lock);
    if bound {
        let _ = std::fs::remove_file(places.socket());
        let _ = std::fs::remove_file(places.tokens_socket());
    }
    tracing::info!("stopped");
    Ok(())
}

/// Passes signals on to the engine until one of them ends it.
async fn heed(signals: &mut Signals, orders: &mpsc::Sender<Control>, places: &Places) {
    let mut reading = Reading::of(places);
    loop {
        // the engine went first only if it failed; what follows finds out why
        let signal = tokio::select! {
            biased;
            () = orders.closed() => return,
            signal = signals.next() => signal,
            read = reading.outcome() => {
                let _ = orders.send(Control::Reload(Box::new(read))).await;
                if reading.is_over() {
                    notify::ready();
                }
                continue;
            }
        };
        match signal {
            Signal::Reload => reading.begin(),
            Signal::Stop => {
                notify::stopping();
                let _ = orders.send(Control::Drain).await;
                return;
            }
        }
    }
}

/// What is listened on: the socket for everything, and the one for tokens alone, unless the service manager
/// was told not to have it.
struct Listeners {
    agent: UnixListener,
    tokens: Option<UnixListener>,
}

fn listen(passed: Option<Passed>, places: &Places) -> Result<Listeners, DaemonError> {
    let Passed { agent, tokens } = match passed {
        Some(passed) => passed,
        None => Passed {
            agent: sys::socket::bind(&places.socket())?,
            tokens: Some(sys::socket::bind(&places.tokens_socket())?),
        },
    };
    let take =
        |listener| UnixListener::from_std(listener).map_err(DaemonError::system("the socket"));
    Ok(Listeners { agent: take(agent)?, tokens: tokens.map(take).transpose()? })
}

fn serve_sockets(
    faces: &mut JoinSet<()>,
    listeners: Listeners,
    handle: &Handle,
    settings: &Settings,
    shutdown: &CancellationToken,
) {
    let connections = settings.max_connections.min(room_for_connections(settings.max_flights));
    if connections < settings.max_connections {
        tracing::warn!(connections, "the limit on open files leaves room for fewer connections");
    }
    let owner = rustix::process::geteuid().as_raw();
    let mut serve = |listener, face, connections| {
        let limits = socket::Limits { connections, ..socket::Limits::default() };
        let door = socket::Door { listener, face, owner };
        faces.spawn(socket::serve(door, handle.clone(), shutdown.clone(), limits));
    };
    // what a container takes is taken from the others
    let for_tokens = (connections / TOKENS_SHARE).max(1);
    if let Some(listener) = listeners.tokens {
        serve(listener, Face::Tokens, for_tokens);
        serve(listeners.agent, Face::Socket, connections - for_tokens);
    } else {
        serve(listeners.agent, Face::Socket, connections);
    }
}

/// What part of all connections the socket for tokens has.
const TOKENS_SHARE: usize = 8;

/// How many connections can be open so that flights, the database and the rest find room at any
/// time.
fn room_for_connections(flights: usize) -> usize {
    let files = usize::try_from(sys::process::allow_open_files()).unwrap_or(usize::MAX);
    // a flight may be looking a name up, or trying two addresses at once
    files.saturating_sub(RESERVED_FILES + 4 * flights).max(1)
}
