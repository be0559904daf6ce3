//! The start: files, migrations, key, rows, thread. A start that fails leaves everything as it was.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::model::{Now, Wall};

use super::apply;
use super::command::{DeviceSignIn, Loaded};
use super::error::{KeyError, StoreError};
use super::files;
use super::keyfile::KeyFile;
use super::keys::Machine;
use super::log::Log;
use super::marks::{Mark, Marks};
use super::reserve::Reserve;
use super::schema::{self, FileKind};
use super::seal::{DataKey, Sealer};
use super::table::proof_key::{self, Of};
use super::table::{access, account, attempt, client, device, errand, meta, refresh, rule, usage};
use super::thread::{self, Reports, Store};
use super::writer::{Health, Writer};

/// Where the store keeps its files. They belong in different trees, so that a copy of one does not
/// bring the other along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The database: `$XDG_STATE_HOME/ostler/ostler.db`.
    pub database: PathBuf,
    /// The key file: `$XDG_CONFIG_HOME/ostler/keys.toml`.
    pub keys: PathBuf,
    /// The copies of the high-water marks, in trees that a backup does not bring back all at once:
    /// `$XDG_CONFIG_HOME/ostler/marks` and `$XDG_CACHE_HOME/ostler/marks`.
    pub marks: Vec<PathBuf>,
}

/// A store at work.
pub struct Opened {
    /// Takes commands.
    pub store: Store,
    /// What was in it.
    pub loaded: Loaded,
    /// Gives a report for each command, in the order of the commands.
    pub reports: Reports,
}

/// Opens the store, making what is missing, and starts its thread. Blocks for some milliseconds. What is loaded can
/// be used at once; the first report says whether all of the database is sound.
///
/// The caller holds the lock that keeps a second daemon out.
pub fn open(places: &Places, now: Now) -> Result<Opened, StoreError> {
    let (writer, loaded) = open_writer(places, &Machine::here(), now)?;
    let (store, reports) = thread::start(writer)
        .map_err(StoreError::file("start the thread for", &places.database))?;
    Ok(Opened { store, loaded, reports })
}

/// All of a start but the thread, for a machine.
pub(super) fn open_writer(
    places: &Places,
    machine: &Machine,
    now: Now,
) -> Result<(Writer, Loaded), StoreError> {
    let (mut connection, log) = connect(&places.database)?;
    let (key, protection) = data_key(&connection, &places.keys, machine, now)?;
    let sealer = Arc::new(Sealer::new(meta::database(&connection)?, &key));
    // all of it is read before anything is changed: what cannot be read stays as it is
    let mut loaded = load(&connection, &sealer, protection.clone())?;
    let mut marks = Marks::open(&places.marks, &sealer);
    let health = bring_up_to_date(&mut connection, &marks, now)?;
    if health == Health::Sound {
        loaded = load(&connection, &sealer, protection)?;
    }
    for account in &loaded.accounts {
        let asked = account.issued.as_ref().map_or(Wall(0), |issued| issued.sent.at.wall);
        let mark = Mark { generation: account.generation, asked };
        marks.set(&sealer, &account.seed.id, mark);
    }
    let mut reserve = Reserve::beside(&places.database);
    if let Err(error) = reserve.keep() {
        tracing::warn!(%error, "the disk is full");
    }
    Ok((Writer::new(connection, health, sealer, log, reserve, marks, now.wall), loaded))
}

/// What a start changes: accounts that were set back by an older copy of the database ask before they
/// are used, and quarantines that are over end. As a rule there is nothing to change; where there is, each page is
/// looked at before that is committed, and not only beside serving.
fn bring_up_to_date(
    connection: &mut Connection,
    marks: &Marks,
    now: Now,
) -> Result<Health, StoreError> {
    let changes = connection.total_changes();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (account, mark) in marks.iter() {
        if let Some(name) = apply::set_back(&transaction, account, mark.generation, now.wall)? {
            tracing::error!(
                account = %name,
                newest = mark.generation.0,
                asked_ms = mark.asked.0,
                "the database is an older copy: not using its refresh token unless told to"
            );
        }
    }
    let erased = refresh::erase_all_quarantined(&transaction, now.wall);
    unless_damaged(erased, "tokens whose time in quarantine is over stay for now")?;
    let erased = proof_key::erase_set_aside(&transaction, now.wall);
    unless_damaged(erased, "keys of logins that were replaced long ago stay for now")?;
    if transaction.total_changes() == changes {
        return Ok(Health::Unknown);
    }
    schema::check(&transaction)?;
    transaction.commit()?;
    Ok(Health::Sound)
}

