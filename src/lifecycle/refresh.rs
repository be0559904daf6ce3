//! The way of a flight: begun, landed, failed or on its way to the disk ([`super::saving`]).

use std::time::Duration;

use super::account::{Account, News};
use super::flight::{Exchange, Flight, Refresh, Stage, Task, What};
use super::login::{Fate, Found};
use super::machine::Lifecycle;
use super::retry::{self, Blame, Verdict};
use super::saving::Arrived;
use super::state::Work;
use super::traffic::{HANGS, Outcome, Speed};
use super::words::{Effect, Refusal, SignInEnd};
use crate::model::{
    About, AccountId, Boot, Failure, FailureClass, FlightId, Landing, Now, Stamp, Standing,
};

impl Lifecycle {
    /// The intent is durable: off it goes. If it cannot be made durable, nothing is sent.
    pub(super) fn begun(
        &mut self,
        id: FlightId,
        result: Result<(), String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let stays = self.machine.rests() || self.draining;
        let Some(Flight { task, .. }) = self.flights.get(&id) else { return };
        match (task.clone(), result) {
            (Task::Exchange(_), Ok(())) => out.push(Effect::Launch { flight: id }),
            (Task::Exchange(Exchange { request, seed, .. }), Err(why)) => {
                self.flights.remove(&id);
                self.incoming_over(id, &seed.id, now, out);
                self.sign_ins.finish(&request, Err(SignInEnd::NotSaved { why }), out);
            }
            // nothing leaves any more: the login is as it was, and what came before is as unknown as it was
            (Task::Refresh(refresh), Ok(())) if stays => {
                if let Some(account) = self.accounts.get(refresh.slot) {
                    let account = account.seed.id.clone();
                    out.push(Effect::Abandon { flight: id, account, standing: None });
                }
                let next = if self.draining { Work::Idle } else { Work::Waiting(now.boot) };
                let refusal = self.draining.then_some(Refusal::Stopping);
                self.never_left(id, &refresh, next, refusal, now, out);
            }
            (Task::Refresh(refresh), Ok(())) => {
                self.leave_a_trace(id, &refresh, out);
                out.push(Effect::Launch { flight: id });
            }
            (Task::Refresh(refresh), Err(why)) => {
                let Some(account) = self.accounts.get_mut(refresh.slot) else { return };
                let failures = &mut account.login.streak.failures;
                *failures = failures.saturating_add(1);
                let pause = retry::disk_pause(*failures);
                account.login.failure = Some(retry::disk_failure(&why));
                let refusal = Some(Refusal::NotSaved { why });
                self.never_left(id, &refresh, Work::Waiting(now.boot + pause), refusal, now, out);
            }
        }
    }

    /// A refresh is on record. It takes the place of one of unknown fate, which is as unknown as this one from now on.
    fn leave_a_trace(&mut self, id: FlightId, refresh: &Refresh, out: &mut Vec<Effect>) {
        let Some(account) = self.accounts.get_mut(refresh.slot) else { return };
        if let Fate::Unknown { flight, .. } = &mut account.login.fate
            && !matches!(refresh.what, What::Exchanged(_))
        {
            let before = std::mem::replace(flight, id);
            let account = account.seed.id.clone();
            out.push(Effect::Abandon { flight: before, account, standing: None });
        }
    }

    /// A refresh does not leave.
    fn never_left(
        &mut self,
        id: FlightId,
        refresh: &Refresh,
        next: Work,
        refusal: Option<Refusal>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let slot = refresh.slot;
        self.flights.remove(&id);
        self.traffic.landed(&refresh.endpoint, slot, Outcome::Unsent, now.boot);
        self.work_on(slot, next);
        self.accounts.touch(slot, News::Changed);
        if let Some(refusal) = refusal {
            self.settle_waiters(slot, now, &refusal, out);
        }
        self.leave_if_free(slot, out);
        self.rearm(slot);
    }

    /// A flight ended. Tokens are not used yet: they are made durable first.
    pub(super) fn landed(
        &mut self,
        id: FlightId,
        sent: &Stamp,
        landing: Landing,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        // a landing that is reported twice finds its flight saving, or gone
        let Some(Flight { task, stage: Stage::Open }) = self.flights.get(&id) else { return };
        let task = task.clone();
        self.note_reach(&landing, out);
        match task {
            Task::Refresh(refresh) => self.refresh_landed(id, &refresh, sent, landing, now, out),
            Task::Exchange(exchange) => self.exchange_landed(id, exchange, sent, landing, now, out),
        }
    }

