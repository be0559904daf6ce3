//! Tokens for one API and no other (RFC 8707), from a provider that makes them so.

use std::time::Duration;

use serde_json::{Value, json};

use crate::scene::{ACCOUNT, CLIENT, Scene, fault, follow, line};
use crate::support::op::Options;
use crate::support::secret;

const API: &str = "https://api.example.test/v1";

/// The claims of a token that is a JWT (RFC 7519).
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_else(|| panic!("no JWT: {token}"));
    let bytes = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn sign_in(scene: &Scene, more: &[&str]) {
    let words = ["--client-id", CLIENT, "--scope", "openid", "--scope", "api:read"];
    let mut command = scene.login(ACCOUNT, &[&words[..], more].concat());
    let (_, finished) = follow(&mut command, "");
    assert!(finished.status.success(), "{finished:?}");
}

#[test]
fn a_login_for_an_api_brings_tokens_for_it_at_the_exchange_and_at_each_refresh() {
    let mut scene = Scene::new();
    sign_in(&scene, &["--resource", API]);
    let first = scene.token(ACCOUNT);
    let said = claims(&first);
    assert_eq!((&said["aud"], &said["scope"]), (&json!(API), &json!("api:read")));
    let second = scene.renew(ACCOUNT, &first);
    assert_eq!(claims(&second)["aud"], json!(API));
    assert_eq!(scene.account(ACCOUNT)["resource"], json!([API]));

    scene.daemon.restart().unwrap();
    let third = scene.renew(ACCOUNT, &second);
    assert_eq!(claims(&third)["aud"], json!(API));

    // who wants it for something else is not given it
    let asks = |more: &[&str]| {
        let words = ["token", ACCOUNT];
        scene.daemon.run(&[&words[..], more].concat()).unwrap()
    };
    assert_eq!(line(&asks(&["--resource", API])), third);
    let refused = asks(&["--resource", "https://api.example.test/v2", "--json"]);
    let (words, code) = fault(&refused);
    assert_eq!((&words["fault"], code), (&json!("ScopeNotGranted"), 77));
    let text = words["message"].as_str().unwrap();
    assert_eq!(text, "the login is not for https://api.example.test/v2");
    assert!(words["hint"].as_str().unwrap().contains("--resource"), "{words}");
    assert_eq!(fault(&asks(&["--audience", "front", "--json"])).1, 77);
    assert!(secret::leaks(&refused.stderr).is_empty());

    // signed in again with nothing said it is for the same
    sign_in(&scene, &[]);
    assert_eq!(claims(&scene.token(ACCOUNT))["aud"], json!(API));
}

#[test]
fn of_a_login_for_several_apis_each_has_a_token_of_its_own() {
    const OTHER: &str = "https://api.example.test/v2";
    let mut scene = Scene::new();
    sign_in(&scene, &["--resource", OTHER, "--resource", API]);
    let of = |scene: &Scene, resource: &str| {
        line(&scene.daemon.run(&["token", ACCOUNT, "--resource", resource]).unwrap())
    };
    let first = scene.token(ACCOUNT);
    assert_eq!(claims(&first)["aud"], json!(API), "the first by its address");
    assert_eq!(of(&scene, API), first);
    let other = of(&scene, OTHER);
    assert_eq!(claims(&other)["aud"], json!(OTHER));
    assert_eq!((of(&scene, OTHER), scene.token(ACCOUNT)), (other, first.clone()));
    assert_eq!(scene.count("refresh"), 1);
    scene.daemon.restart().unwrap();
    let next = scene.renew(ACCOUNT, &first);
    assert_eq!(claims(&next)["aud"], json!(API));
    assert_eq!(claims(&of(&scene, OTHER))["aud"], json!(OTHER));
}

#[test]
fn a_provider_that_knows_no_such_api_says_so_and_the_login_that_was_stays() {
    let scene = Scene::new();
    sign_in(&scene, &["--resource", API]);
    let before = scene.token(ACCOUNT);
    let words = ["--client-id", CLIENT, "--resource", "https://elsewhere.example/"];
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &words), "");
    let text = finished.stderr.lines().last().unwrap();
    assert!(!finished.status.success() && text.contains("invalid_target"), "{finished:?}");
    assert_eq!(scene.token(ACCOUNT), before);
    assert_eq!(claims(&scene.renew(ACCOUNT, &before))["aud"], json!(API));
}

