//! Discovery and revocation, against providers that answer.

use serde_json::{Value, json};

use super::NOW;
use super::server::{Server, answer, client_id, client_secret, http, json as json_answer, refresh};
use crate::model::{AccessToken, FailureClass, RefreshToken};
use crate::oauth::{Client, DiscoveryError, OauthError, Revoked, discover, revoke};
use crate::provider::{ClientAuth, Pkce, Provider, Rotation};

/// An issuer that publishes `metadata(own URL)` at `place` and nothing elsewhere.
async fn issuer(
    place: &'static str,
    metadata: impl Fn(&str) -> Value + Send + Sync + 'static,
) -> Server {
    Server::answering(move |request| {
        let path = request.split(' ').nth(1).unwrap();
        let lower = request.to_ascii_lowercase();
        let host = lower.split("host: ").nth(1).unwrap().lines().next().unwrap();
        if path == place {
            json_answer(&metadata(&format!("http://{host}")).to_string())
        } else {
            answer("404 Not Found", "Content-Type: text/html\r\n", "<h1>404</h1>")
        }
    })
    .await
}

/// Metadata with the fields that must be there, and more.
fn least(issuer: &str, more: &Value) -> Value {
    let mut metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
    });
    for (name, value) in more.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    metadata
}

fn paths(server: &Server) -> Vec<String> {
    let path = |request: &String| request.split(' ').nth(1).unwrap().to_owned();
    server.seen().iter().map(path).collect()
}

/// RFC 8414 (3.1) puts the well-known part before the path, OpenID Connect Discovery (4) behind it.
#[tokio::test]
async fn the_well_known_places_are_asked_in_order() {
    let realm = |url: &str| least(&format!("{url}/realm"), &json!({}));
    let order = [
        "/.well-known/oauth-authorization-server/realm",
        "/.well-known/openid-configuration/realm",
        "/realm/.well-known/openid-configuration",
    ];
    for (asked, place) in order.into_iter().enumerate() {
        let server = issuer(place, realm).await;
        let provider = discover(&http(), &server.url("/realm")).await.unwrap();
        assert_eq!(provider.token_url.as_str(), server.url("/realm/token"));
        assert_eq!(paths(&server), order[..=asked]);
    }
    let server = issuer("/.well-known/openid-configuration", |url| least(url, &json!({}))).await;
    discover(&http(), &server.url("")).await.unwrap();
    assert_eq!(
        paths(&server),
        ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]
    );
    let nothing = issuer("/nowhere", realm).await;
    let error = discover(&http(), &nothing.url("/realm")).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::NoMetadata { status: 404 }), "{error}");
}

#[tokio::test]
async fn what_the_metadata_says_becomes_a_definition() {
    let server = issuer("/.well-known/oauth-authorization-server", |url| {
        least(
            url,
            &json!({
                "revocation_endpoint": format!("{url}/revoke"),
                "authorization_response_iss_parameter_supported": true,
                "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post"],
                "code_challenge_methods_supported": ["plain", "S256"],
                "scopes_supported": ["openid", "mail", "offline_access", "odd\"one"],
                "something_else": [1, 2],
                "tls_client_certificate_bound_access_tokens": true,
                "mtls_endpoint_aliases": {
                    "token_endpoint": format!("{url}/mtls/token"),
                    "revocation_endpoint": format!("{url}/mtls/revoke"),
                    "something_else": 5,
                },
            }),
        )
    })
    .await;
    let provider = discover(&http(), &server.url("")).await.unwrap();
    assert_eq!(provider.id.as_str(), server.url(""));
    assert_eq!(provider.issuer.as_deref(), Some(server.url("").as_str()));
    assert!(provider.iss_in_callback);
    assert_eq!(provider.client_auth, Some(ClientAuth::Post));
    assert_eq!(provider.pkce, Pkce::S256);
    assert_eq!(provider.rotation, Rotation::Strict);
    assert_eq!(provider.scopes.defaults.join(" "), "offline_access openid");
    assert_eq!(provider.auth_params.get("prompt").map(String::as_str), Some("consent"));
    assert_eq!(provider.scopes.known.join(" "), "mail offline_access openid");
    assert_eq!(provider.scopes.offline_scope.as_ref().unwrap().as_str(), "offline_access");
    assert_eq!(provider.revocation.as_ref().unwrap().url.as_str(), server.url("/revoke"));
    assert!(provider.mtls.bound_tokens);
    assert_eq!(provider.token_url.as_str(), server.url("/token"), "aliases are for certificates");
    let theirs = provider.for_certificates();
    assert_eq!(theirs.token_url.as_str(), server.url("/mtls/token"));
    assert_eq!(theirs.revocation.unwrap().url.as_str(), server.url("/mtls/revoke"));
    let kept = Provider::parse(&provider.to_toml()).unwrap();
    assert_eq!(kept, provider, "it can be pinned");
}

