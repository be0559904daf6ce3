//! What the schedule needs to know about a provider.

use std::time::Duration;

/// Scheme, host and port of a token endpoint: the pace, and the pauses that a server asks for, hold for all its accounts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(pub String);

/// Where refreshes go. One origin may have many: a realm, a tenant or a customer each has its own, and one that is
/// down says nothing about the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenEndpoint {
    /// Its origin.
    pub origin: Origin,
    /// Its path and query, which tell it from the others there.
    pub path: String,
}

/// What the schedule needs to know about a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "facts about a provider, each by itself")]
pub struct Rules {
    /// Where refreshes go.
    pub endpoint: TokenEndpoint,
    /// Life of an access token when the answer does not say.
    pub default_lifetime: Option<Duration>,
    /// Whether a refresh token that was used once must not be tried again on suspicion.
    pub strict: bool,
    /// How long after a lost answer the same refresh token still works.
    pub grace: Duration,
    /// A refresh earlier than this before expiry is refused.
    pub not_before: Option<Duration>,
    /// Whether a refresh ends the access token before, so that it is best done late.
    pub refresh_late: bool,
    /// The least time between two refreshes that the provider's throttle allows.
    pub throttle: Option<Duration>,
    /// Life of a refresh token when the answer does not say.
    pub refresh_lifetime: Option<Duration>,
    /// How long a refresh token lives unused.
    pub refresh_idle: Option<Duration>,
    /// How long a login lasts, whatever is done.
    pub grant_lifetime: Option<Duration>,
    /// Whether it gives tokens that are good for a part of their login.
    pub narrows: bool,
    /// Whether it gives them in exchange for another access token.
    pub exchanges: bool,
    /// Whether scopes are compared without case.
    pub case_insensitive: bool,
}
