//! What proofs are made for ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)): requests to the APIs of an account,
//! and never one to the authorization server.

use url::Url;

use crate::api::{Fault, FaultKind};
use crate::provider::{Provider, check_endpoint};

/// The longest address that a proof is made for, in bytes.
const URL_MAX: usize = 8 * 1024;
/// The longest method, in bytes.
const METHOD_MAX: usize = 32;
/// The longest nonce of an API, in bytes.
const NONCE_MAX: usize = 1024;
/// How many addresses a refusal names.
const NAMED: usize = 8;

/// The request that a program wants to send.
#[derive(Debug)]
pub(super) struct ProofRequest {
    pub(super) method: String,
    pub(super) url: Url,
    pub(super) nonce: Option<String>,
}

impl ProofRequest {
    pub(super) fn read(method: String, url: &str, nonce: Option<String>) -> Result<Self, Fault> {
        let invalid = |message: &str| Fault::new(FaultKind::InvalidOption, message);
        // RFC 9110, 9.1: a token; case counts
        let is_token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
        if !(1..=METHOD_MAX).contains(&method.len()) || !method.bytes().all(is_token) {
            return Err(invalid("the method is not one of HTTP").hint("give it as it is sent: GET"));
        }
        let hint = "give the address that the request goes to";
        if url.len() > URL_MAX {
            return Err(invalid("the address is too long").hint(hint));
        }
        let mut url: Url =
            url.parse().map_err(|_| invalid("the address cannot be read").hint(hint))?;
        url.set_query(None);
        url.set_fragment(None);
        check_endpoint(&url)
            .map_err(|problem| invalid(&format!("the address {problem}")).hint(hint))?;
        let fits = |text: &String| {
            (1..=NONCE_MAX).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic())
        };
        if nonce.as_ref().is_some_and(|nonce| !fits(nonce)) {
            let message = format!("a nonce is at most {NONCE_MAX} bytes of visible ASCII");
            return Err(invalid(&message).hint("give it as the API's DPoP-Nonce has it"));
        }
        Ok(Self { method, url, nonce })
    }
}

/// Where proofs of an account may be presented.
pub(super) struct Range<'a> {
    provider: Option<&'a Provider>,
    /// The APIs, of which scheme, host and port count.
    origins: Vec<Url>,
}

impl<'a> Range<'a> {
    /// `known` are the addresses of APIs that the login named, or that an answer did.
    pub(super) fn of<'b>(
        provider: Option<&'a Provider>,
        known: impl Iterator<Item = &'b str>,
    ) -> Self {
        let dpop = provider.and_then(|provider| provider.dpop.as_ref());
        let described = dpop.into_iter().flat_map(|dpop| dpop.origins.iter().cloned());
        let base = provider.and_then(|provider| provider.base_url.clone());
        // a resource may be a name that is no address
        let known = known.filter_map(|text| text.parse().ok());
        let origins = described.chain(base).chain(known);
        Self { provider, origins: origins.filter(|url| check_endpoint(url).is_ok()).collect() }
    }

    pub(super) fn check(&self, url: &Url) -> Result<(), Fault> {
        let refused = |message: String| Err(Fault::new(FaultKind::OriginNotAllowed, message));
        if let Some(provider) = self.provider {
            if provider.userinfo_url.as_ref().is_some_and(|userinfo| is_same(userinfo, url)) {
                return Ok(());
            }
            // with such a proof somebody could use a code or a refresh token that got lost: that the
            // key is needed for that, too, is what it is for
            if own_endpoints(provider).any(|endpoint| is_same(endpoint, url)) {
                let message =
                    "proofs for the endpoints of the authorization server are the daemon's own";
                return refused(message.to_owned());
            }
        }
        if self.origins.iter().any(|origin| origin.origin() == url.origin()) {
            return Ok(());
        }
        let userinfo = self.provider.and_then(|provider| provider.userinfo_url.as_ref());
        let mut names: Vec<String> = Vec::new();
        for origin in &self.origins {
            let name = origin.origin().ascii_serialization();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.extend(userinfo.map(Url::to_string));
        names.truncate(NAMED);
        let for_what = if names.is_empty() { "no API so far".to_owned() } else { names.join(", ") };
        let wanted = url.origin().ascii_serialization();
        refused(format!("no proof for {wanted}: the account's tokens are for {for_what}"))
    }
}

