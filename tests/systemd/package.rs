//! The package: installed, upgraded, removed, purged.

use serde_json::json;

use crate::container::{OTHER, TESTER};
use crate::scene::{ACCOUNT, Scene, install, machine};
use crate::support::provider::Config;

#[test]
fn to_install_it_is_all_that_it_takes() {
    let Some(machine) = machine() else { return };
    install(&machine, "OSTLER_TEST_DEB");
    for unit in ["ostler.socket", "ostler.service"] {
        let global = ["systemctl", "--global", "is-enabled", unit];
        assert_eq!(machine.said(&global), "enabled", "for users to come");
        for user in [TESTER, OTHER] {
            let active = ["systemctl", "--user", "is-active", unit];
            assert_eq!(machine.said_as(user, &active), "active", "without a new login");
        }
    }
    let status = machine.said_as(TESTER, &["ostler", "status"]);
    assert!(status.contains("ostler login"), "{status}");
    let bus = ["busctl", "--user", "call", "dev.ostler.Ostler1", "/dev/ostler/Ostler1"];
    let bus = [&bus[..], &["dev.ostler.Ostler1.Manager", "ListProviders"]].concat();
    assert!(machine.said_as(TESTER, &bus).contains("parqex"));
    let doctor = machine.said_as(TESTER, &["ostler", "doctor"]);
    assert!(doctor.contains("0 problems") || !doctor.contains("problem "), "{doctor}");
}

#[test]
fn what_a_package_brings_is_where_it_is_looked_for() {
    let Some(machine) = machine() else { return };
    install(&machine, "OSTLER_TEST_DEB");
    for page in ["ostler.1", "ostler-token.1", "ostlerd.8", "ostler.toml.5", "ostler-provider.5"] {
        let (name, section) = page.rsplit_once('.').unwrap();
        let path = format!("/usr/share/man/man{section}/{page}.gz");
        let text = machine.said(&["zcat", &path]);
        assert!(text.contains(&name.replace('-', "\\-")), "{page}");
    }
    for file in [
        "/usr/share/dbus-1/interfaces/dev.ostler.Ostler1.Manager.xml",
        "/usr/share/ostler/providers/parqex.toml",
        "/usr/share/doc/ostler/copyright",
        "/usr/share/doc/ostler/changelog.gz",
        "/usr/share/bash-completion/completions/ostler",
        "/usr/share/zsh/vendor-completions/_ostler",
        "/usr/share/fish/vendor_completions.d/ostler.fish",
    ] {
        assert_eq!(machine.said_as(TESTER, &["stat", "-c", "%a %U", file]), "644 root", "{file}");
    }
}

#[test]
fn an_upgrade_restarts_the_daemons_and_keeps_every_login() {
    let Some(scene) = Scene::signed_in(Config::standard()) else { return };
    scene.describe_provider(OTHER);
    scene.sign_in(OTHER);
    let (token, daemon) = (scene.token(), scene.daemon());
    let others = scene.machine.said_as(OTHER, &["ostler", "token", ACCOUNT]);
    // what a user has stopped stays stopped
    scene.systemctl(OTHER, &["stop", "ostler.service"]);
    install(&scene.machine, "OSTLER_TEST_DEB_NEXT");
    let version = scene.machine.said(&["dpkg-query", "-W", "-f=${Version}", "ostler"]);
    assert!(version.ends_with("-2"), "{version}");
    let active = ["systemctl", "--user", "is-active", "ostler.service"];
    assert!(!scene.machine.run_as(OTHER, &active).status.success());
    // who asks while the daemon is replaced is answered by its successor
    assert_eq!(scene.token(), token);
    scene.systemctl(TESTER, &["start", "ostler.service"]);
    assert_ne!(scene.daemon(), daemon);
    let state = scene.machine.said_as(TESTER, &["ostler", "status", ACCOUNT, "--json"]);
    assert!(state.contains(r#""state":"ready""#), "{state}");
    assert_eq!(scene.machine.said_as(OTHER, &["ostler", "token", ACCOUNT]), others);
    assert_ne!(scene.renew(&token), token, "and the login goes on");
}

#[test]
fn to_remove_it_keeps_what_the_users_have_and_to_purge_it_says_where_that_is() {
    let Some(scene) = Scene::signed_in(Config::standard()) else { return };
    let token = scene.token();
    scene.machine.said(&["apt-get", "remove", "-y", "ostler"]);
    let database = "/home/tester/.local/state/ostler/ostler.db";
    scene.machine.said(&["stat", database]);
    let running = ["pgrep", "--exact", "ostlerd"];
    assert_eq!(scene.machine.run(&running).status.code(), Some(1), "none is left behind");
    install(&scene.machine, "OSTLER_TEST_DEB");
    assert_eq!(scene.token(), token, "and is there when it is back");
    let purged = scene.machine.run(&["apt-get", "purge", "-y", "ostler"]);
    assert!(purged.status.success(), "{purged:?}");
    assert!((purged.stdout + &purged.stderr).contains("~/.local/state/ostler"));
    scene.machine.said(&["stat", database]);
    let wants = ["find", "/etc/systemd/user", "-name", "ostler*"];
    assert_eq!(scene.machine.said(&wants), "");
    assert_eq!(json!(scene.machine.run(&["which", "ostler"]).status.code()), json!(1));
}
