//! Secrets that can be recognised: random, behind a prefix that a search for leaks can look for.

use sha2::{Digest, Sha256};

/// A refresh token.
pub(crate) const REFRESH: &str = "rt-canary-";
/// An access token.
pub(crate) const ACCESS: &str = "at-canary-";
/// A client secret.
pub(crate) const CLIENT: &str = "cs-canary-";
/// An authorization code.
pub(crate) const CODE: &str = "code-canary-";

/// The prefixes of everything that must not appear in a log, a file or an error text.
pub(crate) const CANARIES: [&str; 4] = [REFRESH, ACCESS, CLIENT, CODE];

/// A new secret behind a prefix, with 128 bits of randomness.
pub(crate) fn make(prefix: &str) -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the kernel has randomness");
    format!("{prefix}{}", data_encoding::BASE64URL_NOPAD.encode(&bytes))
}

/// The SHA-256 of a token in hexadecimal, as callers name a token that was rejected.
pub(crate) fn fingerprint(token: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(token.as_bytes()))
}

/// The secrets that a text holds in clear, if any, each cut to its prefix.
pub(crate) fn leaks(text: &str) -> Vec<&'static str> {
    CANARIES.into_iter().filter(|canary| text.contains(canary)).collect()
}
