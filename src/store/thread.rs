//! The thread and its channels.
//!
//! The place of the report is reserved before a command is accepted. So the thread never waits for
//! its reader, closing cannot hang, and one number bounds all that is under way: commands queued,
//! commands in a commit and reports not yet read.

use std::io;
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::command::{Command, Report};
use super::writer::Writer;

/// How many commands may be under way. A flight has at most one, and flights are bounded far below.
const UNDER_WAY: usize = 1024;

/// How many commands share a commit. A commit costs a sync of the disk, a further command in it a
/// few microseconds; the bound keeps the first one's report from waiting long.
pub(super) const BATCH: usize = 64;

/// Takes commands for the thread. Dropping it lets the thread finish what is queued, unattended;
/// [`Store::close`] waits for that.
pub struct Store {
    commands: mpsc::Sender<Accepted>,
    reports: mpsc::Sender<Report>,
    /// `None` where somebody else makes the worker work.
    thread: Option<JoinHandle<()>>,
}

/// A command with the place that is reserved for its report.
pub(super) struct Accepted {
    pub(super) command: Command,
    place: mpsc::OwnedPermit<Report>,
}

impl Store {
    /// Hands a command over; never waits. It comes back if too much is under way, or if nobody reads
    /// reports any more.
    pub fn send(&self, command: Command) -> Result<(), Command> {
        let Ok(place) = self.reports.clone().try_reserve_owned() else {
            return Err(command);
        };
        self.commands.try_send(Accepted { command, place }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(accepted)
            | mpsc::error::TrySendError::Closed(accepted) => accepted.command,
        })
    }

    /// Commits what is queued, moves the write-ahead log into the database and ends the thread.
    /// Blocks for as long as that takes; reports can be read afterwards.
    pub fn close(self) {
        let Self { commands, reports, thread } = self;
        drop((commands, reports));
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's thread had panicked");
        }
    }
}

/// Starts the thread.
pub(super) fn start(writer: Writer) -> io::Result<(Store, mpsc::Receiver<Report>)> {
    let (mut store, worker, reader) = pair(writer);
    let thread = std::thread::Builder::new().name("store".to_owned());
    store.thread = Some(thread.spawn(move || worker.run())?);
    Ok((store, reader))
}

/// The store, and the work that its thread does.
pub(super) fn pair(writer: Writer) -> (Store, Worker, mpsc::Receiver<Report>) {
    let (commands, queue) = mpsc::channel(UNDER_WAY);
    let (reports, reader) = mpsc::channel(UNDER_WAY);
    (Store { commands, reports, thread: None }, Worker { writer, queue }, reader)
}

/// What the thread does.
pub(super) struct Worker {
    pub(super) writer: Writer,
    pub(super) queue: mpsc::Receiver<Accepted>,
}

impl Worker {
    fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            self.turn(first, BATCH);
        }
        self.writer.finish();
    }

    /// Commits a command and those that wait behind it, `most` in all, and reports.
    pub(super) fn turn(&mut self, first: Accepted, most: usize) {
        let mut batch = vec![first.command];
        let mut places = vec![first.place];
        while batch.len() < most
            && let Ok(next) = self.queue.try_recv()
        {
            batch.push(next.command);
            places.push(next.place);
        }
        let reports = self.writer.commit(batch);
        debug_assert_eq!(reports.len(), places.len(), "each command has one report");
        for (place, report) in places.into_iter().zip(reports) {
            place.send(report);
        }
    }
}
