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

/// Whether a secret has the form of a private key. Some programs write words before it: what holds a key is
/// never taken for a password.
pub(super) fn is_key(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with("-----BEGIN") || text.starts_with('{') || text.contains("PRIVATE KEY-----")
}

/// Whether a text is a key that can be signed with.
pub fn check_key(text: &str) -> Result<(), OauthError> {
    Key::read(text).map(drop)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::Value;

    use super::*;
    use crate::model::{Boot, Wall};

    fn pem(der: &[u8]) -> String {
        let text = data_encoding::BASE64.encode(der);
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    }

    /// A new key, and what checks its signatures.
    fn ec() -> (String, DecodingKey) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let public = DecodingKey::from_ec_der(pair.public_key().as_ref());
        (pem(pair.to_pkcs8v1().unwrap().as_ref()), public)
    }

    fn rsa() -> (String, DecodingKey) {
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = DecodingKey::from_rsa_der(pair.public_key().as_ref());
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        (pem(private.as_ref()), public)
    }

    const NOW: Now = Now { wall: Wall(1_795_000_000_000), boot: Boot(0) };

    fn provider(more: &str) -> Provider {
        Provider::parse(&format!(
            "id = \"x\"\ntitle = \"X\"\nauthorization_url = \"https://x.example/a\"\n\
             token_url = \"https://x.example/t\"\n{more}"
        ))
        .unwrap()
    }

    /// The claims, of a token that its key signed.
    fn claims(jwt: &str, key: &DecodingKey, algorithm: Algorithm) -> Value {
        let mut rules = Validation::new(algorithm);
        rules.validate_exp = false;
        rules.validate_aud = false;
        jsonwebtoken::decode::<Value>(jwt, key, &rules).unwrap().claims
    }

    #[test]
    fn a_client_shows_who_it_is_to_one_server_for_a_minute() {
        let id: ClientId = "app".parse().unwrap();
        let issuer = provider("issuer = \"https://issuer.example\"");
        let (private, key) = ec();
        let sign = || of_client(&issuer, &id, &private, ClientAuth::PrivateKeyJwt, NOW).unwrap();
        let said = claims(&sign(), &key, Algorithm::ES256);
        assert_eq!((&said["iss"], &said["sub"]), (&"app".into(), &"app".into()));
        assert_eq!(said["aud"], "https://issuer.example");
        assert_eq!(said["iat"], 1_795_000_000);
        assert_eq!(said["exp"], 1_795_000_060);
        assert_ne!(claims(&sign(), &key, Algorithm::ES256)["jti"], said["jti"]);
        assert!(said.get("scope").is_none());

        let jwt =
            of_client(&provider(""), &id, "shared", ClientAuth::ClientSecretJwt, NOW).unwrap();
        let said = claims(&jwt, &DecodingKey::from_secret(b"shared"), Algorithm::HS256);
        assert_eq!(said["aud"], "https://x.example/t", "no issuer is known");
    }

    #[test]
    fn a_service_accounts_file_signs_with_its_keys_id() {
        let (private, key) = rsa();
        let file = serde_json::json!({
            "type": "service_account", "private_key_id": "key-1", "private_key": private,
            "client_email": "robot@x.example",
        });
        let id: ClientId = "robot@x.example".parse().unwrap();
        let text = file.to_string();
        let jwt = grant(&provider(""), &id, &text, Some("me@x.example"), "a b", NOW).unwrap();
        assert_eq!(jsonwebtoken::decode_header(&*jwt).unwrap().kid.unwrap(), "key-1");
        let said = claims(&jwt, &key, Algorithm::RS256);
        assert_eq!(
            (&said["iss"], &said["sub"]),
            (&"robot@x.example".into(), &"me@x.example".into())
        );
        assert_eq!((&said["scope"], &said["aud"]), (&"a b".into(), &"https://x.example/t".into()));
    }

    #[test]
    fn a_key_with_words_before_it_is_a_key_and_no_password() {
        let (private, key) = ec();
        let text = format!("Bag Attributes\n    friendlyName: app\n{private}");
        assert!(is_key(&text) && is_key(&private) && !is_key("fake-secret"));
        let id: ClientId = "app".parse().unwrap();
        let jwt = of_client(&provider(""), &id, &text, ClientAuth::PrivateKeyJwt, NOW).unwrap();
        assert_eq!(claims(&jwt, &key, Algorithm::ES256)["sub"], "app");
    }

    #[test]
    fn what_is_no_key_is_said_to_be_none_and_not_shown() {
        for text in ["", "fake-secret", "{\"private_key\":\"fake\"}", "-----BEGIN X-----\nfake"] {
            let error = check_key(text).unwrap_err().to_string();
            assert!(error.contains("private key in PEM") && !error.contains("fake"), "{error}");
        }
        assert!(check_key(&ec().0).is_ok() && check_key(&rsa().0).is_ok());
    }
}
