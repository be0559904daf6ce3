//! Sign-ins as they come and go: what each does to its account.

use super::errands::Gate;
use super::flight::{Exchange, Flight, Task};
use super::machine::Lifecycle;
use super::words::{Effect, Purpose, SignInEnd, SignInSeed};
use crate::model::{
    AccountId, AccountName, AccountSeed, Failure, FlightId, Now, RequestId, Values,
};

impl Lifecycle {
    /// The sign-ins that wait for the user or for their exchange.
    pub fn open_sign_ins(&self) -> impl Iterator<Item = (&RequestId, &AccountSeed)> {
        self.sign_ins.iter()
    }

    /// The open sign-in for an account, if there is one.
    #[must_use]
    pub fn sign_in_for(&self, account: &AccountId) -> Option<&RequestId> {
        self.sign_ins.for_account(account)
    }

    /// Whether a sign-in of that account is past the point where it can be cancelled.
    #[must_use]
    pub fn is_redeeming(&self, name: &AccountName) -> bool {
        self.sign_ins.is_redeeming(name)
    }

    /// The id of the account that a sign-in under that name is for: of the one that has the name, or that another
    /// sign-in is about to make.
    #[must_use]
    pub fn id_to_sign_in(&self, name: &AccountName) -> Option<&AccountId> {
        let account = self.view(name).map(|view| &view.seed.id);
        let mut open = self.sign_ins.iter();
        account.or_else(|| open.find(|(_, seed)| seed.name == *name).map(|(_, seed)| &seed.id))
    }

    pub(super) fn sign_in(&mut self, start: SignInSeed, now: Now, out: &mut Vec<Effect>) {
        let refused = if self.draining {
            Some(SignInEnd::Stopping)
        } else {
            let is_renamed = self.is_renamed(&start.seed.id, &start.seed.name);
            is_renamed.then_some(SignInEnd::Cancelled)
        };
        if let Some(why) = refused {
            out.push(Effect::SignInEnded { request: start.request, result: Err(why) });
            return;
        }
        self.sign_ins.make_way(&start.seed, out);
        // what the client still has to revoke goes out before the user agrees
        self.errands.hurry_those_of(&start.seed.client, now.boot);
        self.mind_errands(now, out);
        self.sign_ins.open(start, now);
    }

    /// Asks the providers again whose users may have agreed by now.
    pub(super) fn poll_sign_ins(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.machine.rests() || self.draining {
            return;
        }
        for request in self.sign_ins.due(now) {
            self.redeem(&request, &Values::default(), out);
        }
    }

    /// The user came back with a code, or it is time to ask whether the user has agreed.
    pub(super) fn redeem(&mut self, request: &RequestId, values: &Values, out: &mut Vec<Effect>) {
        let Some((seed, rules)) = self.sign_ins.redeem(request, values) else { return };
        let id = self.new_flight();
        self.await_login(&seed.id, id);
        let purpose = Purpose::Exchange { request: request.clone() };
        out.push(Effect::Begin { flight: id, account: seed.clone(), purpose });
        let exchange = Exchange { request: request.clone(), seed, rules: Box::new(rules) };
        self.flights.insert(id, Flight::new(Task::Exchange(exchange)));
    }

    /// What of errands may leave now.
    pub(super) fn errand_gate(&self) -> Gate {
        let exchanged = self.flights.values().filter_map(|flight| match &flight.task {
            Task::Exchange(exchange) => Some(&exchange.seed),
            Task::Refresh(_) => None,
        });
        let open = self.sign_ins.iter().map(|(_, seed)| seed);
        Gate { rests: self.rests(), incoming: exchanged.chain(open).cloned().collect() }
    }

    /// Does what is due about errands.
    pub(super) fn mind_errands(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.errands.is_due(now.boot) {
            let gate = self.errand_gate();
            self.errands.mind(&gate, now.boot, out);
        }
    }

    /// A flight is under way that may bring an account another login.
    pub(super) fn await_login(&mut self, account: &AccountId, flight: FlightId) {
        let slot = self.accounts.with_id(account);
        if let Some(account) = slot.and_then(|slot| self.accounts.get_mut(slot)) {
            account.incoming.ask(flight);
        }
    }

    /// An exchange brought nothing: it is tried again later, or the sign-in is over.
    pub(super) fn not_exchanged(
        &mut self,
        request: &RequestId,
        failure: Failure,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let client = self.sign_ins.client_of(request);
        let at_stake = client.is_some_and(|client| self.has_login_of(client));
        let stops = self.draining;
        let ended = self.sign_ins.not_exchanged(request, failure, stops, at_stake, now);
        if let Some(why) = ended {
            self.sign_ins.finish(request, Err(why), out);
        }
    }
}
