//! Tokens that are bound to a key (RFC 9449), at a provider that wants a nonce of its own in each proof.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::scene::{ACCOUNT, PATIENCE, Scene, fault, follow, line};
use crate::support::agent;
use crate::support::conversation::Conversation;
use crate::support::http::{Ask, Reply};
use crate::support::process::Finished;
use crate::support::varlink::Varlink;

const BOUND: &str = "native-dpop";

/// Signs in with a key.
fn sign_in(scene: &Scene, account: &str) {
    let mut command = scene.login(account, &["--client-id", BOUND, "--dpop"]);
    let conversation = Conversation::begin(&mut command, "").unwrap();
    assert_eq!(conversation.param("dpop_jkt").unwrap().len(), 43, "RFC 9449, 10");
    agent::visit(conversation.url().as_str()).unwrap();
    let finished = conversation.finish(None, PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
}

fn ask_proof(scene: &Scene, account: &str, url: &str, more: &[&str]) -> Finished {
    let words = [&["proof", account, "GET", url], more].concat();
    scene.daemon.run(&words).unwrap()
}

/// Both headers of a request.
fn proof(scene: &Scene, url: &str, more: &[&str]) -> [String; 2] {
    let finished = ask_proof(scene, ACCOUNT, url, more);
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    let (authorization, proof) = finished.stdout.trim_end().split_once('\n').unwrap();
    let value = |line: &str, name: &str| line.strip_prefix(name).unwrap().to_owned();
    [value(authorization, "Authorization: "), value(proof, "DPoP: ")]
}

fn present(url: &str, [authorization, proof]: &[String; 2]) -> Reply {
    Ask::get(url).header("Authorization", authorization).header("DPoP", proof).send().unwrap()
}

/// Whether the account's tokens open the user's page at the provider, with a proof as it wants it.
fn is_good(scene: &Scene) -> Value {
    let url = scene.op.url("/me");
    let first = present(&url, &proof(scene, &url, &[]));
    assert_eq!(first.status, 401, "{}", first.text());
    assert!(first.header("www-authenticate").unwrap().contains("use_dpop_nonce"), "{first:?}");
    let nonce = first.header("dpop-nonce").unwrap().to_owned();
    let headers = proof(scene, &url, &["--nonce", &nonce]);
    let second = present(&url, &headers);
    assert_eq!(second.status, 200, "{}", second.text());
    // the token alone is of no use, and the proof is good once
    let bare = Ask::get(&url).bearer(headers[0].strip_prefix("DPoP ").unwrap()).send().unwrap();
    assert_eq!((bare.status, present(&url, &headers).status), (401, 401));
    second.json()
}

#[test]
fn a_login_with_a_key_is_refreshed_and_used_with_proofs_over_a_restart() {
    let mut scene = Scene::new();
    sign_in(&scene, ACCOUNT);
    assert_eq!(is_good(&scene)["sub"], json!("alice"));
    let told = line(&scene.daemon.run(&["token", ACCOUNT, "--json"]).unwrap());
    let token: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(token["token_type"], json!("DPoP"), "{token}");
    let first = token["access_token"].as_str().unwrap().to_owned();
    let key = scene.introspect(&first)["cnf"]["jkt"].take();
    assert_eq!(key.as_str().unwrap().len(), 43);

    scene.daemon.restart().unwrap();
    is_good(&scene);
    let second = scene.renew(ACCOUNT, &first);
    assert_eq!(scene.introspect(&second)["cnf"]["jkt"], key, "the key is the grant's");
    is_good(&scene);
    scene.daemon.kill9().unwrap();
    scene.daemon.restart().unwrap();
    let third = scene.renew(ACCOUNT, &second);
    assert_eq!(scene.introspect(&third)["cnf"]["jkt"], key);

    // another login has another key, and who says nothing has what there was
    sign_in(&scene, "other");
    let other = scene.introspect(&scene.token("other"))["cnf"]["jkt"].take();
    assert_ne!(other, key);
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &[]), "");
    assert!(finished.status.success(), "{finished:?}");
    let again = scene.introspect(&scene.token(ACCOUNT))["cnf"]["jkt"].take();
    assert!(again.is_string() && again != key, "{again}");
    for request in scene.op.stats().unwrap()["log"].as_array().unwrap() {
        let got = (&request["status"], &request["error"]);
        let nonce = got == (&json!(400), &json!("use_dpop_nonce"));
        assert!(nonce || request["status"] == json!(200), "{request}");
    }
}

#[test]
fn a_request_is_pushed_with_a_proof() {
    let mut scene = Scene::new();
    let drafted = scene.daemon.run(&["provider", "new", "--issuer", scene.op.issuer(), "pushed"]);
    let text = drafted.unwrap().stdout;
    assert!(text.contains("[dpop]\nwhen = \"asked\""), "{text}");
    let text = text.replacen("when = \"asked\"", "when = \"always\"", 1);
    let pushed = format!("par_url = \"{}\"\npkce", scene.op.url("/request"));
    let text = text.replacen("pkce", &pushed, 1);
    std::fs::create_dir_all(scene.daemon.home().path("config/ostler/providers")).unwrap();
    std::fs::write(scene.daemon.home().path("config/ostler/providers/pushed.toml"), text).unwrap();
    scene.daemon.reload().unwrap();
    let words = ["login", "pushed", "--as", ACCOUNT, "--client-id", BOUND, "--no-browser"];
    let (_, finished) = follow(&mut scene.daemon.command(&words), "");
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    is_good(&scene);
}

