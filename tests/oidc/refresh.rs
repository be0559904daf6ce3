//! Refreshing at a provider that rotates, revokes, and detects reuse.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::scene::{ACCOUNT, Scene, fault, follow, line};

const STRICT: Duration = Duration::ZERO;
const FORGIVING: Duration = Duration::from_mins(1);

#[test]
fn every_refresh_rotates_and_no_refresh_token_is_used_twice() {
    let scene = Scene::brief(STRICT);
    let mut tokens = vec![scene.token(ACCOUNT)];
    for count in 1..=3 {
        let new = scene.renew(ACCOUNT, tokens.last().unwrap());
        assert!(scene.is_active(&new), "after {count}");
        assert!(!tokens.contains(&new), "after {count}");
        tokens.push(new);
        // one that is not the current one any more is no reason to ask the provider
        assert_eq!(line(&scene.try_renew(ACCOUNT, &tokens[0], &[])), tokens[count]);
    }
    // the schedule may have added some
    let stats = scene.op.stats().unwrap();
    assert!(stats["refresh"].as_u64() >= Some(3), "{stats}");
    assert_eq!((&stats["reuse"], &stats["alive"]), (&json!(0), &json!(1)), "{stats}");
}

#[test]
fn a_logout_ends_everything_at_the_provider() {
    let scene = Scene::new();
    scene.sign_in(ACCOUNT);
    let first = scene.token(ACCOUNT);
    let second = scene.renew(ACCOUNT, &first);
    assert!(scene.is_active(&first) && scene.is_active(&second));
    assert_eq!(scene.count("alive"), 1);
    let finished = scene.daemon.run(&["logout", ACCOUNT, "--json"]).unwrap();
    let answer: serde_json::Value = serde_json::from_str(&line(&finished)).unwrap();
    assert_eq!(answer, json!({ "account": ACCOUNT, "revocation": "revoked" }));
    // the provider ends the grant with its refresh token, and all access tokens with the grant
    assert_eq!(scene.count("alive"), 0);
    assert!(!scene.is_active(&first) && !scene.is_active(&second));
    let (fault, code) = fault(&scene.daemon.run(&["token", ACCOUNT, "--json"]).unwrap());
    assert_eq!((&fault["fault"], code), (&json!("NoSuchAccount"), 67));
}

/// The figure that a query of the daemon's database gives.
fn figure(scene: &Scene, query: &str) -> i64 {
    let path = scene.daemon.home().path("state/ostler/ostler.db");
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    database.query_row(query, [], |row| row.get(0)).unwrap()
}

/// Refresh tokens on record, each sealed.
const REFRESH_TOKENS: &str = "SELECT count(*) FROM refresh_token WHERE length(token) > 40";

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// A restored backup holds a refresh token that was replaced long ago. The provider takes its use for
/// a theft, as it should (RFC 9700, 4.14.2): so it is used at the user's word alone.
#[test]
fn a_restored_backup_is_not_used_unasked_and_its_use_ends_the_login_and_erases_nothing() {
    let mut scene = Scene::new();
    scene.sign_in(ACCOUNT);
    let old = scene.token(ACCOUNT);
    let backup = tempfile::tempdir().unwrap();
    let state = scene.daemon.home().path("state/ostler");
    scene.daemon.terminate().unwrap();
    copy(&state, backup.path());
    scene.daemon.restart().unwrap();
    let new = scene.renew(ACCOUNT, &old);
    scene.daemon.terminate().unwrap();
    fs::remove_dir_all(&state).unwrap();
    fs::create_dir(&state).unwrap();
    copy(backup.path(), &state);
    scene.daemon.restart().unwrap();

    assert_eq!(scene.token(ACCOUNT), old, "the backup's token still lives");
    let (refusal, code) = fault(&scene.try_renew(ACCOUNT, &old, &["--json"]));
    assert_eq!((&refusal["fault"], code), (&json!("LoginRequired"), 77), "{refusal}");
    let message = refusal["message"].as_str().unwrap();
    assert!(message.contains("older copy") && message.contains("ostler resume alice"), "{message}");
    assert_eq!((scene.count("reuse"), scene.count("alive")), (0, 1));
    assert!(scene.is_active(&new), "nothing was sent");

    let resumed = scene.daemon.run(&["resume", ACCOUNT]).unwrap();
    assert!(resumed.status.success(), "{resumed:?}");
    let (refusal, code) = fault(&scene.try_renew(ACCOUNT, &old, &["--json"]));
    assert_eq!((&refusal["fault"], code), (&json!("LoginRequired"), 77), "{refusal}");
    let message = refusal["message"].as_str().unwrap();
    assert!(message.starts_with("the login is over (invalid_grant"), "{refusal}");
    let hint = format!("run: ostler login --issuer {} --as {ACCOUNT}", scene.op.issuer());
    assert_eq!(refusal["hint"], json!(hint));
    assert_eq!((scene.count("reuse"), scene.count("alive")), (1, 0));
    assert!(!scene.is_active(&new), "the provider has ended the whole family");
    assert_eq!(figure(&scene, REFRESH_TOKENS), 1, "the refresh token is still there");

    // it stays so, and the provider is left alone
    let asked = scene.count("token");
    scene.daemon.restart().unwrap();
    let account = scene.account(ACCOUNT);
    assert_eq!(account["state"], json!("login-required"));
    assert!(account["detail"].as_str().unwrap().contains("invalid_grant"), "{account}");
    let shown = scene.daemon.run(&["status"]).unwrap().stdout;
    assert!(
        shown.contains(&format!("alice needs you: ostler login --issuer {}", scene.op.issuer()))
    );
    assert_eq!(scene.count("token"), asked);

    // and the hint is all that it takes
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &[]), "");
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(scene.account(ACCOUNT)["state"], json!("ready"));
    assert!(scene.is_active(&scene.token(ACCOUNT)));
}

#[test]
fn a_lost_answer_costs_nothing_where_the_provider_forgives() {
    let scene = Scene::brief(FORGIVING);
    let mut token = scene.token(ACCOUNT);
    for fault in ["lost_response", "truncate"] {
        scene.op.next(fault).unwrap();
        token = scene.renew(ACCOUNT, &token);
        assert!(scene.is_active(&token), "{fault}");
    }
    assert_eq!(scene.count("reuse"), 0);
    let account = scene.account(ACCOUNT);
    assert!(["ready", "refreshing"].contains(&account["state"].as_str().unwrap()), "{account}");
}

#[test]
fn a_lost_answer_at_a_strict_provider_ends_the_login_and_says_why() {
    let scene = Scene::new();
    scene.sign_in(ACCOUNT);
    scene.op.next("lost_response").unwrap();
    let (refusal, code) = fault(&scene.try_renew(ACCOUNT, &scene.token(ACCOUNT), &["--json"]));
    assert_eq!((&refusal["fault"], code), (&json!("LoginRequired"), 77), "{refusal}");
    let message = refusal["message"].as_str().unwrap();
    assert!(message.contains("invalid_grant"), "{refusal}");
    assert!(message.contains("an earlier answer was lost on its way"), "{refusal}");
    assert_eq!(figure(&scene, REFRESH_TOKENS), 1, "the refresh token is still there");
    let stats = scene.op.stats().unwrap();
    assert_eq!((&stats["refresh"], &stats["reuse"]), (&json!(2), &json!(1)), "{stats}");
}
