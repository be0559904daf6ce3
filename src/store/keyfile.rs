//! The key file: a small TOML file in another directory tree than the database.
//!
//! ```toml
//! version = 1
//! database = "…"          # which database it belongs to
//! mac = "…"               # over all the rest, under a key derived from the data key
//!
//! [data_key]
//! id = "…"
//! created_ms = 1700000000000
//!
//! [[slot]]
//! kind = "keyfile"
//! secret = "…"
//! wrapped = "…"
//! ```
//!
//! What this version does not know in it is kept, and is under the MAC all the same.

use std::fs;
use std::io;
use std::path::Path;

use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use toml::{Table, Value};
use zeroize::Zeroizing;

use crate::model::Wall;

use super::error::{KeyError, StoreError};
use super::files;
use super::keys::{Context, Machine, Slot};
use super::seal::{DataKey, DataKeyId, DatabaseId, joined};

const VERSION: i64 = 1;
/// A key file is some hundred bytes; what is longer is not one.
const MAX: u64 = 64 * 1024;

/// A key file as read or to be written.
pub(super) struct KeyFile {
    pub(super) database: DatabaseId,
    pub(super) data_key: DataKeyId,
    slots: Vec<Slot>,
    /// The whole file, the slots of this version included.
    table: Table,
}

/// Why a key file gives no data key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It is not one, or was changed.
    Unreadable(&'static str),
    /// It is one, but not for here.
    DoesNotFit(&'static str),
}

impl Problem {
    pub(super) fn of(self, path: &Path) -> KeyError {
        let path = path.to_owned();
        match self {
            Self::Unreadable(why) => KeyError::Unreadable { path, why },
            Self::DoesNotFit(why) => KeyError::DoesNotFit { path, why },
        }
    }
}

impl KeyFile {
    /// A key file with one slot of the kind that needs no set-up.
    pub(super) fn new(
        database: DatabaseId,
        key: &DataKey,
        machine: &Machine,
        created: Wall,
    ) -> Result<Self, KeyError> {
        let slots = vec![Slot::key_file(key, machine, database)?];
        let data_key = Table::from_iter([
            ("id".to_owned(), Value::from(HEXLOWER.encode(&key.id.0))),
            ("created_ms".to_owned(), Value::from(created.0)),
        ]);
        let table = Table::from_iter([
            ("version".to_owned(), Value::from(VERSION)),
            ("database".to_owned(), Value::from(database.to_string())),
            ("data_key".to_owned(), Value::from(data_key)),
        ]);
        Ok(Self { database, data_key: key.id, slots, table })
    }

    /// Reads the file; `None` if there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Result<Self, Problem>>, StoreError> {
        files::check_private(path)?;
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(metadata) if metadata.len() > MAX => {
                return Ok(Some(Err(Problem::Unreadable("it is too long"))));
            }
            _ => {}
        }
        let bytes = fs::read(path).map(Zeroizing::new).map_err(StoreError::file("read", path))?;
        Ok(Some(Self::parse(&bytes)))
    }

    /// Writes the file, whole and durably.
    pub(super) fn write(&self, path: &Path, key: &DataKey) -> Result<(), StoreError> {
        let mut table = self.table.clone();
        table.insert("slot".into(), self.slots.iter().map(Slot::table).collect::<Vec<_>>().into());
        let mac = mac(&table, key);
        table.insert("mac".into(), HEXLOWER.encode(&*mac).into());
        let text = Zeroizing::new(format!("{HEADING}{table}"));
        files::prepare_directory(path)?;
        files::replace(path, text.as_bytes())
    }

    /// Opens the data key with the first slot that gives it, and checks that nobody changed the file.
    pub(super) fn open(&self, machine: &Machine) -> Result<DataKey, Problem> {
        let context = Context { database: self.database, data_key: self.data_key, machine };
        let mut tried = self.slots.iter().filter_map(|slot| slot.open(&context)).peekable();
        if tried.peek().is_none() {
            return Err(Problem::DoesNotFit("no slot of a kind that this version can open"));
        }
        let key = tried
            .find_map(Result::ok)
            .ok_or(Problem::DoesNotFit("it was made for another machine or user, or changed"))?;
        let written = self.table.get("mac").and_then(Value::as_str).unwrap_or_default();
        let written = HEXLOWER.decode(written.as_bytes()).unwrap_or_default();
        if !bool::from(mac(&self.table, &key).ct_eq(written.as_slice())) {
            return Err(Problem::Unreadable("it was changed since ostler wrote it"));
        }
        Ok(key)
    }

    /// What the secrets are protected against, in words for people: as much as the weakest slot.
    pub(super) fn protection(&self) -> String {
        let words = self.slots.iter().find_map(Slot::protection);
        words.unwrap_or("a key of a kind that this version does not know").to_owned()
    }

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(bytes).ok();
        let table: Table =
            text.and_then(|text| text.parse().ok()).ok_or(Problem::Unreadable("it is not TOML"))?;
        match table.get("version").and_then(Value::as_integer) {
            Some(VERSION) => {}
            Some(_) => return Err(Problem::Unreadable("it has another version")),
            None => return Err(Problem::Unreadable("it has no version")),
        }
        let database = hex(table.get("database"));
        let database = database.ok_or(Problem::Unreadable("it names no database"))?;
        let data_key = hex(table.get("data_key").and_then(|key| key.get("id")));
        let data_key = data_key.ok_or(Problem::Unreadable("it names no data key"))?;
        let slots = table.get("slot").and_then(Value::as_array);
        let slots = slots
            .and_then(|slots| {
                slots.iter().map(|slot| Slot::parse(slot.as_table()?.clone())).collect()
            })
            .ok_or(Problem::Unreadable("a slot is incomplete"))?;
        Ok(Self { database: DatabaseId(database), data_key: DataKeyId(data_key), slots, table })
    }
}

