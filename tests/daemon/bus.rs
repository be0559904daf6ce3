//! With a session bus, without one, and with one that is not there.

use serde_json::json;

use crate::dbus::{Client, error};
use crate::scene::{ACCOUNT, PROVIDER, Scene, ask, file, home, token_of};
use crate::support::bus::Bus;
use crate::support::daemon::Daemon;
use crate::support::provider::{Config, Provider};

fn is_on_bus(daemon: &Daemon) -> bool {
    ask(daemon, "Status", &json!({})).unwrap()["daemon"]["bus"] == json!(true)
}

#[test]
fn without_a_session_bus_everything_works_by_the_socket() {
    let scene = Scene::signed_in(Config::parqex());
    assert!(!is_on_bus(&scene.daemon));
    let status = scene.daemon.run(&["status"]).unwrap();
    assert!(status.stdout.contains(", not on D-Bus\n"), "{status:?}");
    let token = scene.token();
    assert!(scene.admits(&token_of(&scene.renew(&token).unwrap())));
}

#[test]
fn a_bus_address_where_nobody_is_costs_the_sockets_callers_nothing() {
    let provider = Provider::start(Config::parqex());
    let home = home().config(&file(PROVIDER), &provider.definition(PROVIDER)).unwrap();
    let nowhere = format!("unix:path={}", home.path("run/no-bus").display());
    let daemon = Daemon::start(home.env("DBUS_SESSION_BUS_ADDRESS", &nowhere)).unwrap();
    assert!(!is_on_bus(&daemon));
    let login = crate::support::login::Login::new(PROVIDER, ACCOUNT);
    assert!(login.run(&daemon, &provider).unwrap().status.success());
    ask(&daemon, "GetToken", &json!({ "account": ACCOUNT })).unwrap();
}

#[test]
fn a_daemon_that_says_it_is_ready_is_on_the_bus() {
    let bus = Bus::start().unwrap();
    let client = Client::connect(bus.address());
    let mut scene = Scene::on_bus(Config::parqex(), bus);
    assert!(client.is_served() && is_on_bus(&scene.daemon));
    let (name, text) = error(client.token(ACCOUNT));
    assert_eq!(name, "NoSuchAccount");
    assert!(text.contains("there is no such account"), "{text}");
    assert!(scene.daemon.terminate().unwrap().success());
    assert!(!client.is_served(), "the name is given back");
}
