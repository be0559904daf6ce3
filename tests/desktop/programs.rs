//! busctl (on sd-bus) and gdbus (on `GLib`) ask the daemon.

use std::process::Stdio;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::{Value, json};

use crate::DEADLINE;
use crate::scene::{ACCOUNT, ACCOUNT_INTERFACE, MANAGER, NAME, ROOT, Scene, complained, said};
use crate::support::conversation::read_lines;
use crate::support::process::Kept;
use crate::support::provider::Config;
use crate::support::secret;

#[test]
fn busctl_gets_the_token_by_name_and_by_id_and_reads_the_account() {
    let scene = Scene::signed_in(Config::standard());
    let (token, account, path) = (scene.token(), scene.account(), scene.path());
    let id = account["id"].as_str().unwrap();
    let expires = account["expires_at"].as_i64().unwrap();
    for name in [ACCOUNT, id] {
        let call = ["call", NAME, ROOT, MANAGER, "GetAccessToken", "sa{sv}", name, "0"];
        let answer = scene.busctl(&call);
        let start = format!("ssxa{{sv}} \"{token}\" \"Bearer\" {expires} 3 ");
        assert!(said(&answer).starts_with(&start), "{answer:?}");
        let object = format!("\"account\" o \"{}\"", path.as_str());
        assert!(said(&answer).contains(&object), "{answer:?}");
    }
    let call = ["call", NAME, &path, ACCOUNT_INTERFACE, "GetAccessToken", "a{sv}", "1"];
    let answer = scene.busctl(&[&call[..], &["min_validity", "u", "600"]].concat());
    assert!(said(&answer).starts_with(&format!("ssxa{{sv}} \"{token}\" ")), "{answer:?}");

    let next = account["next_refresh"].as_i64().unwrap();
    let names = ["Alias", "Id", "Provider", "State", "StateDetail", "ExpiresAt", "NextRefresh"];
    let properties = ["get-property", NAME, &path, ACCOUNT_INTERFACE];
    assert_eq!(
        said(&scene.busctl(&[&properties[..], &names].concat())),
        format!(
            "s \"{ACCOUNT}\"\ns \"{id}\"\ns \"test\"\ns \"ready\"\ns \"\"\nx {expires}\nx {next}"
        )
    );

    let tree = scene.busctl(&["tree", "--list", NAME]);
    for object in [ROOT, &path, "/org/freedesktop/LogControl1"] {
        assert!(said(&tree).lines().any(|line| line == object), "{object} in {tree:?}");
    }
    let shown = scene.busctl(&["introspect", NAME, &path]);
    for member in [".GetAccessToken", ".Reauthorize", ".Logout", ".AccessTokenChanged", ".Scopes"] {
        assert!(said(&shown).contains(member), "{member} in {shown:?}");
    }
}

