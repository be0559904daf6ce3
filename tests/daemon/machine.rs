//! The machine around the daemon: it sleeps and wakes, and its network comes and goes.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::database;
use crate::logind::{Inhibitor, Logind};
use crate::scene::{ACCOUNT, Scene, Watch, ask, connect, fault_kind, token_of};
use crate::support::bus::Bus;
use crate::support::process;
use crate::support::provider::Config;
use crate::support::secret;

const PATIENCE: Duration = Duration::from_mins(2);

/// A daemon with two accounts on a system bus with that logind.
fn scene(bus: &Bus) -> Scene {
    let address = bus.address().to_owned();
    let scene =
        Scene::at_home(Config::parqex(), |home| home.env("DBUS_SYSTEM_BUS_ADDRESS", &address));
    scene.sign_in(ACCOUNT);
    scene.sign_in("gate");
    scene
}

/// What a caller gets who asks for a new token of the second account within that time.
fn renew_gate(
    scene: &Scene,
    within: Duration,
) -> Result<Value, crate::support::varlink::CallError> {
    let old = token_of(&ask(&scene.daemon, "GetToken", &json!({ "account": "gate" })).unwrap());
    let parameters = json!({
        "account": "gate",
        "rejected": secret::fingerprint(&old),
        "timeout_ms": u64::try_from(within.as_millis()).unwrap(),
    });
    ask(&scene.daemon, "GetToken", &parameters)
}

/// A machine that is about to sleep is held up until the flight that is under way has landed.
fn a_sleep_waits_for_a_flight(scene: &Scene, logind: &Logind, inhibitor: &Inhibitor) {
    let mut caller = scene.refresh_under_way();
    logind.announce("PrepareForSleep", true);
    assert!(!inhibitor.is_released(), "a flight is on its way");
    scene.provider.release();
    assert!(scene.admits(&token_of(&caller.answer().unwrap())));
    inhibitor.wait_released();
}

#[test]
fn sleep_waits_for_the_flight_and_none_starts_before_the_network_is_back() {
    let bus = Bus::start().unwrap();
    let logind = Logind::start(bus.address());
    let scene = scene(&bus);
    let inhibitor = logind.inhibitor();
    assert_eq!(inhibitor.what, "sleep:shutdown");
    assert_eq!((inhibitor.who.as_str(), inhibitor.mode.as_str()), ("ostler", "delay"));
    assert!(!inhibitor.why.is_empty(), "systemd-inhibit --list shows it");

    a_sleep_waits_for_a_flight(&scene, &logind, &inhibitor);

    let sent = scene.provider.log().refreshes().count();
    let early = renew_gate(&scene, Duration::from_millis(300));
    assert_eq!(fault_kind(early), "Timeout", "the machine is about to sleep");

    // what anybody can send is not what logind says
    let stranger = Logind::stranger(bus.address());
    stranger.forge(&inhibitor.asker, "PrepareForSleep", false);
    stranger.forge_online(&inhibitor.asker);
    let early = renew_gate(&scene, Duration::from_millis(700));
    assert_eq!(fault_kind(early), "Timeout", "nobody said that it woke");
    assert_eq!(scene.provider.log().refreshes().count(), sent);

    logind.announce("PrepareForSleep", false);
    logind.announce_online();
    let again = logind.inhibitor();
    assert!(scene.admits(&token_of(&renew_gate(&scene, Duration::from_secs(20)).unwrap())));

    // an idle daemon holds nobody up
    logind.announce("PrepareForShutdown", true);
    again.wait_released();
    scene.assert_clean();
}

#[test]
fn a_logind_that_goes_in_the_middle_of_a_sleep_holds_nothing_up_and_its_successor_is_asked() {
    let bus = Bus::start().unwrap();
    let logind = Logind::start(bus.address());
    let scene = scene(&bus);
    logind.announce("PrepareForSleep", true);
    logind.inhibitor().wait_released();
    drop(logind);
    let successor = Logind::start(bus.address());
    let inhibitor = successor.inhibitor();
    successor.announce_online();
    assert!(scene.admits(&token_of(&renew_gate(&scene, Duration::from_secs(20)).unwrap())));
    assert!(!inhibitor.is_released());
}

#[test]
fn without_a_system_bus_everything_works_and_one_line_says_so() {
    let scene = Scene::signed_in(Config::parqex());
    let new = token_of(&scene.renew(&scene.token()).unwrap());
    assert!(scene.admits(&new));
    let log = scene.daemon.log();
    assert_eq!(log.matches("no system bus").count(), 1, "{log}");
}

