//! Who calls: never what a message claims, always what the bus knows of its sender.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::OnceCell;
use zbus::Connection;
use zbus::fdo::ConnectionCredentials;
use zbus::message::Header;
use zbus::names::{OwnedUniqueName, UniqueName};

use super::context::locked;
use crate::api::{Fault, FaultKind};
use crate::model::{Caller, Face, Identity};
use crate::sys::peer::Peer;

/// How many callers are remembered. Beyond that all are forgotten and asked for again: it costs a
/// round trip to the bus each, and bounds what a flood of connections can make the daemon hold.
const REMEMBERED: usize = 256;

/// How many calls of one connection may be under way. Whoever has more is told to wait for some of
/// them: what it takes from the daemon is taken from the others.
const CALLS_MAX: usize = 128;

/// How long the bus may take to say who somebody is.
const PATIENCE: Duration = Duration::from_secs(5);

/// A caller with the name of its connection, which the bus gives out once and never again. To be
/// kept until the call is answered.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) name: OwnedUniqueName,
    pub(super) caller: Caller,
    _call: Call,
}

/// The calls under way of each connection that has some.
type Calls = Arc<Mutex<HashMap<OwnedUniqueName, usize>>>;

/// A call under way, which counts until it is dropped.
#[derive(Debug)]
struct Call {
    name: OwnedUniqueName,
    calls: Calls,
}

impl Call {
    fn begin(calls: &Calls, name: &OwnedUniqueName) -> Result<Self, Fault> {
        let mut counts = locked(calls);
        let count = counts.entry(name.clone()).or_default();
        if *count >= CALLS_MAX {
            let message = format!("{CALLS_MAX} calls of this connection are under way");
            return Err(Fault::new(FaultKind::RateLimited, message)
                .hint("wait for the answer of one of them"));
        }
        *count += 1;
        drop(counts);
        Ok(Self { name: name.clone(), calls: Arc::clone(calls) })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut counts = locked(&self.calls);
        if let Some(count) = counts.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.name);
            }
        }
    }
}

/// Callers that the bus has told about.
pub(super) struct Callers {
    owner: u32,
    known: Mutex<HashMap<OwnedUniqueName, Arc<OnceCell<Caller>>>>,
    calls: Calls,
}

impl Callers {
    /// Only processes of `owner` are served: a session bus lets the superuser in, too.
    pub(super) fn new(owner: u32) -> Self {
        Self { owner, known: Mutex::default(), calls: Calls::default() }
    }

    /// Who sent the message.
    pub(super) async fn identify(
        &self,
        connection: &Connection,
        header: &Header<'_>,
    ) -> Result<Asker, Fault> {
        let Some(sender) = header.sender() else {
            return Err(denied("the message has no sender"));
        };
        let name = OwnedUniqueName::from(sender.to_owned());
        let call = Call::begin(&self.calls, &name)?;
        let place = self.place(&name);
        // the first call of a connection finds out, those that come with it wait for that
        let caller = place.get_or_try_init(|| self.find_out(connection, sender)).await?.clone();
        Ok(Asker { name, caller, _call: call })
    }

    /// Where what is known of a connection is kept.
    fn place(&self, name: &OwnedUniqueName) -> Arc<OnceCell<Caller>> {
        let mut known = locked(&self.known);
        if known.len() >= REMEMBERED && !known.contains_key(name) {
            known.clear();
        }
        Arc::clone(known.entry(name.clone()).or_default())
    }

    async fn find_out(
        &self,
        connection: &Connection,
        sender: &UniqueName<'_>,
    ) -> Result<Caller, Fault> {
        let Ok(Ok(credentials)) =
            tokio::time::timeout(PATIENCE, credentials(connection, sender)).await
        else {
            return Err(denied("the bus does not know the caller"));
        };
        let mut caller = self.admit(&credentials)?;
        if let Some(peer) = peer(connection, sender, credentials).await {
            caller.identity = peer.identify().await;
        }
        Ok(caller)
    }

