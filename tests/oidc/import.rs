//! Logins that another program kept until now, outcome over with the refresh token that it had.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::scene::{ACCOUNT, CLIENT, PATIENCE, Scene, fault, line};
use crate::support::agent;
use crate::support::http::Ask;
use crate::support::op::Options;
use crate::support::process::{self, Finished};
use crate::support::secret;

/// What another program has, that got its login by itself: a refresh token of the public client.
pub(crate) fn anothers_login(scene: &Scene) -> String {
    let form = [("client_id", CLIENT), ("scope", "openid offline_access")];
    let begun = Ask::post(&scene.op.url("/device/auth"), &form).send().unwrap().json();
    let visit = begun["verification_uri_complete"].as_str().unwrap();
    agent::agree(visit, true).unwrap();
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let code = begun["device_code"].as_str().unwrap();
    let form = [("client_id", CLIENT), ("grant_type", grant), ("device_code", code)];
    let tokens = Ask::post(&scene.op.url("/token"), &form).send().unwrap().json();
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

fn import(scene: &Scene, arguments: &[&str], input: &str) -> Finished {
    let mut command = scene.daemon.command(&[&["import"], arguments].concat());
    process::run(&mut command, input, PATIENCE).unwrap()
}

#[test]
fn a_refresh_token_alone_becomes_an_account_that_lives_on() {
    let mut scene = Scene::new();
    let token = anothers_login(&scene);
    let words = ["--from", "plain", "--provider", scene.op.issuer(), "--client-id", CLIENT];
    let outcome = import(&scene, &[&words[..], &["--as", ACCOUNT]].concat(), &format!("{token}\n"));
    assert!(outcome.status.success(), "{outcome:?}\n{}", scene.daemon.log());
    assert_eq!(outcome.stdout, "imported: alice, scopes offline_access openid\n");
    assert!(outcome.stderr.contains("remove the login from the program"), "{outcome:?}");
    assert!(!outcome.stderr.contains(&token) && !scene.daemon.log().contains(&token));
    let first = scene.token(ACCOUNT);
    assert!(scene.is_active(&first));
    scene.daemon.restart().unwrap();
    assert!(scene.is_active(&scene.renew(ACCOUNT, &first)));
}

#[test]
fn what_oidc_agent_prints_is_all_that_it_takes() {
    let scene = Scene::new();
    let token = anothers_login(&scene);
    // as oidc-agent 4 writes it, with a slash that the issuer does not have
    let printed = json!({
        "name": "work", "issuer_url": format!("{}/", scene.op.issuer()), "client_id": CLIENT,
        "client_secret": "", "refresh_token": token, "scope": "openid offline_access",
        "redirect_uris": ["http://localhost:4242"],
    });
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(printed.to_string().as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    let listed = line(&import(&scene, &["--from", "oidc-agent", path, "--list", "--json"], ""));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["client_id"]), (&json!("work"), &json!(CLIENT)));
    assert!(!listed.to_string().contains(&token), "a list shows no secret");
    let outcome = import(&scene, &["--from", "oidc-agent", path], "");
    assert!(outcome.status.success(), "{outcome:?}\n{}", scene.daemon.log());
    assert!(scene.is_active(&scene.token("work")));
}

#[test]
fn a_token_that_is_over_and_an_account_that_is_there_are_told_apart() {
    let scene = Scene::with(Options { grace: Duration::ZERO, ..Options::default() });
    let words = ["--from", "plain", "--provider", scene.op.issuer(), "--client-id", CLIENT];
    let words = [&words[..], &["--as", ACCOUNT, "--json"]].concat();
    let (said, code) = fault(&import(&scene, &words, "fake-refresh-that-nobody-gave\n"));
    assert_eq!((&said["fault"], code), (&json!("LoginFailed"), 77), "{said}");
    assert!(said["message"].as_str().unwrap().contains("invalid_grant"), "{said}");
    assert!(secret::leaks(&said.to_string()).is_empty());
    assert!(!said.to_string().contains("fake-refresh"), "{said}");

    scene.sign_in(ACCOUNT);
    let before = scene.token(ACCOUNT);
    let token = anothers_login(&scene);
    let (said, _) = fault(&import(&scene, &words, &format!("{token}\n")));
    assert_eq!(said["fault"], json!("AccountExists"), "{said}");
    assert_eq!(scene.token(ACCOUNT), before, "what there was is as it was");
}

#[test]
fn a_definition_is_drafted_checked_and_used() {
    let scene = Scene::new();
    let drafted = scene.daemon.run(&["provider", "new", "--issuer", scene.op.issuer(), "mine"]);
    let drafted = drafted.unwrap();
    assert!(drafted.status.success(), "{drafted:?}");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(drafted.stdout.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let checked = scene.daemon.run(&["provider", "check", &path]).unwrap();
    assert!(checked.status.success(), "{checked:?}");
    assert!(checked.stdout.contains("mine: sound, 0 examples"), "{checked:?}");
    assert!(checked.stdout.contains("advice: there is no example"), "{checked:?}");
    let wrong =
        drafted.stdout.replace("token_url = \"http://127.0.0.1", "token_url = \"http://x.test");
    std::fs::write(&path, wrong).unwrap();
    let checked = scene.daemon.run(&["provider", "check", &path]).unwrap();
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    assert!(checked.stdout.contains("token_url: must be https"), "{checked:?}");

    let shown = scene.daemon.run(&["provider", "show", "zendesk:acme"]).unwrap();
    assert!(shown.stdout.contains("https://acme.zendesk.com/"), "{shown:?}");
    let shown = scene.daemon.run(&["provider", "show", "parqex"]).unwrap();
    assert!(shown.stdout.contains("[[example]]"), "as its file has it: {shown:?}");
}
