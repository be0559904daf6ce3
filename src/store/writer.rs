//! Commits batches of commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::crash::{self, Point};
use crate::model::{Kept, Wall};

use super::apply;
use super::command::{Command, Credentials, Erased, ErrandPart, Left, OpenedClient, Report};
use super::error::{StoreError, Unwritable};
use super::log::Log;
use super::marks::{Mark, Marks};
use super::reserve::Reserve;
use super::schema;
use super::seal::Sealer;
use super::table::{attempt, client, device, errand, proof_key, refresh, rule};

/// The one connection, what opens the values in it, and what is kept beside it.
pub(super) struct Writer {
    connection: Connection,
    health: Health,
    sealer: Arc<Sealer>,
    log: Log,
    reserve: Reserve,
    marks: Marks,
    /// When tokens whose time in quarantine was over were erased last.
    swept: Wall,
}

/// What is known of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// They have been opened and read.
    Unknown,
    /// Each page has been looked at.
    Sound,
}

/// How often quarantine is looked at, by the time of what happens anyway.
const SWEEP: i64 = 24 * 60 * 60 * 1000;

impl Writer {
    pub(super) fn new(
        connection: Connection,
        health: Health,
        sealer: Arc<Sealer>,
        log: Log,
        reserve: Reserve,
        marks: Marks,
        swept: Wall,
    ) -> Self {
        Self { connection, health, sealer, log, reserve, marks, swept }
    }

    /// Looks at each page, unless the start had a reason to. Ends early when that is ordered.
    pub(super) fn check(&mut self, end: &Arc<AtomicBool>) -> Result<(), StoreError> {
        /// Steps of `SQLite`'s machine between two looks at the order.
        const STEPS: i32 = 1000;
        if self.health == Health::Sound {
            return Ok(());
        }
        let end = Arc::clone(end);
        let is_ordered = move || end.load(Ordering::Relaxed);
        self.connection.progress_handler(STEPS, Some(is_ordered))?;
        let checked = schema::check(&self.connection);
        self.connection.progress_handler(0, None::<fn() -> bool>)?;
        match checked {
            Ok(()) => self.health = Health::Sound,
            Err(_) => schema::leave_as_it_is(&self.connection)?,
        }
        checked
    }

    /// Commits the batch, and then reports on each command of it, in order. A command that fails
    /// undoes nothing but itself; a commit that fails undoes them all.
    pub(super) fn commit(&mut self, batch: Vec<Command>) -> Vec<Report> {
        if let Some(now) = batch.iter().find_map(start) {
            self.sweep(now);
        }
        let room = if batch.iter().any(needs_room) {
            let sure = self.log.settle(&mut self.connection);
            sure.and_then(|()| self.reserve.keep())
        } else {
            Ok(())
        };
        let mut outcomes = self.write(&batch.iter().collect::<Vec<_>>(), &room);
        let (starved, places): (Vec<_>, Vec<_>) = batch
            .iter()
            .zip(&mut outcomes)
            .filter(|(command, outcome)| is_starved(command, outcome))
            .unzip();
        if !starved.is_empty() && self.reserve.give_up() {
            tracing::warn!("the disk takes no more: using the room that was kept for answers");
            for (place, outcome) in places.into_iter().zip(self.write(&starved, &room)) {
                *place = outcome;
            }
        }
        let erases = |(command, outcome): (&Command, &Outcome)| {
            let ends = matches!(command, Command::EndErrand { .. });
            matches!(outcome, Ok(Gave::Erased(_))) || (ends && outcome.is_ok())
        };
        if batch.iter().zip(&outcomes).any(erases) {
            self.checkpoint();
        }
        for (command, outcome) in batch.iter().zip(&outcomes) {
            if let Ok(gave) = outcome {
                self.mark(command, gave);
            }
        }
        batch.into_iter().zip(outcomes).map(|(command, outcome)| report(command, outcome)).collect()
    }

