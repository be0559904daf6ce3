//! The user's screen: a notification server, as a desktop has one, and what a user does with it.

use std::collections::HashMap;

use tokio::sync::mpsc;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedVariant, interface};

use crate::scene::connect;
use crate::soon;
use crate::support::bus::Bus;

pub(crate) const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// What the daemon asked the desktop for.
#[derive(Debug, PartialEq)]
pub(crate) enum Asked {
    Shown(Notification),
    Closed { id: u32 },
}

#[derive(Debug, PartialEq)]
pub(crate) struct Notification {
    pub(crate) id: u32,
    pub(crate) replaced: u32,
    pub(crate) title: String,
    pub(crate) body: String,
    /// The buttons: what each is called by the program, and by people.
    pub(crate) buttons: Vec<(String, String)>,
    pub(crate) urgency: u8,
    pub(crate) span: i32,
}

/// A notification server.
pub(crate) struct Screen {
    pub(crate) connection: Connection,
    pub(crate) asked: mpsc::UnboundedReceiver<Asked>,
}

struct Server {
    next: u32,
    capabilities: &'static [&'static str],
    asked: mpsc::UnboundedSender<Asked>,
}

#[interface(name = "org.freedesktop.Notifications")]
impl Server {
    fn get_capabilities(&self) -> Vec<&'static str> {
        self.capabilities.to_vec()
    }

    #[expect(clippy::too_many_arguments, reason = "the specification has as many")]
    #[expect(clippy::needless_pass_by_value, reason = "what a message held is the method's")]
    fn notify(
        &mut self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: Vec<String>,
        hints: HashMap<String, OwnedVariant>,
        expire_timeout: i32,
    ) -> u32 {
        assert_eq!((app_name, app_icon), ("ostler", "dialog-password"));
        self.next += 1;
        let id = if replaces_id > 0 { replaces_id } else { self.next };
        let pairs = actions.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        let notification = Notification {
            id,
            replaced: replaces_id,
            title: summary.to_owned(),
            body: body.to_owned(),
            buttons: pairs.collect(),
            urgency: hints["urgency"].try_clone().unwrap().try_into().unwrap(),
            span: expire_timeout,
        };
        self.asked.send(Asked::Shown(notification)).unwrap();
        id
    }

    fn close_notification(&mut self, id: u32) {
        self.asked.send(Asked::Closed { id }).unwrap();
    }

    #[zbus(signal)]
    async fn action_invoked(
        emitter: &SignalEmitter<'_>,
        id: u32,
        action_key: &str,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn activation_token(
        emitter: &SignalEmitter<'_>,
        id: u32,
        activation_token: &str,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn notification_closed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        reason: u32,
    ) -> zbus::Result<()>;
}

impl Screen {
    /// One that gives its notifications numbers from there on.
    pub(crate) async fn start(bus: &Bus, first: u32) -> Self {
        Self::with(bus, first, &["body", "actions"]).await
    }

    /// One that can do what is said.
    pub(crate) async fn with(bus: &Bus, first: u32, capabilities: &'static [&'static str]) -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        let connection = connect(bus).await;
        let server = Server { next: first - 1, capabilities, asked: sender };
        connection.object_server().at(PATH, server).await.unwrap();
        connection.request_name(NAME).await.unwrap();
        Self { connection, asked }
    }

    pub(crate) async fn next(&mut self) -> Asked {
        soon(self.asked.recv()).await.unwrap()
    }

    /// What is shown next.
    pub(crate) async fn shown(&mut self) -> Notification {
        match self.next().await {
            Asked::Shown(notification) => notification,
            other @ Asked::Closed { .. } => panic!("{other:?}"),
        }
    }

    /// The user presses a button.
    pub(crate) async fn press(&self, id: u32, button: &str) {
        let emitter = SignalEmitter::new(&self.connection, PATH).unwrap();
        Server::activation_token(&emitter, id, "fake-activation-token").await.unwrap();
        Server::action_invoked(&emitter, id, button).await.unwrap();
    }

    /// The user puts a notification away.
    pub(crate) async fn dismiss(&self, id: u32) {
        let emitter = SignalEmitter::new(&self.connection, PATH).unwrap();
        Server::notification_closed(&emitter, id, 2).await.unwrap();
    }
}

/// A program that would like to press the button itself: it says so to everybody, and to the daemon.
pub(crate) async fn forge(connection: &Connection, to: &str, id: u32, button: &str) {
    for destination in [None, Some(to)] {
        connection
            .emit_signal(destination, PATH, NAME, "ActionInvoked", &(id, button))
            .await
            .unwrap();
    }
}
