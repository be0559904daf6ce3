//! Clients that register themselves: whose they are, and secrets of theirs that end. And clients that need not, because
//! a document describes them.

use std::io::Write;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use crate::scene::{ACCOUNT, CLIENT, PATIENCE, Scene, follow, home, line};
use crate::support::daemon::Daemon;
use crate::support::http::Ask;
use crate::support::op::{OpenIdProvider, Options};
use crate::support::process;

/// Whether a provider knows a public client.
pub(crate) fn knows(op: &OpenIdProvider, client: &str) -> bool {
    let asked = [("client_id", client), ("scope", "openid")];
    Ask::post(&op.url("/device/auth"), &asked).send().unwrap().json()["error"]
        != json!("invalid_client")
}

/// When the secret of the one client ends, as it is on disk, in days from now.
fn days_left(scene: &Scene) -> i64 {
    let path = scene.daemon.home().path("state/ostler/ostler.db");
    let sql = "SELECT secret_ends_wall_ms FROM client";
    let ends: i64 = Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap();
    let status = line(&scene.daemon.run(&["status", "--json"]).unwrap());
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    (ends / 1000 - status["daemon"]["now"].as_i64().unwrap()) / 86_400
}

#[test]
fn a_secret_that_ends_is_renewed_before_it_does_and_the_new_one_is_used() {
    let secret_lifetime = Some(Duration::from_secs(6));
    let mut scene = Scene::with(Options { secret_lifetime, ..Options::default() });
    // asked for no secret, and given one all the same
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &[]), "");
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    let client = scene.account(ACCOUNT)["client_id"].as_str().unwrap().to_owned();
    assert_eq!(days_left(&scene), 0);
    // each look takes its time
    assert!((0..10_000).any(|_| days_left(&scene) > 25), "{}", scene.daemon.log());
    assert_eq!(scene.count("updates"), 1);

    // the provider takes the new secret alone, and so it is the one on disk
    let first = scene.token(ACCOUNT);
    let second = scene.renew(ACCOUNT, &first);
    scene.daemon.restart().unwrap();
    let third = scene.renew(ACCOUNT, &second);
    assert!(scene.is_active(&third));
    assert!(!scene.daemon.run(&["doctor"]).unwrap().stdout.contains("the secret of client"));

    // the token by which the registration is managed was replaced, too: the client goes by the new one
    let said = line(&scene.daemon.run(&["logout", ACCOUNT, "--json"]).unwrap());
    assert!(said.contains("\"revoked\""), "{said}");
    assert!(!knows(&scene.op, &client), "{}", scene.daemon.log());
}

#[test]
fn a_registration_is_its_issuers_own() {
    let scene = Scene::new();
    let other = OpenIdProvider::start(Options::default()).unwrap();
    let mut clients = Vec::new();
    for (issuer, name) in [(scene.op.issuer(), "here"), (other.issuer(), "there")] {
        let mut command = scene.daemon.command(&["login", issuer, "--as", name, "--no-browser"]);
        let (_, finished) = follow(&mut command, "");
        assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
        clients.push(scene.account(name)["client_id"].as_str().unwrap().to_owned());
    }
    assert_ne!(clients[0], clients[1]);
    assert!(knows(&scene.op, &clients[0]) && !knows(&scene.op, &clients[1]));
    assert!(knows(&other, &clients[1]) && !knows(&other, &clients[0]));
}

#[test]
fn a_provider_file_that_names_another_issuer_gets_another_registration() {
    let mut scene = Scene::new();
    let other = OpenIdProvider::start(Options::default()).unwrap();
    let path = scene.daemon.home().path("config/ostler/providers");
    std::fs::create_dir_all(&path).unwrap();
    let issuers = [scene.op.issuer().to_owned(), other.issuer().to_owned()];
    let mut clients = Vec::new();
    for issuer in &issuers {
        let draft = scene.daemon.run(&["provider", "new", "--issuer", issuer, "mine"]).unwrap();
        std::fs::write(path.join("mine.toml"), draft.stdout).unwrap();
        scene.daemon.reload().unwrap();
        let arguments = ["login", "mine", "--as", ACCOUNT, "--no-browser"];
        let (_, finished) = follow(&mut scene.daemon.command(&arguments), "");
        assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
        clients.push(scene.account(ACCOUNT)["client_id"].as_str().unwrap().to_owned());
    }
    assert_ne!(clients[0], clients[1]);
    assert!(knows(&other, &clients[1]));
    let seen = other.stats().unwrap()["log"].to_string();
    assert!(!seen.contains(&clients[0]), "the first client is nobody there: {seen}");
}

