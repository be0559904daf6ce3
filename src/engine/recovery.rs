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
use std::time::Duration;

use url::Position;

use super::flights::Flying;
use super::task::Engine;
use crate::lifecycle::{Origin, Restored, Rules, TokenEndpoint};
use crate::model::{
    AccountId, AccountRecord, AccountSeed, ClientRecord, FlightId, Generation, Portion, RawAnswer,
    RequestId, Stamp,
};
use crate::oauth::Prover;
use crate::provider::{AtRefresh, Provider};
use crate::store::{Attempt, AttemptKind, Command, DeviceSignIn};

/// What the schedule needs to know of a provider.
pub(super) fn rules(provider: &Provider) -> Rules {
    let throttle =
        provider.max_refreshes.map(|max| Duration::from_secs(max.window) / max.count.max(1));
    let endpoint = provider.refresh_endpoint();
    Rules {
        endpoint: TokenEndpoint {
            origin: Origin(endpoint.origin().ascii_serialization()),
            path: endpoint[Position::BeforePath..Position::AfterQuery].to_owned(),
        },
        default_lifetime: provider.default_lifetime.map(Duration::from_secs),
        strict: provider.is_strict(),
        grace: provider.grace(),
        not_before: provider.refresh_not_before.map(Duration::from_secs),
        refresh_late: provider.at_dies_at_refresh == AtRefresh::Dies,
        narrows: provider.narrows(),
        exchanges: provider.token_exchange,
        throttle,
        refresh_lifetime: provider.rt_lifetime.map(Duration::from_secs),
        refresh_idle: provider.rt_idle.map(Duration::from_secs),
        grant_lifetime: provider.rt_absolute.map(Duration::from_secs),
        case_insensitive: provider.scopes.case_insensitive,
    }
}

/// The account that an attempt was to refresh.
fn refreshed(attempt: &Attempt) -> Option<&AccountId> {
    match &attempt.kind {
        AttemptKind::Refresh { account, .. } => Some(account),
        AttemptKind::Exchange { .. } => None,
    }
}

/// Takes up what is on record.
pub(super) fn take_up(
    engine: &mut Engine,
    clients: Vec<ClientRecord>,
    accounts: Vec<AccountRecord>,
    attempts: Vec<Attempt>,
    devices: Vec<DeviceSignIn>,
    mut keys: HashMap<FlightId, Arc<Prover>>,
) {
    for client in clients {
        engine.know(client);
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
                    engine.write(Command::Abandon { flight: older, account, standing: None });
                }
            }
            _ => engine.write(Command::Abandon { flight, account, standing: None }),
        }
    }

    let now = engine.clock.now();
    for record in accounts {
        let rules = engine.provider_of(&record.seed.client).map(|provider| rules(&provider));
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
        let key = engine.keys.get(&seed.id).cloned();
        engine.unread.push(Unread { flight, kind, seed, sent, answer, key });
    }
    let mut cut_off = Vec::new();
    for attempt in exchanges {
        let Attempt { flight, kind, sent, answer } = attempt;
        let AttemptKind::Exchange { seed, client } = kind else { continue };
        if let Some(answer) = answer {
            engine.know(client);
            let (kind, seed, key) = (Kind::Exchange, *seed, keys.remove(&flight));
            engine.unread.push(Unread { flight, kind, seed, sent, answer, key });
        } else {
            tracing::warn!(account = %seed.name, "a sign-in was cut off: start it again");
            cut_off.push(seed.id.clone());
            engine.write(Command::Abandon { flight, account: seed.id, standing: None });
        }
    }
    take_up_answered(engine);
    engine.resume_devices(devices, &cut_off);
    read_on(engine);
}

/// Has every account know of its answer on record before the first event, which makes due what is due: the
/// refresh token that such an account has is spent.
fn take_up_answered(engine: &mut Engine) {
    for unread in &engine.unread {
        if let Kind::Refresh(generation, portion) = &unread.kind {
            let (name, portion) = (&unread.seed.name, portion.clone().map(Arc::new));
            engine.lifecycle.resume_refresh(unread.flight, name, *generation, portion);
        }
    }
}

/// Reads the answers on record whose provider's definition is at hand; the others wait for it.
pub(super) fn read_on(engine: &mut Engine) {
    take_up_answered(engine);
    let mut flights = Vec::new();
    for unread in std::mem::take(&mut engine.unread) {
        let name = &unread.seed.name;
        let Some(provider) = engine.provider_of(&unread.seed.client) else {
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
        engine.flying.insert(flight, flying);
        flights.push(flight);
    }
    for flight in flights {
        engine.interpret(flight);
    }
}

/// An answer on record that nobody has read.
pub(super) struct Unread {
    flight: FlightId,
    kind: Kind,
    seed: AccountSeed,
    sent: Stamp,
    answer: RawAnswer,
    /// What the tokens in it are bound to.
    key: Option<Arc<Prover>>,
}

enum Kind {
    Refresh(Generation, Option<Portion>),
    Exchange,
}
