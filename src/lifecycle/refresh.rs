//! The way of a flight: begun, landed, failed or on its way to the disk ([`super::saving`]).

use std::time::Duration;

use super::account::{Account, News, Phase};
use super::machine::{Flight, Lifecycle, Task};
use super::retry::{self, Blame, Verdict};
use super::saving::{Brought, disk_failure};
use super::traffic::{HANGS, Outcome, Speed};
use super::words::{Effect, Refusal, SignInEnd};
use crate::model::{
    About, AccountSeed, Boot, Failure, FailureClass, FlightId, Generation, Landing, Now, Stamp,
    Standing,
};

impl Lifecycle {
    /// The intent is durable: off it goes. If it cannot be made durable, nothing is sent.
    pub(super) fn begun(
        &mut self,
        flight: FlightId,
        result: Result<(), String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let stays = self.machine.rests() || self.draining;
        let Some(Flight { task, resolves, .. }) = self.flights.get_mut(&flight) else { return };
        if let (Ok(()), true, Task::Refresh { place, .. }) = (&result, stays, &*task) {
            // nothing leaves any more: the login is as it was, and what came before is as unknown as it was
            let place = *place;
            self.never_left(flight, place, now, out);
            return;
        }
        let Err(why) = result else {
            if let Task::Refresh { place, .. } = task
                && let Some(account) = &mut self.accounts[*place]
            {
                account.login.unresolved = Some(flight);
                if let Some(flight) = resolves.take() {
                    let account = account.seed.id.clone();
                    out.push(Effect::Abandon { flight, account, standing: None });
                }
            }
            out.push(Effect::Launch { flight });
            return;
        };
        let Some(Flight { task, .. }) = self.flights.remove(&flight) else { return };
        match task {
            Task::Exchange { request, seed, .. } => {
                self.exchange_over(&seed, out);
                self.finish_sign_in(&request, Err(SignInEnd::NotSaved { why }), out);
            }
            Task::Refresh { place, endpoint, .. } => {
                self.traffic.landed(&endpoint, place, Outcome::Unsent, now.boot);
                if let Some(account) = &mut self.accounts[place] {
                    account.login.streak.failures = account.login.streak.failures.saturating_add(1);
                    let failure = disk_failure(&why);
                    account.login.last_failure = Some(failure);
                    let pause = retry::disk_pause(account.login.streak.failures);
                    account.phase = Phase::Waiting(now.boot + pause);
                }
                self.touch(place, News::Changed);
                self.settle_waiters(place, now, &Refusal::NotSaved { why }, out);
                self.leave_if_free(place, out);
                self.rearm(place);
            }
        }
    }

    /// A flight whose intent is durable does not leave all the same.
    fn never_left(&mut self, flight: FlightId, place: usize, now: Now, out: &mut Vec<Effect>) {
        let Some(Flight { task: Task::Refresh { endpoint, .. }, .. }) =
            self.flights.remove(&flight)
        else {
            return;
        };
        self.traffic.landed(&endpoint, place, Outcome::Unsent, now.boot);
        if let Some(account) = &mut self.accounts[place] {
            account.phase = if self.draining { Phase::Idle } else { Phase::Waiting(now.boot) };
            let account = account.seed.id.clone();
            out.push(Effect::Abandon { flight, account, standing: None });
        }
        self.touch(place, News::Changed);
        if self.draining {
            self.settle_waiters(place, now, &Refusal::Stopping, out);
        }
        self.leave_if_free(place, out);
        self.rearm(place);
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
        let Some(flight) = self.flights.get(&id).filter(|flight| flight.pending.is_none()) else {
            return;
        };
        let task = flight.task.clone();
        self.note_reach(&landing, out);
        match task {
            Task::Refresh { place, endpoint, generation, portion, .. } => {
                let is_part_refused = portion.is_some()
                    && matches!(&landing, Landing::Failed { failure, rescued: None }
                        if is_refused(failure));
                let outcome =
                    if is_part_refused { Outcome::Answered } else { outcome(&landing, now.boot) };
                self.traffic.landed(&endpoint, place, outcome, now.boot);
                let Some(account) = &mut self.accounts[place] else { return };
                if account.latest != generation || account.endpoint() != Some(&endpoint) {
                    // what came of another login, or elsewhere, says nothing about this one
                    self.traffic.forget(&endpoint, place);
                }
                if account.latest != generation {
                    // signed in anew meanwhile: that grant is over, and so is its flight
                    self.refresh_over(id, place, now, out);
                    return;
                }
                match (brought(landing), portion) {
                    (Err(failure), Some(portion)) if is_part_refused => {
                        self.not_narrowed(id, place, &portion, &failure, now, out);
                    }
                    (Err(failure), _) => self.fail_refresh(id, place, failure, now, out),
                    (Ok(mut brought), portion) => {
                        account.phase = Phase::Saving(id);
                        // from here on it can only be the disk
                        account.login.last_failure = None;
                        if let Ok(granted) = &mut brought
                            && granted.scopes.is_none()
                        {
                            // without `scope` it is what was granted before (RFC 6749, 6)
                            granted.scopes = account.scopes_of(portion.as_deref());
                        }
                        let rotates = brought.as_ref().map_or(true, |new| new.refresh.is_some());
                        let generation = account.next_generation(rotates);
                        let seed = account.seed.clone();
                        self.save(id, &seed, generation, sent, brought, out);
                    }
                }
                self.rearm(place);
            }
            Task::Exchange { request, seed, .. } => match brought(landing) {
                Err(failure) => {
                    self.flights.remove(&id);
                    let account = seed.id.clone();
                    out.push(Effect::Abandon { flight: id, account, standing: None });
                    self.exchange_over(&seed, out);
                    self.not_exchanged(&request, failure, now, out);
                }
                Ok(brought) => {
                    // a login always starts a grant of its own
                    let place = self.place_of(&seed);
                    let account = place.and_then(|place| self.accounts[place].as_mut());
                    let generation =
                        account.map_or(Generation(1), |account| account.next_generation(true));
                    self.save(id, &seed, generation, sent, brought, out);
                }
            },
        }
    }