const HEADING: &str = "\
# The key to ostler's database. Without this file every account has to be signed in again;
# whoever has both files, on this machine, has the tokens. Do not edit: a change is noticed.

";

fn hex<const N: usize>(value: Option<&Value>) -> Option<[u8; N]> {
    HEXLOWER.decode(value?.as_str()?.as_bytes()).ok()?.try_into().ok()
}

/// HMAC-SHA256 of the table without its `mac`. It is the extraction step of HKDF (RFC 5869, 2.2).
fn mac(table: &Table, key: &DataKey) -> Zeroizing<[u8; 32]> {
    let mut mac_key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, &*key.secret)
        .expand(b"ostler keyfile v1 mac", &mut *mac_key)
        .expect("32 bytes are one block of SHA-256");
    let message = Zeroizing::new(canonical_table(table.iter().filter(|(name, _)| *name != "mac")));
    let (mac, _) = Hkdf::<Sha256>::extract(Some(&*mac_key), &message);
    Zeroizing::new(mac.into())
}

/// Bytes that depend on what a value means and not on how TOML was laid out.
fn canonical(value: &Value) -> Vec<u8> {
    match value {
        Value::Table(table) => canonical_table(table),
        Value::Array(values) => {
            let parts: Vec<_> = values.iter().map(canonical).collect();
            joined(&[b"array", &joined(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())])
        }
        Value::String(text) => joined(&[b"text", text.as_bytes()]),
        other => joined(&[other.type_str().as_bytes(), other.to_string().as_bytes()]),
    }
}

