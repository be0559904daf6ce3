//! What the engine's components reach the rest of the daemon by: clock, store, tasks, providers, those who watch, and
//! the inbox of the lifecycle.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::task::{AbortHandle, JoinError, JoinSet};

use super::done::Done;
use crate::api::Event as News;
use crate::lifecycle::Event;
use crate::model::{Now, Stamp};
use crate::oauth::{Courier, Http};
use crate::store::{Command, Report, Store};
use crate::sys::clock::Clock;

/// What waits for its turn.
#[expect(
    clippy::large_enum_variant,
    reason = "one or two at a time, and none is to cost an allocation"
)]
pub(super) enum Turn {
    /// The lifecycle is told something.
    Event(Event),
    /// The store says what it will never do.
    Report(Report),
}

/// What a component reaches the rest of the daemon by. Nothing of it waits.
pub(super) struct Context {
    http: Http,
    courier: Arc<dyn Courier>,
    clock: Clock,
    store: Store,
    tasks: JoinSet<Done>,
    watchers: broadcast::Sender<News>,
    turns: VecDeque<Turn>,
}

impl Context {
    pub(super) fn new(
        store: Store,
        clock: Clock,
        http: Http,
        courier: Arc<dyn Courier>,
        watchers: broadcast::Sender<News>,
    ) -> Self {
        let (tasks, turns) = (JoinSet::new(), VecDeque::new());
        Self { http, courier, clock, store, tasks, watchers, turns }
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    /// This moment, for the disk.
    pub(super) fn stamp(&self) -> Stamp {
        self.clock.stamp()
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The way to providers.
    pub(super) fn http(&self) -> Http {
        self.http.clone()
    }

    /// The way of token requests.
    pub(super) fn courier(&self) -> Arc<dyn Courier> {
        Arc::clone(&self.courier)
    }

    /// Tells the lifecycle something. It hears that before the engine takes up anything else.
    pub(super) fn tell(&mut self, event: Event) {
        self.turns.push_back(Turn::Event(event));
    }

    /// Gives the store something to do.
    pub(super) fn write(&mut self, command: Command) {
        if let Err(report) = self.store.send(command) {
            self.turns.push_back(Turn::Report(*report));
        }
    }

    /// Starts a task. The engine hears of its end.
    pub(super) fn spawn(
        &mut self,
        task: impl Future<Output = Done> + Send + 'static,
    ) -> AbortHandle {
        self.tasks.spawn(task)
    }

    /// Tells all who watch.
    pub(super) fn announce(&self, news: News) {
        // nobody may be watching
        let _ = self.watchers.send(news);
    }

    /// What has its turn.
    pub(super) fn next_turn(&mut self) -> Option<Turn> {
        self.turns.pop_front()
    }

    /// The end of a task; `None` if there is none.
    pub(super) async fn next_done(&mut self) -> Option<Result<Done, JoinError>> {
        self.tasks.join_next().await
    }

    /// Ends all tasks.
    pub(super) fn into_store(self) -> Store {
        self.store
    }

    /// How many tasks there are.
    #[cfg(test)]
    pub(super) fn task_count(&self) -> usize {
        self.tasks.len()
    }
}
