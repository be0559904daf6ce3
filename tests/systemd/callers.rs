//! Who asks, where there are units, desktop applications and sandboxes to be known by.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::container::{TESTER, User};
use crate::scene::{ACCOUNT, Scene};
use crate::support::provider::Config;

const FLATPAK: &[u8] =
    b"[Application]\nname=org.example.Sandboxed\nruntime=runtime/org.example/x86_64/1\n";

/// How often each program came, with its tier.
fn uses(scene: &Scene) -> BTreeMap<(String, String), u64> {
    let listed = scene.machine.said_as(TESTER, &["ostler", "access", "log", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let word = |usage: &Value, name: &str| usage[name].as_str().unwrap().to_owned();
    let of = |usage: &Value| {
        ((word(usage, "caller"), word(usage, "tier")), usage["count"].as_u64().unwrap())
    };
    listed["uses"].as_array().unwrap().iter().map(of).collect()
}

/// Has a program ask for a token, and tells how it was known.
#[track_caller]
fn known_as(scene: &Scene, words: &[&str]) -> (String, String) {
    let before = uses(scene);
    scene.machine.said_as(TESTER, words);
    let after = uses(scene);
    let more = after.into_iter().find(|(who, count)| before.get(who) != Some(count));
    more.unwrap_or_else(|| panic!("{words:?} did not come")).0
}

/// Has a program ask that needs the user's word, and tells how it was known.
#[track_caller]
fn asked_as(scene: &Scene, words: &[&str]) -> (String, String) {
    let refused = scene.machine.run(words);
    assert_eq!(refused.status.code(), Some(77), "{refused:?}");
    let listed = scene.machine.said_as(TESTER, &["ostler", "access", "pending", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let question = listed["pending"].as_array().unwrap().last().unwrap();
    let word = |name: &str| question[name].as_str().unwrap().to_owned();
    (word("caller"), word("tier"))
}

fn claimed(name: &str) -> (String, String) {
    (name.to_owned(), "claimed".to_owned())
}

#[test]
fn programs_are_known_by_unit_by_application_and_by_sandbox() {
    let Some(scene) = Scene::signed_in(Config::standard()) else { return };
    let ostler = ["ostler", "token", ACCOUNT];
    let run = ["systemd-run", "--user", "--quiet"];

    let unit = [&run[..], &["--wait", "--pipe", "--unit=mailcheck"], &ostler].concat();
    assert_eq!(known_as(&scene, &unit), claimed("unit:mailcheck.service"));

    // a unit that calls itself an application is one if that is installed
    let scope = "--unit=app-gnome-org.example.Mail-7.scope";
    let scope = [&run[..], &["--scope", scope], &ostler].concat();
    assert_eq!(known_as(&scene, &scope), claimed("unit:app-gnome-org.example.Mail-7.scope"));
    let entry = "/home/tester/.local/share/applications/org.example.Mail.desktop";
    scene.machine.said_as(TESTER, &["mkdir", "-p", entry.rsplit_once('/').unwrap().0]);
    scene.machine.write(
        entry,
        b"[Desktop Entry]\nType=Application\nName=Mail\nExec=mail\n",
        TESTER,
    );
    assert_eq!(known_as(&scene, &scope), claimed("app:org.example.Mail"));

    // on the bus, too, whose daemon hands out no pidfd on this system
    let busctl = [
        "busctl",
        "--user",
        "call",
        "dev.ostler.Ostler1",
        "/dev/ostler/Ostler1",
        "dev.ostler.Ostler1.Manager",
        "GetAccessToken",
        "sa{sv}",
        ACCOUNT,
        "0",
    ];
    let unit = [&run[..], &["--wait", "--pipe", "--unit=desktop"], &busctl].concat();
    assert_eq!(known_as(&scene, &unit), claimed("unit:desktop.service"));
}

#[test]
fn a_sandboxed_application_is_known_by_what_its_sandbox_says() {
    let Some(scene) = Scene::signed_in(Config::standard()) else { return };
    let root = User { name: "root", id: 0 };
    scene.machine.write("/run/info", FLATPAK, root);
    scene.machine.write("/.flatpak-info", b"", root);
    scene.machine.said(&["chmod", "644", "/run/info", "/.flatpak-info"]);
    // what Flatpak does: a mount namespace in which that file is one that nobody can change
    let script = r"
        mount --bind /run/info /.flatpak-info &&
        exec setpriv --reuid=4242 --regid=4242 --clear-groups \
            env XDG_RUNTIME_DIR=/run/user/4242 HOME=/home/tester ostler token door
    ";
    let sandboxed = ["unshare", "--mount", "--propagation=private", "sh", "-c", script];
    let known = ("flatpak:org.example.Sandboxed".to_owned(), "verified".to_owned());
    assert_eq!(asked_as(&scene, &sandboxed), known);
    scene.machine.said_as(TESTER, &["ostler", "access", "allow", "flatpak:org.example.Sandboxed"]);
    scene.machine.said(&sandboxed);
    assert!(uses(&scene).contains_key(&known));

    // a namespace of somebody's own making, with nothing that says what it is, is nobody
    let script = script.replace("mount --bind /run/info /.flatpak-info &&", "");
    let other = ["unshare", "--mount", "--propagation=private", "sh", "-c", &script];
    assert_eq!(asked_as(&scene, &other), ("unknown".to_owned(), "none".to_owned()));
    // with no file at all it is what it is there
    scene.machine.said(&["rm", "/.flatpak-info"]);
    let known = ("container:/usr/bin/ostler".to_owned(), "none".to_owned());
    assert_eq!(asked_as(&scene, &other), known);
}
