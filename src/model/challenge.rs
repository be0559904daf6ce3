//! What an API wanted that refused a token: more scopes (RFC 6750, 3.1), or a user who has shown better or more
//! lately who they are (RFC 9470).

use serde::{Deserialize, Serialize};

use super::names::NameError;
use super::scope::Scopes;

/// The longest challenge that is read, in bytes.
const LENGTH_MAX: usize = 4096;
/// The longest list of authentication contexts, in bytes.
const CONTEXTS_MAX: usize = 1024;

/// What a login lacks. Empty if it lacks nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lack {
    /// Scopes.
    #[serde(default, skip_serializing_if = "Scopes::is_empty")]
    pub scopes: Scopes,
    /// The authentication contexts that would do, the preferred one first, with spaces between them
    /// (`acr_values`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr_values: Option<String>,
    /// How many seconds ago the user may have signed in at most (`max_age`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
}

impl Lack {
    /// Reads the value of a `WWW-Authenticate` header (RFC 9110, 11.6.1). A challenge that asks for
    /// nothing of this is empty; what is no header value is refused.
    pub fn read(challenge: &str) -> Result<Self, NameError> {
        const WHAT: &str = "challenge";
        if challenge.len() > LENGTH_MAX {
            return Err(NameError::TooLong { what: WHAT, max: LENGTH_MAX });
        }
        let printable = |c: char| c.is_ascii_graphic() || c == ' ' || c == '\t';
        if let Some(found) = challenge.chars().find(|c| !printable(*c)) {
            return Err(NameError::Character { what: WHAT, allowed: "visible ASCII", found });
        }
        let mut wanted = Self::default();
        let parameters = parameters(challenge);
        let of = |name: &str| {
            let mut found = parameters.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.as_str())
        };
        match of("error") {
            Some("insufficient_scope") => {
                wanted.scopes = of("scope").map(Scopes::parse_lenient).unwrap_or_default();
            }
            Some("insufficient_user_authentication") => {
                let contexts = of("acr_values")
                    .filter(|text| !text.trim().is_empty() && text.len() <= CONTEXTS_MAX);
                wanted.acr_values = contexts.map(str::to_owned);
                wanted.max_age = of("max_age").and_then(|text| text.parse().ok());
                // an API that only says that it was too little wants the user to sign in again
                if wanted.acr_values.is_none() && wanted.max_age.is_none() {
                    wanted.max_age = Some(0);
                }
            }
            _ => {}
        }
        Ok(wanted)
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the user has to show again who they are.
    #[must_use]
    pub fn is_step_up(&self) -> bool {
        self.acr_values.is_some() || self.max_age.is_some()
    }

    /// This and that: one login that has it all.
    #[must_use]
    pub fn and(&self, more: &Self) -> Self {
        let lower = self.max_age.into_iter().chain(more.max_age).min();
        Self {
            scopes: self.scopes.iter().chain(more.scopes.iter()).cloned().collect(),
            acr_values: more.acr_values.clone().or_else(|| self.acr_values.clone()),
            max_age: lower,
        }
    }
}

/// The parameters of all challenges in a header value: names, and values without their quotes.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('=') {
        let name = rest[..at].trim_end();
        let start = name.rfind([' ', '\t', ',']).map_or(0, |before| before + 1);
        let name = name[start..].to_owned();
        let after = rest[at + 1..].trim_start();
        let (value, end) = if let Some(quoted) = after.strip_prefix('"') {
            unquoted(quoted)
        } else {
            let end = after.find([',', ' ', '\t']).unwrap_or(after.len());
            (after[..end].to_owned(), &after[end..])
        };
        found.push((name, value));
        rest = end;
    }
    found
}

/// A quoted string (RFC 9110, 5.6.4) behind its first quote, and what follows it.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_challenge_says_what_is_wanted() {
        let scope = |text: &str| Lack::read(text).unwrap().scopes.join(" ");
        assert_eq!(
            scope(r#"Bearer realm="x", error="insufficient_scope", scope="read write""#),
            "read write"
        );
        assert_eq!(scope("DPoP error=insufficient_scope,scope=read"), "read");
        assert_eq!(scope(r#"Bearer error="invalid_token", scope="read""#), "", "that is no lack");
        // the example of RFC 9470, 3
        let text = r#"Bearer error="insufficient_user_authentication",
            error_description="A different \"level\" is required", acr_values="myACR other""#;
        let wanted = Lack::read(&text.replace('\n', " ")).unwrap();
        assert_eq!(wanted.acr_values.as_deref(), Some("myACR other"));
        assert_eq!(wanted.max_age, None);
        let aged = r#"Bearer error="insufficient_user_authentication", max_age="5""#;
        assert_eq!(Lack::read(aged).unwrap().max_age, Some(5));
        let bare = r#"Bearer error="insufficient_user_authentication""#;
        assert_eq!(Lack::read(bare).unwrap().max_age, Some(0));
        for nothing in ["", "Bearer", "Basic realm=\"a=b, error=x\"", "=", "Bearer error=\"x"] {
            assert!(Lack::read(nothing).unwrap().is_empty(), "{nothing}");
        }
        for bad in ["Bearer\nerror=x", "é", &"x".repeat(5000)] {
            assert!(Lack::read(bad).is_err());
        }
    }

    #[test]
    fn two_wishes_are_one_that_has_it_all() {
        let one = Lack { scopes: Scopes::parse_lenient("a b"), acr_values: None, max_age: Some(9) };
        let two = Lack {
            scopes: Scopes::parse_lenient("b c"),
            acr_values: Some("strong".to_owned()),
            max_age: Some(5),
        };
        let both = one.and(&two);
        assert_eq!(both.scopes.join(" "), "a b c");
        assert_eq!((both.acr_values.as_deref(), both.max_age), (Some("strong"), Some(5)));
        assert_eq!(both.and(&Lack::default()), both);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~]{0,80}", quoted in r#"[a-z =",\\]{0,40}"#) {
            let _ = Lack::read(&text);
            let _ = Lack::read(&format!("Bearer error=\"{quoted}\", {text}"));
        }
    }
}
