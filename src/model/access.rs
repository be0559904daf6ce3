//! Which programs may have the tokens of which accounts: the rules that a user makes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::caller::{Face, Identity, IdentityKind, Tier, is_name};
use super::names::{AccountId, NameError};
use super::scope::Scopes;
use super::time::Wall;

/// What a program gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// No token.
    Deny,
    /// The user is asked.
    Ask,
    /// A token.
    Allow,
}

/// A rule: which programs get what of which accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its number.
    pub id: RuleId,
    /// The account that it is about; all of them if absent.
    pub account: Option<AccountId>,
    /// The programs that it is about.
    pub who: Pattern,
    /// The scopes that it is about; all of them if empty. A rule that allows covers a token that has no
    /// others; one that does not covers a token that has any of them.
    pub scopes: Scopes,
    /// What those programs get.
    pub decision: Decision,
    /// When it ends; never if absent.
    pub expires: Option<Wall>,
    /// When it was made.
    pub created: Wall,
    /// The program by which it was made.
    pub created_by: String,
    /// When it last decided something.
    pub last_used: Option<Wall>,
}

impl Rule {
    /// Whether another rule is about the very same, so that it takes this one's place.
    #[must_use]
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        (&self.account, &self.who, &self.scopes) == (&other.account, &other.who, &other.scopes)
    }
}

/// A program that was given tokens of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Whose tokens.
    pub account: AccountId,
    /// What the program is known by.
    pub who: Identity,
    /// Where it asked last.
    pub face: Face,
    /// The process that did.
    pub pid: Option<i32>,
    /// When it was given its first token.
    pub first: Wall,
    /// And its last one.
    pub last: Wall,
    /// How many times it was given one.
    pub count: u64,
}

macro_rules! tagged_number {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $tag:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $tag, self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let digits = text.strip_prefix($tag).filter(|it| it.bytes().all(|b| b.is_ascii_digit()));
                digits.and_then(|digits| digits.parse().ok()).map(Self).ok_or(NameError::Shape {
                    what: $what,
                    rule: concat!("is ", $tag, " and a number"),
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

tagged_number! {
    /// The number of a rule, `g17`. Never given out twice.
    RuleId, u32, "g", "rule"
}

tagged_number! {
    /// The number of a question to the user, `q4`: whether a program may have tokens. A daemon begins with
    /// another number each time it starts, so that a late answer is to no other question.
    QuestionId, u32, "q", "question"
}

/// Which programs: `exe:/usr/bin/curl`, `unit:backup-*`, `flatpak:*`, `claimed`, `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Form);

/// In the order from the least to the most particular.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    Any,
    Tier(Tier),
    Kind(IdentityKind),
    Prefix(IdentityKind, Box<str>),
    Exactly(IdentityKind, Box<str>),
}

impl Pattern {
    /// The pattern of one program alone.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        Self(Form::Exactly(identity.kind(), identity.name().into()))
    }

    /// Whether a program is meant.
    #[must_use]
    pub fn matches(&self, identity: &Identity) -> bool {
        match &self.0 {
            Form::Any => true,
            Form::Tier(tier) => identity.tier() == *tier,
            Form::Kind(kind) => identity.kind() == *kind,
            Form::Prefix(kind, start) => {
                identity.kind() == *kind && identity.name().starts_with(&**start)
            }
            Form::Exactly(kind, name) => identity.kind() == *kind && identity.name() == &**name,
        }
    }

    /// What the names of all those programs are worth, if it is the same for all.
    #[must_use]
    pub fn tier(&self) -> Option<Tier> {
        match &self.0 {
            Form::Any => None,
            Form::Tier(tier) => Some(*tier),
            Form::Kind(kind) | Form::Prefix(kind, _) | Form::Exactly(kind, _) => Some(kind.tier()),
        }
    }

    /// How particular it is: the pattern with the greater value goes first.
    #[must_use]
    pub fn weight(&self) -> (u8, usize) {
        match &self.0 {
            Form::Any => (0, 0),
            Form::Tier(_) => (1, 0),
            Form::Kind(_) => (2, 0),
            Form::Prefix(_, start) => (3, start.len()),
            Form::Exactly(..) => (4, 0),
        }
    }
}

impl FromStr for Pattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "program";
        if text == "*" {
            return Ok(Self(Form::Any));
        }
        if let Some(tier) = Tier::ALL.into_iter().find(|tier| tier.as_str() == text) {
            return Ok(Self(Form::Tier(tier)));
        }
        let shape = |rule| NameError::Shape { what: WHAT, rule };
        let (word, name) = match text.split_once(':') {
            Some((word, name)) => (word, Some(name)),
            None => (text, None),
        };
        let kind = IdentityKind::from_word(word).ok_or(shape(
            "is written as in `ostler access log`, such as exe:/usr/bin/curl; with * at the end it means \
             all that begin like that; verified, claimed, none and * mean all of their kind",
        ))?;
        match name {
            None if kind.has_names() => Err(shape("has a name behind the colon, or *")),
            None => Ok(Self(Form::Exactly(kind, "".into()))),
            Some(_) if !kind.has_names() => Err(shape("of that kind has no name")),
            Some("*") => Ok(Self(Form::Kind(kind))),
            Some(name) if !is_name(name) => {
                Err(shape("has a name of at most 512 visible characters"))
            }
            Some(name) => Ok(Self(match name.strip_suffix('*') {
                Some(start) => Form::Prefix(kind, start.into()),
                None => Form::Exactly(kind, name.into()),
            })),
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.to_string()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Any => f.write_str("*"),
            Form::Tier(tier) => f.write_str(tier.as_str()),
            Form::Kind(kind) => write!(f, "{}:*", kind.as_str()),
            Form::Prefix(kind, start) => write!(f, "{}:{start}*", kind.as_str()),
            Form::Exactly(kind, name) if kind.has_names() => write!(f, "{}:{name}", kind.as_str()),
            Form::Exactly(kind, _) => f.write_str(kind.as_str()),
        }
    }
}