#[test]
fn a_login_that_needs_more_has_its_client_registered_for_that_and_makes_no_second_one() {
    let mut scene = Scene::new();
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &[]), "");
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    let client = scene.account(ACCOUNT)["client_id"].clone();
    // more than it was registered for
    let more = ["--scope", "openid", "--scope", "api:read", "--login-hint", "bob"];
    let (_, finished) = follow(&mut scene.login("bob", &more), "");
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    assert_eq!(scene.account("bob")["client_id"], client);
    assert_eq!(scene.count("updates"), 1);
    let said = scene.introspect(&scene.token("bob"));
    assert_eq!(said["scope"], json!("api:read offline_access openid"));

    // what fits is left as it is
    let (_, finished) = follow(&mut scene.login("bob", &more), "");
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(scene.count("updates"), 1);

    // the provider has given it another token to be managed with, which is the one that counts
    scene.daemon.restart().unwrap();
    for name in [ACCOUNT, "bob"] {
        line(&scene.daemon.run(&["logout", name, "--json"]).unwrap());
    }
    assert!(!knows(&scene.op, client.as_str().unwrap()), "{}", scene.daemon.log());
}

const DOCUMENT: &str = "https://client.example.test/ostler.json";

/// A daemon whose user has published a document, and a provider that can see it.
fn with_document(more: &[&str]) -> Scene {
    let settings = format!("client_id_metadata_document = \"{DOCUMENT}\"\n");
    let home = home().config("ostler.toml", &settings).unwrap();
    let op = OpenIdProvider::start(Options::default()).unwrap();
    let scene = Scene { daemon: Daemon::start(home).unwrap(), op };
    publish(&scene, &scene.op, more);
    scene
}

/// Publishes what the command prints.
fn publish(scene: &Scene, op: &OpenIdProvider, more: &[&str]) {
    let print = [&["provider", "document", DOCUMENT], more].concat();
    let printed = scene.daemon.run(&print).unwrap();
    let document: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(document["client_id"], json!(DOCUMENT), "{printed:?}");
    let reply = Ask::post_json(&op.url("/_publish"), &document).send().unwrap();
    assert_eq!(reply.status, 204);
}

#[test]
fn a_client_that_a_document_describes_is_used_before_one_registers_itself_and_at_each_issuer() {
    let mut scene = with_document(&[]);
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &[]), "");
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    assert_eq!(scene.account(ACCOUNT)["client_id"], json!(DOCUMENT));
    let first = scene.token(ACCOUNT);
    scene.daemon.restart().unwrap();
    assert!(scene.is_active(&scene.renew(ACCOUNT, &first)));

    let other = OpenIdProvider::start(Options::default()).unwrap();
    publish(&scene, &other, &[]);
    let there = ["login", other.issuer(), "--as", "there", "--no-browser"];
    let (_, finished) = follow(&mut scene.daemon.command(&there), "");
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    assert_eq!(scene.account("there")["client_id"], json!(DOCUMENT));

    // one that was named goes before it
    let named = ["--client-id", CLIENT];
    let (_, finished) = follow(&mut scene.login("named", &named), "");
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(scene.account("named")["client_id"], json!(CLIENT));
    let said = line(&scene.daemon.run(&["logout", ACCOUNT, "--json"]).unwrap());
    assert!(said.contains("\"revoked\""), "{said}");
}

#[test]
fn such_a_client_has_no_secret_and_may_have_a_key() {
    let mut scene = with_document(&["--jwks-uri", "https://client.example.test/keys"]);
    let secret = ["--client-id", DOCUMENT, "--client-secret-stdin"];
    let refused = process::run(&mut scene.login(ACCOUNT, &secret), "a-secret\n", PATIENCE).unwrap();
    assert_eq!(refused.status.code(), Some(64), "{refused:?}");
    assert!(refused.stderr.contains("has no secret"), "{refused:?}");
    assert!(refused.stderr.contains("--client-key"), "{refused:?}");

    let key = Ask::get(&scene.op.url("/_key")).send().unwrap().text();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(key.as_bytes()).unwrap();
    let arguments = ["--client-key", file.path().to_str().unwrap()];
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &arguments), "");
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    assert_eq!(scene.account(ACCOUNT)["client_id"], json!(DOCUMENT));
    let first = scene.token(ACCOUNT);
    scene.daemon.restart().unwrap();
    assert!(scene.is_active(&scene.renew(ACCOUNT, &first)));
}

#[test]
fn a_document_that_cannot_be_fetched_is_told_by_the_doctor() {
    // nobody listens there
    let settings = "client_id_metadata_document = \"https://127.0.0.1:1/ostler.json\"\n";
    let daemon = Daemon::start(home().config("ostler.toml", settings).unwrap()).unwrap();
    let found = daemon.run(&["doctor"]).unwrap().stdout;
    let told = "https://127.0.0.1:1/ostler.json: could not be fetched from here";
    assert!(found.contains(told), "{found}");
    let printed = daemon.run(&["provider", "document", "https://a.example/x/../y"]).unwrap();
    assert_eq!(printed.status.code(), Some(64), "{printed:?}");
}
