//! A store whose worker works when a test says so: the room above plays with the order of commits and
//! everything else, and crashes in between.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;

use super::super::keys::Machine;
use super::super::open::open_writer;
use super::super::thread::{BATCH, Worker, pair};
use super::super::{Command, Loaded, Places, Reports, Store, StoreError};
use crate::model::{FlightId, Now};

/// The worker. Dropped, it leaves its files as a crash would, but for SQLite's own tidying up.
pub(crate) struct ByHand(Worker, PathBuf);

/// Another program's hold of the database: nothing can be written until it is dropped.
pub(crate) struct Lock(#[expect(dead_code, reason = "kept for its end")] Connection);

/// A flight on record, and whether its answer is.
pub(crate) type Recorded = (FlightId, bool);

/// What a store by hand is made of.
pub(crate) type Made = (Store, Reports, Loaded, ByHand);

/// As [`super::super::open`], without the thread.
pub(crate) fn open(places: &Places, now: Now) -> Result<Made, StoreError> {
    let (writer, loaded) = open_writer(places, &Machine::here(), now)?;
    let (store, mut worker, reports) = pair(writer);
    worker.check().expect("nobody has closed it")?;
    // whoever holds a lock here does not let go while it is waited for
    worker.writer.connection().busy_timeout(Duration::ZERO)?;
    Ok((store, reports, loaded, ByHand(worker, places.database.clone())))
}

impl ByHand {
    /// Commits one command, if one waits, and reports. `witness` sees it first.
    pub(crate) fn turn(&mut self, witness: impl FnOnce(&Command)) -> bool {
        let Ok(first) = self.0.queue.try_recv() else { return false };
        witness(&first);
        self.0.turn(first, 1);
        true
    }

    /// Commits what waits, as the thread would.
    pub(crate) fn turns(&mut self) -> bool {
        let mut any = false;
        while let Ok(first) = self.0.queue.try_recv() {
            self.0.turn(first, BATCH);
            any = true;
        }
        any
    }

    /// Does something to the connection, such as having it refuse.
    pub(crate) fn execute(&self, sql: &str) {
        self.0.writer.connection().execute_batch(sql).unwrap();
    }

    /// Another program locks the database.
    pub(crate) fn lock(&self) -> Lock {
        let other = Connection::open(&self.1).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        Lock(other)
    }

    /// The flights on record.
    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        let sql = "SELECT flight, answer IS NOT NULL FROM attempt";
        let mut statement = self.0.writer.connection().prepare_cached(sql).unwrap();
        let rows = statement.query_map([], |row| {
            let flight: i64 = row.get(0)?;
            Ok((FlightId(flight.cast_unsigned()), row.get(1)?))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// From now on the file system takes nothing, or takes writes again.
    pub(crate) fn read_only(&self, read_only: bool) {
        self.0.writer.connection().pragma_update(None, "query_only", read_only).unwrap();
    }
}
