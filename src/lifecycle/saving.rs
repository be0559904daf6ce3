//! A grant on its way to the disk, again and again if need be, and from there into force.

use std::sync::Arc;
use std::time::Duration;

use super::account::{Account, News};
use super::flight::{Brought, Exchange, Flight, Refresh, Saving, Stage, Task, What};
use super::login::{Fate, Login};
use super::machine::Lifecycle;
use super::retry::{self, Streak};
use super::state::{Airborne, Work};
use super::term::Term;
use super::traffic::Speed;
use super::words::{Effect, Refusal, SignInEnd, Unsaved};
use crate::model::{
    AccountSeed, Boot, Failure, FlightId, Generation, GrantChange, Granted, Issued, Kept, Now,
    RefreshToken, Stamp, Standing,
};

/// What a landing brought, if it is anything to save: a grant, or the refresh token alone of an odd
/// answer with what was wrong with it.
pub(super) type Arrived = Result<Granted, (Failure, RefreshToken)>;

/// From how many answers in a row on, of which only a refresh token was of use, another login is offered. It errs towards
/// late: a provider in trouble for a quarter of an hour would be no reason for one.
const RESCUES_MANY: u32 = 10;

const UNSAVED: &str = "the provider gave a new token, but it cannot be written down";

impl Lifecycle {
    /// Sends what a refresh brought to the disk.
    pub(super) fn save_refresh(
        &mut self,
        id: FlightId,
        slot: usize,
        seed: &AccountSeed,
        sent: &Stamp,
        arrived: Arrived,
        out: &mut Vec<Effect>,
    ) {
        self.work_on(slot, Work::Airborne(Airborne::Saving(id)));
        self.save(id, seed, sent, arrived, out);
    }

    /// Sends what a sign-in brought to the disk. Nothing is asked of the login before any more: it is as good as over.
    pub(super) fn save_login(
        &mut self,
        id: FlightId,
        seed: &AccountSeed,
        sent: &Stamp,
        arrived: Arrived,
        out: &mut Vec<Effect>,
    ) {
        if let Some(slot) = self.accounts.with_id(&seed.id) {
            self.unqueue(slot);
            if let Some(account) = self.accounts.get_mut(slot) {
                account.incoming.save(id);
            }
            self.rearm(slot);
        }
        self.save(id, seed, sent, arrived, out);
    }

    fn save(
        &mut self,
        id: FlightId,
        seed: &AccountSeed,
        sent: &Stamp,
        arrived: Arrived,
        out: &mut Vec<Effect>,
    ) {
        let (brought, refresh, refresh_lifetime) = match arrived {
            Ok(granted) => {
                let issued = Arc::new(Issued {
                    access: granted.access.into(),
                    token_type: granted.token_type,
                    scopes: granted.scopes.unwrap_or_else(|| seed.scopes.clone()),
                    sent: sent.clone(),
                    lifetime: granted.lifetime,
                    values: seed.values.with(&granted.values),
                });
                (Brought::Token(issued), granted.refresh, granted.refresh_lifetime)
            }
            Err((failure, refresh)) => (Brought::Nothing(failure), Some(refresh), None),
        };
        let Some(flight) = self.flights.get_mut(&id) else { return };
        // what is on record is good for the whole login
        let is_part =
            matches!(&flight.task, Task::Refresh(refresh) if refresh.what.portion().is_some());
        let issued = match &brought {
            Brought::Token(issued) if !is_part => Some(Arc::clone(issued)),
            Brought::Token(_) | Brought::Nothing(_) => None,
        };
        flight.stage = Stage::Saving(Saving {
            sent: sent.clone(),
            brought,
            brings_refresh: refresh.is_some(),
            refresh_lifetime,
            again: None,
            failures: 0,
        });
        let account = seed.id.clone();
        let change = GrantChange { flight: id, account, refresh, issued, refresh_lifetime };
        out.push(Effect::Save(Box::new(change)));
    }

