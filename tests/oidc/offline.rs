//! A provider that cannot be reached.

use serde_json::json;

use crate::scene::{ACCOUNT, CLIENT, Scene, fault, follow, line, refused};
use crate::support::daemon::Daemon;
use crate::support::http::Ask;
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

    // and a logout works without the provider, and says what is left to do
    let finished = daemon.run(&["logout", ACCOUNT]).unwrap();
    assert!(finished.stdout.contains("will be revoked as soon as"), "{finished:?}");
}

/// Waits until the provider has been told of all logouts.
fn all_told(scene: &Scene) {
    let waits = || {
        let said = line(&scene.daemon.run(&["status", "--json"]).unwrap());
        let status: serde_json::Value = serde_json::from_str(&said).unwrap();
        status["unrevoked"] != json!([])
    };
    // each question takes its time, and the daemon as long as the provider's answer
    assert!((0..2000).any(|_| !waits()), "{}", scene.daemon.log());
}

#[test]
fn a_logout_without_the_provider_is_made_up_for_when_it_is_back() {
    let mut scene = Scene::new();
    // one account with a client that registered itself, one with a client that is there for good
    let (_, finished) = follow(&mut scene.login("bob", &["--login-hint", "bob"]), "");
    assert!(finished.status.success(), "{finished:?}");
    scene.sign_in(ACCOUNT);
    let client = scene.account("bob")["client_id"].as_str().unwrap().to_owned();
    assert_ne!(client, CLIENT);
    let tokens = [scene.token(ACCOUNT), scene.token("bob")];
    let alive = |scene: &Scene| scene.count("alive");
    assert_eq!(alive(&scene), 2);

    scene.op.go_down();
    for name in [ACCOUNT, "bob"] {
        let said = line(&scene.daemon.run(&["logout", name, "--json"]).unwrap());
        let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(answer["revocation"], json!("queued"), "{answer}");
        assert!(answer["reason"].as_str().unwrap().contains("refused"), "{answer}");
    }
    // stopped and started without it
    scene.daemon.restart().unwrap();
    let status = scene.daemon.run(&["status"]).unwrap().stdout;
    assert!(status.contains("bob: signed out; its tokens are revoked as soon as"), "{status}");

    scene.op.come_up();
    assert_eq!(alive(&scene), 2, "it knows nothing of it");
    scene.daemon.restart().unwrap();
    all_told(&scene);
    assert_eq!(alive(&scene), 0);
    assert!(tokens.iter().all(|token| !scene.is_active(token)));
    let asked = [("client_id", &*client), ("scope", "openid")];
    let known = Ask::post(&scene.op.url("/device/auth"), &asked).send().unwrap().status;
    assert_ne!(known, 200, "and the client is gone (RFC 7592, 2.3)");
}
