//! What tokens are for, where a provider has to be told: APIs by their addresses (RFC 8707), or an audience.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::names::NameError;

/// The address of an API: an absolute URI without a fragment (RFC 8707, 2), at most 512 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Resource(Box<str>);

/// The name of an audience, as the provider knows it: visible ASCII, at most 512 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Audience(Box<str>);

const LENGTH_MAX: usize = 512;
/// The most APIs that tokens can be for.
const RESOURCES_MAX: usize = 16;

/// What tokens are for; nothing is whatever the provider thinks fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// The APIs, in order; at most 16.
    pub resources: BTreeSet<Resource>,
    /// The audience.
    pub audience: Option<Audience>,
}

impl Target {
    /// From what a request says.
    pub fn new(
        resources: Option<Vec<Resource>>,
        audience: Option<Audience>,
    ) -> Result<Self, NameError> {
        let resources: BTreeSet<Resource> = resources.unwrap_or_default().into_iter().collect();
        if resources.len() > RESOURCES_MAX {
            return Err(NameError::Shape { what: "login", rule: "is for at most 16 resources" });
        }
        Ok(Self { resources, audience })
    }

    /// What one token is for unless somebody says otherwise: of several APIs the first, by its address. A token for
    /// all of them would be good at each for the others, and most servers give none (RFC 8707, 2.2 and 3).
    #[must_use]
    pub fn of_one(&self) -> Self {
        let resources = self.resources.iter().take(1).cloned().collect();
        Self { resources, audience: self.audience.clone() }
    }

    /// Whether nothing is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.audience.is_none()
    }

    /// What is wanted that this is not for.
    #[must_use]
    pub fn lacks(&self, wanted: &Self) -> Vec<String> {
        let resources = wanted.resources.difference(&self.resources).map(ToString::to_string);
        let audience = wanted.audience.iter().filter(|it| self.audience.as_ref() != Some(it));
        resources.chain(audience.map(ToString::to_string)).collect()
    }

    /// The APIs with a space between them: none has one in it.
    #[must_use]
    pub fn join(&self) -> String {
        let texts: Vec<&str> = self.resources.iter().map(Resource::as_str).collect();
        texts.join(" ")
    }
}

macro_rules! text {
    ($name:ident, $what:literal, $check:expr) => {
        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                const WHAT: &str = $what;
                if text.is_empty() {
                    return Err(NameError::Empty { what: WHAT });
                }
                if text.len() > LENGTH_MAX {
                    return Err(NameError::TooLong { what: WHAT, max: LENGTH_MAX });
                }
                if let Some(found) = text.chars().find(|c| !c.is_ascii_graphic()) {
                    return Err(NameError::Character {
                        what: WHAT,
                        allowed: "visible ASCII",
                        found,
                    });
                }
                let check: fn(&str) -> Result<(), NameError> = $check;
                check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.into_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text!(Audience, "audience", |_| Ok(()));
text!(Resource, "resource", |text| {
    // a scheme and something behind it (RFC 3986, 4.3); what it means is the provider's to say
    let (scheme, rest) = text.split_once(':').unwrap_or(("", ""));
    let letter = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let fit = letter && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if fit && !rest.is_empty() && !text.contains('#') {
        return Ok(());
    }
    Err(NameError::Shape { what: "resource", rule: "is an absolute address without a fragment" })
});

#[cfg(test)]
mod tests {
    use super::*;

    fn target(resources: &[&str], audience: Option<&str>) -> Target {
        let resources = resources.iter().map(|text| text.parse().unwrap()).collect();
        Target::new(Some(resources), audience.map(|text| text.parse().unwrap())).unwrap()
    }

    #[test]
    fn a_resource_is_an_absolute_address_without_a_fragment() {
        for good in ["https://api.example/v1?x=1", "urn:example:api", "api://app-id"] {
            assert!(good.parse::<Resource>().is_ok(), "{good}");
        }
        for bad in ["", "api.example", "/v1", "https://a b", "https://a#b", "1x:y", "x:"] {
            assert!(bad.parse::<Resource>().is_err(), "{bad}");
        }
        assert!(
            "https://api.example".parse::<Audience>().is_ok() && "a b".parse::<Audience>().is_err()
        );
    }

    #[test]
    fn what_a_login_is_not_for_is_named() {
        let login = target(&["https://a.example/", "https://b.example/"], Some("one"));
        assert!(login.lacks(&target(&["https://b.example/"], None)).is_empty());
        assert!(login.lacks(&Target::default()).is_empty());
        let wanted = target(&["https://a.example", "https://b.example/"], Some("two"));
        assert_eq!(login.lacks(&wanted), ["https://a.example", "two"]);
        assert_eq!(Target::default().lacks(&target(&[], Some("one"))), ["one"]);
    }

    #[test]
    fn one_token_is_for_one_of_several() {
        let login = target(&["https://b.example/", "https://a.example/"], Some("one"));
        assert_eq!(login.of_one(), target(&["https://a.example/"], Some("one")));
        assert_eq!(login.of_one().of_one(), login.of_one());
        assert!(Target::default().of_one().is_empty());
    }

    #[test]
    fn there_is_an_end_to_resources() {
        let many = |count: u32| (0..count).map(|n| format!("urn:x:{n}").parse().unwrap()).collect();
        assert!(Target::new(Some(many(16)), None).is_ok());
        assert!(Target::new(Some(many(17)), None).is_err());
    }
}