    fn refresh_landed(
        &mut self,
        id: FlightId,
        refresh: &Refresh,
        sent: &Stamp,
        landing: Landing,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let slot = refresh.slot;
        let refused = refresh.what.portion().filter(|_| refuses_part(&landing)).cloned();
        let outcome = match refused {
            Some(_) => Outcome::Answered,
            None => outcome(&landing, now.boot),
        };
        self.traffic.landed(&refresh.endpoint, slot, outcome, now.boot);
        let Some(account) = self.accounts.get_mut(slot) else { return };
        let is_over = account.login.generation != refresh.generation;
        if is_over || account.endpoint() != Some(&refresh.endpoint) {
            // what came of another login, or elsewhere, says nothing about this one
            self.traffic.forget(&refresh.endpoint, slot);
        }
        if is_over {
            self.refresh_over(id, slot, now, out);
            return;
        }
        match (arrived(landing), refused) {
            (Err(failure), Some(part)) => {
                self.part_not_given(id, refresh, &part, &failure, now, out);
            }
            (Err(failure), None) => self.fail_refresh(id, refresh, failure, now, out),
            (Ok(mut arrived), _) => {
                // from here on it can only be the disk
                account.login.failure = None;
                if let Ok(granted) = &mut arrived
                    && granted.scopes.is_none()
                {
                    // without `scope` it is what was granted before (RFC 6749, 6)
                    granted.scopes = account.scopes_of(refresh.what.portion().map(|part| &**part));
                }
                let seed = account.seed.clone();
                self.save_refresh(id, slot, &seed, sent, arrived, out);
            }
        }
        self.rearm(slot);
    }

    fn exchange_landed(
        &mut self,
        id: FlightId,
        exchange: Exchange,
        sent: &Stamp,
        landing: Landing,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Exchange { request, seed, .. } = exchange;
        match arrived(landing) {
            Err(failure) => {
                self.flights.remove(&id);
                let account = seed.id.clone();
                out.push(Effect::Abandon { flight: id, account, standing: None });
                self.incoming_over(id, &seed.id, now, out);
                self.not_exchanged(&request, failure, now, out);
            }
            Ok(arrived) => self.save_login(id, &seed, sent, arrived, out),
        }
    }

    fn fail_refresh(
        &mut self,
        id: FlightId,
        refresh: &Refresh,
        mut failure: Failure,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let slot = refresh.slot;
        self.flights.remove(&id);
        let Some(account) = self.accounts.get_mut(slot) else { return };
        let took = account.last_start.map_or(Duration::ZERO, |start| now.boot.since(start));
        account.login.speed = if took >= HANGS { Speed::Slow } else { Speed::Quick };
        let streak = &mut account.login.streak;
        streak.count(&failure, account.login.failure.as_ref());
        let sent_at = account.last_start.unwrap_or(now.boot);
        account.login.fate = fate_after(account.login.fate, id, &refresh.what, &failure, sent_at);
        let blame = match &account.rules {
            Some(rules)
                if failure.about != About::Account
                    && !self.traffic.is_at_fault(&rules.endpoint, slot) =>
            {
                Blame::Way { left: account.left(now.boot) }
            }
            _ => Blame::Account,
        };
        let unknown_since = account.login.fate.unknown_since();
        let streak = account.login.streak;
        let verdict = match &account.rules {
            Some(rules) => {
                let case = retry::Case { failure: &failure, streak: &streak, unknown_since, blame };
                retry::verdict(case, rules, &account.seed.id, now.boot)
            }
            // nothing can be sent until the definition is back; that wakes the account
            None => Verdict::Retry(now.boot),
        };
        account.login.streak.called_dead |= failure.class == FailureClass::DeadGrant;
        if verdict == Verdict::NeedsLogin && streak.lost {
            failure.add("an earlier answer was lost on its way and the new token with it");
        }
        let why = failure.to_string();
        let client = account.seed.client.clone();
        let was = account.state.standing();
        let (standing, work) = match verdict {
            // the provider's trouble is no verdict on the client or the request
            Verdict::Retry(at) => (was.clone(), Work::Waiting(at)),
            Verdict::Hold(at) | Verdict::HoldClient(at) => {
                (Standing::Held { why: why.clone() }, Work::Waiting(at))
            }
            Verdict::NeedsLogin => (Standing::NeedsLogin { why: why.clone() }, Work::Idle),
        };
        account.state.stand(standing.clone(), work);
        account.login.failure = Some(failure);
        let changed = (standing != was).then_some(standing);
        let account_id = account.seed.id.clone();
        match (account.login.fate, changed) {
            // the attempt stays on record: its fate is what is not known
            (Fate::Unknown { flight, .. }, None) if flight == id => {}
            (Fate::Unknown { flight, .. }, Some(standing)) if flight == id => {
                out.push(Effect::Stand { account: account_id, standing });
            }
            // of two that an earlier run left behind, the other one is on record for it
            (_, standing) => {
                out.push(Effect::Abandon { flight: id, account: account_id, standing });
            }
        }
        let refusal = account.obstacle().unwrap_or_else(|| account.unavailable());
        self.accounts.touch(slot, News::Changed);
        self.settle_waiters(slot, now, &refusal, out);
        if let Verdict::HoldClient(at) = verdict {
            self.hold_client(&client, slot, at, &why, now, out);
        }
        self.leave_if_free(slot, out);
        self.rearm(slot);
    }

