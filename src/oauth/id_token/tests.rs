use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::*;
use crate::model::{Boot, Wall};

const NOW: Now = Now { wall: Wall(1_795_000_000_000), boot: Boot(0) };
const ACCESS: &str = "fake-access";

fn provider() -> Provider {
    Provider::parse(
        "id = \"x\"\ntitle = \"X\"\nauthorization_url = \"https://x.example/a\"\n\
         token_url = \"https://x.example/t\"\nissuer = \"https://x.example\"\n",
    )
    .unwrap()
}

/// A provider's key: signs, and is published.
struct Signer {
    kid: &'static str,
    algorithm: Algorithm,
    private: EncodingKey,
    public: Value,
}

fn ec(kid: &'static str) -> Signer {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let part = |from: usize| BASE64URL_NOPAD.encode(&point[from..from + 32]);
    let public = json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256",
                        "x": part(1), "y": part(33)});
    let private = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
    Signer { kid, algorithm: Algorithm::ES256, private, public }
}

fn rsa(kid: &'static str) -> Signer {
    let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
    let n = pair.public_key().modulus();
    let public = json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "e": "AQAB",
                        "n": BASE64URL_NOPAD.encode(n.big_endian_without_leading_zero())});
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let text = data_encoding::BASE64.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    let private = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    Signer { kid, algorithm: Algorithm::RS256, private, public }
}

impl Signer {
    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.to_owned()), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.private).unwrap()
    }

    fn sign_without_kid(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(self.algorithm), claims, &self.private).unwrap()
    }
}

fn keys(signers: &[&Signer]) -> Keys {
    let keys = signers.iter().map(|it| serde_json::from_value(it.public.clone()).unwrap());
    Keys(keys.collect())
}

