//! The daemon's place on the bus: given by the bus, kept against others, and found again.

use std::collections::HashMap;

use rustix::process::Signal;
use serde_json::{Value, json};
use zbus::fdo::RequestNameFlags;

use crate::DEADLINE;
use crate::client::{AccountProxy, ManagerProxy, Options};
use crate::scene::{
    ACCOUNT, NAME, PROVIDER, Scene, connect, home, is_on_bus, owner_besides, parse, run,
};
use crate::soon;
use crate::support::bus::Bus;
use crate::support::daemon::Daemon;
use crate::support::process::Adopted;
use crate::support::provider::Config;
use crate::support::varlink::Varlink;

/// The file that is installed, with the daemon of this build in place of the installed one.
fn service_file() -> String {
    let installed = include_str!("../../dbus/dev.ostler.Ostler1.service");
    let file = installed.replace("/usr/libexec/ostlerd", env!("CARGO_BIN_EXE_ostlerd"));
    assert_ne!(file, installed);
    file
}

#[tokio::test]
async fn a_call_of_its_name_starts_the_daemon_without_systemd() {
    let home = home();
    let bus = Bus::activating(&home, "dev.ostler.Ostler1.service", &service_file()).unwrap();
    let client = connect(&bus).await;
    let mut before = None;
    // a second time, because the first daemon has to leave the name for the next one
    for _ in 0..2 {
        let manager = ManagerProxy::new(&client).await.unwrap();
        let providers = soon(manager.list_providers()).await.unwrap();
        assert!(providers.contains_key("parqex"));
        let pid = soon(owner_besides(&client, before)).await;
        let daemon = Adopted::new(pid).unwrap();
        let status = parse(&run(&mut home.command(&["status", "--json"])));
        let of_status = (&status["daemon"]["pid"], &status["daemon"]["bus"]);
        assert_eq!(of_status, (&json!(pid), &json!(true)));
        daemon.signal(Signal::TERM).unwrap();
        daemon.wait(DEADLINE).unwrap();
        before = Some(pid);
    }
}

#[tokio::test]
async fn nobody_can_take_the_name_and_a_second_daemon_gets_it_when_it_is_free() {
    let mut scene = Scene::new(Config::standard());
    let client = scene.client().await;
    let first = soon(owner_besides(&client, None)).await;
    assert_eq!(Some(first), scene.daemon.pid());
    let flags = RequestNameFlags::REPLACE_EXISTING | RequestNameFlags::DO_NOT_QUEUE;
    let thief = client.request_name_with_flags(NAME, flags).await;
    assert!(matches!(thief, Err(zbus::Error::NameTaken)), "{thief:?}");
    assert_eq!(soon(owner_besides(&client, None)).await, first);

    // another daemon, with a state of its own: it serves its socket meanwhile
    let second = Daemon::start(home().bus(&scene.bus)).unwrap();
    assert!(!is_on_bus(&second));
    assert!(second.log().contains("another process owns dev.ostler.Ostler1"), "{}", second.log());
    assert!(is_on_bus(&scene.daemon));
    assert!(scene.daemon.terminate().unwrap().success());
    let now = soon(owner_besides(&client, Some(first))).await;
    assert_eq!(Some(now), second.pid());
}

#[tokio::test]
async fn a_bus_that_dies_costs_the_socket_nothing_and_the_name_comes_back_on_the_next() {
    let mut scene = Scene::signed_in(Config::standard());
    let (path, token) = (scene.path(), scene.token());
    let mut monitor = Varlink::connect(&scene.daemon.socket_path()).unwrap();
    monitor.send(&json!({ "method": "dev.ostler.Ostler1.Monitor", "more": true })).unwrap();
    let next = |monitor: &mut Varlink| -> Value {
        serde_json::from_slice(&monitor.receive().unwrap().unwrap()).unwrap()
    };
    assert_eq!(next(&mut monitor)["parameters"]["event"], json!("account"));
    {
        let client = scene.client().await;
        let manager = ManagerProxy::new(&client).await.unwrap();
        let options: Options<'_> = HashMap::from([("alias", "other".into())]);
        manager.add_account(PROVIDER, options).await.unwrap();
        scene.bus.stop().unwrap();
    }
    // whoever started that sign-in left with the bus
    let end = next(&mut monitor)["parameters"].take();
    assert_eq!(end["fault"]["fault"], json!("Cancelled"), "{end}");
    assert_eq!(scene.token(), token);
    assert!(!is_on_bus(&scene.daemon));

    scene.bus.resume().unwrap();
    let client = scene.client().await;
    assert_eq!(Some(soon(owner_besides(&client, None)).await), scene.daemon.pid());
    let object = AccountProxy::new(&client, path).await.unwrap();
    assert_eq!(object.state().await.unwrap(), "ready");
    let manager = ManagerProxy::new(&client).await.unwrap();
    let answer = manager.get_access_token(ACCOUNT, Options::new()).await.unwrap();
    assert_eq!(answer.0, token);
}
