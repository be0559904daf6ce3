//! Logging out: nobody waits any more, what is in the air lands first, then the account goes.

use super::account::Look;
use super::machine::Lifecycle;
use super::words::{Effect, Refusal, WaiterId};
use crate::model::AccountName;

impl Lifecycle {
    pub(super) fn logout(&mut self, name: &AccountName, waiter: WaiterId, out: &mut Vec<Effect>) {
        let Some(&place) = self.places.get(name) else {
            out.push(Effect::NoSuchAccount { waiter });
            return;
        };
        match &mut self.accounts[place] {
            Some(account) if account.leaving.is_none() => account.leaving = Some(waiter),
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
