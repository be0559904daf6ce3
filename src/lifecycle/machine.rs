//! The state machine: all that is known, and the way each event takes.

use std::collections::HashMap;
use std::time::Duration;

use super::account::{Account, NOT_RENEWABLE, News};
use super::accounts::Accounts;
use super::changes::{AccountChange, Changes, RuleChange};
use super::errands::{ErrandView, Errands};
use super::flight::Flight;
use super::policy::Policy;
use super::questions::Questions;
use super::registrations::{RegistrationView, Registrations};
use super::rest::Machine;
use super::sign_ins::SignIns;
use super::state::{Airborne, Work};
use super::timers::Timers;
use super::traffic::Traffic;
use super::words::{Effect, Event, Refusal, Rules};
use crate::model::{
    Boot, BootId, ChangeId, ClientKey, FlightId, Modes, Now, QuestionId, Rule, RuleId, Standing,
};

/// Limits.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Refresh flights at the same time.
    pub max_flights: usize,
    /// Questions that may wait at the same time.
    pub max_waiters: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_flights: 32, max_waiters: 8192 }
    }
}

/// The state of everything.
pub struct Lifecycle {
    pub(super) settings: Settings,
    pub(super) boot_id: BootId,
    /// Whether the machine around us sleeps, and what it hinted at.
    pub(super) machine: Machine,
    pub(super) accounts: Accounts,
    pub(super) sign_ins: SignIns,
    pub(super) flights: HashMap<FlightId, Flight>,
    next_flight: FlightId,
    /// When grants of sign-ins that the disk has not taken are sent to it again.
    pub(super) saves: Timers<FlightId>,
    /// Refreshes under way, and those who wait for their turn.
    pub(super) traffic: Traffic,
    /// How many wait for a token.
    pub(super) waiting: usize,
    pub(super) modes: Modes,
    /// What the user changed about accounts, on its way to the disk.
    pub(super) adjustments: Changes<AccountChange>,
    /// What accounts that are gone left to be done.
    pub(super) errands: Errands,
    /// Clients whose secret ends.
    pub(super) registrations: Registrations,
    /// Which programs may have tokens.
    pub(super) policy: Policy,
    /// What the user is to be asked.
    pub(super) questions: Questions,
    /// Changes of the rules, on their way to the disk.
    pub(super) rule_changes: Changes<RuleChange>,
    /// The last ticket that was given to a change.
    pub(super) next_change: ChangeId,
    /// Whether the last request got through to its provider.
    pub(super) online: bool,
    pub(super) draining: bool,
    patience: Patience,
}

/// How long a stop waits for a disk that takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// The daemon runs on.
    Endless,
    Until(Boot),
    Over,
}

impl Lifecycle {
    /// An empty one. Flights are numbered from `next_flight` on: higher than any ever used.
    #[must_use]
    pub fn new(settings: Settings, boot_id: BootId, next_flight: FlightId) -> Self {
        Self {
            settings,
            boot_id,
            machine: Machine::default(),
            accounts: Accounts::default(),
            sign_ins: SignIns::default(),
            flights: HashMap::new(),
            next_flight,
            saves: Timers::default(),
            traffic: Traffic::new(settings.max_flights),
            waiting: 0,
            modes: Modes::default(),
            adjustments: Changes::default(),
            errands: Errands::default(),
            registrations: Registrations::default(),
            policy: Policy::new(Vec::new(), RuleId(1)),
            questions: Questions::new(QuestionId(1)),
            rule_changes: Changes::default(),
            next_change: ChangeId::default(),
            online: true,
            draining: false,
            patience: Patience::Endless,
        }
    }

    /// Takes up the rules on record. New ones are numbered from `next` on, questions to the user from
    /// `first_question` on.
    pub fn take_rules(&mut self, rules: Vec<Rule>, next: RuleId, first_question: QuestionId) {
        self.policy = Policy::new(rules, next);
        self.questions = Questions::new(first_question);
    }

    /// Takes an event and adds what follows from it to `out`.
    pub fn handle(&mut self, event: Event, now: Now, out: &mut Vec<Effect>) {
        self.take(event, now, out);
        if self.machine.mind(now) {
            self.heed_hint(now);
        }
        self.tick(now, out);
        while !self.machine.rests()
            && let Some(slot) = self.traffic.next(now.boot)
        {
            self.depart(slot, now, out);
        }
        for (account, new_token) in self.accounts.take_news() {
            out.push(Effect::Changed { account, new_token });
        }
    }

