//! Clients that show a certificate (RFC 8705), to servers that want to see one.

use std::io::Write;
use std::process::Command;

use super::server::http;
use crate::model::{
    AccessToken, Boot, ClientId, ClientSecret, FailureClass, Now, RefreshToken, Scopes, Target,
    Wall,
};
use crate::oauth::{Client, OauthError, TokenRequest};
use crate::provider::Provider;

#[path = "../../../tests/support/tls.rs"]
#[expect(dead_code, reason = "the tests of the daemon use the rest")]
mod tls;

use tls::{AUTHORITY, CLIENT, STRANGER, Seen, TlsServer, certificate};

/// A day on which both certificates hold.
const NOW: Now = Now { wall: Wall(1_800_000_000_000), boot: Boot(0) };

fn id() -> ClientId {
    "fake-client".parse().unwrap()
}

fn secret(text: &str) -> ClientSecret {
    ClientSecret::new(text.into())
}

/// A provider whose ordinary endpoints are nowhere, and whose aliases are at that address.
fn provider(base: &str, more: &str) -> Provider {
    let nowhere = "http://127.0.0.1:1";
    Provider::parse(&format!(
        "id = \"x\"\ntitle = \"X\"\nauthorization_url = \"https://x.example/a\"\n\
         token_url = \"{nowhere}/token\"\ndevice_url = \"{nowhere}/device\"\n\
         par_url = \"{nowhere}/par\"\nintrospection_url = \"{nowhere}/introspect\"\n\
         userinfo_url = \"{nowhere}/userinfo\"\n{more}\n\
         [revocation]\nurl = \"{nowhere}/revoke\"\n\
         [mtls]\ntoken_url = \"{base}/mtls/token\"\ndevice_url = \"{base}/mtls/device\"\n\
         par_url = \"{base}/mtls/par\"\nintrospection_url = \"{base}/mtls/introspect\"\n\
         userinfo_url = \"{base}/mtls/userinfo\"\nrevocation_url = \"{base}/mtls/revoke\"\n"
    ))
    .unwrap()
}

fn refresh(provider: &Provider, secret: Option<&str>) -> Result<TokenRequest, OauthError> {
    let (id, secret) = (id(), secret.map(self::secret));
    let client = Client { id: &id, secret: secret.as_ref() };
    let token = RefreshToken::new("fake-refresh".into());
    TokenRequest::refresh(provider, client, &token, None, &Target::default(), NOW)
}

/// A server that has something for everybody.
fn server(trusted: &[&str]) -> TlsServer {
    TlsServer::start(trusted, |seen| {
        let body = match path(seen) {
            "/mtls/token" => "{\"access_token\":\"fake-access\"}",
            "/mtls/device" => {
                "{\"device_code\":\"fake-device\",\"user_code\":\"AB-CD\",\
                 \"verification_uri\":\"https://x.example/d\"}"
            }
            "/mtls/par" => "{\"request_uri\":\"urn:x:1\",\"expires_in\":60}",
            "/mtls/introspect" => {
                "{\"active\":true,\"exp\":1800000600,\"cnf\":{\"x5t#S256\":\"bwcK\"}}"
            }
            "/mtls/userinfo" => "{\"sub\":\"1\",\"name\":\"Me\"}",
            _ => "{}",
        };
        let mut answer = Vec::new();
        write!(
            answer,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        answer
    })
}

/// Who came is that client, has said so, and has shown nothing else.
fn assert_shown(seen: &Seen, pem: &str) {
    assert_eq!(seen.certificate, certificate(pem));
    let request = seen.request.to_ascii_lowercase();
    assert!(request.contains("client_id=fake-client"), "{request}");
    for other in ["client_secret", "client_assertion", "authorization:", "private key", "begin"] {
        assert!(!request.contains(other), "{other}: {request}");
    }
}

fn path(seen: &Seen) -> &str {
    seen.request.split(' ').nth(1).unwrap()
}

/// Runs [`trusting`] in a process of its own: only there can the environment name whom to trust.
#[test]
fn a_certificate_is_shown_where_it_is_asked_for() {
    let mut authority = tempfile::NamedTempFile::new().unwrap();
    authority.write_all(AUTHORITY.as_bytes()).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["oauth::tests::mtls::trusting::", "--ignored"]);
    command.env("SSL_CERT_FILE", authority.path()).env_remove("SSL_CERT_DIR");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("4 passed"), "{text}");
}

