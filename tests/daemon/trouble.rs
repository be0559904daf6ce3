//! A provider in trouble: nothing is granted, and what there is goes on being good.

use std::time::Duration;

use serde_json::json;

use crate::scene::{ACCOUNT, PROVIDER, Scene, Watch, ask, failed, fault, file, home, token_of};
use crate::street::Street;
use crate::support::daemon::Daemon;
use crate::support::login::Login;
use crate::support::provider::{Config, Fault, Provider, Rotation};
use crate::support::secret;

/// How long callers wait here, in milliseconds: longer than a request takes on this machine, and not
/// longer than a few of the daemon's pauses.
const PATIENCE: u32 = 3000;

fn status(code: u16, body: &str) -> Fault {
    Fault::Status { code, headers: vec![], body: body.to_owned() }
}

/// A portal that sends everybody to its login page.
fn elsewhere() -> Fault {
    let headers = vec![("Location", "https://portal.example.test/login".to_owned())];
    Fault::Status { code: 302, headers, body: "<a href=/login>".to_owned() }
}

/// One that names a day on which to come back, which is longer than anybody is made to wait.
fn until_the_year_9999() -> Fault {
    let headers = vec![("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT".to_owned())];
    Fault::Status { code: 429, headers, body: r#"{"error":"rate_limited"}"#.to_owned() }
}

#[test]
fn nobody_waits_longer_than_said_for_an_answer_that_trickles_in() {
    let config = Config::standard().rotation(Rotation::Grace(Duration::from_secs(30)));
    let street = Street::build(
        &config,
        vec![
            ("head", Fault::Drip("HTTP/1.1 200 OK\r\nX: ")),
            ("body", Fault::Drip("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")),
            ("line", Fault::Drip("HTTP/1.1 2")),
            ("nothing", Fault::Drip("")),
        ],
    );
    for house in &street.houses {
        house.provider.next(house.fault.clone());
    }
    street.each(|daemon, house| {
        let rejected = secret::fingerprint(&house.first);
        let question = json!({ "account": house.name, "rejected": rejected, "timeout_ms": 1 });
        let (kind, parameters) = fault(ask(daemon, "GetToken", &question));
        assert_eq!(kind, "Timeout", "{}: {parameters}", house.name);
        // it goes on trickling
        house.provider.wait(|log| log.refreshes().count() == 1 && log.in_flight == 1).unwrap();
        assert_eq!(house.token(daemon), house.first, "{}", house.name);
        let mut patient = crate::scene::want(daemon, house.name, &house.first);
        house.provider.release();
        let new = token_of(&patient.answer().unwrap());
        assert!(house.provider.is_access_token_valid(&new), "{}", house.name);
        assert_eq!(house.provider.log().refreshes().count(), 2, "{}", house.name);
    });
    street.recover();
}

#[test]
fn each_kind_of_trouble_is_named_and_costs_nothing() {
    let table = [
        ("reset", Fault::ResetBefore, "Offline", "answer did not arrive"),
        ("portal", Fault::CaptiveHtml200, "Offline", "something else than the provider answered"),
        ("redirect", Fault::Redirect307, "Offline", "something else than the provider answered"),
        ("login-page", elsewhere(), "Offline", "something else than the provider answered"),
        ("enrol", status(511, "<html>"), "Offline", "something else than the provider answered"),
        ("proxy", status(407, "<html>"), "Offline", "something else than the provider answered"),
        ("list", status(200, "[1]"), "Offline", "something else than the provider answered"),
        ("refusal", status(403, r#"{"message":"no"}"#), "ProviderError", "HTTP status 403"),
        ("gateway", Fault::Http502Html, "ProviderError", "HTTP status 502"),
        ("busy", Fault::TemporarilyUnavailable503, "ProviderError", "temporarily_unavailable"),
        ("teapot", status(418, "short and stout"), "ProviderError", "HTTP status 418"),
        ("empty", status(200, ""), "ProviderError", "the answer is empty"),
        ("forbidden", status(403, "<html>WAF</html>"), "ProviderError", "HTTP status 403"),
        ("missing", status(404, "nothing here"), "ProviderError", "HTTP status 404"),
        (
            "grant-502",
            status(502, r#"{"error":"invalid_grant"}"#),
            "ProviderError",
            "invalid_grant",
        ),
        ("patience", Fault::Http429 { retry_after: 3600 }, "RateLimited", "rate_limited"),
        ("patience-date", until_the_year_9999(), "RateLimited", "rate_limited"),
        (
            "client",
            status(401, r#"{"error":"invalid_client"}"#),
            "ClientRejected",
            "invalid_client",
        ),
        ("scope", status(400, r#"{"error":"invalid_scope"}"#), "ClientRejected", "invalid_scope"),
    ];
    let faults = table.iter().map(|(name, fault, ..)| (*name, fault.clone())).collect();
    let street = Street::build(&Config::standard(), faults);
    let mut watch = Watch::start(&street.daemon);
    for house in &street.houses {
        house.provider.always(house.fault.clone());
    }
    let asked = street.each(|daemon, house| {
        let rejected = secret::fingerprint(&house.first);
        let by_socket = ask(
            daemon,
            "GetToken",
            &json!({ "account": house.name, "rejected": rejected, "timeout_ms": PATIENCE }),
        );
        let by_command =
            daemon.run(&["token", house.name, "--rejected", &rejected, "--timeout", "0"]).unwrap();
        // the old one is good for an hour, for all that anybody knows
        assert_eq!(house.token(daemon), house.first, "{}", house.name);
        (by_socket, by_command)
    });
    for (house, (by_socket, by_command)) in asked {
        let name = house.name;
        let (_, _, kind, words) = table.iter().find(|row| row.0 == name).unwrap();
        let (found, parameters) = fault(by_socket);
        assert_eq!(found, *kind, "{name}: {parameters}");
        let message = parameters["message"].as_str().unwrap();
        assert!(message.contains(words), "{name}: {message}");
        assert_eq!(parameters["account"], json!(name));
        let code = if *kind == "ClientRejected" { 78 } else { 75 };
        let line = failed(&by_command, code);
        assert!(line.contains(words), "{name}: {line}");
        let retry_at = parameters["retry_at"].as_i64();
        assert_eq!(retry_at.is_some(), *kind != "ClientRejected", "{name}: {parameters}");
        if name.starts_with("patience") {
            let now = ask(&street.daemon, "Status", &json!({})).unwrap()["daemon"]["now"].clone();
            let pause = retry_at.unwrap() - now.as_i64().unwrap();
            assert!((3000..=3600).contains(&pause), "{pause}");
            assert_eq!(house.provider.log().refreshes().count(), 1, "it is left alone");
        }
        let shown = house.shown(&street.daemon);
        let state = if *kind == "ClientRejected" { "held" } else { "backing-off" };
        // or just trying again
        assert!([state, "refreshing"].contains(&shown["state"].as_str().unwrap()), "{shown}");
        assert_eq!(house.provider.log().trapped, 0, "{name}");
    }
    assert!(!watch.states(&street.daemon).contains(&"login-required".to_owned()));
    street.recover();
}

#[test]
fn a_token_is_handed_out_as_stale_while_it_lives_and_the_trouble_is_told_when_it_is_over() {
    let config = Config::standard()
        .access_lifetime(Duration::from_secs(6))
        .rotation(Rotation::Grace(Duration::from_secs(30)));
    let scene = Scene::signed_in(config);
    let old = scene.token();
    let mut watch = Watch::start(&scene.daemon);
    scene.provider.always(Fault::TemporarilyUnavailable503);
    // nobody asks for that: it is due
    watch.until(|account| account["state"] == json!("backing-off"));
    let question = json!({ "account": ACCOUNT, "min_valid": 5, "timeout_ms": 1 });
    let answer = ask(&scene.daemon, "GetToken", &question).unwrap();
    assert_eq!(token_of(&answer), old);
    assert_eq!(answer["stale"], json!(true));
    let wanted = ["token", ACCOUNT, "--min-valid", "5", "--timeout", "0"];
    let line = scene.daemon.run(&wanted).unwrap();
    assert!(failed(&line, 75).contains("no token with 5 seconds left could be had"), "{line:?}");

    // it is time itself that is waited for: nothing tells when a token has run out
    std::thread::sleep(scene.provider.access_token_left(&old));
    let (kind, parameters) = fault(ask(&scene.daemon, "GetToken", &question));
    assert_eq!(kind, "ProviderError", "{parameters}");

    scene.provider.behave();
    watch.until(|account| account["state"] == json!("ready"));
    let new = scene.token();
    assert!(scene.provider.is_access_token_valid(&new));
    scene.assert_clean();
}

#[test]
fn a_provider_that_is_not_there_is_tried_until_it_is() {
    let provider = Provider::start(Config::parqex());
    // a port that nobody listens at
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let here = format!("{}/oauth/v2/endpoints/token/", provider.base());
    let gone = format!("http://{nobody}/oauth/v2/endpoints/token/");
    let definition = provider.definition(PROVIDER);
    assert!(definition.contains(&here));
    let mut daemon = Daemon::start(home().config(&file(PROVIDER), &definition).unwrap()).unwrap();
    assert!(Login::new(PROVIDER, ACCOUNT).run(&daemon, &provider).unwrap().status.success());
    let old = token_of(&ask(&daemon, "GetToken", &json!({ "account": ACCOUNT })).unwrap());

    let path = daemon.home().path("config/ostler").join(file(PROVIDER));
    std::fs::write(&path, definition.replace(&here, &gone)).unwrap();
    daemon.reload().unwrap();
    let question = json!({
        "account": ACCOUNT, "rejected": secret::fingerprint(&old), "timeout_ms": PATIENCE,
    });
    let (kind, parameters) = fault(ask(&daemon, "GetToken", &question));
    assert_eq!(kind, "Offline");
    let message = parameters["message"].as_str().unwrap();
    assert!(message.contains("the provider cannot be reached"), "{message}");
    assert_eq!(provider.log().refreshes().count(), 0);

    std::fs::write(&path, definition).unwrap();
    daemon.reload().unwrap();
    let new = token_of(&crate::scene::renew(&daemon, ACCOUNT, &old).unwrap());
    assert!(provider.is_access_token_valid(&new));
    assert_eq!(provider.log().refreshes().count(), 1);
}
