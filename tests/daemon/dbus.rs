//! A client of the daemon's D-Bus interface that blocks.

use std::collections::HashMap;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use tokio::runtime::{Builder, Runtime};
use zbus::wire::{OwnedVariant, Variant};
use zbus::{Connection, Message, OwnedObjectPath};

const NAME: &str = "dev.ostler.Ostler1";
const ROOT: &str = "/dev/ostler/Ostler1";

/// Options of a call.
pub(crate) type Options<'a> = HashMap<&'a str, Variant<'a>>;

/// A program on the bus.
pub(crate) struct Client {
    runtime: Runtime,
    connection: Connection,
}

impl Client {
    pub(crate) fn connect(address: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let connection = zbus::connection::Builder::address(address);
        let connection = runtime.block_on(connection.build()).unwrap();
        Self { runtime, connection }
    }

    /// The token that it is given.
    pub(crate) fn token(&self, account: &str) -> zbus::Result<String> {
        let reply = self.call("GetAccessToken", &(account, Options::new()))?;
        token_in(&reply)
    }

    /// The token that is written for it into a socket, and what the answer on the bus says.
    pub(crate) fn written(&self, account: &str) -> zbus::Result<(String, Message)> {
        let path: OwnedObjectPath = self.call("LookupAccount", &account)?.body().deserialize()?;
        let (mine, its) = UnixStream::pair()?;
        let body = (zbus::OwnedFd::from(OwnedFd::from(its)), Options::new());
        let interface = Some("dev.ostler.Ostler1.Account");
        let call =
            self.connection.call_method(Some(NAME), path, interface, "WriteAccessToken", &body);
        let answer = self.runtime.block_on(call)?;
        // the call was sent: its end is the daemon's alone now
        drop(body);
        let mut token = String::new();
        (&mine).read_to_string(&mut token)?;
        Ok((token, answer))
    }

    /// A call of the manager.
    pub(crate) fn call<B>(&self, method: &str, body: &B) -> zbus::Result<Message>
    where
        B: serde::ser::Serialize + zbus::wire::DynamicType,
    {
        self.runtime.block_on(manager(&self.connection, method, body))
    }

    /// All objects, by the standard interface.
    pub(crate) fn managed_objects(&self) -> zbus::Result<Message> {
        let interface = Some("org.freedesktop.DBus.ObjectManager");
        let call =
            self.connection.call_method(Some(NAME), ROOT, interface, "GetManagedObjects", &());
        self.runtime.block_on(call)
    }

    /// Whether the daemon's name has an owner.
    pub(crate) fn is_served(&self) -> bool {
        let reply = self.runtime.block_on(self.connection.call_method(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/DBus",
            Some("org.freedesktop.DBus"),
            "NameHasOwner",
            &NAME,
        ));
        reply.unwrap().body().deserialize().unwrap()
    }

    /// Asks the bus whether it is there, so that what was said before has been said.
    pub(crate) fn ping(&self, marker: &str) {
        let asked = self.runtime.block_on(self.connection.call_method(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/DBus",
            Some("org.freedesktop.DBus"),
            "NameHasOwner",
            &marker,
        ));
        asked.unwrap();
    }
}

/// A call of the manager, from a connection.
pub(crate) async fn manager<B>(
    connection: &Connection,
    method: &str,
    body: &B,
) -> zbus::Result<Message>
where
    B: serde::ser::Serialize + zbus::wire::DynamicType,
{
    let interface = "dev.ostler.Ostler1.Manager";
    connection.call_method(Some(NAME), ROOT, Some(interface), method, body).await
}

/// Asks the bus for nothing in particular.
pub(crate) async fn ping(connection: &Connection) -> zbus::Result<()> {
    let bus = Some("org.freedesktop.DBus");
    let path = "/org/freedesktop/DBus";
    connection.call_method(bus, path, Some("org.freedesktop.DBus.Peer"), "Ping", &()).await?;
    Ok(())
}

/// The token in an answer.
pub(crate) fn token_in(reply: &Message) -> zbus::Result<String> {
    let body = reply.body();
    let (token, _kind, _expires_at, _details): (
        String,
        String,
        i64,
        HashMap<String, OwnedVariant>,
    ) = body.deserialize()?;
    Ok(token)
}

/// The name of the error that a call ended with, after the daemon's prefix, and its text.
#[track_caller]
pub(crate) fn error<T: std::fmt::Debug>(result: zbus::Result<T>) -> (String, String) {
    match result {
        Err(zbus::Error::MethodError(name, text, _)) => {
            let name = name.as_str();
            let short = name.strip_prefix("dev.ostler.Ostler1.Error.").unwrap_or(name);
            (short.to_owned(), text.unwrap_or_default())
        }
        other => panic!("not an error: {other:?}"),
    }
}
