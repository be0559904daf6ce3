//! Who was given tokens, as the daemon recognises them.

use serde_json::{Value, json};

use crate::dbus;
use crate::scene::{ACCOUNT, Scene, ask, failed, fault_kind, succeeded};
use crate::support::bus::Bus;
use crate::support::provider::Config;

fn log(scene: &Scene, more: &[&str]) -> Vec<Value> {
    let words = [&["access", "log", "--json"], more].concat();
    let finished = scene.daemon.run(&words).unwrap();
    let answer: Value = serde_json::from_str(succeeded(&finished)).unwrap();
    answer["uses"].as_array().unwrap().clone()
}

/// How this test is known: by its file, or by its unit where it runs in one.
fn is_me(usage: &Value) -> bool {
    let exe = std::env::current_exe().unwrap();
    let caller = usage["caller"].as_str().unwrap();
    caller == format!("exe:{}", exe.display()) || caller.starts_with("unit:")
}

#[test]
fn programs_are_listed_with_how_often_they_came_and_by_which_face() {
    let bus = Bus::start().unwrap();
    let client = dbus::Client::connect(bus.address());
    let scene = Scene::on_bus(Config::standard(), bus);
    scene.sign_in(ACCOUNT);
    assert!(log(&scene, &[]).is_empty(), "to sign in is not to use");
    let shown = scene.daemon.run(&["access", "log"]).unwrap();
    assert!(succeeded(&shown).contains("no program"), "{shown:?}");

    for _ in 0..3 {
        ask(&scene.daemon, "GetToken", &json!({ "account": ACCOUNT })).unwrap();
    }
    let listed = log(&scene, &[]);
    let [me] = listed.as_slice() else { panic!("{listed:?}") };
    assert!(is_me(me), "{me}");
    assert_eq!(
        (&me["count"], &me["face"], &me["tier"]),
        (&json!(3), &json!("socket"), &json!("claimed"))
    );
    assert_eq!(me["pid"], json!(std::process::id()));
    assert!(me["first"].as_i64() <= me["last"].as_i64());

    // the same program by the other face
    client.token(ACCOUNT).unwrap();
    let listed = log(&scene, &[ACCOUNT]);
    let [me] = listed.as_slice() else { panic!("{listed:?}") };
    assert!(is_me(me), "{me}");
    assert_eq!((&me["count"], &me["face"]), (&json!(4), &json!("dbus")));

    let shown = scene.daemon.run(&["access", "log"]).unwrap();
    let text = succeeded(&shown);
    assert!(text.lines().next().unwrap().starts_with("ACCOUNT  TOKENS  LAST"), "{text}");
    assert!(text.contains("\nclaimed: any program of yours"), "{text}");
}

#[test]
fn who_gets_no_token_is_not_listed_and_a_logout_forgets_the_list() {
    let scene = Scene::signed_in(Config::standard());
    let missing = json!({ "account": ACCOUNT, "scopes": ["no-such-scope"] });
    assert_eq!(fault_kind(ask(&scene.daemon, "GetToken", &missing)), "ScopeNotGranted");
    assert!(log(&scene, &[]).is_empty());
    scene.token();
    assert_eq!(log(&scene, &[]).len(), 1);
    let line = scene.daemon.run(&["access", "log", "nobody"]).unwrap();
    assert!(failed(&line, 67).contains("nobody"), "{line:?}");
    assert!(scene.daemon.run(&["logout", ACCOUNT]).unwrap().status.success());
    scene.sign_in(ACCOUNT);
    assert!(log(&scene, &[]).is_empty(), "it is another account");
}
