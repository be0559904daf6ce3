//! The socket that is good for tokens alone, and programs in sandboxes and containers that are shown it.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::scene::{ACCOUNT, Scene, failed, fault_kind, succeeded};
use crate::support::process::{self, Finished};
use crate::support::provider::Config;
use crate::support::sandbox::Sandbox;
use crate::support::varlink::Varlink;

/// Nothing here takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(40);

fn socket(scene: &Scene) -> PathBuf {
    scene.daemon.home().path("run/ostler/tokens/socket")
}

/// Runs the command line in a sandbox that is shown a part of the home.
fn run(scene: &Scene, sandbox: &Sandbox, part: &str, words: &[&str]) -> Finished {
    let home = scene.daemon.home();
    let ostler = PathBuf::from(env!("CARGO_BIN_EXE_ostler"));
    let mut command = sandbox.program_seeing(home, &home.path(part), &ostler);
    // of the home there is nothing else
    command.current_dir("/").args(words);
    process::run(&mut command, "", PATIENCE).unwrap()
}

fn pending(scene: &Scene) -> Vec<Value> {
    let answer = scene.daemon.run(&["access", "pending", "--json"]).unwrap();
    let answer: Value = serde_json::from_str(succeeded(&answer)).unwrap();
    answer["pending"].as_array().unwrap().clone()
}

#[test]
fn that_socket_has_tokens_and_nothing_else() {
    let scene = Scene::signed_in(Config::parqex());
    let mut client = Varlink::connect(&socket(&scene)).unwrap();
    let answer = client.ask("GetToken", &json!({ "account": ACCOUNT })).unwrap();
    assert_eq!(answer["access_token"].as_str().unwrap(), scene.token());
    for (method, parameters) in [
        ("Status", json!({})),
        ("ListProviders", json!({})),
        ("Login", json!({ "provider": "parqex" })),
        ("AwaitLogin", json!({ "request": "raaaaaaaaaaaaaaaa" })),
        ("SubmitRedirect", json!({ "request": "raaaaaaaaaaaaaaaa", "uri": "https://x.example/" })),
        ("Cancel", json!({ "request": "raaaaaaaaaaaaaaaa" })),
        ("Logout", json!({ "account": ACCOUNT })),
        ("Diagnose", json!({})),
        ("Resume", json!({ "account": ACCOUNT })),
        ("ListUses", json!({})),
        ("ListGrants", json!({})),
        ("SetGrant", json!({ "caller": "*", "decision": "allow" })),
        ("RemoveGrant", json!({ "grant": "g1" })),
        ("ListPending", json!({})),
        ("Respond", json!({ "question": "q1", "verdict": "allow" })),
    ] {
        assert_eq!(fault_kind(client.ask(method, &parameters)), "Denied", "{method}");
    }
    let mut events = client.call_more("dev.ostler.Ostler1.Monitor", &json!({})).unwrap();
    assert_eq!(fault_kind(events.next().unwrap()), "Denied");
    // what it may have tokens of, it may know
    let mut client = Varlink::connect(&socket(&scene)).unwrap();
    let accounts = client.ask("ListAccounts", &json!({})).unwrap();
    assert_eq!(accounts["accounts"][0]["name"], ACCOUNT);
}