#[test]
fn a_narrowed_token_is_good_for_what_was_asked_for_and_takes_nobodys_place() {
    let mut scene = Scene::new();
    sign_in(&scene, &["--resource", API, "--scope", "api:write"]);
    let whole = scene.token(ACCOUNT);
    assert_eq!(claims(&whole)["scope"], json!("api:read api:write"));
    let narrow = |scene: &Scene, more: &[&str]| {
        let words = ["token", ACCOUNT, "--narrow", "--scope", "api:read"];
        scene.daemon.run(&[&words[..], more].concat()).unwrap()
    };
    let part = line(&narrow(&scene, &[]));
    let said = claims(&part);
    assert_eq!((&said["aud"], &said["scope"]), (&json!(API), &json!("api:read")));
    assert_eq!(line(&narrow(&scene, &[])), part, "it is kept");
    assert_eq!(scene.token(ACCOUNT), whole, "and the other one is as it was");
    assert_eq!(scene.count("refresh"), 1);

    // the refresh token that came with it is the one that works from now on
    scene.daemon.restart().unwrap();
    assert_eq!(scene.token(ACCOUNT), whole);
    let next = scene.renew(ACCOUNT, &whole);
    assert_eq!(claims(&next)["scope"], json!("api:read api:write"), "the login has lost nothing");
    let fresh = line(&narrow(&scene, &[]));
    assert_ne!(fresh, part, "kept in memory alone");
    let rejected = secret::fingerprint(&fresh);
    assert_ne!(line(&narrow(&scene, &["--rejected", &rejected])), fresh);
    assert_eq!(scene.count("reuse"), 0);

    let more = scene.daemon.run(&["token", ACCOUNT, "--narrow", "--scope", "email", "--json"]);
    assert_eq!(fault(&more.unwrap()).0["fault"], json!("ScopeNotGranted"));
}

#[test]
fn a_crash_leaves_no_narrowed_token_in_the_place_of_the_logins_own() {
    for point in ["after-read", "before-commit", "after-commit"] {
        let (access_lifetime, grace) = (Duration::from_hours(1), Duration::from_secs(30));
        let mut scene = Scene::with(Options { access_lifetime, grace, ..Options::default() });
        sign_in(&scene, &["--resource", API, "--scope", "api:write"]);
        let whole = scene.token(ACCOUNT);
        scene.daemon.restart_with("OSTLER_CRASH_AT", point).unwrap();
        scene.daemon.wait_ready().unwrap();
        let asked = scene.daemon.run(&["token", ACCOUNT, "--narrow", "--scope", "api:read"]);
        assert!(!asked.unwrap().status.success(), "{point}");
        scene.daemon.wait_end().unwrap();
        scene.daemon.restart().unwrap();
        let now = scene.token(ACCOUNT);
        assert_eq!(claims(&now)["scope"], json!("api:read api:write"), "{point}");
        let next = scene.renew(ACCOUNT, &now);
        assert_eq!(claims(&next)["scope"], json!("api:read api:write"), "{point}");
        assert_eq!(scene.count("reuse"), 0, "{point}");
        assert!(point == "after-read" || now == whole, "{point}");
    }
}

#[test]
fn a_provider_that_exchanges_tokens_is_not_asked_for_a_refresh() {
    let scene = Scene::new();
    let scopes = ["api:read", "api:write"].map(|scope| ["--scope", scope]).concat();
    let words = [&["--client-id", "exchanger", "--scope", "openid"], &scopes[..]].concat();
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &words), "");
    assert!(finished.status.success(), "{finished:?}");
    let whole = scene.token(ACCOUNT);
    let part = scene.daemon.run(&["token", ACCOUNT, "--narrow", "--scope", "api:read"]);
    let part = line(&part.unwrap());
    assert_ne!(part, whole);
    assert_eq!(scene.introspect(&part)["scope"], json!("api:read"));
    assert_eq!((scene.token(ACCOUNT), scene.count("refresh")), (whole, 0));
}

#[test]
fn what_an_api_wanted_is_asked_for_by_the_next_login() {
    let scene = Scene::new();
    let words = ["--client-id", CLIENT, "--scope", "openid", "--scope", "api:read"];
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &words), "");
    assert!(finished.status.success(), "{finished:?}");
    let token = scene.token(ACCOUNT);
    let tell = |challenge: &str, token: &str| {
        let rejected = secret::fingerprint(token);
        let words = ["token", ACCOUNT, "--rejected", &rejected, "--challenge", challenge, "--json"];
        scene.daemon.run(&words).unwrap()
    };
    let scope = r#"Bearer error="insufficient_scope", scope="api:write""#;
    let (words, code) = fault(&tell(scope, &token));
    assert_eq!((&words["fault"], code), (&json!("ScopeNotGranted"), 77));
    assert_eq!(scene.account(ACCOUNT)["wanted"], json!({ "scopes": ["api:write"] }));
    let shown = scene.daemon.run(&["status", ACCOUNT]).unwrap().stdout;
    assert!(shown.contains("wanted         api:write\n"), "{shown}");
    assert!(shown.contains("to do          ostler login"), "{shown}");
    assert_eq!(scene.token(ACCOUNT), token, "it is as good as before for all else");

    // RFC 9470: the user is to sign in anew
    let stronger = r#"Bearer error="insufficient_user_authentication", max_age="0""#;
    let (words, _) = fault(&tell(stronger, &token));
    assert_eq!(words["fault"], json!("LoginRequired"));
    assert!(words["hint"].as_str().unwrap().contains("ostler login"), "{words}");
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &[]), "");
    assert!(finished.status.success(), "{finished:?}");
    let account = scene.account(ACCOUNT);
    assert_eq!(account["wanted"], json!(null));
    let scopes = account["scopes"].as_array().unwrap();
    assert!(
        ["api:read", "api:write"].iter().all(|scope| scopes.contains(&json!(scope))),
        "{account}"
    );
    let new = scene.token(ACCOUNT);
    let answer = line(&tell(scope, &token));
    assert!(answer.contains(&new), "who knows the old one alone has the new one: {answer}");
}