    /// A grant is durable, or is not.
    pub(super) fn saved(
        &mut self,
        id: FlightId,
        result: Result<Kept, Unsaved>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(Flight { task, stage: Stage::Saving(saving) }) = self.flights.get_mut(&id) else {
            return;
        };
        let kept = match result {
            Ok(kept) => kept,
            Err(unsaved) => {
                saving.failures = saving.failures.saturating_add(1);
                let (task, failures) = (task.clone(), saving.failures);
                return self.not_saved(id, &task, failures, unsaved, now, out);
            }
        };
        let Some(Flight { task, stage: Stage::Saving(saving) }) = self.flights.remove(&id) else {
            return;
        };
        match (task, kept) {
            (Task::Refresh(refresh), Kept::InForce(generation)) => {
                let Refresh { slot, what, .. } = refresh;
                self.work_on(slot, Work::Idle);
                self.bring_into_force(slot, &what, generation, saving, now, out);
            }
            (Task::Refresh(Refresh { slot, .. }), Kept::Superseded) => {
                self.work_on(slot, Work::Idle);
                self.refresh_superseded(slot, now, out);
            }
            (Task::Exchange(exchange), Kept::InForce(generation)) => {
                self.login_saved(id, exchange, generation, saving, now, out);
            }
            (Task::Exchange(exchange), Kept::Superseded) => {
                debug_assert!(false, "a login follows whatever is there");
                self.incoming_over(id, &exchange.seed.id, now, out);
            }
        }
    }

    /// The disk has not taken a grant. Nothing is lost while it is in memory; nothing is answered while it is not on
    /// disk; and the token that it takes the place of is spent, and is not sent again.
    fn not_saved(
        &mut self,
        id: FlightId,
        task: &Task,
        failures: u32,
        unsaved: Unsaved,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Unsaved { change, why, lasting } = unsaved;
        match task {
            // the login before is in force again, and may be renewed; the raw answer stays on record
            Task::Exchange(exchange) if lasting => {
                self.login_unsaved(id, exchange, SignInEnd::NotSaved { why }, now, out);
            }
            Task::Refresh(Refresh { slot, .. }) if lasting && self.draining => {
                self.leave_unsaved(id, *slot, now, out);
            }
            Task::Exchange(_) => {
                let at = self.save_later(id, change, retry::disk_pause(failures), now);
                self.saves.set(&id, Some(at));
            }
            Task::Refresh(Refresh { slot, .. }) => {
                let pause = if lasting {
                    retry::lasting_pause(failures)
                } else {
                    retry::disk_pause(failures)
                };
                self.save_later(id, change, pause, now);
                if let Some(account) = self.accounts.get_mut(*slot) {
                    account.login.failure = Some(retry::disk_failure(&why));
                }
                self.accounts.touch(*slot, News::Changed);
                let refusal = Refusal::NotSaved { why: UNSAVED.into() };
                self.settle_waiters(*slot, now, &refusal, out);
                self.rearm(*slot);
            }
        }
    }

    /// A login that came is not going to be saved.
    fn login_unsaved(
        &mut self,
        id: FlightId,
        exchange: &Exchange,
        why: SignInEnd,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        self.flights.remove(&id);
        self.saves.set(&id, None);
        self.incoming_over(id, &exchange.seed.id, now, out);
        self.sign_ins.finish(&exchange.request, Err(why), out);
    }

    /// The daemon stops, and the disk has not taken what a refresh brought: the next start reads the raw answer, if that
    /// is on record.
    fn leave_unsaved(&mut self, id: FlightId, slot: usize, now: Now, out: &mut Vec<Effect>) {
        self.flights.remove(&id);
        self.work_on(slot, Work::Idle);
        self.settle_waiters(slot, now, &Refusal::Stopping, out);
        self.leave_if_free(slot, out);
        self.rearm(slot);
    }

    /// The daemon stops, and the disk has taken nothing for long: what waits to be saved again is left.
    pub(super) fn give_up_saving(&mut self, now: Now, out: &mut Vec<Effect>) {
        let waits = |(id, flight): (&FlightId, &Flight)| flight.save_again_at().map(|_| *id);
        let waiting: Vec<FlightId> = self.flights.iter().filter_map(waits).collect();
        for id in waiting {
            match self.flights.get(&id).map(|flight| flight.task.clone()) {
                Some(Task::Refresh(refresh)) => self.leave_unsaved(id, refresh.slot, now, out),
                Some(Task::Exchange(exchange)) => {
                    self.login_unsaved(id, &exchange, SignInEnd::Stopping, now, out);
                }
                None => {}
            }
        }
    }

    fn save_later(
        &mut self,
        id: FlightId,
        change: Box<GrantChange>,
        pause: Duration,
        now: Now,
    ) -> Boot {
        let at = now.boot + pause;
        if let Some(Flight { stage: Stage::Saving(saving), .. }) = self.flights.get_mut(&id) {
            saving.again = Some((change, at));
        }
        at
    }

