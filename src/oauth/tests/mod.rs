//! The room held to its promises: [`table`] and [`grants`] read answers of every kind, [`noise`]
//! reads what is none, [`packed`] what comes in a content coding, [`wire`] sends to servers that misbehave, [`metadata`] asks well-behaved
//! ones, [`mtls`] those that want a certificate, [`presets`] asks every provider that there is a preset of, [`probe`] asks whether anybody is there; [`proofs`] has servers that want nonces; [`sketch`] shows answers without their secrets.

mod grants;
mod metadata;
mod mtls;
mod noise;
#[path = "../../../tests/support/pack.rs"]
pub(super) mod pack;
mod packed;
mod presets;
mod probe;
mod proofs;
mod server;
mod sketch;
mod table;
mod wire;

use zeroize::Zeroizing;

use super::{Sent, SentSecrets, read_answer};
use crate::model::{Boot, Failure, Granted, Landing, Now, RawAnswer, RefreshToken, Wall};
use crate::provider::Provider;

/// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 (5.6.7).
pub(super) const NOW: Now = Now { wall: Wall(784_111_777_000), boot: Boot(5_000) };

pub(super) const SENT: &str = "fake-refresh-sent";

pub(super) const JSON: &str = "application/json";
pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const TEXT: &str = "text/plain";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

pub(super) fn provider(more: &str) -> Provider {
    Provider::parse(&format!(
        "id = \"x\"\ntitle = \"X\"\nauthorization_url = \"https://x.example/a\"\n\
         token_url = \"https://x.example/t\"\n{more}"
    ))
    .unwrap()
}

pub(super) fn raw(status: u16, content_type: &str, body: &[u8]) -> RawAnswer {
    RawAnswer {
        status,
        content_type: Some(content_type.to_owned()).filter(|text| !text.is_empty()),
        retry_after: None,
        date: None,
        www_authenticate: None,
        body: Zeroizing::new(body.to_vec()),
    }
}

pub(super) fn read(provider: &Provider, answer: &RawAnswer) -> Landing {
    let refresh = RefreshToken::new(SENT.into());
    read_sent(provider, answer, &refresh)
}

/// Reads an answer to a refresh by a public client.
pub(super) fn read_sent(
    provider: &Provider,
    answer: &RawAnswer,
    refresh: &RefreshToken,
) -> Landing {
    let others = SentSecrets::default();
    let sent = Sent { refresh: Some(refresh), others: Some(&others) };
    read_answer(provider, answer, sent, NOW)
}

pub(super) fn granted(provider: &Provider, body: &str) -> Granted {
    match read(provider, &raw(200, JSON, body.as_bytes())) {
        Landing::Granted(granted) => granted,
        Landing::Failed { failure, .. } => panic!("{body}: {failure:?}"),
    }
}

pub(super) fn failed(provider: &Provider, answer: &RawAnswer) -> (Failure, Option<RefreshToken>) {
    match read(provider, answer) {
        Landing::Failed { failure, rescued } => (failure, rescued),
        Landing::Granted(granted) => panic!("{granted:?}"),
    }
}

/// A JWT that says to live 600 s; no signature that anything could check.
pub(super) const JWT: &str = "e30.eyJpYXQiOjEwMDAsImV4cCI6MTYwMH0.c2ln";
