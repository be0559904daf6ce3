//! A client that signs for whom it speaks (RFC 7523), and the provider's look at what it signed.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

/// A client with a key of its own.
#[derive(Clone)]
pub(crate) struct Robot {
    /// Its id.
    pub(crate) id: String,
    /// Its private key, in PEM.
    pub(crate) key: String,
    public: Vec<u8>,
}

/// What an assertion says.
#[derive(Debug, Deserialize)]
pub(super) struct Assertion {
    /// For whom it is.
    #[serde(rename = "sub")]
    pub(super) subject: String,
    /// Its number.
    #[serde(rename = "jti")]
    pub(super) number: String,
}

impl Robot {
    /// One with a new key.
    pub(crate) fn new(id: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let private = pair.to_pkcs8v1().expect("a key that can be written down");
        let text = data_encoding::BASE64.encode(private.as_ref());
        Self {
            id: id.to_owned(),
            key: format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"),
            public: pair.public_key().as_ref().to_vec(),
        }
    }

    /// Reads an assertion that is good now, for this provider (RFC 7523, 3).
    pub(super) fn read(&self, jwt: &str, token_url: &str) -> Option<Assertion> {
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_audience(&[token_url]);
        rules.set_issuer(&[&self.id]);
        rules.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
        let key = DecodingKey::from_ec_der(&self.public);
        Some(jsonwebtoken::decode(jwt, &key, &rules).ok()?.claims)
    }
}

impl fmt::Debug for Robot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Robot({})", self.id)
    }
}
