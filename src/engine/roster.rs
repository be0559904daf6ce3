//! What is shown of the accounts: kept beside them, an account at a time, so that a list costs the engine a copy
//! of one pointer, however many there are. Whoever asked turns it into words ([`Accounts`]).

use std::sync::Arc;

use super::shown;
use crate::api::{Accounts, ByName, Listed, State};
use crate::lifecycle::{Lifecycle, Outlook, View};
use crate::model::{AccountName, Now};

/// How many accounts are looked at before others have their turn.
pub(super) const STRIDE: usize = 256;

/// What is shown of the accounts, by name, and how many of them do what.
#[derive(Default)]
pub(super) struct Roster {
    by_name: ByName,
    count: Count,
}

/// How many accounts do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Count {
    /// All of them.
    pub(super) accounts: usize,
    /// Those that wait for the user.
    pub(super) login_required: usize,
    /// Those that wait for a mended client or definition.
    pub(super) held: usize,
    /// Those that wait after a failure.
    pub(super) backing_off: usize,
}

impl Count {
    /// The number that an account in that state is counted in, beside that of all of them.
    fn of(&mut self, state: State) -> Option<&mut usize> {
        match state {
            State::LoginRequired => Some(&mut self.login_required),
            State::Held => Some(&mut self.held),
            State::BackingOff => Some(&mut self.backing_off),
            State::SignedOut
            | State::SigningIn
            | State::Ready
            | State::Refreshing
            | State::Disabled => None,
        }
    }

    fn add(&mut self, state: State) {
        self.accounts += 1;
        if let Some(count) = self.of(state) {
            *count += 1;
        }
    }

    fn take(&mut self, state: State) {
        self.accounts -= 1;
        if let Some(count) = self.of(state) {
            *count -= 1;
        }
    }
}

impl Roster {
    /// Takes over what changed since this was done last.
    pub(super) fn follow(&mut self, lifecycle: &mut Lifecycle) {
        lifecycle.look_around(|outlook| match outlook {
            Outlook::Here(view) => self.put(&view),
            Outlook::Gone(name) => self.remove(&name),
        });
    }

    fn put(&mut self, view: &View<'_>) {
        let listed = shown::listed(view);
        let name = &listed.timeless().name;
        let known = self.by_name.get(name);
        if known.is_some_and(|known| **known == listed) {
            return;
        }
        if let Some(known) = known {
            self.count.take(known.timeless().state);
        }
        self.count.add(listed.timeless().state);
        self.by_name.insert_mut(name.clone(), Arc::new(listed));
    }

    fn remove(&mut self, name: &AccountName) {
        if let Some(known) = self.by_name.get(name) {
            self.count.take(known.timeless().state);
            self.by_name.remove_mut(name);
        }
    }

    /// The accounts as they are now.
    pub(super) fn accounts(&self, now: Now) -> Accounts {
        Accounts::new(self.by_name.clone(), now)
    }

    /// The accounts as they are now, and more, where those have no account of their name yet.
    pub(super) fn accounts_and(&self, more: impl Iterator<Item = Listed>, now: Now) -> Accounts {
        let mut by_name = self.by_name.clone();
        for listed in more {
            let name = listed.timeless().name.clone();
            if !by_name.contains_key(&name) {
                by_name.insert_mut(name, Arc::new(listed));
            }
        }
        Accounts::new(by_name, now)
    }

    pub(super) fn count(&self) -> Count {
        self.count
    }
}

#[cfg(test)]
impl Roster {
    /// What is kept of the accounts is what a look at all of them says.
    pub(super) fn check(&self, lifecycle: &Lifecycle, now: Now) {
        let mut count = Count::default();
        let views = lifecycle.views();
        for view in &views {
            count.add(shown::listed(view).timeless().state);
        }
        assert_eq!(self.count(), count, "the numbers drifted");
        let shown: Vec<_> = views.iter().map(|view| shown::account(view, now)).collect();
        let listed: Vec<_> = self.accounts(now).iter().collect();
        assert_eq!(listed, shown, "the list drifted");
    }
}