#[test]
fn a_token_that_expired_while_the_machine_slept_is_renewed_before_anybody_gets_it() {
    // a time namespace moves the boot clock and nothing else: that is what a long sleep looks like
    let probe = Command::new("unshare").args(["--time", "--boottime", "7200", "true"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        skip("needs root and util-linux's unshare for a time namespace");
        return;
    }
    let mut scene = Scene::signed_in(Config::parqex());
    let old = scene.token();
    scene.daemon.restart_under(&["unshare", "--time", "--boottime", "7200"]).unwrap();
    scene.provider.wait(|log| log.granted_refreshes() == 1).unwrap();
    let new = scene.token();
    assert_ne!(new, old, "an hour's token after two hours");
    assert!(scene.admits(&new));
    // back where the boot clock has not come as far as what is on record
    scene.daemon.restart_under(&[]).unwrap();
    assert_eq!(scene.token(), new);
    let shown = scene.account();
    let left = shown["expires_at"].as_i64().unwrap() - shown["last_refresh"].as_i64().unwrap();
    assert_eq!(left, 3600, "{shown}");
    let status = ask(&scene.daemon, "Status", &json!({})).unwrap();
    let now = status["daemon"]["now"].as_i64().unwrap();
    assert!(shown["expires_at"].as_i64().unwrap() <= now + 3600, "not believed to live longer");
    assert_eq!(scene.provider.log().granted_refreshes(), 1);
    scene.assert_clean();
}

#[test]
fn an_inhibitor_that_was_refused_is_asked_for_again() {
    let bus = Bus::start().unwrap();
    let logind = Logind::refusing(bus.address(), 2);
    let scene = scene(&bus);
    let inhibitor = logind.inhibitor();
    a_sleep_waits_for_a_flight(&scene, &logind, &inhibitor);
}

#[test]
fn a_system_bus_that_comes_late_is_found() {
    let mut bus = Bus::start().unwrap();
    bus.stop().unwrap();
    let _scene = scene(&bus);
    bus.resume().unwrap();
    let logind = Logind::start(bus.address());
    logind.inhibitor();
}

#[test]
fn a_network_that_comes_back_is_noticed_and_the_caller_served() {
    let this = std::env::current_exe().unwrap();
    let probe = Command::new("unshare").args(["--net", "ip", "link"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        skip("needs root, unshare and ip for a network namespace");
        return;
    }
    let mut inside = Command::new("unshare");
    inside.arg("--net").arg(this);
    inside.args(["--ignored", "--exact", "--nocapture", "machine::inside_a_network_of_its_own"]);
    let finished = process::run(&mut inside, "", PATIENCE).unwrap();
    assert!(finished.status.success(), "{}\n{}", finished.stdout, finished.stderr);
    assert!(finished.stdout.contains("1 passed"), "{}", finished.stdout);
}

/// Not a test of its own: what the test above does in its network namespace.
#[test]
#[ignore = "runs as the child of another test"]
fn inside_a_network_of_its_own() {
    ip(&["link", "set", "lo", "up"]);
    let scene = Scene::signed_in(Config::parqex());
    let old = scene.token();
    let hints = |scene: &Scene| scene.daemon.log().matches("the network may be up").count();
    let before = hints(&scene);
    ip(&["address", "del", "127.0.0.1/8", "dev", "lo"]);
    let mut watch = Watch::start(&scene.daemon);
    let mut caller = connect(&scene.daemon);
    let parameters = json!({
        "account": ACCOUNT, "rejected": secret::fingerprint(&old), "timeout_ms": 60_000,
    });
    caller
        .send(&json!({ "method": "dev.ostler.Ostler1.GetToken", "parameters": parameters }))
        .unwrap();
    let failing = watch.until(|account| account["failures"].as_i64() >= Some(2));
    assert_eq!(failing["last_failure"], json!("not-sent"), "{failing}");
    assert_eq!(hints(&scene), before, "what goes is no good news");
    ip(&["address", "add", "127.0.0.1/8", "dev", "lo"]);
    let new = token_of(&caller.answer().unwrap());
    assert!(scene.admits(&new));
    assert!(hints(&scene) > before, "{}", scene.daemon.log());
    scene.assert_clean();
}

fn ip(arguments: &[&str]) {
    let finished = process::run(Command::new("ip").args(arguments), "", PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}");
}

#[expect(clippy::print_stderr, reason = "a test that is left out says why")]
fn skip(why: &str) {
    eprintln!("skipped: {why}");
}

#[test]
fn a_reboot_between_saving_and_loading_costs_neither_token_nor_refresh() {
    let mut scene = Scene::signed_in(Config::parqex());
    let (token, shown) = (scene.token(), scene.account());
    let sent = scene.provider.log().refreshes().count();
    scene.daemon.terminate().unwrap();
    database::reboot(&scene.daemon);
    scene.daemon.restart().unwrap();
    assert_eq!(scene.token(), token, "the wall clock places it");
    let expires = |shown: &Value| shown["expires_at"].as_i64().unwrap();
    // to the second, for milliseconds are cut off at each end
    assert!((expires(&scene.account()) - expires(&shown)).abs() <= 1);
    assert_eq!(scene.provider.log().refreshes().count(), sent);
    let next = token_of(&scene.renew(&token).unwrap());
    assert!(scene.admits(&next), "and it goes on from there");
}

#[test]
fn a_refresh_that_a_power_cut_left_open_is_settled_after_the_reboot() {
    let mut scene = Scene::signed_in(
        Config::parqex().rotation(crate::support::provider::Rotation::Grace(PATIENCE)),
    );
    let _caller = scene.refresh_under_way();
    scene.daemon.kill9().unwrap();
    scene.provider.behave();
    scene.provider.release();
    database::reboot(&scene.daemon);
    scene.daemon.restart().unwrap();
    assert!(scene.admits(&scene.token()));
    assert_eq!(scene.provider.log().reuses, 0);
    assert_eq!(database::rows(&scene.daemon, "attempt"), 0);
}
