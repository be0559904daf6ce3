//! The provider misbehaves as it is told, and writes down what happened.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{granted, refresh, refusal, sign_in, token_request};
use crate::support::http::{Ask, HttpError, Reply};
use crate::support::provider::{Config, Fault, Grant, Outcome, Provider};
use crate::support::secret;

/// Sends a refresh under a fault, and then the same refresh token again.
fn under(fault: &Fault) -> (Result<Reply, HttpError>, Reply) {
    let provider = Provider::start(Config::standard());
    let tokens = sign_in(&provider);
    provider.next(fault.clone());
    let ask = refresh(&provider, &tokens.refresh);
    let spoiled = ask.send();
    let request = provider.log().refreshes().next().cloned().unwrap();
    assert_eq!(request.fault.as_ref(), Some(fault));
    assert_eq!(request.refresh, Some(secret::fingerprint(&tokens.refresh)));
    (spoiled, ask.send().unwrap())
}

#[test]
fn a_fault_before_the_provider_acts_leaves_the_refresh_token_as_it_was() {
    let odd = Fault::Status {
        code: 418,
        headers: vec![("X-Odd", "yes".to_owned())],
        body: "teapot".to_owned(),
    };
    let cases = [
        (Fault::Http502Html, 502, "Bad Gateway"),
        (Fault::Http429 { retry_after: 7 }, 429, "rate_limited"),
        (Fault::CaptiveHtml200, 200, "Wi-Fi"),
        (Fault::TemporarilyUnavailable503, 503, "temporarily_unavailable"),
        (Fault::Redirect307, 307, ""),
        (odd, 418, "teapot"),
    ];
    for (fault, status, text) in cases {
        let (spoiled, again) = under(&fault);
        let spoiled = spoiled.unwrap();
        assert_eq!(spoiled.status, status, "{fault:?}");
        assert!(spoiled.text().contains(text), "{fault:?}: {}", spoiled.text());
        match fault {
            Fault::Http429 { .. } => assert_eq!(spoiled.header("Retry-After"), Some("7")),
            Fault::Redirect307 => assert_eq!(spoiled.header("Location"), Some("/trap")),
            Fault::Status { .. } => assert_eq!(spoiled.header("X-Odd"), Some("yes")),
            _ => {}
        }
        granted(&again);
    }
    let (spoiled, again) = under(&Fault::ResetBefore);
    assert!(matches!(spoiled, Err(HttpError::Closed)), "{spoiled:?}");
    granted(&again);
}

#[test]
fn a_fault_after_the_provider_acted_costs_the_refresh_token() {
    let (spoiled, again) = under(&Fault::LostResponse);
    assert!(matches!(spoiled, Err(HttpError::Closed)), "{spoiled:?}");
    assert_eq!(refusal(&again), "invalid_grant");

    let (spoiled, again) = under(&Fault::Truncate);
    assert!(matches!(spoiled, Err(HttpError::Cut(count)) if count > 100), "{spoiled:?}");
    assert_eq!(refusal(&again), "invalid_grant");

    let (spoiled, again) = under(&Fault::HugeBody);
    assert!(matches!(spoiled, Err(HttpError::Endless)), "{spoiled:?}");
    assert_eq!(refusal(&again), "invalid_grant");
}

#[test]
fn odd_answers_are_odd_in_the_way_that_was_ordered() {
    let body = |fault: Fault| {
        let (spoiled, again) = under(&fault);
        assert_eq!(refusal(&again), "invalid_grant", "{fault:?}");
        let spoiled = spoiled.unwrap();
        assert_eq!(spoiled.status, 200, "{fault:?}");
        spoiled
    };
    let json = |fault: Fault| body(fault).json();
    assert_eq!(json(Fault::ExpiresIn(json!("60")))["expires_in"], json!("60"));
    assert_eq!(json(Fault::ExpiresIn(json!(-1)))["expires_in"], json!(-1));
    assert_eq!(json(Fault::DropField("refresh_token")).get("refresh_token"), None);
    assert_eq!(json(Fault::TokenTypeLower)["token_type"], json!("bearer"));
    assert_eq!(json(Fault::Error200)["error"], json!("bad_refresh_token"));
    assert_eq!(json(Fault::SlackError), json!({ "ok": false, "error": "token_expired" }));
    assert!(json(Fault::Delay(Duration::from_millis(1)))["access_token"].is_string());
    assert_eq!(json(Fault::Garbage), Value::Null);

    let form = body(Fault::FormEncoded);
    assert_eq!(form.header("Content-Type"), Some("application/x-www-form-urlencoded"));
    let fields: Vec<_> = url::form_urlencoded::parse(&form.body).into_owned().collect();
    assert!(fields.contains(&("expires_in".to_owned(), "3600".to_owned())), "{fields:?}");
    assert!(fields.iter().any(|(_, value)| value.starts_with(secret::REFRESH)), "{fields:?}");
}

