//! Refreshing, when all goes well.

use std::time::Duration;

use serde_json::json;

use crate::scene::{ACCOUNT, Scene, Watch, ask, failed, owner, renew, token_of};
use crate::support::bus::Bus;
use crate::support::provider::{Config, Fault, OldAccess, Outcome, Rotation};
use crate::support::secret;
use crate::{database, dbus};

#[test]
fn a_token_is_refreshed_before_it_expires_with_nobody_asking() {
    const LIFETIME: Duration = Duration::from_secs(6);
    let scene = Scene::signed_in(Config::parqex().access_lifetime(LIFETIME));
    let log = scene.provider.wait(|log| log.granted_refreshes() >= 2).unwrap();
    let granted: Vec<_> =
        log.requests.iter().filter(|r| r.outcome == Outcome::Granted).map(|r| r.at).collect();
    for pair in granted.windows(2) {
        assert!(pair[1] < pair[0] + LIFETIME, "a token expired before it was replaced: {log:#?}");
    }
    assert!(scene.admits(&scene.token()));
    scene.assert_clean();
}

#[test]
fn a_long_chain_of_refreshes_never_uses_a_refresh_token_twice() {
    const LINKS: usize = 8;
    let bus = Bus::start().unwrap();
    let client = dbus::Client::connect(bus.address());
    let config = Config::parqex().access_lifetime(Duration::from_secs(2));
    let scene = Scene::on_bus(config.old_access(OldAccess::Dies), bus);
    scene.sign_in(ACCOUNT);
    let mut watch = Watch::start(&scene.daemon);
    for link in 1..=LINKS {
        scene.provider.wait(|log| log.granted_refreshes() >= link).unwrap();
        // everybody asks all the while
        ask(&scene.daemon, "GetToken", &json!({ "account": ACCOUNT })).unwrap();
        client.token(ACCOUNT).unwrap();
        assert!(scene.daemon.run(&["token", ACCOUNT]).unwrap().status.success());
    }
    let log = scene.provider.log();
    let mut sent: Vec<_> =
        log.refreshes().map(|request| request.refresh.clone().unwrap()).collect();
    let all = sent.len();
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), all, "a refresh token was sent twice");
    assert!(log.requests.iter().all(|request| request.fault.is_none()));
    scene.assert_clean();
    let states = watch.states(&scene.daemon);
    assert!(states.iter().all(|state| state == "ready" || state == "refreshing"), "{states:?}");
    // spent tokens do not pile up
    assert!(database::rows(&scene.daemon, "refresh_token") <= 2);
}

#[test]
fn a_rejected_token_is_replaced_once_however_many_report_it() {
    let scene = Scene::signed_in(Config::parqex().old_access(OldAccess::Dies));
    let old = scene.token();
    scene.provider.expire_access_tokens("alice");
    assert!(!scene.admits(&old));
    let new = token_of(&scene.renew(&old).unwrap());
    for _ in 0..20 {
        assert_eq!(token_of(&scene.renew(&old).unwrap()), new);
    }
    let finished =
        scene.daemon.run(&["token", ACCOUNT, "--rejected", &secret::fingerprint(&old)]).unwrap();
    assert_eq!(finished.stdout, format!("{new}\n"));
    assert_eq!(scene.provider.log().refreshes().count(), 1);
    assert!(scene.admits(&new));
}

#[test]
fn a_token_is_kept_over_a_restart_and_not_asked_for_again() {
    let mut scene = Scene::signed_in(Config::parqex());
    let token = scene.token();
    scene.daemon.restart().unwrap();
    assert_eq!(scene.token(), token);
    let shown = scene.account();
    assert_eq!(shown["state"], json!("ready"));
    assert!(shown["expires_at"].is_i64() && shown["next_refresh"].is_i64(), "{shown}");
    assert_eq!(scene.provider.log().refreshes().count(), 0);
    let new = token_of(&scene.renew(&token).unwrap());
    scene.daemon.restart().unwrap();
    assert_eq!(scene.token(), new, "the newer one is the one that is kept");
    scene.assert_clean();
}