    /// Runs the batch as one transaction. Where there is no `room` for an answer, nothing begins.
    fn write(&mut self, batch: &[&Command], room: &Result<(), StoreError>) -> Vec<Outcome> {
        let mut unit = Unit::begin(&mut self.connection);
        let outcomes: Vec<_> = batch
            .iter()
            .map(|command| match command {
                command if needs_room(command) => {
                    room.clone().and_then(|()| unit.apply(&self.sealer, command))
                }
                command => unit.apply(&self.sealer, command),
            })
            .collect();
        let brings_a_grant = batch
            .iter()
            .zip(&outcomes)
            .any(|(command, outcome)| matches!(command, Command::Grant(_)) && outcome.is_ok());
        if brings_a_grant {
            crash::point(Point::BeforeCommit);
        }
        let committed = unit.commit();
        if brings_a_grant && committed.is_ok() {
            crash::point(Point::AfterCommit);
        }
        let settled = |outcome: Outcome| outcome.and_then(|gave| committed.clone().map(|()| gave));
        outcomes.into_iter().map(settled).collect()
    }

    /// Keeps the marks in step with what is on the disk by now.
    fn mark(&mut self, command: &Command, gave: &Gave) {
        match (command, gave) {
            (Command::Grant(change), Gave::Kept(Kept::InForce(generation))) => {
                let asked = change.issued.as_ref().map_or(Wall(0), |issued| issued.sent.at.wall);
                let mark = Mark { generation: *generation, asked };
                self.marks.set(&self.sealer, &change.account, mark);
            }
            (Command::Erase { account, .. }, _) => self.marks.remove(account),
            _ => {}
        }
    }

    /// Ends quarantines once a day. That can wait: whether it works or not is not this batch's affair.
    fn sweep(&mut self, now: Wall) {
        if now.0.saturating_sub(self.swept.0) < SWEEP {
            return;
        }
        self.swept = now;
        if let Err(error) = refresh::erase_quarantined(&self.connection, now) {
            tracing::warn!(%error, "tokens whose time in quarantine is over stay for now");
        }
        if let Err(error) = proof_key::erase_set_aside(&self.connection, now) {
            tracing::warn!(%error, "keys of logins that were replaced long ago stay for now");
        }
    }