#[test]
fn a_hanging_request_is_in_flight_until_its_client_gives_up() {
    let provider = Provider::start(Config::parqex());
    let tokens = sign_in(&provider);
    provider.next(Fault::Hang);
    let ask = refresh(&provider, &tokens.refresh).patience(Duration::from_millis(100));
    let result = ask.send();
    assert!(matches!(result, Err(HttpError::Silent)), "{result:?}");
    let log = provider.wait(|log| log.in_flight == 0).unwrap();
    assert_eq!(log.requests[1].outcome, Outcome::Swallowed);
    granted(&ask.send().unwrap());
}

#[test]
fn who_follows_a_redirect_of_the_token_endpoint_is_seen_in_the_trap() {
    let provider = Provider::start(Config::parqex());
    let tokens = sign_in(&provider);
    provider.next(Fault::Redirect307);
    let reply = refresh(&provider, &tokens.refresh).send().unwrap();
    let location = reply.header("Location").unwrap();
    assert!(location.starts_with("/trap?grant_type=refresh_token&"), "{location}");
    assert_eq!(provider.log().trapped, 0);
    Ask::get(&format!("{}{location}", provider.base())).send().unwrap();
    assert_eq!(provider.log().trapped, 1);
}

#[test]
fn faults_come_in_their_order_and_a_standing_one_stays() {
    let provider = Provider::start(Config::parqex());
    let tokens = sign_in(&provider);
    let status = || refresh(&provider, &tokens.refresh).send().map(|reply| reply.status).ok();
    provider.always(Fault::TemporarilyUnavailable503);
    provider.next(Fault::Http502Html);
    provider.next(Fault::ResetBefore);
    assert_eq!([status(), status(), status(), status()], [Some(502), None, Some(503), Some(503)]);
    provider.behave();
    assert_eq!(status(), Some(200));
}

#[tokio::test]
async fn the_log_has_every_token_request_and_can_be_waited_for() {
    let provider = Provider::start(Config::parqex());
    let tokens = sign_in(&provider);
    let slow = refresh(&provider, &tokens.refresh);
    let strange = token_request(&provider, &[("grant_type", "password")]);
    provider.next(Fault::Delay(Duration::from_millis(300)));
    let slow = std::thread::spawn(move || slow.send().unwrap().status);
    provider.wait_for(|log| log.in_flight == 1).await.unwrap();
    assert_eq!(refusal(&strange.send().unwrap()), "unsupported_grant_type");
    assert_eq!(slow.join().unwrap(), 200);

    let log = provider.wait_for(|log| log.in_flight == 0).await.unwrap();
    let seen: Vec<_> = log
        .requests
        .iter()
        .map(|request| (request.grant.clone(), request.outcome.clone()))
        .collect();
    assert_eq!(
        seen,
        [
            (Grant::Code, Outcome::Granted),
            (Grant::Refresh, Outcome::Granted),
            (Grant::Other("password".to_owned()), Outcome::Refused("unsupported_grant_type")),
        ]
    );
    assert_eq!((log.most_in_flight, log.granted_refreshes(), log.authorizations), (2, 1, 1));
    assert!(log.requests.is_sorted_by_key(|request| request.at));
    assert!(log.requests.is_sorted_by(|a, b| a.connection < b.connection));
}
