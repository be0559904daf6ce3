//! Logins that no user is asked for: by a client's secret, and by its key.

use std::io::Write;

use serde_json::json;

use crate::scene::{ACCOUNT, PATIENCE, Scene, line};
use crate::support::http::Ask;
use crate::support::op::SECRET;
use crate::support::process;

#[test]
fn a_client_signs_itself_in_by_its_secret_and_is_renewed_without_a_refresh_token() {
    let mut scene = Scene::new();
    let arguments = [
        "--client-id",
        "service",
        "--client-secret-stdin",
        "--client-credentials",
        "--scope",
        "api:read",
        "--resource",
        "https://api.example.test/v1",
    ];
    let mut command = scene.login(ACCOUNT, &arguments);
    let finished = process::run(&mut command, &format!("{SECRET}\n"), PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    assert_eq!(finished.stdout, "", "nobody has anything to visit");
    assert!(finished.stderr.ends_with(", renewable\n"), "{finished:?}");
    let first = scene.token(ACCOUNT);
    let second = scene.renew(ACCOUNT, &first);
    scene.daemon.restart().unwrap();
    let third = scene.renew(ACCOUNT, &second);
    assert_ne!(third, first);
    assert_eq!(scene.account(ACCOUNT)["state"], json!("ready"));
    assert_eq!(scene.count("refresh"), 0);
    // what there was is what there is, also by another login
    let mut again = scene.login(ACCOUNT, &[]);
    let finished = process::run(&mut again, "", PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}");
}

#[test]
fn a_client_shows_who_it_is_by_its_key() {
    let mut scene = Scene::new();
    let key = Ask::get(&scene.op.url("/_key")).send().unwrap().text();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(key.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let arguments = [
        "--client-id",
        "signer",
        "--client-key",
        &path,
        "--client-credentials",
        "--scope",
        "api:read",
        "--resource",
        "https://api.example.test/v1",
    ];
    let mut command = scene.login(ACCOUNT, &arguments);
    let finished = process::run(&mut command, "", PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    drop(file);
    let first = scene.token(ACCOUNT);
    scene.daemon.restart().unwrap();
    assert_ne!(scene.renew(ACCOUNT, &first), first, "the key is kept");
    let outcome = line(&scene.daemon.run(&["logout", ACCOUNT, "--json"]).unwrap());
    // a token for an API is a JWT here, which this provider does not revoke
    assert_eq!(outcome, "{\"account\":\"alice\",\"revocation\":\"unsupported\"}");
}

#[test]
fn where_answers_tell_no_lifetime_the_provider_is_asked_for_it() {
    let mut scene = Scene::new();
    let drafted = scene.daemon.run(&["provider", "new", "--issuer", scene.op.issuer(), "silent"]);
    let text = drafted.unwrap().stdout.replacen("expires = \"in\"", "expires = \"none\"", 1);
    std::fs::create_dir_all(scene.daemon.home().path("config/ostler/providers")).unwrap();
    let path = scene.daemon.home().path("config/ostler/providers/silent.toml");
    std::fs::write(path, text).unwrap();
    scene.daemon.reload().unwrap();
    let arguments = ["login", "silent", "--as", ACCOUNT, "--client-id", "service"];
    let more = ["--client-secret-stdin", "--client-credentials", "--scope", "api:read"];
    let mut command = scene.daemon.command(&[&arguments[..], &more].concat());
    let finished = process::run(&mut command, &format!("{SECRET}\n"), PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    let account = scene.account(ACCOUNT);
    let life = account["expires_at"].as_i64().unwrap() - account["last_refresh"].as_i64().unwrap();
    assert!((50..=61).contains(&life), "a minute at this provider (RFC 7662): {account}");
    let first = scene.token(ACCOUNT);
    scene.renew(ACCOUNT, &first);
    assert!(scene.account(ACCOUNT)["expires_at"].is_i64());
}