#[tokio::test]
async fn authentication_follows_the_lists_and_pkce_is_never_off() {
    for (more, auth, pkce) in [
        (json!({}), None, Pkce::S256),
        (
            json!({"token_endpoint_auth_methods_supported":
                   ["client_secret_post", "client_secret_basic"]}),
            None,
            Pkce::S256,
        ),
        (
            json!({"token_endpoint_auth_methods_supported": ["none"]}),
            Some(ClientAuth::None),
            Pkce::S256,
        ),
        (
            json!({"token_endpoint_auth_methods_supported": ["tls_client_auth"]}),
            Some(ClientAuth::TlsClientAuth),
            Pkce::S256,
        ),
        (
            json!({"token_endpoint_auth_methods_supported": ["self_signed_tls_client_auth"]}),
            Some(ClientAuth::SelfSignedTlsClientAuth),
            Pkce::S256,
        ),
        (json!({"code_challenge_methods_supported": []}), None, Pkce::S256),
        (json!({"code_challenge_methods_supported": ["plain"]}), None, Pkce::S256),
    ] {
        let server =
            issuer("/.well-known/oauth-authorization-server", move |url| least(url, &more)).await;
        let provider = discover(&http(), &server.url("")).await.unwrap();
        assert_eq!((provider.client_auth, provider.pkce), (auth, pkce));
    }
}

#[tokio::test]
async fn metadata_that_must_not_be_used_is_refused() {
    type Check = fn(&DiscoveryError) -> bool;
    let place = "/.well-known/oauth-authorization-server";
    let another: Check = |error| matches!(error, DiscoveryError::AnotherIssuer { .. });
    let unusable: Check = |error| matches!(error, DiscoveryError::Unusable { .. });
    let cases: Vec<(Value, Check)> = vec![
        (json!({"issuer": "https://honest.example"}), another),
        (json!({"token_endpoint": "http://x.example/token"}), unusable),
        (json!({"token_endpoint": "javascript:1"}), unusable),
        (json!({"token_endpoint": null}), unusable),
        (json!({"authorization_endpoint": "not an address"}), unusable),
        (json!({"revocation_endpoint": "http://x.example/"}), unusable),
        (json!({"mtls_endpoint_aliases": {"token_endpoint": "http://x.example/"}}), unusable),
        (json!({"token_endpoint_auth_methods_supported": ["magic"]}), |error| {
            matches!(error, DiscoveryError::Authentication)
        }),
    ];
    for (more, check) in cases {
        let shown = more.to_string();
        let server = issuer(place, move |url| least(url, &more)).await;
        let error = discover(&http(), &server.url("")).await.unwrap_err();
        assert!(check(&error), "{shown}: {error}");
    }
    // letter by letter: a slash at the end makes another issuer
    let server = issuer(place, |url| least(url, &json!({}))).await;
    let error = discover(&http(), &server.url("/")).await.unwrap_err();
    assert!(another(&error), "{error}");
}

