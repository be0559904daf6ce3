//! The service on a real bus: a private dbus-daemon, real clients, and an engine that is played.

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

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zbus::Connection;

use self::bus::Bus;
use self::play::Play;
use super::{Address, BusEnd, connect};

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
        let service = tokio::spawn(service.await.unwrap().run(None, shutdown.clone()));
        Self { bus, play, shutdown, service }
    }

    async fn client(&self) -> Connection {
        self.bus.client().await
    }
}

/// The outcome, before the test is given up.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.expect("it happens in time")
}
