//! Demonstrating proof of possession (RFC 9449): tokens are bound to a key, and each request that brings
//! or uses one is signed with it. A token that somebody else gets hold of is of no use to them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

use super::encode;
use super::error::OauthError;
use super::http::text_of;
use super::pkce;
use super::request::{Outgoing, TokenRequest, add_query};
use crate::model::{AccessToken, Now, ProofKey, RawAnswer};

/// The header of a proof (RFC 9449, 4.1).
pub(super) const PROOF: HeaderName = HeaderName::from_static("dpop");
/// The header in which a server says what it wants to see in the next one (RFC 9449, 8.1).
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The longest nonce that is taken, in bytes.
const NONCE_MAX: usize = 512;
/// Of how many servers a nonce is kept.
const SERVERS_MAX: usize = 64;
/// The bytes of a coordinate of a point on P-256.
const COORDINATE: usize = 32;

/// A key that tokens are bound to, ready to sign.
pub struct Prover {
    key: Arc<ProofKey>,
    pair: EcdsaKeyPair,
    jwk: Jwk,
    thumbprint: String,
}

/// The public key (RFC 7518, 6.2). Its members are in the order in which they are hashed (RFC 7638, 3).
#[derive(Serialize)]
struct Jwk {
    crv: &'static str,
    kty: &'static str,
    x: String,
    y: String,
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'static str,
    alg: &'static str,
    jwk: &'a Jwk,
}

/// RFC 9449, 4.2.
#[derive(Serialize)]
struct Claims<'a> {
    jti: &'a str,
    htm: &'a str,
    htu: &'a str,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

/// What is to be proved.
#[derive(Debug, Clone, Copy)]
pub struct Demand<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// Where it goes. Query and fragment are left out of the proof.
    pub url: &'a Url,
    /// What the server wants to see.
    pub nonce: Option<&'a str>,
    /// The token that goes with the request.
    pub access: Option<&'a AccessToken>,
}

impl Prover {
    /// A new key: ES256, which every server has that has any of this.
    pub fn generate() -> Result<Self, OauthError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| OauthError::ProofKey)?;
        let der = pair.to_pkcs8v1().map_err(|_| OauthError::ProofKey)?;
        let key = ProofKey::new(BASE64.encode(der.as_ref()));
        Self::with(pair, Arc::new(key))
    }

    /// The key that is on record.
    pub fn open(key: Arc<ProofKey>) -> Result<Self, OauthError> {
        let der = BASE64.decode(key.expose().as_bytes()).map_err(|_| OauthError::ProofKey)?;
        let der = Zeroizing::new(der);
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
            .map_err(|_| OauthError::ProofKey)?;
        Self::with(pair, key)
    }

    fn with(pair: EcdsaKeyPair, key: Arc<ProofKey>) -> Result<Self, OauthError> {
        // a point as it is (SEC 1, 2.3.3): 4, and both coordinates
        let point = pair.public_key().as_ref();
        let Some([4, coordinates @ ..]) = point.get(..=2 * COORDINATE) else {
            return Err(OauthError::ProofKey);
        };
        let (x, y) = coordinates.split_at(COORDINATE);
        let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
        let jwk = Jwk { crv: "P-256", kty: "EC", x, y };
        let thumbprint = BASE64URL_NOPAD.encode(&Sha256::digest(json(&jwk)));
        Ok(Self { key, pair, jwk, thumbprint })
    }

    /// The key itself, to be sealed.
    #[must_use]
    pub fn key(&self) -> &Arc<ProofKey> {
        &self.key
    }

    /// What names the public key (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// A proof for one request.
    pub fn prove(&self, demand: Demand<'_>, now: Now) -> Result<String, OauthError> {
        let jti = pkce::random_text()?;
        let mut htu = demand.url.clone();
        htu.set_query(None);
        htu.set_fragment(None);
        let ath = |token: &AccessToken| {
            BASE64URL_NOPAD.encode(&Sha256::digest(token.expose().as_bytes()))
        };
        let claims = Claims {
            jti: &jti,
            htm: demand.method,
            htu: htu.as_str(),
            iat: now.wall.seconds(),
            ath: demand.access.map(ath),
            nonce: demand.nonce,
        };
        let header = Header { typ: "dpop+jwt", alg: "ES256", jwk: &self.jwk };
        let text = [json(&header), json(&claims)].map(|part| BASE64URL_NOPAD.encode(&part));
        let text = text.join(".");
        let signature = self.pair.sign(&SystemRandom::new(), text.as_bytes());
        let signature = signature.map_err(|_| OauthError::ProofKey)?;
        Ok(format!("{text}.{}", BASE64URL_NOPAD.encode(signature.as_ref())))
    }

    /// Binds the code of an authorization request to this key (RFC 9449, 10).
    pub fn commit(&self, url: &mut Url) {
        let pair = [("dpop_jkt", self.thumbprint())];
        add_query(url, &encode::pairs(pair.into_iter(), encode::query));
    }
}

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prover({})", self.thumbprint)
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and numbers have a form in JSON")
}

