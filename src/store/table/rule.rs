//! `rule`: which programs may have the tokens of which accounts.

use rusqlite::{Connection, Row, params};

use crate::model::{AccountId, Rule, RuleId, Wall};

use super::super::error::{Refusal, StoreError};
use super::{account, each, execute};

/// Writes a rule down, in the place of the one with its number if there is one.
pub(in super::super) fn put(db: &Connection, rule: &Rule) -> Result<(), StoreError> {
    let of = |id: &AccountId| -> Result<i64, StoreError> {
        Ok(account::find(db, id)?.ok_or(Refusal::UnknownAccount)?.row)
    };
    let row = rule.account.as_ref().map(of).transpose()?;
    let sql = "INSERT OR REPLACE INTO rule
                   (id, account, who, scopes, decision,
                    expires_wall_ms, created_wall_ms, created_by, used_wall_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let values = params![
        rule.id.0,
        row,
        rule.who.to_string(),
        rule.scopes,
        rule.decision.as_str(),
        rule.expires.map(|at| at.0),
        rule.created.0,
        rule.created_by,
        rule.last_used.map(|at| at.0),
    ];
    execute(db, sql, values).map(drop)
}

/// Deletes a rule, if there is one with that number.
pub(in super::super) fn delete(db: &Connection, id: RuleId) -> Result<(), StoreError> {
    execute(db, "DELETE FROM rule WHERE id = ?1", [id.0]).map(drop)
}

/// Notes when a rule last decided something.
pub(in super::super) fn set_used(db: &Connection, id: RuleId, at: Wall) -> Result<(), StoreError> {
    execute(db, "UPDATE rule SET used_wall_ms = ?2 WHERE id = ?1", [i64::from(id.0), at.0])
        .map(drop)
}

/// The rules, by number. One that cannot be read is left out, for it must not cost the logins.
pub(in super::super) fn load(db: &Connection) -> Result<Vec<Rule>, StoreError> {
    let mut rules = Vec::new();
    let sql = "SELECT r.id, a.account, r.who, r.scopes, r.decision,
                      r.expires_wall_ms, r.created_wall_ms, r.created_by, r.used_wall_ms
               FROM rule r LEFT JOIN account a ON a.id = r.account ORDER BY r.id";
    each(db, sql, |row| {
        match read(row) {
            Ok(rule) => rules.push(rule),
            Err(error) => tracing::error!(%error, "a rule about programs is unreadable, left out"),
        }
        Ok(())
    })?;
    Ok(rules)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Rule> {
    Ok(Rule {
        id: RuleId(row.get(0)?),
        account: row.get(1)?,
        who: row.get(2)?,
        scopes: row.get(3)?,
        decision: row.get(4)?,
        expires: row.get::<_, Option<i64>>(5)?.map(Wall),
        created: Wall(row.get(6)?),
        created_by: row.get(7)?,
        last_used: row.get::<_, Option<i64>>(8)?.map(Wall),
    })
}
