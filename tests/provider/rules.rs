//! The provider keeps the rules of its dialect.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{
    CALLBACK, STATE, authorization, exchange, granted, param, redirected, refresh, refusal,
    sign_in, token_request,
};
use crate::support::agent::{self, Ending};
use crate::support::http::Ask;
use crate::support::provider::{Auth, Config, OldAccess, Provider, Redirect, Rotation, SignIn};
use crate::support::secret;

#[test]
fn parqex_sign_in_ends_at_a_page_to_paste_with_the_state_percent_encoded() {
    let provider = Provider::start(Config::parqex());
    let ending =
        agent::visit(&authorization(&provider, &[("scope", "opendoor,CloseDoor")])).unwrap();
    let Ending::Foreign(url) = &ending else { panic!("{ending:?}") };
    assert!(url.as_str().starts_with("https://door.example.test/parqex/done?code=code-canary-"));
    assert!(url.as_str().ends_with("&state=a%3Db%2Bc%2Fd--e"), "{url}");
    assert_eq!(ending.param("state").as_deref(), Some(STATE));
    assert_eq!(ending.param("iss"), None);
}

#[test]
fn parqex_takes_get_with_a_content_type_and_answers_with_three_fields() {
    let provider = Provider::start(Config::parqex());
    let code = param(&redirected(&provider, &[]), "code").unwrap();
    let reply = exchange(&provider, &code).send().unwrap();
    let body = reply.json();
    let fields: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["access_token", "expires_in", "refresh_token"]);
    assert!(body["access_token"].as_str().unwrap().starts_with(secret::ACCESS));
    assert!(body["refresh_token"].as_str().unwrap().starts_with(secret::REFRESH));
    assert_eq!(body["expires_in"], json!(3600));

    let client = &provider.config().client;
    let params = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_id", &*client.id),
        ("client_secret", &*client.secret),
    ];
    let without_type = Ask::get(&provider.token_url()).query(&params).send().unwrap();
    assert_eq!(refusal(&without_type), "invalid_request");
    let by_post = Ask::post(&provider.token_url(), &params).query(&params).send().unwrap();
    assert_eq!(refusal(&by_post), "invalid_request");
    // the documentation's slip: grant_type twice
    let twice = refresh(&provider, "x").query(&[("grant_type", "authorization_code")]).send();
    assert_eq!(refusal(&twice.unwrap()), "invalid_request");
}

#[test]
fn the_standard_dialect_demands_pkce_and_says_who_it_is() {
    let provider = Provider::start(Config::standard());
    let without = redirected(&provider, &[("code_challenge", "")]);
    assert_eq!(param(&without, "error").as_deref(), Some("invalid_request"));
    let plain = redirected(&provider, &[("code_challenge_method", "plain")]);
    assert_eq!(param(&plain, "error").as_deref(), Some("invalid_request"));

    let callback = redirected(&provider, &[("redirect_uri", "http://[::1]:4711/any/path")]);
    assert_eq!(param(&callback, "iss").as_deref(), Some(provider.base()));
    assert_eq!(callback.port(), Some(4711));

    let code = param(&redirected(&provider, &[]), "code").unwrap();
    let wrong = token_request(
        &provider,
        &[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", "another-verifier-of-forty-three-characters-"),
        ],
    );
    assert_eq!(refusal(&wrong.send().unwrap()), "invalid_grant");
    let right = exchange(&provider, &code).send().unwrap().json();
    assert_eq!(right["token_type"], json!("Bearer"));
    assert_eq!(right["scope"], json!("api:read api:write"));
}

#[test]
fn a_redirect_uri_that_is_not_registered_gets_a_page_and_no_redirect() {
    for (config, foreign) in [
        (Config::parqex(), "https://door.example.test/parqex/done?x=1"),
        (Config::standard(), "http://localhost:80/cb"),
    ] {
        let provider = Provider::start(config);
        let ask = Ask::get(&authorization(&provider, &[("redirect_uri", foreign)]));
        assert_eq!(ask.send().unwrap().status, 400);
    }
}

#[test]
fn each_client_authentication_is_enforced() {
    for auth in [Auth::Basic, Auth::Post, Auth::Public] {
        let provider = Provider::start(Config::standard().auth(auth));
        let tokens = sign_in(&provider);
        assert!(provider.is_access_token_valid(&tokens.access), "{auth:?}");
        let stranger = Ask::post(
            &provider.token_url(),
            &[
                ("grant_type", "refresh_token"),
                ("refresh_token", &tokens.refresh),
                ("client_id", "another"),
                ("client_secret", "wrong"),
            ],
        );
        let reply = stranger.send().unwrap();
        assert_eq!((reply.status, &*refusal(&reply)), (401, "invalid_client"), "{auth:?}");
        assert_eq!(reply.header("WWW-Authenticate").is_some(), auth == Auth::Basic);
    }
}

