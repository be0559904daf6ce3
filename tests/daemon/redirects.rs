//! Redirects that are not the one waited for, and sign-ins that end otherwise.

use serde_json::{Value, json};

use crate::database;
use crate::scene::{ACCOUNT, PROVIDER, Scene, ask, connect, fault, fault_kind, settle};
use crate::support::agent::{self, Ending};
use crate::support::login::Login;
use crate::support::provider::{Config, SignIn};

/// Starts a sign-in at a provider that redirects to a page which nobody serves.
fn begin(scene: &Scene) -> Value {
    let client = &scene.provider.config().client;
    let parameters = json!({
        "provider": PROVIDER,
        "account": ACCOUNT,
        "client_id": client.id,
        "client_secret": client.secret,
        "redirect_uri": "https://door.example.test/parqex/done",
    });
    ask(&scene.daemon, "Login", &parameters).unwrap()
}

fn submit(
    scene: &Scene,
    started: &Value,
    uri: &str,
) -> Result<Value, crate::support::varlink::CallError> {
    ask(&scene.daemon, "SubmitRedirect", &json!({ "request": started["request"], "uri": uri }))
}

fn ended_at(started: &Value) -> String {
    agent::visit(started["authorization_uri"].as_str().unwrap()).unwrap().url().to_string()
}

#[test]
fn what_was_pasted_wrong_changes_nothing_and_the_right_address_still_works() {
    let scene = Scene::new(Config::parqex());
    let started = begin(&scene);
    assert_eq!(started["paste"], json!(true));
    let right = ended_at(&started);
    let state = right.split_once("state=").unwrap().1;
    let wrong_state = right.replace(state, "fake-state");
    let long = format!("{right}&more={}", "x".repeat(17_000));
    for (uri, words) in [
        ("", "that is not an address"),
        ("code-of-some-kind", "that is not an address"),
        ("https://evil.example/parqex/done?code=a&state=b", "that is another page"),
        ("http://door.example.test/parqex/done?code=a&state=b", "that is another page"),
        (started["authorization_uri"].as_str().unwrap(), "that is the address to visit"),
        (&wrong_state, "that is the answer to another sign-in"),
        ("https://door.example.test/parqex/done?code=a", "that is the answer to another sign-in"),
        ("https://door.example.test/parqex/done#code=a", "in the fragment"),
        (&long, "a redirect has at most"),
    ] {
        let (kind, parameters) = fault(submit(&scene, &started, uri));
        assert_eq!(kind, "InvalidOption", "{uri}");
        let message = parameters["message"].as_str().unwrap();
        assert!(message.contains(words), "{uri}: {message}");
        assert_eq!(parameters["account"], json!(ACCOUNT));
    }
    assert_eq!(scene.provider.log().requests.len(), 0, "nothing was redeemed");
    submit(&scene, &started, &right).unwrap();
    let ended =
        ask(&scene.daemon, "AwaitLogin", &json!({ "request": started["request"] })).unwrap();
    assert_eq!(ended["account"], json!(ACCOUNT));
    assert_eq!(ended["renewable"], json!(true));
    assert!(scene.admits(&scene.token()));
}

#[test]
fn a_redirect_that_comes_twice_is_redeemed_once() {
    let scene = Scene::new(Config::parqex());
    let started = begin(&scene);
    let right = ended_at(&started);
    // one more while the code is being redeemed, and one more when that is over
    scene.provider.next(crate::support::provider::Fault::Hold);
    submit(&scene, &started, &right).unwrap();
    scene.provider.wait(|log| log.in_flight == 1).unwrap();
    let (kind, parameters) = fault(submit(&scene, &started, &right));
    assert_eq!(kind, "InvalidOption");
    assert_eq!(parameters["message"], json!("this sign-in has had its redirect already"));
    let (kind, _) = fault(ask(&scene.daemon, "Cancel", &json!({ "request": started["request"] })));
    assert_eq!(kind, "RateLimited", "what may have been granted is not thrown away");
    scene.provider.release();
    ask(&scene.daemon, "AwaitLogin", &json!({ "request": started["request"] })).unwrap();
    let (kind, parameters) = fault(submit(&scene, &started, &right));
    assert_eq!(kind, "NoSuchRequest");
    assert_eq!(parameters["message"], json!("this sign-in is over"));
    assert_eq!(scene.provider.log().requests.len(), 1);
    assert!(scene.admits(&scene.token()));
    scene.assert_clean();
}

#[test]
fn the_command_line_asks_again_until_the_address_is_right() {
    let scene = Scene::new(Config::parqex());
    let login = Login::new(PROVIDER, ACCOUNT);
    let finished = login
        .run_with(&scene.daemon, &scene.provider, |url| {
            let right = agent::visit(url)?.url().to_string();
            Ok(Some(format!("oops\n\nhttps://elsewhere.example/?code=a\n{right}")))
        })
        .unwrap();
    assert!(finished.status.success(), "{finished:?}");
    for words in ["that is not it: that is not an address", "that is not it: that is another page"]
    {
        assert!(finished.stderr.contains(words), "{words}: {}", finished.stderr);
    }
    assert!(scene.admits(&scene.token()));
}

