//! Sealing: a secret is encrypted so that it opens in the row, column, account, generation and
//! database it was written for, and nowhere else.
//!
//! ```text
//! blob = version (1) || id of the data key (4) || nonce (24) || ciphertext || tag (16)
//! ```
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): its nonce is long enough to be drawn at random, so
//! there is no counter that a restored backup could set back.

use std::fmt;

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::error::{KeyError, StoreError};

const VERSION: u8 = 1;
const ID: usize = 4;
const NONCE: usize = 24;
const TAG: usize = 16;
const HEAD: usize = 1 + ID + NONCE;

/// The version of the list of parts below. It is not the schema's: a migration that leaves a value
/// where it is need not seal it again.
const PARTS_VERSION: u32 = 1;

/// The identity of a database: random, made with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct DatabaseId(pub(super) [u8; 16]);

/// Tells data keys apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct DataKeyId(pub(super) [u8; ID]);

/// The key that values are sealed with.
pub(super) struct DataKey {
    pub(super) id: DataKeyId,
    pub(super) secret: Zeroizing<[u8; 32]>,
}

/// Where a value belongs.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
    pub(super) row: i64,
    /// The account's id, or what else the row is about.
    pub(super) owner: &'a str,
    pub(super) generation: u64,
}

/// Why a blob does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenError {
    /// It was sealed with another data key.
    OtherKey,
    /// It was changed, cut, moved, or never was a blob.
    Damaged,
}

/// Seals and opens the values of one database.
pub(super) struct Sealer {
    database: DatabaseId,
    key: DataKeyId,
    cipher: XChaCha20Poly1305,
}

impl Sealer {
    pub(super) fn new(database: DatabaseId, key: &DataKey) -> Self {
        Self { database, key: key.id, cipher: XChaCha20Poly1305::new((&*key.secret).into()) }
    }

    pub(super) fn seal(&self, plain: &[u8], place: &Place<'_>) -> Result<Vec<u8>, KeyError> {
        let nonce = random::<NONCE>()?;
        let mut blob = Vec::with_capacity(HEAD + plain.len() + TAG);
        blob.push(VERSION);
        blob.extend_from_slice(&self.key.0);
        blob.extend_from_slice(&nonce);
        // encrypted where it will stay: no clear copy is left behind
        blob.extend_from_slice(plain);
        let tag = encrypt(&self.cipher, nonce, &self.parts(place), &mut blob[HEAD..]);
        blob.extend_from_slice(&tag);
        Ok(blob)
    }

    pub(super) fn open(
        &self,
        blob: &[u8],
        place: &Place<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        self.look_at(blob)?;
        decrypt(&self.cipher, &blob[1 + ID..], &self.parts(place))
    }

    /// Whether a blob may be one of this key's. Only opening it tells whether it is.
    pub(super) fn look_at(&self, blob: &[u8]) -> Result<(), OpenError> {
        if blob.len() < HEAD + TAG || blob[0] != VERSION {
            return Err(OpenError::Damaged);
        }
        if blob[1..=ID] != self.key.0 {
            return Err(OpenError::OtherKey);
        }
        Ok(())
    }

    /// [`Sealer::open`] for what was a text.
    pub(super) fn open_text(&self, blob: &[u8], place: &Place<'_>) -> Result<String, OpenError> {
        let mut plain = self.open(blob, place)?;
        String::from_utf8(std::mem::take(&mut *plain)).map_err(|error| {
            drop(Zeroizing::new(error.into_bytes()));
            OpenError::Damaged
        })
    }

    fn parts(&self, place: &Place<'_>) -> Vec<u8> {
        joined(&[
            b"ostler",
            &PARTS_VERSION.to_be_bytes(),
            &self.database.0,
            place.table.as_bytes(),
            place.column.as_bytes(),
            &place.row.to_be_bytes(),
            place.owner.as_bytes(),
            &place.generation.to_be_bytes(),
        ])
    }
}

