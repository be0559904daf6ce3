//! A look at the files of a store that is at work, from beside it.
//!
//! The check reads through a second connection: in WAL mode a reader keeps no writer waiting, and
//! what the store has in memory cannot hide what is on the disk. The files are opened by `SQLite`
//! alone, since closing a descriptor of its own would drop its locks (fcntl(2), "Advisory record
//! locking"; sqlite.org/howtocorrupt.html, 2.2).

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::model::{AccountId, Generation};

use super::error::{KeyError, StoreError};
use super::files;
use super::keyfile::KeyFile;
use super::keys::Machine;
use super::marks;
use super::open::Places;
use super::schema;
use super::seal::{DataKey, Sealer};
use super::table::{account, meta};

/// How many damages are told; the first says all that matters.
const DAMAGES: usize = 4;
/// How long to wait for somebody who locks the whole file.
const BUSY: Duration = Duration::from_secs(2);

/// How the files of a store are.
#[derive(Debug)]
pub struct Checkup {
    /// The database; the damages that `SQLite` finds in it, if it finds any.
    pub database: Result<Sound, StoreError>,
    /// The words for what the key protects, if it opens the database.
    pub key: Result<String, StoreError>,
    /// Each copy of the marks, and for how many accounts it is behind the database; one that a refresh is marking in
    /// this moment may be among them.
    pub marks: Vec<(PathBuf, Result<usize, StoreError>)>,
    /// The bytes that are left on the disk of the database for this user, if that can be told.
    pub free: Option<u64>,
}

/// What is known of a sound database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// Its size with its write-ahead log, in bytes.
    pub bytes: u64,
    /// The number of its schema.
    pub schema: i64,
}

/// Looks at the files. Blocks for as long as the database takes to be read.
#[must_use]
pub fn check(places: &Places) -> Checkup {
    let directory = places.database.parent().unwrap_or(Path::new("."));
    let free = rustix::fs::statvfs(directory).ok();
    let connection = connect(&places.database);
    let database = connection.as_ref().map_err(StoreError::clone);
    let database = database.and_then(|connection| sound(connection, &places.database));
    let opened = connection.and_then(|connection| {
        let (key, protection) = key(&connection, &places.keys)?;
        let sealer = Sealer::new(meta::database(&connection)?, &key);
        Ok((protection, marks(&connection, &sealer, &places.marks)))
    });
    let (key, marks) = match opened {
        Ok((protection, marks)) => (Ok(protection), marks),
        // without the key nothing is known of them
        Err(error) => (Err(error), Vec::new()),
    };
    let free = free.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    Checkup { database, key, marks, free }
}

/// Reads the database first: a mark that is newer is no lack.
fn marks(
    connection: &Connection,
    sealer: &Sealer,
    paths: &[PathBuf],
) -> Vec<(PathBuf, Result<usize, StoreError>)> {
    let behind = |path: &PathBuf| {
        let accounts = account::generations(connection)?;
        let known = marks::read_copy(path, sealer)?;
        let lacks = |(account, generation): &&(AccountId, Generation)| {
            known.get(account).is_none_or(|mark| mark.generation < *generation)
        };
        Ok(accounts.iter().filter(lacks).count())
    };
    paths.iter().map(|path| (path.clone(), behind(path))).collect()
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

fn sound(connection: &Connection, path: &Path) -> Result<Sound, StoreError> {
    let sql = format!("PRAGMA quick_check({DAMAGES})");
    let mut statement = connection.prepare(&sql)?;
    let damages: Vec<String> =
        statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if damages != ["ok"] {
        let lines = damages.iter().flat_map(|damage| damage.lines());
        // the line above them says which of the attached databases it is: there is one
        let lines: Vec<&str> =
            lines.filter(|line| !line.starts_with("***")).take(DAMAGES).collect();
        return Err(StoreError::Damaged { detail: lines.join("; ") });
    }
    let size = |suffix| std::fs::metadata(files::beside(path, suffix)).map_or(0, |file| file.len());
    Ok(Sound { bytes: size("") + size("-wal"), schema: schema::version(connection)? })
}

/// The key file is read anew: what was opened at the start says nothing of the next one.
fn key(connection: &Connection, path: &Path) -> Result<(DataKey, String), StoreError> {
    let missing = || KeyError::Missing { path: path.to_owned() };
    let file = KeyFile::read(path)?.ok_or_else(missing)?.map_err(|problem| problem.of(path))?;
    let unfit = |why| KeyError::DoesNotFit { path: path.to_owned(), why };
    if file.database != meta::database(connection)? {
        return Err(unfit("it belongs to another database").into());
    }
    if meta::data_key(connection)?.is_some_and(|id| id != file.data_key) {
        return Err(unfit("its data key is not the one of the database").into());
    }
    let key = file.open(&Machine::here()).map_err(|problem| problem.of(path))?;
    Ok((key, file.protection()))
}