#[test]
fn what_cannot_be_shown_is_said_before_anything_is_sent() {
    let by_certificate = "client_auth = \"tls_client_auth\"";
    let of = |base: &str, secret| refresh(&provider(base, by_certificate), secret).unwrap_err();
    for none in [None, Some("fake-secret")] {
        let error = of("https://x.example", none);
        assert_eq!(error.class(), FailureClass::ClientBroken);
        let text = error.to_string();
        assert!(text.contains("is missing") && !text.contains("fake"), "{text}");
    }
    let open = of("http://127.0.0.1:1", Some(CLIENT)).to_string();
    assert_eq!(open, "the endpoint must be https, for the client shows a certificate");
    let late = Now { wall: Wall(3_000_000_000_000), boot: Boot(0) };
    let (id, secret) = (id(), secret(CLIENT));
    let client = Client { id: &id, secret: Some(&secret) };
    let token = RefreshToken::new("fake-refresh".into());
    let target = Target::default();
    let provider = provider("https://x.example", by_certificate);
    let error = TokenRequest::refresh(&provider, client, &token, None, &target, late).unwrap_err();
    assert_eq!(error.class(), FailureClass::ClientBroken);
    assert!(error.to_string().contains("ended on 2036-11-23"), "{error}");
}

#[test]
fn a_client_without_a_certificate_goes_where_everybody_goes() {
    let request = refresh(&provider("https://x.example", ""), Some("fake-secret")).unwrap();
    assert_eq!(request.0.url.path(), "/token");
    assert!(request.0.certificate.is_none());
    // whatever the definition says of secrets, a certificate is shown and its key is not sent
    for auth in ["basic", "post", "bearer_secret", "client_secret_jwt", "none"] {
        let more = format!("client_auth = \"{auth}\"");
        let request = refresh(&provider("https://x.example", &more), Some(CLIENT)).unwrap();
        assert_eq!(request.0.url.path(), "/mtls/token", "{auth}");
        assert!(request.0.certificate.is_some(), "{auth}");
        assert_eq!(request.parameter("client_id").as_deref(), Some("fake-client"), "{auth}");
        assert!(!request.0.headers.contains_key("authorization"), "{auth}");
    }
}

#[test]
fn a_revocation_that_takes_secrets_alone_is_not_sent_a_key() {
    let provider = Provider::parse(
        "id = \"x\"\ntitle = \"X\"\nauthorization_url = \"https://x.example/a\"\n\
         token_url = \"https://x.example/t\"\n\
         revocation = { url = \"http://127.0.0.1:1/{client_id}\", style = \"delete_json\" }",
    )
    .unwrap();
    let key = &CLIENT[CLIENT.find("-----BEGIN PRIVATE").unwrap()..];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for secret in [CLIENT, key] {
        let (id, secret) = (id(), self::secret(secret));
        let client = Client { id: &id, secret: Some(&secret) };
        let access = AccessToken::new("fake-access".into());
        let http = http();
        let ending = crate::oauth::revoke(&http, &provider, client, None, Some(&access), NOW);
        let error = runtime.block_on(ending).unwrap_err();
        assert!(error.to_string().contains("takes a secret, and the client has a key"), "{error}");
    }
}

/// With the authority trusted.
mod trusting {
    use super::*;
    use crate::oauth::{Revoked, authorize_device, introspect, push, revoke, userinfo};

