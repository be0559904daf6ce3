//! A login manager and a network manager on a private bus, as far as the daemon listens to them.

use std::io::PipeReader;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::runtime::Builder;
use zbus::message::Header;
use zbus::{Connection, connection};

const NAME: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const INTERFACE: &str = "org.freedesktop.login1.Manager";
const NETWORK: &str = "org.freedesktop.NetworkManager";
const NETWORK_PATH: &str = "/org/freedesktop/NetworkManager";

/// How long the daemon may take to do something.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both managers, as one process. It leaves the bus when it is dropped.
pub(crate) struct Logind {
    orders: Option<tokio::sync::mpsc::Sender<Signal>>,
    thread: Option<JoinHandle<()>>,
    inhibitors: Receiver<Inhibitor>,
}

/// A signal that is to be sent.
struct Signal {
    to: Option<String>,
    member: &'static str,
    value: Value,
    sent: SyncSender<()>,
}

#[derive(Clone, Copy)]
enum Value {
    /// Of the login manager: whether something begins.
    Begins(bool),
    /// Of the network manager: the state.
    State(u32),
}

/// An inhibitor lock that was given out.
pub(crate) struct Inhibitor {
    pub(crate) what: String,
    pub(crate) who: String,
    pub(crate) why: String,
    pub(crate) mode: String,
    /// The connection that asked for it.
    pub(crate) asker: String,
    /// Hangs up when the other end is closed everywhere.
    end: PipeReader,
}

struct Manager {
    give: SyncSender<Inhibitor>,
    /// How many are refused before one is given.
    refusals: AtomicU32,
}

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Manager {
    #[expect(clippy::needless_pass_by_value, reason = "the interface macro passes it so")]
    fn inhibit(
        &self,
        what: &str,
        who: &str,
        why: &str,
        mode: &str,
        #[zbus(header)] header: Header<'_>,
    ) -> zbus::fdo::Result<zbus::wire::OwnedFd> {
        let left = |left: u32| left.checked_sub(1);
        if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
            let message = "maximum number of inhibitors reached".to_owned();
            return Err(zbus::fdo::Error::LimitsExceeded(message));
        }
        let failed = |error: std::io::Error| zbus::fdo::Error::Failed(error.to_string());
        let (end, given) = std::io::pipe().map_err(failed)?;
        let inhibitor = Inhibitor {
            what: what.to_owned(),
            who: who.to_owned(),
            why: why.to_owned(),
            mode: mode.to_owned(),
            asker: header.sender().map(ToString::to_string).unwrap_or_default(),
            end,
        };
        self.give.send(inhibitor).map_err(|error| zbus::fdo::Error::Failed(error.to_string()))?;
        Ok(std::os::fd::OwnedFd::from(given).into())
    }
}

impl Logind {
    /// Starts both under their names.
    pub(crate) fn start(address: &str) -> Self {
        Self::refusing(address, 0)
    }

    /// The same; so many inhibitors are refused before one is given.
    pub(crate) fn refusing(address: &str, refusals: u32) -> Self {
        let (give, inhibitors) = mpsc::sync_channel(16);
        let manager = Manager { give, refusals: AtomicU32::new(refusals) };
        let builder =
            connection::Builder::address(address).serve_at(PATH, manager).name(NAME).name(NETWORK);
        Self::connect(builder, inhibitors)
    }

    /// A process that has neither name.
    pub(crate) fn stranger(address: &str) -> Self {
        Self::connect(connection::Builder::address(address), mpsc::sync_channel(1).1)
    }

    fn connect(builder: connection::Builder<'static>, inhibitors: Receiver<Inhibitor>) -> Self {
        let (orders, mut taken) = tokio::sync::mpsc::channel::<Signal>(1);
        let (ready, is_ready) = mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let connection = builder.build().await.unwrap();
                ready.send(()).unwrap();
                while let Some(signal) = taken.recv().await {
                    emit(&connection, &signal).await.unwrap();
                    signal.sent.send(()).unwrap();
                }
                connection.close().await.unwrap();
            });
        });
        is_ready.recv_timeout(PATIENCE).expect("the bus lets it on");
        Self { orders: Some(orders), thread: Some(thread), inhibitors }
    }

    /// The next inhibitor lock that is asked for.
    pub(crate) fn inhibitor(&self) -> Inhibitor {
        self.inhibitors.recv_timeout(PATIENCE).expect("the daemon asks for an inhibitor")
    }

    /// Tells everybody that something begins or is over.
    pub(crate) fn announce(&self, member: &'static str, begins: bool) {
        self.send(None, member, Value::Begins(begins));
    }

    /// Tells everybody that the machine is online.
    pub(crate) fn announce_online(&self) {
        self.send(None, "StateChanged", Value::State(70));
    }

    /// Sends one process what only the login manager may say.
    pub(crate) fn forge(&self, to: &str, member: &'static str, begins: bool) {
        self.send(Some(to), member, Value::Begins(begins));
    }

    /// Sends one process what only the network manager may say.
    pub(crate) fn forge_online(&self, to: &str) {
        self.send(Some(to), "StateChanged", Value::State(70));
    }

    /// Sends a signal, and returns once the bus has passed it on.
    fn send(&self, to: Option<&str>, member: &'static str, value: Value) {
        let (sent, is_sent) = mpsc::sync_channel(1);
        let signal = Signal { to: to.map(str::to_owned), member, value, sent };
        self.orders.as_ref().unwrap().blocking_send(signal).unwrap();
        is_sent.recv_timeout(PATIENCE).expect("the bus takes it");
    }
}

impl Drop for Logind {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // a thread that failed has said so
            let _ = thread.join();
        }
    }
}

async fn emit(connection: &Connection, signal: &Signal) -> zbus::Result<()> {
    let (to, member) = (signal.to.as_deref(), signal.member);
    match signal.value {
        Value::Begins(begins) => {
            connection.emit_signal(to, PATH, INTERFACE, member, &begins).await?;
        }
        Value::State(state) => {
            connection.emit_signal(to, NETWORK_PATH, NETWORK, member, &state).await?;
        }
    }
    // the bus takes one message after the other
    let bus = "org.freedesktop.DBus";
    connection
        .call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), "GetId", &())
        .await
        .map(drop)
}

impl Inhibitor {
    /// Whether nobody holds it any more.
    pub(crate) fn is_released(&self) -> bool {
        self.poll(Duration::ZERO)
    }

    /// Waits until nobody holds it.
    pub(crate) fn wait_released(&self) {
        assert!(self.poll(PATIENCE), "the inhibitor is still held");
    }

    fn poll(&self, patience: Duration) -> bool {
        let patience = Timespec::try_from(patience).unwrap();
        let mut ends = [PollFd::new(&self.end, PollFlags::IN)];
        poll(&mut ends, Some(&patience)).unwrap() > 0
    }
}
