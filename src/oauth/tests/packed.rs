//! Answers that come packed although nobody accepted that, from every endpoint there is.

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::NOW;
use super::pack::{deflate, gzip, zlib};
use super::server::{Server, client_id, client_secret, http, read_request, refresh};
use crate::model::{
    AccessToken, AuthorizationCode, ClientId, FailureClass, Landing, RefreshToken, Scopes, Target,
};
use crate::oauth::{
    Client, Sent, TokenRequest, authorize_device, discover, fetch_keys, introspect, published,
    read_answer, register, userinfo,
};

/// Makes a body packed.
type Pack = fn(&[u8]) -> Vec<u8>;

/// How the codings are called, and what makes them.
const CODINGS: [(&str, Pack); 5] =
    [("gzip", gzip), ("x-gzip", gzip), ("deflate", zlib), ("deflate", deflate), ("GZip", gzip)];

/// A server whose every answer is this body.
async fn answering(status: u16, coding: &'static str, body: Vec<u8>) -> Server {
    Server::scripted(move |mut stream| {
        let body = body.clone();
        async move {
            let request = read_request(&mut stream).await;
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Encoding: {coding}\r\n\
                 Content-Length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).await;
            // whoever has read enough hangs up
            let _ = stream.write_all(&body).await;
            request
        }
    })
    .await
}

