//! `attempt`: flights under way. A row that is still there at a start tells how far its flight came.

use rusqlite::{Connection, ErrorCode, Row, params};

use crate::model::{
    AccountId, AccountSeed, Audience, ClientKey, ClientRecord, ClientSecret, FlightId, Generation,
    Portion, RawAnswer, Registration, Stamp, Target, Wall,
};

use super::super::command::{Attempt, AttemptKind, Exchange};
use super::super::error::{Refusal, StoreError};
use super::super::raw;
use super::super::seal::{OpenError, Place, Sealer};
use super::super::sql;
use super::{each, execute, row};

macro_rules! select {
    () => {
        "SELECT flight, account, sent_wall_ms, sent_boot_ms, sent_boot_id, generation,
                name, scopes, provider, client, redirect_uri, discovered, secret, answer,
                resources, audience, grant_type, captured, registration,
                secret_ends_wall_ms FROM attempt"
    };
}

/// Writes down that a refresh is about to be sent.
pub(in super::super) fn insert_refresh(
    db: &Connection,
    flight: FlightId,
    sent: &Stamp,
    account: &AccountId,
    generation: Generation,
    portion: Option<&Portion>,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO attempt (flight, account, sent_wall_ms, sent_boot_ms, sent_boot_id,
                                    generation, scopes, resources, audience)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let Stamp { at, boot_id } = sent;
    let scopes = portion.map(|portion| &portion.scopes);
    let target = portion.map(|portion| &portion.target);
    let values = params![
        flight,
        account,
        at.wall.0,
        at.boot.0,
        boot_id.0,
        generation,
        scopes,
        target.map(Target::join),
        target.and_then(|target| target.audience.as_ref()).map(Audience::as_str),
    ];
    db.prepare_cached(sql)?.execute(values).map(drop).map_err(taken)
}

/// Writes down that the end of a sign-in is about to be sent.
pub(in super::super) fn insert_exchange(
    db: &Connection,
    sealer: &Sealer,
    flight: FlightId,
    sent: &Stamp,
    exchange: &Exchange,
) -> Result<(), StoreError> {
    let Exchange { seed, client, secret, registration, key: _ } = exchange;
    let secret = match secret {
        Some(secret) => {
            let place = place("secret", flight, &seed.id, None);
            Some(sealer.seal(secret.expose().as_bytes(), &place)?)
        }
        None => None,
    };
    let registration = match registration {
        Some(registration) => {
            let place = place("registration", flight, &seed.id, None);
            Some(sealer.seal(registration.expose().as_bytes(), &place)?)
        }
        None => None,
    };
    let sql = "INSERT INTO attempt (flight, account, sent_wall_ms, sent_boot_ms, sent_boot_id,
                                    name, scopes, provider, client, redirect_uri, discovered,
                                    secret, resources, audience, grant_type, captured,
                                    registration, secret_ends_wall_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
                       ?17, ?18)";
    let Stamp { at, boot_id } = sent;
    let values = params![
        flight,
        seed.id,
        at.wall.0,
        at.boot.0,
        boot_id.0,
        seed.name,
        seed.scopes,
        client.key.provider,
        client.key.client,
        client.redirect_uri,
        client.discovered,
        secret,
        seed.target.join(),
        seed.target.audience.as_ref().map(Audience::as_str),
        seed.grant.to_string(),
        sql::values_column(&seed.values),
        registration,
        client.secret_ends.map(|ends| ends.0),
    ];
    db.prepare_cached(sql)?.execute(values).map(drop).map_err(taken)
}

/// Writes down what came back.
pub(in super::super) fn set_answer(
    db: &Connection,
    sealer: &Sealer,
    flight: FlightId,
    answer: &RawAnswer,
) -> Result<(), StoreError> {
    let open = find(db, flight)?.ok_or(Refusal::UnknownFlight)?;
    let blob = sealer.seal(&raw::encode(answer), &open.place("answer"))?;
    let sql = "UPDATE attempt SET answer = ?2 WHERE flight = ?1";
    execute(db, sql, params![flight, blob]).map(drop)
}

/// Ends an attempt.
pub(in super::super) fn delete(db: &Connection, flight: FlightId) -> Result<(), StoreError> {
    execute(db, "DELETE FROM attempt WHERE flight = ?1", [flight]).map(drop)
}

/// Ends all attempts of an account. Gives the clients of sign-ins among them, which may be of no use any more.
pub(in super::super) fn delete_all(
    db: &Connection,
    account: &AccountId,
) -> Result<Vec<ClientKey>, StoreError> {
    let sql = "SELECT provider, client FROM attempt WHERE account = ?1 AND provider IS NOT NULL";
    let mut statement = db.prepare_cached(sql)?;
    let read = |row: &Row<'_>| Ok(ClientKey { provider: row.get(0)?, client: row.get(1)? });
    let clients = statement.query_map([account], read)?.collect::<Result<_, _>>()?;
    execute(db, "DELETE FROM attempt WHERE account = ?1", [account])?;
    Ok(clients)
}

