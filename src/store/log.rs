//! The write-ahead log that an earlier run left.
//!
//! A sync that fails leaves its pages in the kernel's memory, marked clean: who reads the log sees them, and no later
//! sync writes them (fsync(2), "EIO"). `SQLite` writes a commit that failed anew, in the same place, but a run that
//! ends before that leaves a log whose end may be in memory alone. The next run would take that for durable, hand it
//! out, and write behind it; and a power cut would take it away with all that came after, since the log is read up to
//! its first gap. So what is in it is written anew once, in its place, and synced.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::error::StoreError;
use super::files;

/// How much is written at a time.
const PART: usize = 1 << 18;

/// How sure it is that what the log holds is on the disk.
pub(super) enum Log {
    /// It is: this run wrote all of it, or wrote it anew.
    Sure,
    /// An earlier run wrote it.
    Found(PathBuf),
}

impl Log {
    /// That of a database that has just been opened.
    pub(super) fn beside(database: &Path) -> Self {
        Self::Found(files::beside(database, "-wal"))
    }

    /// Makes sure. While that fails nothing may be written behind it that a login depends on.
    pub(super) fn settle(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        if let Self::Found(path) = self {
            // nobody writes to the log or truncates it meanwhile; its locks are on another file
            // (sqlite.org/walformat.html, 2.3), so that closing this one drops none
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            write_anew(path).map_err(StoreError::file("write anew", path))?;
            transaction.rollback()?;
        }
        *self = Self::Sure;
        Ok(())
    }
}

fn write_anew(path: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let mut part = vec![0; PART];
    let mut at = 0;
    loop {
        let length = read_at(&file, &mut part, at)?;
        if length == 0 {
            return file.sync_all();
        }
        file.write_all_at(&part[..length], at)?;
        at += length as u64;
    }
}

fn read_at(file: &File, part: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(part, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_the_same_afterwards_and_none_is_made_where_there_was_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ostler.db");
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a)").unwrap();
        writer.execute("INSERT INTO t VALUES (zeroblob(1000000))", []).unwrap();
        let log = dir.path().join("ostler.db-wal");
        let before = std::fs::read(&log).unwrap();
        assert!(before.len() > 3 * PART);
        let mut connection = Connection::open(&path).unwrap();
        Log::beside(&path).settle(&mut connection).unwrap();
        assert!(std::fs::read(&log).unwrap() == before);

        write_anew(&dir.path().join("none-wal")).unwrap();
        assert!(!dir.path().join("none-wal").exists());
    }

    #[test]
    fn while_another_program_writes_it_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ostler.db");
        let other = Connection::open(&path).unwrap();
        other.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a)").unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut connection = Connection::open(&path).unwrap();
        connection.busy_timeout(std::time::Duration::from_millis(1)).unwrap();
        let mut log = Log::beside(&path);
        let error = log.settle(&mut connection).unwrap_err();
        assert!(error.may_pass(), "{error}");
        assert!(matches!(log, Log::Found(_)));
        other.execute_batch("ROLLBACK").unwrap();
        log.settle(&mut connection).unwrap();
        assert!(matches!(log, Log::Sure));
    }
}