    #[tokio::test]
    #[ignore = "run by a_certificate_is_shown_where_it_is_asked_for"]
    async fn token_requests() {
        let server = server(&[AUTHORITY]);
        let provider = provider(&server.base(), "");
        let http = http();
        for _ in 0..2 {
            let answer = http.send(refresh(&provider, Some(CLIENT)).unwrap()).await.unwrap();
            assert_eq!(answer.status, 200);
        }
        let seen = server.seen();
        assert_eq!(seen.len(), 2, "a connection each");
        for seen in &seen {
            assert_shown(seen, CLIENT);
            assert_eq!(path(seen), "/mtls/token");
        }
    }

    #[tokio::test]
    #[ignore = "run by a_certificate_is_shown_where_it_is_asked_for"]
    async fn all_other_endpoints() {
        let server = server(&[AUTHORITY]);
        let (provider, http) = (provider(&server.base(), ""), http());
        let (id, secret, access) = (id(), secret(CLIENT), AccessToken::new("fake-access".into()));
        let client = Client { id: &id, secret: Some(&secret) };
        let (scopes, target) = (Scopes::default(), Target::default());
        let asked = authorize_device(&http, &provider, client, &scopes, &target, NOW).await;
        assert_eq!(asked.unwrap().user_code, "AB-CD");
        let url = "https://x.example/a?scope=mail".parse().unwrap();
        let pushed = push(&http, &provider, client, url, None, NOW).await.unwrap();
        assert!(pushed.as_str().contains("request_uri=urn%3Ax%3A1"), "{pushed}");
        let said = introspect(&http, &provider, client, &access, NOW).await.unwrap();
        assert_eq!(said.lifetime.map(|left| left.as_secs()), Some(600));
        assert!(said.is_bound);
        let ending = revoke(&http, &provider, client, None, Some(&access), NOW).await;
        assert_eq!(ending.unwrap(), Revoked::Confirmed);
        for seen in &server.seen() {
            assert_shown(seen, CLIENT);
        }
        let person = userinfo(&http, &provider, client, &access, None, NOW).await.unwrap();
        assert_eq!(person.shown, "Me");
        let seen = server.seen();
        assert_eq!(seen.last().unwrap().certificate, certificate(CLIENT));
        let paths: Vec<&str> = seen.iter().map(path).collect();
        let wanted = ["device", "par", "introspect", "revoke", "userinfo"];
        assert_eq!(paths, wanted.map(|name| format!("/mtls/{name}")));
    }

    #[tokio::test]
    #[ignore = "run by a_certificate_is_shown_where_it_is_asked_for"]
    async fn one_that_nobody_vouches_for_is_refused_or_known() {
        let strict = server(&[AUTHORITY]);
        let request = refresh(&provider(&strict.base(), ""), Some(STRANGER)).unwrap();
        let error = http().send(request).await.unwrap_err();
        assert_eq!(error.class, FailureClass::ClientBroken, "{error:?}");
        assert!(error.detail.contains("does not take the client's certificate"), "{error}");
        assert!(strict.seen().is_empty());
        let knows = server(&[STRANGER]);
        let more = "client_auth = \"self_signed_tls_client_auth\"";
        let request = refresh(&provider(&knows.base(), more), Some(STRANGER)).unwrap();
        assert_eq!(http().send(request).await.unwrap().status, 200);
        assert_shown(&knows.seen()[0], STRANGER);
    }

    #[tokio::test]
    #[ignore = "run by a_certificate_is_shown_where_it_is_asked_for"]
    async fn a_client_that_has_none() {
        let server = server(&[AUTHORITY]);
        let mut request = refresh(&provider("https://x.example", ""), None).unwrap();
        request.0.url = format!("{}/mtls/token", server.base()).parse().unwrap();
        let error = http().send(request).await.unwrap_err();
        assert_eq!(error.class, FailureClass::ClientBroken, "{error:?}");
        assert!(error.detail.ends_with("it wants one"), "{error}");
        assert!(server.seen().is_empty());
    }
}
