//! What makes a file ours, and the one list of migrations.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

use super::error::StoreError;

/// `application_id` of our databases: "ostl".
const APPLICATION: u32 = u32::from_be_bytes(*b"ostl");

/// The scripts that lead from an empty file to the present schema; `user_version` counts those that
/// ran. A script that was released is never changed.
const MIGRATIONS: [&str; 7] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
];

/// How long to wait for another process that holds the write lock, such as an `sqlite3` shell.
const BUSY: Duration = Duration::from_secs(5);

/// What a file is before `SQLite` has seen it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Empty,
    Ours,
    Foreign { application: Option<u32> },
}

/// Reads the header (sqlite.org/fileformat.html, 1.3). It is done before the file is opened as a
/// database, because even opening could change another program's: replay a journal, end a WAL.
pub(super) fn look(path: &Path) -> Result<FileKind, StoreError> {
    let mut header = Vec::with_capacity(100);
    File::open(path)
        .and_then(|file| file.take(100).read_to_end(&mut header))
        .map_err(StoreError::file("read", path))?;
    if header.is_empty() {
        return Ok(FileKind::Empty);
    }
    if header.len() < 100 || !header.starts_with(b"SQLite format 3\0") {
        return Ok(FileKind::Foreign { application: None });
    }
    match u32::from_be_bytes([header[68], header[69], header[70], header[71]]) {
        APPLICATION => Ok(FileKind::Ours),
        application => Ok(FileKind::Foreign { application: Some(application) }),
    }
}

/// Marks an empty file as ours, in the file itself and not only in the WAL: the next start looks
/// there.
pub(super) fn claim(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.pragma_update(None, "application_id", APPLICATION)?)
}

/// Sets the connection up.
pub(super) fn configure(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        // some network file systems cannot share memory; SQLite then keeps the old mode
        let kind = std::io::ErrorKind::Unsupported;
        return Err(StoreError::File {
            act: "use a write-ahead log for",
            path: path.to_owned(),
            kind,
        });
    }
    // FULL: in WAL mode NORMAL loses commits at a power cut, and with them rotated tokens
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // nothing spills into files that nobody wipes
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // a checkpointed WAL does not keep the size of the busiest moment
    connection.pragma_update(None, "journal_size_limit", 1 << 20)?;
    for (config, wanted) in [
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    ] {
        connection.set_db_config(config, wanted)?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// The log is not moved into the database when that is closed: what may be damaged stays as it is, log and all.
pub(super) fn leave_as_it_is(connection: &Connection) -> Result<(), StoreError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(())
}

/// Looks at each page: one that is damaged may come to light only when a grant is to be written that
/// exists nowhere else. It takes some milliseconds for a thousand accounts.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    let found: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get("quick_check"))?;
    if found == "ok" { Ok(()) } else { Err(StoreError::Damaged { detail: found }) }
}

/// Brings the schema up to date, each step in its own transaction; a later schema is refused. A database that has to
/// be changed is checked before.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).expect("the list is short");
    let found = version(connection)?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    if found < known {
        check(connection)?;
    }
    for (done, script) in (0..).zip(MIGRATIONS) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // read again under the lock
        if version(&transaction)? == done {
            transaction.execute_batch(script)?;
            transaction.pragma_update(None, "user_version", done + 1)?;
            transaction.commit()?;
        }
    }
    Ok(())
}

/// How many of the migrations ran on a database.
pub(super) fn version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}
