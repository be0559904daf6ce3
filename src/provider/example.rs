//! Recorded answers at the end of a definition, by which it is tried: what the provider says, and
//! what is to be understood.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::soundness::DefinitionError;

/// How the first one begins.
const BEGINS: &str = "[[example]]";

/// An answer of the provider, and what it is to mean.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What is answered.
    pub of: ExampleOf,
    /// What it shows.
    pub says: String,
    /// Where the provider documents it.
    #[serde(default)]
    pub source: Option<String>,
    /// The status.
    #[serde(default = "ok")]
    pub status: u16,
    /// The media type.
    #[serde(default = "json")]
    pub content_type: String,
    /// The body.
    pub body: String,
    /// What it is to mean.
    pub expect: Expectation,
}

/// What an example is the answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExampleOf {
    /// The exchange of an authorization code.
    Exchange,
    /// A refresh.
    Refresh,
}

/// What an example is to mean.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// `granted`, or the class of the failure.
    pub outcome: String,
    /// The life of the access token in seconds, where the answer tells one.
    #[serde(default)]
    pub lifetime: Option<u64>,
    /// Whether a refresh token comes with it.
    #[serde(default)]
    pub renewed: Option<bool>,
    /// The granted scopes, where the answer tells them.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// What is kept besides.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// The error's code.
    #[serde(default)]
    pub code: Option<String>,
}

fn ok() -> u16 {
    200
}

fn json() -> String {
    "application/json".to_owned()
}

/// Just the examples of a definition.
#[derive(Deserialize)]
struct Examples {
    example: Vec<Example>,
}

/// The definition itself and, behind it, its examples as text. They are the end of the file, so that
/// a daemon that only wants to know the provider does not read them.
#[must_use]
pub(super) fn split_examples(text: &str) -> (&str, &str) {
    let begins = |line: &str| line.trim_end() == BEGINS;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if begins(line) {
            return text.split_at(at);
        }
        at += line.len();
    }
    (text, "")
}

/// The examples of a definition with the lines where they begin, counted from 1.
pub(super) fn examples_at(text: &str) -> Result<Vec<(usize, Example)>, DefinitionError> {
    let begins = |(_, line): &(usize, &str)| line.trim_end() == BEGINS;
    let lines = text.lines().enumerate().filter(begins).map(|(index, _)| index + 1);
    Ok(lines.zip(examples(text)?).collect())
}

/// The examples of a definition.
pub fn examples(text: &str) -> Result<Vec<Example>, DefinitionError> {
    let (_, text) = split_examples(text);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let Examples { example } = toml::from_str(text)?;
    Ok(example)
}
