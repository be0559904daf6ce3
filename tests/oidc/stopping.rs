//! Registrations that something cuts off: what a provider made of one is as dear as a grant, and what comes to nothing
//! is undone.

use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::{Value, json};
use url::Url;

use crate::registration::knows;
use crate::scene::{ACCOUNT, Scene, follow};
use crate::support::op::Options;
use crate::support::varlink::Varlink;

/// A scene whose client is being renewed: the provider has a new secret for it, and has not told it yet.
fn renewal_under_way() -> (Scene, String) {
    let secret_lifetime = Some(Duration::from_secs(6));
    let scene = Scene::with(Options { secret_lifetime, ..Options::default() });
    scene.op.next("hold_update").unwrap();
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &[]), "");
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    let token = scene.token(ACCOUNT);
    scene.op.wait_held().unwrap();
    (scene, token)
}

/// The daemon stops, and starts again with a secret that the provider takes.
fn assert_kept(scene: &mut Scene, token: &str) {
    let ended = scene.daemon.wait_end().unwrap();
    assert!(ended.success(), "{ended:?}\n{}", scene.daemon.log());
    scene.daemon.restart().unwrap();
    let next = scene.renew(ACCOUNT, token);
    assert!(scene.is_active(&next), "{}", scene.daemon.log());
    assert_eq!(scene.count("updates"), 1, "{}", scene.daemon.log());
}

#[test]
fn a_stop_waits_for_a_secret_that_is_being_renewed() {
    let (mut scene, token) = renewal_under_way();
    scene.daemon.signal(Signal::TERM).unwrap();
    scene.daemon.wait_notice(|notice| notice == "STOPPING=1").unwrap();
    scene.op.release().unwrap();
    assert_kept(&mut scene, &token);
}

#[test]
fn a_stop_waits_until_a_secret_that_the_disk_refused_is_written_down() {
    let (mut scene, token) = renewal_under_way();
    let other = Connection::open(scene.daemon.home().path("state/ostler/ostler.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    scene.op.release().unwrap();
    // each look takes its time
    let refused = |_| {
        scene.daemon.run(&["status"]).unwrap();
        scene.daemon.log().contains("the new secret is not written down")
    };
    assert!((0..10_000).any(refused), "{}", scene.daemon.log());
    scene.daemon.signal(Signal::TERM).unwrap();
    scene.daemon.wait_notice(|notice| notice == "STOPPING=1").unwrap();
    other.execute_batch("ROLLBACK").unwrap();
    assert_kept(&mut scene, &token);
}

#[test]
fn a_login_whose_client_is_registered_for_more_shows_the_secret_that_came_with_that() {
    let secret_lifetime = Some(Duration::from_hours(24));
    let scene = Scene::with(Options { secret_lifetime, ..Options::default() });
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &[]), "");
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    let parameters = json!({
        "provider": scene.op.issuer(), "account": "bob", "flow": "device",
        "scopes": ["openid", "api:read"],
    });
    ask(&scene, "Login", &parameters);
    assert_eq!(scene.count("updates"), 1, "{}", scene.daemon.log());
}

/// Signs in with a client that has just registered itself, as far as to the browser. Gives the request and the client.
fn open_sign_in(scene: &Scene, flow: &str) -> (String, String) {
    let parameters = json!({ "provider": scene.op.issuer(), "account": ACCOUNT, "flow": flow });
    let started = ask(scene, "Login", &parameters);
    let text = |name: &str| started[name].as_str().unwrap().to_owned();
    let url = Url::parse(&text("authorization_uri")).unwrap();
    let client = url.query_pairs().find(|(name, _)| name == "client_id").unwrap().1.into_owned();
    assert!(knows(&scene.op, &client));
    (text("request"), client)
}

fn ask(scene: &Scene, method: &str, parameters: &Value) -> Value {
    let mut caller = Varlink::connect(&scene.daemon.socket_path()).unwrap();
    caller.call(&format!("dev.ostler.Ostler1.{method}"), parameters).unwrap()
}

#[test]
fn a_client_whose_login_comes_to_nothing_is_unregistered() {
    let scene = Scene::new();
    let (request, client) = open_sign_in(&scene, "browser");
    ask(&scene, "Cancel", &json!({ "request": request }));
    // each look takes its time
    assert!((0..10_000).any(|_| !knows(&scene.op, &client)), "{}", scene.daemon.log());
}

#[test]
fn a_stop_unregisters_the_client_of_a_login_that_it_ends() {
    let mut scene = Scene::new();
    let (_, client) = open_sign_in(&scene, "browser");
    assert!(scene.daemon.terminate().unwrap().success(), "{}", scene.daemon.log());
    assert!(!knows(&scene.op, &client), "{}", scene.daemon.log());
}
