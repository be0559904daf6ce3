//! Who calls: never what a message claims, always what the bus knows of its sender.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use zbus::Connection;
use zbus::fdo::ConnectionCredentials;
use zbus::message::Header;
use zbus::names::{OwnedUniqueName, UniqueName};

use super::context::locked;
use crate::api::{Fault, FaultKind};
use crate::model::{Caller, Face};

/// How many callers are remembered. Beyond that all are forgotten and asked for again: it costs a
/// round trip to the bus each, and bounds what a flood of connections can make the daemon hold.
const REMEMBERED: usize = 256;

/// How long the bus may take to say who somebody is.
const PATIENCE: Duration = Duration::from_secs(5);

/// A caller with the name of its connection, which the bus gives out once and never again.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) name: OwnedUniqueName,
    pub(super) caller: Caller,
}

/// Callers that the bus has told about.
pub(super) struct Callers {
    owner: u32,
    known: Mutex<HashMap<OwnedUniqueName, Caller>>,
}

impl Callers {
    /// Only processes of `owner` are served: a session bus lets the superuser in, too.
    pub(super) fn new(owner: u32) -> Self {
        Self { owner, known: Mutex::default() }
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
        if let Some(caller) = locked(&self.known).get(&name) {
            return Ok(Asker { name, caller: *caller });
        }
        let Ok(Ok(credentials)) =
            tokio::time::timeout(PATIENCE, credentials(connection, sender)).await
        else {
            return Err(denied("the bus does not know the caller"));
        };
        let caller = self.admit(&credentials)?;
        let mut known = locked(&self.known);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(name.clone(), caller);
        drop(known);
        Ok(Asker { name, caller })
    }

    /// Forgets a connection that is gone.
    pub(super) fn forget(&self, name: &UniqueName<'_>) {
        locked(&self.known).remove(name.as_str());
    }

    fn admit(&self, credentials: &ConnectionCredentials) -> Result<Caller, Fault> {
        match credentials.unix_user_id() {
            Some(uid) if uid == self.owner => Ok(Caller {
                face: Face::Bus,
                uid,
                pid: credentials.process_id().and_then(|pid| i32::try_from(pid).ok()),
            }),
            Some(_) => Err(denied("the caller is another user")),
            None => Err(denied("the bus does not say which user the caller is")),
        }
    }
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
    fn only_the_owner_is_admitted() {
        let callers = Callers::new(1000);
        let credentials = || ConnectionCredentials::default().set_process_id(42);
        let caller = callers.admit(&credentials().set_unix_user_id(1000)).unwrap();
        assert_eq!(caller, Caller { face: Face::Bus, uid: 1000, pid: Some(42) });
        for stranger in [credentials(), credentials().set_unix_user_id(0)] {
            assert_eq!(callers.admit(&stranger).unwrap_err().kind, FaultKind::Denied);
        }
    }
}
