//! ID tokens (OpenID Connect Core, 3.1.3.7): who has signed in.
//!
//! A token that comes straight from the token endpoint is vouched for by TLS; its signature is checked
//! all the same wherever the provider's keys are known and can be had. A token that is wrong in any way
//! ends the sign-in.

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::Method;
use serde::Deserialize;
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use url::Url;

use super::http::Http;
use super::request::{Outgoing, plain_headers};
use super::scrub::plain;
use crate::model::{AccessToken, ClientId, IDENTITY, Now, SUBJECT, Values};
use crate::provider::{Provider, check_endpoint};

/// How far the provider's clock may be from ours, in seconds.
const LEEWAY: i64 = 60;

/// The most keys of a provider that are looked at.
const KEYS_MAX: usize = 64;

/// The algorithms that are accepted: signatures by a key that only the provider has. With `none` there
/// is none, and a shared secret proves nothing of who signed.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The keys that a provider signs with (RFC 7517).
#[derive(Debug)]
pub struct Keys(Vec<Jwk>);

/// What an ID token has to say.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Who asked.
    pub client: &'a ClientId,
    /// What the request had that brought it, if it had one.
    pub nonce: Option<&'a str>,
    /// The access token beside it.
    pub access: &'a AccessToken,
    /// Whom the account belongs to, if that is known.
    pub subject: Option<&'a str>,
    /// Whether it came with a refresh: then it may be an older one beside a newer access token, and has
    /// no nonce (Core, 12.2).
    pub is_refresh: bool,
}

/// What is wrong with an ID token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// Not a JWT, or not one with the claims that each has.
    #[error("the ID token cannot be read")]
    Malformed,
    /// Signed in a way that is not accepted, or not at all.
    #[error("the ID token is not signed in a way that is accepted")]
    Algorithm,
    /// Its key is not among the provider's, or it is not said which one it is.
    #[error("the ID token is signed with a key that is not the provider's")]
    Key,
    /// The signature is not that of the provider.
    #[error("the signature of the ID token is wrong")]
    Signature,
    /// A claim is not what it has to be.
    #[error("the ID token is not for this sign-in: {0} is wrong")]
    Claim(&'static str),
    /// It speaks of somebody else than the account belongs to.
    #[error("the provider has signed in {found}, and the account belongs to somebody else")]
    Another {
        /// Whom it speaks of.
        found: String,
    },
}

/// The claims that matter.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    iat: i64,
    azp: Option<String>,
    nonce: Option<String>,
    at_hash: Option<String>,
    email: Option<String>,
    preferred_username: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Fetches the keys of a provider. `None` if it has none on record or they cannot be had: then TLS is
/// what vouches for its tokens.
pub async fn fetch_keys(http: &Http, url: &Url) -> Option<Keys> {
    check_endpoint(url).ok()?;
    let request = Outgoing::new(Method::GET, url.clone(), plain_headers(), None);
    let answer = http.carry(request).await.ok()?;
    if answer.status != 200 {
        return None;
    }
    // one by one: a key of a kind that is not known must not cost the others
    let set: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let keys = set.get("keys")?.as_array()?.iter().take(KEYS_MAX);
    let keys: Vec<Jwk> = keys.filter_map(|key| serde_json::from_value(key.clone()).ok()).collect();
    Some(Keys(JwkSet { keys }.keys))
}

/// Checks an ID token, and says who has signed in.
pub fn identity(
    provider: &Provider,
    token: &str,
    keys: Option<&Keys>,
    claim: Claim<'_>,
    now: Now,
) -> Result<Values, IdTokenError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| IdTokenError::Algorithm)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(IdTokenError::Algorithm);
    }
    let claims = match keys {
        Some(keys) => {
            let key = keys.find(header.kid.as_deref(), header.alg)?;
            let key = DecodingKey::from_jwk(key).map_err(|_| IdTokenError::Key)?;
            signed(token, &key, header.alg)?
        }
        None => unsigned(token)?,
    };
    check(provider, &claims, header.alg, claim, now.wall.seconds())?;
    let shown = [&claims.email, &claims.preferred_username, &claims.name];
    let shown = shown.into_iter().flatten().find(|text| !text.is_empty());
    let shown = plain(shown.unwrap_or(&claims.sub));
    if claim.subject.is_some_and(|subject| subject != claims.sub) {
        return Err(IdTokenError::Another { found: shown });
    }
    Ok([(IDENTITY, shown), (SUBJECT, claims.sub)].into_iter().collect())
}

