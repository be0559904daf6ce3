//! What needs a service manager beside the desktop: the button that signs in.

use serde_json::Value;

use crate::container::{TESTER, User};
use crate::scene::{ACCOUNT, Scene, WHO};
use crate::support::agent::{self, Ending};
use crate::support::provider::Config;
use crate::support::secret;

const SCREEN: &str = include_str!("screen.py");

/// The user's browser: it notes where it is sent, and by which token it came to the front.
const BROWSER: &[u8] = b"#!/bin/sh\nprintf '%s\\n' \"$1\" >>/home/tester/visited.part\n\
    printf '%s\\n' \"$XDG_ACTIVATION_TOKEN\" >/home/tester/activation\n\
    mv /home/tester/visited.part /home/tester/visited\n";

#[test]
fn the_button_of_a_lost_login_opens_the_browser_outside_of_the_daemons_restrictions() {
    let Some(scene) = Scene::signed_in(Config::standard()) else { return };
    let machine = &scene.machine;
    let root = User { name: "root", id: 0 };
    machine.write("/usr/local/bin/xdg-open", BROWSER, root);
    machine.write("/usr/local/bin/screen.py", SCREEN.as_bytes(), root);
    machine.said(&["chmod", "755", "/usr/local/bin/xdg-open", "/usr/local/bin/screen.py"]);
    // what a graphical session tells its service manager
    scene.systemctl(TESTER, &["set-environment", "DISPLAY=:0"]);
    let log = "/home/tester/screen.log";
    let start = ["systemd-run", "--user", "--quiet", "--unit=screen"];
    let start = [&start[..], &["python3", "/usr/local/bin/screen.py", log]].concat();
    machine.said_as(TESTER, &start);
    let owned =
        "until busctl --user status org.freedesktop.Notifications >/dev/null 2>&1; do :; done";
    machine.said_as(TESTER, &["timeout", "30", "sh", "-c", owned]);

    let token = scene.token();
    assert_eq!(scene.provider.revoke_family(WHO), 1);
    let fingerprint = secret::fingerprint(&token);
    let refused = machine.run_as(TESTER, &["ostler", "token", ACCOUNT, "--rejected", &fingerprint]);
    assert_eq!(refused.status.code(), Some(77), "{refused:?}");

    let wait = "until test -e /home/tester/visited; do :; done; cat /home/tester/visited";
    let url = machine.said_as(TESTER, &["timeout", "60", "sh", "-c", wait]);
    let shown = machine.said_as(TESTER, &["cat", log]);
    let shown: Value = serde_json::from_str(shown.lines().next().unwrap()).unwrap();
    assert_eq!(shown["title"], "Sign in to door again");
    assert_eq!(shown["actions"][1], "Sign in");
    assert_eq!(
        machine.said_as(TESTER, &["cat", "/home/tester/activation"]).trim(),
        "fake-activation"
    );
    // the command is a unit of its own: the daemon's restrictions are not its
    let unit = machine.said_as(
        TESTER,
        &[
            "sh",
            "-c",
            "systemctl --user show 'ostler-login-*' -p NoNewPrivileges,MainPID,Description",
        ],
    );
    assert!(unit.contains("NoNewPrivileges=no"), "{unit}");
    assert!(unit.contains("Description=Sign in to door"), "{unit}");
    assert!(!scene.journal("cat").contains(url.trim()), "the address is between two");

    let ended = machine.in_network(|| agent::visit(url.trim())).unwrap();
    assert!(matches!(ended, Ending::Callback { .. }), "{ended:?}");
    let ready = "until ostler token door >/dev/null 2>&1; do :; done; ostler token door";
    let new = machine.said_as(TESTER, &["timeout", "60", "sh", "-c", ready]);
    assert!(scene.provider.is_access_token_valid(new.trim()));
    // and the notification is gone
    let closed = format!("until grep -q closed {log}; do :; done");
    machine.said_as(TESTER, &["timeout", "30", "sh", "-c", &closed]);
}
