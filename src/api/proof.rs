//! Proofs of possession (RFC 9449): what programs need that use tokens which are bound to a key.

use serde::{Deserialize, Serialize};

use super::reply::Token;
use crate::model::{AccountName, Fingerprint, Scopes};

/// Asks for an access token that is bound to a key, and for the proof of one request with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignProof {
    /// Which account's.
    pub account: AccountName,
    /// The method of the request, as it is sent: `GET`.
    pub http_method: String,
    /// Where it goes. Query and fragment are not proved and may be left out.
    pub url: String,
    /// What the API wants to see in the proof, if its last answer said (`DPoP-Nonce`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// How long the token must still be valid, in seconds; as in `GetToken` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_valid: Option<u32>,
    /// Scopes it must have; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
    /// The token that an API rejected, by its SHA-256: if it is still the current one, it is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Fingerprint>,
    /// How long the caller is willing to wait, in milliseconds; 20 000 if absent, at most 60 000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    /// Whether the user may be asked whether the caller may have it; yes if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interactive: Option<bool>,
}

/// A token and the proof of one request with it. They belong together: the proof is of this token and of
/// no other, and is good for some minutes and, with most APIs, once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Proof {
    /// The token, for `Authorization`; its type is `DPoP`.
    #[serde(flatten)]
    pub token: Token,
    /// The proof, for the header `DPoP`.
    pub proof: String,
}
