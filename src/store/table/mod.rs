//! The tables: each file here knows the SQL of one, and nobody else does.

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::error::StoreError;

pub(super) mod access;
pub(super) mod account;
pub(super) mod attempt;
pub(super) mod client;
pub(super) mod device;
pub(super) mod errand;
pub(super) mod meta;
pub(super) mod proof_key;
pub(super) mod refresh;
pub(super) mod rule;
pub(super) mod usage;

/// Runs a statement that stays prepared; the number of rows it changed.
fn execute(db: &Connection, sql: &str, params: impl Params) -> Result<usize, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let changed = statement.execute(params);
    scans::note(sql, &statement);
    Ok(changed?)
}

/// The row that a statement finds, if it finds one.
fn row<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_row(params, read).optional();
    scans::note(sql, &statement);
    Ok(found?)
}

/// The one value of a statement that always finds one.
fn value<T: FromSql>(db: &Connection, sql: &str, params: impl Params) -> Result<T, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let value = statement.query_row(params, |row| row.get(0));
    scans::note(sql, &statement);
    Ok(value?)
}

/// Reads all rows of a statement.
fn each(
    db: &Connection,
    sql: &str,
    mut read: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        read(row)?;
    }
    Ok(())
}

/// How many rows statements step over that look at all of a table: a test holds each command to a bound, whatever the
/// number of accounts. What that leads to in other tables counts, too.
#[cfg(test)]
pub(super) mod scans {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use rusqlite::{Statement, StatementStatus};

    thread_local! {
        static STEPS: RefCell<BTreeMap<String, i32>> = const { RefCell::new(BTreeMap::new()) };
    }

    pub(super) fn note(sql: &str, statement: &Statement<'_>) {
        let steps = statement.reset_status(StatementStatus::FullscanStep);
        STEPS.with_borrow_mut(|all| {
            let most = all.entry(sql.to_owned()).or_default();
            *most = (*most).max(steps);
        });
    }

    /// The statements that this thread has run since this was asked last, and the most steps of each.
    pub(in super::super) fn take() -> BTreeMap<String, i32> {
        STEPS.take()
    }
}

#[cfg(not(test))]
mod scans {
    use rusqlite::Statement;

    #[inline]
    pub(super) fn note(_: &str, _: &Statement<'_>) {}
}