    fn take(&mut self, event: Event, now: Now, out: &mut Vec<Effect>) {
        match event {
            Event::Ask(ask) => self.ask(ask, now, out),
            Event::Alarm => {}
            Event::Begun { flight, result } => self.begun(flight, result, now, out),
            Event::Landed { flight, sent, landing } => {
                self.landed(flight, &sent, landing, now, out);
            }
            Event::Saved { flight, result } => self.saved(flight, result, now, out),
            Event::SignIn(seed) => self.sign_in(seed, now, out),
            Event::Redeem { request, values } => self.redeem(&request, &values, out),
            Event::EndSignIn { request, why } => self.sign_ins.end(&request, &why, out),
            Event::SetRule { account, draft, waiter } => {
                self.set_rule(account.as_ref(), draft, waiter, now, out);
            }
            Event::RemoveRule { rule, waiter } => self.remove_rule(rule, waiter, out),
            Event::RuleStored { change, result } => self.rule_stored(change, result, now, out),
            Event::Respond { question, verdict, by, waiter } => {
                self.respond(question, verdict, by, waiter, now, out);
            }
            Event::Unasked { question, why } => self.questions.unasked(question, why, now, out),
            Event::Part { account, parting, waiter } => self.part(&account, parting, waiter, out),
            Event::Adjust { account, to, waiter } => self.adjust(&account, to, waiter, out),
            Event::Adjusted { change, result } => self.adjusted(change, result, now, out),
            Event::Errand(event) => {
                let gate = self.errand_gate();
                self.errands.hear(event, &gate, now.boot, out);
            }
            Event::Registration(event) => {
                // who was refused with the old secret, or while it was replaced, has another one now
                if let Some(client) = self.registrations.hear(event, now) {
                    self.retry_client(&client, None, now);
                }
            }
            Event::Erased { account, result } => self.erased(&account, result),
            Event::Resume { account, waiter } => {
                let result = self.resume(&account, now, out);
                out.push(Effect::Done { waiter, result });
            }
            Event::Rules(rules) => self.rules(&rules, now, out),
            Event::Modes(modes) => self.set_modes(modes),
            Event::Drain => self.drain(now, out),
            Event::Checking => self.machine.await_check(),
            Event::Checked => self.machine.checked(),
            Event::Rest => self.machine.go_to_rest(now.boot),
            Event::Wake => self.machine.wake(now.boot),
            Event::NetworkUp => self.network_up(now),
            Event::ClockSet => self.clock_set(now),
        }
    }

    /// When the next [`Event::Alarm`] is wanted.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Boot> {
        let rests = self.rests();
        // who waits for a turn waits for the machine first
        let turn = if self.machine.rests() { None } else { self.traffic.next_deadline() };
        [
            self.accounts.first_wake(),
            self.sign_ins.next_deadline(rests),
            self.saves.first(),
            turn,
            self.machine.next_deadline(),
            self.questions.next_deadline(),
            self.errands.next_deadline(rests),
            self.registrations.next_deadline(rests),
            match self.patience {
                Patience::Until(at) if !self.is_quiet() => Some(at),
                _ => None,
            },
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The errands that are not done yet, the oldest first.
    pub fn errands(&self) -> impl Iterator<Item = ErrandView<'_>> {
        self.errands.views()
    }

