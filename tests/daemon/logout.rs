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
use crate::support::provider::{Auth, Config, NoRevocation, Provider};

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

/// What waits to be revoked, as the socket shows it.
fn unrevoked(daemon: &Daemon) -> Value {
    ask(daemon, "Status", &json!({})).unwrap()["unrevoked"].take()
}

/// Waits until nothing does, and nothing of it is left.
fn all_revoked(daemon: &Daemon) {
    // each question takes its time, and the daemon as long as the provider's answer
    let over = || unrevoked(daemon) == json!([]) && database::rows(daemon, "errand") == 0;
    assert!((0..10_000).any(|_| over()), "{}\n{}", unrevoked(daemon), daemon.log());
}

#[test]
fn a_logout_that_the_provider_has_no_time_for_is_made_up_for() {
    let mut scene = Scene::signed_in(Config::standard().auth(Auth::Basic));
    let token = scene.token();
    let refusal = NoRevocation { status: 503, retry_after: 1800 };
    scene.provider.refuse_revocations(Some(refusal));
    let finished = scene.daemon.run(&["logout", ACCOUNT]).unwrap();
    assert_eq!(
        succeeded(&finished),
        "signed out: door; its tokens will be revoked as soon as the provider can be reached (HTTP \
         status 503)\n"
    );
    for table in TABLES {
        assert_eq!(database::rows(&scene.daemon, table), 0, "{table}");
    }
    let waiting = unrevoked(&scene.daemon);
    let wait = waiting[0]["next_try"].as_i64().unwrap() - waiting[0]["since"].as_i64().unwrap();
    assert!((1795..=1860).contains(&wait), "Retry-After is kept: {waiting}");
    let week = waiting[0]["ends_at"].as_i64().unwrap() - waiting[0]["since"].as_i64().unwrap();
    assert_eq!(week, 7 * 86_400);
    let shown = scene.daemon.run(&["status"]).unwrap().stdout;
    assert!(shown.contains("door: signed out; its tokens are revoked as soon as"), "{shown}");
    let found = scene.daemon.run(&["doctor"]).unwrap().stdout;
    assert!(found.contains("signed out, and its tokens are not revoked yet"), "{found}");
    assert!(scene.admits(&token), "which is so");

    // a crash forgets it as little as a stop does
    scene.daemon.kill9().unwrap();
    scene.daemon.restart().unwrap();
    scene.provider.wait(|log| log.revocations_refused >= 2).unwrap();
    scene.provider.refuse_revocations(None);
    scene.daemon.restart().unwrap();
    all_revoked(&scene.daemon);
    assert_eq!(scene.provider.newest_refresh_token("alice"), None);
    assert!(!scene.admits(&token));
    scene.assert_clean();
}

#[test]
fn revoked_tokens_of_an_account_that_stays_are_made_up_for_as_well_unless_it_is_signed_in_anew() {
    let scene = Scene::signed_in(Config::standard());
    let refusal = NoRevocation { status: 500, retry_after: 3600 };
    scene.provider.refuse_revocations(Some(refusal));
    let answer = ask(&scene.daemon, "Revoke", &json!({ "account": ACCOUNT })).unwrap();
    assert_eq!(answer["revocation"], json!("queued"), "{answer}");
    assert_eq!(unrevoked(&scene.daemon)[0]["account"], json!(ACCOUNT));
    assert_eq!(scene.account()["state"], json!("login-required"));
    // the provider may take the new login for a part of the old one
    scene.sign_in(ACCOUNT);
    all_revoked(&scene.daemon);
    assert!(scene.admits(&scene.token()));
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
