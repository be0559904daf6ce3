//! Key slots: the data key is wrapped once for each way to open it, as in LUKS. Any slot opens all
//! values; taking the weakest slot away is what raises the bar.
//!
//! A new kind of slot is a variant of [`Slot`], its fields in [`Slot::parse`] and [`Slot::table`],
//! and an arm in [`Slot::open`].

use std::fs;

use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use sha2::Sha256;
use toml::{Table, Value};
use zeroize::Zeroizing;

use super::error::KeyError;
use super::seal::{
    DataKey, DataKeyId, DatabaseId, OpenError, joined, random_secret, unwrap_key, wrap,
};

const KEY_FILE: &str = "keyfile";

/// A way to the data key.
pub(super) enum Slot {
    /// The key that wraps lies in the slot itself, mixed with what is not in the file: machine and
    /// user. It protects copies of the database that come without the key file, or that are read on
    /// another machine.
    KeyFile { secret: Zeroizing<[u8; 32]>, wrapped: Vec<u8> },
    /// A kind that this version does not know: kept as it is.
    Unknown(Table),
}

/// What a slot is bound to besides its own secret.
pub(super) struct Context<'a> {
    pub(super) database: DatabaseId,
    pub(super) data_key: DataKeyId,
    pub(super) machine: &'a Machine,
}

/// The machine and the user that a key file is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    /// `/etc/machine-id` (machine-id(5)), empty if there is none.
    pub(super) id: String,
    pub(super) uid: u32,
}

impl Machine {
    pub(super) fn here() -> Self {
        let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
        Self { id: id.trim().to_owned(), uid: rustix::process::getuid().as_raw() }
    }
}

impl Slot {
    /// A new slot of the kind that needs no set-up.
    pub(super) fn key_file(
        key: &DataKey,
        machine: &Machine,
        database: DatabaseId,
    ) -> Result<Self, KeyError> {
        let context = Context { database, data_key: key.id, machine };
        let secret = random_secret()?;
        let wrapped = wrap(&key.secret, &context.wrapping_key(&secret), &context.parts(KEY_FILE))?;
        Ok(Self::KeyFile { secret, wrapped })
    }

    /// The data key; `None` if this version cannot open slots of that kind.
    pub(super) fn open(&self, context: &Context<'_>) -> Option<Result<DataKey, OpenError>> {
        let opened = match self {
            Self::KeyFile { secret, wrapped } => {
                unwrap_key(wrapped, &context.wrapping_key(secret), &context.parts(KEY_FILE))
            }
            Self::Unknown(_) => return None,
        };
        Some(opened.map(|secret| DataKey { id: context.data_key, secret }))
    }

    /// What the slot protects against, in words for people; `None` if this version cannot tell.
    pub(super) fn protection(&self) -> Option<&'static str> {
        match self {
            Self::KeyFile { .. } => Some("a key file: protects copies of the database only"),
            Self::Unknown(_) => None,
        }
    }

    /// Reads a `[[slot]]`.
    pub(super) fn parse(table: Table) -> Option<Self> {
        match table.get("kind")?.as_str()? {
            KEY_FILE => {
                let mut secret = Zeroizing::new([0; 32]);
                let text = table.get("secret")?.as_str()?.as_bytes();
                if HEXLOWER.decode_len(text.len()).ok()? != secret.len() {
                    return None;
                }
                HEXLOWER.decode_mut(text, &mut *secret).ok()?;
                let wrapped = HEXLOWER.decode(table.get("wrapped")?.as_str()?.as_bytes()).ok()?;
                Some(Self::KeyFile { secret, wrapped })
            }
            _ => Some(Self::Unknown(table)),
        }
    }

    /// The `[[slot]]` to write.
    pub(super) fn table(&self) -> Table {
        match self {
            Self::KeyFile { secret, wrapped } => Table::from_iter([
                ("kind".to_owned(), Value::from(KEY_FILE)),
                ("secret".to_owned(), Value::from(HEXLOWER.encode(&**secret))),
                ("wrapped".to_owned(), Value::from(HEXLOWER.encode(wrapped))),
            ]),
            Self::Unknown(table) => table.clone(),
        }
    }
}

impl Context<'_> {
    /// The key that wraps the data key (HKDF, RFC 5869).
    fn wrapping_key(&self, secret: &Zeroizing<[u8; 32]>) -> Zeroizing<[u8; 32]> {
        let info =
            [b"ostler keyfile v1".as_slice(), &self.machine.uid.to_be_bytes(), &self.database.0];
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(self.machine.id.as_bytes()), &**secret)
            .expand_multi_info(&info, &mut *key)
            .expect("32 bytes are one block of SHA-256");
        key
    }

    fn parts(&self, kind: &str) -> Vec<u8> {
        joined(&[b"ostler slot v1", kind.as_bytes(), &self.database.0, &self.data_key.0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine { id: "0123456789abcdef0123456789abcdef".into(), uid: 1000 }
    }

    const DATABASE: DatabaseId = DatabaseId([5; 16]);

    #[test]
    fn a_slot_opens_on_its_machine_for_its_user_and_database_alone() {
        let key = DataKey::random().unwrap();
        let slot = Slot::key_file(&key, &machine(), DATABASE).unwrap();
        let opens = |machine: &Machine, database, data_key| {
            let context = Context { database, data_key, machine };
            slot.open(&context).unwrap().is_ok_and(|opened| *opened.secret == *key.secret)
        };
        assert!(opens(&machine(), DATABASE, key.id));
        assert!(!opens(&Machine { id: String::new(), ..machine() }, DATABASE, key.id));
        assert!(!opens(&Machine { uid: 1001, ..machine() }, DATABASE, key.id));
        assert!(!opens(&machine(), DatabaseId([6; 16]), key.id));
        assert!(!opens(&machine(), DATABASE, DataKeyId([0; 4])));
    }

    #[test]
    fn a_slot_survives_its_table() {
        let key = DataKey::random().unwrap();
        let slot = Slot::key_file(&key, &machine(), DATABASE).unwrap();
        let back = Slot::parse(slot.table()).unwrap();
        let machine = machine();
        let context = Context { database: DATABASE, data_key: key.id, machine: &machine };
        assert_eq!(*back.open(&context).unwrap().unwrap().secret, *key.secret);
    }

    #[test]
    fn an_unknown_slot_is_kept_and_does_not_open() {
        let text = "kind = \"pigeon\"\nroost = { height = 3, birds = [\"a\", \"b\"] }";
        let table: Table = text.parse().unwrap();
        let slot = Slot::parse(table.clone()).unwrap();
        let machine = machine();
        let context =
            Context { database: DATABASE, data_key: DataKeyId([0; 4]), machine: &machine };
        assert!(slot.open(&context).is_none());
        assert_eq!(slot.table(), table);
    }

    #[test]
    fn a_key_file_slot_with_missing_or_short_parts_is_no_slot() {
        for text in [
            "kind = \"keyfile\"",
            "kind = \"keyfile\"\nsecret = \"00\"\nwrapped = \"00\"",
            "secret = \"00\"",
            "kind = 3",
        ] {
            assert!(Slot::parse(text.parse().unwrap()).is_none(), "{text}");
        }
    }
}
