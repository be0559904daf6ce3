//! `proof_key`: the keys that tokens are bound to (RFC 9449). A key is as durable as what it belongs to:
//! it goes with its sign-in, its exchange or its account.

use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::model::{AccountId, FlightId, ProofKey, RequestId, Wall};

use super::super::command::ProofKeys;
use super::super::error::StoreError;
use super::super::seal::{OpenError, Place, Sealer};
use super::account::Account;
use super::refresh::long_ago;
use super::{each, execute, row, value};

/// What a key belongs to.
#[derive(Clone, Copy)]
pub(in super::super) enum Of<'a> {
    /// A grant.
    Account(&'a Account),
    /// An exchange under way, and the account that it is for.
    Flight(FlightId, &'a AccountId),
    /// A sign-in on another device, and the account that it is for.
    Device(&'a RequestId, &'a AccountId),
}

impl Of<'_> {
    /// A key opens where it was written for, and nowhere else.
    fn owner(self) -> String {
        match self {
            Self::Account(account) => account.id.to_string(),
            Self::Flight(flight, account) => format!("flight {} {account}", flight.0),
            Self::Device(request, account) => format!("device {request} {account}"),
        }
    }
}

/// Writes a key down.
pub(in super::super) fn put(
    db: &Connection,
    sealer: &Sealer,
    of: Of<'_>,
    key: &ProofKey,
) -> Result<(), StoreError> {
    // the row's number is part of what the key is sealed with
    let id: i64 = value(db, "SELECT coalesce(max(id), 0) + 1 FROM proof_key", [])?;
    let owner = of.owner();
    let blob = sealer.seal(key.expose().as_bytes(), &place(id, &owner))?;
    let (account, flight, request) = match of {
        Of::Account(account) => (Some(account.row), None, None),
        Of::Flight(flight, _) => (None, Some(flight), None),
        Of::Device(request, _) => (None, None, Some(request.as_str())),
    };
    let sql = "INSERT INTO proof_key (id, account, flight, request, key)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    execute(db, sql, params![id, account, flight, request, blob]).map(drop)
}

/// Opens the key in force, if there is one.
pub(in super::super) fn open(
    db: &Connection,
    sealer: &Sealer,
    of: Of<'_>,
) -> Result<Option<ProofKey>, StoreError> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?));
    let found = match of {
        Of::Account(account) => {
            let sql = "SELECT id, key FROM proof_key
                       WHERE account = ?1 AND superseded_wall_ms IS NULL";
            row(db, sql, [account.row], read)?
        }
        Of::Flight(flight, _) => {
            row(db, "SELECT id, key FROM proof_key WHERE flight = ?1", [flight], read)?
        }
        Of::Device(request, _) => {
            let sql = "SELECT id, key FROM proof_key WHERE request = ?1";
            row(db, sql, [request.as_str()], read)?
        }
    };
    let Some((id, blob)) = found else { return Ok(None) };
    let owner = of.owner();
    let place = place(id, &owner);
    let key = sealer.open_text(&blob, &place).map_err(|error| error.at(&place))?;
    Ok(Some(ProofKey::new(key)))
}

/// Another login takes the place of the one that an account's key belongs to. The key stays as long as
/// the refresh token that is bound to it, which is of no use without it.
pub(in super::super) fn set_aside(
    db: &Connection,
    account: &Account,
    now: Wall,
) -> Result<(), StoreError> {
    let sql = "UPDATE proof_key SET superseded_wall_ms = ?2
               WHERE account = ?1 AND superseded_wall_ms IS NULL";
    execute(db, sql, params![account.row, now.0]).map(drop)
}

/// The login that a key belongs to was given back: whatever was bound to it is revoked.
pub(in super::super) fn delete_of(db: &Connection, account: &Account) -> Result<(), StoreError> {
    execute(db, "DELETE FROM proof_key WHERE account = ?1", [account.row]).map(drop)
}

/// Erases the keys that were set aside long enough ago.
pub(in super::super) fn erase_set_aside(db: &Connection, now: Wall) -> Result<(), StoreError> {
    execute(db, "DELETE FROM proof_key WHERE superseded_wall_ms <= ?1", [long_ago(now)]).map(drop)
}

/// The keys in force of all accounts and exchanges. One that is damaged is left out: its tokens are of
/// no use any more, and the next refresh says so.
pub(in super::super) fn load(db: &Connection, sealer: &Sealer) -> Result<ProofKeys, StoreError> {
    let mut keys = ProofKeys::default();
    let sql = "SELECT k.id, k.key, a.account, t.flight, t.account
               FROM proof_key k LEFT JOIN account a ON a.id = k.account
                                LEFT JOIN attempt t ON t.flight = k.flight
               WHERE k.superseded_wall_ms IS NULL AND k.request IS NULL";
    each(db, sql, |row| {
        let (id, blob): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let account: Option<AccountId> = row.get(2)?;
        let flight: Option<FlightId> = row.get(3)?;
        let exchange = flight.zip(row.get::<_, Option<AccountId>>(4)?);
        let owner = match (&account, &exchange) {
            (Some(account), _) => account.to_string(),
            (None, Some((flight, account))) => Of::Flight(*flight, account).owner(),
            (None, None) => return Ok(()),
        };
        let place = place(id, &owner);
        let key = match sealer.open_text(&blob, &place) {
            Ok(key) => Arc::new(ProofKey::new(key)),
            Err(OpenError::Damaged) => {
                tracing::error!(owner, "the key that tokens are bound to is damaged, left out");
                return Ok(());
            }
            Err(error) => return Err(error.at(&place)),
        };
        match (account, flight) {
            (Some(account), _) => keys.accounts.push((account, key)),
            (None, Some(flight)) => keys.flights.push((flight, key)),
            (None, None) => {}
        }
        Ok(())
    })?;
    Ok(keys)
}

fn place(id: i64, owner: &str) -> Place<'_> {
    Place { table: "proof_key", column: "key", row: id, owner, generation: 0 }
}
