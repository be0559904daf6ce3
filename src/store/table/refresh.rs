//! `refresh_token`: the one in force of each account, and its predecessors until it proved good. One
//! that the provider called dead, or that another login took the place of, is in quarantine: nothing
//! uses it by itself, and after thirty days it is erased. Until then a provider that was wrong, or a
//! login that was a mistake, has cost nothing that cannot be had back.

use std::time::Duration;

use rusqlite::{Connection, params};

use crate::model::{AccountId, Generation, RefreshToken, Stamp, Wall};

use super::super::error::StoreError;
use super::super::seal::{Place, Sealer};
use super::super::sql;
use super::account::Account;
use super::{execute, row, value};

const QUARANTINE: Duration = Duration::from_hours(30 * 24);

/// A refresh token as it comes from a provider.
pub(in super::super) struct Fresh<'a> {
    pub(in super::super) token: &'a RefreshToken,
    pub(in super::super) generation: Generation,
    pub(in super::super) sent: &'a Stamp,
    pub(in super::super) lifetime: Option<Duration>,
}

/// Opens the token in force, if there is one.
pub(in super::super) fn open(
    db: &Connection,
    sealer: &Sealer,
    account: &Account,
) -> Result<Option<RefreshToken>, StoreError> {
    let sql = "SELECT id, generation, token FROM refresh_token
               WHERE account = ?1 AND superseded_wall_ms IS NULL";
    let found = row(db, sql, [account.row], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))
    })?;
    let Some((id, generation, blob)) = found else { return Ok(None) };
    let place = place(id, account, generation);
    let token = sealer.open_text(&blob, &place).map_err(|error| error.at(&place))?;
    Ok(Some(RefreshToken::new(token)))
}

/// Puts a token in force in place of the one before.
pub(in super::super) fn put(
    db: &Connection,
    sealer: &Sealer,
    account: &Account,
    fresh: &Fresh<'_>,
) -> Result<(), StoreError> {
    let Stamp { at, boot_id } = fresh.sent;
    supersede(db, account, fresh.sent)?;

    // the row's number is part of what the token is sealed with
    let id: i64 = value(db, "SELECT coalesce(max(id), 0) + 1 FROM refresh_token", [])?;
    let place = place(id, account, fresh.generation);
    let blob = sealer.seal(fresh.token.expose().as_bytes(), &place)?;
    let sql = "INSERT INTO refresh_token (id, account, generation, token,
                                          sent_wall_ms, sent_boot_ms, sent_boot_id, lifetime_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let lifetime = sql::millis(fresh.lifetime);
    execute(
        db,
        sql,
        params![id, account.row, fresh.generation, blob, at.wall.0, at.boot.0, boot_id.0, lifetime],
    )
    .map(drop)
}

/// The token in force stays, and the provider has said how long it lives from now on.
pub(in super::super) fn prolong(
    db: &Connection,
    account: &Account,
    sent: &Stamp,
    lifetime: Duration,
) -> Result<(), StoreError> {
    let Stamp { at, boot_id } = sent;
    let sql = "UPDATE refresh_token
               SET sent_wall_ms = ?2, sent_boot_ms = ?3, sent_boot_id = ?4, lifetime_ms = ?5
               WHERE account = ?1 AND superseded_wall_ms IS NULL";
    let lifetime = sql::millis(Some(lifetime));
    execute(db, sql, params![account.row, at.wall.0, at.boot.0, boot_id.0, lifetime]).map(drop)
}

/// Puts the token in force, if there is one, out of force. It is kept, superseded at the moment the
/// request was sent whose answer did so: an answer that looked good may still turn out not to be.
pub(in super::super) fn supersede(
    db: &Connection,
    account: &Account,
    sent: &Stamp,
) -> Result<(), StoreError> {
    let Stamp { at, boot_id } = sent;
    let sql = "UPDATE refresh_token
               SET superseded_wall_ms = ?2, superseded_boot_ms = ?3, superseded_boot_id = ?4
               WHERE account = ?1 AND superseded_wall_ms IS NULL";
    execute(db, sql, params![account.row, at.wall.0, at.boot.0, boot_id.0]).map(drop)
}

