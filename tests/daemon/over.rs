//! The provider ends a grant.

use std::time::Duration;

use serde_json::json;

use crate::scene::{ACCOUNT, PROVIDER, Scene, Watch, failed, fault, fault_kind, token_of};
use crate::support::bus::Bus;
use crate::support::login::{Introduction, Login};
use crate::support::provider::{Config, Fault, Rotation};
use crate::support::secret;
use crate::{database, dbus};

const COMMAND: &str = "run: ostler login test --as door";

#[test]
fn a_grant_that_is_over_is_told_on_all_faces_with_the_command_that_mends_it() {
    let bus = Bus::start().unwrap();
    let client = dbus::Client::connect(bus.address());
    let scene = Scene::on_bus(Config::parqex(), bus);
    scene.sign_in(ACCOUNT);
    let old = scene.token();
    scene.provider.revoke_family("alice");
    // as long as it is not known to be of no use, the token is handed out
    assert_eq!(scene.token(), old);
    let (kind, parameters) = fault(scene.renew(&old));
    assert_eq!(kind, "LoginRequired");
    assert_eq!(parameters["account"], json!(ACCOUNT));
    assert!(parameters["message"].as_str().unwrap().contains("invalid_grant"), "{parameters}");
    assert_eq!(parameters["hint"], json!(COMMAND));

    let rejected = secret::fingerprint(&old);
    let finished = scene.daemon.run(&["token", ACCOUNT, "--rejected", &rejected]).unwrap();
    let line = failed(&finished, 77);
    assert!(line.starts_with("ostler: door: the login is over (invalid_grant"), "{line}");
    assert!(line.ends_with(COMMAND), "{line}");

    let mut options = dbus::Options::new();
    options.insert("rejected", rejected.as_str().into());
    let (name, text) = dbus::error(client.call("GetAccessToken", &(ACCOUNT, options)));
    assert_eq!(name, "LoginRequired");
    assert!(text.ends_with(COMMAND), "{text}");

    let shown = scene.account();
    assert_eq!(shown["state"], json!("login-required"));
    assert!(shown["detail"].as_str().unwrap().contains("invalid_grant"), "{shown}");
    assert_eq!(shown["last_failure"], json!("dead-grant"));
    let status = scene.daemon.run(&["status"]).unwrap();
    assert!(status.stdout.contains("door needs you: ostler login test --as door"), "{status:?}");
    assert_eq!(scene.provider.log().refreshes().count(), 1, "a strict provider is asked once");
}

#[test]
fn the_token_of_a_grant_that_is_over_is_kept_and_the_state_survives_a_restart() {
    let mut scene = Scene::signed_in(Config::parqex());
    let old = scene.token();
    scene.provider.revoke_family("alice");
    assert_eq!(fault_kind(scene.renew(&old)), "LoginRequired");
    // the provider may be wrong, and then it is the only copy
    assert_eq!(database::refresh_tokens(&scene.daemon, ACCOUNT), 1);
    scene.daemon.restart().unwrap();
    assert_eq!(database::standing(&scene.daemon, ACCOUNT).0, "needs-login");
    assert_eq!(scene.account()["state"], json!("login-required"));
    assert_eq!(fault_kind(scene.renew(&old)), "LoginRequired");
    assert_eq!(database::refresh_tokens(&scene.daemon, ACCOUNT), 1);
    assert_eq!(scene.provider.log().refreshes().count(), 1, "it is not asked again");
}

#[test]
fn a_new_login_heals_the_account_and_it_is_the_same_one() {
    let mut scene = Scene::signed_in(Config::parqex());
    let id = scene.account()["id"].clone();
    scene.provider.revoke_family("alice");
    assert_eq!(fault_kind(scene.renew(&scene.token())), "LoginRequired");
    let mut login = Login::new(PROVIDER, ACCOUNT);
    login.client = Introduction::Known;
    scene.run_login(&login);
    let shown = scene.account();
    assert_eq!((&shown["state"], &shown["id"]), (&json!("ready"), &id));
    assert!(shown["detail"].is_null() && shown["last_failure"].is_null(), "{shown}");
    let token = scene.token();
    assert!(scene.admits(&token));
    // which makes it forget the gap between two refreshes
    scene.daemon.restart().unwrap();
    assert!(scene.admits(&token_of(&scene.renew(&token).unwrap())));
}

#[test]
fn a_forgiving_provider_is_asked_a_second_time_before_it_is_believed() {
    let config = Config::parqex().rotation(Rotation::Grace(Duration::from_secs(30)));
    let scene = Scene::signed_in(config);
    let old = scene.token();
    scene.provider.revoke_family("alice");
    let mut watch = Watch::start(&scene.daemon);
    assert_eq!(fault_kind(scene.renew(&old)), "LoginRequired");
    assert_eq!(scene.provider.log().refreshes().count(), 2);
    let states = watch.states(&scene.daemon);
    assert_eq!(states.last().unwrap(), "login-required", "{states:?}");
    assert!(states.contains(&"backing-off".to_owned()), "{states:?}");
}

#[test]
fn a_strict_provider_that_rotated_and_lost_the_answer_costs_the_login_and_the_reason_is_told() {
    let scene = Scene::signed_in(Config::parqex());
    let old = scene.token();
    scene.provider.next(Fault::LostResponse);
    let (kind, parameters) = fault(scene.renew(&old));
    assert_eq!(kind, "LoginRequired");
    let message = parameters["message"].as_str().unwrap();
    assert!(message.contains("an earlier answer was lost on its way"), "{message}");
    let log = scene.provider.log();
    assert_eq!(log.refreshes().count(), 2, "it was worth a try");
}
