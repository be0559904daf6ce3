//! The service on a real bus: a private dbus-daemon, real clients, and an engine that is played.

mod access;
mod accounts;
mod bus;
mod client;
mod contract;
mod introspection;
mod life;
mod play;
mod programs;
mod sign_in;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zbus::Connection;

use self::bus::Bus;
use self::play::Play;
use super::{Address, BusEnd, Desk, connect};
use crate::api::Verdict;
use crate::engine::{Prompt, Prompts};

/// Nothing in these tests takes this long unless it is broken.
const DEADLINE: Duration = Duration::from_secs(10);

/// The owner of the daemon: whoever runs the tests.
fn owner() -> u32 {
    rustix::process::getuid().as_raw()
}

/// A bus with the service on it.
struct Stage {
    bus: Bus,
    play: Play,
    shutdown: CancellationToken,
    service: JoinHandle<BusEnd>,
}

impl Stage {
    async fn set(play: Play) -> Self {
        let bus = Bus::start();
        let shutdown = CancellationToken::new();
        let service = connect(Address::At(bus.address()), play.handle(), owner(), None);
        let service = tokio::spawn(service.await.unwrap().run(None, None, shutdown.clone()));
        Self { bus, play, shutdown, service }
    }

    /// With somebody who puts questions to the user.
    async fn with_desk(play: Play) -> (Self, Asker) {
        let (asker, prompts) = Asker::new();
        let bus = Bus::start();
        let shutdown = CancellationToken::new();
        let service = connect(Address::At(bus.address()), play.handle(), owner(), None);
        let (service, end) = (service.await.unwrap(), shutdown.clone());
        let service = tokio::spawn(async move {
            let mut desk = Desk::new(prompts, true);
            service.run(None, Some(&mut desk), end).await
        });
        (Self { bus, play, shutdown, service }, asker)
    }

    async fn client(&self) -> Connection {
        self.bus.client().await
    }
}

/// An engine that has something to ask the user.
struct Asker {
    prompts: mpsc::Sender<Prompt>,
    dismissals: Arc<AtomicUsize>,
}

impl Asker {
    fn new() -> (Self, Prompts) {
        let (sender, prompts) = Prompts::for_tests();
        (Self { prompts: sender, dismissals: Arc::default() }, prompts)
    }

    /// Asks, and gives what is heard of it: a verdict, or nothing.
    async fn ask(&self) -> impl Future<Output = Option<Verdict>> + use<> {
        let (prompt, answer) = Prompt::for_tests(play::question());
        self.prompts.send(prompt).await.unwrap();
        let dismissals = Arc::clone(&self.dismissals);
        async move {
            match answer.await {
                Ok(Some(verdict)) => Some(verdict),
                Ok(None) => {
                    dismissals.fetch_add(1, Ordering::SeqCst);
                    None
                }
                Err(_) => None,
            }
        }
    }
}

/// The outcome, before the test is given up.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.expect("it happens in time")
}