/// The endpoints at which the daemon itself uses the key, or shows who the client is.
fn own_endpoints(provider: &Provider) -> impl Iterator<Item = &Url> {
    let optional = [
        &provider.refresh_url,
        &provider.device_url,
        &provider.par_url,
        &provider.introspection_url,
        &provider.registration_url,
    ];
    let revocation = provider.revocation.as_ref().map(|revocation| &revocation.url);
    let optional = optional.into_iter().filter_map(Option::as_ref);
    [&provider.token_url, &provider.authorization_url].into_iter().chain(optional).chain(revocation)
}

/// Whether two addresses are of one endpoint, as a tolerant server compares them (RFC 3986, 6.2.2).
fn is_same(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin() && plain_path(one) == plain_path(other)
}

/// A path without percent encoding, without case, and without the slashes at its end.
fn plain_path(url: &Url) -> String {
    let bytes = url.path().as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).filter(|_| byte == b'%');
        let decoded = digits
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        plain.push(decoded.unwrap_or(byte).to_ascii_lowercase());
        at += if decoded.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&plain).trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(more: &str) -> Provider {
        Provider::parse(&format!(
            "id = \"x\"\ntitle = \"X\"\nauthorization_url = \"https://x.example/auth\"\n\
             token_url = \"https://x.example/token\"\nuserinfo_url = \"https://x.example/me\"\n{more}"
        ))
        .unwrap()
    }

    fn check(provider: &Provider, known: &[&str], url: &str) -> Result<(), Fault> {
        Range::of(Some(provider), known.iter().copied()).check(&url.parse().unwrap())
    }

    #[test]
    fn proofs_are_for_the_apis_that_are_known_and_for_no_others() {
        let one = provider(
            "base_url = \"https://base.example/v1\"\n[dpop]\norigins = [\"https://api.example\"]\n",
        );
        let known = ["https://res.example/a", "urn:name", "http://plain.example/"];
        for url in [
            "https://api.example/things",
            "https://base.example/v2/other",
            "https://res.example/",
            "https://x.example/me",
        ] {
            check(&one, &known, url).unwrap();
        }
        for url in [
            "https://api.example:8443/things",
            "https://api.example.evil.example/",
            "https://x.example/other",
            "https://other.example/me",
        ] {
            let fault = check(&one, &known, url).unwrap_err();
            assert_eq!(fault.kind, FaultKind::OriginNotAllowed, "{url}");
            let all = "https://api.example, https://base.example, https://res.example, https://x.example/me";
            assert!(fault.message.ends_with(&format!("are for {all}")), "{}", fault.message);
        }
        let nothing = Range { provider: None, origins: Vec::new() };
        let fault = nothing.check(&"https://api.example/".parse().unwrap()).unwrap_err();
        assert!(fault.message.ends_with("are for no API so far"), "{}", fault.message);
    }

    #[test]
    fn nobody_gets_a_proof_for_an_endpoint_of_the_authorization_server() {
        let shared = provider("base_url = \"https://x.example/\"\n");
        check(&shared, &[], "https://x.example/tokens").unwrap();
        for url in [
            "https://x.example/token",
            "https://x.example/token/",
            "https://x.example/%74oken",
            "https://x.example/a/../token",
            "https://x.example/TOKEN",
            "https://X.example:443/auth",
        ] {
            let fault = check(&shared, &[], url).unwrap_err();
            assert_eq!(fault.kind, FaultKind::OriginNotAllowed, "{url}");
            assert!(fault.message.contains("the daemon's own"), "{}", fault.message);
        }
    }

    #[test]
    fn a_proof_is_for_a_request_that_can_be_sent() {
        let read = |method: &str, url: &str, nonce: Option<&str>| {
            ProofRequest::read(method.to_owned(), url, nonce.map(str::to_owned))
        };
        let request = read("PATCH", "https://x.example/a?b=c#d", Some("n")).unwrap();
        assert_eq!(request.url.as_str(), "https://x.example/a");
        let long = "x".repeat(URL_MAX + 1);
        for (method, url, nonce) in [
            ("", "https://x.example/", None),
            ("GET IT", "https://x.example/", None),
            ("GET", "x.example", None),
            ("GET", "http://x.example/", None),
            ("GET", "https://me:pw@x.example/", None),
            ("GET", &long, None),
            ("GET", "https://x.example/", Some("")),
            ("GET", "https://x.example/", Some("a b")),
        ] {
            let fault = read(method, url, nonce).unwrap_err();
            assert_eq!(fault.kind, FaultKind::InvalidOption, "{method} {nonce:?}");
        }
    }
}
