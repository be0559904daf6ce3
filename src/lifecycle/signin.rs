//! Interactive sign-ins: open until the user comes back, then redeeming, then gone.

use super::machine::{Flight, Lifecycle, Task};
use super::words::{Effect, Purpose, SignInEnd, SignInSeed};
use crate::model::{AccountId, AccountName, AccountSeed, Boot, FlightId, Now, RequestId};

/// A sign-in under way.
pub(super) struct SignIn {
    pub(super) request: RequestId,
    pub(super) seed: AccountSeed,
    rules: super::words::Rules,
    deadline: Boot,
    stage: Stage,
}

#[derive(PartialEq, Eq)]
enum Stage {
    /// The user is at the provider.
    Open,
    /// The code is being redeemed.
    Redeeming,
}

impl SignIn {
    /// When it ends by itself: only while it waits for the user.
    pub(super) fn expires(&self) -> Option<Boot> {
        (self.stage == Stage::Open).then_some(self.deadline)
    }
}

impl Lifecycle {
    pub(super) fn sign_in(&mut self, start: SignInSeed, out: &mut Vec<Effect>) {
        let SignInSeed { request, seed, rules, deadline } = start;
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
        self.sign_ins.push(SignIn { request, seed, rules, deadline, stage: Stage::Open });
    }

    pub(super) fn redeem(&mut self, request: &RequestId, out: &mut Vec<Effect>) {
        let open =
            |sign_in: &&mut SignIn| sign_in.request == *request && sign_in.stage == Stage::Open;
        let Some(sign_in) = self.sign_ins.iter_mut().find(open) else { return };
        sign_in.stage = Stage::Redeeming;
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

    pub(super) fn end_sign_in(
        &mut self,
        request: &RequestId,
        why: SignInEnd,
        out: &mut Vec<Effect>,
    ) {
        let open = |sign_in: &SignIn| sign_in.request == *request && sign_in.stage == Stage::Open;
        if self.sign_ins.iter().any(open) {
            self.finish_sign_in(request, Err(why), out);
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
        self.sign_ins
            .iter()
            .any(|sign_in| sign_in.seed.name == *name && sign_in.stage == Stage::Redeeming)
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
        self.sign_ins.retain(|sign_in| {
            let ends = sign_in.stage == Stage::Open && which(sign_in);
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
