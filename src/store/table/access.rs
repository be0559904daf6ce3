//! `access_token`: the last one of each account.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Row, params};

use crate::model::{
    AccessToken, AccountId, Generation, Issued, LazyToken, Scopes, Stamp, TokenType, Values,
};

use super::super::error::StoreError;
use super::super::seal::{OpenError, Place, Sealer};
use super::super::sql;
use super::account::Account;
use super::{each, execute, row};

macro_rules! select {
    () => {
        "SELECT t.account, a.account, t.generation, t.token, t.token_type, t.scopes,
                t.sent_wall_ms, t.sent_boot_ms, t.sent_boot_id, t.lifetime_ms, a.captured
         FROM access_token t JOIN account a ON a.id = t.account"
    };
}

/// Replaces an account's access token by one of that generation.
pub(in super::super) fn put(
    db: &Connection,
    sealer: &Sealer,
    account: &Account,
    generation: Generation,
    issued: &Issued,
) -> Result<(), StoreError> {
    let Some(token) = issued.access.open() else { return delete(db, account) };
    let place = place(account.row, &account.id, generation.0);
    let blob = sealer.seal(token.expose().as_bytes(), &place)?;
    let sql = "INSERT OR REPLACE INTO access_token
                   (account, generation, token, token_type, scopes,
                    sent_wall_ms, sent_boot_ms, sent_boot_id, lifetime_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let sent = &issued.sent;
    let values = params![
        account.row,
        generation,
        blob,
        issued.token_type.as_str(),
        issued.scopes,
        sent.at.wall.0,
        sent.at.boot.0,
        sent.boot_id.0,
        sql::millis(issued.lifetime),
    ];
    execute(db, sql, values).map(drop)
}

/// Erases an account's access token, if there is one.
pub(in super::super) fn delete(db: &Connection, account: &Account) -> Result<(), StoreError> {
    execute(db, "DELETE FROM access_token WHERE account = ?1", [account.row]).map(drop)
}

/// Opens an account's access token, if there is one.
pub(in super::super) fn open(
    db: &Connection,
    sealer: &Sealer,
    account: &Account,
) -> Result<Option<AccessToken>, StoreError> {
    let sql = concat!(select!(), " WHERE t.account = ?1");
    let Some(token) = row(db, sql, [account.row], Sealed::read)? else { return Ok(None) };
    let place = place(token.row, &account.id, token.generation.0);
    let text = sealer.open_text(&token.blob, &place).map_err(|error| error.at(&place))?;
    Ok(Some(AccessToken::new(text)))
}

/// The access tokens of all accounts, each opened when somebody wants it. One that is damaged then is none, since a
/// refresh brings another.
pub(in super::super) fn load(
    db: &Connection,
    sealer: &Arc<Sealer>,
) -> Result<HashMap<AccountId, Arc<Issued>>, StoreError> {
    let mut all = HashMap::new();
    each(db, select!(), |row| {
        let token = Sealed::read(row)?;
        let account = token.account.clone();
        match sealer.look_at(&token.blob) {
            Ok(()) => drop(all.insert(account, Arc::new(token.issued(Arc::clone(sealer))))),
            Err(OpenError::Damaged) => left_out(&account),
            Err(error) => return Err(error.at(&place(token.row, &account, token.generation.0))),
        }
        Ok(())
    })?;
    Ok(all)
}

/// A row before its token is opened.
struct Sealed {
    row: i64,
    account: AccountId,
    generation: Generation,
    blob: Vec<u8>,
    token_type: TokenType,
    scopes: Scopes,
    sent: Stamp,
    lifetime: Option<Duration>,
    values: Values,
}

impl Sealed {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            row: row.get(0)?,
            account: row.get(1)?,
            generation: row.get(2)?,
            blob: row.get(3)?,
            token_type: TokenType::parse(row.get_ref(4)?.as_str()?),
            scopes: row.get(5)?,
            sent: sql::stamp(row, 6)?,
            lifetime: sql::lifetime(row, 9)?,
            values: sql::values(row, 10)?,
        })
    }

    fn issued(self, sealer: Arc<Sealer>) -> Issued {
        let Self { row, account, generation, blob, token_type, scopes, sent, lifetime, values } =
            self;
        let access = LazyToken::sealed(move || {
            let opened = sealer.open_text(&blob, &place(row, &account, generation.0));
            opened.inspect_err(|_| left_out(&account)).ok().map(AccessToken::new)
        });
        Issued { access, token_type, scopes, sent, lifetime, values }
    }
}

fn left_out(account: &AccountId) {
    tracing::warn!(%account, "an access token is damaged, left out");
}

fn place(row: i64, account: &AccountId, generation: u64) -> Place<'_> {
    Place { table: "access_token", column: "token", row, owner: account.as_str(), generation }
}
