//! Who has signed in, by the certified provider's ID tokens and keys.

use serde_json::{Value, json};

use crate::scene::{ACCOUNT, CLIENT, PATIENCE, Scene, fault, follow};
use crate::support::agent;
use crate::support::conversation::Conversation;

#[test]
fn an_account_is_its_users_and_nobody_elses() {
    let mut scene = Scene::new();
    scene.sign_in(ACCOUNT);
    assert_eq!(scene.account(ACCOUNT)["values"]["identity"], json!("alice"));
    let first = scene.token(ACCOUNT);

    // the same account, and somebody else at the provider
    let mut command = scene.login(ACCOUNT, &["--login-hint", "bob", "--json"]);
    let conversation = Conversation::begin_with(&mut command, "", |line| {
        let started: Value = serde_json::from_str(line).ok()?;
        started["authorization_uri"].as_str()?.parse().ok()
    })
    .unwrap();
    agent::visit(conversation.url().as_str()).unwrap();
    let (said, _) = fault(&conversation.finish(None, PATIENCE).unwrap());
    let message = said["message"].as_str().unwrap();
    assert!(message.contains("has signed in bob"), "{said}");
    assert!(message.contains("under another name"), "{said}");
    assert!(scene.is_active(&scene.token(ACCOUNT)), "what there was is as it was");
    assert_eq!(scene.account(ACCOUNT)["values"]["identity"], json!("alice"));

    let shown = scene.daemon.run(&["status", ACCOUNT]).unwrap();
    assert!(shown.stdout.contains("user           alice\n"), "{shown:?}");

    // under a name of his own he may
    let mut command = scene.login("bob", &["--client-id", CLIENT, "--login-hint", "bob"]);
    let (_, finished) = follow(&mut command, "");
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(scene.account("bob")["values"]["identity"], json!("bob"));

    // a restart and a refresh, which brings an ID token, too, change nothing
    scene.daemon.restart().unwrap();
    scene.renew(ACCOUNT, &first);
    assert_eq!(scene.account(ACCOUNT)["values"]["identity"], json!("alice"));
    assert_eq!(scene.account(ACCOUNT)["values"]["subject"], json!("alice"));
}
