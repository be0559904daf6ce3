//! What a user does with an account beside signing in and out.

use serde_json::json;

use crate::scene::{ACCOUNT, Scene, ask, failed, fault_kind, succeeded, token_of};
use crate::support::provider::Config;

fn run(scene: &Scene, words: &[&str]) -> String {
    succeeded(&scene.daemon.run(words).unwrap()).to_owned()
}

#[test]
fn a_token_is_renewed_before_its_time_once_for_all_who_want_that() {
    let scene = Scene::signed_in(Config::parqex());
    let old = scene.token();
    let shown = run(&scene, &["refresh", ACCOUNT]);
    assert!(shown.starts_with("refreshed: door, token valid for "), "{shown}");
    let new = scene.token();
    assert_ne!(old, new);
    assert_eq!(scene.provider.log().granted_refreshes(), 1);
    // at once again: the provider is spared
    let refused = scene.daemon.run(&["refresh", ACCOUNT, "--timeout", "0"]).unwrap();
    assert!(failed(&refused, 75).contains("a moment ago"), "{refused:?}");
    assert_eq!(scene.token(), new);
    assert_eq!(scene.provider.log().granted_refreshes(), 1);
    let answer = ask(&scene.daemon, "Refresh", &json!({ "account": "nobody" }));
    assert_eq!(fault_kind(answer), "NoSuchAccount");
    // who only had it renewed was given none
    let log = run(&scene, &["access", "log", "--json"]);
    assert!(!log.contains("exe:") || log.contains("\"count\":3"), "{log}");
    scene.assert_clean();
}

#[test]
fn an_account_has_another_name_after_a_restart_too() {
    let mut scene = Scene::signed_in(Config::parqex());
    let token = scene.token();
    run(&scene, &["access", "deny", "unit:*", "--account", ACCOUNT]);
    assert_eq!(run(&scene, &["rename", ACCOUNT, "front/door"]), "door is front/door now\n");
    failed(&scene.daemon.run(&["token", ACCOUNT]).unwrap(), 67);
    assert_eq!(run(&scene, &["token", "front/door"]).trim_end(), token);
    scene.sign_in(ACCOUNT);
    let refused = scene.daemon.run(&["rename", ACCOUNT, "front/door"]).unwrap();
    assert!(failed(&refused, 64).contains("another account has that name"), "{refused:?}");
    scene.daemon.restart().unwrap();
    assert_eq!(run(&scene, &["token", "front/door"]).trim_end(), token);
    assert!(run(&scene, &["access", "list"]).contains("front/door"));
    assert!(run(&scene, &["access", "log"]).contains("front/door"), "the log outlives it");
}

#[test]
fn an_account_out_of_use_gives_no_tokens_until_it_is_in_use_again() {
    let mut scene = Scene::signed_in(Config::parqex());
    let token = scene.token();
    assert!(run(&scene, &["disable", ACCOUNT]).contains("out of use"));
    let refused = scene.daemon.run(&["token", ACCOUNT]).unwrap();
    assert!(failed(&refused, 77).ends_with("run: ostler enable door"), "{refused:?}");
    scene.daemon.restart().unwrap();
    assert_eq!(scene.account()["state"], "disabled");
    failed(&scene.daemon.run(&["token", ACCOUNT]).unwrap(), 77);
    assert!(run(&scene, &["status"]).contains("disabled"));
    run(&scene, &["enable", ACCOUNT]);
    assert_eq!(scene.token(), token);
}

#[test]
fn a_login_is_given_back_and_the_account_stays() {
    let mut scene = Scene::signed_in(Config::standard());
    let token = scene.token();
    run(&scene, &["access", "ask", "unit:*", "--account", ACCOUNT]);
    let shown = run(&scene, &["revoke", ACCOUNT]);
    assert_eq!(shown, "door needs a login now; its tokens are revoked\n");
    assert!(!scene.admits(&token), "the provider takes it no more");
    let refused = scene.daemon.run(&["token", ACCOUNT]).unwrap();
    assert!(failed(&refused, 77).contains("revoked at your word"), "{refused:?}");
    scene.daemon.restart().unwrap();
    assert_eq!(scene.account()["state"], "login-required");
    let again = scene.daemon.run(&["resume", ACCOUNT]).unwrap();
    failed(&again, 77);
    scene.sign_in(ACCOUNT);
    assert!(scene.admits(&scene.token()));
    assert!(run(&scene, &["access", "list"]).contains("door"), "what was decided stays decided");
}

#[test]
fn a_logout_that_keeps_the_tokens_tells_the_provider_nothing() {
    let scene = Scene::signed_in(Config::parqex());
    let token = token_of(&ask(&scene.daemon, "GetToken", &json!({ "account": ACCOUNT })).unwrap());
    let shown = run(&scene, &["logout", ACCOUNT, "--keep-tokens"]);
    assert_eq!(shown, "signed out: door; its tokens are left to the provider\n");
    assert!(scene.admits(&token));
    failed(&scene.daemon.run(&["token", ACCOUNT]).unwrap(), 67);
}