    fn fail_refresh(
        &mut self,
        flight: FlightId,
        place: usize,
        mut failure: Failure,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        self.flights.remove(&flight);
        let Some(account) = &mut self.accounts[place] else { return };
        let streak = &mut account.login.streak;
        let before = account.login.last_failure.as_ref().map(|failure| failure.class);
        streak.failures = streak.failures.saturating_add(1);
        streak.of_class = if before == Some(failure.class) { streak.of_class + 1 } else { 1 };
        let conclusive = failure.class.is_verdict();
        if failure.class == FailureClass::Ambiguous {
            // the gap since the start of this flight is the time it was under way
            streak.ambiguous_since = streak.ambiguous_since.or(account.last_start);
        }
        let took = account.last_start.map_or(Duration::ZERO, |start| now.boot.since(start));
        account.login.speed = if took >= HANGS { Speed::Slow } else { Speed::Quick };
        let left = account.left(now.boot);
        let streak = &mut account.login.streak;
        let verdict = match &account.rules {
            Some(rules) => {
                let is_own = failure.about == About::Account
                    || self.traffic.is_at_fault(&rules.endpoint, place);
                let blame = if is_own { Blame::Account } else { Blame::Way { left } };
                retry::verdict(&failure, streak, blame, rules, &account.seed.id, now.boot)
            }
            // nothing can be sent until the definition is back; that wakes the account
            None => Verdict::Retry(now.boot),
        };
        streak.called_dead |= failure.class == FailureClass::DeadGrant;
        if verdict == Verdict::NeedsLogin && streak.ambiguous_since.is_some() {
            let lost = "an earlier answer was lost on its way and the new token with it";
            if !failure.detail.is_empty() {
                failure.detail.push_str("; ");
            }
            failure.detail.push_str(lost);
        }
        let was = account.standing.clone();
        account.login.unsettled = false;
        let why = failure.to_string();
        let client = account.seed.client.clone();
        account.phase = Phase::Idle;
        match verdict {
            Verdict::Retry(at) => {
                // the provider's trouble is no verdict on the client or the request
                account.phase = Phase::Waiting(at);
            }
            Verdict::Hold(at) | Verdict::HoldClient(at) => {
                account.standing = Standing::Held { why: why.clone() };
                account.phase = Phase::Waiting(at);
            }
            Verdict::NeedsLogin => account.standing = Standing::NeedsLogin { why: why.clone() },
        }
        account.login.last_failure = Some(failure);
        let standing = (account.standing != was).then(|| account.standing.clone());
        let id = account.seed.id.clone();
        // a fate that was unknown stays so until the provider itself has spoken
        let settled = conclusive || account.login.streak.ambiguous_since.is_none();
        if settled {
            account.login.unresolved = None;
        }
        // of two that an earlier run left behind, the later one is on record for it
        let replaced = account.login.unresolved.is_some_and(|open| open != flight);
        if settled || replaced {
            out.push(Effect::Abandon { flight, account: id, standing });
        } else if let Some(standing) = standing {
            // the attempt stays on record: its fate is what is not known
            out.push(Effect::Stand { account: id, standing });
        }
        let refusal = account.obstacle().unwrap_or_else(|| account.unavailable());
        self.touch(place, News::Changed);
        self.settle_waiters(place, now, &refusal, out);
        if let Verdict::HoldClient(at) = verdict {
            self.hold_client(&client, place, at, &why, now, out);
        }
        self.leave_if_free(place, out);
        self.rearm(place);
    }

    /// The flight of a grant that is no longer in force.
    pub(super) fn refresh_over(
        &mut self,
        id: FlightId,
        place: usize,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        self.flights.remove(&id);
        if let Some(account) = &mut self.accounts[place] {
            if !matches!(account.phase, Phase::Saving(saving) if saving != id) {
                account.phase = Phase::Idle;
            }
            account.login.unresolved = None;
            account.login.unsettled = false;
            let account = account.seed.id.clone();
            out.push(Effect::Abandon { flight: id, account, standing: None });
        }
        // who waits now waits for the login that is on its way to the disk
        let settled = |account: &Account| account.latest == account.login.generation;
        if self.accounts[place].as_ref().is_some_and(settled) {
            self.answer_waiters(place, None, now, out);
        }
        self.leave_if_free(place, out);
        self.rearm(place);
    }

    pub(super) fn place_of(&self, seed: &AccountSeed) -> Option<usize> {
        self.places.get(&seed.name).copied()
    }

    /// An exchange that would have renewed an account is over.
    pub(super) fn exchange_over(&mut self, seed: &AccountSeed, out: &mut Vec<Effect>) {
        if let Some(place) = self.place_of(seed) {
            if let Some(account) = &mut self.accounts[place] {
                account.exchange = None;
            }
            self.leave_if_free(place, out);
            self.rearm(place);
        }
    }
}

/// Whether a failure refuses the part of a login that was asked for. Each word of the provider does: with conditional
/// access for single APIs, `invalid_grant` or `interaction_required` may be meant for one of them. This errs where the
/// login as a whole is over: then its next refresh says so again, which costs one request.
fn is_refused(failure: &Failure) -> bool {
    failure.class.is_verdict() || failure.about == About::Account
}

/// What a landing brought, if it is anything to save.
fn brought(landing: Landing) -> Result<Brought, Failure> {
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
