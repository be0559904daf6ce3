//! Many accounts at one provider, and the provider is in trouble.

use std::time::Duration;

use serde_json::json;

use crate::scene::{PROVIDER, Scene, ask, renew, token_of, want};
use crate::support::agent;
use crate::support::provider::{Config, Fault, Log, Outcome, TokenRequest};

const ACCOUNTS: usize = 40;

/// Failures in a row after which a provider is left alone.
const FAILURES: usize = 5;
/// Requests to one provider that may be under way at once.
const AT_ONCE: usize = 4;
/// The least time between two probes.
const PROBE: Duration = Duration::from_secs(2);

/// An account and the token that it has.
pub(crate) type Held = (String, String);

/// A provider with so many accounts.
pub(crate) fn crowded(count: usize) -> (Scene, Vec<Held>) {
    let scene = Scene::new(Config::parqex());
    let client = &scene.provider.config().client;
    let accounts = (0..count).map(|number| {
        let name = format!("account-{number}");
        let login = json!({
            "provider": PROVIDER,
            "account": name,
            "client_id": client.id,
            "client_secret": client.secret,
            "redirect_uri": "https://door.example.test/parqex/done",
        });
        let started = ask(&scene.daemon, "Login", &login).unwrap();
        let uri = agent::visit(started["authorization_uri"].as_str().unwrap()).unwrap();
        let redirect = json!({ "request": started["request"], "uri": uri.url().as_str() });
        ask(&scene.daemon, "SubmitRedirect", &redirect).unwrap();
        ask(&scene.daemon, "AwaitLogin", &json!({ "request": started["request"] })).unwrap();
        let answer = ask(&scene.daemon, "GetToken", &json!({ "account": name })).unwrap();
        (name, token_of(&answer))
    });
    let accounts = accounts.collect();
    (scene, accounts)
}

fn swallowed(log: &Log) -> usize {
    log.refreshes().filter(|request| request.outcome == Outcome::Swallowed).count()
}

/// All ask at once while nothing is granted, and are served from one moment on: every account gets
/// its new token. Gives the requests before the first of them got through.
fn trouble_and_recovery(trouble: Fault, enough: usize) -> Vec<TokenRequest> {
    let (mut scene, accounts) = crowded(ACCOUNTS);
    scene.provider.always(trouble);
    let waiting: Vec<_> =
        accounts.iter().map(|(name, old)| want(&scene.daemon, name, old)).collect();
    scene.provider.wait(|log| swallowed(log) >= enough && log.in_flight == 0).unwrap();
    for (name, old) in &accounts {
        let question = json!({ "account": name });
        let answer = ask(&scene.daemon, "GetToken", &question).unwrap();
        assert_eq!(token_of(&answer), *old, "what there is goes on being good");
    }
    scene.provider.behave();
    scene.provider.wait(|log| log.granted_refreshes() > 0).unwrap();
    drop(waiting);
    let log = scene.provider.log();
    let is_vain = |request: &&TokenRequest| request.outcome != Outcome::Granted;
    let tried = log.refreshes().take_while(is_vain).cloned().collect();
    // a start forgets the pauses that are left
    scene.daemon.restart().unwrap();
    for (name, old) in &accounts {
        let new = token_of(&renew(&scene.daemon, name, old).unwrap());
        assert!(new != *old && scene.admits(&new), "{name}");
    }
    let log = scene.provider.log();
    assert_eq!((log.reuses, log.authorizations), (0, ACCOUNTS), "{log:#?}");
    assert!(log.most_in_flight <= AT_ONCE);
    tried
}

#[test]
fn a_provider_in_trouble_is_probed_by_one_account_at_a_time_and_then_serves_all() {
    let tried = trouble_and_recovery(Fault::TemporarilyUnavailable503, FAILURES + AT_ONCE + 2);
    // those that were under way when it was given up are the last that did not wait for each other
    let probes = tried.iter().skip(FAILURES + AT_ONCE - 1);
    assert!(probes.len() >= 2, "{tried:#?}");
    for (count, probe) in (1..).zip(probes) {
        assert!(probe.at >= tried[FAILURES - 1].at + PROBE * count, "probe {count}: {tried:#?}");
    }
}

#[test]
fn what_a_provider_asks_several_accounts_to_wait_holds_for_all_of_them() {
    let tried = trouble_and_recovery(Fault::Http429 { retry_after: 2 }, AT_ONCE + 3);
    // those that were under way, and the one that found out whether it was meant for all
    assert!(tried.len() > AT_ONCE + 1);
    for later in tried.iter().skip(AT_ONCE + 1) {
        assert!(later.at >= tried[0].at + Duration::from_secs(2), "{tried:#?}");
    }
}
