//! Answers of all kinds to a refresh that the provider has granted: what it rotated must not be lost.

use std::time::Duration;

use serde_json::{Value, json};

use crate::hostile::memory;
use crate::scene::{Scene, Watch, ask, token_of};
use crate::street::Street;
use crate::support::daemon::Daemon;
use crate::support::provider::{Config, Fault, Outcome, Packing, Rotation};

const YEAR: i64 = 365 * 86_400;

fn forgiving() -> Config {
    Config::standard().rotation(Rotation::Grace(Duration::from_secs(30)))
}

/// When the clock of the daemon will show that many seconds more.
fn in_seconds(daemon: &Daemon, expires_at: &Value) -> Option<i64> {
    let status = ask(daemon, "Status", &json!({})).unwrap();
    Some(expires_at.as_i64()? - status["daemon"]["now"].as_i64().unwrap())
}

#[test]
fn an_answer_of_an_odd_form_is_understood() {
    let street = Street::build(
        &forgiving(),
        vec![
            ("seconds-as-text", Fault::ExpiresIn(json!("50"))),
            ("seconds-with-a-fraction", Fault::ExpiresIn(json!(50.5))),
            ("life-null", Fault::ExpiresIn(json!(null))),
            ("life-of-nothing", Fault::ExpiresIn(json!(0))),
            ("life-in-the-past", Fault::ExpiresIn(json!(-60))),
            ("life-without-end", Fault::ExpiresIn(json!(1e18))),
            ("life-a-word", Fault::ExpiresIn(json!("soon"))),
            ("no-type", Fault::DropField("token_type")),
            ("no-life", Fault::DropField("expires_in")),
            ("no-scope", Fault::DropField("scope")),
            ("no-refresh-token", Fault::DropField("refresh_token")),
            ("lower-type", Fault::TokenTypeLower),
            ("a-form", Fault::FormEncoded),
            ("gzip", Fault::Packed(Packing::Gzip)),
            ("x-gzip", Fault::Packed(Packing::XGzip)),
            ("deflate", Fault::Packed(Packing::Deflate)),
            ("raw-deflate", Fault::Packed(Packing::RawDeflate)),
            ("bomb", Fault::Packed(Packing::Bomb)),
        ],
    );
    for (house, answer) in street.renew_in_spite() {
        let name = house.name;
        assert_eq!(answer["token_type"], json!("Bearer"), "{name}");
        assert_eq!(answer["scopes"], json!(["api:read", "api:write"]), "{name}");
        // not even where no token lives for the minute that is the default
        assert_eq!(answer["stale"], json!(false), "{name}");
        let left = in_seconds(&street.daemon, &answer["expires_at"]);
        match name {
            "seconds-as-text" | "seconds-with-a-fraction" => {
                assert!((20..=51).contains(&left.unwrap()), "{name}: {left:?}");
            }
            "life-without-end" => {
                assert!((5 * YEAR..=11 * YEAR).contains(&left.unwrap()), "{name}: {left:?}");
            }
            name if name.starts_with("life-") || name == "no-life" => {
                assert_eq!(answer.get("expires_at"), None, "{name}: what is unknown is not said");
            }
            _ => assert!((3000..=3600).contains(&left.unwrap()), "{name}: {left:?}"),
        }
        assert_eq!(house.provider.log().refreshes().count(), 1, "{name}");
    }
    street.recover();
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again_at_once_and_the_login_stays() {
    let street = Street::build(
        &forgiving(),
        vec![
            ("lost", Fault::LostResponse),
            ("cut", Fault::Truncate),
            ("garbage", Fault::Garbage),
            ("huge", Fault::HugeBody),
            ("endless", Fault::EndlessChunks),
            ("no-token", Fault::DropField("access_token")),
            ("error-as-success", Fault::Error200),
            ("not-ok", Fault::SlackError),
        ],
    );
    let mut watch = Watch::start(&street.daemon);
    for (house, _) in street.renew_in_spite() {
        let name = house.name;
        let log = house.provider.log();
        let outcomes: Vec<_> = log.refreshes().map(|request| request.outcome.clone()).collect();
        assert_eq!(outcomes, [Outcome::Granted, Outcome::Granted], "{name}");
        let sent: Vec<_> = log.refreshes().map(|request| request.refresh.clone()).collect();
        let rescued = ["huge", "endless", "no-token"].contains(&name);
        assert_eq!(sent[0] != sent[1], rescued, "{name}: the newest token known is sent");
    }
    let states = watch.states(&street.daemon);
    assert!(states.contains(&"backing-off".to_owned()), "{states:?}");
    assert!(!states.contains(&"login-required".to_owned()), "{states:?}");
    street.recover();
}

#[test]
fn from_a_strict_provider_too_the_new_refresh_token_is_rescued_out_of_a_spoiled_answer() {
    let street = Street::build(
        &Config::parqex(),
        vec![
            ("huge", Fault::HugeBody),
            ("endless", Fault::EndlessChunks),
            ("no-token", Fault::DropField("access_token")),
            ("a-form", Fault::FormEncoded),
            ("no-life", Fault::DropField("expires_in")),
            ("gzip", Fault::Packed(Packing::Gzip)),
            ("deflate", Fault::Packed(Packing::Deflate)),
            ("raw-deflate", Fault::Packed(Packing::RawDeflate)),
            ("bomb", Fault::Packed(Packing::Bomb)),
            ("padded", Fault::PaddedRefresh),
        ],
    );
    let before = memory(&street.daemon);
    for (house, _) in street.renew_in_spite() {
        assert_eq!(house.provider.log().reuses, 0, "{}", house.name);
    }
    let cost = memory(&street.daemon).saturating_sub(before);
    assert!(cost < 32 << 20, "{cost} bytes were kept of answers without end");
    street.recover();
}

#[test]
fn a_refresh_token_that_is_none_leaves_the_old_one_in_force() {
    let words = ["", " ", "\r\n", "null", "NULL", "undefined", "none", "None"];
    let named = |word| ("word", Fault::SetField("refresh_token", json!(word)));
    let mut faults: Vec<_> = words.into_iter().map(named).collect();
    faults.push(("null", Fault::SetField("refresh_token", json!(null))));
    faults.push(("padded", Fault::PaddedRefresh));
    for (_, fault) in faults {
        let scene = Scene::signed_in(Config::standard().rotation(Rotation::Off));
        for _ in 0..2 {
            scene.provider.next(fault.clone());
            let old = scene.token();
            let new = token_of(&scene.renew(&old).unwrap());
            assert!(scene.provider.is_access_token_valid(&new), "{fault:?}");
        }
        let log = scene.provider.log();
        let sent: Vec<_> = log.refreshes().map(|request| &request.refresh).collect();
        assert_eq!(sent.len(), 2, "{fault:?}");
        assert_eq!(sent[0], sent[1], "{fault:?}");
    }
}

#[test]
fn a_sign_in_takes_a_packed_answer_and_a_padded_token() {
    for fault in [
        Fault::Packed(Packing::Gzip),
        Fault::Packed(Packing::XGzip),
        Fault::Packed(Packing::Deflate),
        Fault::Packed(Packing::RawDeflate),
        Fault::PaddedRefresh,
    ] {
        let scene = Scene::new(Config::parqex());
        scene.provider.next(fault.clone());
        scene.sign_in("door");
        let old = scene.token();
        let new = token_of(&scene.renew(&old).unwrap());
        assert!(scene.provider.is_access_token_valid(&new), "{fault:?}");
        scene.assert_clean();
    }
}

#[test]
fn an_exchange_of_a_code_that_brings_garbage_ends_the_sign_in_with_a_reason() {
    for fault in [Fault::Garbage, Fault::LostResponse, Fault::Truncate] {
        let scene = Scene::new(Config::parqex());
        scene.provider.next(fault.clone());
        let login = crate::support::login::Login::new(crate::scene::PROVIDER, "door");
        let finished = login.run(&scene.daemon, &scene.provider).unwrap();
        assert_eq!(finished.status.code(), Some(77), "{fault:?}: {finished:?}");
        let last = finished.stderr.lines().last().unwrap();
        assert!(last.contains("the code could not be exchanged for tokens"), "{fault:?}: {last}");
        assert!(last.ends_with("run: ostler login test --as door"), "{fault:?}: {last}");
        // a code works once
        assert_eq!(scene.provider.log().requests.len(), 1, "{fault:?}");
        scene.sign_in("door");
    }
}