impl DataKey {
    pub(super) fn random() -> Result<Self, KeyError> {
        Ok(Self { id: DataKeyId(random()?), secret: random_secret()? })
    }
}

/// Encrypts a key under another key: `nonce || ciphertext || tag`.
pub(super) fn wrap(
    key: &Zeroizing<[u8; 32]>,
    under: &Zeroizing<[u8; 32]>,
    associated: &[u8],
) -> Result<Vec<u8>, KeyError> {
    let nonce = random::<NONCE>()?;
    let mut wrapped = nonce.to_vec();
    wrapped.reserve_exact(32 + TAG);
    wrapped.extend_from_slice(&**key);
    let cipher = XChaCha20Poly1305::new((&**under).into());
    let tag = encrypt(&cipher, nonce, associated, &mut wrapped[NONCE..]);
    wrapped.extend_from_slice(&tag);
    Ok(wrapped)
}

/// The key that [`wrap`] wrapped.
pub(super) fn unwrap_key(
    wrapped: &[u8],
    under: &Zeroizing<[u8; 32]>,
    associated: &[u8],
) -> Result<Zeroizing<[u8; 32]>, OpenError> {
    if wrapped.len() != NONCE + 32 + TAG {
        return Err(OpenError::Damaged);
    }
    let cipher = XChaCha20Poly1305::new((&**under).into());
    let plain = decrypt(&cipher, wrapped, associated)?;
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&plain);
    Ok(key)
}

/// Parts with their lengths before them, so that no two lists give the same bytes.
pub(super) fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| 4 + part.len()).sum());
    for part in parts {
        let length = u32::try_from(part.len()).expect("no part of an identity is 4 GiB long");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Random bytes of the kernel.
pub(super) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| KeyError::NoRandomness)?;
    Ok(bytes)
}

/// A random key.
pub(super) fn random_secret() -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(|_| KeyError::NoRandomness)?;
    Ok(secret)
}

fn encrypt(
    cipher: &XChaCha20Poly1305,
    nonce: [u8; NONCE],
    associated: &[u8],
    text: &mut [u8],
) -> Tag {
    cipher
        .encrypt_inout_detached(&XNonce::from(nonce), associated, InOutBuf::from(text))
        .expect("the cipher takes 256 GiB (RFC 8439, 2.8), a secret is at most some MiB")
}

/// `sealed` is `nonce || ciphertext || tag`, at least as long as nonce and tag.
fn decrypt(
    cipher: &XChaCha20Poly1305,
    sealed: &[u8],
    associated: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(OpenError::Damaged)?;
    let (text, tag) = rest.split_last_chunk::<TAG>().ok_or(OpenError::Damaged)?;
    let mut plain = Zeroizing::new(text.to_vec());
    cipher
        .decrypt_inout_detached(
            &XNonce::from(*nonce),
            associated,
            InOutBuf::from(plain.as_mut_slice()),
            &Tag::from(*tag),
        )
        .map_err(|_| OpenError::Damaged)?;
    Ok(plain)
}

