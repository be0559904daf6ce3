//! Logging out: nobody waits any more, what is in the air lands first, then the account goes. If the disk
//! does not let go of it, it is back as it was.

use super::account::{Look, News};
use super::machine::Lifecycle;
use super::words::{Effect, Refusal, WaiterId};
use crate::model::AccountName;

/// How far a logout has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// It waits for the flights that touch the account.
    Landing(WaiterId),
    /// The account is being erased.
    Erasing,
}

impl Lifecycle {
    pub(super) fn logout(&mut self, name: &AccountName, waiter: WaiterId, out: &mut Vec<Effect>) {
        let Some(&place) = self.places.get(name) else {
            out.push(Effect::NoSuchAccount { waiter });
            return;
        };
        match &mut self.accounts[place] {
            Some(account) if account.leaving.is_none() => {
                account.leaving = Some(Leaving::Landing(waiter));
                let id = account.seed.id.clone();
                self.drop_questions(&id, out);
            }
            _ => {
                out.push(Effect::NoSuchAccount { waiter });
                return;
            }
        }
        self.take_waiters(place, out, |_, _| Some(Look::Refused(Refusal::LoggedOut)));
        self.cancel_open_sign_in(name, out);
        self.unqueue(place);
        self.leave_if_free(place, out);
    }

    /// Has an account erased that is to be logged out, once no flight touches it: what a flight brings
    /// in the meantime is what has to be revoked.
    pub(super) fn leave_if_free(&mut self, place: usize, out: &mut Vec<Effect>) {
        let Some(account) = &mut self.accounts[place] else { return };
        if let Some(Leaving::Landing(waiter)) = account.leaving
            && !account.is_busy()
            && account.exchange.is_none()
        {
            account.leaving = Some(Leaving::Erasing);
            let (id, name) = (account.seed.id.clone(), account.seed.name.clone());
            out.push(Effect::Erase { account: id, name, waiter });
        }
        self.rearm(place);
    }

    /// The disk has let go of an account that leaves, or has not: then it stays, for it would come back
    /// at the next start all the same, with its refresh token.
    pub(super) fn erased(&mut self, name: &AccountName, result: Result<(), ()>) {
        let Some(&place) = self.places.get(name) else { return };
        let Some(account) = &mut self.accounts[place] else { return };
        if account.leaving != Some(Leaving::Erasing) {
            return;
        }
        if result.is_err() {
            account.leaving = None;
            self.touch(place, News::Changed);
            self.rearm(place);
            return;
        }
        if let Some(wake) = account.wake.take() {
            self.timers.remove(&(wake, place));
        }
        self.policy.forget(&account.seed.id);
        self.accounts[place] = None;
        self.places.remove(name);
        self.free.push(place);
    }
}
