//! The unit: watchdog, reload, restart and stop, and settings that cannot be used.

use std::thread;

use crate::container::TESTER;
use crate::scene::{ACCOUNT, PROVIDER, Scene};
use crate::support::provider::{Config, Fault};

/// Below the user's home.
const SETTINGS: &str = "/home/tester/.config/ostler/ostler.toml";

#[test]
fn a_daemon_that_hangs_is_killed_and_its_successor_answers() {
    let Some(scene) = Scene::signed_in(Config::standard()) else { return };
    let token = scene.token();
    let drop_in = "/home/tester/.config/systemd/user/ostler.service.d/test.conf";
    scene.machine.said_as(TESTER, &["mkdir", "-p", drop_in.rsplit_once('/').unwrap().0]);
    scene.machine.write(drop_in, b"[Service]\nWatchdogSec=2s\n", TESTER);
    scene.systemctl(TESTER, &["daemon-reload"]);
    scene.systemctl(TESTER, &["restart", "ostler.service"]);
    let hung = scene.daemon();
    scene.machine.said(&["kill", "-STOP", &hung]);
    // who asks now waits on the socket, which stays, for the next daemon
    assert_eq!(scene.token(), token);
    assert_ne!(scene.daemon(), hung);
    assert_eq!(scene.property("ostler.service", "NRestarts"), "1");
    let manager = ["journalctl", "--no-pager", "--output=cat", "USER_UNIT=ostler.service"];
    let manager = scene.machine.said(&manager);
    assert!(manager.contains("Watchdog timeout (limit 2s)!"), "{manager}");
}

#[test]
fn a_reload_reads_the_users_files_and_the_status_line_says_how_things_stand() {
    let Some(scene) = Scene::signed_in(Config::standard()) else { return };
    let daemon = scene.daemon();
    assert_eq!(scene.property("ostler.service", "StatusText"), "1 account");
    scene.machine.write(SETTINGS, b"mode = \"lazy\"\n", TESTER);
    scene.systemctl(TESTER, &["reload", "ostler.service"]);
    let status = scene.machine.said_as(TESTER, &["ostler", "status", ACCOUNT, "--json"]);
    assert!(status.contains(r#""mode":"lazy""#), "{status}");
    assert_eq!(scene.daemon(), daemon, "it is the same one");
    assert!(scene.is_active("ostler.service"));
}

#[test]
fn a_stop_waits_for_the_refresh_under_way_and_its_tokens_are_there_at_the_next_start() {
    let Some(scene) = Scene::signed_in(Config::standard()) else { return };
    let old = scene.token();
    scene.provider.next(Fault::Hold);
    thread::scope(|scope| {
        let renewed = scope.spawn(|| scene.renew(&old));
        scene.provider.wait(|log| log.refreshes().count() == 1).unwrap();
        let stopped = scope.spawn(|| scene.systemctl(TESTER, &["stop", "ostler.service"]));
        let stopping = ["systemctl", "--user", "is-active", "ostler.service"];
        while scene.machine.run_as(TESTER, &stopping).stdout.trim() == "active" {}
        scene.provider.release();
        let new = renewed.join().unwrap();
        assert_ne!(new, old, "who waited was answered before the end");
        stopped.join().unwrap();
        assert_eq!(scene.token(), new);
    });
    assert_eq!(scene.property("ostler.service", "Result"), "success");
    assert_eq!(scene.provider.log().refreshes().count(), 1);
}

#[test]
fn a_restart_keeps_the_login() {
    let Some(scene) = Scene::signed_in(Config::standard()) else { return };
    let (daemon, token) = (scene.daemon(), scene.token());
    scene.systemctl(TESTER, &["restart", "ostler.service"]);
    assert_ne!(scene.daemon(), daemon);
    assert_eq!(scene.token(), token);
    assert_ne!(scene.renew(&token), token);
}

#[test]
fn settings_that_cannot_be_used_take_neither_unit_nor_socket_down() {
    let Some(scene) = Scene::signed_in(Config::standard()) else { return };
    scene.machine.write(SETTINGS, b"max_flights = \"many\"\n", TESTER);
    scene.systemctl(TESTER, &["restart", "ostler.service"]);
    for _ in 0..6 {
        let finished = scene.ostler(&["token", ACCOUNT]);
        assert_eq!(finished.status.code(), Some(74), "{finished:?}");
        assert!(finished.stderr.contains("ostler.toml"), "{finished:?}");
    }
    assert!(scene.is_active("ostler.service") && scene.is_active("ostler.socket"));
    assert_eq!(scene.property("ostler.service", "NRestarts"), "0");
    let status = scene.property("ostler.service", "StatusText");
    assert!(status.starts_with("cannot keep tokens: "), "{status}");
    scene.machine.said_as(TESTER, &["rm", SETTINGS]);
    scene.systemctl(TESTER, &["restart", "ostler.service"]);
    assert!(scene.provider.is_access_token_valid(&scene.token()));
    // nor does a provider file cost more than that provider
    let file = "/home/tester/.config/ostler/providers/broken.toml";
    scene.machine.write(file, b"id = ", TESTER);
    scene.systemctl(TESTER, &["reload", "ostler.service"]);
    assert!(scene.machine.said_as(TESTER, &["ostler", "providers"]).contains(PROVIDER));
}

#[test]
fn the_log_level_can_be_changed_while_it_runs() {
    let Some(scene) = Scene::installed(Config::standard()) else { return };
    scene.systemctl(TESTER, &["start", "ostler.service"]);
    assert_eq!(scene.systemctl(TESTER, &["service-log-level", "ostler.service"]), "info");
    scene.systemctl(TESTER, &["service-log-level", "ostler.service", "debug"]);
    assert_eq!(scene.systemctl(TESTER, &["service-log-level", "ostler.service"]), "debug");
    assert_eq!(scene.systemctl(TESTER, &["service-log-target", "ostler.service"]), "journal");
}