#[tokio::test]
async fn no_redirect_leads_to_metadata() {
    let elsewhere = issuer("/m", |url| least(url, &json!({}))).await;
    let location = format!("Location: {}\r\n", elsewhere.url("/m"));
    let server = Server::answering(move |_| answer("302 Found", &location, "")).await;
    let error = discover(&http(), &server.url("")).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::NoMetadata { status: 302 }), "{error}");
    assert_eq!(elsewhere.settled().await, 0);
}

#[tokio::test]
async fn what_is_not_an_issuer_is_not_asked() {
    for text in [
        "example.org",
        "http://as.example",
        "https://as.example?x=1",
        "https://as.example#f",
        "https://u:p@as.example",
        "ftp://as.example",
    ] {
        let error = discover(&http(), text).await.unwrap_err();
        assert!(matches!(error, DiscoveryError::NotAnIssuer { .. }), "{text}: {error}");
    }
}

async fn revoke_at(provider: &Provider) -> Result<Revoked, OauthError> {
    let (id, secret) = (client_id(), client_secret());
    let client = Client { id: &id, secret: Some(&secret) };
    let refresh = RefreshToken::new("fake-refresh".into());
    let access = AccessToken::new("fake-access".into());
    revoke(&http(), provider, client, Some(&refresh), Some(&access), NOW).await
}

fn revoking(server: &Server, style: &str) -> Provider {
    let url = server.url(if style == "rfc7009" { "/revoke" } else { "/apps/{client_id}/token" });
    server.provider(&format!("[revocation]\nurl = \"{url}\"\nstyle = \"{style}\""))
}

fn bodies(server: &Server) -> Vec<String> {
    let body = |request: &String| request.split_once("\r\n\r\n").unwrap().1.to_owned();
    server.seen().iter().map(body).collect()
}

/// The secret is in a header of its own, and no token is: in token requests and in revocations.
#[tokio::test]
async fn a_secret_as_the_bearer_token_is_the_clients_and_goes_with_its_id() {
    let server = Server::answering(|_| json_answer("{\"access_token\":\"fake-new\"}")).await;
    let url = server.url("/revoke");
    let mut provider = server.provider(&format!("[revocation]\nurl = \"{url}\""));
    provider.client_auth = Some(ClientAuth::BearerSecret);
    http().send(refresh(&provider)).await.unwrap();
    assert_eq!(revoke_at(&provider).await.unwrap(), Revoked::Confirmed);
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for request in &seen {
        let head = request.split_once("\r\n\r\n").unwrap().0.to_ascii_lowercase();
        assert!(head.contains("authorization: bearer fake-client-secret\r\n"), "{request}");
        assert_eq!(request.matches("fake-client-secret").count(), 1, "{request}");
    }
    assert_eq!(
        bodies(&server),
        [
            "grant_type=refresh_token&refresh_token=fake-refresh-token&client_id=fake-client",
            "token=fake-refresh&token_type_hint=refresh_token&client_id=fake-client",
            "token=fake-access&token_type_hint=access_token&client_id=fake-client",
        ]
    );
    // it stays out of words
    let refused = |_: &str| {
        answer(
            "401 No",
            "",
            "{\"error\":\"invalid_client\",\"error_description\":\"fake-client-secret\"}",
        )
    };
    let server = Server::answering(refused).await;
    let url = server.url("/revoke");
    provider.revocation.as_mut().unwrap().url = url.parse().unwrap();
    let Err(error) = revoke_at(&provider).await else { panic!() };
    assert!(!error.to_string().contains("fake-client-secret"), "{error}");
}

/// The token is where an API has it, and the client says nothing of itself.
#[tokio::test]
async fn a_revocation_by_the_access_token_itself() {
    let server = Server::answering(|_| answer("200 OK", "", "")).await;
    assert_eq!(revoke_at(&revoking(&server, "bearer")).await.unwrap(), Revoked::Confirmed);
    let seen = server.seen();
    assert_eq!(seen.len(), 1, "the access token takes the grant with it");
    assert!(seen[0].starts_with("POST /apps/"), "{seen:?}");
    let head = seen[0].to_ascii_lowercase();
    assert!(head.contains("authorization: bearer fake-access\r\n"), "{seen:?}");
    assert!(!head.contains("fake-client-secret") && seen[0].ends_with("\r\n\r\n"), "{seen:?}");
}

