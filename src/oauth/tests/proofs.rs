//! Requests that are proved (RFC 9449), against servers that want a nonce of their own in each proof.

use std::collections::HashSet;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use super::NOW;
use super::server::{REFRESH, Server, answer, client_id, http, json};
use crate::model::{ClientSecret, RefreshToken, Target};
use crate::oauth::{Client, Prover, TokenRequest};
use crate::provider::Provider;

/// What the proof of a request says.
fn said(request: &str) -> Value {
    let proof = request.lines().find_map(|line| line.strip_prefix("dpop: ")).unwrap();
    let claims = proof.trim().split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap()
}

fn nonce(request: &str) -> Option<String> {
    said(request)["nonce"].as_str().map(str::to_owned)
}

fn refresh(provider: &Provider, secret: Option<&ClientSecret>) -> TokenRequest {
    let (id, prover) = (client_id(), Some(Arc::new(Prover::generate().unwrap())));
    let token = RefreshToken::new(REFRESH.into());
    TokenRequest::bound(prover.as_ref(), NOW, || {
        let client = Client { id: &id, secret };
        TokenRequest::refresh(provider, client, &token, None, &Target::default(), NOW)
    })
    .unwrap()
}

fn wants(nonce: &str) -> String {
    let headers = format!("Content-Type: application/json\r\nDPoP-Nonce: {nonce}\r\n");
    answer("400 Bad Request", &headers, "{\"error\":\"use_dpop_nonce\"}")
}

#[tokio::test]
async fn a_server_that_wants_a_nonce_first_is_asked_once_more_with_it() {
    let server = Server::answering(|request| match nonce(request).as_deref() {
        None => wants("n-1"),
        Some("n-1") => answer("200 OK", "DPoP-Nonce: n-2\r\n", "{\"access_token\":\"a\"}"),
        Some(_) => json("{\"access_token\":\"b\"}"),
    })
    .await;
    let (http, provider) = (http(), server.provider(""));
    let first = http.send(refresh(&provider, None)).await.unwrap();
    assert_eq!(first.status, 200);
    let second = http.send(refresh(&provider, None)).await.unwrap();
    assert_eq!(second.body.as_slice(), b"{\"access_token\":\"b\"}");
    assert_eq!(server.settled().await, 3);
    let nonces: Vec<_> = server.seen().iter().map(|request| nonce(request)).collect();
    // the last one came with an answer that was good
    assert_eq!(nonces, [None, Some("n-1".to_owned()), Some("n-2".to_owned())]);
    let ids: HashSet<String> = server.seen().iter().map(|it| said(it)["jti"].to_string()).collect();
    assert_eq!(ids.len(), 3, "no proof is sent twice");
    let last = said(&server.seen()[2]);
    assert_eq!((&last["htm"], &last["htu"]), (&"POST".into(), &server.url("/token").into()));
}

#[tokio::test]
async fn there_is_no_third_try_and_none_without_a_new_nonce() {
    let fickle =
        Server::answering(|request| wants(if nonce(request).is_some() { "n-2" } else { "n-1" }))
            .await;
    assert_eq!(http().send(refresh(&fickle.provider(""), None)).await.unwrap().status, 400);
    assert_eq!(fickle.settled().await, 2);

    let silent =
        Server::answering(|_| answer("400 Bad Request", "", "{\"error\":\"use_dpop_nonce\"}"))
            .await;
    assert_eq!(http().send(refresh(&silent.provider(""), None)).await.unwrap().status, 400);
    assert_eq!(silent.settled().await, 1);

    let stubborn = Server::answering(|_| {
        answer("400 Bad Request", "DPoP-Nonce: n-1\r\n", "{\"error\":\"invalid_grant\"}")
    })
    .await;
    http().send(refresh(&stubborn.provider(""), None)).await.unwrap();
    assert_eq!(stubborn.settled().await, 1, "it has looked at the request");
}

#[tokio::test]
async fn a_clients_assertion_is_made_anew_for_the_second_try() {
    let server = Server::answering(|request| match nonce(request) {
        None => wants("n-1"),
        Some(_) => json("{}"),
    })
    .await;
    let provider = Provider {
        client_auth: Some(crate::provider::ClientAuth::ClientSecretJwt),
        ..server.provider("")
    };
    let secret = ClientSecret::new("shared".to_owned());
    http().send(refresh(&provider, Some(&secret))).await.unwrap();
    assert_eq!(server.settled().await, 2);
    let assertion = |request: &String| {
        let (_, body) = request.split_once("client_assertion=").unwrap();
        body.split('&').next().unwrap().to_owned()
    };
    let sent: HashSet<String> = server.seen().iter().map(assertion).collect();
    assert_eq!(sent.len(), 2, "each is good once");
}
