//! What the machine around us tells: what it holds up, and what it brings forward.

use super::account::{Account, News};
use super::machine::Lifecycle;
use super::state::Work;
use super::words::Effect;
use crate::model::{Boot, Failure, FailureClass, Landing, Now};

impl Lifecycle {
    /// Whether the last request got through to its provider; yes before the first.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.online
    }

    /// Notes whether a request got through.
    pub(super) fn note_reach(&mut self, landing: &Landing, out: &mut Vec<Effect>) {
        let lost = |failure: &Failure| {
            matches!(failure.class, FailureClass::NotSent | FailureClass::Captive)
        };
        let online = !matches!(landing, Landing::Failed { failure, .. } if lost(failure));
        if std::mem::replace(&mut self.online, online) != online {
            out.push(Effect::Online(online));
        }
    }

    /// Whether nothing may leave: the machine rests, or the daemon stops. The exchange of a sign-in that comes back in
    /// this moment does: its code does not keep, and all that it can lose is a sign-in that the user has just begun.
    pub(super) fn rests(&self) -> bool {
        self.machine.rests() || self.draining
    }

    /// An address or a route came up, or a portal let the user in.
    pub(super) fn network_up(&mut self, now: Now) {
        if self.machine.network_up(now.boot) {
            self.heed_hint(now);
        }
    }

    /// Another try is worth while for all whose last one failed on the way. Traffic paces them.
    pub(super) fn heed_hint(&mut self, now: Now) {
        self.traffic.reopen(now.boot);
        self.errands.hurry(now.boot);
        self.registrations.hurry(now.boot);
        for slot in self.accounts.slots() {
            let Some(account) = self.accounts.get_mut(slot) else { continue };
            if account.hurry(now.boot) {
                self.accounts.touch(slot, News::Changed);
                self.rearm(slot);
            }
        }
    }

    /// The wall clock was set: what it places on the boot clock moves, and all that is shown by it.
    /// A clock that was wrong also makes good certificates look bad, so it counts as a hint, too.
    pub(super) fn clock_set(&mut self, now: Now) {
        let boot_id = self.boot_id.clone();
        for slot in self.accounts.slots() {
            let Some(account) = self.accounts.get_mut(slot) else { continue };
            account.place_term(&boot_id, now);
            if let Some(issued) = account.login.issued().cloned() {
                account.take_token(&boot_id, issued, now);
            }
            self.accounts.touch(slot, News::Changed);
            self.rearm(slot);
        }
        self.registrations.place(now);
        // each wake sets the clock, too, and the network comes after it
        if !self.machine.rests() {
            self.network_up(now);
        }
    }
}

impl Account {
    /// Brings the next try forward, if there is one to come and the provider itself has not said why
    /// or until when it has to wait. Says whether it did.
    fn hurry(&mut self, now: Boot) -> bool {
        let Work::Waiting(until) = self.state.work() else { return false };
        let Some(failure) = &self.login.failure else { return false };
        let said = failure.class.is_verdict() || failure.retry_after.is_some();
        let at = self.next_start(now).map_or(now, |earliest| earliest.max(now));
        if said || self.obstacle().is_some() || at >= until {
            return false;
        }
        if failure.class == FailureClass::NotSent {
            // names may be known a moment later than the way is: then the short pauses serve
            self.login.streak.of_class = 0;
        }
        self.state.work_on(Work::Waiting(at));
        true
    }
}
