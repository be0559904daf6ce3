//! A provider, or what stands before it, that answers badly: nothing is lost where the provider still
//! honours the login.

use serde_json::json;

use crate::scene::{ACCOUNT, CLIENT, Scene, fault, follow};
use crate::support::clock;

#[test]
fn trouble_on_the_way_passes() {
    let scene = Scene::new();
    for fault in
        ["captive_portal", "http_502", "http_429", "temporarily_unavailable", "reset_before"]
    {
        // an account each, so that no try has to keep its distance from the one before
        scene.sign_in(fault);
        let old = scene.token(fault);
        scene.op.next(fault).unwrap();
        let new = scene.renew(fault, &old);
        assert!(scene.is_active(&new), "{fault}");
        let account = scene.account(fault);
        assert_eq!(account["state"], json!("ready"), "{fault}");
        assert_eq!(account["failures"], json!(0), "{fault}");
    }
    assert_eq!(scene.count("reuse"), 0);
    let log = scene.daemon.log();
    for said in ["captive", "HTTP status 502", "rate_limited", "temporarily_unavailable"] {
        assert!(log.contains(said), "{said} in\n{log}");
    }
}

#[test]
fn answers_that_bend_the_standard_are_understood() {
    let scene = Scene::new();
    for fault in ["expires_in_string", "no_expires_in", "no_token_type", "token_type_lower", "form"]
    {
        scene.sign_in(fault);
        let old = scene.token(fault);
        scene.op.next(fault).unwrap();
        let asked = clock::wall();
        let answer = scene.try_renew(fault, &old, &["--json"]);
        let answer: serde_json::Value = serde_json::from_str(&crate::scene::line(&answer)).unwrap();
        let new = answer["access_token"].as_str().unwrap();
        assert!(new != old && scene.is_active(new), "{fault}");
        assert_eq!(answer["token_type"], json!("Bearer"), "{fault}");
        assert_eq!(answer["scopes"], json!(["offline_access", "openid"]), "{fault}");
        match answer["expires_at"].as_i64() {
            Some(at) => assert_expiry(at, asked, &scene.introspect(new), fault),
            None => assert_eq!(fault, "no_expires_in"),
        }
    }
    // each brought a refresh token that works
    assert_eq!(scene.count("reuse"), 0);
    assert_eq!(scene.count("alive"), 5);
}

/// A lifetime counts from the moment when the token was asked for: never later than the provider counts it.
fn assert_expiry(at: i64, asked: i64, introspected: &serde_json::Value, what: &str) {
    let [issued, end] = ["iat", "exp"].map(|name| introspected[name].as_i64().unwrap());
    assert!((asked + (end - issued)..=end).contains(&at), "{what}: {at}, {introspected}");
}

#[test]
fn an_error_with_status_200_is_an_error_and_a_new_login_mends_it() {
    let scene = Scene::new();
    for (order, code) in [("error_200", "bad_refresh_token"), ("slack", "invalid_refresh_token")] {
        scene.sign_in(order);
        scene.op.next(order).unwrap();
        let (refusal, exit) = fault(&scene.try_renew(order, &scene.token(order), &["--json"]));
        assert_eq!((&refusal["fault"], exit), (&json!("LoginRequired"), 77), "{refusal}");
        assert!(refusal["message"].as_str().unwrap().contains(code), "{refusal}");
        // what is not known to be rejected is handed out while it lives
        assert!(scene.is_active(&scene.token(order)), "{order}");
        let (_, finished) = follow(&mut scene.login(order, &[]), "");
        assert!(finished.status.success(), "{finished:?}");
        assert_eq!(scene.account(order)["state"], json!("ready"), "{order}");
    }
}

#[test]
fn trouble_at_the_exchange_of_the_code_ends_the_sign_in_and_the_next_one_works() {
    let scene = Scene::new();
    for (order, said) in [
        ("http_502", "HTTP status 502"),
        ("captive_portal", "a page came instead of tokens"),
        ("lost_response", "no answer"),
    ] {
        scene.op.next(order).unwrap();
        let (ending, finished) = follow(&mut scene.login(ACCOUNT, &["--client-id", CLIENT]), "");
        assert!(
            matches!(&ending, crate::support::agent::Ending::Callback { page, .. }
            if page.status == 400 && page.text().contains("Not signed in")),
            "{ending:?}"
        );
        assert_eq!(finished.status.code(), Some(77), "{order}: {finished:?}");
        let last = finished.stderr.lines().last().unwrap();
        assert!(
            last.contains("could not be exchanged for tokens") && last.contains(said),
            "{last}"
        );
        let accounts = scene.daemon.run(&["accounts", "--json"]).unwrap().stdout;
        assert_eq!(accounts, "{\"accounts\":[]}\n", "{order}");
    }
    scene.sign_in(ACCOUNT);
}
