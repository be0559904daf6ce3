//! The lifecycle as seen from outside: nothing secret, nothing to change.

use super::account::Account;
use super::machine::Lifecycle;
use super::state::{State, Work};
use crate::model::{
    AccountId, AccountName, AccountSeed, Boot, ClientKey, FailureClass, Lack, Mode, Scopes,
};

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

impl Lifecycle {
    /// The accounts, in the order of their names: a look at all of them. [`Self::look_around`] tells of those that
    /// changed.
    #[must_use]
    pub fn views(&self) -> Vec<View<'_>> {
        let mut views: Vec<_> = self.accounts.iter().map(Account::view).collect();
        views.sort_by(|a, b| a.seed.name.cmp(&b.seed.name));
        views
    }

    /// One account.
    #[must_use]
    pub fn view(&self, name: &AccountName) -> Option<View<'_>> {
        let account = self.accounts.get(self.accounts.named(name)?)?;
        (!account.state.is_going()).then(|| account.view())
    }

    /// One account, whatever its name is by now.
    #[must_use]
    pub fn view_of(&self, id: &AccountId) -> Option<View<'_>> {
        let account = self.accounts.get(self.accounts.with_id(id)?)?;
        (!account.state.is_going()).then(|| account.view())
    }

    /// The id of an account.
    #[must_use]
    pub fn id_of(&self, name: &AccountName) -> Option<&AccountId> {
        self.accounts.get(self.accounts.named(name)?).map(|account| &account.seed.id)
    }

    /// The name of an account.
    #[must_use]
    pub fn name_of(&self, id: &AccountId) -> Option<&AccountName> {
        self.accounts.get(self.accounts.with_id(id)?).map(|account| &account.seed.name)
    }

    /// Whether a login of that client is on record that may still be good.
    #[must_use]
    pub fn has_login_of(&self, client: &ClientKey) -> bool {
        let may_be_good = |slot: usize| {
            let account = self.accounts.get(slot);
            account.is_some_and(|account| !matches!(account.state, State::NeedsLogin { .. }))
        };
        self.accounts.of_client(client).into_iter().any(may_be_good)
    }

    /// Whether an account uses that client.
    #[must_use]
    pub fn has_client(&self, client: &ClientKey) -> bool {
        self.accounts.clients.has(client)
    }
}

impl Account {
    fn doing(&self) -> Doing {
        if !self.enabled {
            return Doing::Disabled;
        }
        let work = match &self.state {
            State::NeedsLogin { .. } => return Doing::LoginRequired,
            State::Held { .. } => return Doing::Held,
            State::Good(work) => *work,
            // a login that is given back: what is under way is still shown
            State::Leaving { .. } | State::Erasing { .. } => self.state.work(),
        };
        match work {
            _ if self.rules.is_none() => Doing::Held,
            Work::Airborne(_) | Work::Queued(_) => Doing::Refreshing,
            Work::Waiting(_) if self.login.failure.is_some() => Doing::BackingOff,
            Work::Idle | Work::Waiting(_) => Doing::Ready,
        }
    }

    /// The account as seen from outside.
    pub(super) fn view(&self) -> View<'_> {
        let failure = self.login.failure.as_ref();
        let doing = self.doing();
        let detail = match (&self.state, doing) {
            (State::NeedsLogin { why } | State::Held { why, .. }, _) => Some(why.clone()),
            (_, Doing::Held) => Some(self.undefined()),
            (_, Doing::Refreshing | Doing::BackingOff) => failure.map(ToString::to_string),
            (_, Doing::Ready | Doing::LoginRequired | Doing::Disabled) => None,
        };
        let next = match self.state.work() {
            Work::Waiting(until) => Some(until),
            Work::Idle => self.due().filter(|due| *due != Boot::LONG_AGO),
            Work::Queued(_) | Work::Airborne(_) => None,
        };
        let life = match self.state {
            State::NeedsLogin { .. } => None,
            _ => self.login.refresh.as_ref().zip(self.rules.as_ref()),
        };
        View {
            seed: &self.seed,
            doing,
            detail,
            scopes: self.granted_scopes(),
            expires: self.login.token().and_then(|token| token.expires),
            sent: self.login.token().map(|token| token.sent),
            next,
            last_failure: failure.map(|failure| failure.class),
            failures: self.login.streak.failures,
            renewable: self.login.is_renewable(),
            wanted: &self.login.wanted,
            mode: self.mode,
            ends: life.and_then(|(term, rules)| term.end(rules)),
            warns: life.and_then(|(term, rules)| term.warns(rules)),
        }
    }
}