#[test]
fn a_provider_that_does_not_rotate_is_asked_with_the_same_token_for_ever() {
    let config = Config::standard().rotation(Rotation::Off);
    let mut scene = Scene::signed_in(config);
    let first = token_of(&scene.renew(&scene.token()).unwrap());
    scene.daemon.restart().unwrap();
    let second = token_of(&scene.renew(&first).unwrap());
    assert!(scene.admits(&second));
    let log = scene.provider.log();
    let sent: Vec<_> = log.refreshes().map(|request| request.refresh.clone()).collect();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);
    assert_eq!(database::refresh_tokens(&scene.daemon, ACCOUNT), 1);
}

#[test]
fn a_caller_that_goes_away_takes_nothing_with_it() {
    let scene = Scene::signed_in(Config::parqex());
    let old = scene.token();
    scene.provider.next(Fault::Hold);
    let mut caller = crate::scene::connect(&scene.daemon);
    let parameters = json!({ "account": ACCOUNT, "rejected": secret::fingerprint(&old) });
    let call = json!({ "method": "dev.ostler.Ostler1.GetToken", "parameters": parameters });
    caller.send(&call).unwrap();
    scene.provider.wait(|log| log.granted_refreshes() == 1).unwrap();
    drop(caller);
    let mut watch = Watch::start(&scene.daemon);
    assert_eq!(watch.until(|_| true)["state"], json!("refreshing"));
    scene.provider.release();
    watch.until(|account| account["state"] == json!("ready"));
    let new = scene.token();
    assert_ne!(new, old);
    assert!(scene.admits(&new));
    scene.assert_clean();
}

#[test]
fn scopes_that_were_not_granted_are_refused_with_the_way_to_get_them() {
    let scene = Scene::new(Config::standard());
    let mut login = crate::support::login::Login::new(crate::scene::PROVIDER, ACCOUNT);
    login.arguments = vec!["--scope", "api:read"];
    scene.run_login(&login);
    let enough = scene.daemon.run(&["token", ACCOUNT, "--scope", "api:read"]).unwrap();
    assert!(enough.status.success(), "{enough:?}");
    let more = scene.daemon.run(&["token", ACCOUNT, "--scope", "api:write"]).unwrap();
    let line = failed(&more, 77);
    assert!(line.starts_with("ostler: door: not granted: api:write; "), "{line}");
    assert!(line.contains("ostler login test --as door"), "{line}");
    assert_eq!(scene.provider.log().refreshes().count(), 0, "asking would not help");
    assert_eq!(owner(&scene.provider, &scene.token()).as_deref(), Some("alice"));
}

#[test]
fn a_deadline_ends_the_wait_and_not_the_refresh() {
    let scene = Scene::signed_in(Config::parqex());
    let old = scene.token();
    scene.provider.next(Fault::Hold);
    let parameters = json!({
        "account": ACCOUNT, "rejected": secret::fingerprint(&old), "timeout_ms": 200,
    });
    let late = ask(&scene.daemon, "GetToken", &parameters);
    assert_eq!(crate::scene::fault_kind(late), "Timeout");
    let finished = scene
        .daemon
        .run(&["token", ACCOUNT, "--rejected", &secret::fingerprint(&old), "--timeout", "0"])
        .unwrap();
    let line = failed(&finished, 75);
    assert!(line.contains("no fresh token could be had in the time given; try again"), "{line}");
    scene.provider.wait(|log| log.granted_refreshes() == 1).unwrap();
    scene.provider.release();
    let new = token_of(&renew(&scene.daemon, ACCOUNT, &old).unwrap());
    assert!(scene.admits(&new));
    assert_eq!(scene.provider.log().refreshes().count(), 1);
}
