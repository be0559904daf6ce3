//! Callers at the socket who ask badly, or not at all.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::scene::{ACCOUNT, PROVIDER, Scene, ask, connect, failed, fault, fault_kind, token_of};
use crate::support::provider::Config;

#[test]
fn names_that_nobody_has_are_told_as_such() {
    let scene = Scene::signed_in(Config::parqex());
    let unknown = json!({ "account": "nobody" });
    for method in ["GetToken", "Logout"] {
        let (kind, parameters) = fault(ask(&scene.daemon, method, &unknown));
        assert_eq!(kind, "NoSuchAccount", "{method}");
        assert_eq!(parameters["account"], json!("nobody"), "{method}");
        assert_eq!(parameters["message"], json!("there is no such account"), "{method}");
    }
    let login = json!({ "provider": "nobody", "client_id": "x" });
    assert_eq!(fault_kind(ask(&scene.daemon, "Login", &login)), "NoSuchProvider");
    let finished = scene.daemon.run(&["token", "nobody"]).unwrap();
    assert_eq!(
        failed(&finished, 67),
        "ostler: nobody: there is no such account; there is door; or run: ostler login"
    );
    failed(&scene.daemon.run(&["status", "nobody"]).unwrap(), 67);
    failed(&scene.daemon.run(&["logout", "nobody"]).unwrap(), 67);
}

#[test]
fn what_the_interface_does_not_have_is_refused_in_varlinks_own_words() {
    let scene = Scene::signed_in(Config::parqex());
    // on one connection: none of this ends it
    let mut caller = connect(&scene.daemon);
    for (method, parameters, error, member, value) in [
        (
            "dev.ostler.Ostler1.Frobnicate",
            json!({}),
            "MethodNotFound",
            "method",
            "dev.ostler.Ostler1.Frobnicate",
        ),
        (
            "com.example.Other.Status",
            json!({}),
            "InterfaceNotFound",
            "interface",
            "com.example.Other",
        ),
        ("dev.ostler.Ostler1.GetToken", json!({}), "InvalidParameter", "parameter", "account"),
        (
            "dev.ostler.Ostler1.GetToken",
            json!({ "account": "../etc" }),
            "InvalidParameter",
            "parameter",
            "account",
        ),
        (
            "dev.ostler.Ostler1.GetToken",
            json!({ "account": ACCOUNT, "min_valid": -1 }),
            "InvalidParameter",
            "parameter",
            "min_valid",
        ),
        (
            "dev.ostler.Ostler1.GetToken",
            json!({ "account": ACCOUNT, "rejected": "abc" }),
            "InvalidParameter",
            "parameter",
            "rejected",
        ),
        (
            "dev.ostler.Ostler1.GetToken",
            json!({ "account": ACCOUNT, "scope": "all" }),
            "InvalidParameter",
            "parameter",
            "scope",
        ),
        ("dev.ostler.Ostler1.Status", json!([1]), "InvalidParameter", "parameter", "parameters"),
    ] {
        let (name, found) = fault(caller.call(method, &parameters));
        assert_eq!(name, format!("org.varlink.service.{error}"), "{method} {parameters}");
        assert_eq!(found[member], json!(value), "{method} {parameters}");
    }
    let (name, _) = fault(caller.ask("Monitor", &json!({})));
    assert_eq!(name, "org.varlink.service.ExpectedMore");
    let answer = caller.ask("GetToken", &json!({ "account": ACCOUNT })).unwrap();
    assert!(scene.admits(&token_of(&answer)));
}

#[test]
fn bytes_that_are_no_call_are_answered_once_and_end_the_connection() {
    let scene = Scene::signed_in(Config::parqex());
    let huge = format!("{{\"method\":\"{}\"}}\0", "x".repeat(70_000));
    let endless = "x".repeat(70_000);
    for (bytes, words) in [
        (&b"not json\0"[..], "a JSON object with a method"),
        (b"\0", "a JSON object with a method"),
        (b"[]\0", "a JSON object with a method"),
        (b"{\"parameters\":{}}\0", "a JSON object with a method"),
        (b"{\"method\":\"\xff\"}\0", "a JSON object with a method"),
        (huge.as_bytes(), "at most 65536 bytes"),
        (endless.as_bytes(), "at most 65536 bytes"),
    ] {
        let mut caller = connect(&scene.daemon);
        caller.send_bytes(bytes).unwrap();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        let (kind, parameters) = fault(caller.answer());
        assert_eq!(kind, "InvalidOption", "{shown}");
        let message = parameters["message"].as_str().unwrap();
        assert!(message.contains(words), "{shown}: {message}");
        assert!(matches!(caller.receive(), Ok(None)), "{shown}: the connection goes on");
    }
    assert!(scene.admits(&scene.token()));
}