impl Decision {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Ask => "ask",
            Self::Allow => "allow",
        }
    }
}

impl FromStr for Decision {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        [Self::Deny, Self::Ask, Self::Allow]
            .into_iter()
            .find(|decision| decision.as_str() == text)
            .ok_or(NameError::Shape { what: "decision", rule: "is allow, ask or deny" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_means_those_that_it_looks_like() {
        let curl: Identity = "exe:/usr/bin/curl".parse().unwrap();
        for text in ["*", "claimed", "exe:*", "exe:/usr/bin/*", "exe:/usr/bin/curl"] {
            assert!(pattern(text).matches(&curl), "{text}");
            assert_eq!(pattern(text).to_string(), text);
        }
        for text in
            ["verified", "none", "unit:*", "exe:/usr/bin/cur", "exe:/opt/*", "host", "unknown"]
        {
            assert!(!pattern(text).matches(&curl), "{text}");
            assert_eq!(pattern(text).to_string(), text);
        }
        assert!(pattern("unknown").matches(&Identity::default()));
        assert_eq!(Pattern::of(&curl), pattern("exe:/usr/bin/curl"));
        assert_eq!(Pattern::of(&Identity::host()).to_string(), "host");
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_ways_to_write_one() {
        for text in ["", "curl", "exe", "exe:", "door:x", "host:*", "exe:a\nb", "**"] {
            assert!(text.parse::<Pattern>().is_err(), "{text:?}");
        }
        let error = "curl".parse::<Pattern>().unwrap_err().to_string();
        assert!(error.contains("exe:/usr/bin/curl"), "{error}");
    }

    #[test]
    fn the_more_particular_pattern_weighs_more() {
        let ordered =
            ["*", "claimed", "exe:*", "exe:/usr/*", "exe:/usr/bin/*", "exe:/usr/bin/curl"];
        for pair in ordered.windows(2) {
            assert!(pattern(pair[0]).weight() < pattern(pair[1]).weight(), "{pair:?}");
        }
    }

    #[test]
    fn numbers_are_told_apart_by_their_letter() {
        assert_eq!("g17".parse::<RuleId>().unwrap().to_string(), "g17");
        assert_eq!("q4".parse::<QuestionId>().unwrap(), QuestionId(4));
        for text in ["17", "q17", "g", "g+1", "g99999999999"] {
            assert!(text.parse::<RuleId>().is_err(), "{text}");
        }
    }
}
