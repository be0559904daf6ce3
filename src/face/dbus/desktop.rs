//! The desktop's notification server (Desktop Notifications Specification 1.3, `org.freedesktop.Notifications`).
//!
//! The number of a notification means something to the connection that gave it and to no other, and any
//! program can send a signal that looks like a click: so calls go to the connection that answered first,
//! never to whoever has the name by then, and nobody else is listened to.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream;
use zbus::message::{Message, Type};
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MatchRule, MessageStream, Variant};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
const BUS: &str = "org.freedesktop.DBus";

/// A notification server, by its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    name: OwnedUniqueName,
    /// Whether it shows buttons.
    pub(super) has_actions: bool,
}

/// What is to be shown.
pub(super) struct Notification<'a> {
    pub(super) title: &'a str,
    pub(super) body: &'a str,
    pub(super) icon: &'a str,
    /// Buttons: what each is called by the program, and by people.
    pub(super) actions: &'a [(&'a str, &'a str)],
    pub(super) urgency: Urgency,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Urgency {
    /// Shown for as long as the server thinks fit.
    Normal,
    /// Shown until it is dealt with.
    Critical,
}

/// What a server tells.
#[derive(Debug)]
pub(super) enum Heard {
    /// A button was pressed.
    Invoked { id: u32, action: String },
    /// By which token what the button opens may come to the front.
    Activation { id: u32, token: String },
    /// It is not shown any more.
    Closed { id: u32, why: Closing },
    /// The server is gone, and all that it showed.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    /// The user put it away.
    Dismissed,
    /// Its time was over, or it was taken back.
    Otherwise,
}

impl Server {
    /// The server that is there, or that the bus starts.
    pub(super) async fn find(connection: &Connection) -> zbus::Result<Self> {
        let reply = connection.call_method(Some(NAME), PATH, Some(NAME), "GetCapabilities", &());
        let reply = reply.await?;
        let capabilities: Vec<String> = reply.body().deserialize()?;
        // filled in by the bus
        let name = reply.header().sender().map(|name| OwnedUniqueName::from(name.to_owned()));
        Ok(Self {
            name: name.ok_or(zbus::Error::MissingField)?,
            has_actions: capabilities.iter().any(|capability| capability == "actions"),
        })
    }

    /// Shows a notification, in the place of another one if that is not 0; gives its number.
    pub(super) async fn show(
        &self,
        connection: &Connection,
        notification: &Notification<'_>,
        replaced: u32,
    ) -> zbus::Result<u32> {
        let Notification { title, body, icon, actions, urgency } = notification;
        let actions: Vec<&str> = if self.has_actions {
            actions.iter().flat_map(|(key, label)| [*key, *label]).collect()
        } else {
            Vec::new()
        };
        // -1: the server knows best how long; 0: until it is dealt with
        let (urgency, span) = match urgency {
            Urgency::Normal => (1_u8, -1_i32),
            Urgency::Critical => (2, 0),
        };
        let hints = HashMap::from([("urgency", Variant::from(urgency))]);
        let body = ("ostler", replaced, *icon, *title, *body, actions, hints, span);
        self.call(connection, "Notify", &body).await?.body().deserialize()
    }

    /// Takes a notification back. The user may have been faster.
    pub(super) async fn close(&self, connection: &Connection, id: u32) -> zbus::Result<()> {
        self.call(connection, "CloseNotification", &id).await.map(drop)
    }

    async fn call<B>(
        &self,
        connection: &Connection,
        method: &str,
        body: &B,
    ) -> zbus::Result<Message>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        connection.call_method(Some(self.name.as_str()), PATH, Some(NAME), method, body).await
    }

    /// Begins to listen to it.
    pub(super) async fn listen(&self, connection: &Connection) -> zbus::Result<Ear> {
        let signals = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(self.name.as_str())
            .interface(NAME)
            .path(PATH)
            .build()?;
        let departure = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(BUS)
            .interface(BUS)
            .member("NameOwnerChanged")
            .arg(0, self.name.as_str())
            .build()?;
        Ok(Ear {
            server: self.name.clone(),
            signals: MessageStream::for_match_rule(signals, connection, None).await?,
            departure: MessageStream::for_match_rule(departure, connection, None).await?,
        })
    }
}

/// What listens to a server.
pub(super) struct Ear {
    server: OwnedUniqueName,
    signals: MessageStream,
    departure: MessageStream,
}

impl Ear {
    /// What the server tells next.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            let message = tokio::select! {
                biased;
                message = next(&mut self.signals) => message,
                message = next(&mut self.departure) => {
                    // only the bus itself can say that
                    match message {
                        Some(Ok(message)) if !is_from(&message, BUS) => continue,
                        _ => return Heard::Gone,
                    }
                }
            };
            match message {
                Some(Ok(message)) if is_from(&message, self.server.as_str()) => {
                    if let Some(heard) = read(&message) {
                        return heard;
                    }
                }
                Some(_) => {}
                None => return Heard::Gone,
            }
        }
    }
}

fn is_from(message: &Message, name: &str) -> bool {
    message.header().sender().is_some_and(|sender| sender.as_str() == name)
}

fn read(message: &Message) -> Option<Heard> {
    let body = message.body();
    let header = message.header();
    match header.member()?.as_str() {
        "ActionInvoked" => {
            let (id, action) = body.deserialize().ok()?;
            Some(Heard::Invoked { id, action })
        }
        "ActivationToken" => {
            let (id, token) = body.deserialize().ok()?;
            Some(Heard::Activation { id, token })
        }
        "NotificationClosed" => {
            let (id, reason): (u32, u32) = body.deserialize().ok()?;
            let why = if reason == 2 { Closing::Dismissed } else { Closing::Otherwise };
            Some(Heard::Closed { id, why })
        }
        _ => None,
    }
}

/// The next item of a stream.
pub(super) async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

/// The text on one line and cut, without what a server may take for markup: some do, and some show
/// an escape as it is.
pub(super) fn words_of(text: &str, most: usize) -> String {
    let plain = |c: char| if c.is_control() || matches!(c, '<' | '>' | '&') { ' ' } else { c };
    let text: String = text.chars().map(plain).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= most {
        return line;
    }
    line.chars().take(most - 1).chain(['…']).collect()
}
