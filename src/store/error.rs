//! Why the store did not do something. Nothing in here is secret, and everything can be cloned: one
//! failed commit fails all the commands in it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ffi::ErrorCode;

use crate::model::Generation;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A file or directory could not be used.
    #[error("cannot {act} {}: {kind}", path.display())]
    File {
        /// What was tried, as a verb.
        act: &'static str,
        /// With which.
        path: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// A file that holds secrets can be read or written by other users. It is not tightened silently:
    /// somebody may have read it already.
    #[error("{} is open to other users (mode {mode:04o}); run: chmod 600 '{}'", path.display(), path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not a database, or another program's.
    #[error("{} is not a database of ostler", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its `application_id`, if it is an `SQLite` database at all.
        application: Option<u32>,
    },
    /// The database was written by a later version of ostler.
    #[error(
        "the database has schema {found}, this ostler knows up to {known}; install a newer one"
    )]
    Newer {
        /// The schema of the file.
        found: i64,
        /// The last schema known here.
        known: i64,
    },
    /// No commit is possible at present: a refresh started now could lose a rotated token.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// There is no room for what would come back: a refresh started now could lose a rotated token.
    #[error("nothing is sent while the disk has no room for the answer: cannot keep some in {}: {kind}", path.display())]
    NoRoom {
        /// The file that keeps it.
        path: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// A row or a page does not hold what it should.
    #[error("the database is damaged: {detail}")]
    Damaged {
        /// Where or how, as far as it is known.
        detail: String,
    },
    /// The sealed values cannot be opened.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The command does not fit what is stored. A repetition would be refused again.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Anything else that `SQLite` reports.
    #[error("sqlite error {code}: {message}")]
    Sqlite {
        /// The extended result code (sqlite.org/rescode.html).
        code: i32,
        /// Its meaning.
        message: String,
    },
}

/// Why no commit is possible. It may pass: the same command can be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// No space.
    #[error("the disk is full")]
    Full,
    /// The file or its file system is read-only.
    #[error("the database is read-only")]
    ReadOnly,
    /// Another process holds the write lock for longer than the store waits.
    #[error("another program keeps the database locked")]
    Locked,
    /// The store's thread is gone, which is an error of ostler's own.
    #[error("the database is not written any more; run: systemctl --user restart ostler")]
    Gone,
    /// The disk reports errors, or a quota is used up.
    #[error("the disk does not work, or a quota is used up: sqlite error {code}")]
    Failing {
        /// The extended result code (sqlite.org/rescode.html).
        code: i32,
    },
}

/// Why the sealed values cannot be opened. The database is left as it is: with the right key file it
/// opens again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The database holds sealed values, the key file is gone.
    #[error("the key file {} is missing; restore it, or move the database away and sign in again", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The key file cannot be read as one.
    #[error("the key file {} cannot be used: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The key file is whole but made for another database, user or machine.
    #[error("the key file {} does not fit: {why}", path.display())]
    DoesNotFit {
        /// The file.
        path: PathBuf,
        /// What it does not fit.
        why: &'static str,
    },
    /// A value was sealed with another data key than the one in use.
    #[error("a value was sealed with another key")]
    OtherKey,
    /// The kernel gave no random bytes.
    #[error("no randomness to be had from the kernel")]
    NoRandomness,
}

/// Why a command does not fit what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such account.
    #[error("no such account")]
    UnknownAccount,
    /// There is no such client: nobody uses it any more.
    #[error("no such client")]
    UnknownClient,
    /// There is no such errand: it is over.
    #[error("no such errand")]
    UnknownErrand,
    /// There is no such attempt, or it is another account's: it ended, or its account was erased.
    #[error("no such attempt")]
    UnknownFlight,
    /// The flight's number belongs to an attempt that is still open.
    #[error("the flight number is in use")]
    FlightTaken,
    /// Another generation is in force.
    #[error("generation {} is in force", current.0)]
    Generation {
        /// Which.
        current: Generation,
    },
    /// The account has no refresh token.
    #[error("the account has no refresh token")]
    NoRefreshToken,
    /// Another account has the name.
    #[error("another account has that name")]
    NameTaken,
}

impl StoreError {
    /// For `map_err` on what the standard library does with files.
    pub(super) fn file(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::File { act, path, kind: error.kind() }
    }

    /// Whether the same command may succeed later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unwritable(_)
                | Self::NoRoom { .. }
                | Self::File { .. }
                | Self::Key(KeyError::NoRandomness)
        )
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        match error {
            E::SqliteFailure(failure, message) => failed(failure, message),
            // a column holds what no version of ours would have written there
            E::FromSqlConversionFailure(..)
            | E::IntegralValueOutOfRange(..)
            | E::InvalidColumnType(..)
            | E::Utf8Error(..) => Self::Damaged { detail: error.to_string() },
            other => Self::Sqlite { code: rusqlite::ffi::SQLITE_ERROR, message: other.to_string() },
        }
    }
}

fn failed(failure: rusqlite::ffi::Error, message: Option<String>) -> StoreError {
    let code = failure.extended_code;
    match failure.code {
        ErrorCode::DiskFull => Unwritable::Full.into(),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Unwritable::ReadOnly.into(),
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::FileLockingProtocolFailed => Unwritable::Locked.into(),
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => Unwritable::Failing { code }.into(),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            StoreError::Damaged { detail: failure.to_string() }
        }
        _ => StoreError::Sqlite { code, message: message.unwrap_or_else(|| failure.to_string()) },
    }
}
