//! A part of what a login is good for.

use super::scope::Scopes;
use super::target::Target;

/// What a token is to be good for, and nothing else: less than its login is (RFC 6749, 6; RFC 8707,
/// 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portion {
    /// The scopes; all that were granted if empty.
    pub scopes: Scopes,
    /// What it is for; all that the login is for if nothing.
    pub target: Target,
}

impl Portion {
    /// Whether a token that has these scopes is good for more than was asked for.
    #[must_use]
    pub fn is_exceeded_by(&self, scopes: &Scopes) -> bool {
        !self.scopes.is_empty() && !self.scopes.covers(scopes)
    }
}
