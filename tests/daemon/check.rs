//! The database is looked at beside serving: page by page, before anything is sent or written.

use std::fs;

use serde_json::json;

use crate::broken_disk::{hold_reads, scene};
use crate::database::FILE;
use crate::scene::{ACCOUNT, ask, connect, fault, token_of};
use crate::support::provider::Config;

const PAGE: usize = 4096;
const OTHER: &str = "gate";

#[test]
fn tokens_are_handed_out_while_the_database_is_looked_at_and_nothing_leaves_before_that_is_over() {
    let Some(mut scene) = scene(Config::parqex()) else { return };
    scene.sign_in(ACCOUNT);
    scene.sign_in(OTHER);
    let token = scene.token();
    scene.daemon.terminate().unwrap();
    hold_reads(scene.daemon.home(), true);
    scene.daemon.restart().unwrap();
    let mut caller = scene.want(&token);
    for account in [ACCOUNT, OTHER] {
        ask(&scene.daemon, "GetToken", &json!({ "account": account })).unwrap();
    }
    // a logout waits, too
    let mut leaver = connect(&scene.daemon);
    let call = json!({ "method": "dev.ostler.Ostler1.Logout", "parameters": { "account": OTHER } });
    leaver.send(&call).unwrap();
    assert!(!caller.has_answer().unwrap() && !leaver.has_answer().unwrap());
    assert_eq!(scene.provider.log().refreshes().count(), 0);
    assert_eq!(scene.provider.log().revocations, 0);
    hold_reads(scene.daemon.home(), false);
    let new = token_of(&caller.answer().unwrap());
    leaver.answer().unwrap();
    assert!(scene.admits(&new));
    scene.assert_clean();
}

#[test]
fn a_damaged_page_is_found_while_tokens_are_handed_out_and_then_everybody_is_told() {
    let Some(mut scene) = scene(Config::parqex()) else { return };
    scene.sign_in(ACCOUNT);
    let token = scene.token();
    assert!(scene.daemon.terminate().unwrap().success());
    let path = scene.daemon.home().path(FILE);
    let good = fs::read(&path).unwrap();
    let mut served = 0;
    for page in 1..good.len() / PAGE {
        let mut bad = good.clone();
        bad[page * PAGE..][..PAGE].fill(0xa5);
        fs::write(&path, &bad).unwrap();
        hold_reads(scene.daemon.home(), true);
        scene.daemon.restart().unwrap();
        if ask(&scene.daemon, "GetToken", &json!({ "account": ACCOUNT })).is_ok() {
            served += 1;
            let mut caller = scene.want(&token);
            assert_eq!(scene.token(), token, "page {page}");
            assert!(!caller.has_answer().unwrap(), "page {page}");
            hold_reads(scene.daemon.home(), false);
            let (kind, parameters) = fault(caller.answer());
            assert_eq!(kind, "Storage", "page {page}: {parameters}");
            let message = parameters["message"].as_str().unwrap();
            assert!(message.contains("the database is damaged"), "page {page}: {message}");
        } else {
            // what a start reads it finds by itself
            hold_reads(scene.daemon.home(), false);
        }
        for method in ["Status", "Diagnose", "ListProviders"] {
            let (kind, parameters) = fault(ask(&scene.daemon, method, &json!({})));
            assert_eq!(kind, "Storage", "page {page}: {parameters}");
        }
        assert!(scene.daemon.log().contains("serving nothing but this error"));
        assert!(scene.daemon.terminate().unwrap().success(), "page {page}");
        assert!(fs::read(&path).unwrap() == bad, "page {page}: the file changed");
    }
    assert!(served >= 4, "{served} pages are not read by a start");
    assert_eq!(scene.provider.log().refreshes().count(), 0);
    fs::write(&path, good).unwrap();
    scene.daemon.restart().unwrap();
    assert!(scene.admits(&token_of(&scene.renew(&token).unwrap())));
    scene.assert_clean();
}