/// What can wait for another start does; damage that it met is no reason to wait for the check to meet it, too.
fn unless_damaged<T>(done: Result<T, StoreError>, otherwise: &str) -> Result<(), StoreError> {
    match done {
        Err(error @ StoreError::Damaged { .. }) => Err(error),
        Err(error) => {
            tracing::warn!(%error, "{otherwise}");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

fn connect(path: &Path) -> Result<(Connection, Log), StoreError> {
    files::prepare_directory(path)?;
    files::create_private(path)?;
    for suffix in ["", "-wal", "-shm", "-journal"] {
        // SQLite gives its companions the permissions of the database
        files::check_private(&files::beside(path, suffix))?;
    }
    let kind = schema::look(path)?;
    if let FileKind::Foreign { application } = kind {
        return Err(StoreError::Foreign { path: path.to_owned(), application });
    }
    let log = files::beside(path, "-wal");
    if kind == FileKind::Empty && log.metadata().is_ok_and(|metadata| metadata.len() > 0) {
        // SQLite would throw the log away, and with it what may be the only copy of a token
        let detail = format!("it is empty, but its log {} is not", log.display());
        return Err(StoreError::Damaged { detail });
    }
    // not SQLITE_OPEN_CREATE: the file is there, and if it vanished meanwhile that is not ours to mend
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let mut connection = Connection::open_with_flags(path, flags)?;
    if kind == FileKind::Empty {
        schema::claim(&connection)?;
    }
    schema::configure(&connection, path)?;
    let mut log = Log::beside(path);
    if let Err(error) = log.settle(&mut connection) {
        tracing::warn!(%error, "what was written last may be in memory only: nothing is sent before that is mended");
    }
    schema::migrate(&mut connection)?;
    Ok((connection, log))
}

/// The data key of the database. A new one is made only while nothing is sealed, which also mends a
/// first start that was interrupted. A key file that is of no use then is set aside, and not
/// overwritten. A sound one of another database stays where it is and stops the start: that database may just be
/// out of sight, and would be shut for good by a key that went missing.
fn data_key(
    connection: &Connection,
    path: &Path,
    machine: &Machine,
    now: Now,
) -> Result<(DataKey, String), StoreError> {
    let database = meta::database(connection)?;
    let sealed_with = meta::data_key(connection)?;
    let sealed = meta::has_sealed_values(connection)?;
    let read = KeyFile::read(path)?;
    if let Some(Ok(file)) = &read
        && file.database != database
    {
        let why = if sealed {
            "it belongs to another database"
        } else {
            "it belongs to another database than this new one; bring that back, or move the key \
             file away"
        };
        return Err(KeyError::DoesNotFit { path: path.to_owned(), why }.into());
    }
    let opened = read.map(|read| {
        let file = read.map_err(|problem| problem.of(path))?;
        if sealed && sealed_with.is_some_and(|id| id != file.data_key) {
            let why = "its data key is not the one of the database";
            return Err(KeyError::DoesNotFit { path: path.to_owned(), why });
        }
        let key = file.open(machine).map_err(|problem| problem.of(path))?;
        Ok((key, file.protection()))
    });
    let (key, protection) = match opened {
        Some(Ok(opened)) => opened,
        Some(Err(error)) if sealed => return Err(error.into()),
        None if sealed => return Err(KeyError::Missing { path: path.to_owned() }.into()),
        unusable => {
            if unusable.is_some() {
                let aside = files::set_aside(path, "unused")?;
                tracing::warn!(set_aside = %aside.display(), "a useless key file, of an empty database");
            }
            let key = DataKey::random()?;
            let file = KeyFile::new(database, &key, machine, now.wall)?;
            file.write(path, &key)?;
            (key, file.protection())
        }
    };
    if sealed_with != Some(key.id) {
        meta::set_data_key(connection, key.id)?;
    }
    Ok((key, protection))
}

/// The sign-ins on another device, each with its key. One whose key is damaged could only bring tokens
/// that are of no use: it is left out, and has to be started again.
fn devices(connection: &Connection, sealer: &Sealer) -> Result<Vec<DeviceSignIn>, StoreError> {
    let mut devices = Vec::new();
    for mut device in device::load(connection, sealer)? {
        let of = Of::Device(&device.request, &device.seed.id);
        match proof_key::open(connection, sealer, of) {
            Ok(key) => {
                device.key = key.map(Arc::new);
                devices.push(device);
            }
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::warn!(account = %device.seed.name, %error, "a sign-in is left out");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(devices)
}

fn load(
    connection: &Connection,
    sealer: &Arc<Sealer>,
    protection: String,
) -> Result<Loaded, StoreError> {
    let mut accounts = account::load(connection)?;
    let mut issued = access::load(connection, sealer)?;
    for record in &mut accounts {
        record.issued = issued.remove(&record.seed.id);
    }
    Ok(Loaded {
        accounts,
        clients: client::load(connection)?,
        attempts: attempt::load(connection, sealer)?,
        devices: devices(connection, sealer)?,
        errands: errand::load(connection)?,
        keys: proof_key::load(connection, sealer)?,
        next_flight: meta::next_flight(connection)?,
        rules: rule::load(connection)?,
        next_rule: meta::next_rule(connection)?,
        usage: usage::load(connection)?,
        protection,
    })
}
