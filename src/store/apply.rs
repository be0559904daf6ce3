//! What each command means, in terms of the tables. Every function here runs inside a savepoint: on
//! an error nothing of it stays.

use std::sync::Arc;

use rusqlite::Connection;

use crate::model::{
    AccountId, AccountName, AccountSeed, Adjustment, ClientKey, ClientRecord, ClientSecret,
    FlightId, Generation, GrantChange, Kept, OLDER_COPY, Rule, Standing, Wall,
};

use super::command::{
    AttemptKind, Begin, BeginKind, Credentials, DeviceSignIn, Erased, Exchange, Left, Notes,
    OpenedClient, Owed,
};
use super::error::{Refusal, StoreError};
use super::seal::Sealer;
use super::table::attempt::OpenAttempt;
use super::table::proof_key::{self, Of};
use super::table::refresh::Fresh;
use super::table::{access, account, attempt, client, device, errand, meta, refresh, rule, usage};

/// The intent of a flight; gives what its request is made with.
pub(super) fn begin(
    db: &Connection,
    sealer: &Sealer,
    start: &Begin,
) -> Result<Credentials, StoreError> {
    let Begin { flight, sent, kind } = start;
    meta::use_flight(db, *flight)?;
    match kind {
        BeginKind::Refresh { account, generation, portion } => {
            let found = account::find(db, account)?.ok_or(Refusal::UnknownAccount)?;
            if found.generation != *generation {
                return Err(Refusal::Generation { current: found.generation }.into());
            }
            let token = refresh::open(db, sealer, &found)?.ok_or(Refusal::NoRefreshToken)?;
            attempt::insert_refresh(db, *flight, sent, account, *generation, portion.as_ref())?;
            let secret = client::open(db, sealer, found.client)?;
            Ok(Credentials { refresh: Some(token), secret })
        }
        BeginKind::Exchange(exchange) => {
            // refused now rather than after the code is spent
            account::check_name(db, &exchange.seed)?;
            attempt::insert_exchange(db, sealer, *flight, sent, exchange)?;
            if let Some(key) = &exchange.key {
                proof_key::put(db, sealer, Of::Flight(*flight, &exchange.seed.id), key)?;
            }
            Ok(Credentials { refresh: None, secret: exchange_secret(db, sealer, exchange)? })
        }
    }
}

/// The outcome of a flight, and its end.
pub(super) fn grant(
    db: &Connection,
    sealer: &Sealer,
    change: &GrantChange,
) -> Result<Kept, StoreError> {
    let flight = open_attempt(db, change.flight, &change.account)?;
    let of_flight = Of::Flight(change.flight, &change.account);
    let key = if_it_opens(&change.account, proof_key::open(db, sealer, of_flight))?;
    attempt::delete(db, change.flight)?;
    if let AttemptKind::Exchange { seed, client } = &flight.kind {
        settle(db, sealer, &flight, seed, client)?;
        // What the login makes void goes with it: a crash must not leave a sign-in that asks again with a code that
        // is used, nor a revocation of the login before that would end this one.
        device::delete_of(db, seed)?;
        errand::delete_superseded(db, seed)?;
    }
    let account = account::find(db, &change.account)?.ok_or(Refusal::UnknownAccount)?;
    if let AttemptKind::Refresh { generation, .. } = flight.kind
        && generation != account.generation
    {
        // another login is in force: what a refresh of the one before brought must not replace it
        return Ok(Kept::Superseded);
    }
    let is_login = matches!(flight.kind, AttemptKind::Exchange { .. });
    let generation = match change.refresh {
        None if !is_login => account.generation,
        _ => account.generation.next(),
    };
    account::set_generation(db, account.row, generation)?;
    account::set_standing(db, &account.id, &Standing::Good)?;
    if is_login {
        // Another login: its tokens may be for another person or other scopes. Nothing of the one
        // before goes on, even where this one brought nothing in its place.
        refresh::set_aside(db, &account, &flight.sent)?;
        access::delete(db, &account)?;
        proof_key::set_aside(db, &account, flight.sent.at.wall)?;
        if let Some(key) = &key {
            proof_key::put(db, sealer, Of::Account(&account), key)?;
        }
        account::set_signed_in(db, account.row, flight.sent.at.wall)?;
    } else {
        refresh::release(db, &account.id)?;
    }
    if let Some(token) = &change.refresh {
        let lifetime = change.refresh_lifetime;
        let fresh = Fresh { token, generation, sent: &flight.sent, lifetime };
        refresh::put(db, sealer, &account, &fresh)?;
    } else if let Some(lifetime) = change.refresh_lifetime {
        refresh::prolong(db, &account, &flight.sent, lifetime)?;
    }
    if let Some(issued) = &change.issued {
        access::put(db, sealer, &account, generation, issued)?;
        account::set_values(db, account.row, &issued.values)?;
        if let AttemptKind::Refresh { generation, .. } = flight.kind {
            // the provider honoured this generation: those before it are spent for certain
            refresh::erase_before(db, &account, generation)?;
        }
    }
    Ok(Kept::InForce(generation))
}