/// Puts the token in force, if there is one, out of force because another login takes its place, and
/// into quarantine.
pub(in super::super) fn set_aside(
    db: &Connection,
    account: &Account,
    sent: &Stamp,
) -> Result<(), StoreError> {
    quarantine(db, &account.id, sent.at.wall)?;
    supersede(db, account, sent)
}

/// Takes the token in force into quarantine: the provider called it dead.
pub(in super::super) fn quarantine(
    db: &Connection,
    account: &AccountId,
    now: Wall,
) -> Result<(), StoreError> {
    let sql = "UPDATE refresh_token SET quarantined_wall_ms = coalesce(quarantined_wall_ms, ?2)
               WHERE account = (SELECT id FROM account WHERE account = ?1)
                 AND superseded_wall_ms IS NULL";
    execute(db, sql, params![account, now.0]).map(drop)
}

/// Takes the token in force out of quarantine: it is to be used, or proved good.
pub(in super::super) fn release(db: &Connection, account: &AccountId) -> Result<(), StoreError> {
    let sql = "UPDATE refresh_token SET quarantined_wall_ms = NULL
               WHERE account = (SELECT id FROM account WHERE account = ?1)
                 AND superseded_wall_ms IS NULL AND quarantined_wall_ms IS NOT NULL";
    execute(db, sql, [account]).map(drop)
}

/// Erases tokens that have been in quarantine for long enough and are not in force.
pub(in super::super) fn erase_quarantined(db: &Connection, now: Wall) -> Result<(), StoreError> {
    let sql = "DELETE FROM refresh_token
               WHERE quarantined_wall_ms <= ?1 AND superseded_wall_ms IS NOT NULL";
    execute(db, sql, [long_ago(now)]).map(drop)
}

/// The same with those in force. For a start: later, everybody has been told that there is a token.
pub(in super::super) fn erase_all_quarantined(
    db: &Connection,
    now: Wall,
) -> Result<(), StoreError> {
    let sql = "UPDATE refresh_token SET quarantined_wall_ms = ?1
               WHERE superseded_wall_ms IS NULL AND quarantined_wall_ms IS NULL
                 AND account IN (SELECT id FROM account WHERE standing = 'needs-login')";
    execute(db, sql, [now.0])?;
    execute(db, "DELETE FROM refresh_token WHERE quarantined_wall_ms <= ?1", [long_ago(now)])
        .map(drop)
}

/// When what is over now was put into quarantine at the latest.
pub(super) fn long_ago(now: Wall) -> i64 {
    now.0.saturating_sub(i64::try_from(QUARANTINE.as_millis()).unwrap_or(i64::MAX))
}

/// Erases all tokens of an account, those in quarantine, too.
pub(in super::super) fn delete_all(db: &Connection, account: &Account) -> Result<(), StoreError> {
    execute(db, "DELETE FROM refresh_token WHERE account = ?1", [account.row]).map(drop)
}

/// Erases the tokens from before a generation. The one in force stays, whatever its number, and so
/// does what is in quarantine.
pub(in super::super) fn erase_before(
    db: &Connection,
    account: &Account,
    generation: Generation,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM refresh_token
               WHERE account = ?1 AND generation < ?2 AND superseded_wall_ms IS NOT NULL
                 AND quarantined_wall_ms IS NULL";
    execute(db, sql, params![account.row, generation]).map(drop)
}

fn place(id: i64, account: &Account, generation: Generation) -> Place<'_> {
    Place {
        table: "refresh_token",
        column: "token",
        row: id,
        owner: account.id.as_str(),
        generation: generation.0,
    }
}
