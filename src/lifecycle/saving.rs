//! A grant on its way to the disk, again and again if need be, and from there into force.

use std::sync::Arc;
use std::time::Duration;

use super::account::{Account, Login, News, Pending, Phase};
use super::machine::{Flight, Lifecycle, Task};
use super::retry::{self, Streak};
use super::term::Term;
use super::traffic::Speed;
use super::words::{Effect, Refusal, SignInEnd, Unsaved};
use crate::model::{
    AccountSeed, Failure, FailureClass, FlightId, Generation, GrantChange, Granted, Issued, Now,
    RefreshToken, Stamp, Standing,
};

impl Lifecycle {
    /// Sends what a flight brought to the disk.
    pub(super) fn save(
        &mut self,
        flight: FlightId,
        seed: &AccountSeed,
        generation: Generation,
        sent: &Stamp,
        brought: Brought,
        out: &mut Vec<Effect>,
    ) {
        let (failure, issued, refresh, refresh_lifetime) = match brought {
            Ok(granted) => {
                let issued = Arc::new(Issued {
                    access: Arc::new(granted.access),
                    token_type: granted.token_type,
                    scopes: granted.scopes.unwrap_or_else(|| seed.scopes.clone()),
                    sent: sent.clone(),
                    lifetime: granted.lifetime,
                    generation,
                    values: seed.values.with(&granted.values),
                });
                (None, Some(issued), granted.refresh, granted.refresh_lifetime)
            }
            Err((failure, refresh)) => (Some(failure), None, Some(refresh), None),
        };
        let Some(entry) = self.flights.get_mut(&flight) else { return };
        let (portion, by_exchange) = (entry.portion().cloned(), entry.is_exchange());
        // what is on record is good for the whole login
        let stored = issued.clone().filter(|_| portion.is_none());
        entry.pending = Some(Pending {
            generation,
            sent: sent.clone(),
            refresh_lifetime,
            issued,
            brings_refresh: refresh.is_some(),
            portion,
            by_exchange,
            failure,
            held: None,
            tries: 0,
        });
        let account = seed.id.clone();
        let change =
            GrantChange { flight, account, generation, refresh, issued: stored, refresh_lifetime };
        out.push(Effect::Save(Box::new(change)));
    }

    /// A grant is durable: now it is in force, and everybody may see it.
    pub(super) fn saved(
        &mut self,
        id: FlightId,
        result: Result<(), Unsaved>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(Flight { task, pending: Some(pending), .. }) = self.flights.get_mut(&id) else {
            return;
        };
        if let Err(Unsaved { why, lasting: true, .. }) = result {
            self.give_up_saving(id, why, now, out);
            return;
        }
        if let Err(Unsaved { change, why, .. }) = result {
            // Nothing is lost while it is in memory; nothing is answered while it is not on disk.
            pending.tries += 1;
            pending.held = Some((change, now.boot + retry::disk_pause(pending.tries)));
            match task {
                Task::Refresh { place, .. } => {
                    let place = *place;
                    if let Some(account) = &mut self.accounts[place] {
                        account.login.last_failure = Some(disk_failure(&why));
                    }
                    self.touch(place, News::Changed);
                    let refusal = Refusal::NotSaved { why: UNSAVED.into() };
                    self.settle_waiters(place, now, &refusal, out);
                    self.rearm(place);
                }
                Task::Exchange { .. } => self.unsaved_exchanges += 1,
            }
            return;
        }
        let Some(Flight { task, pending: Some(pending), .. }) = self.flights.remove(&id) else {
            return;
        };
        match task {
            Task::Refresh { place, .. } => {
                self.bring_into_force(id, place, pending, now, out);
            }
            Task::Exchange { request, seed, rules } => {
                let place = self
                    .place_of(&seed)
                    .unwrap_or_else(|| self.admit(Account::new(seed.clone(), None)));
                self.unqueue(place);
                self.forget_failures(place);
                if let Some(account) = &mut self.accounts[place] {
                    account.rules = Some(*rules);
                    account.seed = seed.clone();
                    account.latest = account.latest.max(pending.generation);
                    account.login = Login::after(&account.login);
                    account.exchange = None;
                    if !account.is_busy() {
                        account.phase = Phase::Idle;
                    }
                }
                self.bring_into_force(id, place, pending, now, out);
                self.retry_client(&seed.client, place, now);
                self.supersede_errands(&seed, now, out);
                self.finish_sign_in(&request, Ok(seed.id), out);
            }
        }
    }

