//! Listens on the system bus.

use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::mpsc;
use tokio::time::Sleep;
use zbus::message::{Message, Type};
use zbus::names::{OwnedUniqueName, UniqueName};
use zbus::{Connection, MatchRule, MessageStream, connection};

use super::logind::{self, inhibit};

const BUS: &str = "org.freedesktop.DBus";
const NETWORK: &str = "org.freedesktop.NetworkManager";
const NETWORK_PATH: &str = "/org/freedesktop/NetworkManager";
/// `NM_STATE_CONNECTED_GLOBAL`: online, and not behind a portal.
const ONLINE: u32 = 70;

/// How long the bus or a service may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pauses before something is tried again, doubled each time: a bus that is not there or went away, and an
/// inhibitor that was refused. logind has only so many (`InhibitorsMax=`), and gives some back.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_mins(10);

/// What the machine announces.
#[derive(Debug)]
pub enum News {
    /// It is about to sleep or to shut down. It waits for a while, as long as the inhibitor is open.
    Rest(Option<OwnedFd>),
    /// It woke, or does not sleep after all.
    Wake,
    /// It is online.
    NetworkUp,
}

/// Tells what the machine announces, until nobody listens. A bus that is not there yet, or does not answer, may be there
/// later; where there never is one, a try costs nothing that counts.
pub async fn watch(tell: mpsc::Sender<News>) {
    let mut failures = 0;
    loop {
        let mut known = false;
        match listen(&tell, &mut known).await {
            Ok(()) => tracing::debug!("the system bus closed the connection"),
            Err(error) if failures == 0 => {
                tracing::debug!(%error, "no system bus: nothing is heard of sleep");
            }
            // said once
            Err(_) => {}
        }
        // whoever announced a sleep cannot announce its end any more
        if known && tell.send(News::Wake).await.is_err() {
            return;
        }
        failures = if known { 1 } else { failures + 1 };
        tokio::select! {
            biased;
            () = tell.closed() => return,
            () = tokio::time::sleep(pause(failures)) => {}
        }
    }
}

/// How long to wait after so many failures in a row.
fn pause(failures: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(PAUSE_MAX)
}

/// Listens until the connection ends or nobody listens to us.
async fn listen(tell: &mpsc::Sender<News>, known: &mut bool) -> zbus::Result<()> {
    let entrance = async {
        let connection = connection::Builder::system().method_timeout(PATIENCE).build().await?;
        // listened to before anything is asked for, so that nothing falls between
        let messages = MessageStream::from(&connection);
        let bus = zbus::fdo::DBusProxy::new(&connection).await?;
        for rule in rules()? {
            bus.add_match_rule(rule).await?;
        }
        Ok::<_, zbus::Error>((connection, messages))
    };
    let (connection, mut messages) =
        tokio::time::timeout(PATIENCE, entrance).await.map_err(|_| silent())??;
    *known = true;
    let mut machine = Machine {
        logind: owner(&connection, logind::NAME).await,
        network: owner(&connection, NETWORK).await,
        connection,
        inhibitor: None,
        refusals: 0,
        pause: None,
        sleeping: false,
        stopping: false,
    };
    machine.hold().await;
    loop {
        let message = tokio::select! {
            biased;
            () = tell.closed() => return Ok(()),
            message = next(&mut messages) => message,
            () = machine.paused() => {
                machine.hold().await;
                continue;
            }
        };
        let Some(message) = message else { return Ok(()) };
        let Ok(message) = message else { continue };
        if let Some(news) = machine.hear(&message)
            && tell.send(news).await.is_err()
        {
            return Ok(());
        }
        machine.hold().await;
    }
}

/// What the bus is asked to send on.
fn rules() -> zbus::Result<[MatchRule<'static>; 4]> {
    let signal = |sender: &'static str, interface: &'static str, member: &'static str| {
        MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(sender)
            .interface(interface)
            .member(member)
            .build()
    };
    Ok([
        signal(logind::NAME, logind::INTERFACE, "PrepareForSleep")?,
        signal(logind::NAME, logind::INTERFACE, "PrepareForShutdown")?,
        signal(NETWORK, NETWORK, "StateChanged")?,
        MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(BUS)
            .interface(BUS)
            .member("NameOwnerChanged")
            .arg0ns("org.freedesktop")
            .build()?,
    ])
}