fn canonical_table<'a>(entries: impl IntoIterator<Item = (&'a String, &'a Value)>) -> Vec<u8> {
    let mut parts: Vec<_> = entries
        .into_iter()
        .map(|(name, value)| joined(&[name.as_bytes(), &canonical(value)]))
        .collect();
    parts.sort_unstable();
    joined(&[b"table", &joined(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())])
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const DATABASE: DatabaseId = DatabaseId([5; 16]);

    struct Written {
        _dir: tempfile::TempDir,
        path: PathBuf,
        key: DataKey,
    }

    fn machine() -> Machine {
        Machine { id: "0123456789abcdef0123456789abcdef".into(), uid: 1000 }
    }

    fn written() -> Written {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config/keys.toml");
        let key = DataKey::random().unwrap();
        let file = KeyFile::new(DATABASE, &key, &machine(), Wall(1)).unwrap();
        file.write(&path, &key).unwrap();
        Written { _dir: dir, path, key }
    }

    fn read(path: &Path) -> Result<KeyFile, Problem> {
        KeyFile::read(path).unwrap().unwrap()
    }

    fn edit(path: &Path, edit: impl FnOnce(&mut Table)) {
        let mut table: Table = fs::read_to_string(path).unwrap().parse().unwrap();
        edit(&mut table);
        fs::write(path, table.to_string()).unwrap();
    }

    #[test]
    fn what_was_written_opens_again() {
        let Written { path, key, _dir } = &written();
        let file = read(path).unwrap();
        assert!(file.database == DATABASE);
        assert_eq!(*file.open(&machine()).unwrap().secret, *key.secret);
        assert_eq!(file.protection(), "a key file: protects copies of the database only");
        assert!(!fs::read_to_string(path).unwrap().contains(&HEXLOWER.encode(&*key.secret)));
    }

    #[test]
    fn it_does_not_open_on_another_machine() {
        let Written { path, _dir, .. } = &written();
        let elsewhere = Machine { id: "f".repeat(32), ..machine() };
        let problem = read(path).unwrap().open(&elsewhere).map(|_| ()).unwrap_err();
        assert!(matches!(problem, Problem::DoesNotFit(_)));
    }

    #[test]
    fn a_change_is_noticed_and_another_layout_is_not_one() {
        let Written { path, _dir, .. } = &written();
        edit(path, |_| ());
        assert!(read(path).unwrap().open(&machine()).is_ok());
        edit(path, |table| {
            table.insert("added".into(), Value::from(1));
        });
        let problem = read(path).unwrap().open(&machine()).map(|_| ()).unwrap_err();
        assert!(matches!(problem, Problem::Unreadable(_)));
    }

    #[test]
    fn an_unknown_slot_is_skipped_preserved_and_under_the_mac() {
        let Written { path, key, _dir } = &written();
        let pigeon: Table = "kind = \"pigeon\"\nroost = { height = 3 }".parse().unwrap();
        let mut file = read(path).unwrap();
        file.slots.insert(0, Slot::Unknown(pigeon.clone()));
        file.write(path, key).unwrap();

        let back = read(path).unwrap();
        assert_eq!(*back.open(&machine()).unwrap().secret, *key.secret);
        assert_eq!(back.slots[0].table(), pigeon);

        edit(path, |table| {
            let slots = table.get_mut("slot").unwrap().as_array_mut().unwrap();
            slots[0].as_table_mut().unwrap().insert("roost".into(), Value::from(4));
        });
        assert!(read(path).unwrap().open(&machine()).is_err());
    }

    #[test]
    fn without_a_slot_that_can_be_opened_it_says_so() {
        let Written { path, key, _dir } = &written();
        let mut file = read(path).unwrap();
        file.slots = vec![Slot::Unknown("kind = \"pigeon\"".parse().unwrap())];
        file.write(path, key).unwrap();
        let problem = read(path).unwrap().open(&machine()).map(|_| ()).unwrap_err();
        assert_eq!(problem, Problem::DoesNotFit("no slot of a kind that this version can open"));
    }

    #[test]
    fn what_is_no_key_file_is_told_apart() {
        let Written { path, _dir, .. } = &written();
        for (text, why) in [
            ("{", "it is not TOML"),
            ("a = 1", "it has no version"),
            ("version = 2", "it has another version"),
            ("version = 1\ndatabase = \"00\"", "it names no database"),
        ] {
            fs::write(path, text).unwrap();
            assert_eq!(read(path).map(|_| ()).unwrap_err(), Problem::Unreadable(why));
        }
        assert!(KeyFile::read(&path.with_extension("gone")).unwrap().is_none());
    }

    #[test]
    fn the_canonical_form_tells_shapes_apart() {
        let value = |text: &str| Value::from(text.parse::<Table>().unwrap());
        for (left, right) in [
            ("a = [\"b\", \"c\"]", "a = [\"bc\"]"),
            ("a = 1", "a = \"1\""),
            ("a = { b = 1 }", "a = [\"b\", 1]"),
            ("a = []", "a = {}"),
        ] {
            assert_ne!(canonical(&value(left)), canonical(&value(right)), "{left} {right}");
        }
        assert_eq!(canonical(&value("a = 1\nb = 2")), canonical(&value("b = 2\na = 1")));
    }
}
