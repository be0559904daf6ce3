//! The service's life on the bus: from the connection to its end.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use zbus::fdo::{Properties, RequestNameFlags};
use zbus::message::{Message, Type};
use zbus::names::{BusName, UniqueName};
use zbus::object_server::{Interface, SignalEmitter};
use zbus::{Connection, MatchRule, MessageStream, Variant, connection};

use super::access::AccessControl;
use super::account::AccountObject;
use super::context::Context;
use super::desktop::next;
use super::log_control::LogObject;
use super::manager::Manager;
use super::notice::Notices;
use super::objects::Objects;
use super::prompt::Desk;
use super::requests::Ending;
use super::{accounts, paths, sign_in};
use crate::api::{Accounts, Event, FaultKind, Listing, Request, Response};
use crate::engine::{Handle, Watch};
use crate::model::Caller;
use crate::sys::log::LogControl;

/// How long the bus may take to let the service on.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long calls in flight may take once the service is to stop.
const DRAIN: Duration = Duration::from_secs(2);
/// How many ends of sign-ins may wait for being told: more than can be open at once.
const ENDINGS: usize = 64;

/// Which bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The session bus, as the environment names it (`DBUS_SESSION_BUS_ADDRESS`, or
    /// `$XDG_RUNTIME_DIR/bus`).
    Session,
    /// The bus at an address in the syntax of the D-Bus specification.
    At(String),
}

/// Why the service is not on the bus.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Another process has the name.
    #[error("another process owns {}", paths::BUS_NAME)]
    NameTaken,
    /// There is no bus at the address, or it does not let us on.
    #[error("the bus cannot be reached")]
    Unreachable(#[source] zbus::Error),
    /// The bus took too long.
    #[error("the bus does not answer")]
    Silent,
}

/// Why the service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusEnd {
    /// The bus closed the connection. The daemon goes on without it, and may connect again.
    Closed,
    /// The daemon asked for it, or is stopping.
    Stopped,
}

/// The service on the bus, with its name.
pub struct Service {
    connection: Connection,
    context: Arc<Context>,
    events: Watch,
    endings: mpsc::Receiver<Ending>,
    departures: MessageStream,
}

/// Puts the service on the bus: first its objects, then the name. Only processes of user `uid` are
/// served. With `log`, the level of the log can be changed over the bus.
pub async fn connect(
    address: Address,
    handle: Handle,
    uid: u32,
    log: Option<LogControl>,
) -> Result<Service, BusError> {
    let (ends, endings) = mpsc::channel(ENDINGS);
    // watched before they are listed, so that nothing falls between
    let events = handle.watch();
    let context = Arc::new(Context::new(handle, uid, ends));
    // A daemon that cannot keep tokens has none to show, and is asked all the same: then it says why.
    let found = context.list_accounts().await.unwrap_or_else(|fault| {
        warn!(%fault, "no accounts to show on the bus");
        context.locked.store(fault.kind == FaultKind::Locked, Ordering::Relaxed);
        Accounts::default()
    });
    let about = Request::Status(Listing::first(0));
    if let Ok(Response::Status(status)) = context.ask(Caller::daemon(), about).await {
        context.online.store(status.daemon.online, Ordering::Relaxed);
    }
    let mut builder = match address {
        Address::Session => connection::Builder::session(),
        Address::At(address) => connection::Builder::address(address.as_str()),
    }
    .method_timeout(PATIENCE)
    .serve_at(paths::ROOT, Objects::new(Arc::clone(&context)))
    .serve_at(paths::ROOT, Manager::new(Arc::clone(&context)))
    .serve_at(paths::ROOT, AccessControl::new(Arc::clone(&context)));
    if found.is_longer_than(accounts::OBJECTS_MAX) {
        warn!(most = accounts::OBJECTS_MAX, "not all accounts have an object on the bus");
    }
    for account in found.iter().take(accounts::OBJECTS_MAX) {
        let (path, id) = (paths::account(&account.id), account.id.clone());
        context.accounts.put(account);
        builder = builder.serve_at(path, AccountObject::new(Arc::clone(&context), id));
    }
    if let Some(log) = log {
        builder = builder.serve_at(paths::LOG_CONTROL, LogObject::new(Arc::clone(&context), log));
    }
    let entrance = enter(builder);
    let (connection, departures) =
        tokio::time::timeout(PATIENCE, entrance).await.map_err(|_| BusError::Silent)??;
    info!(name = paths::BUS_NAME, "on the bus");
    Ok(Service { connection, context, events, endings, departures })
}

async fn enter(builder: connection::Builder<'_>) -> Result<(Connection, MessageStream), BusError> {
    let connection = builder.build().await.map_err(BusError::Unreachable)?;
    // Connections that vanish are watched before the name is there for anybody to call.
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender("org.freedesktop.DBus")
        .interface("org.freedesktop.DBus")
        .member("NameOwnerChanged")
        .arg(2, "")
        .build()
        .map_err(BusError::Unreachable)?;
    let departures = MessageStream::for_match_rule(rule, &connection, None)
        .await
        .map_err(BusError::Unreachable)?;
    // Neither replaced nor replacing: with the library's default flags any process could take the
    // name with one call, and answer in our place.
    match connection.request_name_with_flags(paths::BUS_NAME, RequestNameFlags::DO_NOT_QUEUE).await
    {
        Ok(_) => Ok((connection, departures)),
        Err(zbus::Error::NameTaken) => Err(BusError::NameTaken),
        Err(error) => Err(BusError::Unreachable(error)),
    }
}