/// The services that are listened to.
struct Machine {
    connection: Connection,
    /// The connections that own the names now. Every process may send us a signal of any kind: only
    /// the sender's own name, which the bus fills in, tells who it was.
    logind: Option<OwnedUniqueName>,
    network: Option<OwnedUniqueName>,
    inhibitor: Option<OwnedFd>,
    /// How often this owner of the name has refused one in a row.
    refusals: u32,
    /// Until then it is not asked again: not at each signal, and not too often.
    pause: Option<Pin<Box<Sleep>>>,
    sleeping: bool,
    stopping: bool,
}

impl Machine {
    /// What follows from a message.
    fn hear(&mut self, message: &Message) -> Option<News> {
        let header = message.header();
        if header.message_type() != Type::Signal {
            return None;
        }
        let (sender, member) = (header.sender()?, header.member()?.as_str());
        let body = message.body();
        if sender.as_str() == BUS && member == "NameOwnerChanged" {
            let (name, _, new): (&str, &str, &str) = body.deserialize().ok()?;
            return self.owned(name, new);
        }
        let is = |owner: &Option<OwnedUniqueName>| {
            owner.as_ref().is_some_and(|owner| owner.as_str() == sender.as_str())
        };
        let path = header.path()?.as_str();
        if is(&self.logind) && path == logind::PATH {
            let announced = body.deserialize().ok()?;
            match member {
                "PrepareForSleep" => self.sleeping = announced,
                "PrepareForShutdown" => self.stopping = announced,
                _ => return None,
            }
            // what is over has given inhibitors back
            self.pause = None;
            tracing::debug!(signal = member, begins = announced, "heard from the machine");
            let rests = self.rests();
            return Some(if rests { News::Rest(self.inhibitor.take()) } else { News::Wake });
        }
        if is(&self.network) && path == NETWORK_PATH && member == "StateChanged" {
            let state: u32 = body.deserialize().ok()?;
            return (state == ONLINE).then_some(News::NetworkUp);
        }
        None
    }

    /// A name has another owner, or none.
    fn owned(&mut self, name: &str, new: &str) -> Option<News> {
        let owner = UniqueName::try_from(new).ok().map(|name| name.to_owned().into());
        match name {
            NETWORK => {
                self.network = owner;
                None
            }
            logind::NAME => {
                self.logind = owner;
                self.inhibitor = None;
                (self.refusals, self.pause) = (0, None);
                // the one who announced a sleep is gone
                let rested = self.rests();
                (self.sleeping, self.stopping) = (false, false);
                rested.then_some(News::Wake)
            }
            _ => None,
        }
    }

    fn rests(&self) -> bool {
        self.sleeping || self.stopping
    }

    /// Takes the inhibitor where it is missing. While sleep is announced it cannot be had.
    async fn hold(&mut self) {
        let Some(logind) = self.logind.as_ref().filter(|_| !self.rests()) else { return };
        if self.inhibitor.is_some() || self.pause.is_some() {
            return;
        }
        match inhibit(&self.connection, logind).await {
            Ok(inhibitor) => {
                self.inhibitor = Some(inhibitor);
                self.refusals = 0;
            }
            Err(error) => {
                tracing::debug!(%error, "sleep will not wait for token requests");
                self.refusals = self.refusals.saturating_add(1);
                self.pause = Some(Box::pin(tokio::time::sleep(pause(self.refusals))));
            }
        }
    }

    /// Waits until a refusal is old enough; for ever if there is none.
    async fn paused(&mut self) {
        match &mut self.pause {
            Some(pause) => pause.await,
            None => std::future::pending().await,
        }
        self.pause = None;
    }
}

/// The connection that owns a name, if one does. Nobody is started for it.
async fn owner(connection: &Connection, name: &str) -> Option<OwnedUniqueName> {
    let reply = connection
        .call_method(Some(BUS), "/org/freedesktop/DBus", Some(BUS), "GetNameOwner", &name)
        .await
        .ok()?;
    reply.body().deserialize().ok()
}

fn silent() -> zbus::Error {
    zbus::Error::Failure("the bus does not answer".to_owned())
}

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}