    /// The disk will never take this grant. Its raw answer stays on record.
    fn give_up_saving(&mut self, id: FlightId, why: String, now: Now, out: &mut Vec<Effect>) {
        let Some(Flight { task, .. }) = self.flights.remove(&id) else { return };
        match task {
            Task::Exchange { request, seed, .. } => {
                // the login before is in force again, and may be renewed
                if let Some(account) =
                    self.place_of(&seed).and_then(|place| self.accounts[place].as_mut())
                {
                    account.latest = account.login.generation;
                }
                self.exchange_over(&seed, out);
                self.finish_sign_in(&request, Err(SignInEnd::NotSaved { why }), out);
            }
            Task::Refresh { place, .. } => {
                if let Some(account) = &mut self.accounts[place] {
                    account.latest = account.login.generation;
                    account.login.last_failure = Some(disk_failure(&why));
                    account.phase = Phase::Waiting(now.boot + retry::disk_pause(u32::MAX));
                }
                self.touch(place, News::Changed);
                self.settle_waiters(place, now, &Refusal::NotSaved { why }, out);
                self.leave_if_free(place, out);
                self.rearm(place);
            }
        }
    }

    fn bring_into_force(
        &mut self,
        id: FlightId,
        place: usize,
        pending: Pending,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Pending { generation, sent, refresh_lifetime, issued, brings_refresh, .. } = pending;
        let Pending { portion, by_exchange, failure, .. } = pending;
        if !by_exchange {
            self.renew_term(place, brings_refresh, sent, refresh_lifetime, now);
        }
        let Some(account) = &mut self.accounts[place] else { return };
        let works_again = matches!(account.standing, Standing::Held { .. });
        account.login.generation = generation;
        account.login.renewable |= brings_refresh;
        account.login.unresolved = None;
        account.login.unsettled = false;
        account.standing = Standing::Good;
        let rescues = account.login.streak.of_class.saturating_add(1);
        account.login.streak = Streak::default();
        account.login.last_failure = None;
        account.login.speed = Speed::Quick;
        if matches!(account.phase, Phase::Saving(saving) if saving == id) {
            account.phase = Phase::Idle;
        }
        if let Some(failure) = failure {
            // the new refresh token is safe; the rest of the answer was of no use
            account.login.streak.failures = rescues;
            account.login.streak.of_class = rescues;
            let pause = retry::disk_pause(rescues);
            if !account.is_busy() {
                account.phase = Phase::Waiting(now.boot + pause);
            }
            account.login.last_failure = Some(failure);
            let refusal = account.unavailable();
            self.touch(place, News::Changed);
            self.settle_waiters(place, now, &refusal, out);
        } else if let (Some(issued), Some(portion)) = (&issued, &portion) {
            self.bring_part_into_force(place, portion, issued, by_exchange, now, out);
        } else if let Some(issued) = issued {
            account.seed.values = issued.values.clone();
            self.take_token(place, issued, now);
            self.touch(place, News::NewToken);
            self.answer_waiters(place, None, now, out);
        }
        if works_again && let Some(account) = &self.accounts[place] {
            let client = account.seed.client.clone();
            self.retry_client(&client, place, now);
        }
        self.leave_if_free(place, out);
        self.rearm(place);
    }

    /// A grant begins the life of a new refresh token, or was a use of the one in force.
    fn renew_term(
        &mut self,
        place: usize,
        brings_refresh: bool,
        sent: Stamp,
        lifetime: Option<Duration>,
        now: Now,
    ) {
        let Some(account) = &mut self.accounts[place] else { return };
        let term = match (account.login.term.take(), brings_refresh) {
            (before, true) => {
                let signed_in = before.map_or(Some(sent.at.wall), |term| term.signed_in());
                Term::new(sent.clone(), lifetime, sent, signed_in)
            }
            (Some(mut term), false) => {
                term.renew(sent, lifetime);
                term
            }
            (None, false) => return,
        };
        self.take_term(place, term, now);
    }

    /// Sends a grant to the disk once more.
    pub(super) fn save_again(&mut self, flight: FlightId, now: Now, out: &mut Vec<Effect>) {
        let Some(Flight { task, pending: Some(pending), .. }) = self.flights.get_mut(&flight)
        else {
            return;
        };
        let Some((change, _)) = pending.held.take_if(|(_, at)| *at <= now.boot) else { return };
        match task.clone() {
            Task::Exchange { .. } => self.unsaved_exchanges -= 1,
            Task::Refresh { place, .. } => {
                // a login that was saved meanwhile has replaced this grant
                let behind = |account: &Account| account.login.generation > change.generation;
                if self.accounts[place].as_ref().is_some_and(behind) {
                    self.refresh_over(flight, place, now, out);
                    return;
                }
            }
        }
        out.push(Effect::Save(change));
    }
}

/// What a landing brought, if it is anything to save: a grant, or the refresh token alone of an odd
/// answer with what was wrong with it.
pub(super) type Brought = Result<Granted, (Failure, RefreshToken)>;

const UNSAVED: &str = "the provider gave a new token, but it cannot be written down";

pub(super) fn disk_failure(why: &str) -> Failure {
    Failure::new(FailureClass::NotSent, format!("nothing can be written down: {why}"))
}
