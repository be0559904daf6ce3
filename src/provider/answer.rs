//! The fields about what comes from a provider's token endpoint.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The form of answers of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// Where in the JSON the token object lies, with dots between levels, if not at the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Renamed fields: the provider's name (with dots between levels) to the standard's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// What makes an answer an error besides an `error` field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_when: Option<ErrorWhen>,
    /// The form of the expiry.
    pub expires: Expires,
    /// Token types of the provider's own that are to be presented as Bearer.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub bearer_types: BTreeSet<String>,
    /// Error codes of the provider's own, and what they mean in the standard's words.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, AnswerError>,
}

/// A field with a value that marks an error, such as `ok` = `false`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorWhen {
    /// The field, with dots between levels.
    pub field: String,
    /// Its value in an error, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// Its value when there is no error, as text: any other one marks an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs: Option<String>,
}

impl ErrorWhen {
    /// Whether a value of the field marks an error.
    #[must_use]
    pub fn marks(&self, value: &str) -> bool {
        let equals = self.equals.as_deref().is_some_and(|error| error == value);
        equals || self.differs.as_deref().is_some_and(|fine| fine != value)
    }
}

/// What an error code of the provider's own means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerError {
    /// The grant is over.
    InvalidGrant,
    /// The client is rejected.
    InvalidClient,
    /// The form of the request is rejected.
    InvalidRequest,
    /// It will pass.
    Transient,
}

/// The form of the expiry in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expires {
    /// `expires_in`, seconds from now.
    #[default]
    In,
    /// `expires_at`, an instant.
    At,
    /// `expires_in` in milliseconds.
    Ms,
    /// Not at all, as a rule: its tokens do not expire. An answer that says otherwise is believed.
    None,
    /// `expires_in`, where 0 means never.
    ZeroMeansNever,
}
