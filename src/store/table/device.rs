//! `device`: sign-ins that wait for the user to agree on another device.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Row, params};
use zeroize::Zeroizing;

use crate::model::{
    AccountId, AccountSeed, Audience, ClientKey, ClientRecord, ClientSecret, DeviceCode, GrantType,
    Registration, RequestId, Values, Wall,
};

use super::super::command::DeviceSignIn;
use super::super::error::StoreError;
use super::super::seal::{OpenError, Place, Sealer};
use super::super::sql;
use super::{each, execute};

/// Writes a sign-in down.
pub(in super::super) fn put(
    db: &Connection,
    sealer: &Sealer,
    device: &DeviceSignIn,
) -> Result<(), StoreError> {
    let DeviceSignIn { request, seed, client, secret, registration, code, .. } = device;
    let owner = owner(request, &seed.id);
    let secret = match secret {
        Some(secret) => Some(sealer.seal(secret.expose().as_bytes(), &place("secret", &owner))?),
        None => None,
    };
    let registration = match registration {
        Some(registration) => {
            let place = place("registration", &owner);
            Some(sealer.seal(registration.expose().as_bytes(), &place)?)
        }
        None => None,
    };
    let code = sealer.seal(code.expose().as_bytes(), &place("device_code", &owner))?;
    let sql = "INSERT OR REPLACE INTO device
                   (request, account, name, scopes, resources, audience, provider, client,
                    discovered, secret, device_code, user_code, verification_uri,
                    verification_uri_complete, interval_s, sent_wall_ms, sent_boot_ms,
                    sent_boot_id, lifetime_ms, registration, secret_ends_wall_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
                       ?17, ?18, ?19, ?20, ?21)";
    let seconds = i64::try_from(device.interval.as_secs()).unwrap_or(i64::MAX);
    let params = params![
        request.as_str(),
        seed.id,
        seed.name,
        seed.scopes,
        seed.target.join(),
        seed.target.audience.as_ref().map(Audience::as_str),
        client.key.provider,
        client.key.client,
        client.discovered,
        secret,
        code,
        device.user_code,
        device.verification_uri,
        device.verification_uri_complete,
        seconds,
        device.began.at.wall.0,
        device.began.at.boot.0,
        device.began.boot_id.0,
        sql::millis(Some(device.lifetime)),
        registration,
        client.secret_ends.map(|ends| ends.0),
    ];
    execute(db, sql, params).map(drop)
}

/// Forgets one.
pub(in super::super) fn delete(db: &Connection, request: &RequestId) -> Result<(), StoreError> {
    execute(db, "DELETE FROM device WHERE request = ?1", [request.as_str()]).map(drop)
}

/// Forgets those of an account, or of its name: it is signed in.
pub(in super::super) fn delete_of(db: &Connection, seed: &AccountSeed) -> Result<(), StoreError> {
    let sql = "DELETE FROM device WHERE account = ?1 OR name = ?2";
    execute(db, sql, params![seed.id, seed.name]).map(drop)
}

/// The sign-ins that the last run left open. One that cannot be opened is left out: it is started
/// again as easily.
pub(in super::super) fn load(
    db: &Connection,
    sealer: &Sealer,
) -> Result<Vec<DeviceSignIn>, StoreError> {
    let mut devices = Vec::new();
    let sql = "SELECT request, account, name, scopes, resources, audience, provider, client,
                      discovered, secret, device_code, user_code, verification_uri,
                      verification_uri_complete, interval_s, sent_wall_ms, sent_boot_ms,
                      sent_boot_id, lifetime_ms, registration, secret_ends_wall_ms FROM device ORDER BY request";
    each(db, sql, |row| {
        match read(row, sealer)? {
            Ok(device) => devices.push(device),
            Err(request) => tracing::warn!(%request, "an open sign-in is damaged, left out"),
        }
        Ok(())
    })?;
    Ok(devices)
}

fn read(row: &Row<'_>, sealer: &Sealer) -> Result<Result<DeviceSignIn, String>, StoreError> {
    let text: String = row.get(0)?;
    let Ok(request) = text.parse::<RequestId>() else { return Ok(Err(text)) };
    let id: AccountId = row.get(1)?;
    let owner = owner(&request, &id);
    let open = |column: &'static str, blob: &[u8]| -> Result<Option<String>, StoreError> {
        match sealer.open_text(blob, &place(column, &owner)) {
            Ok(text) => Ok(Some(text)),
            Err(OpenError::Damaged) => Ok(None),
            Err(error) => Err(error.at(&place(column, &owner))),
        }
    };
    let blob: Vec<u8> = row.get(10)?;
    let Some(code) = open("device_code", &blob)?.map(DeviceCode::new) else {
        return Ok(Err(text));
    };
    let secret = match row.get::<_, Option<Vec<u8>>>(9)?.map(Zeroizing::new) {
        Some(blob) => open("secret", &blob)?.map(|text| Arc::new(ClientSecret::new(text))),
        None => None,
    };
    let registration = match row.get::<_, Option<Vec<u8>>>(19)? {
        Some(blob) => open("registration", &blob)?.map(|text| Arc::new(Registration::new(text))),
        None => None,
    };
    let key = ClientKey { provider: row.get(6)?, client: row.get(7)? };
    let seconds: i64 = row.get(14)?;
    Ok(Ok(DeviceSignIn {
        seed: AccountSeed {
            id,
            name: row.get(2)?,
            client: key.clone(),
            scopes: row.get(3)?,
            target: sql::target(row, 4)?,
            grant: GrantType::Code,
            values: Values::default(),
        },
        client: ClientRecord {
            key,
            redirect_uri: None,
            discovered: row.get(8)?,
            secret_ends: row.get::<_, Option<i64>>(20)?.map(Wall),
        },
        secret,
        registration,
        // it has a table of its own
        key: None,
        code: Arc::new(code),
        user_code: row.get(11)?,
        verification_uri: row.get(12)?,
        verification_uri_complete: row.get(13)?,
        interval: Duration::from_secs(u64::try_from(seconds).unwrap_or(5)),
        began: sql::stamp(row, 15)?,
        lifetime: sql::lifetime(row, 18)?.unwrap_or_default(),
        request,
    }))
}

/// A code is bound to its sign-in and to the account that it is for.
fn owner(request: &RequestId, account: &AccountId) -> String {
    format!("{request} {account}")
}

fn place<'a>(column: &'static str, owner: &'a str) -> Place<'a> {
    Place { table: "device", column, row: 0, owner, generation: 0 }
}