    /// Sends a grant to the disk once more, if it is time to.
    pub(super) fn save_again(&mut self, id: FlightId, now: Now, out: &mut Vec<Effect>) {
        let Some(Flight { task, stage: Stage::Saving(saving) }) = self.flights.get_mut(&id) else {
            return;
        };
        let Some((change, _)) = saving.again.take_if(|(_, at)| *at <= now.boot) else { return };
        if let Task::Refresh(Refresh { slot, generation, .. }) = task {
            let (slot, generation) = (*slot, *generation);
            // a login that was saved meanwhile has replaced this grant
            let is_over = |account: &Account| account.login.generation != generation;
            if self.accounts.get(slot).is_some_and(is_over) {
                self.refresh_over(id, slot, now, out);
                return;
            }
        }
        out.push(Effect::Save(change));
    }

    /// A login is durable: it takes the place of the one before, with all that this had.
    fn login_saved(
        &mut self,
        id: FlightId,
        exchange: Exchange,
        generation: Generation,
        saving: Saving,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Exchange { request, seed, rules } = exchange;
        let slot = match self.accounts.with_id(&seed.id) {
            Some(slot) => slot,
            None => self.admit(Account::new(seed.clone(), None)),
        };
        self.unqueue(slot);
        self.forget_failures(slot);
        self.accounts.renew(slot, seed.clone());
        if let Some(account) = self.accounts.get_mut(slot) {
            if let Fate::Unknown { flight, .. } = account.login.fate
                && !account.is_busy()
            {
                // what became of the token before is of no interest any more
                let account = seed.id.clone();
                out.push(Effect::Abandon { flight, account, standing: None });
            }
            account.rules = Some(*rules);
            account.login = Login::after(&account.login);
            account.incoming.end(id);
            account.state.begin_anew();
        }
        self.bring_into_force(slot, &What::Whole, generation, saving, now, out);
        self.retry_client(&seed.client, Some(slot), now);
        let gate = self.errand_gate();
        self.errands.supersede(&seed, &gate, now.boot, out);
        self.sign_ins.finish(&request, Ok(seed.id), out);
    }

    /// A grant is durable: now it is in force, and everybody may see it.
    fn bring_into_force(
        &mut self,
        slot: usize,
        what: &What,
        generation: Generation,
        saving: Saving,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Saving { sent, brought, brings_refresh, refresh_lifetime, .. } = saving;
        let boot_id = self.boot_id.clone();
        let Some(account) = self.accounts.get_mut(slot) else { return };
        if !matches!(what, What::Exchanged(_)) {
            account.renew_term(brings_refresh, sent, refresh_lifetime);
            account.place_term(&boot_id, now);
            account.login.fate = Fate::Known;
        }
        let works_again = account.state.is_held();
        account.login.generation = generation;
        let work = account.state.work();
        account.state.stand(Standing::Good, work);
        let rescues = account.login.streak.of_class.saturating_add(1);
        account.login.streak = Streak::default();
        account.login.failure = None;
        account.login.speed = Speed::Quick;
        match (brought, what.portion()) {
            (Brought::Nothing(mut failure), _) => {
                // the new refresh token is safe; the rest of the answer was of no use
                if rescues >= RESCUES_MANY {
                    failure.add(&format!(
                        "{rescues} such answers in a row, so it is asked less and less often; \
                         if that goes on, run: ostler login"
                    ));
                }
                account.login.streak.failures = rescues;
                account.login.streak.of_class = rescues;
                let pause = retry::rescue_pause(rescues);
                if account.state.work().is_at_rest() {
                    account.state.work_on(Work::Waiting(now.boot + pause));
                }
                account.login.failure = Some(failure);
                let refusal = account.unavailable();
                self.accounts.touch(slot, News::Changed);
                self.settle_waiters(slot, now, &refusal, out);
            }
            (Brought::Token(issued), Some(portion)) => {
                self.bring_part_into_force(slot, what, portion, &issued, now, out);
            }
            (Brought::Token(issued), None) => {
                account.seed.values = issued.values.clone();
                account.take_token(&boot_id, issued, now);
                self.accounts.touch(slot, News::NewToken);
                self.answer_waiters(slot, None, now, out);
            }
        }
        if works_again && let Some(account) = self.accounts.get(slot) {
            let client = account.seed.client.clone();
            self.retry_client(&client, Some(slot), now);
        }
        self.leave_if_free(slot, out);
        self.rearm(slot);
    }
}

impl Account {
    /// A grant begins the life of a new refresh token, or was a use of the one in force.
    fn renew_term(&mut self, brings_refresh: bool, sent: Stamp, lifetime: Option<Duration>) {
        if brings_refresh {
            let signed_in = match &self.login.refresh {
                Some(term) => term.signed_in(),
                None => Some(sent.at.wall),
            };
            self.login.refresh = Some(Term::new(sent.clone(), lifetime, sent, signed_in));
        } else if let Some(term) = &mut self.login.refresh {
            term.renew(sent, lifetime);
        }
    }
}