impl OpenError {
    /// The error of the room, for a value of `place`.
    pub(super) fn at(self, place: &Place<'_>) -> StoreError {
        match self {
            Self::OtherKey => KeyError::OtherKey.into(),
            Self::Damaged => StoreError::Damaged { detail: place.to_string() },
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} row {}", self.column, self.table, self.row)
    }
}

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealer() -> Sealer {
        let key = DataKey { id: DataKeyId([1, 2, 3, 4]), secret: Zeroizing::new([7; 32]) };
        Sealer::new(DatabaseId([9; 16]), &key)
    }

    const HOME: Place<'static> = Place {
        table: "refresh_token",
        column: "token",
        row: 3,
        owner: "aaaaaaaaaaaaa",
        generation: 5,
    };

    #[test]
    fn the_cipher_is_the_one_of_the_draft() {
        // draft-irtf-cfrg-xchacha-03, appendix A.3.1
        let key: Vec<u8> = (0x80..=0x9f).collect();
        let nonce: Vec<u8> = (0x40..=0x57).collect();
        let associated = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let mut text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one \
            tip for the future, sunscreen would be it."
            .to_vec();
        let key: [u8; 32] = key.try_into().unwrap();
        let cipher = XChaCha20Poly1305::new(&key.into());
        let tag = encrypt(&cipher, nonce.try_into().unwrap(), &associated, &mut text);
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        assert_eq!(hex(&text[..16]), "bd6d179d3e83d43b9576579493c0e939");
        assert_eq!(hex(&text[text.len() - 3..]), "13b52e");
        assert_eq!(hex(&tag), "c0875924c1c7987947deafd8780acf49");
    }

    #[test]
    fn a_blob_opens_in_its_own_place_alone() {
        let sealer = sealer();
        let blob = sealer.seal(b"canary", &HOME).unwrap();
        assert_eq!(&**sealer.open(&blob, &HOME).unwrap(), b"canary");
        let elsewhere = [
            Place { table: "access_token", ..HOME },
            Place { column: "answer", ..HOME },
            Place { row: 4, ..HOME },
            Place { owner: "aaaaaaaaaaaab", ..HOME },
            Place { generation: 6, ..HOME },
        ];
        for place in &elsewhere {
            assert_eq!(sealer.open(&blob, place).unwrap_err(), OpenError::Damaged, "{place}");
        }
        let key = DataKey { id: DataKeyId([1, 2, 3, 4]), secret: Zeroizing::new([7; 32]) };
        let other_database = Sealer::new(DatabaseId([8; 16]), &key);
        assert_eq!(other_database.open(&blob, &HOME).unwrap_err(), OpenError::Damaged);
    }

    #[test]
    fn another_key_is_told_from_damage() {
        let blob = sealer().seal(b"canary", &HOME).unwrap();
        let other = Sealer::new(DatabaseId([9; 16]), &DataKey::random().unwrap());
        assert_eq!(other.open(&blob, &HOME).unwrap_err(), OpenError::OtherKey);
    }

    #[test]
    fn the_same_value_never_gives_the_same_blob() {
        let sealer = sealer();
        assert_ne!(sealer.seal(b"x", &HOME).unwrap(), sealer.seal(b"x", &HOME).unwrap());
    }

    #[test]
    fn parts_that_run_together_differ() {
        assert_ne!(joined(&[b"ab", b"c"]), joined(&[b"a", b"bc"]));
        assert_ne!(joined(&[b"", b"a"]), joined(&[b"a", b""]));
    }

    #[test]
    fn a_wrapped_key_opens_with_its_key_and_context_alone() {
        let (key, under) = (random_secret().unwrap(), random_secret().unwrap());
        let wrapped = wrap(&key, &under, b"context").unwrap();
        assert_eq!(*unwrap_key(&wrapped, &under, b"context").unwrap(), *key);
        assert!(unwrap_key(&wrapped, &under, b"other").is_err());
        assert!(unwrap_key(&wrapped, &key, b"context").is_err());
        assert!(unwrap_key(&wrapped[1..], &under, b"context").is_err());
    }

    proptest! {
        #[test]
        fn a_changed_or_cut_blob_never_opens(
            plain in proptest::collection::vec(any::<u8>(), 0..200),
            position in any::<proptest::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let sealer = sealer();
            let blob = sealer.seal(&plain, &HOME).unwrap();
            prop_assert_eq!(&**sealer.open(&blob, &HOME).unwrap(), &plain[..]);
            let at = position.index(blob.len());
            let mut flipped = blob.clone();
            flipped[at] ^= 1 << bit;
            prop_assert!(sealer.open(&flipped, &HOME).is_err());
            prop_assert!(sealer.open(&blob[..at], &HOME).is_err());
            prop_assert!(sealer.open(&blob[at + 1..], &HOME).is_err());
        }
    }
}
