//! The lifecycle as seen from outside: nothing secret, nothing to change.

use super::account::{Account, Phase};
use crate::model::{AccountSeed, Boot, FailureClass, Scopes, Standing};

/// An account at a moment.
#[derive(Debug, Clone)]
pub struct View<'a> {
    /// Identity, name, client, scopes asked for.
    pub seed: &'a AccountSeed,
    /// What it is doing.
    pub doing: Doing,
    /// Why, where that needs saying.
    pub detail: Option<String>,
    /// The granted scopes.
    pub scopes: &'a Scopes,
    /// When the access token expires.
    pub expires: Option<Boot>,
    /// When it was asked for.
    pub sent: Option<Boot>,
    /// When the next refresh is due.
    pub next: Option<Boot>,
    /// The class of the last failure since the last success.
    pub last_failure: Option<FailureClass>,
    /// Failures in a row.
    pub failures: u32,
    /// Whether there is a refresh token.
    pub renewable: bool,
}

/// What an account is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Nothing for now.
    Ready,
    /// A flight is on its way or waits for its turn.
    Refreshing,
    /// Waiting after a failure that passes.
    BackingOff,
    /// Waiting for the user.
    LoginRequired,
    /// Waiting for a mended client or definition.
    Held,
}

impl Account {
    /// The account as seen from outside.
    pub(super) fn view(&self) -> View<'_> {
        let failure = self.last_failure.as_ref();
        let (doing, detail) = match (&self.standing, &self.phase) {
            (Standing::NeedsLogin { why }, _) => (Doing::LoginRequired, Some(why.clone())),
            (Standing::Held { why }, _) => (Doing::Held, Some(why.clone())),
            _ if self.rules.is_none() => (
                Doing::Held,
                Some(format!("no definition of provider {} is at hand", self.seed.client.provider)),
            ),
            (_, Phase::Flying | Phase::Queued { .. } | Phase::Saving(_)) => {
                (Doing::Refreshing, failure.map(ToString::to_string))
            }
            (_, Phase::Waiting(_)) if failure.is_some() => {
                (Doing::BackingOff, failure.map(ToString::to_string))
            }
            _ => (Doing::Ready, None),
        };
        let next = match self.phase {
            Phase::Waiting(until) => Some(until),
            Phase::Idle => self.due().filter(|due| due.0 != i64::MIN),
            _ => None,
        };
        View {
            seed: &self.seed,
            doing,
            detail,
            scopes: self.token.as_ref().map_or(&self.seed.scopes, |token| &token.issued.scopes),
            expires: self.token.as_ref().and_then(|token| token.expires),
            sent: self.token.as_ref().map(|token| token.sent),
            next,
            last_failure: failure.map(|failure| failure.class),
            failures: self.streak.failures,
            renewable: self.renewable,
        }
    }
}
