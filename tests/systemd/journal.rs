//! What the journal has of it.

use serde_json::Value;

use crate::scene::{ACCOUNT, PROVIDER, Scene, WHO};
use crate::support::provider::Config;

#[test]
fn records_have_their_fields_and_priorities_and_no_secrets() {
    let Some(scene) = Scene::signed_in(Config::standard()) else { return };
    let token = scene.token();
    let refresh = scene.provider.newest_refresh_token(WHO).unwrap();
    assert_eq!(scene.provider.revoke_family(WHO), 1);
    let words = ["token", ACCOUNT, "--rejected", &crate::support::secret::fingerprint(&token)];
    assert_eq!(scene.ostler(&words).status.code(), Some(77));

    let text = scene.journal("json");
    let records: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |message: &str| {
        let found = records.iter().rfind(|record| record["MESSAGE"] == message);
        found.unwrap_or_else(|| panic!("no {message:?} in {records:#?}"))
    };
    let ready = find("ready");
    assert_eq!(ready["PRIORITY"], "6");
    assert_eq!(ready["SYSLOG_IDENTIFIER"], "ostlerd");
    assert_eq!(ready["_SYSTEMD_USER_UNIT"], "ostler.service");
    let state = find("account changed state");
    assert_eq!(state["OSTLER_ACCOUNT"], ACCOUNT);
    assert_eq!(state["OSTLER_STATE"], "login-required");
    assert!(records.iter().any(|record| record["OSTLER_PROVIDER"] == PROVIDER));
    for record in &records {
        let priority: u8 = record["PRIORITY"].as_str().unwrap().parse().unwrap();
        assert!((3..=6).contains(&priority), "{record:#}");
    }
    assert!(!text.contains(&token) && !text.contains(&refresh));
}