/// The end of a flight that brought nothing.
pub(super) fn abandon(
    db: &Connection,
    flight: FlightId,
    account: &AccountId,
    standing: Option<&Standing>,
) -> Result<(), StoreError> {
    let flight = open_attempt(db, flight, account)?;
    attempt::delete(db, flight.flight)?;
    if let Some(standing) = standing {
        account::set_standing(db, account, standing)?;
        if let Standing::NeedsLogin { .. } = standing {
            refresh::quarantine(db, account, flight.sent.at.wall)?;
        }
    }
    // an erased account's client may have waited for this sign-in
    match flight.kind {
        AttemptKind::Exchange { client, .. } => client::delete_if_unused(db, &client.key),
        AttemptKind::Refresh { .. } => Ok(()),
    }
}

pub(super) fn stand(
    db: &Connection,
    account: &AccountId,
    standing: &Standing,
) -> Result<(), StoreError> {
    if account::set_standing(db, account, standing)? {
        match standing {
            // its token is to be used again
            Standing::Good => refresh::release(db, account),
            Standing::NeedsLogin { .. } | Standing::Held { .. } => Ok(()),
        }
    } else {
        Err(Refusal::UnknownAccount.into())
    }
}

/// An account whose newest generation is known to be a higher one: this database is an older copy. What
/// it was about to send, or has on record as an answer, is as old.
pub(super) fn set_back(
    db: &Connection,
    id: &AccountId,
    newest: Generation,
    now: Wall,
) -> Result<Option<AccountName>, StoreError> {
    let found = account::find(db, id)?;
    if found.as_ref().map_or(Generation(0), |account| account.generation) >= newest {
        return Ok(None);
    }
    end_attempts(db, id)?;
    let Some(account) = found else { return Ok(None) };
    // what comes next is newer than all that ever was
    account::set_generation(db, account.row, newest)?;
    let name = account::name(db, account.row)?;
    let why = format!(
        "{OLDER_COPY}: the login may still be good, but if its refresh token was replaced since, to \
         use it now could end it; to have it tried all the same, run: ostler resume {name}"
    );
    account::set_standing(db, id, &Standing::NeedsLogin { why })?;
    refresh::quarantine(db, id, now)?;
    Ok(Some(name))
}

/// A sign-in on another device, and its key.
pub(super) fn put_device(
    db: &Connection,
    sealer: &Sealer,
    sign_in: &DeviceSignIn,
) -> Result<(), StoreError> {
    device::put(db, sealer, sign_in)?;
    match &sign_in.key {
        Some(key) => {
            proof_key::put(db, sealer, Of::Device(&sign_in.request, &sign_in.seed.id), key)
        }
        None => Ok(()),
    }
}

/// A rule about which programs may have tokens.
pub(super) fn set_rule(db: &Connection, rule: &Rule) -> Result<(), StoreError> {
    meta::use_rule(db, rule.id)?;
    rule::put(db, rule)
}

/// What was used lately.
pub(super) fn note(db: &Connection, notes: &Notes) -> Result<(), StoreError> {
    for usage in &notes.usage {
        usage::put(db, usage)?;
    }
    for (rule, at) in &notes.rules {
        rule::set_used(db, *rule, *at)?;
    }
    Ok(())
}

/// What the user changed about an account.
pub(super) fn adjust(
    db: &Connection,
    account: &AccountId,
    to: &Adjustment,
) -> Result<(), StoreError> {
    let found = account::find(db, account)?.ok_or(Refusal::UnknownAccount)?;
    match to {
        Adjustment::Rename(name) => account::set_name(db, &found, name),
        Adjustment::Enable(enabled) => account::set_enabled(db, &found, *enabled),
    }
}

/// The end of an account.
pub(super) fn erase(
    db: &Connection,
    sealer: &Sealer,
    account: &AccountId,
    owed: Option<&Owed>,
) -> Result<Erased, StoreError> {
    let found = account::find(db, account)?.ok_or(Refusal::UnknownAccount)?;
    let mut erased = left_by(db, sealer, &found)?;
    if !client::is_used_besides(db, found.client, found.row)? {
        let registration = client::open_registration(db, sealer, found.client);
        erased.left.registration = if_it_opens(account, registration)?;
    }
    note_errand(db, sealer, &found, &mut erased, owed)?;
    account::delete(db, found.row)?;
    end_attempts(db, account)?;
    client::delete_unused(db, found.client)?;
    Ok(erased)
}

