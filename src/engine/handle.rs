//! The one way in: faces hold a [`Handle`], ask, and are answered.

use tokio::sync::{broadcast, mpsc, oneshot};

use super::access::confined;
use super::faults::stopping;
use crate::api::{Event, Fault, Request, Response};
use crate::model::Caller;

/// How many requests may wait for the engine's attention. It takes microseconds to take one out, so
/// a full mailbox means thousands of callers in the same instant; those behind wait for a place.
pub(super) const MAILBOX: usize = 1024;

/// How many events a slow watcher may be behind before it is told that it missed some.
pub(super) const EVENTS: usize = 256;

/// Where the answer to a request goes.
pub(super) struct Asker(oneshot::Sender<Result<Response, Fault>>);

impl Asker {
    /// Answers. Who does not wait any more does not mind.
    pub(super) fn answer(self, result: Result<Response, Fault>) {
        let _ = self.0.send(result);
    }

    /// Whether nobody waits for the answer any more.
    pub(super) fn is_gone(&self) -> bool {
        self.0.is_closed()
    }
}

/// A request on its way to the engine.
pub(super) struct Message {
    pub(super) caller: Caller,
    pub(super) request: Request,
    pub(super) asker: Asker,
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
        let (sender, answer) = oneshot::channel();
        let message = Message { caller, request, asker: Asker(sender) };
        if self.mailbox.send(message).await.is_err() {
            return Err(stopping());
        }
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// What happens from now on, for a caller; refused to one that may ask for tokens alone.
    pub fn watch_for(&self, caller: &Caller) -> Result<Watch, Fault> {
        confined(caller).map(|()| self.watch())
    }

    /// What happens from now on, for the daemon itself.
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
            while let Some(Message { caller, request, asker }) = requests.recv().await {
                let Asker(mut asker) = asker;
                let answer = answer(caller, request);
                tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        // the asker withdrew
                        () = asker.closed() => {}
                        answer = answer => drop(asker.send(answer)),
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
