//! Accounts at one provider, some of which fail for ever: the others are none the worse for it.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::origin::{Held, crowded};
use crate::scene::{Scene, ask, fault, renew, token_of, want};
use crate::support::provider::{Fault, Log, Outcome};
use crate::support::secret;
use crate::support::varlink::Varlink;

/// Requests of others that may come in before one that is asked for: what is under way, and what the pace lets out in
/// the two seconds that a shut way stays shut at least.
const BEFORE: usize = 24;

fn status(code: u16, body: &str) -> Fault {
    Fault::Status { code, headers: vec![], body: body.to_owned() }
}

/// Has each of these ask for a new token and fail.
fn fail(scene: &Scene, accounts: &[Held], fault: &Fault) {
    for (name, token) in accounts {
        scene.provider.afflict(token, fault.clone());
        let question = json!({
            "account": name, "rejected": secret::fingerprint(token), "timeout_ms": 10_000, "min_valid": 1,
        });
        // those who fail are told so, or wait for another try until they give up
        let answer = ask(&scene.daemon, "GetToken", &question);
        assert!(answer.is_err(), "{name}: {answer:?}");
    }
}

/// That an account has a new token when it asks for one, and not many others were asked for before.
#[track_caller]
fn is_served(scene: &Scene, (name, token): &Held) -> Value {
    let before = scene.provider.log().requests.len();
    let answer =
        renew(&scene.daemon, name, token).unwrap_or_else(|error| panic!("{name}: {error}"));
    let new = token_of(&answer);
    assert!(new != *token && scene.provider.is_access_token_valid(&new), "{name}");
    let log = scene.provider.log();
    let others =
        log.requests[before..].iter().position(|it| it.outcome == Outcome::Granted).unwrap();
    assert!(others <= BEFORE, "{others} requests before that of {name}");
    answer
}

