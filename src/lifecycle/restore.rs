//! The start: accounts from the disk, and flights that an earlier run left behind.

use std::sync::Arc;

use super::account::{Account, Phase};
use super::machine::{Flight, Lifecycle, Task};
use super::term::Term;
use super::words::Rules;
use crate::model::{
    AccountName, AccountRecord, AccountSeed, FlightId, Generation, Now, Portion, RequestId,
    Standing,
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
        if let Standing::Held { .. } = record.standing {
            // tried once after a restart: client or definition may be mended
            account.phase = Phase::Waiting(now.boot);
        }
        account.enabled = record.enabled;
        account.standing = record.standing;
        account.login.generation = record.generation;
        account.latest = record.generation;
        account.login.renewable = record.refresh.is_some();
        account.login.streak.ambiguous_since = unresolved.map(|_| now.boot);
        account.login.unresolved = unresolved;
        account.login.unsettled = unresolved.is_some();
        let place = self.admit(account);
        if let Some(refresh) = record.refresh {
            // the last access token came with the last use
            let used = record.issued.as_ref().map_or(&refresh.sent, |issued| &issued.sent).clone();
            let term = Term::new(refresh.sent, refresh.lifetime, used, record.signed_in);
            self.take_term(place, term, now);
        }
        if let Some(issued) = record.issued {
            self.take_token(place, issued, now);
        }
        if let Some(account) = &mut self.accounts[place] {
            // who asked before the restart is not on record; the last refresh was for somebody
            account.asked = account.login.token.as_ref().map(|token| token.sent);
        }
        self.rearm(place);
    }

    /// Takes up a flight of an earlier run whose answer is on record but was not interpreted. The
    /// engine says [`Event::Landed`](super::Event::Landed) for it next.
    pub fn resume_refresh(
        &mut self,
        flight: FlightId,
        name: &AccountName,
        generation: Generation,
        portion: Option<Arc<Portion>>,
    ) {
        let Some(&place) = self.places.get(name) else { return };
        if let Some(account) = &mut self.accounts[place] {
            // without rules the answer cannot be read yet, but nothing may be sent either
            account.phase = Phase::Flying;
            account.login.unsettled = true;
            let Some(rules) = &account.rules else { return };
            let endpoint = rules.endpoint.clone();
            self.traffic.resume(&endpoint, place);
            let task = Task::Refresh { place, endpoint, generation, portion, by_exchange: false };
            self.flights.insert(flight, Flight { task, resolves: None, pending: None });
            self.rearm(place);
        }
    }

    /// The same for the exchange of a sign-in.
    pub fn resume_exchange(
        &mut self,
        flight: FlightId,
        request: RequestId,
        seed: AccountSeed,
        rules: Rules,
    ) {
        if let Some(&place) = self.places.get(&seed.name)
            && let Some(account) = &mut self.accounts[place]
        {
            account.exchange = Some(flight);
        }
        // its question is asked already: it must not be asked again before the answer is read
        self.mark_redeeming(&request);
        let task = Task::Exchange { request, seed, rules: Box::new(rules) };
        self.flights.insert(flight, Flight { task, resolves: None, pending: None });
    }
}
