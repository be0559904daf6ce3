//! Clients that need nobody: they show a secret, or sign with their key.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use super::provider::Kind;
use crate::model::{ClientId, ClientSecret, GrantType};

/// Where their tokens come from, as the definition has it.
pub(super) const TOKEN_URL: &str = "https://robots.example/token";
const SECRET: &str = "fake-robot-secret";
const SUBJECT: &str = "somebody@robots.example";

/// The client of an account: of one whose client needs nobody it is the account's own.
pub(super) fn client(account: &str, kind: Kind) -> ClientId {
    let id = if kind.renews_itself() { format!("robot-{account}") } else { "app".to_owned() };
    id.parse().unwrap()
}

pub(super) fn grant_type(kind: Kind) -> GrantType {
    match kind {
        Kind::Secret => GrantType::ClientCredentials,
        Kind::Key => GrantType::jwt_bearer(Some(SUBJECT.to_owned())).unwrap(),
        Kind::Strict | Kind::Timed | Kind::Confirmed | Kind::Static => GrantType::Code,
    }
}

/// For whom its tokens are, if that is not the client.
pub(super) fn subject(kind: Kind) -> Option<String> {
    (kind == Kind::Key).then(|| SUBJECT.to_owned())
}

/// By what its client shows who it is.
pub(super) fn secret(kind: Kind) -> Option<Arc<ClientSecret>> {
    match kind {
        Kind::Secret => Some(Arc::new(ClientSecret::new(SECRET.to_owned()))),
        Kind::Key => Some(Arc::new(ClientSecret::new(key().0.clone()))),
        Kind::Strict | Kind::Timed | Kind::Confirmed | Kind::Static => None,
    }
}

/// The account whose client that is, if the secret is its own.
pub(super) fn by_secret<'a>(client: &'a str, secret: &str) -> Option<&'a str> {
    client.strip_prefix("robot-").filter(|_| secret == SECRET)
}

/// An assertion that was found good: whose it is, and its number.
#[derive(Deserialize)]
pub(super) struct Assertion {
    iss: String,
    sub: String,
    pub(super) jti: String,
}

impl Assertion {
    /// Reads one as a server does. By which clock it is good is not looked at: clocks are set as they like here.
    pub(super) fn read(jwt: &str) -> Option<Self> {
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_audience(&[TOKEN_URL]);
        rules.validate_exp = false;
        let read = jsonwebtoken::decode::<Self>(jwt, &key().1, &rules).ok()?;
        Some(read.claims).filter(|claims| claims.sub == SUBJECT)
    }

    pub(super) fn account(&self) -> Option<&str> {
        self.iss.strip_prefix("robot-")
    }
}

/// The key that signs, in PEM, and what checks it.
fn key() -> &'static (String, DecodingKey) {
    static KEY: OnceLock<(String, DecodingKey)> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let private = pair.to_pkcs8v1().unwrap();
        let text = data_encoding::BASE64.encode(private.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        (pem, DecodingKey::from_ec_der(pair.public_key().as_ref()))
    })
}