/// What a request is proved with when it is sent: only then is it known what the server wants to see.
#[derive(Clone)]
pub(super) struct Proving {
    prover: Arc<Prover>,
    access: Option<Arc<AccessToken>>,
    now: Now,
}

impl Proving {
    pub(super) fn header(
        &self,
        method: &Method,
        url: &Url,
        nonce: Option<&str>,
    ) -> Result<HeaderValue, OauthError> {
        let access = self.access.as_deref();
        let demand = Demand { method: method.as_str(), url, nonce, access };
        let proof = self.prover.prove(demand, self.now)?;
        HeaderValue::from_str(&proof).map_err(|_| OauthError::Header { name: PROOF.to_string() })
    }
}

/// A request, proved if there is a key: then it is made twice, for what is good once (a client's
/// assertion) must not be sent again when the server wants a nonce first.
pub(super) fn proved(
    prover: Option<&Arc<Prover>>,
    access: Option<&AccessToken>,
    now: Now,
    make: impl Fn() -> Result<Outgoing, OauthError>,
) -> Result<Outgoing, OauthError> {
    let request = make()?;
    let Some(prover) = prover else { return Ok(request) };
    let access = access.map(|token| Arc::new(AccessToken::new(token.expose().to_owned())));
    Ok(bound(request, make()?, &Proving { prover: Arc::clone(prover), access, now }))
}

fn bound(mut request: Outgoing, mut again: Outgoing, proving: &Proving) -> Outgoing {
    again.proving = Some(proving.clone());
    request.proving = Some(proving.clone());
    request.again = Some(Box::new(again));
    request
}

impl TokenRequest {
    /// The request that `make` makes, for tokens that are bound to a key if there is one.
    pub fn bound(
        prover: Option<&Arc<Prover>>,
        now: Now,
        make: impl Fn() -> Result<Self, OauthError>,
    ) -> Result<Self, OauthError> {
        let request = make()?;
        let Some(prover) = prover else { return Ok(request) };
        let Self(again, more) = make()?;
        let proving = Proving { prover: Arc::clone(prover), access: None, now };
        let Self(request, secrets) = request;
        Ok(Self(bound(request, again, &proving), secrets.and(more)))
    }
}

/// Whether a server refused a request because it has a nonce for the proof first (RFC 9449, 8 and 9).
pub(super) fn wants_nonce(answer: &RawAnswer) -> bool {
    #[derive(Deserialize)]
    struct Said {
        error: String,
    }
    const CODE: &str = "use_dpop_nonce";
    match answer.status {
        400 => serde_json::from_slice::<Said>(&answer.body).is_ok_and(|said| said.error == CODE),
        401 => answer.www_authenticate.as_deref().is_some_and(|text| text.contains(CODE)),
        _ => false,
    }
}

/// The nonces that servers want to see, each in the proofs for one origin alone. They are in memory: a
/// server that has another one by now says so.
#[derive(Debug, Default)]
pub(super) struct Nonces(Mutex<Vec<(String, String)>>);