impl Service {
    /// Serves until the bus closes or `shutdown` is called for; tells the desktop what is in
    /// `notices`, and puts the questions of `desk` to the user.
    pub async fn run(
        self,
        notices: Option<&mut Notices>,
        desk: Option<&mut Desk>,
        shutdown: CancellationToken,
    ) -> BusEnd {
        let Self { connection, context, events, endings, departures } = self;
        let telling = async {
            match notices {
                Some(notices) => notices.run(&connection).await,
                None => std::future::pending().await,
            }
        };
        let asking = async {
            match desk {
                Some(desk) => desk.run(&context, &connection).await,
                None => std::future::pending().await,
            }
        };
        let end = tokio::select! {
            biased;
            // a bus that is gone needs no farewell, so its end comes before ours
            () = connection.closed() => BusEnd::Closed,
            () = shutdown.cancelled() => BusEnd::Stopped,
            // departures before news: who has left need not be told; ends with the connection
            () = mind_departures(&context, departures) => BusEnd::Closed,
            // ends with the engine
            () = spread_news(&context, &connection, events, endings) => BusEnd::Stopped,
            () = telling => BusEnd::Stopped,
            () = asking => BusEnd::Stopped,
        };
        debug!(?end, "off the bus");
        if tokio::time::timeout(DRAIN, leave(&context, connection, end)).await.is_err() {
            debug!("calls in flight were cut off");
        }
        end
    }
}

async fn leave(context: &Arc<Context>, connection: Connection, end: BusEnd) {
    match end {
        // every creator is gone
        BusEnd::Closed => {
            for sign_in in context.requests.depart_all() {
                sign_in::end(context, sign_in).await;
            }
        }
        // first of all the name, so that the next call starts the daemon anew
        BusEnd::Stopped => {
            if let Err(error) = connection.release_name(paths::BUS_NAME).await {
                debug!(%error, "the name could not be given back");
            }
        }
    }
    context.over.cancel();
    context.waits.close();
    context.waits.wait().await;
    if end == BusEnd::Stopped {
        // waits for calls in flight
        connection.graceful_shutdown().await;
    }
}

/// Forgets connections that leave the bus, and ends what depended on them.
async fn mind_departures(context: &Arc<Context>, mut departures: MessageStream) {
    while let Some(message) = next(&mut departures).await {
        let Ok(message) = message else { continue };
        let Some(name) = departed(&message) else { continue };
        context.callers.forget(&name);
        context.agents.forget(&name);
        for sign_in in context.requests.depart(&name) {
            let context = Arc::clone(context);
            let waits = context.waits.clone();
            // in a task: a stream that is not read holds up the whole connection
            waits.spawn(async move { sign_in::end(&context, sign_in).await });
        }
    }
}

/// The connection that left, if the bus says so.
fn departed(message: &Message) -> Option<UniqueName<'static>> {
    // The match rule only asks the bus what to send on. What another client addresses to us comes
    // regardless; the sender is the field that the bus itself fills in.
    let header = message.header();
    if header.sender().is_none_or(|sender| sender.as_str() != "org.freedesktop.DBus") {
        return None;
    }
    let body = message.body();
    let (name, _, new): (BusName<'_>, &str, &str) = body.deserialize().ok()?;
    match name {
        BusName::Unique(name) if new.is_empty() => Some(name.to_owned()),
        _ => None,
    }
}

/// Shows on the bus what the engine tells.
async fn spread_news(
    context: &Arc<Context>,
    connection: &Connection,
    mut events: Watch,
    mut endings: mpsc::Receiver<Ending>,
) {
    loop {
        let shown = tokio::select! {
            biased;
            // events first: the account of a finished sign-in is on the bus before its end is told
            event = events.next() => match event {
                Some(event) => show(context, connection, event).await,
                None => return,
            },
            Some(ending) = endings.recv() => sign_in::conclude(context, connection, ending).await,
        };
        if let Err(error) = shown {
            // The connection's own end is noticed elsewhere; anything else concerns one object.
            debug!(%error, "not shown on the bus");
        }
    }
}

async fn show(context: &Arc<Context>, connection: &Connection, event: Event) -> zbus::Result<()> {
    match event {
        Event::Account { account, new_token } => {
            accounts::publish(context, connection, *account, new_token).await
        }
        Event::Removed { id, .. } => accounts::withdraw(context, connection, &id).await,
        // told by the task that waits for it, and to its creator only
        Event::Login { .. } => Ok(()),
        Event::Online { online } => {
            context.online.store(online, Ordering::Relaxed);
            let emitter = SignalEmitter::new(connection, paths::ROOT)?;
            let changed = HashMap::from([("Online", Variant::from(online))]);
            let (name, none) = (Manager::name(), Cow::Borrowed(&[][..]));
            Properties::properties_changed(&emitter, name, changed, none).await
        }
        Event::Pending { count } => {
            let emitter = SignalEmitter::new(connection, paths::ROOT)?;
            AccessControl::pending_changed(&emitter, u32::try_from(count).unwrap_or(u32::MAX)).await
        }
        Event::Missed { .. } => accounts::resync(context, connection).await,
    }
}
