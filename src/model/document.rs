//! Clients that are described by a document of their own, and whose id is its URL (OAuth Client ID Metadata
//! Document, draft-ietf-oauth-client-id-metadata-document). They need no registration, are the same at each
//! issuer, and have no secret that both sides know.

use serde_json::{Value, json};
use url::Url;

use super::names::ClientId;

/// Where a browser comes back to by itself: loopback addresses, whose port is chosen at each login (RFC 8252,
/// 7.3), and the scheme that the desktop hands to ostler (7.1).
pub const DOCUMENT_REDIRECTS: [&str; 3] =
    ["http://127.0.0.1/callback", "http://[::1]/callback", "dev.ostler:/callback"];

/// What a document calls the client without a secret, and the one that signs with its key.
const METHODS: [&str; 2] = ["none", "private_key_jwt"];

/// Whether a text can be the URL of such a document, and if not, what is wrong with it: https, a path without dot
/// segments, no fragment and no credentials. It is compared letter by letter, so it is looked at as it stands.
pub fn check_document_url(text: &str) -> Result<(), &'static str> {
    let rest = text.strip_prefix("https://").ok_or("must begin with https://")?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('\\') {
        return Err("holds what no address may");
    }
    if text.contains('#') {
        return Err("must not have a fragment");
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    if host.is_empty() {
        return Err("must have a host");
    }
    if host.contains('@') {
        return Err("must not hold credentials");
    }
    let path = path.split('?').next().unwrap_or_default();
    if !path.starts_with('/') {
        return Err("must have a path");
    }
    let is_dots = |part: &str| {
        let part = part.to_ascii_lowercase().replace("%2e", ".");
        part == "." || part == ".."
    };
    if path.split('/').any(is_dots) {
        return Err("must not have dots for a part of its path");
    }
    match Url::parse(text) {
        Ok(url) if url.host().is_some() => Ok(()),
        _ => Err("is not an address"),
    }
}

/// Whether a client is one that a document describes.
#[must_use]
pub fn is_document(client: &ClientId) -> bool {
    check_document_url(client.as_str()).is_ok()
}

/// The document that has to be published at `url`. With `keys`, the address of the client's public keys, the client
/// signs with its key; without, it is public.
#[must_use]
pub fn document(url: &ClientId, keys: Option<&str>) -> Value {
    let mut document = json!({
        "client_id": url.as_str(),
        "client_name": "ostler",
        "application_type": "native",
        "redirect_uris": DOCUMENT_REDIRECTS,
        "grant_types": [
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "response_types": ["code"],
        "token_endpoint_auth_method": METHODS[usize::from(keys.is_some())],
    });
    if let Some(keys) = keys {
        document["jwks_uri"] = keys.into();
    }
    document
}

/// What is wrong with a document that was found at `url`.
pub fn check_document(url: &ClientId, document: &Value) -> Result<(), String> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    if text("client_id") != Some(url.as_str()) {
        return Err("its client_id is not its own address, letter by letter".to_owned());
    }
    if document.get("client_secret").is_some() {
        return Err("it holds a client_secret".to_owned());
    }
    match text("token_endpoint_auth_method") {
        Some(method) if METHODS.contains(&method) => {}
        _ => {
            let methods = METHODS.join(" or ");
            return Err(format!("its token_endpoint_auth_method has to be {methods}"));
        }
    }
    let redirects = document.get("redirect_uris").and_then(Value::as_array);
    let has = |uri: &str| redirects.is_some_and(|it| it.iter().any(|found| found == uri));
    if has(DOCUMENT_REDIRECTS[0]) {
        Ok(())
    } else {
        Err(format!("its redirect_uris lack {}", DOCUMENT_REDIRECTS[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://me.example/ostler.json";

    #[test]
    fn an_address_of_a_document_has_a_path_and_nothing_that_could_be_read_in_two_ways() {
        for good in [
            URL,
            "https://me.example:8443/a/b?c=d",
            "https://me.example/",
            "https://me.example/a..b/.well",
        ] {
            assert_eq!(check_document_url(good), Ok(()), "{good}");
        }
        for bad in [
            "http://me.example/c",
            "HTTPS://me.example/c",
            "https://me.example",
            "https://me.example?c=/d",
            "https://me.example/c#d",
            "https://u:p@me.example/c",
            "https://@me.example/c",
            "https://me.example/a/../c",
            "https://me.example/./c",
            "https://me.example/%2e%2E/c",
            "https://me.example/a\\b",
            "https://me.example/a b",
            "https:///c",
            "native",
            "",
        ] {
            assert!(check_document_url(bad).is_err(), "{bad}");
        }
        assert!(is_document(&URL.parse().unwrap()));
        assert!(!is_document(&"042.api.parqex.com".parse().unwrap()));
    }

    #[test]
    fn what_is_printed_is_what_is_asked_for() {
        let url: ClientId = URL.parse().unwrap();
        let public = document(&url, None);
        assert_eq!(public["token_endpoint_auth_method"], "none");
        assert_eq!(check_document(&url, &public), Ok(()));
        let signing = document(&url, Some("https://me.example/keys"));
        assert_eq!(signing["token_endpoint_auth_method"], "private_key_jwt");
        assert_eq!(signing["jwks_uri"], "https://me.example/keys");
        assert_eq!(check_document(&url, &signing), Ok(()));
    }

    #[test]
    fn a_document_that_would_not_do_is_told_why() {
        let url: ClientId = URL.parse().unwrap();
        let with = |name: &str, value: Value| {
            let mut document = document(&url, None);
            document[name] = value;
            check_document(&url, &document).unwrap_err()
        };
        assert!(with("client_id", "https://me.example/OSTLER.json".into()).contains("client_id"));
        assert!(with("client_secret", "s".into()).contains("client_secret"));
        let method = with("token_endpoint_auth_method", "client_secret_basic".into());
        assert!(method.contains("none or private_key_jwt"), "{method}");
        assert!(with("redirect_uris", json!(["https://a.example/"])).contains("127.0.0.1"));
        assert!(check_document(&url, &json!([])).is_err());
    }
}
