//! Commits batches of commands.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::crash::{self, Point};
use crate::model::{AccountId, FlightId, GrantChange};

use super::apply;
use super::command::{Command, Credentials, Erased, Report};
use super::error::StoreError;
use super::seal::Sealer;
use super::table::attempt;

/// The one connection, and what opens the values in it.
pub(super) struct Writer {
    connection: Connection,
    sealer: Sealer,
}

impl Writer {
    pub(super) fn new(connection: Connection, sealer: Sealer) -> Self {
        Self { connection, sealer }
    }

    /// Commits the batch, and then reports on each command of it, in order. A command that fails
    /// undoes nothing but itself; a commit that fails undoes them all.
    pub(super) fn commit(&mut self, batch: Vec<Command>) -> Vec<Report> {
        let mut unit = Unit::begin(&mut self.connection);
        let applied: Vec<_> =
            batch.into_iter().map(|command| unit.apply(&self.sealer, command)).collect();
        let brings_a_grant = applied.iter().any(Applied::granted);
        if brings_a_grant {
            crash::point(Point::BeforeCommit);
        }
        let committed = unit.commit();
        if brings_a_grant && committed.is_ok() {
            crash::point(Point::AfterCommit);
        }
        if committed.is_ok() && applied.iter().any(Applied::erased) {
            self.checkpoint();
        }
        applied.into_iter().map(|applied| applied.report(&committed)).collect()
    }

    /// The orderly end.
    pub(super) fn finish(self) {
        self.checkpoint();
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(error = %StoreError::from(error), "the database did not close cleanly");
        }
    }

    /// Moves the log into the database and empties it: what was erased still is in older pages of
    /// the log. If a reader elsewhere keeps it from happening, the next one does it.
    fn checkpoint(&self) {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        match self.connection.query_row(sql, [], |row| row.get("busy")) {
            Ok(false) => {}
            Ok(true) => tracing::warn!("a reader elsewhere keeps the write-ahead log"),
            Err(error) => {
                let error = StoreError::from(error);
                tracing::warn!(%error, "the write-ahead log stays for now");
            }
        }
    }

    /// The connection, for tests that prepare a fault or look behind the scenes.
    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// One transaction; once it is lost, the reason.
struct Unit<'c>(Result<Transaction<'c>, StoreError>);

/// A command that ran, before its commit.
enum Applied {
    Begun(FlightId, Result<Credentials, StoreError>),
    Answered(FlightId, Result<(), StoreError>),
    Granted(Box<GrantChange>, Result<(), StoreError>),
    Abandoned(FlightId, Result<(), StoreError>),
    Stood(AccountId, Result<(), StoreError>),
    Erased(AccountId, Result<Box<Erased>, StoreError>),
    Probed(Result<(), StoreError>),
}

impl<'c> Unit<'c> {
    fn begin(connection: &'c mut Connection) -> Self {
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        Self(begun.map_err(StoreError::from))
    }

    fn apply(&mut self, sealer: &Sealer, command: Command) -> Applied {
        match command {
            Command::Begin(start) => {
                let result = self.run(|db| apply::begin(db, sealer, &start));
                Applied::Begun(start.flight, result)
            }
            Command::Answered { flight, answer } => {
                let result = self.run(|db| attempt::set_answer(db, sealer, flight, &answer));
                Applied::Answered(flight, result)
            }
            Command::Grant(change) => {
                let result = self.run(|db| apply::grant(db, sealer, &change));
                Applied::Granted(change, result)
            }
            Command::Abandon { flight, account, standing } => {
                let result = self.run(|db| apply::abandon(db, flight, &account, standing.as_ref()));
                Applied::Abandoned(flight, result)
            }
            Command::Stand { account, standing } => {
                let result = self.run(|db| apply::stand(db, &account, &standing));
                Applied::Stood(account, result)
            }
            Command::Erase { account } => {
                let result = self.run(|db| apply::erase(db, sealer, &account).map(Box::new));
                Applied::Erased(account, result)
            }
            Command::Probe => Applied::Probed(self.run(apply::probe)),
        }
    }

    /// Runs one command's work in a savepoint.
    fn run<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction = self.0.as_mut().map_err(|error| error.clone())?;
        let result = in_savepoint(transaction, work);
        if transaction.is_autocommit() {
            // SQLite itself gave the transaction up, and all work in it
            // (sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction")
            let error = result.err().unwrap_or_else(rolled_back);
            self.0 = Err(error.clone());
            return Err(error);
        }
        result
    }

    fn commit(self) -> Result<(), StoreError> {
        Ok(self.0?.commit()?)
    }
}

fn in_savepoint<T>(
    transaction: &mut Transaction<'_>,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let savepoint = transaction.savepoint()?;
    // an error drops the savepoint, and that rolls it back
    let value = work(&savepoint)?;
    savepoint.commit()?;
    Ok(value)
}

fn rolled_back() -> StoreError {
    let code = rusqlite::ffi::SQLITE_ABORT_ROLLBACK;
    StoreError::Sqlite { code, message: "the transaction was rolled back".to_owned() }
}

impl Applied {
    fn granted(&self) -> bool {
        matches!(self, Self::Granted(_, Ok(())))
    }

    fn erased(&self) -> bool {
        matches!(self, Self::Erased(_, Ok(_)))
    }

    /// What to report, now that the commit is known to have happened or not.
    fn report(self, committed: &Result<(), StoreError>) -> Report {
        match self {
            Self::Begun(flight, result) => {
                Report::Begun { flight, result: settled(result, committed) }
            }
            Self::Answered(flight, result) => {
                Report::Answered { flight, result: settled(result, committed) }
            }
            Self::Granted(change, result) => Report::Granted {
                flight: change.flight,
                result: settled(result, committed).map_err(|error| (error, change)),
            },
            Self::Abandoned(flight, result) => {
                Report::Abandoned { flight, result: settled(result, committed) }
            }
            Self::Stood(account, result) => {
                Report::Stood { account, result: settled(result, committed) }
            }
            Self::Erased(account, result) => {
                Report::Erased { account, result: settled(result, committed) }
            }
            Self::Probed(result) => Report::Probed { result: settled(result, committed) },
        }
    }
}

fn settled<T>(
    result: Result<T, StoreError>,
    committed: &Result<(), StoreError>,
) -> Result<T, StoreError> {
    result.and_then(|value| committed.clone().map(|()| value))
}
