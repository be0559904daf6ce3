//! Names and numbers of things. Each is a newtype whose construction parses, so that a value of
//! the type is known to be well formed wherever it turns up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a name of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("{} {what} must not be empty", article(what))]
    Empty {
        /// The kind of name.
        what: &'static str,
    },
    /// Longer than the limit.
    #[error("{} {what} has at most {max} bytes", article(what))]
    TooLong {
        /// The kind of name.
        what: &'static str,
        /// The limit, in bytes.
        max: usize,
    },
    /// A character that the kind of name does not allow.
    #[error("{} {what} may hold {allowed}, not {found:?}", article(what))]
    Character {
        /// The kind of name.
        what: &'static str,
        /// What is allowed, in words.
        allowed: &'static str,
        /// The first character that is not.
        found: char,
    },
    /// The right characters in a wrong order, such as a leading slash.
    #[error("{} {what} {rule}", article(what))]
    Shape {
        /// The kind of name.
        what: &'static str,
        /// The rule that was broken.
        rule: &'static str,
    },
}

fn article(what: &str) -> &'static str {
    if what.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" }
}

/// The parts that all text names share: they parse from and print as a string, on every face.
macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                $check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                $check(&text)?;
                Ok(Self(text.into_boxed_str()))
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

text_name! {
    /// The name a user gave an account: `parqex`, `work/mail`, `me@example.org`.
    ///
    /// At most 64 bytes of ASCII letters, digits and `. _ - @ + /`. It starts and ends with a
    /// letter or a digit and has no empty part between slashes, so it is safe as an argument and
    /// never looks like an option.
    AccountName, check_account_name
}

text_name! {
    /// The name of a provider: a preset or a user's file (`parqex`), with values behind colons for
    /// what its definition leaves open (`zendesk:acme`), or the issuer of a discovered one
    /// (`https://accounts.example.org`).
    ProviderId, check_provider_id
}

text_name! {
    /// A client identifier as the provider gave it out (RFC 6749, 2.2): visible ASCII and spaces,
    /// at most 512 bytes.
    ClientId, check_client_id
}

text_name! {
    /// The stable identity of an account: `a` and 12 characters of lower-case base32. It appears in
    /// D-Bus object paths, where account names cannot.
    AccountId, check_account_id
}

text_name! {
    /// The identity of an interactive sign-in under way: `r` and 16 characters of lower-case base32.
    RequestId, check_request_id
}

impl ProviderId {
    /// The name of the definition, and what is behind the first colon. An issuer has no parts.
    #[must_use]
    pub fn parts(&self) -> (&str, Option<&str>) {
        match self.0.split_once(':') {
            Some((name, values)) if !values.starts_with("//") => (name, Some(values)),
            _ => (&self.0, None),
        }
    }
}

impl AccountId {
    /// An id from 60 random bits.
    #[must_use]
    pub fn from_random(bytes: [u8; 8]) -> Self {
        Self(base32('a', &bytes, 12))
    }
}

impl RequestId {
    /// An id from 80 random bits.
    #[must_use]
    pub fn from_random(bytes: [u8; 10]) -> Self {
        Self(base32('r', &bytes, 16))
    }
}

fn base32(prefix: char, bytes: &[u8], length: usize) -> Box<str> {
    let mut text = String::from(prefix);
    data_encoding::BASE32_NOPAD.encode_append(bytes, &mut text);
    text.make_ascii_lowercase();
    text.truncate(length + 1);
    text.into_boxed_str()
}

/// One registration at one provider. `invalid_client` stops all accounts of a key and no other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientKey {
    /// Where the client is registered.
    pub provider: ProviderId,
    /// The identifier it has there.
    pub client: ClientId,
}

/// A flight's number: one exchange with a token endpoint. Never used twice, not even after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlightId(pub u64);

/// Which refresh token of an account is meant: counts up by one at each rotation and each login.
/// 0 means that there is none yet.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Generation(pub u64);