#[test]
fn a_code_that_is_typed_in_elsewhere_brings_bound_tokens_over_a_restart() {
    let mut scene = Scene::new();
    let more = ["--client-id", BOUND, "--dpop", "--device", "--json"];
    let mut command = scene.login(ACCOUNT, &more);
    let conversation = Conversation::begin_with(&mut command, "", |line| {
        let started: Value = serde_json::from_str(line).ok()?;
        started["authorization_uri"].as_str()?.parse().ok()
    })
    .unwrap();
    scene.daemon.kill9().unwrap();
    scene.daemon.restart().unwrap();
    agent::agree(conversation.url().as_str(), true).unwrap();
    let finished = conversation.finish(None, PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    is_good(&scene);
}

#[test]
fn a_crash_between_the_exchange_and_its_commit_loses_no_key() {
    let mut scene = Scene::new();
    scene.daemon.restart_with("OSTLER_CRASH_AT", "before-commit").unwrap();
    scene.daemon.wait_ready().unwrap();
    let mut command = scene.login(ACCOUNT, &["--client-id", BOUND, "--dpop"]);
    let conversation = Conversation::begin(&mut command, "").unwrap();
    // the daemon dies before the page is served
    let _ = agent::visit(conversation.url().as_str());
    scene.daemon.wait_end().unwrap();
    drop(conversation);
    scene.daemon.restart().unwrap();
    // the account is there as soon as the provider's keys have been fetched once more
    let mut varlink = Varlink::connect(&scene.daemon.socket_path()).unwrap();
    let call = json!({ "method": "dev.ostler.Ostler1.Monitor", "more": true });
    varlink.send(&call).unwrap();
    while varlink.answer().unwrap()["account"]["name"] != json!(ACCOUNT) {}
    is_good(&scene);
    let first = scene.token(ACCOUNT);
    assert!(scene.is_active(&scene.renew(ACCOUNT, &first)));
}

#[test]
fn a_lost_key_is_a_lost_login_and_the_next_one_mends_it() {
    let mut scene = Scene::new();
    sign_in(&scene, ACCOUNT);
    let first = scene.token(ACCOUNT);
    scene.daemon.terminate().unwrap();
    let path = scene.daemon.home().path("state/ostler/ostler.db");
    Connection::open(path).unwrap().execute("DELETE FROM proof_key", []).unwrap();
    scene.daemon.restart().unwrap();
    let (said, code) = fault(&ask_proof(&scene, ACCOUNT, &scene.op.url("/me"), &["--json"]));
    assert_eq!((&said["fault"], code), (&json!("LoginRequired"), 77), "{said}");
    let (said, _) = fault(&scene.try_renew(ACCOUNT, &first, &["--json"]));
    assert_eq!(said["fault"], json!("LoginRequired"), "{said}");
    assert!(said["message"].as_str().unwrap().contains("invalid_grant"), "{said}");
    sign_in(&scene, ACCOUNT);
    is_good(&scene);
}

#[test]
fn proofs_are_for_the_apis_of_the_login_alone_and_a_refusal_says_which() {
    let scene = Scene::new();
    let more = ["--client-id", BOUND, "--dpop", "--resource", "https://api.example.test/v1"];
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &more), "");
    assert!(finished.status.success(), "{finished:?}");
    assert!(ask_proof(&scene, ACCOUNT, "https://api.example.test/v2?x=1", &[]).status.success());
    for url in
        ["https://api.example.test:444/", "https://other.example.test/", &scene.op.url("/token")]
    {
        let (said, code) = fault(&ask_proof(&scene, ACCOUNT, url, &["--json"]));
        assert_eq!((&said["fault"], code), (&json!("OriginNotAllowed"), 77), "{said}");
    }
    let finished = ask_proof(&scene, ACCOUNT, "https://other.example.test/", &[]);
    let said = finished.stderr;
    assert!(said.contains("are for https://api.example.test, http://127.0.0.1:"), "{said}");
    assert!(said.contains("origins") && said.contains("--resource"), "{said}");

    // it is a use like another
    let log = line(&scene.daemon.run(&["access", "log", ACCOUNT, "--json"]).unwrap());
    let log: Value = serde_json::from_str(&log).unwrap();
    assert!(log["uses"][0]["count"].as_u64().unwrap() >= 5, "{log}");

    // also by the socket that is good for tokens alone
    let socket = scene.daemon.home().path("run/ostler/tokens/socket");
    let socket = ["--socket", socket.to_str().unwrap()];
    let proof = [&socket[..], &["proof", ACCOUNT, "GET", "https://api.example.test/v2"]].concat();
    let shown = scene.daemon.run(&proof).unwrap();
    assert!(shown.status.success() && shown.stdout.contains("DPoP: ey"), "{shown:?}");
    let listed = scene.daemon.run(&[&socket[..], &["status"]].concat()).unwrap();
    assert!(!listed.status.success(), "{listed:?}");

    // and tokens without a key are used without a proof
    scene.sign_in("plain");
    let (said, _) = fault(&ask_proof(&scene, "plain", &scene.op.url("/me"), &["--json"]));
    assert_eq!(said["fault"], json!("InvalidOption"), "{said}");
    assert_eq!(said["hint"], json!("run: ostler token plain"));
}
