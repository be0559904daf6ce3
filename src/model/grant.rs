//! What brings an account its tokens (RFC 6749, 1.3).

use std::fmt;
use std::str::FromStr;

/// The longest subject, in bytes.
const SUBJECT_MAX: usize = 320;

/// The grant of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum GrantType {
    /// The user's consent, in a browser on this machine or on another device. Renewed by a refresh
    /// token, where there is one.
    #[default]
    Code,
    /// The client's own credentials (RFC 6749, 4.4): asked for again when its token is over.
    ClientCredentials,
    /// An assertion signed with the client's key (RFC 7523): signed anew when its token is over.
    JwtBearer {
        /// For whom, if not for the client itself.
        subject: Option<String>,
    },
}

impl GrantType {
    /// Whether the client can have new tokens without a refresh token.
    #[must_use]
    pub fn renews_itself(&self) -> bool {
        match self {
            Self::Code => false,
            Self::ClientCredentials | Self::JwtBearer { .. } => true,
        }
    }
}

impl fmt::Display for GrantType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code => f.write_str("code"),
            Self::ClientCredentials => f.write_str("client-credentials"),
            Self::JwtBearer { subject: None } => f.write_str("jwt-bearer"),
            Self::JwtBearer { subject: Some(subject) } => write!(f, "jwt-bearer {subject}"),
        }
    }
}

/// Why a text names no grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantTypeError {
    /// Nothing that is known.
    #[error("a grant is code, client-credentials or jwt-bearer")]
    Unknown,
    /// The subject is no subject.
    #[error("a subject is at most {SUBJECT_MAX} bytes of visible ASCII")]
    Subject,
}

impl FromStr for GrantType {
    type Err = GrantTypeError;

    fn from_str(text: &str) -> Result<Self, GrantTypeError> {
        match text.split_once(' ') {
            None if text == "code" => Ok(Self::Code),
            None if text == "client-credentials" => Ok(Self::ClientCredentials),
            None if text == "jwt-bearer" => Ok(Self::JwtBearer { subject: None }),
            Some(("jwt-bearer", subject)) => Self::jwt_bearer(Some(subject.to_owned())),
            _ => Err(GrantTypeError::Unknown),
        }
    }
}

impl GrantType {
    /// An assertion for somebody, or for the client itself.
    pub fn jwt_bearer(subject: Option<String>) -> Result<Self, GrantTypeError> {
        let fits = |text: &String| {
            (1..=SUBJECT_MAX).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic())
        };
        if subject.as_ref().is_some_and(|subject| !fits(subject)) {
            return Err(GrantTypeError::Subject);
        }
        Ok(Self::JwtBearer { subject })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_survives_being_written_down() {
        let subject = Some("me@x.example".to_owned());
        for grant in [
            GrantType::Code,
            GrantType::ClientCredentials,
            GrantType::JwtBearer { subject: None },
            GrantType::JwtBearer { subject },
        ] {
            assert_eq!(grant.to_string().parse::<GrantType>().unwrap(), grant);
        }
        for bad in ["", "password", "jwt-bearer a b", "jwt-bearer ", "code x"] {
            assert!(bad.parse::<GrantType>().is_err(), "{bad}");
        }
    }
}
