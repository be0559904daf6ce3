//! What the provider saw.

use std::time::Duration;

use super::fault::Fault;

/// Everything the provider saw, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    /// The requests at the token endpoint.
    pub(crate) requests: Vec<TokenRequest>,
    /// How often a refresh token came that had been replaced, a code or an assertion that was used: each is a dead
    /// family.
    pub(crate) reuses: usize,
    /// How many token requests were in progress at once, at most.
    pub(crate) most_in_flight: usize,
    /// How many are in progress.
    pub(crate) in_flight: usize,
    /// Visits of the authorization endpoint.
    pub(crate) authorizations: usize,
    /// Requests at the address that [`Fault::Redirect307`] points to: none should ever come.
    pub(crate) trapped: usize,
    /// Revocation requests.
    pub(crate) revocations: usize,
    /// Revocations that were refused on order.
    pub(crate) revocations_refused: usize,
    /// Requests of the protected resource with a good token.
    pub(crate) admitted: usize,
    /// Requests of the protected resource without one.
    pub(crate) turned_away: usize,
}

/// One request at the token endpoint.
#[derive(Debug, Clone)]
pub(crate) struct TokenRequest {
    /// When it came, after the provider's start.
    pub(crate) at: Duration,
    /// On which connection, counted from 1.
    pub(crate) connection: u64,
    /// What it asked for.
    pub(crate) grant: Grant,
    /// The SHA-256 of the refresh token in it.
    pub(crate) refresh: Option<String>,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// What went wrong on order.
    pub(crate) fault: Option<Fault>,
}

/// The grant type of a token request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Grant {
    /// `authorization_code`.
    Code,
    /// `refresh_token`.
    Refresh,
    /// `urn:ietf:params:oauth:grant-type:jwt-bearer`.
    Assertion,
    /// Another one, or none.
    Other(String),
}

/// What became of a token request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing yet.
    Pending,
    /// A fault swallowed it.
    Swallowed,
    /// Tokens were issued, whether or not the answer arrived.
    Granted,
    /// An OAuth error was answered.
    Refused(&'static str),
}

impl Log {
    /// The requests that wanted a refresh, swallowed or not.
    pub(crate) fn refreshes(&self) -> impl Iterator<Item = &TokenRequest> {
        self.requests.iter().filter(|request| request.grant == Grant::Refresh)
    }

    /// The requests that issued tokens.
    pub(crate) fn granted(&self) -> usize {
        self.requests.iter().filter(|request| request.outcome == Outcome::Granted).count()
    }

    /// The refreshes that issued tokens.
    pub(crate) fn granted_refreshes(&self) -> usize {
        self.refreshes().filter(|request| request.outcome == Outcome::Granted).count()
    }
}

impl From<&str> for Grant {
    fn from(text: &str) -> Self {
        match text {
            "authorization_code" => Self::Code,
            "refresh_token" => Self::Refresh,
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => Self::Assertion,
            other => Self::Other(other.to_owned()),
        }
    }
}