#[test]
fn callers_who_say_nothing_or_half_of_it_delay_nobody() {
    let scene = Scene::signed_in(Config::parqex());
    let idle: Vec<_> = (0..8).map(|_| connect(&scene.daemon)).collect();
    let mut half = connect(&scene.daemon);
    half.send_bytes(b"{\"method\":\"dev.ostler.Ostler1.Sta").unwrap();
    let mut gone = connect(&scene.daemon);
    gone.send_bytes(b"{\"method\":\"dev.ostler.Ostler1.GetTok").unwrap();
    drop(gone);
    let token = scene.token();
    assert!(scene.admits(&token));
    // it is only slow
    half.send_bytes(b"tus\"}\0").unwrap();
    assert_eq!(half.answer().unwrap()["accounts"][0]["name"], json!(ACCOUNT));
    for mut idle in idle {
        assert!(!idle.has_answer().unwrap());
        assert_eq!(token_of(&idle.ask("GetToken", &json!({ "account": ACCOUNT })).unwrap()), token);
    }
}

#[test]
fn calls_in_one_breath_are_answered_in_their_order_and_a_oneway_call_not_at_all() {
    let scene = Scene::signed_in(Config::parqex());
    let mut caller = connect(&scene.daemon);
    let call = |method: &str, more: Value| {
        let mut call = json!({ "method": format!("dev.ostler.Ostler1.{method}") });
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        format!("{call}\0")
    };
    let breath = [
        call("ListAccounts", json!({})),
        call("Frobnicate", json!({ "oneway": true })),
        call("Logout", json!({ "parameters": { "account": "nobody" }, "oneway": true })),
        call("GetToken", json!({ "parameters": { "account": ACCOUNT } })),
        call("ListProviders", json!({})),
    ];
    caller.send_bytes(breath.concat().as_bytes()).unwrap();
    // who says that nothing more will come is answered all the same
    caller.finish().unwrap();
    assert_eq!(caller.answer().unwrap()["accounts"][0]["name"], json!(ACCOUNT));
    assert!(scene.admits(&token_of(&caller.answer().unwrap())));
    let providers = caller.answer().unwrap();
    let named = |provider: &Value| provider["id"] == json!(PROVIDER);
    assert!(providers["providers"].as_array().unwrap().iter().any(named));
    assert!(matches!(caller.receive(), Ok(None)));
}

#[test]
fn the_socket_is_the_users_alone() {
    let scene = Scene::new(Config::parqex());
    let socket = scene.daemon.socket_path();
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(socket.parent().unwrap()), 0o700);
    for file in ["state/ostler/ostler.db", "config/ostler/keys.toml"] {
        assert_eq!(mode(&scene.daemon.home().path(file)), 0o600, "{file}");
    }
}

#[test]
fn a_command_that_finds_no_daemon_says_how_to_start_one() {
    let mut scene = Scene::new(Config::parqex());
    assert!(scene.daemon.terminate().unwrap().success());
    let finished = scene.daemon.run(&["token", ACCOUNT]).unwrap();
    let line = failed(&finished, 69);
    assert!(line.contains("no daemon listens on "), "{line}");
    assert!(line.contains("systemctl --user start ostler.socket"), "{line}");
    let finished = scene.daemon.run(&["status", "--json"]).unwrap();
    assert_eq!(finished.status.code(), Some(69));
    let words: Value = serde_json::from_str(&finished.stderr).unwrap();
    assert_eq!(words["fault"], json!("Unavailable"));
    let wrong = scene.daemon.run(&["token"]).unwrap();
    assert_eq!((wrong.status.code(), wrong.stdout.as_str()), (Some(64), ""));
}