    /// The registrations whose secret ends.
    pub fn registrations(&self) -> impl Iterator<Item = RegistrationView<'_>> {
        self.registrations.views()
    }

    /// Whether nothing is under way that must not be cut off: no flight, no unsaved grant, and no registration that
    /// its provider changes.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.flights.is_empty() && self.registrations.are_quiet()
    }

    /// A flight number that was never used.
    pub(super) fn new_flight(&mut self) -> FlightId {
        let flight = self.next_flight;
        self.next_flight.0 += 1;
        flight
    }

    fn rules(
        &mut self,
        defined: &HashMap<ClientKey, Option<Rules>>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        for (client, rules) in defined {
            for slot in self.accounts.of_client(client) {
                self.take_rules_of_account(slot, rules.as_ref(), now, out);
            }
        }
    }

    /// An account's provider has another definition, or none any more.
    fn take_rules_of_account(
        &mut self,
        slot: usize,
        rules: Option<&Rules>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if self.accounts.get(slot).is_none_or(|account| account.rules.as_ref() == rules) {
            return;
        }
        self.unqueue(slot);
        self.forget_failures(slot);
        let boot_id = self.boot_id.clone();
        let Some(account) = self.accounts.get_mut(slot) else { return };
        account.rules = rules.cloned();
        // a mended definition is worth a new try
        let waits = account.login.failure.is_some() || !account.waiters.is_empty();
        let is_worth_it = account.state.is_held() || waits;
        if rules.is_some() && is_worth_it && account.state.work().is_at_rest() {
            account.state.work_on(Work::Waiting(now.boot));
        }
        if let Some(issued) = account.login.token().map(|token| token.issued.clone()) {
            account.take_token(&boot_id, issued, now);
        }
        let gone = if account.is_busy() { None } else { account.obstacle() };
        self.accounts.touch(slot, News::Changed);
        if let Some(refusal) = gone {
            self.settle_waiters(slot, now, &refusal, out);
        }
        self.rearm(slot);
    }

    fn drain(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.draining = true;
        if self.patience == Patience::Endless {
            self.patience = Patience::Until(now.boot + STOP_PATIENCE);
        }
        self.questions.drop_all(out);
        self.sign_ins.end_all(out);
        for slot in self.accounts.slots() {
            self.unqueue(slot);
            if self.accounts.get(slot).is_some_and(|account| !account.is_busy()) {
                self.settle_waiters(slot, now, &Refusal::Stopping, out);
            }
            self.rearm(slot);
        }
    }

    /// Does what is due by `now`.
    fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.sign_ins.expire(now, out);
        self.poll_sign_ins(now, out);
        self.mind_errands(now, out);
        self.registrations.mind(self.rests(), now, out);
        if !self.questions.is_empty() {
            self.questions.mind(now, out);
        }
        while let Some(flight) = self.saves.ring(now.boot) {
            self.save_again(flight, now, out);
        }
        if matches!(self.patience, Patience::Until(at) if at <= now.boot) {
            self.patience = Patience::Over;
        }
        if self.patience == Patience::Over {
            self.give_up_saving(now, out);
            self.registrations.give_up_keeping();
        }
        // what one attention brings about may be due at once, too, but not again and again
        for _ in 0..ROUNDS {
            let due = self.accounts.ring(now.boot);
            if due.is_empty() {
                return;
            }
            for slot in due {
                self.attend(slot, now, out);
            }
        }
    }

    fn attend(&mut self, slot: usize, now: Now, out: &mut Vec<Effect>) {
        self.time_out_waiters(slot, now, out);
        self.end_if_spent(slot, now, out);
        let Some(account) = self.accounts.get_mut(slot) else { return };
        let is_due = account.due().is_some_and(|due| due <= now.boot);
        match account.state.work() {
            Work::Waiting(until) if until <= now.boot => {
                account.state.work_on(Work::Idle);
                // after a failure or a gap, go on only if there still is a reason to
                let wanted = !account.waiters.is_empty() || account.persists();
                let can = account.login.is_renewable() && account.rules.is_some();
                if can && (account.state.is_held() || wanted || is_due) {
                    self.start(slot, self.urgency(slot), now);
                }
            }
            Work::Idle if is_due => self.want_refresh(slot, self.urgency(slot), now),
            Work::Airborne(Airborne::Saving(flight)) => self.save_again(flight, now, out),
            Work::Idle | Work::Waiting(_) | Work::Queued(_) | Work::Airborne(_) => {}
        }
        self.rearm(slot);
    }

    /// A login without a refresh token ends with its access token.
    fn end_if_spent(&mut self, slot: usize, now: Now, out: &mut Vec<Effect>) {
        let Some(account) = self.accounts.get_mut(slot) else { return };
        if account.end().is_none_or(|end| end > now.boot) {
            return;
        }
        let standing = Standing::NeedsLogin { why: NOT_RENEWABLE.into() };
        account.state.stand(standing.clone(), Work::Idle);
        out.push(Effect::Stand { account: account.seed.id.clone(), standing });
        self.accounts.touch(slot, News::Changed);
    }

    /// Takes in an account that is new here.
    pub(super) fn admit(&mut self, mut account: Account) -> usize {
        account.mode = self.modes.of(&account.seed.name);
        let slot = self.accounts.admit(account);
        self.rearm(slot);
        slot
    }

    /// Brings the timer in line with what an account now waits for.
    pub(super) fn rearm(&mut self, slot: usize) {
        let Some(account) = self.accounts.get(slot) else { return };
        let saving = match account.state.work() {
            Work::Airborne(Airborne::Saving(flight)) => {
                self.flights.get(&flight).and_then(Flight::save_again_at)
            }
            _ => None,
        };
        let at = account.attention(self.draining, saving);
        self.accounts.wake(slot, at);
    }
}

/// How long a stop waits for a disk that takes nothing. The service manager waits a minute (`TimeoutStopSec` of the unit),
/// and then kills. What is on record by then is read at the next start; what is not is lost either way.
const STOP_PATIENCE: Duration = Duration::from_secs(50);

/// How often timers are looked at in one event.
const ROUNDS: usize = 4;
