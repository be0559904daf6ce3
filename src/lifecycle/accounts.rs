//! All accounts, and the directories by which they are found.
//!
//! An account has a slot, which stays the same while it exists: what goes on inside names it by that. Names are a
//! directory for those who come by the door; ids one for what comes back from the disk.

use std::collections::HashMap;

use super::account::{Account, News};
use super::clients::Clients;
use super::stirred::Stirred;
use super::timers::Timers;
use crate::model::{AccountId, AccountName, AccountSeed, Boot, ClientKey};

#[derive(Default)]
pub(super) struct Accounts {
    slots: Vec<Option<Account>>,
    /// Slots that nobody has.
    free: Vec<usize>,
    names: HashMap<AccountName, usize>,
    ids: HashMap<AccountId, usize>,
    pub(super) clients: Clients,
    /// When each next needs attention.
    timers: Timers<usize>,
    /// Those with news for the watchers.
    touched: Vec<usize>,
    /// Those that may look different from outside.
    pub(super) stirred: Stirred,
}

impl Accounts {
    pub(super) fn get(&self, slot: usize) -> Option<&Account> {
        self.slots.get(slot)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: usize) -> Option<&mut Account> {
        self.slots.get_mut(slot)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.slots.iter().flatten()
    }

    /// All slots, also such as nobody has.
    pub(super) fn slots(&self) -> std::ops::Range<usize> {
        0..self.slots.len()
    }

    /// The slot of the account that has a name.
    pub(super) fn named(&self, name: &AccountName) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The slot of the account that has an id.
    pub(super) fn with_id(&self, id: &AccountId) -> Option<usize> {
        self.ids.get(id).copied()
    }

    /// Takes an account in that is new here.
    pub(super) fn admit(&mut self, account: Account) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.names.insert(account.seed.name.clone(), slot);
        self.ids.insert(account.seed.id.clone(), slot);
        self.clients.join(&account.seed.client, slot);
        self.slots[slot] = Some(account);
        slot
    }

    /// Lets an account go.
    pub(super) fn dismiss(&mut self, slot: usize) -> Option<Account> {
        let gone = self.slots.get_mut(slot)?.take()?;
        self.timers.set(&slot, None);
        self.names.remove(&gone.seed.name);
        self.stirred.note_gone(gone.seed.name.clone());
        self.ids.remove(&gone.seed.id);
        self.clients.leave(&gone.seed.client, slot);
        self.free.push(slot);
        Some(gone)
    }

    /// Gives an account another name, and says which it had.
    pub(super) fn rename(&mut self, slot: usize, to: &AccountName) -> Option<AccountName> {
        let account = self.slots.get_mut(slot)?.as_mut()?;
        let from = std::mem::replace(&mut account.seed.name, to.clone());
        self.names.remove(&from);
        self.stirred.note_gone(from.clone());
        self.names.insert(to.clone(), slot);
        Some(from)
    }

    /// An account is signed in as `seed` has it, perhaps with another client. Its id and its name stay.
    pub(super) fn renew(&mut self, slot: usize, seed: AccountSeed) {
        let Some(account) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        if account.seed.client != seed.client {
            self.clients.leave(&account.seed.client, slot);
            self.clients.join(&seed.client, slot);
        }
        account.seed = seed;
    }

    /// The accounts of a client, by slot.
    pub(super) fn of_client(&self, client: &ClientKey) -> Vec<usize> {
        self.clients.accounts(client)
    }

    /// Sets when an account next needs attention.
    pub(super) fn wake(&mut self, slot: usize, at: Option<Boot>) {
        self.stirred.note(slot);
        self.timers.set(&slot, at);
    }

    /// When the next one needs attention.
    pub(super) fn first_wake(&self) -> Option<Boot> {
        self.timers.first()
    }

    /// Takes those that need attention by now.
    pub(super) fn ring(&mut self, now: Boot) -> Vec<usize> {
        std::iter::from_fn(|| self.timers.ring(now)).collect()
    }

    /// Notes news of an account.
    pub(super) fn touch(&mut self, slot: usize, news: News) {
        if let Some(account) = self.slots.get_mut(slot).and_then(Option::as_mut) {
            account.news = account.news.max(news);
            self.touched.push(slot);
            self.stirred.note(slot);
        }
    }

    /// Takes the news that watchers have not been told yet: of whom, and whether it has a new token.
    pub(super) fn take_news(&mut self) -> Vec<(AccountName, bool)> {
        let touched = std::mem::take(&mut self.touched);
        let news = touched.into_iter().filter_map(|slot| {
            let account = self.slots.get_mut(slot)?.as_mut()?;
            let news = std::mem::replace(&mut account.news, News::Nothing);
            let told = news > News::Nothing && !account.state.is_going();
            told.then(|| (account.seed.name.clone(), news == News::NewToken))
        });
        news.collect()
    }
}
