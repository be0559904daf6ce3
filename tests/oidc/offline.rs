//! A provider that cannot be reached.

use serde_json::json;

use crate::scene::{ACCOUNT, CLIENT, Scene, fault, refused};
use crate::support::daemon::Daemon;
use crate::support::op::{OpenIdProvider, Options};

#[test]
fn a_provider_that_is_down_at_login_is_offline() {
    let op = OpenIdProvider::start(Options::default()).unwrap();
    let issuer = op.issuer().to_owned();
    drop(op);
    let daemon = Daemon::start(crate::scene::home()).unwrap();
    let mut command = daemon.command(&["login", &issuer, "--as", ACCOUNT, "--client-id", CLIENT]);
    let (fault, code) = fault(&refused(command.args(["--no-browser", "--json"])));
    assert_eq!((&fault["fault"], code), (&json!("Offline"), 75), "{fault}");
    assert_eq!(fault["account"], json!(ACCOUNT));
    assert!(
        fault["message"].as_str().unwrap().starts_with("the issuer cannot be reached"),
        "{fault}"
    );
}

#[test]
fn a_token_is_handed_out_while_it_lives_though_the_provider_is_down() {
    let scene = Scene::new();
    scene.sign_in(ACCOUNT);
    let token = scene.token(ACCOUNT);
    let Scene { daemon, op } = scene;
    drop(op);
    let again = daemon.run(&["token", ACCOUNT]).unwrap();
    assert_eq!(again.stdout.trim_end(), token);

    // who has seen it rejected cannot be helped, and is told why and that ostler goes on trying
    let fingerprint = crate::support::secret::fingerprint(&token);
    let arguments = ["token", ACCOUNT, "--rejected", &fingerprint, "--timeout", "1", "--json"];
    let (refusal, code) = fault(&daemon.run(&arguments).unwrap());
    assert_eq!((&refusal["fault"], code), (&json!("Offline"), 75), "{refusal}");
    let message = refusal["message"].as_str().unwrap();
    assert!(message.contains("cannot be reached") && message.contains("refused"), "{refusal}");
    assert!(refusal["hint"].as_str().unwrap().contains("ostler keeps trying"), "{refusal}");

    // the others go on with it
    let again = daemon.run(&["token", ACCOUNT]).unwrap();
    assert_eq!(again.stdout.trim_end(), token);
    let shown = daemon.run(&["status", ACCOUNT, "--json"]).unwrap().stdout;
    let account: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let state = account["state"].as_str().unwrap();
    assert!(["backing-off", "refreshing"].contains(&state), "{account}");
    assert_eq!(account["last_failure"], json!("not-sent"));

    // and a logout works without the provider, and says what it could not do
    let finished = daemon.run(&["logout", ACCOUNT]).unwrap();
    assert!(finished.stdout.contains("did not revoke its tokens"), "{finished:?}");
}
