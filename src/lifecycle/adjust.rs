//! What the user changes about an account: its name, and whether it is in use at all. A change is in force
//! once it is on the disk.

use super::account::News;
use super::changes::AccountChange;
use super::machine::Lifecycle;
use super::words::{Effect, Refusal, WaiterId};
use crate::model::{AccountId, AccountName, Adjustment, ChangeId, Modes, Now};

impl Lifecycle {
    /// Keeps accounts fresh ahead of time as the user has set it now.
    pub(super) fn set_modes(&mut self, modes: Modes) {
        self.modes = modes;
        for slot in self.accounts.slots() {
            let Some(account) = self.accounts.get_mut(slot) else { continue };
            let mode = self.modes.of(&account.seed.name);
            if std::mem::replace(&mut account.mode, mode) != mode {
                self.accounts.touch(slot, News::Changed);
                self.rearm(slot);
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
                let ticket = self.next_change.take();
                let change = AccountChange { account: account.clone(), to: to.clone(), waiter };
                self.adjustments.begin(ticket, change);
                out.push(Effect::Adjust { change: ticket, account, to });
            }
            Err(refusal) => out.push(Effect::Done { waiter, result: Err(refusal) }),
        }
    }

    fn check_adjustment(&self, name: &AccountName, to: &Adjustment) -> Result<AccountId, Refusal> {
        let account = self.accounts.named(name).and_then(|slot| self.accounts.get(slot));
        let account = account.filter(|account| !account.state.is_leaving());
        let account = account.ok_or(Refusal::NoSuchAccount)?;
        if let Adjustment::Rename(new) = to {
            let is_wanted =
                |change: &AccountChange| matches!(&change.to, Adjustment::Rename(it) if it == new);
            // a sign-in that is open may be about to make an account of that name
            let is_taken = self.sign_ins.for_name(new) || self.accounts.named(new).is_some();
            if new != name && (is_taken || self.adjustments.iter().any(is_wanted)) {
                return Err(Refusal::NameTaken);
            }
            // it has the name in its hands
            let signs_in = self.sign_ins.for_account(&account.seed.id).is_some();
            if signs_in || !account.incoming.is_empty() {
                return Err(Refusal::SigningIn);
            }
        }
        Ok(account.seed.id.clone())
    }

    /// Whether the name of an account is about to be another one, or is already: who knew the old one comes
    /// too late. Or whether another account is about to have that name.
    pub(super) fn is_renamed(&self, id: &AccountId, name: &AccountName) -> bool {
        let will = |change: &AccountChange| match &change.to {
            Adjustment::Rename(new) => (change.account == *id) != (new == name),
            Adjustment::Enable(_) => false,
        };
        let account = self.accounts.with_id(id).and_then(|slot| self.accounts.get(slot));
        let is_named_else = account.is_some_and(|account| account.seed.name != *name);
        is_named_else || self.adjustments.iter().any(will)
    }

    /// A change is on record, or cannot be written down.
    pub(super) fn adjusted(
        &mut self,
        ticket: ChangeId,
        result: Result<(), String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(AccountChange { account, to, waiter }) = self.adjustments.end(ticket) else {
            return;
        };
        let result = match result {
            Err(why) => Err(Refusal::NotSaved { why }),
            Ok(()) => match self.accounts.with_id(&account) {
                None => Err(Refusal::NoSuchAccount),
                Some(slot) => {
                    self.put_in_force(slot, to, now, out);
                    Ok(())
                }
            },
        };
        out.push(Effect::Done { waiter, result });
    }

    fn put_in_force(&mut self, slot: usize, to: Adjustment, now: Now, out: &mut Vec<Effect>) {
        match to {
            Adjustment::Rename(new) => {
                let mode = self.modes.of(&new);
                let Some(old) = self.accounts.rename(slot, &new) else { return };
                if let Some(account) = self.accounts.get_mut(slot) {
                    account.mode = mode;
                    self.questions.rename(&account.seed.id, &new);
                }
                out.push(Effect::Renamed { old, new });
            }
            Adjustment::Enable(enabled) => {
                if let Some(account) = self.accounts.get_mut(slot) {
                    account.enabled = enabled;
                }
                if !enabled {
                    self.unqueue(slot);
                    self.settle_waiters(slot, now, &Refusal::Disabled, out);
                }
            }
        }
        self.accounts.touch(slot, News::Changed);
        self.rearm(slot);
    }
}
