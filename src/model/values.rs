//! What answers and callbacks say besides tokens: a company's number, the address of an API.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most values of an account: 16 that a definition has kept, and ostler's own.
const VALUES_MAX: usize = 24;
/// The longest name, in bytes.
const NAME_MAX: usize = 64;
/// The longest value, in bytes.
const VALUE_MAX: usize = 1024;

/// Under this name: whom the provider calls its user.
pub const IDENTITY: &str = "identity";

/// The name under which it is kept where the API begins.
pub const BASE_URL: &str = "base_url";

/// Under this name: the name that the provider knows its user by, which never changes.
pub const SUBJECT: &str = "subject";

/// Under this name: whether the access token works with the client's certificate alone, `true` or `false`.
pub const CERTIFICATE_BOUND: &str = "certificate_bound";

/// Under this name: when the client's certificate ends, in seconds since the epoch.
pub const CERTIFICATE_ENDS: &str = "certificate_ends";

/// Values by name. Cheap to clone, and nothing at all where there are none. They are a provider's
/// words: bounded, and without control characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values(Option<Arc<BTreeMap<String, String>>>);

impl Values {
    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.as_ref()?.get(name).map(String::as_str)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .flat_map(|map| map.iter())
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the access token works with the client's certificate alone (RFC 8705, 3).
    #[must_use]
    pub fn is_certificate_bound(&self) -> bool {
        self.get(CERTIFICATE_BOUND) == Some("true")
    }

    /// When the client's certificate ends, in seconds since the epoch, if it has one.
    #[must_use]
    pub fn certificate_ends(&self) -> Option<i64> {
        self.get(CERTIFICATE_ENDS)?.parse().ok()
    }

    /// These, with those in the place of what has their names.
    #[must_use]
    pub fn with(&self, newer: &Self) -> Self {
        if newer.is_empty() {
            return self.clone();
        }
        self.iter().chain(newer.iter()).collect()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Values {
    /// What is too long, or too much, is left out.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut map = BTreeMap::new();
        for (name, value) in pairs {
            let (name, value) = (name.into(), value.into());
            let fits = |text: &str, max| {
                !text.is_empty() && text.len() <= max && !text.contains(char::is_control)
            };
            let has_room = map.len() < VALUES_MAX || map.contains_key(&name);
            if fits(&name, NAME_MAX) && fits(&value, VALUE_MAX) && has_room {
                map.insert(name, value);
            }
        }
        Self((!map.is_empty()).then(|| Arc::new(map)))
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(map.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_values_take_the_place_of_older_ones() {
        let old: Values = [("a", "1"), ("b", "2")].into_iter().collect();
        let new: Values = [("b", "3")].into_iter().collect();
        assert_eq!(old.with(&new).iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3")]);
        assert_eq!(old.with(&Values::default()), old);
        assert!(Values::default().is_empty());
    }

    #[test]
    fn what_is_too_long_or_too_much_is_left_out() {
        let many: Values = (0..100).map(|n| (n.to_string(), "x")).collect();
        assert_eq!(many.iter().count(), VALUES_MAX);
        let odd: Values =
            [("a", "x\ny"), ("b", ""), ("c", &*"x".repeat(5000)), ("", "x")].into_iter().collect();
        assert!(odd.is_empty());
    }
}
