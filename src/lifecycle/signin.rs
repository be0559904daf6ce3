//! Interactive sign-ins: open until the user comes back, then redeeming, then gone.
//!
//! Where the user agrees on another device, nobody comes back: the provider is asked again and again
//! whether it has happened (RFC 8628, 3.5). Each time is a flight like the one that redeems a code.

use std::time::Duration;

use super::machine::{Flight, Lifecycle, Task};
use super::words::{Effect, Purpose, SignInEnd, SignInSeed};
use crate::model::{
    AccountId, AccountName, AccountSeed, Boot, Failure, FailureClass, FlightId, Now, RequestId,
    Values,
};

/// A sign-in under way.
pub(super) struct SignIn {
    pub(super) request: RequestId,
    pub(super) seed: AccountSeed,
    rules: super::words::Rules,
    deadline: Boot,
    stage: Stage,
    poll: Option<Poll>,
}

/// How the provider is asked whether the user has agreed.
struct Poll {
    interval: Duration,
    next: Boot,
    /// Why the sign-in ends as soon as the question that is under way has been answered.
    ends: Option<SignInEnd>,
}

/// What `slow_down` adds to the interval, for good.
const SLOWER: Duration = Duration::from_secs(5);

/// The longest pause between two questions.
const INTERVAL_MAX: Duration = Duration::from_mins(2);

#[derive(PartialEq, Eq)]
enum Stage {
    /// The user is at the provider.
    Open,
    /// The code is being redeemed.
    Redeeming,
}

impl SignIn {
    /// When something is to be done about it: it ends by itself while it waits for the user, or the
    /// provider is to be asked, unless the machine is at rest.
    pub(super) fn wakes(&self, rests: bool) -> Option<Boot> {
        let next = self.poll.as_ref().filter(|_| !rests).map(|poll| poll.next);
        let open = self.stage == Stage::Open;
        open.then(|| next.map_or(self.deadline, |next| next.min(self.deadline)))
    }
}

impl SignIn {
    /// Whether it is past the point where it can be cancelled: a code is used up by asking, a question
    /// whether the user has agreed is not.
    fn is_redeeming(&self) -> bool {
        self.stage == Stage::Redeeming && self.poll.is_none()
    }
}

impl Poll {
    /// Whether there is a reason to ask again, and how fast from now on.
    fn goes_on(&mut self, failure: &Failure) -> bool {
        let longer = match (failure.code.as_deref(), failure.class) {
            (Some("authorization_pending"), _) => Duration::ZERO,
            (Some("slow_down"), _) => SLOWER,
            // the user said no: where refresh tokens are at stake, this code is not believed
            (Some("access_denied"), _) => return false,
            // RFC 8628, 3.5: on a timeout, twice as long
            (
                _,
                FailureClass::NotSent
                | FailureClass::Ambiguous
                | FailureClass::Transient
                | FailureClass::Captive,
            ) => self.interval,
            _ => return false,
        };
        let asked = failure.retry_after.unwrap_or_default();
        self.interval = (self.interval + longer).max(asked).min(INTERVAL_MAX);
        true
    }
}

impl Lifecycle {
    pub(super) fn sign_in(&mut self, start: SignInSeed, now: Now, out: &mut Vec<Effect>) {
        let SignInSeed { request, seed, rules, deadline, poll } = start;
        if self.draining {
            out.push(Effect::SignInEnded { request, result: Err(SignInEnd::Stopping) });
            return;
        }
        if self.is_renamed(&seed.id, &seed.name) {
            out.push(Effect::SignInEnded { request, result: Err(SignInEnd::Cancelled) });
            return;
        }
        // starting again is how people recover from a browser window they closed
        self.cancel_open_sign_in(&seed.name, out);
        self.hurry_errands(&seed.client, now);
        let poll = poll.map(|interval| Poll { interval, next: now.boot + interval, ends: None });
        self.sign_ins.push(SignIn { request, seed, rules, deadline, stage: Stage::Open, poll });
    }

    /// Asks the providers again whose users may have agreed by now.
    pub(super) fn poll_sign_ins(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.machine.rests() || self.draining {
            return;
        }
        let is_due = |sign_in: &&SignIn| {
            let next = sign_in.poll.as_ref().map(|poll| poll.next);
            sign_in.stage == Stage::Open && next.is_some_and(|next| next <= now.boot)
        };
        let due = self.sign_ins.iter().filter(is_due).map(|sign_in| sign_in.request.clone());
        for request in due.collect::<Vec<_>>() {
            self.redeem(&request, &Values::default(), out);
        }
    }

    /// An exchange brought nothing. If the user has not agreed yet, or the provider could not say, it
    /// is asked again later; everything else ends the sign-in.
    pub(super) fn not_exchanged(
        &mut self,
        request: &RequestId,
        failure: Failure,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let draining = self.draining;
        let sign_in = self.sign_ins.iter_mut().find(|sign_in| sign_in.request == *request);
        let why =
            match sign_in.and_then(|sign_in| Some((sign_in.poll.as_mut()?, &mut sign_in.stage))) {
                Some((poll, stage)) => {
                    let ends = poll.ends.take().or(draining.then_some(SignInEnd::Stopping));
                    if ends.is_none() && poll.goes_on(&failure) {
                        *stage = Stage::Open;
                        poll.next = now.boot + poll.interval;
                        return;
                    }
                    ends.unwrap_or(SignInEnd::Failed(failure))
                }
                None => SignInEnd::Failed(failure),
            };
        self.finish_sign_in(request, Err(why), out);
    }

