//! The lifecycle as seen from outside: nothing secret, nothing to change.

use super::account::{Account, Phase};
use super::machine::Lifecycle;
use crate::model::{AccountSeed, Boot, FailureClass, Lack, Mode, Scopes, Standing};

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
    /// What APIs wanted and the login lacks.
    pub wanted: &'a Lack,
    /// When it is kept fresh.
    pub mode: Mode,
    /// When the login ends, unless a refresh moves that on.
    pub ends: Option<Boot>,
    /// From when on that is so near that the user should know.
    pub warns: Option<Boot>,
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
    /// Put out of use by the user.
    Disabled,
}

/// How many accounts do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// All of them.
    pub accounts: usize,
    /// Those that wait for the user.
    pub login_required: usize,
    /// Those that wait for a mended client or definition.
    pub held: usize,
    /// Those that wait after a failure.
    pub backing_off: usize,
}

impl Lifecycle {
    /// How many accounts do what.
    #[must_use]
    pub fn count(&self) -> Count {
        let mut count = Count::default();
        for account in self.accounts.iter().flatten() {
            count.accounts += 1;
            match account.doing() {
                Doing::LoginRequired => count.login_required += 1,
                Doing::Held => count.held += 1,
                Doing::BackingOff => count.backing_off += 1,
                Doing::Ready | Doing::Refreshing | Doing::Disabled => {}
            }
        }
        count
    }
}

impl Account {
    fn doing(&self) -> Doing {
        match (&self.standing, &self.phase) {
            _ if !self.enabled => Doing::Disabled,
            (Standing::NeedsLogin { .. }, _) => Doing::LoginRequired,
            (Standing::Held { .. }, _) => Doing::Held,
            _ if self.rules.is_none() => Doing::Held,
            (_, Phase::Flying | Phase::Queued(_) | Phase::Saving(_)) => Doing::Refreshing,
            (_, Phase::Waiting(_)) if self.login.last_failure.is_some() => Doing::BackingOff,
            _ => Doing::Ready,
        }
    }

    /// The account as seen from outside.
    pub(super) fn view(&self) -> View<'_> {
        let failure = self.login.last_failure.as_ref();
        let doing = self.doing();
        let detail = match (&self.standing, doing) {
            (Standing::NeedsLogin { why } | Standing::Held { why }, _) => Some(why.clone()),
            (Standing::Good, Doing::Held) => Some(self.undefined()),
            (Standing::Good, Doing::Refreshing | Doing::BackingOff) => {
                failure.map(ToString::to_string)
            }
            (Standing::Good, Doing::Ready | Doing::LoginRequired | Doing::Disabled) => None,
        };
        let next = match self.phase {
            Phase::Waiting(until) => Some(until),
            Phase::Idle => self.due().filter(|due| *due != Boot::LONG_AGO),
            _ => None,
        };
        let life = match self.standing {
            Standing::NeedsLogin { .. } => None,
            _ => self.login.term.as_ref().zip(self.rules.as_ref()),
        };
        View {
            seed: &self.seed,
            doing,
            detail,
            scopes: self.granted_scopes(),
            expires: self.login.token.as_ref().and_then(|token| token.expires),
            sent: self.login.token.as_ref().map(|token| token.sent),
            next,
            last_failure: failure.map(|failure| failure.class),
            failures: self.login.streak.failures,
            renewable: self.login.renewable,
            wanted: &self.login.wanted,
            mode: self.mode,
            ends: life.and_then(|(term, rules)| term.end(rules)),
            warns: life.and_then(|(term, rules)| term.warns(rules)),
        }
    }
}
