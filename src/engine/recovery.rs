//! The start: what is on record becomes what is known, and flights that a crash cut off are finished.
//!
//! | on record | what is done |
//! |---|---|
//! | refresh, answered | the answer is interpreted now, as it would have been then |
//! | refresh, sent | its fate is unknown: the same token is sent again at once, before the account is served |
//! | exchange, answered | interpreted: the account appears, signed in; a sign-in on another device that has to wait yet, waits |
//! | anything answered, and the provider's definition is missing | left as it is until the definition is there |
//! | exchange, sent | a code works once and the sign-in is gone: given up |

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::flying::Flying;
use super::rules::rules;
use super::task::Engine;
use super::unread::{Kind, Unread};
use crate::lifecycle::Restored;
use crate::model::{
    AccountId, AccountRecord, AccountSeed, ClientRecord, FlightId, Generation, RequestId,
};
use crate::oauth::Prover;
use crate::store::{Attempt, AttemptKind, Command, DeviceSignIn};

/// The account that an attempt was to refresh.
fn refreshed(attempt: &Attempt) -> Option<&AccountId> {
    match &attempt.kind {
        AttemptKind::Refresh { account, .. } => Some(account),
        AttemptKind::Exchange { .. } => None,
    }
}

/// What is on record of accounts, of their clients and of what was under way.
pub(super) struct Recorded {
    pub(super) clients: Vec<ClientRecord>,
    pub(super) accounts: Vec<AccountRecord>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) devices: Vec<DeviceSignIn>,
    /// The keys of exchanges.
    pub(super) keys: HashMap<FlightId, Arc<Prover>>,
}

/// Takes up what is on record.
pub(super) fn take_up(engine: &mut Engine, recorded: Recorded) {
    let Recorded { clients, accounts, attempts, devices, mut keys } = recorded;
    for client in clients {
        engine.clients.know(client);
    }
    let of_attempts: HashSet<AccountId> = attempts.iter().filter_map(refreshed).cloned().collect();
    let concerned = accounts.iter().filter(|record| of_attempts.contains(&record.seed.id));
    let known: HashMap<AccountId, (AccountSeed, Generation)> = concerned
        .map(|record| (record.seed.id.clone(), (record.seed.clone(), record.generation)))
        .collect();
    let find = |id: &AccountId| known.get(id);
    let (exchanges, refreshes): (Vec<_>, Vec<_>) = attempts
        .into_iter()
        .partition(|attempt| matches!(attempt.kind, AttemptKind::Exchange { .. }));

    // each account has at most one refresh that matters: the last one of its current generation
    let mut unresolved = HashMap::new();
    let mut answered = Vec::new();
    for attempt in refreshes {
        let Attempt { flight, kind, sent, answer } = attempt;
        let AttemptKind::Refresh { account, generation, portion } = kind else { continue };
        match (find(&account), answer) {
            (Some((seed, current)), Some(answer)) if *current == generation => {
                answered.push((
                    flight,
                    seed.clone(),
                    Kind::Refresh(generation, portion),
                    sent,
                    answer,
                ));
            }
            (Some((_, current)), None) if *current == generation => {
                if let Some(older) = unresolved.insert(account.clone(), flight) {
                    engine.cx.write(Command::Abandon { flight: older, account, standing: None });
                }
            }
            _ => engine.cx.write(Command::Abandon { flight, account, standing: None }),
        }
    }

    let now = engine.cx.now();
    for record in accounts {
        let rules =
            engine.clients.provider_of(&record.seed.client).map(|provider| rules(&provider));
        if rules.is_none() {
            let provider = &record.seed.client.provider;
            tracing::warn!(account = %record.seed.name, %provider, "no definition of the provider");
        }
        let unresolved = unresolved.remove(&record.seed.id);
        if unresolved.is_some() {
            tracing::warn!(account = %record.seed.name, "a refresh was cut off: trying it again at once");
        }
        engine.lifecycle.restore(Restored { record, rules, unresolved }, now);
    }

    for (flight, seed, kind, sent, answer) in answered {
        let key = engine.keys.of(&seed.id).cloned();
        engine.unread.push(Unread { flight, kind, seed, sent, answer, key });
    }
    let mut cut_off = Vec::new();
    for attempt in exchanges {
        let Attempt { flight, kind, sent, answer } = attempt;
        let AttemptKind::Exchange { seed, client } = kind else { continue };
        if let Some(answer) = answer {
            engine.clients.know(client);
            let (kind, seed, key) = (Kind::Exchange, *seed, keys.remove(&flight));
            engine.unread.push(Unread { flight, kind, seed, sent, answer, key });
        } else {
            tracing::warn!(account = %seed.name, "a sign-in was cut off: start it again");
            cut_off.push(seed.id.clone());
            engine.cx.write(Command::Abandon { flight, account: seed.id, standing: None });
        }
    }
    take_up_answered(engine);
    engine.resume_devices(devices, &cut_off);
    // an answer on record may be one of theirs
    engine.take_turns();
    read_on(engine);
}

/// Has every account know of its answer on record before the first event, which makes due what is due: the
/// refresh token that such an account has is spent.
fn take_up_answered(engine: &mut Engine) {
    for unread in &engine.unread {
        if let Kind::Refresh(generation, portion) = &unread.kind {
            let (account, portion) = (&unread.seed.id, portion.clone().map(Arc::new));
            engine.lifecycle.resume_refresh(unread.flight, account, *generation, portion);
        }
    }
}

/// Reads the answers on record whose provider's definition is at hand; the others wait for it.
pub(super) fn read_on(engine: &mut Engine) {
    take_up_answered(engine);
    let mut flights = Vec::new();
    for unread in std::mem::take(&mut engine.unread) {
        let name = &unread.seed.name;
        let Some(provider) = engine.clients.provider_of(&unread.seed.client) else {
            tracing::error!(account = %name, "an answer on record waits for its provider's definition");
            engine.unread.push(unread);
            continue;
        };
        tracing::info!(account = %name, "finishing a flight from its answer on record");
        let Unread { flight, kind, seed, sent, answer, key } = unread;
        let is_sign_in = matches!(kind, Kind::Exchange);
        if is_sign_in {
            // A sign-in on another device goes on, and its question has been asked; of every other one nobody waits
            // any more, so any id will do.
            let open = engine.lifecycle.sign_in_for(&seed.id).cloned();
            let request = open.unwrap_or_else(|| RequestId::from_random([0; 10]));
            engine.lifecycle.resume_exchange(flight, request, seed.clone(), rules(&provider));
        }
        let mut flying = Flying::resumed(seed, provider, sent, is_sign_in, answer);
        flying.key = key;
        engine.flights.resume(flight, flying);
        flights.push(flight);
    }
    for flight in flights {
        engine.interpret(flight);
    }
}