    pub(super) fn redeem(&mut self, request: &RequestId, values: &Values, out: &mut Vec<Effect>) {
        let open =
            |sign_in: &&mut SignIn| sign_in.request == *request && sign_in.stage == Stage::Open;
        let Some(sign_in) = self.sign_ins.iter_mut().find(open) else { return };
        sign_in.stage = Stage::Redeeming;
        sign_in.seed.values = sign_in.seed.values.with(values);
        let (seed, rules) = (sign_in.seed.clone(), sign_in.rules.clone());
        let flight = self.new_flight();
        if let Some(place) = self.places.get(&seed.name)
            && let Some(account) = &mut self.accounts[*place]
        {
            account.exchange = Some(flight);
        }
        let purpose = Purpose::Exchange { request: request.clone() };
        out.push(Effect::Begin { flight, account: seed.clone(), purpose });
        let task = Task::Exchange { request: request.clone(), seed, rules: Box::new(rules) };
        self.flights.insert(flight, Flight { task, pending: None, resolves: None });
    }

    /// The exchange of a sign-in is under way, from an earlier run.
    pub(super) fn mark_redeeming(&mut self, request: &RequestId) {
        if let Some(sign_in) = self.sign_ins.iter_mut().find(|it| it.request == *request) {
            sign_in.stage = Stage::Redeeming;
        }
    }

    pub(super) fn end_sign_in(
        &mut self,
        request: &RequestId,
        why: SignInEnd,
        out: &mut Vec<Effect>,
    ) {
        let which = |sign_in: &&mut SignIn| sign_in.request == *request;
        match self.sign_ins.iter_mut().find(which) {
            Some(SignIn { stage: Stage::Open, .. }) => self.finish_sign_in(request, Err(why), out),
            Some(SignIn { poll: Some(poll), .. }) => poll.ends = Some(why),
            _ => {}
        }
    }

    /// Takes a sign-in off the list and says how it ended.
    pub(super) fn finish_sign_in(
        &mut self,
        request: &RequestId,
        result: Result<AccountId, SignInEnd>,
        out: &mut Vec<Effect>,
    ) {
        self.sign_ins.retain(|sign_in| sign_in.request != *request);
        out.push(Effect::SignInEnded { request: request.clone(), result });
    }

    /// Whether a sign-in of that account is past the point where it can be cancelled.
    #[must_use]
    pub fn is_redeeming(&self, name: &AccountName) -> bool {
        self.sign_ins.iter().any(|sign_in| sign_in.seed.name == *name && sign_in.is_redeeming())
    }

    pub(super) fn cancel_open_sign_in(&mut self, name: &AccountName, out: &mut Vec<Effect>) {
        self.end_open(|sign_in| sign_in.seed.name == *name, &SignInEnd::Cancelled, out);
    }

    pub(super) fn expire_sign_ins(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.end_open(|sign_in| sign_in.deadline <= now.boot, &SignInEnd::Expired, out);
    }

    pub(super) fn end_all_sign_ins(&mut self, out: &mut Vec<Effect>) {
        self.end_open(|_| true, &SignInEnd::Stopping, out);
    }

    fn end_open(
        &mut self,
        which: impl Fn(&SignIn) -> bool,
        why: &SignInEnd,
        out: &mut Vec<Effect>,
    ) {
        self.sign_ins.retain_mut(|sign_in| {
            let meant = which(sign_in);
            let ends = sign_in.stage == Stage::Open && meant;
            if let Some(poll) = sign_in.poll.as_mut().filter(|_| meant && !ends) {
                poll.ends = Some(why.clone());
            }
            if ends {
                let request = sign_in.request.clone();
                out.push(Effect::SignInEnded { request, result: Err(why.clone()) });
            }
            !ends
        });
    }

    /// Grants of exchanges that could not be saved yet and are due for another try.
    pub(super) fn save_exchanges_again(&mut self, now: Now, out: &mut Vec<Effect>) {
        let due: Vec<FlightId> = self
            .flights
            .iter()
            .filter(|(_, flight)| matches!(flight.task, Task::Exchange { .. }))
            .filter(|(_, flight)| flight.save_again_at().is_some_and(|at| at <= now.boot))
            .map(|(id, _)| *id)
            .collect();
        for flight in due {
            self.save_again(flight, now, out);
        }
    }

    /// When the next of those tries is due.
    pub(super) fn exchange_retry(&self) -> Option<Boot> {
        if self.unsaved_exchanges == 0 {
            return None;
        }
        let exchanges = self.flights.values().filter(|f| matches!(f.task, Task::Exchange { .. }));
        exchanges.filter_map(Flight::save_again_at).min()
    }
}
