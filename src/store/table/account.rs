//! `account`: who signed in to what, and where it stands.

use rusqlite::{Connection, Row, params};

use crate::model::{
    AccountId, AccountName, AccountRecord, AccountSeed, Audience, ClientKey, Generation,
    RefreshRecord, Standing, Values, Wall,
};

use super::super::error::{Refusal, StoreError};
use super::super::sql;
use super::{each, execute, row, value};

/// An account's row, as the other tables need it.
pub(in super::super) struct Account {
    pub(in super::super) row: i64,
    pub(in super::super) id: AccountId,
    pub(in super::super) client: i64,
    pub(in super::super) generation: Generation,
}

pub(in super::super) fn find(
    db: &Connection,
    id: &AccountId,
) -> Result<Option<Account>, StoreError> {
    let sql = "SELECT id, client, generation FROM account WHERE account = ?1";
    row(db, sql, [id], |row| {
        Ok(Account {
            row: row.get(0)?,
            id: id.clone(),
            client: row.get(1)?,
            generation: row.get(2)?,
        })
    })
}

/// How new each account's login is.
pub(in super::super) fn generations(
    db: &Connection,
) -> Result<Vec<(AccountId, Generation)>, StoreError> {
    let mut found = Vec::new();
    each(db, "SELECT account, generation FROM account", |row| {
        found.push((row.get(0)?, row.get(1)?));
        Ok(())
    })?;
    Ok(found)
}

/// Refuses a name that another account has.
pub(in super::super) fn check_name(db: &Connection, seed: &AccountSeed) -> Result<(), StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM account WHERE name = ?1 AND account <> ?2)";
    if value(db, sql, params![seed.name, seed.id])? {
        return Err(Refusal::NameTaken.into());
    }
    Ok(())
}

/// Writes an account down: new, with no generation yet, or signed in again.
pub(in super::super) fn put(
    db: &Connection,
    seed: &AccountSeed,
    client: i64,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO account
                   (account, name, client, scopes, resources, audience, grant_type, captured,
                    standing, generation)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'good', 0)
               ON CONFLICT (account) DO UPDATE
               SET name = excluded.name, client = excluded.client, scopes = excluded.scopes,
                   resources = excluded.resources, audience = excluded.audience,
                   grant_type = excluded.grant_type, captured = excluded.captured";
    let AccountSeed { id, name, scopes, target, grant, values, .. } = seed;
    let audience = target.audience.as_ref().map(Audience::as_str);
    let (resources, grant) = (target.join(), grant.to_string());
    let captured = sql::values_column(values);
    let params = params![id, name, client, scopes, resources, audience, grant, captured];
    execute(db, sql, params).map(drop)
}

/// The name of an account.
pub(in super::super) fn name(db: &Connection, row: i64) -> Result<AccountName, StoreError> {
    value(db, "SELECT name FROM account WHERE id = ?1", [row])
}

pub(in super::super) fn set_generation(
    db: &Connection,
    row: i64,
    generation: Generation,
) -> Result<(), StoreError> {
    let sql = "UPDATE account SET generation = ?2 WHERE id = ?1";
    execute(db, sql, params![row, generation]).map(drop)
}

/// Notes where an account stands; says whether there is one.
pub(in super::super) fn set_standing(
    db: &Connection,
    id: &AccountId,
    standing: &Standing,
) -> Result<bool, StoreError> {
    let (name, why) = sql::standing_columns(standing);
    let sql = "UPDATE account SET standing = ?2, why = ?3 WHERE account = ?1";
    Ok(execute(db, sql, params![id, name, why])? > 0)
}

/// Notes when an account's user signed in.
pub(in super::super) fn set_signed_in(
    db: &Connection,
    row: i64,
    signed_in: Wall,
) -> Result<(), StoreError> {
    let sql = "UPDATE account SET signed_in_wall_ms = ?2 WHERE id = ?1";
    execute(db, sql, params![row, signed_in.0]).map(drop)
}

/// Gives an account another name, which no other has.
pub(in super::super) fn set_name(
    db: &Connection,
    account: &Account,
    name: &AccountName,
) -> Result<(), StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM account WHERE name = ?1 AND id <> ?2)";
    if value(db, sql, params![name, account.row])? {
        return Err(Refusal::NameTaken.into());
    }
    execute(db, "UPDATE account SET name = ?2 WHERE id = ?1", params![account.row, name]).map(drop)
}

/// Notes what an account's provider said besides tokens.
pub(in super::super) fn set_values(
    db: &Connection,
    row: i64,
    values: &Values,
) -> Result<(), StoreError> {
    let captured = sql::values_column(values);
    let sql = "UPDATE account SET captured = ?2 WHERE id = ?1 AND captured IS NOT ?2";
    execute(db, sql, params![row, captured]).map(drop)
}

/// Notes whether an account is in use.
pub(in super::super) fn set_enabled(
    db: &Connection,
    account: &Account,
    enabled: bool,
) -> Result<(), StoreError> {
    let sql = "UPDATE account SET enabled = ?2 WHERE id = ?1";
    execute(db, sql, params![account.row, enabled]).map(drop)
}

/// Deletes an account, and with it its tokens.
pub(in super::super) fn delete(db: &Connection, row: i64) -> Result<(), StoreError> {
    execute(db, "DELETE FROM account WHERE id = ?1", [row]).map(drop)
}

/// The accounts, without their access tokens.
pub(in super::super) fn load(db: &Connection) -> Result<Vec<AccountRecord>, StoreError> {
    let mut accounts = Vec::new();
    let sql = "SELECT a.account, a.name, c.provider, c.client, a.scopes, a.standing, a.why,
                      a.generation,
                      r.sent_wall_ms, r.sent_boot_ms, r.sent_boot_id, r.lifetime_ms,
                      a.signed_in_wall_ms, a.enabled, a.resources, a.audience,
                      a.grant_type, a.captured
               FROM account a JOIN client c ON c.id = a.client
               LEFT JOIN refresh_token r ON r.account = a.id AND r.superseded_wall_ms IS NULL
               ORDER BY a.id";
    each(db, sql, |row| {
        accounts.push(AccountRecord {
            seed: AccountSeed {
                id: row.get(0)?,
                name: row.get(1)?,
                client: ClientKey { provider: row.get(2)?, client: row.get(3)? },
                scopes: row.get(4)?,
                target: sql::target(row, 14)?,
                grant: row.get(16)?,
                values: sql::values(row, 17)?,
            },
            standing: sql::standing(row, 5)?,
            generation: row.get(7)?,
            refresh: refresh(row)?,
            signed_in: row.get::<_, Option<i64>>(12)?.map(Wall),
            issued: None,
            enabled: row.get(13)?,
        });
        Ok(())
    })?;
    Ok(accounts)
}

/// What is on record of the refresh token in force, if there is one.
fn refresh(row: &Row<'_>) -> rusqlite::Result<Option<RefreshRecord>> {
    if row.get::<_, Option<i64>>(8)?.is_none() {
        return Ok(None);
    }
    Ok(Some(RefreshRecord { sent: sql::stamp(row, 8)?, lifetime: sql::lifetime(row, 11)? }))
}