/// A server that answers each path with a body of its own, made of its own URL.
async fn everything(coding: &'static str, pack: Pack) -> Server {
    Server::scripted(move |mut stream| async move {
        let request = read_request(&mut stream).await;
        let lower = request.to_ascii_lowercase();
        let host = lower.split("host: ").nth(1).unwrap().lines().next().unwrap();
        let url = format!("http://{host}");
        let body = match request.split(' ').nth(1).unwrap() {
            "/.well-known/oauth-authorization-server" => json!({
                "issuer": url,
                "authorization_endpoint": format!("{url}/authorize"),
                "token_endpoint": format!("{url}/token"),
                "device_authorization_endpoint": format!("{url}/device"),
                "registration_endpoint": format!("{url}/register"),
                "userinfo_endpoint": format!("{url}/userinfo"),
                "introspection_endpoint": format!("{url}/introspect"),
                "jwks_uri": format!("{url}/jwks"),
                "code_challenge_methods_supported": ["S256"],
            }),
            "/token" => json!({
                "access_token": "fake-access", "refresh_token": "fake-refresh-2", "expires_in": 60,
            }),
            "/device" => json!({
                "device_code": "fake-device", "user_code": "AB-CD", "expires_in": 600,
                "verification_uri": format!("{url}/code"),
            }),
            "/register" => json!({ "client_id": "fake-registered" }),
            "/userinfo" => json!({ "sub": "1", "name": "Me" }),
            "/introspect" => json!({ "active": true, "exp": NOW.wall.seconds() + 60 }),
            "/jwks" => json!({ "keys": [
                { "kty": "EC", "crv": "P-256", "kid": "1",
                  "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                  "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" },
            ] }),
            other => panic!("{other}"),
        };
        let body = pack(body.to_string().as_bytes());
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {coding}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        request
    })
    .await
}

#[tokio::test]
async fn every_endpoint_s_answers_are_unpacked() {
    let (id, secret) = (client_id(), client_secret());
    let client = Client { id: &id, secret: Some(&secret) };
    for (coding, pack) in CODINGS {
        let server = everything(coding, pack).await;
        let (http, access) = (http(), AccessToken::new("fake-access".into()));
        let provider = discover(&http, &server.url("")).await.unwrap();
        let (scopes, target) = (Scopes::default(), Target::default());

        let code = AuthorizationCode::new("fake-code".into());
        let exchange =
            TokenRequest::exchange(&provider, client, &code, None, "http://x/cb", &target, NOW);
        for request in [exchange.unwrap(), refresh(&provider)] {
            let answer = http.send(request).await.unwrap();
            let sent = Sent { refresh: None, others: None };
            let Landing::Granted(granted) = read_answer(&provider, &answer, sent, NOW) else {
                panic!("{coding}")
            };
            assert_eq!(granted.refresh.unwrap().expose(), "fake-refresh-2", "{coding}");
        }
        let device = authorize_device(&http, &provider, client, &scopes, &target, NOW).await;
        assert_eq!(device.unwrap().user_code, "AB-CD", "{coding}");
        let registered = register(&http, &provider, "http://127.0.0.1/cb", &scopes, NOW).await;
        assert_eq!(registered.unwrap().client.as_str(), "fake-registered", "{coding}");
        let person = userinfo(&http, &provider, client, &access, None, NOW).await.unwrap();
        assert_eq!(person.shown, "Me", "{coding}");
        let said = introspect(&http, &provider, client, &access, NOW).await.unwrap();
        assert_eq!(said.lifetime.unwrap().as_secs(), 60, "{coding}");
        let keys = provider.jwks_url.as_ref().unwrap();
        assert!(fetch_keys(&http, keys).await.is_some(), "{coding}");
    }
}

#[tokio::test]
async fn a_clients_document_is_unpacked() {
    let server = Server::scripted(|mut stream| async move {
        let request = read_request(&mut stream).await;
        let body = gzip(br#"{"client_id":"nobody's"}"#);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        request
    })
    .await;
    let id: ClientId = server.url("/client.json").parse().unwrap();
    // it was read, and found to be somebody else's
    assert!(published(&http(), &id).await.unwrap().is_err());
}

#[tokio::test]
async fn a_refusal_is_unpacked_too() {
    let body = gzip(br#"{"error":"invalid_grant"}"#);
    let server = answering(400, "gzip", body).await;
    let provider = server.provider("");
    let answer = http().send(refresh(&provider)).await.unwrap();
    let sent = Sent { refresh: None, others: None };
    let Landing::Failed { failure, .. } = read_answer(&provider, &answer, sent, NOW) else {
        panic!("it is refused")
    };
    assert_eq!(failure.class, FailureClass::DeadGrant);
}

#[tokio::test]
async fn a_bomb_costs_no_more_than_an_answer_may_have_and_cannot_be_read() {
    let bomb = gzip(&vec![b'x'; 200 << 20]);
    assert!(bomb.len() < 1 << 20);
    for (status, class) in [(200, FailureClass::Ambiguous), (400, FailureClass::Transient)] {
        let server = answering(status, "gzip", bomb.clone()).await;
        let error = http().send(refresh(&server.provider(""))).await.unwrap_err();
        assert_eq!(error.class, class, "{status}: {error}");
        assert_eq!(error.to_string(), "the answer is longer than 1048576 bytes");
    }
    // of one that begins with a token, the token is kept
    let start = br#"{"refresh_token":"fake-refresh-2","access_token":"fake-access","padding":""#;
    let bomb = gzip(&[&start[..], &vec![b'x'; 200 << 20]].concat());
    let server = answering(200, "gzip", bomb).await;
    let provider = server.provider("");
    let answer = http().send(refresh(&provider)).await.unwrap();
    let sent = RefreshToken::new("fake-refresh-1".into());
    let sent = Sent { refresh: Some(&sent), others: None };
    let Landing::Failed { rescued, .. } = read_answer(&provider, &answer, sent, NOW) else {
        panic!("it breaks off")
    };
    assert_eq!(rescued.unwrap().expose(), "fake-refresh-2");
}

/// Half a token in a form looks like a whole one.
#[tokio::test]
async fn of_a_packed_form_that_breaks_off_nothing_is_believed() {
    let whole = gzip(b"access_token=fake-access&refresh_token=fake-refresh-2-and-more-of-it");
    let half = whole[..whole.len() - 20].to_vec();
    let server = answering(200, "gzip", half).await;
    let error = http().send(refresh(&server.provider(""))).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Ambiguous);
    assert_eq!(error.to_string(), "the answer cannot be unpacked");
}

#[tokio::test]
async fn of_a_packed_answer_that_breaks_off_the_token_is_kept() {
    let body =
        br#"{"refresh_token":"fake-refresh-2","access_token":"fake-access","scope":"open close"}"#;
    let whole = gzip(body);
    let server = Server::scripted(move |mut stream| {
        let whole = whole.clone();
        async move {
            let request = read_request(&mut stream).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                whole.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&whole[..whole.len() - 14]).await.unwrap();
            stream.shutdown().await.unwrap();
            request
        }
    })
    .await;
    let answer = http().send(refresh(&server.provider(""))).await.unwrap();
    assert!(answer.body.starts_with(br#"{"refresh_token":"fake-refresh-2""#));
}

/// The request was served, for all that anybody can tell: what it was asked with may be spent.
#[tokio::test]
async fn an_answer_that_cannot_be_unpacked_is_one_that_was_lost() {
    let spoiled = |mut packed: Vec<u8>, at: usize| {
        packed[at] = 0x07;
        packed
    };
    let body =
        br#"{"access_token":"fake-access","refresh_token":"fake-refresh-2","expires_in":60}"#;
    for (coding, body) in [
        ("gzip", spoiled(gzip(body), 10)),
        ("deflate", spoiled(zlib(body), 2)),
        ("deflate", spoiled(deflate(body), 0)),
        ("gzip", gzip(body)[..5].to_vec()),
        ("br", vec![0x8b, 0x26, 0x80, 0xf8, 0x03]),
    ] {
        for status in [200, 400] {
            let server = answering(status, coding, body.clone()).await;
            let error = http().send(refresh(&server.provider(""))).await.unwrap_err();
            assert_eq!(error.class, FailureClass::Ambiguous, "{status} {coding}: {error}");
            assert_eq!(error.status, Some(status), "{coding}");
            assert_eq!(error.to_string(), "the answer cannot be unpacked", "{coding}");
        }
    }
}
