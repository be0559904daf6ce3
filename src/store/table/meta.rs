//! `meta`: what the database is.

use rusqlite::Connection;

use crate::model::{FlightId, RuleId};

use super::super::error::StoreError;
use super::super::seal::{DataKeyId, DatabaseId};
use super::{execute, value};

/// The identity of the database.
pub(in super::super) fn database(db: &Connection) -> Result<DatabaseId, StoreError> {
    value(db, "SELECT uuid FROM meta", []).map(DatabaseId)
}

/// The key that the values are sealed with, once there is one.
pub(in super::super) fn data_key(db: &Connection) -> Result<Option<DataKeyId>, StoreError> {
    let id: Option<[u8; 4]> = value(db, "SELECT data_key FROM meta", [])?;
    Ok(id.map(DataKeyId))
}

pub(in super::super) fn set_data_key(db: &Connection, id: DataKeyId) -> Result<(), StoreError> {
    execute(db, "UPDATE meta SET data_key = ?1", [id.0]).map(drop)
}

/// Whether there is anything that would be lost with the key.
pub(in super::super) fn has_sealed_values(db: &Connection) -> Result<bool, StoreError> {
    value(
        db,
        "SELECT EXISTS (SELECT 1 FROM refresh_token)
             OR EXISTS (SELECT 1 FROM access_token)
             OR EXISTS (SELECT 1 FROM proof_key)
             OR EXISTS (SELECT 1 FROM client WHERE secret IS NOT NULL)
             OR EXISTS (SELECT 1 FROM attempt WHERE secret IS NOT NULL OR answer IS NOT NULL)
             OR EXISTS (SELECT 1 FROM errand)",
        [],
    )
}

/// The first flight number that was never used.
pub(in super::super) fn next_flight(db: &Connection) -> Result<FlightId, StoreError> {
    value(db, "SELECT next_flight FROM meta", [])
}

/// Notes that a flight number is used.
pub(in super::super) fn use_flight(db: &Connection, flight: FlightId) -> Result<(), StoreError> {
    let sql = "UPDATE meta SET next_flight = max(next_flight, ?1 + 1)";
    execute(db, sql, [flight]).map(drop)
}

/// The first number that no rule ever had.
pub(in super::super) fn next_rule(db: &Connection) -> Result<RuleId, StoreError> {
    value(db, "SELECT next_rule FROM meta", []).map(RuleId)
}

/// Notes that a rule's number is used.
pub(in super::super) fn use_rule(db: &Connection, rule: RuleId) -> Result<(), StoreError> {
    execute(db, "UPDATE meta SET next_rule = max(next_rule, ?1 + 1)", [rule.0]).map(drop)
}
