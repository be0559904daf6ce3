//! The one way in: faces hold a [`Handle`], ask, and are answered.

use tokio::sync::{broadcast, mpsc, oneshot};

use crate::api::{Event, Fault, FaultKind, Request, Response};
use crate::model::Caller;

/// How many requests may wait for the engine's attention. It takes microseconds to take one out, so
/// a full mailbox means thousands of callers in the same instant; those behind wait for a place.
pub(super) const MAILBOX: usize = 1024;

/// How many events a slow watcher may be behind before it is told that it missed some.
pub(super) const EVENTS: usize = 256;

/// A request on its way to the engine.
pub(super) struct Message {
    pub(super) caller: Caller,
    pub(super) request: Request,
    pub(super) reply: oneshot::Sender<Result<Response, Fault>>,
}

/// Asks the engine. Cheap to clone; each face, and each session of it, has one.
#[derive(Clone)]
pub struct Handle {
    pub(super) mailbox: mpsc::Sender<Message>,
    pub(super) events: broadcast::Sender<Event>,
}

impl Handle {
    /// Asks, and waits for the answer. The engine keeps the deadline that a request carries; dropping
    /// the future withdraws the question and nothing else.
    pub async fn ask(&self, caller: Caller, request: Request) -> Result<Response, Fault> {
        let (reply, answer) = oneshot::channel();
        let message = Message { caller, request, reply };
        if self.mailbox.send(message).await.is_err() {
            return Err(stopping());
        }
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// What happens from now on.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch { events: self.events.subscribe() }
    }
}

/// A stream of events.
pub struct Watch {
    events: broadcast::Receiver<Event>,
}

impl Watch {
    /// The next event; [`Event::Missed`] if this watcher was too slow; `None` when the daemon stops.
    pub async fn next(&mut self) -> Option<Event> {
        match self.events.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Event::Missed { count }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

fn stopping() -> Fault {
    Fault::new(FaultKind::ShuttingDown, "the daemon is stopping")
}

#[cfg(test)]
impl Handle {
    /// A handle without an engine: each request is answered by `answer`, beside the others.
    pub(crate) fn for_tests<F>(answer: impl Fn(Caller, Request) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Response, Fault>> + Send + 'static,
    {
        let (mailbox, mut requests) = mpsc::channel::<Message>(MAILBOX);
        let (events, _) = broadcast::channel(EVENTS);
        tokio::spawn(async move {
            while let Some(Message { caller, request, mut reply }) = requests.recv().await {
                let answer = answer(caller, request);
                tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        // the asker withdrew
                        () = reply.closed() => {}
                        answer = answer => drop(reply.send(answer)),
                    }
                });
            }
        });
        Self { mailbox, events }
    }

    /// Tells all watchers.
    pub(crate) fn announce(&self, event: Event) {
        // nobody may be watching
        let _ = self.events.send(event);
    }
}
