//! Signing in on another device (RFC 8628), with a person who types the code in, or does not.

use serde_json::{Value, json};

use crate::scene::{ACCOUNT, CLIENT, PATIENCE, Scene, fault};
use crate::support::agent;
use crate::support::conversation::Conversation;
use crate::support::secret;

/// The login under way, and the code that it shows.
fn begin(scene: &Scene) -> Conversation {
    let mut command = scene.login(ACCOUNT, &["--client-id", CLIENT, "--device", "--json"]);
    Conversation::begin_with(&mut command, "", |line| {
        let started: Value = serde_json::from_str(line).ok()?;
        started["authorization_uri"].as_str()?.parse().ok()
    })
    .unwrap()
}

#[test]
fn the_user_types_a_code_in_and_the_command_ends_with_a_login_that_is_stored() {
    let mut scene = Scene::new();
    let mut command = scene.login(ACCOUNT, &["--client-id", CLIENT, "--device"]);
    let conversation = Conversation::begin(&mut command, "").unwrap();
    // as short as it can be typed, and the code on a line of its own
    assert_eq!(conversation.url().as_str(), scene.op.url("/device"));
    let code = conversation.line().unwrap();
    assert_eq!((code.len(), code.as_bytes()[4]), (9, b'-'), "{code}");
    let page = agent::agree(&scene.op.url(&format!("/device?user_code={code}")), true).unwrap();
    assert!(page.text().contains("Sign-in Success"), "{}", page.text());
    let finished = conversation.finish(None, PATIENCE);
    let finished = finished.unwrap_or_else(|error| panic!("{error}: {}", scene.daemon.log()));
    assert!(finished.status.success(), "{finished:?}");
    let last = finished.stderr.lines().last().unwrap();
    assert!(last.starts_with("signed in: alice (http://127.0.0.1:"), "{last}");
    assert!(last.ends_with(", renewable"), "{last}");
    assert!(secret::leaks(&(finished.stdout + &finished.stderr)).is_empty());

    let first = scene.token(ACCOUNT);
    let said = scene.introspect(&first);
    assert_eq!((&said["active"], &said["scope"]), (&json!(true), &json!("offline_access openid")));
    scene.daemon.restart().unwrap();
    assert!(scene.is_active(&scene.renew(ACCOUNT, &first)));
}

#[test]
fn a_login_on_another_device_outlives_the_daemon() {
    let mut scene = Scene::new();
    let conversation = begin(&scene);
    let visit = conversation.url().to_string();
    assert!(visit.contains("user_code="), "{visit}");
    scene.daemon.kill9().unwrap();
    scene.daemon.restart().unwrap();
    let page = agent::agree(&visit, true).unwrap();
    assert!(page.text().contains("Sign-in Success"), "{}", page.text());
    let finished = conversation.finish(None, PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    assert!(scene.is_active(&scene.token(ACCOUNT)));
    // and it is over: nothing is asked for after the next start
    let asked = scene.count("token");
    scene.daemon.restart().unwrap();
    scene.token(ACCOUNT);
    assert_eq!(scene.count("token"), asked);
}

/// The provider ends a login whose device code is presented again.
#[test]
fn a_crash_late_in_a_login_on_another_device_loses_nothing_and_asks_for_nothing_twice() {
    for point in ["after-read", "before-commit", "after-commit", "before-publish"] {
        let mut scene = Scene::new();
        let conversation = begin(&scene);
        let visit = conversation.url().to_string();
        // the answer to the first question, which comes when the user has agreed
        scene.daemon.kill9().unwrap();
        let page = agent::agree(&visit, true).unwrap();
        assert!(page.text().contains("Sign-in Success"), "{}", page.text());
        scene.daemon.restart_with("OSTLER_CRASH_AT", point).unwrap();
        scene.daemon.wait_end().unwrap();
        scene.daemon.restart().unwrap();
        let finished = conversation.finish(None, PATIENCE).unwrap();
        if point == "after-read" {
            // the only answer was in memory alone: the code is spent, and that is said
            assert!(!finished.status.success(), "{point}: {finished:?}");
            continue;
        }
        if point == "before-commit" {
            assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
        } else {
            // the sign-in was over before the daemon was there again
            let (words, _) = fault(&finished);
            assert!(words["message"].as_str().unwrap().contains("restarted meanwhile"), "{words}");
        }
        let first = scene.token(ACCOUNT);
        assert!(scene.is_active(&scene.renew(ACCOUNT, &first)), "{point}");
        let database = scene.daemon.home().path("state/ostler/ostler.db");
        let database = rusqlite::Connection::open(database).unwrap();
        let open = "SELECT count(*) FROM device";
        let open: i64 = database.query_row(open, [], |row| row.get(0)).unwrap();
        assert_eq!(open, 0, "{point}: the sign-in goes on although it is over");
    }
}

#[test]
fn a_user_who_says_no_ends_it() {
    let scene = Scene::new();
    let conversation = begin(&scene);
    agent::agree(conversation.url().as_str(), false).unwrap();
    let finished = conversation.finish(None, PATIENCE).unwrap();
    let (words, code) = fault(&finished);
    assert_eq!((&words["fault"], code), (&json!("LoginFailed"), 77), "{words}");
    assert!(words["message"].as_str().unwrap().contains("access_denied"), "{words}");
}

#[test]
fn a_login_without_a_device_endpoint_says_so_before_anything_is_asked() {
    let scene = Scene::new();
    let arguments = ["login", "dropbox", "--client-id", "app", "--device", "--json"];
    let (words, code) = fault(&scene.daemon.run(&arguments).unwrap());
    assert_eq!((&words["fault"], code), (&json!("InvalidOption"), 64), "{words}");
    assert!(words["hint"].as_str().unwrap().contains("without --device"), "{words}");
}
