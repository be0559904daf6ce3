//! Who asks, where there are units, desktop applications and sandboxes to be known by.

use serde_json::Value;

use crate::container::{TESTER, User};
use crate::scene::{ACCOUNT, Scene};
use crate::support::provider::Config;

const FLATPAK: &[u8] =
    b"[Application]\nname=org.example.Sandboxed\nruntime=runtime/org.example/x86_64/1\n";

/// The program that came last.
#[track_caller]
fn last(scene: &Scene) -> (String, String) {
    let listed = scene.machine.said_as(TESTER, &["ostler", "access", "log", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let mut uses: Vec<&Value> = listed["uses"].as_array().unwrap().iter().collect();
    // a second may have seen several
    uses.retain(|usage| usage["count"] == 1);
    let usage = uses.first().unwrap_or_else(|| panic!("{listed}"));
    let word = |name: &str| usage[name].as_str().unwrap().to_owned();
    (word("caller"), word("tier"))
}

/// Has a program ask for a token, and tells how it was known. The daemon starts anew, so that it is alone on
/// the list.
#[track_caller]
fn known_as(scene: &Scene, words: &[&str]) -> (String, String) {
    scene.systemctl(TESTER, &["restart", "ostler.service"]);
    scene.machine.said_as(TESTER, words);
    last(scene)
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
    scene.systemctl(TESTER, &["restart", "ostler.service"]);
    scene.machine.said(&sandboxed);
    assert_eq!(last(&scene), ("flatpak:org.example.Sandboxed".to_owned(), "verified".to_owned()));

    // a namespace of somebody's own making, with nothing in it, is nobody
    let script = script.replace("mount --bind /run/info /.flatpak-info &&", "");
    scene.systemctl(TESTER, &["restart", "ostler.service"]);
    scene.machine.said(&["unshare", "--mount", "--propagation=private", "sh", "-c", &script]);
    assert_eq!(last(&scene), ("unknown".to_owned(), "none".to_owned()));
}
