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
    Ok(db.prepare_cached(sql)?.execute(params)?)
}

/// The row that a statement finds, if it finds one.
fn row<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    Ok(db.prepare_cached(sql)?.query_row(params, read).optional()?)
}

/// The one value of a statement that always finds one.
fn value<T: FromSql>(db: &Connection, sql: &str, params: impl Params) -> Result<T, StoreError> {
    Ok(db.prepare_cached(sql)?.query_row(params, |row| row.get(0))?)
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