fn claims() -> Value {
    let half = Sha256::digest(ACCESS.as_bytes());
    json!({
        "iss": "https://x.example", "sub": "user-1", "aud": "app", "exp": 1_795_003_600_i64,
        "iat": 1_795_000_000_i64, "nonce": "n-1", "email": "me@x.example",
        "at_hash": BASE64URL_NOPAD.encode(&half[..16]),
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut changed = claims();
    changed[name] = value;
    changed
}

fn without(name: &str) -> Value {
    let mut changed = claims();
    changed.as_object_mut().unwrap().remove(name);
    changed
}

fn read(token: &str, keys: Option<&Keys>, subject: Option<&str>) -> Result<Values, IdTokenError> {
    let client: ClientId = "app".parse().unwrap();
    let access = AccessToken::new(ACCESS.to_owned());
    let claim =
        Claim { client: &client, nonce: Some("n-1"), access: &access, subject, is_refresh: false };
    identity(&provider(), token, keys, claim, NOW)
}

#[test]
fn a_good_token_says_who_has_signed_in() {
    for signer in [ec("k1"), rsa("k1")] {
        let known = keys(&[&signer]);
        let found = read(&signer.sign(&claims()), Some(&known), None).unwrap();
        assert_eq!(found.get(IDENTITY), Some("me@x.example"));
        assert_eq!(found.get(SUBJECT), Some("user-1"));
        // as the account's own
        assert!(read(&signer.sign(&claims()), Some(&known), Some("user-1")).is_ok());
        // where the keys cannot be had TLS vouches for it
        assert!(read(&signer.sign(&claims()), None, None).is_ok());
    }
    let signer = ec("k");
    for (name, value) in [
        ("aud", json!(["app"])),
        ("azp", json!("app")),
        ("exp", json!(1_794_999_941_i64)),
        ("iat", json!(1_795_000_060_i64)),
    ] {
        assert!(read(&signer.sign(&with(name, value)), Some(&keys(&[&signer])), None).is_ok());
    }
    let both = {
        let mut both = with("aud", json!(["app", "other"]));
        both["azp"] = "app".into();
        both
    };
    assert!(read(&signer.sign(&both), Some(&keys(&[&signer])), None).is_ok());
    // without any of the usual names
    let found = read(&signer.sign(&without("email")), Some(&keys(&[&signer])), None).unwrap();
    assert_eq!(found.get(IDENTITY), Some("user-1"));
}

/// The tests of the `OpenID` conformance suite's basic client profile, by its names.
#[test]
fn every_wrong_token_of_the_conformance_suite_is_refused() {
    let signer = rsa("k1");
    let known = keys(&[&signer]);
    for (test, wrong, error) in [
        ("invalid-iss", with("iss", json!("https://evil.example")), IdTokenError::Claim("iss")),
        ("invalid-aud", with("aud", json!("other")), IdTokenError::Claim("aud")),
        ("aud-without-azp", with("aud", json!(["app", "other"])), IdTokenError::Claim("azp")),
        ("invalid-azp", with("azp", json!("other")), IdTokenError::Claim("azp")),
        ("invalid-nonce", with("nonce", json!("n-2")), IdTokenError::Claim("nonce")),
        ("missing-nonce", without("nonce"), IdTokenError::Claim("nonce")),
        ("expired", with("exp", json!(1_794_999_000_i64)), IdTokenError::Claim("exp")),
        ("iat-in-the-future", with("iat", json!(1_795_000_999_i64)), IdTokenError::Claim("iat")),
        ("missing-iat", without("iat"), IdTokenError::Malformed),
        ("missing-sub", without("sub"), IdTokenError::Malformed),
        ("empty-sub", with("sub", json!("")), IdTokenError::Claim("sub")),
        ("missing-iss", without("iss"), IdTokenError::Malformed),
        ("missing-aud", without("aud"), IdTokenError::Malformed),
        (
            "invalid-at-hash",
            with("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
            IdTokenError::Claim("at_hash"),
        ),
    ] {
        let token = signer.sign(&wrong);
        assert_eq!(read(&token, Some(&known), None), Err(error.clone()), "{test}");
        // also where nothing but TLS vouches for it
        assert_eq!(read(&token, None, None), Err(error), "{test}");
    }
    let good = signer.sign(&claims());
    // invalid-signature: another key of the same name, and a changed text
    assert_eq!(read(&good, Some(&keys(&[&rsa("k1")])), None), Err(IdTokenError::Signature));
    let mut parts: Vec<&str> = good.split('.').collect();
    let forged = BASE64URL_NOPAD.encode(with("sub", json!("user-2")).to_string().as_bytes());
    parts[1] = &forged;
    assert_eq!(read(&parts.join("."), Some(&known), None), Err(IdTokenError::Signature));
    // kid-absent-multiple-jwks, kid-absent-single-jwks, unknown kid
    let nameless = signer.sign_without_kid(&claims());
    assert!(read(&nameless, Some(&known), None).is_ok());
    let two = keys(&[&signer, &rsa("k2")]);
    assert_eq!(read(&nameless, Some(&two), None), Err(IdTokenError::Key));
    assert!(read(&nameless, Some(&keys(&[&signer, &ec("k2")])), None).is_ok(), "of another kind");
    assert_eq!(read(&good, Some(&keys(&[&rsa("k9")])), None), Err(IdTokenError::Key));
}

#[test]
fn no_signature_and_a_shared_secret_are_no_signature() {
    let signer = rsa("k1");
    let known = keys(&[&signer]);
    let part = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let none = format!("{}.{}.", part(json!({"alg": "none", "typ": "JWT"})), part(claims()));
    assert_eq!(read(&none, Some(&known), None), Err(IdTokenError::Algorithm));
    assert_eq!(read(&none, None, None), Err(IdTokenError::Algorithm));
    // the public key as a shared secret, which everybody has
    let secret = signer.public["n"].as_str().unwrap();
    let header = Header { kid: Some("k1".into()), ..Header::new(Algorithm::HS256) };
    let key = EncodingKey::from_secret(secret.as_bytes());
    let shared = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
    assert_eq!(read(&shared, Some(&known), None), Err(IdTokenError::Algorithm));
    for text in ["", "a.b", "a.b.c", "....", &"x".repeat(5000)] {
        assert!(read(text, Some(&known), None).is_err(), "{text}");
    }
}

#[test]
fn another_user_is_told_apart_and_a_refresh_is_not_held_to_what_it_need_not_have() {
    let signer = ec("k1");
    let token = signer.sign(&claims());
    assert_eq!(
        read(&token, Some(&keys(&[&signer])), Some("user-2")),
        Err(IdTokenError::Another { found: "me@x.example".into() })
    );
    let client: ClientId = "app".parse().unwrap();
    let access = AccessToken::new("fake-other".to_owned());
    let claim = Claim {
        client: &client,
        nonce: None,
        access: &access,
        subject: Some("user-1"),
        is_refresh: true,
    };
    assert!(identity(&provider(), &token, None, claim, NOW).is_ok(), "Core, 12.2");
    let wrong = signer.sign(&with("iss", json!("https://evil.example")));
    let refused = identity(&provider(), &wrong, None, claim, NOW);
    assert_eq!(refused, Err(IdTokenError::Claim("iss")));
}
