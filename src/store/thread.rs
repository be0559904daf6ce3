//! The thread and its channels.
//!
//! Neither channel has a bound of its own: what is under way is bounded by the accounts and their flights, and an
//! event that is about all accounts at once, such as a client that is rejected, has a command for each. So the engine
//! never has to do without a commit, the thread never waits for its reader, and closing cannot hang.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::command::{Command, Report};
use super::error::{StoreError, Unwritable};
use super::writer::{self, Writer};

/// Gives what the store reports, in the order of the commands; ends after the last one.
pub type Reports = mpsc::UnboundedReceiver<Report>;

/// How many commands share a commit. A commit costs a sync of the disk, a further command in it a
/// few microseconds; the bound keeps the first one's report from waiting long.
pub(super) const BATCH: usize = 64;

/// Takes commands for the thread. Dropping it lets the thread finish what is queued, unattended;
/// [`Store::close`] waits for that.
pub struct Store {
    commands: mpsc::UnboundedSender<Command>,
    /// Ends the check of the files early.
    closing: Arc<AtomicBool>,
    /// `None` where somebody else makes the worker work.
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Hands a command over; never waits. If the thread is gone, the report that there will never be comes back.
    pub fn send(&self, command: Command) -> Result<(), Box<Report>> {
        self.commands.send(command).map_err(|mpsc::error::SendError(command)| {
            Box::new(writer::report(command, Err(Unwritable::Gone.into())))
        })
    }

    /// Commits what is queued unless the files are not checked yet, moves the write-ahead log into the database and ends the thread.
    /// Blocks for as long as that takes; reports can be read afterwards.
    pub fn close(self) {
        let Self { commands, closing, thread } = self;
        closing.store(true, Ordering::Relaxed);
        drop(commands);
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's thread had panicked");
        }
    }
}

/// Starts the thread.
pub(super) fn start(writer: Writer) -> io::Result<(Store, Reports)> {
    let (mut store, worker, reader) = pair(writer);
    let thread = std::thread::Builder::new().name("store".to_owned());
    store.thread = Some(thread.spawn(move || worker.run())?);
    Ok((store, reader))
}

/// The store, and the work that its thread does.
pub(super) fn pair(writer: Writer) -> (Store, Worker, Reports) {
    let (commands, queue) = mpsc::unbounded_channel();
    let (reports, reader) = mpsc::unbounded_channel();
    let closing = Arc::new(AtomicBool::new(false));
    let store = Store { commands, closing: Arc::clone(&closing), thread: None };
    (store, Worker { writer, queue, reports, closing }, reader)
}

/// What the thread does.
pub(super) struct Worker {
    pub(super) writer: Writer,
    pub(super) queue: mpsc::UnboundedReceiver<Command>,
    reports: mpsc::UnboundedSender<Report>,
    closing: Arc<AtomicBool>,
}

impl Worker {
    fn run(mut self) {
        match self.check() {
            None => return self.writer.finish(),
            Some(Ok(())) => {}
            Some(Err(error)) => return self.refuse(&error),
        }
        while let Some(first) = self.queue.blocking_recv() {
            self.turn(first, BATCH);
        }
        self.writer.finish();
    }

    /// Looks at the files before anything is written into them, and reports. A page that is damaged may come to light
    /// only when a grant is to be written that exists nowhere else, and a write into damaged files can cost more than
    /// they have lost. `None` if the store was closed meanwhile.
    pub(super) fn check(&mut self) -> Option<Result<(), StoreError>> {
        let checked = self.writer.check(&self.closing);
        if checked.is_err() && self.closing.load(Ordering::Relaxed) {
            return None;
        }
        let _ = self.reports.send(Report::Checked { result: checked.clone() });
        Some(checked)
    }

    /// What the life of a store is whose files are damaged.
    fn refuse(mut self, error: &StoreError) {
        while let Some(command) = self.queue.blocking_recv() {
            let _ = self.reports.send(writer::report(command, Err(error.clone())));
        }
    }

    /// Commits a command and those that wait behind it, `most` in all, and reports.
    pub(super) fn turn(&mut self, first: Command, most: usize) {
        let mut batch = vec![first];
        while batch.len() < most
            && let Ok(next) = self.queue.try_recv()
        {
            batch.push(next);
        }
        let count = batch.len();
        let reports = self.writer.commit(batch);
        debug_assert_eq!(reports.len(), count, "each command has one report");
        for report in reports {
            // at the end of a run nobody reads any more; what is committed is committed
            let _ = self.reports.send(report);
        }
    }
}