impl Nonces {
    /// What the server at that address wants to see.
    pub(super) fn of(&self, url: &Url) -> Option<String> {
        let origin = url.origin().ascii_serialization();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(of, _)| *of == origin).map(|(_, nonce)| nonce.clone())
    }

    /// Takes note of what an answer says. One that is no nonce (RFC 9449, 8.1) changes nothing.
    pub(super) fn learn(&self, url: &Url, headers: &HeaderMap) {
        let Some(nonce) = text_of(headers, &NONCE) else { return };
        let fits = (1..=NONCE_MAX).contains(&nonce.len());
        if !fits || !nonce.bytes().all(|c| c.is_ascii_graphic() && c != b'"' && c != b'\\') {
            return;
        }
        let origin = url.origin().ascii_serialization();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(of, _)| *of != origin);
        if known.len() == SERVERS_MAX {
            known.remove(0);
        }
        known.push((origin, nonce));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use jsonwebtoken::{Algorithm, DecodingKey, Validation};
    use serde_json::Value;

    use super::*;
    use crate::model::{Boot, Wall};

    const NOW: Now = Now { wall: Wall(1_795_000_000_000), boot: Boot(0) };

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    /// What a proof says, checked by another implementation with the key that is in its own header.
    fn checked(proof: &str) -> (Value, Value) {
        let header = jsonwebtoken::decode_header(proof).unwrap();
        assert_eq!((header.typ.as_deref(), header.alg), (Some("dpop+jwt"), Algorithm::ES256));
        let key = DecodingKey::from_jwk(&header.jwk.unwrap()).unwrap();
        let mut rules = Validation::new(Algorithm::ES256);
        rules.required_spec_claims.clear();
        (rules.validate_exp, rules.validate_aud) = (false, false);
        let claims = jsonwebtoken::decode::<Value>(proof, &key, &rules).unwrap().claims;
        let first = BASE64URL_NOPAD.decode(proof.split('.').next().unwrap().as_bytes()).unwrap();
        (serde_json::from_slice(&first).unwrap(), claims)
    }

    #[test]
    fn a_proof_is_of_one_request_one_token_and_one_key() {
        let prover = Prover::generate().unwrap();
        let token = AccessToken::new("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU".to_owned());
        let demand = Demand {
            method: "GET",
            url: &url("https://API.example:443/things?all=1#here"),
            nonce: Some("n-1"),
            access: Some(&token),
        };
        let (header, said) = checked(&prover.prove(demand, NOW).unwrap());
        assert_eq!(
            (&said["htm"], &said["htu"]),
            (&"GET".into(), &"https://api.example/things".into())
        );
        assert_eq!((&said["iat"], &said["nonce"]), (&1_795_000_000.into(), &"n-1".into()));
        // the example of RFC 9449, 7.1
        assert_eq!(said["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
        assert_eq!(said["jti"].as_str().unwrap().len(), 43);
        assert!(header["jwk"].get("d").is_none(), "the private key stays");

        let plain = Demand { nonce: None, access: None, ..demand };
        let (_, said) = checked(&prover.prove(plain, NOW).unwrap());
        assert!(said.get("ath").is_none() && said.get("nonce").is_none(), "{said}");
    }

    #[test]
    fn no_two_of_a_hundred_thousand_proofs_have_the_same_id() {
        let mut seen = HashSet::new();
        for _ in 0..100_000 {
            assert!(seen.insert(pkce::random_text().unwrap()));
        }
        let prover = Prover::generate().unwrap();
        let to = url("https://x.example/t");
        let demand = Demand { method: "POST", url: &to, nonce: None, access: None };
        for _ in 0..1000 {
            let (_, said) = checked(&prover.prove(demand, NOW).unwrap());
            assert!(seen.insert(said["jti"].as_str().unwrap().to_owned()));
        }
    }

    #[test]
    fn a_key_that_is_on_record_is_the_same_and_another_login_has_another() {
        let made = Prover::generate().unwrap();
        let again = Prover::open(Arc::clone(made.key())).unwrap();
        assert_eq!(made.thumbprint(), again.thumbprint());
        let jwk = checked(
            &again
                .prove(
                    Demand {
                        method: "GET",
                        url: &url("https://x.example/"),
                        nonce: None,
                        access: None,
                    },
                    NOW,
                )
                .unwrap(),
        )
        .0["jwk"]
            .take();
        let text =
            format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":{},\"y\":{}}}", jwk["x"], jwk["y"]);
        let hash = BASE64URL_NOPAD.encode(&Sha256::digest(text.as_bytes()));
        assert_eq!(made.thumbprint(), hash, "RFC 7638, 3");
        assert_ne!(Prover::generate().unwrap().thumbprint(), made.thumbprint());
        for none in ["", "AAAA", "not base64"] {
            assert!(Prover::open(Arc::new(ProofKey::new(none.to_owned()))).is_err(), "{none}");
        }
        assert!(!format!("{made:?} {:?}", made.key()).contains(made.key().expose()));
    }

    #[test]
    fn nonces_are_kept_by_origin_and_bounded() {
        let nonces = Nonces::default();
        let learn = |at: &str, text: &str| {
            let headers = HeaderMap::from_iter([(NONCE, HeaderValue::from_str(text).unwrap())]);
            nonces.learn(&url(at), &headers);
        };
        learn("https://a.example/token", "one");
        assert_eq!(nonces.of(&url("https://a.example/other?x")).as_deref(), Some("one"));
        for other in
            ["https://a.example:8443/token", "http://a.example/token", "https://b.example/"]
        {
            assert_eq!(nonces.of(&url(other)), None, "{other}");
        }
        learn("https://a.example/token", "two");
        for odd in ["", "a b", "a\"b", "a\\b", &"n".repeat(NONCE_MAX + 1)] {
            learn("https://a.example/token", odd);
        }
        assert_eq!(nonces.of(&url("https://a.example/")).as_deref(), Some("two"));
        for number in 0..SERVERS_MAX {
            learn(&format!("https://{number}.example/"), "many");
        }
        assert_eq!(nonces.of(&url("https://a.example/")), None, "the oldest makes room");
        assert_eq!(nonces.0.lock().unwrap().len(), SERVERS_MAX);
    }

    #[test]
    fn only_what_the_standard_says_asks_for_a_nonce() {
        let answer = |status, body: &str, challenge: Option<&str>| RawAnswer {
            status,
            content_type: None,
            retry_after: None,
            date: None,
            www_authenticate: challenge.map(str::to_owned),
            body: Zeroizing::new(body.as_bytes().to_vec()),
        };
        let code = "{\"error\":\"use_dpop_nonce\"}";
        assert!(wants_nonce(&answer(400, code, None)));
        assert!(wants_nonce(&answer(
            401,
            "",
            Some("DPoP error=\"use_dpop_nonce\", algs=\"ES256\"")
        )));
        for (status, body) in
            [(200, code), (500, code), (400, "{\"error\":\"invalid_grant\"}"), (400, "x")]
        {
            assert!(!wants_nonce(&answer(status, body, None)), "{status} {body}");
        }
    }
}
