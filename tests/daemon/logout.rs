//! Signing out.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::database::{self, FILE};
use crate::scene::{
    ACCOUNT, PROVIDER, Scene, Watch, ask, connect, failed, fault_kind, file, home, succeeded,
    token_of,
};
use crate::support::daemon::Daemon;
use crate::support::login::Login;
use crate::support::provider::{Auth, Config, Provider};

const TABLES: [&str; 5] = ["account", "client", "refresh_token", "access_token", "attempt"];

#[test]
fn a_logout_revokes_the_grant_where_the_provider_can() {
    let scene = Scene::signed_in(Config::standard().auth(Auth::Basic));
    let token = scene.token();
    let finished = scene.daemon.run(&["logout", ACCOUNT, "--json"]).unwrap();
    let answer: Value = serde_json::from_str(succeeded(&finished)).unwrap();
    assert_eq!(answer["revocation"], json!("revoked"), "{answer}");
    assert_eq!(scene.provider.newest_refresh_token("alice"), None, "the sign-in is over");
    assert!(!scene.admits(&token));
    assert!(scene.provider.log().revocations >= 1);
    for table in TABLES {
        assert_eq!(database::rows(&scene.daemon, table), 0, "{table}");
    }
    let finished = scene.daemon.run(&["token", ACCOUNT]).unwrap();
    let line = failed(&finished, 67);
    assert!(line.contains("no account is signed in"), "{line}");
}

#[test]
fn a_logout_says_that_tokens_live_on_where_the_provider_cannot_revoke() {
    let scene = Scene::signed_in(Config::parqex());
    let token = scene.token();
    let finished = scene.daemon.run(&["logout", ACCOUNT]).unwrap();
    assert!(finished.status.success(), "{finished:?}");
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(said.contains("until"), "{said}");
    assert!(scene.admits(&token), "which is so");
    for table in TABLES {
        assert_eq!(database::rows(&scene.daemon, table), 0, "{table}");
    }
}

#[test]
fn a_logout_that_the_provider_does_not_take_says_why_and_is_done_all_the_same() {
    let provider = Provider::start(Config::standard());
    let definition = provider.definition(PROVIDER).replace("/revoke\"", "/nowhere\"");
    let daemon = Daemon::start(home().config(&file(PROVIDER), &definition).unwrap()).unwrap();
    assert!(Login::new(PROVIDER, ACCOUNT).run(&daemon, &provider).unwrap().status.success());
    let answer = ask(&daemon, "Logout", &json!({ "account": ACCOUNT })).unwrap();
    assert_eq!(answer["revocation"], json!("failed"));
    assert!(answer["reason"].as_str().unwrap().contains("404"), "{answer}");
    for table in TABLES {
        assert_eq!(database::rows(&daemon, table), 0, "{table}");
    }
}

#[test]
fn a_logout_waits_for_the_refresh_under_way_and_revokes_what_it_brings() {
    let scene = Scene::signed_in(Config::standard());
    let mut caller = scene.refresh_under_way();
    let mut leaving = connect(&scene.daemon);
    let call = json!({
        "method": "dev.ostler.Ostler1.Logout", "parameters": { "account": ACCOUNT },
    });
    leaving.send(&call).unwrap();
    // who waits for a token of that account is told at once
    assert_eq!(fault_kind(caller.answer()), "NoSuchAccount");
    assert!(!leaving.has_answer().unwrap());
    scene.provider.release();
    assert_eq!(leaving.answer().unwrap()["revocation"], json!("revoked"));
    assert_eq!(scene.provider.newest_refresh_token("alice"), None);
    for table in TABLES {
        assert_eq!(database::rows(&scene.daemon, table), 0, "{table}");
    }
}

#[test]
fn a_logout_that_the_disk_refuses_leaves_the_account_as_it_was() {
    let scene = Scene::signed_in(Config::standard());
    let token = scene.token();
    let other = Connection::open(scene.daemon.home().path(FILE)).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let finished = scene.daemon.run(&["logout", ACCOUNT]).unwrap();
    let line = failed(&finished, 74);
    assert!(line.contains("could not be erased and stays"), "{line}");
    assert!(scene.admits(&token), "nothing was revoked");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(scene.admits(&token_of(&scene.renew(&token).unwrap())), "it is kept fresh");
    assert!(scene.daemon.run(&["logout", ACCOUNT]).unwrap().status.success());
    assert_eq!(scene.provider.newest_refresh_token("alice"), None);
    assert_eq!(database::rows(&scene.daemon, "account"), 0);
}

#[test]
fn everybody_who_watches_hears_of_a_logout_and_a_second_one_finds_nothing() {
    let scene = Scene::signed_in(Config::parqex());
    let id = scene.account()["id"].clone();
    let mut watch = Watch::start(&scene.daemon);
    assert_eq!(watch.next()["account"]["name"], json!(ACCOUNT));
    assert!(scene.daemon.run(&["logout", ACCOUNT]).unwrap().status.success());
    assert_eq!(watch.next(), json!({ "event": "removed", "id": id, "name": ACCOUNT }));
    failed(&scene.daemon.run(&["logout", ACCOUNT]).unwrap(), 67);
    // the name is free again, and the account a new one
    scene.sign_in(ACCOUNT);
    assert_ne!(scene.account()["id"], id);
}