#[test]
fn a_container_that_is_shown_its_directory_has_tokens_at_the_users_word() {
    let mut scene = Scene::signed_in(Config::parqex());
    let sandbox = Sandbox::container().unwrap();
    let place = socket(&scene);
    let place = place.to_str().unwrap();
    let token = ["--socket", place, "token", ACCOUNT];
    let ask = |scene: &Scene| run(scene, &sandbox, "run/ostler/tokens", &token);

    let refused = ask(&scene);
    assert!(failed(&refused, 77).contains("run: ostler access approve q"), "{refused:?}");
    let listed = run(&scene, &sandbox, "run/ostler/tokens", &["--socket", place, "accounts"]);
    assert!(!succeeded(&listed).contains(ACCOUNT), "{listed:?}");
    let waiting = pending(&scene);
    let [question] = waiting.as_slice() else { panic!("{waiting:?}") };
    let exe = env!("CARGO_BIN_EXE_ostler");
    assert_eq!(question["caller"], format!("container:{exe}"));
    assert_eq!((&question["tier"], &question["face"]), (&json!("none"), &json!("tokens")));

    let id = question["id"].as_str().unwrap();
    succeeded(&scene.daemon.run(&["access", "approve", id]).unwrap());
    assert_eq!(succeeded(&ask(&scene)).trim_end(), scene.token());
    let listed = run(&scene, &sandbox, "run/ostler/tokens", &["--socket", place, "accounts"]);
    assert!(succeeded(&listed).contains(ACCOUNT), "{listed:?}");
    let refused = run(&scene, &sandbox, "run/ostler/tokens", &["--socket", place, "status"]);
    assert!(failed(&refused, 77).contains("nothing else"), "{refused:?}");

    // the rule outlives the daemon, and the directory its socket
    scene.daemon.restart().unwrap();
    assert_eq!(succeeded(&ask(&scene)).trim_end(), scene.token());
    succeeded(&scene.daemon.run(&["access", "forget", "g1"]).unwrap());
    failed(&ask(&scene), 77);
}

#[test]
fn a_flatpak_that_is_shown_the_other_socket_is_known_by_name_and_kept_to_tokens() {
    let scene = Scene::signed_in(Config::parqex());
    let sandbox = Sandbox::flatpak("org.example.Sandboxed").unwrap();
    let ask = |words: &[&str]| run(&scene, &sandbox, "run/ostler", words);
    failed(&ask(&["token", ACCOUNT]), 77);
    let waiting = pending(&scene);
    assert_eq!(waiting[0]["caller"], "flatpak:org.example.Sandboxed");
    assert_eq!(waiting[0]["tier"], "verified");
    failed(&ask(&["status"]), 77);
    failed(&ask(&["access", "allow", "*"]), 77);
    let id = waiting[0]["id"].as_str().unwrap().to_owned();
    failed(&ask(&["access", "approve", &id]), 77);
    succeeded(&scene.daemon.run(&["access", "allow", "flatpak:org.example.*"]).unwrap());
    assert_eq!(succeeded(&ask(&["token", ACCOUNT])).trim_end(), scene.token());
    assert!(pending(&scene).is_empty(), "the rule answers the question");
}

#[test]
fn rules_keep_a_program_of_the_user_from_tokens_until_they_are_ended_or_over() {
    let scene = Scene::signed_in(Config::parqex());
    let allowed = |words: &[&str]| succeeded(&scene.daemon.run(words).unwrap()).to_owned();
    allowed(&["access", "deny", "claimed", "--account", ACCOUNT]);
    let line = scene.daemon.run(&["token", ACCOUNT]).unwrap();
    assert!(failed(&line, 77).contains("(g1); run: ostler access list"), "{line:?}");
    let shown = allowed(&["access", "list"]);
    assert!(shown.contains("g1") && shown.contains("deny") && shown.contains("claimed"), "{shown}");
    // one that says more about this very program goes first
    let log = scene.daemon.run(&["access", "list", "--json"]).unwrap();
    assert!(succeeded(&log).contains("last_used"), "{log:?}");
    allowed(&["access", "allow", "*", "--account", ACCOUNT, "--for", "1h"]);
    failed(&scene.daemon.run(&["token", ACCOUNT]).unwrap(), 77);
    allowed(&["access", "forget", "g1"]);
    allowed(&["token", ACCOUNT]);
    let wrong = scene.daemon.run(&["access", "forget", "g1"]).unwrap();
    assert!(failed(&wrong, 64).contains("there is no rule g1"), "{wrong:?}");
    let wrong = scene.daemon.run(&["access", "allow", "*", "--account", "nobody"]).unwrap();
    assert!(failed(&wrong, 67).contains("nobody"), "{wrong:?}");
    let wrong = scene.daemon.run(&["access", "approve", "q0"]).unwrap();
    assert!(failed(&wrong, 67).contains("nothing waits for an answer to q0"), "{wrong:?}");
}
