//! With a session bus, without one, and with one that is not there.

use std::os::unix::net::UnixListener;

use rustix::process::Signal;
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

/// Waits until the daemon is on the bus. Each look takes its time.
fn wait_on_bus(daemon: &Daemon) {
    assert!((0..1_000_000).any(|_| is_on_bus(daemon)), "{}", daemon.log());
}

#[test]
fn a_bus_that_does_not_answer_holds_up_neither_the_socket_nor_a_stop_and_is_tried_again() {
    let mut bus = Bus::start().unwrap();
    bus.stop().unwrap();
    let path = bus.address().strip_prefix("unix:path=").unwrap().to_owned();
    let _ = std::fs::remove_file(&path);
    // it takes connections, and says nothing
    let silent = UnixListener::bind(&path).unwrap();
    let mut daemon = Daemon::prepare(home().bus(&bus)).unwrap();
    for _ in 0..2 {
        daemon.begin_to_start().unwrap();
        let (_line, _) = silent.accept().unwrap();
        assert!(!is_on_bus(&daemon), "the socket is served");
        daemon.signal(Signal::TERM).unwrap();
        assert!(daemon.wait_end().unwrap().success());
        assert!(!daemon.log().contains("not on the session bus"), "{}", daemon.log());
    }

    daemon.begin_to_start().unwrap();
    let (line, _) = silent.accept().unwrap();
    drop((silent, line));
    std::fs::remove_file(&path).unwrap();
    bus.resume().unwrap();
    daemon.wait_ready().unwrap();
    wait_on_bus(&daemon);
    assert!(Client::connect(bus.address()).is_served());
}

#[test]
fn a_bus_that_comes_to_its_usual_place_after_the_daemon_is_found() {
    let bus = Bus::start().unwrap();
    let daemon = Daemon::start(home()).unwrap();
    assert!(!is_on_bus(&daemon));
    let path = bus.address().strip_prefix("unix:path=").unwrap();
    std::os::unix::fs::symlink(path, daemon.home().path("run/bus")).unwrap();
    wait_on_bus(&daemon);
    assert!(Client::connect(bus.address()).is_served());
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
