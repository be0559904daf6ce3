//! Those who wait for a token: served, refused, or left to wait on.

use super::account::{Account, Look, Phase};
use super::machine::Lifecycle;
use super::words::{Ask, Effect, Refusal};
use crate::model::{Failure, FailureClass, Now};

impl Lifecycle {
    /// Answers those whom the new token serves. The others asked for more than the provider gives:
    /// they get it all the same, marked stale, but never a token they know to be rejected.
    pub(super) fn answer_waiters(&mut self, place: usize, now: Now, out: &mut Vec<Effect>) {
        let refusal = Refusal::Unavailable { failure: rejected_again(), retry_at: None };
        self.take_waiters(place, out, |account, ask| match account.look(ask, None, now.boot) {
            Look::Wanted => Some(account.second_best(ask, now.boot, refusal.clone())),
            look => Some(look),
        });
    }

    /// After a failure: who can be served with what there is, is; who can wait for the next try,
    /// waits; the others are refused.
    pub(super) fn settle_waiters(
        &mut self,
        place: usize,
        now: Now,
        refusal: &Refusal,
        out: &mut Vec<Effect>,
    ) {
        self.take_waiters(place, out, |account, ask| {
            match account.second_best(ask, now.boot, refusal.clone()) {
                Look::Refused(refusal) => {
                    let next = match account.phase {
                        Phase::Waiting(at) if account.obstacle().is_none() => Some(at),
                        Phase::Saving(_) => Some(now.boot),
                        _ => None,
                    };
                    let patient = next.is_some_and(|next| next < ask.deadline);
                    (!patient).then_some(Look::Refused(refusal))
                }
                served => Some(served),
            }
        });
    }

    /// Those whose patience is over.
    pub(super) fn time_out_waiters(&mut self, place: usize, now: Now, out: &mut Vec<Effect>) {
        self.take_waiters(place, out, |account, ask| {
            let late = ask.deadline <= now.boot;
            late.then(|| account.second_best(ask, now.boot, account.unavailable()))
        });
    }

    /// Goes through the waiters of an account: who gets a look is answered and gone.
    pub(super) fn take_waiters(
        &mut self,
        place: usize,
        out: &mut Vec<Effect>,
        look: impl Fn(&Account, &Ask) -> Option<Look>,
    ) {
        let Some(account) = &mut self.accounts[place] else { return };
        let mut waiters = std::mem::take(&mut account.waiters);
        waiters.retain(|ask| {
            let result = match look(account, ask) {
                None => return true,
                Some(Look::Served(hand_out)) => Ok(hand_out),
                Some(Look::Refused(refusal)) => Err(refusal),
                Some(Look::Wanted) => Err(Refusal::TimedOut),
            };
            self.waiting -= 1;
            out.push(Effect::Answer { waiter: ask.waiter, result });
            false
        });
        account.waiters = waiters;
    }
}

fn rejected_again() -> Failure {
    Failure::new(FailureClass::Transient, "the provider gave the rejected token again")
}
