//! About definitions of providers: shown, checked, drafted.

use serde::{Deserialize, Serialize};

use crate::model::ProviderId;

/// Asks for the definition of a provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowProvider {
    /// Which; values behind colons are filled in.
    pub provider: ProviderId,
}

/// Asks whether a definition is sound and understands what its examples say.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckProvider {
    /// The whole file.
    pub text: String,
}

/// Asks for a definition made from an issuer's metadata.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftProvider {
    /// The issuer.
    pub issuer: ProviderId,
}

/// A definition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Definition {
    /// Whose.
    pub provider: ProviderId,
    /// `preset`, the path of the user's file, or `metadata`.
    pub source: String,
    /// The file, as it is written.
    pub text: String,
}

/// What a check of a definition found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Checked {
    /// What it is called, if it can be read at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderId>,
    /// What keeps it from being used, or from being understood as it should.
    pub problems: Vec<Remark>,
    /// What could be better.
    pub advice: Vec<Remark>,
    /// How many of its examples were read as they are meant.
    pub examples: u32,
}

/// Something about a definition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Remark {
    /// Where, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// What.
    pub message: String,
}
