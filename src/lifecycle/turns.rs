//! How an account comes to its turn: wanted, queued, and off it goes.

use std::time::Duration;

use super::account::News;
use super::flight::{Flight, Refresh, Task, What};
use super::machine::Lifecycle;
use super::state::{Airborne, State, Work};
use super::traffic::Urgency;
use super::words::{Effect, Purpose};
use crate::model::Now;

/// How long an account of a rejected client waits while another one finds out whether the client works again. The end
/// of that wakes it, unless it says nothing about the client.
const CLIENT_IS_PROBED: Duration = Duration::from_mins(1);

impl Lifecycle {
    /// Starts a refresh as soon as gap, back-off and the number of flights allow it.
    pub(super) fn want_refresh(&mut self, slot: usize, urgency: Urgency, now: Now) {
        let Some(account) = self.accounts.get_mut(slot) else { return };
        match account.state.work() {
            Work::Idle => match account.next_start(now.boot) {
                Some(earliest) if earliest > now.boot => {
                    account.state.work_on(Work::Waiting(earliest));
                }
                _ => self.start(slot, urgency, now),
            },
            Work::Queued(ticket) if urgency < ticket.urgency => {
                self.unqueue(slot);
                self.start(slot, urgency, now);
            }
            Work::Waiting(_) | Work::Queued(_) | Work::Airborne(_) => {}
        }
        self.rearm(slot);
    }

    /// Queues a refresh: it starts at once if the traffic allows it.
    pub(super) fn start(&mut self, slot: usize, urgency: Urgency, now: Now) {
        if self.draining {
            return;
        }
        let Some(account) = self.accounts.get(slot) else { return };
        // a login on its way to the disk takes the place of this one; its end goes on with what is wanted
        let needs_login = matches!(account.state, State::NeedsLogin { .. });
        if account.is_superseded() || account.state.is_leaving() || needs_login {
            return;
        }
        if account.state.is_held() {
            let client = account.seed.client.clone();
            if !self.may_probe(&client, slot) {
                self.work_on(slot, Work::Waiting(now.boot + CLIENT_IS_PROBED));
                return;
            }
        }
        let Some(account) = self.accounts.get_mut(slot) else { return };
        let Some(rules) = &account.rules else { return };
        let urgency = if account.is_pressing(now.boot) { Urgency::Unsettled } else { urgency };
        let ticket = account.ticket(urgency, slot, now.boot);
        self.traffic.queue(&rules.endpoint, ticket);
        account.state.work_on(Work::Queued(ticket));
        self.accounts.touch(slot, News::Changed);
    }

    /// It is an account's turn: off it goes.
    pub(super) fn depart(&mut self, slot: usize, now: Now, out: &mut Vec<Effect>) {
        let flight = self.new_flight();
        let Some(account) = self.accounts.get_mut(slot) else { return };
        let Some(rules) = &account.rules else { return };
        let endpoint = rules.endpoint.clone();
        debug_assert!(matches!(account.state.work(), Work::Queued(_)), "who has a ticket queues");
        account.state.work_on(Work::Airborne(Airborne::Flying(flight)));
        let portion = account.next_part(now.boot);
        account.start_counted(portion.as_deref(), now.boot);
        let generation = account.login.generation;
        let subject = portion.as_ref().and_then(|_| account.subject(now.boot));
        let what = match (&portion, &subject) {
            (None, _) => What::Whole,
            (Some(portion), None) => What::Part(portion.clone()),
            (Some(portion), Some(_)) => What::Exchanged(portion.clone()),
        };
        let purpose = Purpose::Refresh { generation, portion, subject };
        out.push(Effect::Begin { flight, account: account.seed.clone(), purpose });
        let refresh = Refresh { slot, endpoint, generation, what };
        self.flights.insert(flight, Flight::new(Task::Refresh(refresh)));
        self.rearm(slot);
    }

    /// What the account in a slot does about its next token from now on.
    pub(super) fn work_on(&mut self, slot: usize, next: Work) {
        if let Some(account) = self.accounts.get_mut(slot) {
            account.state.work_on(next);
        }
    }

    /// Takes an account out of the queue for flights.
    pub(super) fn unqueue(&mut self, slot: usize) {
        if let Some(account) = self.accounts.get_mut(slot)
            && let Work::Queued(ticket) = account.state.work()
        {
            account.state.work_on(Work::Idle);
            if let Some(endpoint) = account.endpoint() {
                self.traffic.leave(endpoint, ticket);
            }
        }
    }

    /// Forgets how the refreshes of an account went: with what it has now they may go otherwise.
    pub(super) fn forget_failures(&mut self, slot: usize) {
        if let Some(account) = self.accounts.get(slot)
            && let Some(endpoint) = account.endpoint()
        {
            self.traffic.forget(endpoint, slot);
        }
    }

    pub(super) fn urgency(&self, slot: usize) -> Urgency {
        match self.accounts.get(slot) {
            Some(account) if !account.waiters.is_empty() => Urgency::Waited,
            _ => Urgency::Due,
        }
    }
}