#[test]
fn gdbus_sees_all_objects_at_once_and_gets_errors_with_name_and_text() {
    const GET: &str = "dev.ostler.Ostler1.Manager.GetAccessToken";
    const LOOKUP: &str = "dev.ostler.Ostler1.Manager.LookupAccount";
    let scene = Scene::signed_in(Config::standard());
    let path = scene.path().to_string();
    let method = "org.freedesktop.DBus.ObjectManager.GetManagedObjects";
    let objects = scene.gdbus_call(ROOT, method, &[]);
    for part in [
        format!("'{path}': {{"),
        format!("'{ACCOUNT_INTERFACE}': {{"),
        format!("'Alias': <'{ACCOUNT}'>"),
        "'State': <'ready'>".to_owned(),
    ] {
        assert!(said(&objects).contains(&part), "{part} in {objects:?}");
    }
    assert_eq!(secret::leaks(&objects.stdout), [""; 0], "no secret among properties");
    let found = scene.gdbus_call(ROOT, LOOKUP, &[ACCOUNT]);
    assert_eq!(said(&found), format!("(objectpath '{path}',)"));

    for (arguments, name, text) in [
        (["nobody", "{}"], "NoSuchAccount", "nobody: there is no such account"),
        ([ACCOUNT, "{'scope': <'api:read'>}"], "InvalidOption", "option scope is not known"),
        ([ACCOUNT, "{'min_validity': <'soon'>}"], "InvalidOption", "min_validity must be a number"),
        ([ACCOUNT, "{'scopes': <['admin']>}"], "ScopeNotGranted", "not granted: admin"),
        ([ACCOUNT, "{'rejected': <'abc'>}"], "InvalidOption", "option rejected"),
    ] {
        let refused = scene.gdbus_call(ROOT, GET, &arguments);
        let words = complained(&refused);
        assert!(words.contains(&format!("GDBus.Error:{NAME}.Error.{name}: ")), "{words}");
        assert!(words.contains(text), "{words}");
    }

    scene.end_login();
    // a token that is not known to be rejected is handed out while it lives
    let answer = scene.gdbus_call(ROOT, GET, &[ACCOUNT, "{}"]);
    let token = said(&answer).split('\'').nth(1).unwrap().to_owned();
    let rejected = format!("{{'rejected': <'{}'>}}", secret::fingerprint(&token));
    let refused = scene.gdbus_call(ROOT, GET, &[ACCOUNT, &rejected]);
    let words = complained(&refused);
    assert!(words.contains(&format!("{NAME}.Error.LoginRequired: {ACCOUNT}: ")), "{words}");
    assert!(words.contains("run: ostler login test --as work/mail"), "{words}");
}

/// The messages on the bus, as busctl sees them.
struct Eavesdropper {
    _busctl: Kept,
    lines: Receiver<String>,
}

impl Eavesdropper {
    /// Starts one, and waits until it listens.
    fn start(scene: &Scene) -> Self {
        let mut command = scene.program("busctl");
        command.args(["--user", "--json=short", "monitor"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut busctl = Kept::spawn(&mut command).unwrap();
        let words = read_lines(busctl.stderr().unwrap());
        while !words.recv_timeout(DEADLINE).unwrap().starts_with("Monitoring bus message stream") {}
        let lines = read_lines(busctl.stdout().unwrap());
        Self { _busctl: busctl, lines }
    }

    fn next(&self) -> Value {
        let line = self.lines.recv_timeout(DEADLINE).expect("a message comes in time");
        assert_eq!(secret::leaks(&line), [""; 0], "a secret is on the bus: {line}");
        serde_json::from_str(&line).unwrap()
    }
}

#[test]
fn a_refresh_that_nobody_asked_for_is_heard_by_everybody_and_the_token_by_nobody() {
    let scene = Scene::signed_in(Config::standard().access_lifetime(Duration::from_secs(4)));
    let path = scene.path();
    let before = scene.account()["expires_at"].as_i64().unwrap();
    let eavesdropper = Eavesdropper::start(&scene);
    let mut states = Vec::new();
    let mut expiry = before;
    let announced = loop {
        let message = eavesdropper.next();
        if message["path"] != json!(path.as_str()) {
            continue;
        }
        assert_eq!(message["destination"], Value::Null, "a broadcast: {message}");
        let body = &message["payload"]["data"];
        match message["member"].as_str().unwrap() {
            "PropertiesChanged" => {
                assert_eq!(body[0], json!(ACCOUNT_INTERFACE), "{message}");
                let changed = body[1].as_object().unwrap();
                states.extend(changed.get("State").map(|state| state["data"].clone()));
                if let Some(at) = changed.get("ExpiresAt") {
                    expiry = at["data"].as_i64().unwrap();
                    assert!(changed.contains_key("LastRefresh"), "{message}");
                }
            }
            "AccessTokenChanged" => {
                let at = body[0].as_i64().unwrap();
                // a token of the same second would be announced with the same expiry
                if at > before {
                    break at;
                }
            }
            other => panic!("{other}: {message}"),
        }
    };
    assert_eq!(announced, expiry);
    assert!(states.ends_with(&[json!("refreshing"), json!("ready")]), "{states:?}");
    assert_eq!(scene.provider.log().reuses, 0);
}
