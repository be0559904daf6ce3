//! How a flight ended: what the token endpoint gave, or why it gave nothing.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::scope::Scopes;
use super::secret::{AccessToken, IdToken, RefreshToken};
use super::values::Values;

/// What came back from a token endpoint, whole and uninterpreted: it is made durable, sealed, before
/// anybody tries to understand it (oauth.md, TR-7). The body may hold tokens.
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`, if there was one.
    pub content_type: Option<String>,
    /// `Retry-After`, as the provider wrote it.
    pub retry_after: Option<String>,
    /// `Date`, as the provider wrote it.
    pub date: Option<String>,
    /// `WWW-Authenticate`, if there was one.
    pub www_authenticate: Option<String>,
    /// The body, capped by the reader.
    pub body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for RawAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawAnswer")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The end of a flight, read from the provider's answer or from the lack of one.
#[derive(Debug)]
pub enum Landing {
    /// The endpoint issued tokens.
    Granted(Granted),
    /// It did not, or not so that it can be used.
    Failed {
        /// Why.
        failure: Failure,
        /// A new refresh token that the odd answer held all the same: it is the current one now and
        /// must be kept whatever else is wrong with the answer (oauth.md, fault F7).
        rescued: Option<RefreshToken>,
    },
}

/// A token response (RFC 6749, 5.1), read tolerantly.
#[derive(Debug)]
pub struct Granted {
    /// The access token.
    pub access: AccessToken,
    /// What kind it is.
    pub token_type: TokenType,
    /// Its life from the moment the request was sent; `None` if the answer does not say.
    pub lifetime: Option<Duration>,
    /// The granted scopes; `None` means as asked (RFC 6749, 5.1).
    pub scopes: Option<Scopes>,
    /// The refresh token to use from now on; `None` if the one sent stays in force.
    pub refresh: Option<RefreshToken>,
    /// Life of the refresh token, where the provider says it.
    pub refresh_lifetime: Option<Duration>,
    /// What else is kept of it.
    pub values: Values,
    /// Who has signed in, in the provider's words (OpenID Connect Core, 2): not yet checked.
    pub id_token: Option<IdToken>,
}

/// How an access token is to be presented (RFC 6749, 7.1). Comparison ignores case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum TokenType {
    /// RFC 6750.
    Bearer,
    /// Anything else, as the provider wrote it, at most 64 visible characters.
    Other(String),
}

impl TokenType {
    /// Reads a `token_type`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("bearer") {
            return Self::Bearer;
        }
        Self::Other(text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(64).collect())
    }

    /// The name, in its usual spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Bearer => "Bearer",
            Self::Other(text) => text,
        }
    }
}

impl From<TokenType> for String {
    fn from(token_type: TokenType) -> String {
        token_type.as_str().to_owned()
    }
}

impl From<String> for TokenType {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

/// Why a flight failed, as data: the schedule decides by it, faults and logs show it. Nothing in it
/// is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What to do about it.
    pub class: FailureClass,
    /// The OAuth error code (RFC 6749, 5.2), if the answer had one.
    pub code: Option<String>,
    /// Words for people: the provider's `error_description` without control characters, or what the
    /// transport said. At most 300 characters, no URL with a query.
    pub detail: String,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// How long the provider asks to be left alone (`Retry-After`), capped by the reader.
    pub retry_after: Option<Duration>,
    /// Of whom it speaks.
    pub about: About,
}

/// Of whom a failure speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum About {
    /// Of the account or its client, in an OAuth error's form: the provider is there, and may serve others.
    Account,
    /// Of nobody: no answer, a server in trouble, a page of somebody else.
    #[default]
    Nobody,
}

/// What a failure means for the grant and for the next try (oauth.md, "Retry plan per class").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureClass {
    /// The request never left: name not found, connection refused, TLS not set up.
    NotSent,
    /// The request may have arrived; no answer came. The refresh token may be spent.
    Ambiguous,
    /// The provider is in trouble or asks for patience; so is every answer not understood.
    Transient,
    /// Somebody else answered: a captive portal, a proxy.
    Captive,
    /// The provider rejects the client, not the grant (`invalid_client`).
    ClientBroken,
    /// The provider rejects the form of the request (`invalid_scope`, `invalid_request`, ...).
    RequestBroken,
    /// The provider says that the grant is over (`invalid_grant`).
    DeadGrant,
}

impl FailureClass {
    /// Whether the provider itself has spoken about the grant, its client or the request: no trouble that passes.
    #[must_use]
    pub fn is_verdict(self) -> bool {
        match self {
            Self::ClientBroken | Self::RequestBroken | Self::DeadGrant => true,
            Self::NotSent | Self::Ambiguous | Self::Transient | Self::Captive => false,
        }
    }

    /// The name used in logs, in the database and on the faces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not-sent",
            Self::Ambiguous => "ambiguous",
            Self::Transient => "transient",
            Self::Captive => "captive",
            Self::ClientBroken => "client-broken",
            Self::RequestBroken => "request-broken",
            Self::DeadGrant => "dead-grant",
        }
    }
}

impl Failure {
    /// Adds words for people.
    pub fn add(&mut self, words: &str) {
        if !self.detail.is_empty() {
            self.detail.push_str("; ");
        }
        self.detail.push_str(words);
    }

    /// A failure that no answer told of.
    #[must_use]
    pub fn new(class: FailureClass, detail: impl Into<String>) -> Self {
        Self {
            class,
            code: None,
            detail: detail.into(),
            status: None,
            retry_after: None,
            about: About::Nobody,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, self.status) {
            (Some(code), _) if self.detail.is_empty() => write!(f, "{code}"),
            (Some(code), _) => write!(f, "{code}: {}", self.detail),
            (None, Some(status)) if self.detail.is_empty() => write!(f, "HTTP status {status}"),
            (None, Some(status)) => write!(f, "HTTP status {status}: {}", self.detail),
            (None, None) => f.write_str(&self.detail),
        }
    }
}