/// The end of a login, whose account stays.
pub(super) fn give_back(
    db: &Connection,
    sealer: &Sealer,
    account: &AccountId,
    standing: &Standing,
    owed: &Owed,
) -> Result<Erased, StoreError> {
    let found = account::find(db, account)?.ok_or(Refusal::UnknownAccount)?;
    let mut erased = left_by(db, sealer, &found)?;
    note_errand(db, sealer, &found, &mut erased, Some(owed))?;
    end_attempts(db, account)?;
    refresh::delete_all(db, &found)?;
    access::delete(db, &found)?;
    proof_key::delete_of(db, &found)?;
    account::set_standing(db, account, standing)?;
    Ok(erased)
}

/// Ends what is under way of an account. A client that it alone kept goes with it.
fn end_attempts(db: &Connection, account: &AccountId) -> Result<(), StoreError> {
    for client in &attempt::delete_all(db, account)? {
        client::delete_if_unused(db, client)?;
    }
    Ok(())
}

/// What is kept of a client.
pub(super) fn open_client(
    db: &Connection,
    sealer: &Sealer,
    key: &ClientKey,
) -> Result<OpenedClient, StoreError> {
    let row = client::find(db, key)?.ok_or(Refusal::UnknownClient)?;
    Ok(OpenedClient {
        secret: client::open(db, sealer, row)?,
        registration: client::open_registration(db, sealer, row)?,
    })
}

/// What there is to be revoked.
fn left_by(
    db: &Connection,
    sealer: &Sealer,
    account: &account::Account,
) -> Result<Erased, StoreError> {
    let access = if_it_opens(&account.id, access::open(db, sealer, account))?;
    let left = Left {
        refresh: if_it_opens(&account.id, refresh::open(db, sealer, account))?,
        access: access.map(Arc::new),
        secret: if_it_opens(&account.id, client::open(db, sealer, account.client))?,
        registration: None,
    };
    Ok(Erased { left, client: client::record(db, account.client)?, errand: None })
}

/// What is to be done at the provider is written down before the account goes.
fn note_errand(
    db: &Connection,
    sealer: &Sealer,
    account: &account::Account,
    erased: &mut Erased,
    owed: Option<&Owed>,
) -> Result<(), StoreError> {
    if let Some(owed) = owed.filter(|_| !erased.left.is_empty()) {
        let name = account::name(db, account.row)?;
        erased.errand = errand::put(db, sealer, (&account.id, &name), erased, owed)?;
    }
    Ok(())
}

fn open_attempt(
    db: &Connection,
    flight: FlightId,
    account: &AccountId,
) -> Result<OpenAttempt, StoreError> {
    attempt::find(db, flight)?
        .filter(|attempt| attempt.account == *account)
        .ok_or_else(|| Refusal::UnknownFlight.into())
}

/// Creates or renews what a sign-in was for.
fn settle(
    db: &Connection,
    sealer: &Sealer,
    flight: &OpenAttempt,
    seed: &AccountSeed,
    client: &ClientRecord,
) -> Result<(), StoreError> {
    account::check_name(db, seed)?;
    let row = client::put(db, client)?;
    if let Some(secret) = if_it_opens(&seed.id, flight.secret(sealer))? {
        client::set_secret(db, sealer, row, &secret)?;
    }
    if let Some(registration) = if_it_opens(&seed.id, flight.registration(sealer))? {
        client::set_registration(db, sealer, row, &registration)?;
    }
    let before = account::find(db, &seed.id)?.map(|account| account.client);
    account::put(db, seed, row)?;
    match before {
        Some(before) if before != row => client::delete_unused(db, before),
        _ => Ok(()),
    }
}

/// The secret to complete a sign-in with: the one given, else the one stored.
fn exchange_secret(
    db: &Connection,
    sealer: &Sealer,
    exchange: &Exchange,
) -> Result<Option<ClientSecret>, StoreError> {
    if let Some(given) = &exchange.secret {
        return Ok(Some(ClientSecret::new(given.expose().to_owned())));
    }
    match client::find(db, &exchange.client.key)? {
        Some(row) => client::open(db, sealer, row),
        None => Ok(None),
    }
}

/// A value that no longer opens must keep neither an account from being erased nor a new grant from
/// being written down.
fn if_it_opens<T>(
    account: &AccountId,
    opened: Result<Option<T>, StoreError>,
) -> Result<Option<T>, StoreError> {
    match opened {
        Err(error @ (StoreError::Damaged { .. } | StoreError::Key(_))) => {
            tracing::warn!(%account, %error, "a sealed value does not open and is left out");
            Ok(None)
        }
        other => other,
    }
}