/// RFC 7009, 2.1 and 2.2.
#[tokio::test]
async fn the_refresh_token_is_revoked_first_and_then_the_access_token() {
    let server = Server::answering(|_| answer("200 OK", "", "")).await;
    let outcome = revoke_at(&revoking(&server, "rfc7009")).await.unwrap();
    assert_eq!(outcome, Revoked::Confirmed);
    let auth = "client_id=fake-client&client_secret=fake-client-secret";
    assert_eq!(
        bodies(&server),
        [
            format!("token=fake-refresh&token_type_hint=refresh_token&{auth}"),
            format!("token=fake-access&token_type_hint=access_token&{auth}"),
        ]
    );
}

#[tokio::test]
async fn what_a_provider_says_to_a_revocation_is_understood() {
    const GOOD: &str = "200 OK|";
    const KIND: &str = r#"400 Bad Request|{"error":"unsupported_token_type"}"#;
    const UNKNOWN: &str = r#"400 Bad Request|{"error":"invalid_token"}"#;
    const BUSY: &str = "503 Unavailable|";
    const CLIENT: &str = r#"401 No|{"error":"invalid_client","error_description":"fake-refresh"}"#;
    let outcome = async |refresh: &'static str, access: &'static str| {
        let server = Server::answering(move |request| {
            let is_refresh = request.contains("token=fake-refresh");
            let body = if is_refresh { refresh } else { access };
            let (status, body) = body.split_once('|').unwrap();
            answer(status, "Content-Type: application/json\r\nRetry-After: 9\r\n", body)
        })
        .await;
        revoke_at(&revoking(&server, "rfc7009")).await
    };
    assert_eq!(outcome(GOOD, KIND).await.unwrap(), Revoked::Confirmed);
    assert_eq!(outcome(KIND, GOOD).await.unwrap(), Revoked::Confirmed);
    assert_eq!(outcome(KIND, KIND).await.unwrap(), Revoked::Unsupported);
    assert_eq!(outcome(UNKNOWN, UNKNOWN).await.unwrap(), Revoked::Confirmed);
    for (refresh, access) in [(BUSY, GOOD), (GOOD, BUSY)] {
        let Err(OauthError::Revocation(failure)) = outcome(refresh, access).await else { panic!() };
        assert_eq!(failure.class, FailureClass::Transient);
        assert_eq!(failure.retry_after.unwrap().as_secs(), 9);
    }
    let Err(OauthError::Revocation(failure)) = outcome(CLIENT, GOOD).await else { panic!() };
    assert_eq!((failure.class, failure.detail.as_str()), (FailureClass::ClientBroken, "…"));
}

#[tokio::test]
async fn github_is_asked_to_delete_the_access_token() {
    for (status, confirmed) in
        [("204 No Content", true), ("404 Not Found", true), ("422 No", false)]
    {
        let server = Server::answering(move |_| answer(status, "", "")).await;
        let outcome = revoke_at(&revoking(&server, "delete_json")).await;
        assert_eq!(matches!(outcome, Ok(Revoked::Confirmed)), confirmed, "{status}");
        let request = server.seen().remove(0);
        assert!(request.starts_with("DELETE /apps/fake-client/token HTTP/1.1\r\n"), "{request}");
        let basic = data_encoding::BASE64.encode(b"fake-client:fake-client-secret");
        assert!(request.contains(&format!("Basic {basic}\r\n")), "{request}");
        assert!(request.ends_with("{\"access_token\":\"fake-access\"}"), "{request}");
        assert_eq!(server.settled().await, 1, "there is no refresh token to delete");
    }
}

#[tokio::test]
async fn a_provider_without_revocation_is_not_asked() {
    let server = Server::answering(|_| answer("200 OK", "", "")).await;
    assert_eq!(revoke_at(&server.provider("")).await.unwrap(), Revoked::Unsupported);
    assert_eq!(server.settled().await, 0);
}