impl Keys {
    /// The key of that name; without a name the only one that fits (Core, 10.1).
    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Jwk, IdTokenError> {
        let fits = |key: &&Jwk| {
            let signs = key.common.public_key_use.as_ref();
            let of_kind = DecodingKey::from_jwk(key).is_ok_and(|_| suits(key, algorithm));
            signs.is_none_or(|it| *it == PublicKeyUse::Signature) && of_kind
        };
        let mut found = self.0.iter().filter(fits).filter(|key| match kid {
            Some(kid) => key.common.key_id.as_deref() == Some(kid),
            None => true,
        });
        match (found.next(), found.next()) {
            (Some(key), None) => Ok(key),
            _ => Err(IdTokenError::Key),
        }
    }
}

/// Whether a key is of the kind that an algorithm needs.
fn suits(key: &Jwk, algorithm: Algorithm) -> bool {
    use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve};
    match (&key.algorithm, algorithm) {
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES256) => {
            curve.curve == EllipticCurve::P256
        }
        (AlgorithmParameters::EllipticCurve(curve), Algorithm::ES384) => {
            curve.curve == EllipticCurve::P384
        }
        (AlgorithmParameters::OctetKeyPair(_), Algorithm::EdDSA) => true,
        (AlgorithmParameters::RSA(_), algorithm) => !matches!(
            algorithm,
            Algorithm::ES256
                | Algorithm::ES384
                | Algorithm::EdDSA
                | Algorithm::HS256
                | Algorithm::HS384
                | Algorithm::HS512
        ),
        _ => false,
    }
}

fn signed(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Claims, IdTokenError> {
    use jsonwebtoken::errors::ErrorKind;
    let mut rules = Validation::new(algorithm);
    // the claims are checked here, by the clock that everybody is given
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    match jsonwebtoken::decode::<Claims>(token, key, &rules) {
        Ok(decoded) => Ok(decoded.claims),
        Err(error) => Err(match error.kind() {
            ErrorKind::InvalidSignature => IdTokenError::Signature,
            _ => IdTokenError::Malformed,
        }),
    }
}

fn unsigned(token: &str) -> Result<Claims, IdTokenError> {
    let decoded = jsonwebtoken::dangerous::insecure_decode::<Claims>(token);
    decoded.map(|decoded| decoded.claims).map_err(|_| IdTokenError::Malformed)
}

/// OpenID Connect Core, 3.1.3.7, in its order.
fn check(
    provider: &Provider,
    claims: &Claims,
    algorithm: Algorithm,
    claim: Claim<'_>,
    now: i64,
) -> Result<(), IdTokenError> {
    let wrong = |name| Err(IdTokenError::Claim(name));
    if provider.issuer.as_ref().is_some_and(|issuer| *issuer != claims.iss) {
        return wrong("iss");
    }
    let client = claim.client.as_str();
    let several = match &claims.aud {
        Audience::One(aud) if aud == client => false,
        Audience::Many(auds) if auds.iter().any(|aud| aud == client) => auds.len() > 1,
        _ => return wrong("aud"),
    };
    match &claims.azp {
        Some(azp) if azp != client => return wrong("azp"),
        None if several => return wrong("azp"),
        _ => {}
    }
    if claims.sub.is_empty() || claims.sub.len() > 255 {
        return wrong("sub");
    }
    if claims.exp <= now - LEEWAY {
        return wrong("exp");
    }
    if claims.iat > now + LEEWAY {
        return wrong("iat");
    }
    if claim.is_refresh {
        return Ok(());
    }
    if claim.nonce.is_some() && claims.nonce.as_deref() != claim.nonce {
        return wrong("nonce");
    }
    match &claims.at_hash {
        Some(said) if !hash_fits(said, claim.access, algorithm) => wrong("at_hash"),
        _ => Ok(()),
    }
}

/// The left half of the hash that goes with the algorithm (Core, 3.1.3.6).
fn hash_fits(said: &str, access: &AccessToken, algorithm: Algorithm) -> bool {
    let token = access.expose().as_bytes();
    let digest: Vec<u8> = match algorithm {
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => Sha384::digest(token).to_vec(),
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::EdDSA => Sha512::digest(token).to_vec(),
        _ => Sha256::digest(token).to_vec(),
    };
    let half = data_encoding::BASE64URL_NOPAD.encode(&digest[..digest.len() / 2]);
    half.as_bytes().ct_eq(said.as_bytes()).into()
}

#[cfg(test)]
mod tests;
