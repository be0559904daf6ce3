//! `errand`: what accounts that are gone left to be done at their providers.

use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::model::{
    AccessToken, AccountId, AccountName, AccountSeed, ClientKey, ClientRecord, ClientSecret,
    ErrandId, ErrandRecord, RefreshToken, Registration,
};

use super::super::command::{Erased, Left, Owed};
use super::super::error::{Refusal, StoreError};
use super::super::seal::{OpenError, Place, Sealer};
use super::super::sql;
use super::{each, execute, row, value};

/// How many there can be. Each is a week old at most, and a logout.
const ERRANDS_MAX: i64 = 64;

/// Writes an errand down. `None` if there are too many already.
pub(in super::super) fn put(
    db: &Connection,
    sealer: &Sealer,
    account: (&AccountId, &AccountName),
    erased: &Erased,
    owed: &Owed,
) -> Result<Option<ErrandId>, StoreError> {
    if value::<i64>(db, "SELECT count(*) FROM errand", [])? >= ERRANDS_MAX {
        tracing::warn!(name = %account.1, "too many logouts wait for their providers: not kept");
        return Ok(None);
    }
    let ClientRecord { key, discovered, .. } = &erased.client;
    let sql = "INSERT INTO errand (account, name, provider, client, discovered, since_wall_ms,
                                   since_boot_ms, since_boot_id, worth_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING id";
    let (at, boot_id) = (owed.since.at, &owed.since.boot_id.0);
    let worth = sql::millis(owed.worth);
    let (id, name) = account;
    let values = params![
        id,
        name,
        key.provider,
        key.client,
        discovered,
        at.wall.0,
        at.boot.0,
        boot_id,
        worth
    ];
    let errand: ErrandId = value(db, sql, values)?;
    let owner = owner(key, id);
    let left = &erased.left;
    for (column, secret) in [
        ("refresh", left.refresh.as_ref().map(RefreshToken::expose)),
        ("access", left.access.as_deref().map(AccessToken::expose)),
        ("secret", left.secret.as_ref().map(ClientSecret::expose)),
        ("registration", left.registration.as_ref().map(Registration::expose)),
    ] {
        if let Some(secret) = secret {
            let blob = sealer.seal(secret.as_bytes(), &place(column, errand, &owner))?;
            let sql = format!("UPDATE errand SET {column} = ?2 WHERE id = ?1");
            execute(db, &sql, params![errand, blob])?;
        }
    }
    Ok(Some(errand))
}

/// What an errand is run with. A value that no longer opens is missing.
pub(in super::super) fn open(
    db: &Connection,
    sealer: &Sealer,
    errand: ErrandId,
) -> Result<Left, StoreError> {
    type Sealed = [Option<Vec<u8>>; 4];
    let sql = "SELECT account, provider, client, refresh, access, secret, registration
               FROM errand WHERE id = ?1";
    let found = row(db, sql, [errand], |row| {
        let key = ClientKey { provider: row.get(1)?, client: row.get(2)? };
        let blobs: Sealed = [row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?];
        Ok((owner(&key, &row.get(0)?), blobs))
    })?;
    let (owner, [refresh, access, secret, registration]) = found.ok_or(Refusal::UnknownErrand)?;
    let open = |column: &'static str, blob: Option<Vec<u8>>| {
        let Some(blob) = blob else { return Ok(None) };
        let place = place(column, errand, &owner);
        match sealer.open_text(&blob, &place) {
            Ok(text) => Ok(Some(text)),
            Err(OpenError::Damaged) => {
                tracing::warn!(errand = errand.0, column, "a sealed value is damaged, left out");
                Ok(None)
            }
            Err(error) => Err(error.at(&place)),
        }
    };
    Ok(Left {
        refresh: open("refresh", refresh)?.map(RefreshToken::new),
        access: open("access", access)?.map(|text| Arc::new(AccessToken::new(text))),
        secret: open("secret", secret)?.map(ClientSecret::new),
        registration: open("registration", registration)?.map(Registration::new),
    })
}

/// The tokens of an errand are done with; what is left is its client.
pub(in super::super) fn drop_tokens(db: &Connection, errand: ErrandId) -> Result<(), StoreError> {
    let sql = "UPDATE errand SET refresh = NULL, access = NULL, secret = NULL WHERE id = ?1";
    execute(db, sql, [errand]).map(drop)
}

/// An errand is over.
pub(in super::super) fn delete(db: &Connection, errand: ErrandId) -> Result<(), StoreError> {
    execute(db, "DELETE FROM errand WHERE id = ?1", [errand]).map(drop)
}

/// Forgets those whose place a new login takes: with many providers, what they revoke would take it along
/// (RFC 7009, 2.1).
pub(in super::super) fn delete_superseded(
    db: &Connection,
    by: &AccountSeed,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM errand
               WHERE provider = ?1 AND client = ?2 AND (account = ?3 OR name = ?4)";
    let ClientKey { provider, client } = &by.client;
    execute(db, sql, params![provider, client, by.id, by.name]).map(drop)
}

pub(in super::super) fn load(db: &Connection) -> Result<Vec<ErrandRecord>, StoreError> {
    let mut errands = Vec::new();
    let sql =
        "SELECT id, account, name, provider, client, discovered, since_wall_ms, since_boot_ms,
                      since_boot_id, worth_ms, registration IS NOT NULL FROM errand ORDER BY id";
    each(db, sql, |row| {
        let key = ClientKey { provider: row.get(3)?, client: row.get(4)? };
        errands.push(ErrandRecord {
            errand: row.get(0)?,
            account: row.get(1)?,
            name: row.get(2)?,
            client: ClientRecord {
                key,
                redirect_uri: None,
                discovered: row.get(5)?,
                secret_ends: None,
            },
            since: sql::stamp(row, 6)?,
            worth: sql::lifetime(row, 9)?,
            registered: row.get(10)?,
        });
        Ok(())
    })?;
    Ok(errands)
}

/// What was sealed for one provider is of no use to another. No name has a space.
fn owner(client: &ClientKey, account: &AccountId) -> String {
    format!("{} {} {account}", client.provider, client.client)
}

fn place<'a>(column: &'static str, errand: ErrandId, owner: &'a str) -> Place<'a> {
    // the column is an INTEGER, so a number that is stored fits
    Place { table: "errand", column, row: errand.0.cast_signed(), owner, generation: 0 }
}