    /// Forgets a connection that is gone.
    pub(super) fn forget(&self, name: &UniqueName<'_>) {
        locked(&self.known).remove(name.as_str());
    }

    fn admit(&self, credentials: &ConnectionCredentials) -> Result<Caller, Fault> {
        match credentials.unix_user_id() {
            Some(uid) if uid == self.owner => Ok(Caller {
                face: Face::Bus,
                pid: process(credentials),
                identity: Identity::default(),
            }),
            Some(_) => Err(denied("the caller is another user")),
            None => Err(denied("the bus does not say which user the caller is")),
        }
    }
}

fn process(credentials: &ConnectionCredentials) -> Option<i32> {
    credentials.process_id().and_then(|pid| i32::try_from(pid).ok())
}

/// The process behind a connection. Buses before dbus 1.16 and dbus-broker 34 do not hand out its pidfd:
/// then one is made of its id, and the bus asked once more, for the connection of a process that has ended
/// is gone.
async fn peer(
    connection: &Connection,
    name: &UniqueName<'_>,
    credentials: ConnectionCredentials,
) -> Option<Peer> {
    let pid = process(&credentials)?;
    if let Some(pidfd) = credentials.into_process_fd() {
        return Some(Peer::of_pidfd(pidfd.into(), pid));
    }
    let peer = Peer::of_pid(pid)?;
    is_present(connection, name).await.then_some(peer)
}

async fn credentials(
    connection: &Connection,
    sender: &UniqueName<'_>,
) -> zbus::Result<ConnectionCredentials> {
    let reply = ask_bus(connection, "GetConnectionCredentials", sender).await?;
    reply.body().deserialize()
}

/// Whether a connection is still there.
pub(super) async fn is_present(connection: &Connection, name: &UniqueName<'_>) -> bool {
    let question =
        async { ask_bus(connection, "NameHasOwner", name).await?.body().deserialize::<bool>() };
    matches!(tokio::time::timeout(PATIENCE, question).await, Ok(Ok(true)))
}

async fn ask_bus(
    connection: &Connection,
    method: &str,
    name: &UniqueName<'_>,
) -> zbus::Result<zbus::message::Message> {
    const BUS: &str = "org.freedesktop.DBus";
    connection.call_method(Some(BUS), "/org/freedesktop/DBus", Some(BUS), method, name).await
}

fn denied(message: &str) -> Fault {
    Fault::new(FaultKind::Denied, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_connection_has_so_many_calls_under_way_and_others_have_theirs() {
        let calls = Calls::default();
        let name =
            |text: &str| OwnedUniqueName::from(UniqueName::try_from(text).unwrap().to_owned());
        let (greedy, modest) = (name(":1.1"), name(":1.2"));
        let mut held: Vec<_> =
            (0..CALLS_MAX).map(|_| Call::begin(&calls, &greedy).unwrap()).collect();
        assert_eq!(Call::begin(&calls, &greedy).unwrap_err().kind, FaultKind::RateLimited);
        drop(Call::begin(&calls, &modest).unwrap());
        held.pop();
        drop(Call::begin(&calls, &greedy).unwrap());
        drop(held);
        assert!(locked(&calls).is_empty(), "nobody is remembered who asks for nothing");
    }

    #[test]
    fn only_the_owner_is_admitted() {
        let callers = Callers::new(1000);
        let credentials = || ConnectionCredentials::default().set_process_id(42);
        let caller = callers.admit(&credentials().set_unix_user_id(1000)).unwrap();
        assert_eq!((caller.face, caller.pid), (Face::Bus, Some(42)));
        for stranger in [credentials(), credentials().set_unix_user_id(0)] {
            assert_eq!(callers.admit(&stranger).unwrap_err().kind, FaultKind::Denied);
        }
    }
}
