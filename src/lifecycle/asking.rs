//! Those who ask for a token: served, refused, or left to wait.

use super::account::{Account, News};
use super::answering::Look;
use super::machine::Lifecycle;
use super::policy::Ruling;
use super::state::{Airborne, Work};
use super::token::Cached;
use super::traffic::Urgency;
use super::words::{Ask, Effect, Refusal};
use crate::model::{Decision, Failure, FailureClass, Mode, Now, Portion};

impl Lifecycle {
    /// Whether the caller may have a token, and then which.
    pub(super) fn ask(&mut self, mut ask: Ask, now: Now, out: &mut Vec<Effect>) {
        let waiter = ask.waiter;
        let slot = self.accounts.named(&ask.account);
        let Some((slot, account)) = slot.and_then(|slot| Some((slot, self.accounts.get(slot)?)))
        else {
            out.push(Effect::Answer { waiter, result: Err(Refusal::NoSuchAccount) });
            return;
        };
        ask.portion = account.part_of(&ask);
        let who = &ask.caller.identity;
        let mut ruling = self.policy.look(account.matter(who, ask.portion.as_deref()), now.wall);
        if ruling.decision != Decision::Allow
            && let Some(narrowest) = account.narrowest(&ask)
        {
            // who may not have all of it may be allowed what they need
            let narrowed = self.policy.look(account.matter(who, Some(&narrowest)), now.wall);
            if narrowed.decision == Decision::Allow {
                ruling = narrowed;
                ask.portion = Some(narrowest);
            }
        }
        let Ruling { decision, rule } = ruling;
        if let Some(rule) = rule {
            self.policy.note_use(rule, now.wall);
        }
        match decision {
            Decision::Allow => self.serve(ask, slot, now, out),
            Decision::Ask => self.question(ask, slot, now, out),
            Decision::Deny => {
                out.push(Effect::Answer { waiter, result: Err(Refusal::Denied { rule }) });
            }
        }
    }

    /// The token that the caller may have, at once or when there is a fresh one.
    pub(super) fn serve(&mut self, mut ask: Ask, slot: usize, now: Now, out: &mut Vec<Effect>) {
        let waiter = ask.waiter;
        let Some(account) = self.accounts.get_mut(slot) else { return };
        if let Some(refusal) = account.falls_short(&ask) {
            account.login.wanted = account.login.wanted.and(&ask.wanted);
            self.accounts.touch(slot, News::Changed);
            out.push(Effect::Answer { waiter, result: Err(refusal) });
            return;
        }
        if let Some(refusal) =
            ask.portion.as_ref().and_then(|portion| account.part_refused(portion, now.boot))
        {
            out.push(Effect::Answer { waiter, result: Err(refusal) });
            return;
        }
        if ask.renew {
            ask.rejected = account.login.token().and_then(Cached::fingerprint);
        }
        let warms = account.mode == Mode::Warm && account.asked < Some(now.boot);
        account.asked = Some(now.boot);
        let exempt = account.is_busy() || account.is_pressing(now.boot);
        let endpoint = account.endpoint().filter(|_| !exempt);
        let shut_until =
            endpoint.and_then(|endpoint| self.traffic.shut_until(endpoint, slot, now.boot));
        let look = account.look(&ask, shut_until, now.boot);
        if !matches!(look, Look::Served(_)) && account.storms(&ask, now.boot) {
            out.push(Effect::Storm { account: account.seed.name.clone() });
        }
        let result = match look {
            Look::Served(hand_out) => Ok(hand_out),
            Look::Refused(refusal) => Err(refusal),
            Look::Wanted if self.draining && !account.is_busy() => {
                match account.second_best(&ask, now.boot, Refusal::Stopping) {
                    Look::Served(hand_out) => Ok(hand_out),
                    _ => Err(Refusal::Stopping),
                }
            }
            Look::Wanted if self.waiting >= self.settings.max_waiters => Err(Refusal::TooMany),
            Look::Wanted => {
                account.waiters.push(ask);
                self.waiting += 1;
                self.want_refresh(slot, Urgency::Waited, now);
                return;
            }
        };
        out.push(Effect::Answer { waiter, result });
        if warms {
            self.rearm(slot);
        }
    }

    /// Answers those whom the new token serves. The others asked for more than the provider gives:
    /// they get it all the same, marked stale, but never a token they know to be rejected. Who waits for
    /// a token for another part goes on waiting.
    pub(super) fn answer_waiters(
        &mut self,
        slot: usize,
        part: Option<&Portion>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let refusal = Refusal::Unavailable { failure: rejected_again(), retry_at: None };
        self.take_waiters(slot, out, |account, ask| match account.look(ask, None, now.boot) {
            Look::Wanted if ask.portion.as_deref() != part => None,
            Look::Wanted => Some(account.second_best(ask, now.boot, refusal.clone())),
            look => Some(look),
        });
        self.go_on(slot, now);
    }

    /// Answers those whom the token at hand serves, which no flight of theirs has brought. The others wait on.
    pub(super) fn serve_waiters(&mut self, slot: usize, now: Now, out: &mut Vec<Effect>) {
        self.take_waiters(slot, out, |account, ask| match account.look(ask, None, now.boot) {
            Look::Wanted => None,
            look => Some(look),
        });
        self.go_on(slot, now);
    }

    /// Starts what those wait for who still wait.
    pub(super) fn go_on(&mut self, slot: usize, now: Now) {
        if self.accounts.get(slot).is_some_and(|account| !account.waiters.is_empty()) {
            self.want_refresh(slot, Urgency::Waited, now);
        }
    }

    /// After a failure: who can be served with what there is, is; who can wait for the next try,
    /// waits; the others are refused.
    pub(super) fn settle_waiters(
        &mut self,
        slot: usize,
        now: Now,
        refusal: &Refusal,
        out: &mut Vec<Effect>,
    ) {
        self.take_waiters(slot, out, |account, ask| {
            match account.second_best(ask, now.boot, refusal.clone()) {
                Look::Refused(refusal) => {
                    let next = match account.state.work() {
                        Work::Waiting(at) if account.obstacle().is_none() => Some(at),
                        Work::Airborne(Airborne::Saving(_)) => Some(now.boot),
                        _ if account.is_superseded() => Some(now.boot),
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
    pub(super) fn time_out_waiters(&mut self, slot: usize, now: Now, out: &mut Vec<Effect>) {
        self.take_waiters(slot, out, |account, ask| {
            let late = ask.deadline <= now.boot;
            late.then(|| account.second_best(ask, now.boot, account.unavailable()))
        });
    }

    /// Goes through the waiters of an account: who gets a look is answered and gone.
    pub(super) fn take_waiters(
        &mut self,
        slot: usize,
        out: &mut Vec<Effect>,
        look: impl Fn(&Account, &Ask) -> Option<Look>,
    ) {
        let Some(account) = self.accounts.get_mut(slot) else { return };
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