#[test]
fn the_user_can_refuse() {
    let provider = Provider::start(Config::parqex().sign_in(SignIn::Refused));
    let url = redirected(&provider, &[]);
    assert_eq!(param(&url, "error").as_deref(), Some("access_denied"));
    assert_eq!(param(&url, "state").as_deref(), Some(STATE));
}

#[test]
fn a_person_sees_a_page_and_its_button_leads_on_once() {
    let config = Config::standard().sign_in(SignIn::Page);
    let provider = Provider::start(config);
    let hint = [("login_hint", "<script>")];
    let page = Ask::get(&authorization(&provider, &hint)).send().unwrap().text();
    assert!(page.contains("&lt;script>") && !page.contains("<script>"), "{page}");
    let (_, rest) = page.split_once("value=\"ticket-").unwrap();
    let ticket = format!("ticket-{}", rest.split('"').next().unwrap());
    let form = [("ticket", &*ticket), ("decision", "allow")];
    let decide = Ask::post(&format!("{}/decide", provider.base()), &form);
    let callback: url::Url = decide.send().unwrap().header("Location").unwrap().parse().unwrap();
    let code = param(&callback, "code").unwrap();
    assert_eq!(exchange(&provider, &code).send().unwrap().status, 200);
    assert_eq!(decide.send().unwrap().status, 400);
}

#[test]
fn rotation_replaces_the_refresh_token_and_reuse_kills_the_family() {
    for config in [Config::parqex(), Config::standard()] {
        let provider = Provider::start(config);
        let first = sign_in(&provider);
        let second = granted(&refresh(&provider, &first.refresh).send().unwrap());
        assert_ne!(first.refresh, second.refresh);
        assert_eq!(provider.newest_refresh_token("alice"), Some(second.refresh.clone()));
        assert!(provider.is_access_token_valid(&first.access));
        assert_eq!(provider.log().reuses, 0);

        let reuse = refresh(&provider, &first.refresh).send().unwrap();
        assert_eq!(refusal(&reuse), "invalid_grant");
        assert_eq!(provider.log().reuses, 1);
        let heir = refresh(&provider, &second.refresh).send().unwrap();
        assert_eq!(refusal(&heir), "invalid_grant");
        assert!(!provider.is_access_token_valid(&second.access));
        assert_eq!(provider.newest_refresh_token("alice"), None);
        // the heir was never used twice: it died with its family
        assert_eq!(provider.log().reuses, 1);
    }
}

#[test]
fn a_grace_window_forgives_a_second_use_and_a_closed_one_does_not() {
    let open = Rotation::Grace(Duration::from_hours(1));
    let provider = Provider::start(Config::parqex().rotation(open));
    let first = sign_in(&provider);
    let second = granted(&refresh(&provider, &first.refresh).send().unwrap());
    let sibling = granted(&refresh(&provider, &first.refresh).send().unwrap());
    assert_ne!(second.refresh, sibling.refresh);
    granted(&refresh(&provider, &second.refresh).send().unwrap());
    assert_eq!(provider.log().reuses, 0);

    let closed = Rotation::Grace(Duration::ZERO);
    let provider = Provider::start(Config::parqex().rotation(closed));
    let first = sign_in(&provider);
    granted(&refresh(&provider, &first.refresh).send().unwrap());
    assert_eq!(refusal(&refresh(&provider, &first.refresh).send().unwrap()), "invalid_grant");
    assert_eq!(provider.log().reuses, 1);
}

#[test]
fn without_rotation_a_refresh_brings_no_refresh_token() {
    let provider = Provider::start(Config::standard().rotation(Rotation::Off));
    let first = sign_in(&provider);
    for _ in 0..3 {
        let reply = refresh(&provider, &first.refresh).send().unwrap();
        assert_eq!(reply.json()["refresh_token"], Value::Null);
        assert!(reply.json()["access_token"].is_string());
    }
}

#[test]
fn a_code_that_comes_twice_kills_what_the_first_one_brought() {
    let provider = Provider::start(Config::standard());
    let code = param(&redirected(&provider, &[]), "code").unwrap();
    let tokens = granted(&exchange(&provider, &code).send().unwrap());
    assert_eq!(refusal(&exchange(&provider, &code).send().unwrap()), "invalid_grant");
    assert!(!provider.is_access_token_valid(&tokens.access));
}

