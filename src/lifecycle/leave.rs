//! Logging out: nobody waits any more, what is in the air lands first, then the account goes.

use super::machine::Lifecycle;
use super::words::{Effect, Refusal, WaiterId};
use crate::model::AccountName;

impl Lifecycle {
    pub(super) fn logout(&mut self, name: &AccountName, waiter: WaiterId, out: &mut Vec<Effect>) {
        let place = self.places.get(name).copied();
        let Some(account) = place.and_then(|place| self.accounts[place].as_mut()) else {
            out.push(Effect::NoSuchAccount { waiter });
            return;
        };
        if account.leaving.is_some() {
            out.push(Effect::NoSuchAccount { waiter });
            return;
        }
        account.leaving = Some(waiter);
        for waiter in account.waiters.drain(..) {
            self.waiting -= 1;
            let result = Err(Refusal::LoggedOut);
            out.push(Effect::Answer { waiter: waiter.ask.waiter, result });
        }
        self.cancel_open_sign_in(name, out);
        if let Some(place) = place {
            self.unqueue(place);
            self.leave_if_free(place, out);
        }
    }

    /// Removes an account that is to be logged out once no flight touches it: what a flight brings
    /// in the meantime is what has to be revoked.
    pub(super) fn leave_if_free(&mut self, place: usize, out: &mut Vec<Effect>) {
        let Some(account) = &mut self.accounts[place] else { return };
        let Some(waiter) = account.leaving else { return };
        if account.is_busy() || account.exchange.is_some() {
            self.rearm(place);
            return;
        }
        if let Some(wake) = account.wake.take() {
            self.timers.remove(&(wake, place));
        }
        if let Some(account) = self.accounts[place].take() {
            self.places.remove(&account.seed.name);
            self.free.push(place);
            let (id, name) = (account.seed.id, account.seed.name);
            out.push(Effect::Erase { account: id, name, waiter });
        }
    }
}