    /// A refresh of a login that is not in force any more. Its attempt is still on record.
    pub(super) fn refresh_over(
        &mut self,
        id: FlightId,
        slot: usize,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        self.flights.remove(&id);
        if let Some(account) = self.accounts.get_mut(slot) {
            if account.state.airborne().is_some_and(|airborne| airborne.flight() == id) {
                account.state.work_on(Work::Idle);
            }
            let account = account.seed.id.clone();
            out.push(Effect::Abandon { flight: id, account, standing: None });
        }
        self.refresh_superseded(slot, now, out);
    }

    /// Another login is in force: those who waited for a refresh of the one before have its token, or wait on.
    pub(super) fn refresh_superseded(&mut self, slot: usize, now: Now, out: &mut Vec<Effect>) {
        if self.accounts.get(slot).is_some_and(|account| !account.is_superseded()) {
            self.serve_waiters(slot, now, out);
        }
        self.leave_if_free(slot, out);
        self.rearm(slot);
    }

    /// A sign-in that would have brought an account another login is over.
    pub(super) fn incoming_over(
        &mut self,
        id: FlightId,
        account: &AccountId,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(slot) = self.accounts.with_id(account) else { return };
        if let Some(account) = self.accounts.get_mut(slot) {
            account.incoming.end(id);
        }
        let obstacle = self.accounts.get(slot).filter(|account| !account.is_superseded());
        if let Some(refusal) = obstacle.and_then(Account::obstacle) {
            self.settle_waiters(slot, now, &refusal, out);
        }
        self.leave_if_free(slot, out);
        self.go_on(slot, now);
        self.rearm(slot);
    }
}

/// What is known of a refresh token after a try with it that failed. A lost answer leaves it open whether the token is
/// spent, until the provider has spoken of it. This errs where another failure than a lost answer hides that the token
/// was taken: then the next try finds out, at the pace of a back-off instead of at once.
fn fate_after(before: Fate, flight: FlightId, what: &What, failure: &Failure, sent: Boot) -> Fate {
    // an exchange of access tokens does not send it
    if let What::Exchanged(_) = what {
        return before;
    }
    match (before, failure.class) {
        (_, class) if class.is_verdict() => Fate::Known,
        (Fate::Known | Fate::OnRecord, FailureClass::Ambiguous) => {
            Fate::Unknown { flight, since: sent, found: Found::InThisRun }
        }
        (Fate::Known | Fate::OnRecord, _) => Fate::Known,
        // it has been tried now, and the account is served again
        (Fate::Unknown { flight, since, .. }, _) => {
            Fate::Unknown { flight, since, found: Found::InThisRun }
        }
    }
}

/// Whether a landing refuses the part of a login that was asked for. Each word of the provider does: with conditional
/// access for single APIs, `invalid_grant` or `interaction_required` may be meant for one of them. This errs where the
/// login as a whole is over: then its next refresh says so again, which costs one request.
fn refuses_part(landing: &Landing) -> bool {
    match landing {
        Landing::Failed { failure, rescued: None } => {
            failure.class.is_verdict() || failure.about == About::Account
        }
        Landing::Failed { .. } | Landing::Granted(_) => false,
    }
}

/// What a landing brought, if it is anything to save.
fn arrived(landing: Landing) -> Result<Arrived, Failure> {
    match landing {
        Landing::Granted(granted) => Ok(Ok(granted)),
        Landing::Failed { failure, rescued: Some(refresh) } => Ok(Err((failure, refresh))),
        Landing::Failed { failure, rescued: None } => Err(failure),
    }
}

/// What the end of a flight says about the way to its provider. This errs where somebody else than the provider
/// refuses in OAuth's words: then its accounts are tried at the pace of their own back-offs, and none at that of a
/// probe.
fn outcome(landing: &Landing, now: Boot) -> Outcome {
    let Landing::Failed { failure, rescued } = landing else { return Outcome::Served };
    let asked = failure.retry_after.map(|pause| now + retry::asked_pause(pause));
    match failure.class {
        // it could not be made, or not be sent
        FailureClass::ClientBroken | FailureClass::RequestBroken if failure.status.is_none() => {
            Outcome::Unsent
        }
        class if class.is_verdict() || rescued.is_some() => Outcome::Refused,
        _ if failure.status == Some(429) => {
            Outcome::Asked(asked.unwrap_or(now + retry::RATE_PAUSE))
        }
        _ if failure.about == About::Account => Outcome::Refused,
        // a pause that comes with anything else is the account's own: who is always answered like that must not stop others
        _ => Outcome::Trouble,
    }
}