#[test]
fn scopes_can_be_narrowed_at_a_refresh_and_not_widened() {
    let provider = Provider::start(Config::standard());
    let code = param(&redirected(&provider, &[("scope", "api:read")]), "code").unwrap();
    let tokens = granted(&exchange(&provider, &code).send().unwrap());
    let wider = token_request(
        &provider,
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", &tokens.refresh),
            ("scope", "api:read api:write"),
        ],
    );
    assert_eq!(refusal(&wider.send().unwrap()), "invalid_scope");
    let same = refresh(&provider, &tokens.refresh).send().unwrap();
    assert_eq!(same.json()["scope"], json!("api:read"));
    let unknown = redirected(&provider, &[("scope", "api:admin")]);
    assert_eq!(param(&unknown, "error").as_deref(), Some("invalid_scope"));
}

#[test]
fn the_resource_admits_good_access_tokens_alone() {
    let provider = Provider::start(Config::parqex().old_access(OldAccess::Dies));
    let me = |token: &str| Ask::get(&provider.resource_url()).bearer(token).send().unwrap();
    let first = sign_in(&provider);
    assert_eq!(me(&first.access).json(), json!({ "user": "alice" }));
    assert_eq!(me("nonsense").status, 401);
    assert_eq!(me(&first.refresh).status, 401);

    let second = granted(&refresh(&provider, &first.refresh).send().unwrap());
    assert_eq!(me(&first.access).status, 401, "this provider replaces access tokens too");
    provider.expire_access_tokens("alice");
    let reply = me(&second.access);
    assert_eq!(reply.header("WWW-Authenticate"), Some("Bearer error=\"invalid_token\""));
    let third = granted(&refresh(&provider, &second.refresh).send().unwrap());
    assert_eq!(me(&third.access).status, 200);

    assert_eq!(provider.revoke_family("bob"), 0);
    assert_eq!(provider.revoke_family("alice"), 1);
    assert_eq!(me(&third.access).status, 401);
    assert_eq!(refusal(&refresh(&provider, &third.refresh).send().unwrap()), "invalid_grant");
    let log = provider.log();
    assert_eq!((log.admitted, log.turned_away, log.reuses), (2, 5, 0));
}

#[test]
fn an_access_token_ends_with_its_life() {
    let provider = Provider::start(Config::parqex().access_lifetime(Duration::ZERO));
    assert!(!provider.is_access_token_valid(&sign_in(&provider).access));
}

#[test]
fn revocation_and_metadata_are_there_where_the_dialect_has_them() {
    let provider = Provider::start(Config::standard());
    let metadata = Ask::get(&format!("{}/.well-known/oauth-authorization-server", provider.base()));
    let metadata = metadata.send().unwrap().json();
    assert_eq!(metadata["issuer"], json!(provider.base()));
    assert_eq!(metadata["token_endpoint"], json!(provider.token_url()));
    assert_eq!(metadata["revocation_endpoint"], json!(provider.revocation_url()));

    let tokens = sign_in(&provider);
    let id = &*provider.config().client.id;
    let revoke = |token: &str| {
        let form = [("token", token), ("client_id", id)];
        Ask::post(&provider.revocation_url(), &form).send().unwrap().status
    };
    assert_eq!(revoke("unknown"), 200);
    assert_eq!(revoke(&tokens.refresh), 200);
    assert!(!provider.is_access_token_valid(&tokens.access));
    assert_eq!(provider.log().revocations, 2);

    let bare = Provider::start(Config::parqex());
    assert_eq!(Ask::get(&bare.revocation_url()).send().unwrap().status, 404);
}

#[test]
fn its_provider_files_are_ones_that_the_daemon_reads() {
    for config in [
        Config::parqex(),
        Config::parqex().redirect(Redirect::Loopback),
        Config::standard(),
        Config::standard().rotation(Rotation::Grace(Duration::from_secs(30))).auth(Auth::Basic),
    ] {
        let provider = Provider::start(config);
        let definition = ostler::provider::Provider::parse(&provider.definition("demo")).unwrap();
        assert_eq!(definition.id.as_str(), "demo");
        assert_eq!(definition.token_url.as_str(), provider.token_url());
        assert_eq!(definition.authorization_url.as_str(), provider.authorization_url());
    }
}
