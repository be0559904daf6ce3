//! Two users of one machine.

use crate::container::{OTHER, TESTER};
use crate::scene::{ACCOUNT, Scene};
use crate::support::provider::Config;

#[test]
fn two_users_have_a_daemon_each_and_cannot_reach_the_others() {
    let Some(scene) = Scene::signed_in(Config::standard()) else { return };
    scene.describe_provider(OTHER);
    let nothing = scene.machine.run_as(OTHER, &["ostler", "token", ACCOUNT]);
    assert_eq!(nothing.status.code(), Some(67), "{nothing:?}");
    scene.sign_in(OTHER);
    let others = scene.machine.said_as(OTHER, &["ostler", "token", ACCOUNT]);
    assert_ne!(others, scene.token());

    let socket = "--socket=/run/user/4242/ostler/socket";
    let refused = scene.machine.run_as(OTHER, &["ostler", socket, "token", ACCOUNT]);
    assert_eq!(refused.status.code(), Some(69), "{refused:?}");
    assert!(refused.stderr.contains("Permission denied"), "{refused:?}");
    let bus = "--address=unix:path=/run/user/4242/bus";
    let refused = scene.machine.run_as(OTHER, &["busctl", bus, "list"]);
    assert!(!refused.status.success(), "{refused:?}");
    for file in [".local/state/ostler/ostler.db", ".config/ostler/keys.toml"] {
        let file = format!("/home/tester/{file}");
        assert!(scene.machine.said(&["stat", "-c", "%a", &file]) == "600", "{file}");
        assert!(!scene.machine.run_as(OTHER, &["cat", &file]).status.success(), "{file}");
    }
    // not even root is served by mistake: another user's daemon is not the one that was meant
    let root = scene.machine.run(&["ostler", socket, "token", ACCOUNT]);
    assert_eq!(root.status.code(), Some(77), "{root:?}");

    scene.machine.said_as(OTHER, &["ostler", "logout", ACCOUNT]);
    let still = scene.machine.said_as(TESTER, &["ostler", "token", ACCOUNT]);
    assert!(scene.provider.is_access_token_valid(&still));
}