    /// The orderly end.
    pub(super) fn finish(self) {
        if self.health == Health::Sound {
            self.checkpoint();
        }
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

/// What came of a command, and what its report brings.
pub(super) type Outcome = Result<Gave, StoreError>;

pub(super) enum Gave {
    Nothing,
    Kept(Kept),
    Credentials(Credentials),
    Erased(Box<Erased>),
    Left(Box<Left>),
    Client(OpenedClient),
}

impl<'c> Unit<'c> {
    fn begin(connection: &'c mut Connection) -> Self {
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        Self(begun.map_err(StoreError::from))
    }

    fn apply(&mut self, sealer: &Sealer, command: &Command) -> Outcome {
        let nothing = |()| Gave::Nothing;
        match command {
            Command::Begin(start) => {
                self.run(|db| apply::begin(db, sealer, start)).map(Gave::Credentials)
            }
            Command::Answered { flight, answer } => {
                self.run(|db| attempt::set_answer(db, sealer, *flight, answer)).map(nothing)
            }
            Command::Grant(change) => {
                self.run(|db| apply::grant(db, sealer, change)).map(Gave::Kept)
            }
            Command::Abandon { flight, account, standing } => {
                self.run(|db| apply::abandon(db, *flight, account, standing.as_ref())).map(nothing)
            }
            Command::Stand { account, standing } => {
                self.run(|db| apply::stand(db, account, standing)).map(nothing)
            }
            Command::Adjust { account, to, .. } => {
                self.run(|db| apply::adjust(db, account, to)).map(nothing)
            }
            Command::GiveBack { account, standing, owed } => self
                .run(|db| apply::give_back(db, sealer, account, standing, owed))
                .map(|erased| Gave::Erased(Box::new(erased))),
            Command::SetRule(_, rule) => self.run(|db| apply::set_rule(db, rule)).map(nothing),
            Command::DropRule(_, rule) => self.run(|db| rule::delete(db, *rule)).map(nothing),
            Command::PutDevice(device) => {
                self.run(|db| apply::put_device(db, sealer, device)).map(nothing)
            }
            Command::DropDevice(request) => self.run(|db| device::delete(db, request)).map(nothing),
            Command::Note(notes) => self.run(|db| apply::note(db, notes)).map(nothing),
            Command::Erase { account, owed } => self
                .run(|db| apply::erase(db, sealer, account, owed.as_ref()))
                .map(|erased| Gave::Erased(Box::new(erased))),
            Command::OpenClient { client, .. } => {
                self.run(|db| apply::open_client(db, sealer, client)).map(Gave::Client)
            }
            Command::Renew(renewal) => {
                self.run(|db| client::renew(db, sealer, renewal)).map(nothing)
            }
            Command::OpenErrand(errand) => self
                .run(|db| errand::open(db, sealer, *errand))
                .map(|left| Gave::Left(Box::new(left))),
            Command::EndErrand { errand, part: ErrandPart::Tokens } => {
                self.run(|db| errand::drop_tokens(db, *errand)).map(nothing)
            }
            Command::EndErrand { errand, part: ErrandPart::Whole } => {
                self.run(|db| errand::delete(db, *errand)).map(nothing)
            }
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

/// When the flight starts that a command is the intent of.
fn start(command: &Command) -> Option<Wall> {
    match command {
        Command::Begin(begin) => Some(begin.sent.at.wall),
        _ => None,
    }
}

/// Whether something is to come back for which there has to be room: tokens, or a registration as its provider has made
/// it.
fn needs_room(command: &Command) -> bool {
    matches!(command, Command::Begin(_) | Command::OpenClient { .. })
}

/// Whether a command may use the room that is kept: it is not for those who have yet to start. `SQLite` calls ENOSPC
/// alone a full disk; a quota, and a log or an index that cannot grow, come as failing I/O, and some as other errors
/// (sqlite.org/rescode.html). So every write that failed may have been for want of room. Where it was not, the room is
/// given up in vain, and kept anew for the next flight.
fn is_starved(command: &Command, outcome: &Outcome) -> bool {
    let wants_room = |error: &StoreError| match error {
        StoreError::Unwritable(Unwritable::Locked) => false,
        StoreError::Unwritable(_) | StoreError::Sqlite { .. } => true,
        _ => false,
    };
    !needs_room(command) && outcome.as_ref().err().is_some_and(wants_room)
}

/// What to report of a command, now that it is known what came of it.
pub(super) fn report(command: Command, outcome: Outcome) -> Report {
    match command {
        Command::Begin(start) => Report::Begun {
            flight: start.flight,
            result: outcome.map(|gave| match gave {
                Gave::Credentials(credentials) => credentials,
                _ => unreachable!("an intent gives credentials"),
            }),
        },
        Command::Answered { flight, .. } => Report::Answered { flight, result: outcome.map(drop) },
        Command::Grant(change) => Report::Granted {
            flight: change.flight,
            result: match outcome {
                Ok(Gave::Kept(kept)) => Ok(kept),
                Ok(_) => unreachable!("a grant tells what became of it"),
                Err(error) => Err((error, change)),
            },
        },
        Command::Abandon { flight, .. } => Report::Abandoned { flight, result: outcome.map(drop) },
        Command::Stand { account, .. } => Report::Stood { account, result: outcome.map(drop) },
        Command::Adjust { change, .. } => Report::Adjusted { change, result: outcome.map(drop) },
        Command::SetRule(change, _) | Command::DropRule(change, _) => {
            Report::Ruled { change, result: outcome.map(drop) }
        }
        Command::PutDevice(device) => {
            Report::Remembered { request: Some(device.request), result: outcome.map(drop) }
        }
        Command::DropDevice(_) => Report::Remembered { request: None, result: outcome.map(drop) },
        Command::Note(_) => Report::Noted { result: outcome.map(drop) },
        Command::Erase { account, .. } | Command::GiveBack { account, .. } => Report::Erased {
            account,
            result: outcome.map(|gave| match gave {
                Gave::Erased(erased) => erased,
                _ => unreachable!("an end gives what it left"),
            }),
        },
        Command::OpenClient { client, by } => Report::ClientOpened {
            client,
            by,
            result: outcome.map(|gave| match gave {
                Gave::Client(opened) => opened,
                _ => unreachable!("a client gives what is kept of it"),
            }),
        },
        Command::Renew(renewal) => Report::Renewed {
            client: renewal.client.key.clone(),
            result: match outcome {
                Ok(_) => Ok(renewal.client),
                Err(error) => Err((error, renewal)),
            },
        },
        Command::OpenErrand(errand) => Report::ErrandOpened {
            errand,
            result: outcome.map(|gave| match gave {
                Gave::Left(left) => left,
                _ => unreachable!("an errand gives what it is run with"),
            }),
        },
        Command::EndErrand { errand, .. } => {
            Report::ErrandEnded { errand, result: outcome.map(drop) }
        }
    }
}