/// An open attempt, its secrets still sealed.
pub(in super::super) struct OpenAttempt {
    pub(in super::super) flight: FlightId,
    pub(in super::super) account: AccountId,
    pub(in super::super) sent: Stamp,
    pub(in super::super) kind: AttemptKind,
    secret: Option<Vec<u8>>,
    registration: Option<Vec<u8>>,
    answer: Option<Vec<u8>>,
}

pub(in super::super) fn find(
    db: &Connection,
    flight: FlightId,
) -> Result<Option<OpenAttempt>, StoreError> {
    row(db, concat!(select!(), " WHERE flight = ?1"), [flight], OpenAttempt::read)
}

/// The attempts that the last run left open. An answer that is damaged counts as none: what the
/// provider did is unknown then, as it is when nothing came back.
pub(in super::super) fn load(db: &Connection, sealer: &Sealer) -> Result<Vec<Attempt>, StoreError> {
    let mut attempts = Vec::new();
    each(db, concat!(select!(), " ORDER BY flight"), |row| {
        let open = OpenAttempt::read(row)?;
        let answer = match open.answer(sealer) {
            Ok(answer) => answer,
            Err(OpenError::Damaged) => {
                tracing::warn!(flight = open.flight.0, "a stored answer is damaged, left out");
                None
            }
            Err(error) => return Err(error.at(&open.place("answer"))),
        };
        attempts.push(Attempt { flight: open.flight, kind: open.kind, sent: open.sent, answer });
        Ok(())
    })?;
    Ok(attempts)
}

impl OpenAttempt {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let account: AccountId = row.get(1)?;
        let kind = match row.get(5)? {
            Some(generation) => {
                // with scopes, if only with none, it is for a part
                let portion = match row.get(7)? {
                    Some(scopes) => Some(Portion { scopes, target: sql::target(row, 14)? }),
                    None => None,
                };
                AttemptKind::Refresh { account: account.clone(), generation, portion }
            }
            None => exchange(row, &account)?,
        };
        Ok(Self {
            flight: row.get(0)?,
            account,
            sent: sql::stamp(row, 2)?,
            kind,
            secret: row.get(12)?,
            registration: row.get(18)?,
            answer: row.get(13)?,
        })
    }

    /// The client secret that was given with the sign-in, if one was.
    pub(in super::super) fn secret(
        &self,
        sealer: &Sealer,
    ) -> Result<Option<ClientSecret>, StoreError> {
        let Some(blob) = &self.secret else { return Ok(None) };
        let place = self.place("secret");
        let secret = sealer.open_text(blob, &place).map_err(|error| error.at(&place))?;
        Ok(Some(ClientSecret::new(secret)))
    }

    /// By what the client is managed, if it registered itself for the sign-in.
    pub(in super::super) fn registration(
        &self,
        sealer: &Sealer,
    ) -> Result<Option<Registration>, StoreError> {
        let Some(blob) = &self.registration else { return Ok(None) };
        let place = self.place("registration");
        let text = sealer.open_text(blob, &place).map_err(|error| error.at(&place))?;
        Ok(Some(Registration::new(text)))
    }

    fn answer(&self, sealer: &Sealer) -> Result<Option<RawAnswer>, OpenError> {
        let Some(blob) = &self.answer else { return Ok(None) };
        let plain = sealer.open(blob, &self.place("answer"))?;
        raw::decode(&plain).map(Some).ok_or(OpenError::Damaged)
    }

    fn place(&self, column: &'static str) -> Place<'_> {
        let generation = match self.kind {
            AttemptKind::Refresh { generation, .. } => Some(generation),
            AttemptKind::Exchange { .. } => None,
        };
        place(column, self.flight, &self.account, generation)
    }
}

fn exchange(row: &Row<'_>, account: &AccountId) -> rusqlite::Result<AttemptKind> {
    let key = ClientKey { provider: row.get(8)?, client: row.get(9)? };
    Ok(AttemptKind::Exchange {
        seed: Box::new(AccountSeed {
            id: account.clone(),
            name: row.get(6)?,
            client: key.clone(),
            scopes: row.get(7)?,
            target: sql::target(row, 14)?,
            grant: row.get::<_, Option<_>>(16)?.unwrap_or_default(),
            values: sql::values(row, 17)?,
        }),
        client: ClientRecord {
            key,
            redirect_uri: row.get(10)?,
            discovered: row.get(11)?,
            secret_ends: row.get::<_, Option<i64>>(19)?.map(Wall),
        },
    })
}

fn place<'a>(
    column: &'static str,
    flight: FlightId,
    account: &'a AccountId,
    generation: Option<Generation>,
) -> Place<'a> {
    Place {
        table: "attempt",
        column,
        // the column is an INTEGER, so a number that is stored fits
        row: flight.0.cast_signed(),
        owner: account.as_str(),
        generation: generation.unwrap_or_default().0,
    }
}

/// The only constraint that an insertion can break is the flight's number.
fn taken(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => Refusal::FlightTaken.into(),
        _ => error.into(),
    }
}