/// The provider's word about one account, in each spelling.
const WORDS: [(u16, &str); 14] = [
    (400, r#"{"error":"refresh_token_reused"}"#),
    (400, r#"{"error":"refresh_token_reused","error_description":"it was used before"}"#),
    (401, r#"{"error":"session_gone"}"#),
    (403, r#"{"error":{"code":"E17","message":"no"}}"#),
    (400, r#"{"Error":"RefreshTokenReused"}"#),
    (400, r#"{"errorCode":"E0000011","errorSummary":"invalid token"}"#),
    (400, r#"{"error_code":4711}"#),
    (422, r#"{"errors":[{"detail":"expired"}]}"#),
    (400, r#"[{"errorCode":"INVALID_SESSION","message":"gone"}]"#),
    (400, r#"{"code":"TokenReused","message":"gone"}"#),
    (400, r#"{"data":{"ErrorMessage":"gone"}}"#),
    (400, r#"{"fault":{"faultstring":"gone"}}"#),
    (400, "error=refresh_token_reused&error_description=gone"),
    (200, r#"{"error":"refresh_token_reused"}"#),
];

#[test]
fn dead_logins_stop_no_healthy_one_however_their_provider_puts_it() {
    const EACH: usize = 6;
    let (scene, accounts) = crowded(WORDS.len() * EACH + WORDS.len());
    let (dead, healthy) = accounts.split_at(WORDS.len() * EACH);
    for (((code, body), dead), healthy) in WORDS.iter().zip(dead.chunks(EACH)).zip(healthy) {
        for (name, token) in dead {
            scene.provider.afflict(token, status(*code, body));
            let rejected = secret::fingerprint(token);
            let question = json!({ "account": name, "rejected": rejected, "timeout_ms": 1 });
            // whether it is told of the failure or has given up before: the request was sent
            let seen = scene.provider.log().requests.len();
            let answer = ask(&scene.daemon, "GetToken", &question);
            assert!(answer.is_err(), "{code} {body}: {answer:?}");
            scene.provider.wait(|log| log.requests.len() > seen && log.in_flight == 0).unwrap();
        }
        is_served(&scene, healthy);
    }
}

#[test]
fn an_account_that_is_told_to_wait_waits_alone_until_a_second_one_is_told() {
    let (scene, accounts) = crowded(5);
    let told = Fault::Http429 { retry_after: 600 };
    fail(&scene, &accounts[..1], &told);
    is_served(&scene, &accounts[1]);
    // nobody else was told since: it is the first again, and others find out
    fail(&scene, &accounts[2..3], &told);
    is_served(&scene, &accounts[3]);
    scene.provider.always(told);
    let seen = scene.provider.log().requests.len();
    let (name, token) = &accounts[4];
    let old = secret::fingerprint(token);
    let question = json!({ "account": name, "rejected": old, "timeout_ms": 10_000 });
    let (kind, parameters) = fault(ask(&scene.daemon, "GetToken", &question));
    assert_eq!(kind, "RateLimited", "{parameters}");
    let (name, _) = &accounts[3];
    let current = token_of(&ask(&scene.daemon, "GetToken", &json!({ "account": name })).unwrap());
    let rejected = secret::fingerprint(&current);
    let question = json!({ "account": name, "rejected": rejected, "timeout_ms": 10_000 });
    let (kind, parameters) = fault(ask(&scene.daemon, "GetToken", &question));
    assert_eq!(kind, "RateLimited", "{parameters}");
    assert_eq!(scene.provider.log().requests.len(), seen + 2);
    // two in a row: now the provider is left alone
    let (name, _) = &accounts[1];
    let current = token_of(&ask(&scene.daemon, "GetToken", &json!({ "account": name })).unwrap());
    let rejected = secret::fingerprint(&current);
    let question = json!({ "account": name, "rejected": rejected, "timeout_ms": 10_000 });
    let (_, parameters) = fault(ask(&scene.daemon, "GetToken", &question));
    let now = ask(&scene.daemon, "Status", &json!({})).unwrap()["daemon"]["now"].as_i64().unwrap();
    let pause = parameters["retry_at"].as_i64().unwrap() - now;
    assert!((500..=600).contains(&pause), "{parameters}");
    assert_eq!(scene.provider.log().requests.len(), seen + 2, "and not asked");
}

/// Has all of them want a new token, and waits until each was asked for once at least. Answers that are held are let
/// go.
fn fail_together(scene: &Scene, sick: &[Held], fault: &Fault) -> Vec<Varlink> {
    for (_, token) in sick {
        scene.provider.afflict(token, fault.clone());
    }
    let waiting = sick.iter().map(|(name, token)| want(&scene.daemon, name, token)).collect();
    let mut failed = 0;
    while failed < sick.len() {
        let distinct = |log: &Log| {
            log.refreshes().map(|request| &request.refresh).collect::<HashSet<_>>().len()
        };
        failed = distinct(&scene.provider.wait(|log| distinct(log) > failed).unwrap());
        scene.provider.release();
    }
    waiting
}

#[test]
fn accounts_that_always_meet_a_server_error_stop_no_healthy_one() {
    let faults = [Fault::Http502Html, status(500, ""), Fault::CaptiveHtml200, Fault::ResetBefore];
    for fault in faults {
        let (scene, accounts) = crowded(9);
        let (sick, healthy) = accounts.split_at(7);
        let waiting = fail_together(&scene, sick, &fault);
        for held in healthy {
            is_served(&scene, held);
        }
        drop(waiting);
        assert_eq!(scene.provider.log().reuses, 0);
    }
}

#[test]
fn accounts_whose_requests_hang_stop_no_healthy_one() {
    let (scene, accounts) = crowded(9);
    let (sick, healthy) = accounts.split_at(7);
    let waiting = fail_together(&scene, sick, &Fault::Drip("HTTP/1.1 2"));
    for held in healthy {
        is_served(&scene, held);
    }
    drop(waiting);
}