impl Generation {
    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

const ACCOUNT_NAME_MAX: usize = 64;
const PROVIDER_ID_MAX: usize = 256;
const CLIENT_ID_MAX: usize = 512;

fn check_account_name(text: &str) -> Result<(), NameError> {
    const WHAT: &str = "account name";
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-@+/".contains(c);
    check_text(WHAT, text, ACCOUNT_NAME_MAX, "letters, digits and ._-@+/", allowed)?;
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if !ends(text.chars().next()) || !ends(text.chars().next_back()) {
        return Err(NameError::Shape {
            what: WHAT,
            rule: "starts and ends with a letter or digit",
        });
    }
    if text.contains("//") {
        return Err(NameError::Shape { what: WHAT, rule: "has no empty part between slashes" });
    }
    Ok(())
}

fn check_provider_id(text: &str) -> Result<(), NameError> {
    const WHAT: &str = "provider name";
    if text.starts_with("https://") || text.starts_with("http://") {
        return check_text(WHAT, text, PROVIDER_ID_MAX, "visible ASCII", |c| c.is_ascii_graphic());
    }
    let (name, values) = text.split_once(':').unwrap_or((text, ""));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    if !values.is_empty() {
        check_text(
            WHAT,
            values,
            PROVIDER_ID_MAX,
            "letters, digits and .-_ behind colons",
            allowed,
        )?;
    } else if text.contains(':') {
        return Err(NameError::Shape { what: WHAT, rule: "has a value behind each colon" });
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    check_text(WHAT, name, ACCOUNT_NAME_MAX, "lower-case letters, digits and ._-", allowed)?;
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(NameError::Shape { what: WHAT, rule: "starts with a letter or digit" });
    }
    Ok(())
}

fn check_client_id(text: &str) -> Result<(), NameError> {
    check_text("client id", text, CLIENT_ID_MAX, "visible ASCII and spaces", |c| {
        c.is_ascii_graphic() || c == ' '
    })
}

fn check_account_id(text: &str) -> Result<(), NameError> {
    check_tagged("account id", text, 'a', 12)
}

fn check_request_id(text: &str) -> Result<(), NameError> {
    check_tagged("request id", text, 'r', 16)
}

fn check_tagged(what: &'static str, text: &str, tag: char, length: usize) -> Result<(), NameError> {
    let allowed = |c: char| c.is_ascii_lowercase() || ('2'..='7').contains(&c);
    check_text(what, text, length + 1, "lower-case letters and 2 to 7", allowed)?;
    if text.len() != length + 1 || !text.starts_with(tag) {
        return Err(NameError::Shape {
            what,
            rule: "is a letter and a fixed number of characters",
        });
    }
    Ok(())
}

fn check_text(
    what: &'static str,
    text: &str,
    max: usize,
    allowed: &'static str,
    is_allowed: impl Fn(char) -> bool,
) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    if text.len() > max {
        return Err(NameError::TooLong { what, max });
    }
    match text.chars().find(|c| !is_allowed(*c)) {
        Some(found) => Err(NameError::Character { what, allowed, found }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_names_are_safe_as_arguments_and_readable() {
        for good in ["parqex", "work/mail", "me@example.org", "a", "x.y_z-1+2"] {
            assert!(good.parse::<AccountName>().is_ok(), "{good}");
        }
        for bad in ["", "-x", "/x", "x/", "a//b", "a b", "ä", "x\n", &"x".repeat(65)] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad:?}");
        }
        let told = "".parse::<AccountName>().unwrap_err().to_string();
        assert_eq!(told, "an account name must not be empty");
    }

    #[test]
    fn provider_ids_are_short_names_or_issuers() {
        for good in [
            "parqex",
            "https://issuer.example/realm?x=1",
            "http://127.0.0.1:9/",
            "zendesk:acme",
            "x:Acme.example:eu",
        ] {
            assert!(good.parse::<ProviderId>().is_ok(), "{good}");
        }
        for bad in ["Parqex", "https://a b", "../etc", ".hidden", "", "x:", "x:a/b", ":a", "x:a b"]
        {
            assert!(bad.parse::<ProviderId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn random_ids_parse_as_what_they_are() {
        let account = AccountId::from_random([0xff; 8]);
        assert_eq!(account.as_str().parse::<AccountId>().unwrap(), account);
        let request = RequestId::from_random([7; 10]);
        assert_eq!(request.as_str().parse::<RequestId>().unwrap(), request);
    }
}
