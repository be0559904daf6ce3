//! JWTs by which a client shows who it is (RFC 7523), signed with its secret or with a key of its own.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::OauthError;
use super::pkce;
use crate::model::{ClientId, ClientSecret, Now};
use crate::provider::{ClientAuth, Provider};

/// The type of a client assertion (RFC 7523, 2.2).
pub(super) const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The grant type of an assertion (RFC 7523, 2.1).
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How long an assertion is good for, in seconds: it is made for one request.
const CLIENT_LIFE: i64 = 60;

/// The same of one that is a grant. Google takes an hour at most, and nothing is gained by less, for
/// each is sent once.
const GRANT_LIFE: i64 = 300;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    jti: &'a str,
    iat: i64,
    exp: i64,
}

/// The assertion by which a client authenticates itself. Its audience is the issuer alone, so that no
/// other server can use it (draft-ietf-oauth-rfc7523bis); where no issuer is known, the token endpoint.
pub(super) fn of_client(
    provider: &Provider,
    id: &ClientId,
    secret: &str,
    method: ClientAuth,
    now: Now,
) -> Result<Zeroizing<String>, OauthError> {
    let key = match method {
        ClientAuth::ClientSecretJwt => Key::shared(secret),
        _ => Key::read(secret)?,
    };
    let jti = pkce::random_text()?;
    let now = now.wall.seconds();
    key.sign(&Claims {
        iss: id.as_str(),
        sub: id.as_str(),
        aud: audience(provider),
        scope: None,
        jti: &jti,
        iat: now,
        exp: now + CLIENT_LIFE,
    })
}

/// The assertion that is a grant: whoever holds the key may have tokens of `subject`, or of the client
/// itself.
pub(super) fn grant(
    provider: &Provider,
    id: &ClientId,
    secret: &str,
    subject: Option<&str>,
    scope: &str,
    now: Now,
) -> Result<Zeroizing<String>, OauthError> {
    let jti = pkce::random_text()?;
    let now = now.wall.seconds();
    Key::read(secret)?.sign(&Claims {
        iss: id.as_str(),
        sub: subject.unwrap_or(id.as_str()),
        // the audience is the token endpoint: that is what providers of service accounts document
        aud: provider.token_url.as_str(),
        scope: Some(scope).filter(|scope| !scope.is_empty()),
        jti: &jti,
        iat: now,
        exp: now + GRANT_LIFE,
    })
}

fn audience(provider: &Provider) -> &str {
    provider.issuer.as_deref().unwrap_or(provider.token_url.as_str())
}

/// A key to sign with.
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    signs: EncodingKey,
}

/// A key in the JSON in which providers hand them out: Google's service accounts, and others after
/// them.
#[derive(Deserialize)]
struct KeyFile {
    #[serde(alias = "key")]
    private_key: ClientSecret,
    #[serde(alias = "keyId", alias = "kid")]
    private_key_id: Option<String>,
}

impl Key {
    fn shared(secret: &str) -> Self {
        let key = EncodingKey::from_secret(secret.as_bytes());
        Self { id: None, algorithm: Algorithm::HS256, signs: key }
    }

    /// A private key in PEM, by itself or in JSON with its id. The kind of key decides the algorithm:
    /// each has one that every server has.
    fn read(text: &str) -> Result<Self, OauthError> {
        let text = text.trim();
        if text.starts_with('{') {
            let file: KeyFile = serde_json::from_str(text).map_err(|_| OauthError::SigningKey)?;
            let key = Self::read_pem(file.private_key.expose())?;
            return Ok(Self { id: file.private_key_id, ..key });
        }
        Self::read_pem(text)
    }

    fn read_pem(text: &str) -> Result<Self, OauthError> {
        let pem = text.as_bytes();
        let with = |algorithm| move |signs| Self { id: None, algorithm, signs };
        EncodingKey::from_rsa_pem(pem)
            .map(with(Algorithm::RS256))
            .or_else(|_| EncodingKey::from_ec_pem(pem).map(with(Algorithm::ES256)))
            .or_else(|_| EncodingKey::from_ed_pem(pem).map(with(Algorithm::EdDSA)))
            .map_err(|_| OauthError::SigningKey)
    }

    fn sign(&self, claims: &Claims<'_>) -> Result<Zeroizing<String>, OauthError> {
        let header = Header { kid: self.id.clone(), ..Header::new(self.algorithm) };
        let jwt = jsonwebtoken::encode(&header, claims, &self.signs);
        jwt.map(Zeroizing::new).map_err(|_| OauthError::SigningKey)
    }
}

/// Whether a text is a key that can be signed with.
pub fn check_key(text: &str) -> Result<(), OauthError> {
    Key::read(text).map(drop)
}