#[test]
fn standard_input_that_ends_without_an_address_cancels_the_sign_in() {
    let scene = Scene::new(Config::parqex());
    let login = Login::new(PROVIDER, ACCOUNT);
    let finished = login.run_with(&scene.daemon, &scene.provider, |_| Ok(None)).unwrap();
    assert_eq!(finished.status.code(), Some(77), "{finished:?}");
    let last = finished.stderr.lines().last().unwrap();
    assert_eq!(last, "ostler: door: no address was given; start the sign-in again: ostler login");
    let status = ask(&scene.daemon, "Status", &json!({})).unwrap();
    assert_eq!(status["accounts"], json!([]), "no sign-in is left open");
}

#[test]
fn a_refusal_that_is_pasted_ends_the_sign_in_for_all_who_wait() {
    let scene = Scene::new(Config::parqex().sign_in(SignIn::Refused));
    let started = begin(&scene);
    let status = ask(&scene.daemon, "Status", &json!({})).unwrap();
    assert_eq!(status["accounts"][0]["state"], json!("signing-in"));
    let mut waiting = connect(&scene.daemon);
    waiting
        .send(&json!({
            "method": "dev.ostler.Ostler1.AwaitLogin",
            "parameters": { "request": started["request"] },
        }))
        .unwrap();
    settle(&scene.daemon);
    let (kind, parameters) = fault(submit(&scene, &started, &ended_at(&started)));
    assert_eq!(kind, "LoginFailed");
    assert!(parameters["message"].as_str().unwrap().contains("access_denied"), "{parameters}");
    assert_eq!(fault_kind(waiting.answer()), "LoginFailed");
    let late = ask(&scene.daemon, "AwaitLogin", &json!({ "request": started["request"] }));
    assert_eq!(fault_kind(late), "LoginFailed");
    assert_eq!(ask(&scene.daemon, "Status", &json!({})).unwrap()["accounts"], json!([]));
}

#[test]
fn a_sign_in_that_is_cancelled_takes_no_redirect_any_more() {
    let scene = Scene::new(Config::parqex());
    let started = begin(&scene);
    let right = ended_at(&started);
    let reference = json!({ "request": started["request"] });
    ask(&scene.daemon, "Cancel", &reference).unwrap();
    assert_eq!(fault_kind(ask(&scene.daemon, "AwaitLogin", &reference)), "Cancelled");
    assert_eq!(fault_kind(submit(&scene, &started, &right)), "NoSuchRequest");
    assert_eq!(fault_kind(ask(&scene.daemon, "Cancel", &reference)), "NoSuchRequest");
    assert_eq!(scene.provider.log().requests.len(), 0);
    assert_eq!(database::rows(&scene.daemon, "attempt"), 0);
}

#[test]
fn a_sign_in_that_never_was_cannot_be_fed_awaited_or_cancelled() {
    let scene = Scene::new(Config::parqex());
    let unknown = begin(&scene);
    ask(&scene.daemon, "Cancel", &json!({ "request": unknown["request"] })).unwrap();
    // of the right form, and not known
    let mut id = unknown["request"].as_str().unwrap().to_owned();
    let last = if id.ends_with('a') { "b" } else { "a" };
    id.replace_range(id.len() - 1.., last);
    for (method, parameters) in [
        ("SubmitRedirect", json!({ "request": id, "uri": "https://x.example/?code=a&state=b" })),
        ("AwaitLogin", json!({ "request": id })),
        ("Cancel", json!({ "request": id })),
    ] {
        let (kind, parameters) = fault(ask(&scene.daemon, method, &parameters));
        assert_eq!(kind, "NoSuchRequest", "{method}");
        assert_eq!(parameters["message"], json!("there is no such sign-in"));
    }
}

#[test]
fn a_stranger_at_the_loopback_page_neither_ends_nor_feeds_the_sign_in() {
    let scene = Scene::new(Config::standard());
    let login = Login::new(PROVIDER, ACCOUNT);
    let finished = login
        .run_with(&scene.daemon, &scene.provider, |url| {
            let url: url::Url = url.parse().unwrap();
            let callback = url.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1;
            for query in ["?code=a&state=b", "?error=access_denied&state=b", ""] {
                let ask = crate::support::http::Ask::get(&format!("{callback}{query}"));
                let page = ask.send().map_err(agent::AgentError::from)?;
                assert_eq!(page.status, 400, "{query}");
                assert!(page.text().contains("Not this one"), "{}", page.text());
            }
            let Ending::Callback { page, url } = agent::visit(url.as_str())? else {
                panic!("the daemon does not listen")
            };
            assert_eq!(page.status, 200);
            // the listener is gone with its last page
            let again = crate::support::http::Ask::get(url.as_str()).send();
            assert!(again.is_err(), "{again:?}");
            Ok(None)
        })
        .unwrap();
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(scene.provider.log().requests.len(), 1);
}
