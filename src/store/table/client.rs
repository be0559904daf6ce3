//! `client`: registrations at providers.

use rusqlite::{Connection, Row, params};

use crate::model::{ClientKey, ClientRecord, ClientSecret, Registration, Wall};

use super::super::command::Renewal;
use super::super::error::{Refusal, StoreError};
use super::super::seal::{Place, Sealer};
use super::{each, execute, row};

/// The row of a client.
pub(in super::super) fn find(db: &Connection, key: &ClientKey) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT id FROM client WHERE provider = ?1 AND client = ?2";
    row(db, sql, params![key.provider, key.client], |row| row.get(0))
}

/// Writes a client down, new or known; its secret and when that ends stay as they are. Gives its row.
pub(in super::super) fn put(db: &Connection, client: &ClientRecord) -> Result<i64, StoreError> {
    let sql = "INSERT INTO client (provider, client, redirect_uri, discovered, secret_ends_wall_ms)
               VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (provider, client) DO UPDATE
               SET redirect_uri = excluded.redirect_uri, discovered = excluded.discovered
               RETURNING id";
    let ClientRecord { key, redirect_uri, discovered, secret_ends } = client;
    let ends = secret_ends.map(|ends| ends.0);
    super::value(db, sql, params![key.provider, key.client, redirect_uri, discovered, ends])
}

/// Replaces a client's secret.
pub(in super::super) fn set_secret(
    db: &Connection,
    sealer: &Sealer,
    id: i64,
    secret: &ClientSecret,
) -> Result<(), StoreError> {
    let owner = owner(&record(db, id)?.key);
    let blob = sealer.seal(secret.expose().as_bytes(), &place(id, &owner))?;
    execute(db, "UPDATE client SET secret = ?2 WHERE id = ?1", params![id, blob]).map(drop)
}

/// A client's secret, if it has one.
pub(in super::super) fn open(
    db: &Connection,
    sealer: &Sealer,
    id: i64,
) -> Result<Option<ClientSecret>, StoreError> {
    let sql = "SELECT provider, client, redirect_uri, discovered, secret_ends_wall_ms, secret
               FROM client WHERE id = ?1";
    let found = row(db, sql, [id], |row| Ok((read(row)?, row.get::<_, Option<Vec<u8>>>(5)?)))?;
    let Some((record, Some(blob))) = found else { return Ok(None) };
    let owner = owner(&record.key);
    let place = place(id, &owner);
    let secret = sealer.open_text(&blob, &place).map_err(|error| error.at(&place))?;
    Ok(Some(ClientSecret::new(secret)))
}

/// Notes by what a client is managed.
pub(in super::super) fn set_registration(
    db: &Connection,
    sealer: &Sealer,
    id: i64,
    registration: &Registration,
) -> Result<(), StoreError> {
    let owner = owner(&record(db, id)?.key);
    let blob = sealer.seal(registration.expose().as_bytes(), &registered(id, &owner))?;
    execute(db, "UPDATE client SET registration = ?2 WHERE id = ?1", params![id, blob]).map(drop)
}

/// Puts into force what a provider made of a registration. Only of a client that is there.
pub(in super::super) fn renew(
    db: &Connection,
    sealer: &Sealer,
    renewal: &Renewal,
) -> Result<(), StoreError> {
    let id = find(db, &renewal.client.key)?.ok_or(Refusal::UnknownClient)?;
    if let Some(secret) = &renewal.secret {
        set_secret(db, sealer, id, secret)?;
    }
    set_registration(db, sealer, id, &renewal.registration)?;
    let ends = renewal.client.secret_ends.map(|ends| ends.0);
    let sql = "UPDATE client SET discovered = ?2, secret_ends_wall_ms = ?3 WHERE id = ?1";
    execute(db, sql, params![id, renewal.client.discovered, ends]).map(drop)
}

/// By what a client is managed, if it registered itself.
pub(in super::super) fn open_registration(
    db: &Connection,
    sealer: &Sealer,
    id: i64,
) -> Result<Option<Registration>, StoreError> {
    let sql = "SELECT provider, client, redirect_uri, discovered, secret_ends_wall_ms, registration
               FROM client WHERE id = ?1";
    let found = row(db, sql, [id], |row| Ok((read(row)?, row.get::<_, Option<Vec<u8>>>(5)?)))?;
    let Some((record, Some(blob))) = found else { return Ok(None) };
    let owner = owner(&record.key);
    let place = registered(id, &owner);
    let text = sealer.open_text(&blob, &place).map_err(|error| error.at(&place))?;
    Ok(Some(Registration::new(text)))
}

/// Whether an account uses a client, other than that one.
pub(in super::super) fn is_used_besides(
    db: &Connection,
    id: i64,
    account: i64,
) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM account WHERE client = ?1 AND id <> ?2)";
    super::value(db, sql, params![id, account])
}

/// What is known of a client.
pub(in super::super) fn record(db: &Connection, id: i64) -> Result<ClientRecord, StoreError> {
    let sql = "SELECT provider, client, redirect_uri, discovered, secret_ends_wall_ms
               FROM client WHERE id = ?1";
    // a foreign key holds it in place
    row(db, sql, [id], read)?.ok_or_else(|| Refusal::UnknownAccount.into())
}

/// Forgets a client if neither an account nor an attempt uses it any more.
pub(in super::super) fn delete_unused(db: &Connection, id: i64) -> Result<(), StoreError> {
    let sql = "DELETE FROM client
               WHERE id = ?1
                 AND NOT EXISTS (SELECT 1 FROM account WHERE account.client = client.id)
                 AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.provider = client.provider
                                                         AND attempt.client = client.client)";
    execute(db, sql, [id]).map(drop)
}

/// The same for a client that may not be on record.
pub(in super::super) fn delete_if_unused(
    db: &Connection,
    client: &ClientKey,
) -> Result<(), StoreError> {
    match find(db, client)? {
        Some(id) => delete_unused(db, id),
        None => Ok(()),
    }
}

pub(in super::super) fn load(db: &Connection) -> Result<Vec<ClientRecord>, StoreError> {
    let mut clients = Vec::new();
    let sql = "SELECT provider, client, redirect_uri, discovered, secret_ends_wall_ms
               FROM client ORDER BY id";
    each(db, sql, |row| {
        clients.push(read(row)?);
        Ok(())
    })?;
    Ok(clients)
}

fn read(row: &Row<'_>) -> rusqlite::Result<ClientRecord> {
    Ok(ClientRecord {
        key: ClientKey { provider: row.get(0)?, client: row.get(1)? },
        redirect_uri: row.get(2)?,
        discovered: row.get(3)?,
        secret_ends: row.get::<_, Option<i64>>(4)?.map(Wall),
    })
}

/// A secret is bound to the name of its provider: a row that was made to point at another provider
/// does not take the secret along. No provider's name has a space.
fn owner(key: &ClientKey) -> String {
    format!("{} {}", key.provider, key.client)
}

fn registered(id: i64, owner: &str) -> Place<'_> {
    Place { table: "client", column: "registration", row: id, owner, generation: 0 }
}

fn place(id: i64, owner: &str) -> Place<'_> {
    Place { table: "client", column: "secret", row: id, owner, generation: 0 }
}
