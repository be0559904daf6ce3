//! The model's words as SQL values.

use std::time::Duration;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Error, Row};

use crate::model::{
    AccountId, AccountName, Boot, BootId, ClientId, Decision, ErrandId, FlightId, Generation,
    GrantType, Identity, Now, Pattern, ProviderId, Scopes, Stamp, Standing, Target, Values, Wall,
};

macro_rules! text {
    ($($name:ty),+) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.as_str()))
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_str()?.parse().map_err(FromSqlError::other)
            }
        }
    )+};
}

text!(AccountId, AccountName, ProviderId, ClientId);

macro_rules! read_text {
    ($($name:ty),+) => {$(
        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_str()?.parse().map_err(FromSqlError::other)
            }
        }
    )+};
}

read_text!(Pattern, Identity, Decision, GrantType);

// SQLite's integers are signed
macro_rules! number {
    ($($name:ident),+) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                let number = i64::try_from(self.0);
                let number = number.map_err(|error| Error::ToSqlConversionFailure(error.into()))?;
                Ok(ToSqlOutput::from(number))
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let number = value.as_i64()?;
                u64::try_from(number).map(Self).map_err(|_| FromSqlError::OutOfRange(number))
            }
        }
    )+};
}

number!(FlightId, Generation, ErrandId);

impl ToSql for Scopes {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.join(" ")))
    }
}

impl FromSql for Scopes {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str().map(Self::parse_lenient)
    }
}

/// What tokens are for, from two columns, the first of which is `first`. What cannot be read is left out.
pub(super) fn target(row: &Row<'_>, first: usize) -> rusqlite::Result<Target> {
    let resources: Option<String> = row.get(first)?;
    let audience: Option<String> = row.get(first + 1)?;
    Ok(Target {
        resources: resources
            .unwrap_or_default()
            .split(' ')
            .filter_map(|text| text.parse().ok())
            .collect(),
        audience: audience.and_then(|text| text.parse().ok()),
    })
}

/// Values as their column; nothing where there are none.
pub(super) fn values_column(values: &Values) -> Option<String> {
    (!values.is_empty()).then(|| serde_json::to_string(values).ok()).flatten()
}

/// Values from their column. What cannot be read is left out.
pub(super) fn values(row: &Row<'_>, column: usize) -> rusqlite::Result<Values> {
    let text: Option<String> = row.get(column)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// A stamp from three columns, the first of which is `first`.
pub(super) fn stamp(row: &Row<'_>, first: usize) -> rusqlite::Result<Stamp> {
    let at = Now { wall: Wall(row.get(first)?), boot: Boot(row.get(first + 1)?) };
    Ok(Stamp { at, boot_id: BootId(row.get(first + 2)?) })
}

/// A lifetime in whole milliseconds; longer than 292 million years counts as that.
pub(super) fn millis(lifetime: Option<Duration>) -> Option<i64> {
    lifetime.map(|lifetime| i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX))
}

/// A lifetime from its column.
pub(super) fn lifetime(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Duration>> {
    let millis: Option<i64> = row.get(column)?;
    let parsed = millis.map(|millis| {
        u64::try_from(millis)
            .map(Duration::from_millis)
            .map_err(|_| Error::IntegralValueOutOfRange(column, millis))
    });
    parsed.transpose()
}

/// The two columns of a standing: its name and why.
pub(super) fn standing_columns(standing: &Standing) -> (&'static str, Option<&str>) {
    match standing {
        Standing::Good => ("good", None),
        Standing::NeedsLogin { why } => ("needs-login", Some(why)),
        Standing::Held { why } => ("held", Some(why)),
    }
}

/// A standing from its two columns, the first of which is `first`.
pub(super) fn standing(row: &Row<'_>, first: usize) -> rusqlite::Result<Standing> {
    let name: String = row.get(first)?;
    let why = || row.get::<_, Option<String>>(first + 1).map(Option::unwrap_or_default);
    match name.as_str() {
        "good" => Ok(Standing::Good),
        "needs-login" => Ok(Standing::NeedsLogin { why: why()? }),
        "held" => Ok(Standing::Held { why: why()? }),
        // the column's CHECK lets nothing else in
        _ => Err(Error::InvalidColumnType(first, "standing".into(), rusqlite::types::Type::Text)),
    }
}
