//! What the user changes about an account: its name, and whether it is in use at all. A change is in force
//! once it is on the disk.

use super::account::{Account, News};
use super::machine::Lifecycle;
use super::words::{Effect, Refusal, WaiterId};
use crate::model::{AccountId, AccountName, Adjustment, ChangeId, Modes, Now};

/// A change on its way to the disk.
#[derive(Debug)]
pub(super) struct Change {
    account: AccountId,
    to: Adjustment,
    waiter: WaiterId,
}

impl Lifecycle {
    /// Keeps accounts fresh ahead of time as the user has set it now.
    pub(super) fn set_modes(&mut self, modes: Modes) {
        self.modes = modes;
        for place in 0..self.accounts.len() {
            let Some(account) = &mut self.accounts[place] else { continue };
            let mode = self.modes.of(&account.seed.name);
            if std::mem::replace(&mut account.mode, mode) != mode {
                self.touch(place, News::Changed);
                self.rearm(place);
            }
        }
    }

    /// A change is wanted.
    pub(super) fn adjust(
        &mut self,
        name: &AccountName,
        to: Adjustment,
        waiter: WaiterId,
        out: &mut Vec<Effect>,
    ) {
        match self.check_adjustment(name, &to) {
            Ok(account) => {
                let id = self.next_change.take();
                let change = Change { account: account.clone(), to: to.clone(), waiter };
                self.adjustments.insert(id, change);
                out.push(Effect::Adjust { change: id, account, to });
            }
            Err(refusal) => out.push(Effect::Done { waiter, result: Err(refusal) }),
        }
    }

    fn check_adjustment(&self, name: &AccountName, to: &Adjustment) -> Result<AccountId, Refusal> {
        let account = self.places.get(name).and_then(|place| self.accounts[*place].as_ref());
        let account = account.filter(|account| account.leaving.is_none());
        let account = account.ok_or(Refusal::NoSuchAccount)?;
        if let Adjustment::Rename(new) = to {
            let wanted =
                |change: &Change| matches!(&change.to, Adjustment::Rename(it) if it == new);
            // a sign-in that is open may be about to make an account of that name
            let signs_in = self.sign_ins.iter().any(|it| it.seed.name == *new);
            let is_taken = signs_in || self.places.contains_key(new);
            if new != name && (is_taken || self.adjustments.values().any(wanted)) {
                return Err(Refusal::NameTaken);
            }
            // it has the name in its hands
            let signs_in = self.sign_ins.iter().any(|it| it.seed.id == account.seed.id);
            if signs_in || account.exchange.is_some() {
                return Err(Refusal::SigningIn);
            }
        }
        Ok(account.seed.id.clone())
    }

    /// Whether the name of an account is about to be another one, or is already: who knew the old one comes
    /// too late.
    pub(super) fn is_renamed(&self, id: &AccountId, name: &AccountName) -> bool {
        let will = |change: &Change| {
            change.account == *id && matches!(&change.to, Adjustment::Rename(new) if new != name)
        };
        let named_else = |account: &Account| account.seed.id == *id && account.seed.name != *name;
        self.adjustments.values().any(will) || self.accounts.iter().flatten().any(named_else)
    }

    /// A change is on record, or cannot be written down.
    pub(super) fn adjusted(
        &mut self,
        change: ChangeId,
        result: Result<(), String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(Change { account, to, waiter }) = self.adjustments.remove(&change) else { return };
        let result = match result {
            Err(why) => Err(Refusal::NotSaved { why }),
            Ok(()) => match self.place_with_id(&account) {
                None => Err(Refusal::NoSuchAccount),
                Some(place) => {
                    self.put_in_force(place, to, now, out);
                    Ok(())
                }
            },
        };
        out.push(Effect::Done { waiter, result });
    }

    fn put_in_force(&mut self, place: usize, to: Adjustment, now: Now, out: &mut Vec<Effect>) {
        let Some(account) = &mut self.accounts[place] else { return };
        match to {
            Adjustment::Rename(new) => {
                let old = std::mem::replace(&mut account.seed.name, new.clone());
                account.mode = self.modes.of(&new);
                self.places.remove(&old);
                self.places.insert(new.clone(), place);
                let id = account.seed.id.clone();
                for question in self.questions.iter_mut().filter(|it| it.is_about(&id)) {
                    question.rename(&new);
                }
                out.push(Effect::Renamed { old, new });
            }
            Adjustment::Enable(enabled) => {
                account.enabled = enabled;
                if !enabled {
                    self.unqueue(place);
                    self.settle_waiters(place, now, &Refusal::Disabled, out);
                }
            }
        }
        self.touch(place, News::Changed);
        self.rearm(place);
    }

    /// Where an account is.
    pub(super) fn place_with_id(&self, id: &AccountId) -> Option<usize> {
        self.ids.get(id).copied()
    }
}
