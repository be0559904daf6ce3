//! Scopes (RFC 6749, 3.3).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::names::NameError;

/// One scope: visible ASCII without `"`, `\` and comma, at most 256 bytes (RFC 6749, 3.3, less the
/// comma, which several providers separate with).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(Box<str>);

const SCOPE_MAX: usize = 256;

impl Scope {
    /// The scope as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty { what: "scope" });
        }
        if text.len() > SCOPE_MAX {
            return Err(NameError::TooLong { what: "scope", max: SCOPE_MAX });
        }
        let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | ',');
        match text.chars().find(|c| !allowed(*c)) {
            Some(found) => Err(NameError::Character {
                what: "scope",
                allowed: "visible ASCII without quotes, backslash and comma",
                found,
            }),
            None => Ok(Self(text.into())),
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> String {
        scope.0.into_string()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The most scopes in a set: far more than any grant has.
const SCOPES_MAX: usize = 512;

/// A set of at most 512 scopes, in a fixed order. What comes from a provider is cut there, what
/// comes in a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Reads the forms found in the wild: separated by spaces or commas (RFC 6749 says spaces).
    /// What cannot be a scope is left out: an odd scope must not cost a token.
    #[must_use]
    pub fn parse_lenient(text: &str) -> Self {
        text.split([' ', ',', '\t', '\n']).filter_map(|part| part.parse().ok()).collect()
    }

    /// The scopes with `separator` between them.
    #[must_use]
    pub fn join(&self, separator: &str) -> String {
        let texts: Vec<&str> = self.iter().map(Scope::as_str).collect();
        texts.join(separator)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a scope is in it.
    #[must_use]
    pub fn has(&self, scope: &Scope) -> bool {
        self.0.contains(scope)
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Whether every scope of `other` is in this set.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.0.is_superset(&other.0)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().take(SCOPES_MAX).collect())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Scopes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {SCOPES_MAX} scopes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scopes, A::Error> {
                let mut scopes = BTreeSet::new();
                let mut count = 0;
                while let Some(scope) = list.next_element()? {
                    count += 1;
                    if count > SCOPES_MAX {
                        return Err(A::Error::invalid_length(count, &self));
                    }
                    scopes.insert(scope);
                }
                Ok(Scopes(scopes))
            }
        }

        deserializer.deserialize_seq(List)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_separators_are_read() {
        let scopes = Scopes::parse_lenient("OPENDOOR,CLOSEDOOR https://x.example/y");
        assert_eq!(scopes.join(" "), "CLOSEDOOR OPENDOOR https://x.example/y");
        assert!(scopes.covers(&Scopes::parse_lenient("OPENDOOR")));
        assert!(!scopes.covers(&Scopes::parse_lenient("other")));
    }

    #[test]
    fn what_cannot_be_a_scope_is_left_out() {
        assert_eq!(Scopes::parse_lenient("a \u{7} \"b\" c").join(","), "a,c");
    }

    #[test]
    fn there_is_an_end_to_scopes() {
        let texts = |count: usize| (0..count).map(|n| format!("s{n}")).collect::<Vec<_>>();
        let long = Scopes::parse_lenient(&texts(2000).join(" "));
        assert_eq!(long.iter().count(), SCOPES_MAX);
        let list: Scopes = texts(2000).iter().filter_map(|text| text.parse().ok()).collect();
        assert_eq!(list.iter().count(), SCOPES_MAX);

        let read = |count| serde_json::from_value::<Scopes>(serde_json::json!(texts(count)));
        assert_eq!(read(SCOPES_MAX).unwrap().iter().count(), SCOPES_MAX);
        let error = read(SCOPES_MAX + 1).unwrap_err().to_string();
        assert!(error.contains("at most 512 scopes"), "{error}");
    }
}
