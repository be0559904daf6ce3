//! `usage`: which programs were given tokens of an account.

use rusqlite::{Connection, Row, params};

use crate::model::{Face, Usage, Wall};

use super::super::error::StoreError;
use super::{account, each, execute};

/// How many programs are kept of an account: those that came last.
const KEPT: u32 = 64;

/// Writes down how often a program has come by now. An account that is gone is passed over.
pub(in super::super) fn put(db: &Connection, usage: &Usage) -> Result<(), StoreError> {
    let Some(account) = account::find(db, &usage.account)? else { return Ok(()) };
    let sql = "INSERT OR REPLACE INTO usage
                   (account, who, face, pid, first_wall_ms, last_wall_ms, count)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let values = params![
        account.row,
        usage.who.to_string(),
        usage.face.as_str(),
        usage.pid,
        usage.first.0,
        usage.last.0,
        i64::try_from(usage.count).unwrap_or(i64::MAX),
    ];
    execute(db, sql, values)?;
    let sql = "DELETE FROM usage WHERE account = ?1 AND who NOT IN
                   (SELECT who FROM usage WHERE account = ?1 ORDER BY last_wall_ms DESC LIMIT ?2)";
    execute(db, sql, params![account.row, KEPT]).map(drop)
}

/// What is on record. A row that cannot be read is left out.
pub(in super::super) fn load(db: &Connection) -> Result<Vec<Usage>, StoreError> {
    let mut all = Vec::new();
    let sql = "SELECT a.account, u.who, u.face, u.pid, u.first_wall_ms, u.last_wall_ms, u.count
               FROM usage u JOIN account a ON a.id = u.account ORDER BY u.last_wall_ms";
    each(db, sql, |row| {
        match read(row) {
            Ok(usage) => all.push(usage),
            Err(error) => tracing::warn!(%error, "a use of an account is unreadable, left out"),
        }
        Ok(())
    })?;
    Ok(all)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Usage> {
    Ok(Usage {
        account: row.get(0)?,
        who: row.get(1)?,
        face: Face::from_name(row.get_ref(2)?.as_str()?).unwrap_or(Face::Socket),
        pid: row.get(3)?,
        first: Wall(row.get(4)?),
        last: Wall(row.get(5)?),
        count: row.get::<_, i64>(6)?.unsigned_abs(),
    })
}
