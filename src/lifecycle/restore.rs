//! The start: accounts from the disk, and flights that an earlier run left behind.

use std::sync::Arc;

use super::account::Account;
use super::flight::{Exchange, Flight, Refresh, Task, What};
use super::login::{Fate, Found};
use super::machine::Lifecycle;
use super::state::{Airborne, State, Work};
use super::term::Term;
use super::words::Rules;
use crate::model::{
    AccountId, AccountRecord, AccountSeed, FlightId, Generation, Now, Portion, RequestId, Standing,
};

/// An account as it comes from the disk.
#[derive(Debug)]
pub struct Restored {
    /// What is on record.
    pub record: AccountRecord,
    /// The provider's rules, if its definition is at hand.
    pub rules: Option<Rules>,
    /// A refresh whose fate is not on record: sent, and no answer.
    pub unresolved: Option<FlightId>,
}

impl Lifecycle {
    /// Takes an account from the disk. Call for each before the first event.
    pub fn restore(&mut self, restored: Restored, now: Now) {
        let Restored { record, rules, unresolved } = restored;
        let mut account = Account::new(record.seed, rules);
        let work = match record.standing {
            // tried once after a restart: client or definition may be mended
            Standing::Held { .. } => Work::Waiting(now.boot),
            Standing::Good | Standing::NeedsLogin { .. } => Work::Idle,
        };
        account.state = State::at_rest(record.standing);
        account.state.work_on(work);
        account.enabled = record.enabled;
        account.login.generation = record.generation;
        if let Some(flight) = unresolved {
            let found = Found::AtStart;
            account.login.fate = Fate::Unknown { flight, since: now.boot, found };
            account.login.streak.lost = true;
        }
        if let Some(refresh) = record.refresh {
            // the last access token came with the last use
            let used = record.issued.as_ref().map_or(&refresh.sent, |issued| &issued.sent).clone();
            let term = Term::new(refresh.sent, refresh.lifetime, used, record.signed_in);
            account.login.refresh = Some(term);
            account.place_term(&self.boot_id, now);
        }
        if let Some(issued) = record.issued {
            account.take_token(&self.boot_id, issued, now);
        }
        // who asked before the restart is not on record; the last refresh was for somebody
        account.asked = account.login.token().map(|token| token.sent);
        self.admit(account);
    }

    /// Takes up a flight of an earlier run whose answer is on record but was not interpreted. The
    /// engine says [`Event::Landed`](super::Event::Landed) for it next.
    pub fn resume_refresh(
        &mut self,
        flight: FlightId,
        account: &AccountId,
        generation: Generation,
        portion: Option<Arc<Portion>>,
    ) {
        let Some(slot) = self.accounts.with_id(account) else { return };
        let Some(account) = self.accounts.get_mut(slot) else { return };
        // without rules the answer cannot be read yet, but nothing may be sent either
        account.state.work_on(Work::Airborne(Airborne::Unread(flight)));
        if account.login.fate == Fate::Known {
            account.login.fate = Fate::OnRecord;
        }
        let endpoint = account.endpoint().cloned();
        self.rearm(slot);
        let Some(endpoint) = endpoint else { return };
        self.traffic.resume(&endpoint, slot);
        let what = portion.map_or(What::Whole, What::Part);
        let refresh = Refresh { slot, endpoint, generation, what };
        self.flights.insert(flight, Flight::new(Task::Refresh(refresh)));
    }

    /// The same for the exchange of a sign-in.
    pub fn resume_exchange(
        &mut self,
        flight: FlightId,
        request: RequestId,
        seed: AccountSeed,
        rules: Rules,
    ) {
        self.await_login(&seed.id, flight);
        // its question is asked already: it must not be asked again before the answer is read
        self.sign_ins.is_asked_already(&request);
        let exchange = Exchange { request, seed, rules: Box::new(rules) };
        self.flights.insert(flight, Flight::new(Task::Exchange(exchange)));
    }
}
