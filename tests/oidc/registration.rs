//! Clients that register themselves: whose they are, and secrets of theirs that end.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use crate::scene::{ACCOUNT, Scene, follow, line};
use crate::support::http::Ask;
use crate::support::op::{OpenIdProvider, Options};

/// Whether a provider knows a public client.
fn knows(op: &OpenIdProvider, client: &str) -> bool {
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
