//! The state machine: all accounts, their timers, and the way each event takes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::account::{Account, News, Pending, Phase};
use super::adjust;
use super::errands::Errands;
use super::policy::Policy;
use super::questions::{Change, Question};
use super::registrations::Registrations;
use super::rest::Machine;
use super::signin::SignIn;
use super::term::Term;
use super::traffic::Traffic;
use super::view::View;
use super::words::{Effect, Event, Refusal, Rules, TokenEndpoint};
use crate::model::{
    AccountId, AccountName, AccountSeed, Boot, BootId, ChangeId, ClientKey, FlightId, Generation,
    Issued, Modes, Now, Portion, QuestionId, RequestId, Rule, RuleId, Standing,
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
    /// Accounts, by a place that does not change while they exist.
    pub(super) accounts: Vec<Option<Account>>,
    /// Places that nobody has.
    pub(super) free: Vec<usize>,
    /// Where accounts are, by the name that the user has given them: a directory for those who come by the door.
    pub(super) places: HashMap<AccountName, usize>,
    /// The same by what they are called everywhere else.
    pub(super) ids: HashMap<AccountId, usize>,
    pub(super) sign_ins: Vec<SignIn>,
    pub(super) flights: HashMap<FlightId, Flight>,
    next_flight: FlightId,
    /// Refreshes under way, and those who wait for their turn.
    pub(super) traffic: Traffic,
    pub(super) timers: BTreeSet<(Boot, usize)>,
    /// Accounts with news for the watchers.
    touched: Vec<usize>,
    pub(super) waiting: usize,
    /// Exchanges whose grant could not be saved yet.
    pub(super) unsaved_exchanges: usize,
    pub(super) modes: Modes,
    /// The accounts that find out whether clients work again that were rejected; looked at before it is believed.
    pub(super) client_probes: HashMap<ClientKey, usize>,
    /// What the user changed about accounts, on its way to the disk.
    pub(super) adjustments: BTreeMap<ChangeId, adjust::Change>,
    /// What accounts that are gone left to be done.
    pub(super) errands: Errands,
    /// Clients whose secret ends.
    pub(super) registrations: Registrations,
    /// Which programs may have tokens.
    pub(super) policy: Policy,
    /// What the user is to be asked, and was asked a while ago; the oldest first.
    pub(super) questions: Vec<Question>,
    pub(super) next_question: QuestionId,
    /// Changes of the rules on their way to the disk.
    pub(super) changes: BTreeMap<ChangeId, Change>,
    /// The last number that was given to either.
    pub(super) next_change: ChangeId,
    /// Whether the last request got through to its provider.
    pub(super) online: bool,
    pub(super) draining: bool,
}

/// A flight under way.
pub(super) struct Flight {
    pub(super) task: Task,
    /// The attempt of unknown fate that this one settles: forgotten once this one is on record.
    pub(super) resolves: Option<FlightId>,
    pub(super) pending: Option<Pending>,
}

/// What a flight is for.
#[derive(Debug, Clone)]
pub(super) enum Task {
    Refresh {
        place: usize,
        endpoint: TokenEndpoint,
        generation: Generation,
        portion: Option<Arc<Portion>>,
        by_exchange: bool,
    },
    Exchange {
        request: RequestId,
        seed: AccountSeed,
        rules: Box<Rules>,
    },
}

impl Lifecycle {
    /// An empty one. Flights are numbered from `next_flight` on: higher than any ever used.
    #[must_use]
    pub fn new(settings: Settings, boot_id: BootId, next_flight: FlightId) -> Self {
        Self {
            settings,
            boot_id,
            machine: Machine::default(),
            accounts: Vec::new(),
            free: Vec::new(),
            places: HashMap::new(),
            ids: HashMap::new(),
            sign_ins: Vec::new(),
            flights: HashMap::new(),
            next_flight,
            traffic: Traffic::new(settings.max_flights),
            timers: BTreeSet::new(),
            touched: Vec::new(),
            waiting: 0,
            unsaved_exchanges: 0,
            modes: Modes::default(),
            client_probes: HashMap::new(),
            adjustments: BTreeMap::new(),
            errands: Errands::default(),
            registrations: Registrations::default(),
            policy: Policy::new(Vec::new(), RuleId(1)),
            questions: Vec::new(),
            next_question: QuestionId(1),
            changes: BTreeMap::new(),
            next_change: ChangeId::default(),
            online: true,
            draining: false,
        }
    }

    /// Takes up the rules on record. New ones are numbered from `next` on, questions to the user from
    /// `first_question` on.
    pub fn take_rules(&mut self, rules: Vec<Rule>, next: RuleId, first_question: QuestionId) {
        self.policy = Policy::new(rules, next);
        self.next_question = first_question;
    }

    /// Takes an event and adds what follows from it to `out`.
    pub fn handle(&mut self, event: Event, now: Now, out: &mut Vec<Effect>) {
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
            Event::EndSignIn { request, why } => self.end_sign_in(&request, why, out),
            Event::SetRule { account, draft, waiter } => {
                self.set_rule(account.as_ref(), draft, waiter, now, out);
            }
            Event::RemoveRule { rule, waiter } => self.remove_rule(rule, waiter, out),
            Event::RuleStored { change, result } => self.rule_stored(change, result, now, out),
            Event::Respond { question, verdict, by, waiter } => {
                self.respond(question, verdict, by, waiter, now, out);
            }
            Event::Unasked { question, why } => self.unasked(question, why, now, out),
            Event::Part { account, parting, waiter } => self.part(&account, parting, waiter, out),
            Event::Adjust { account, to, waiter } => self.adjust(&account, to, waiter, out),
            Event::Adjusted { change, result } => self.adjusted(change, result, now, out),
            Event::Errand(event) => self.errand(event, now, out),
            Event::Registration(event) => self.registration(event, now),
            Event::Erased { account, result } => self.erased(&account, result),
            Event::Resume { account, waiter } => {
                let result = self.resume(&account, now, out);
                out.push(Effect::Done { waiter, result });
            }
            Event::Rules(rules) => self.rules(&rules, now, out),
            Event::Modes(modes) => self.set_modes(modes),
            Event::Drain => self.drain(now, out),
            Event::Rest => self.go_to_rest(now),
            Event::Wake => self.wake(now),
            Event::NetworkUp => self.network_up(now),
            Event::ClockSet => self.clock_set(now),
        }
        self.mind_machine(now);
        self.tick(now, out);
        while !self.machine.rests()
            && let Some(place) = self.traffic.next(now.boot)
        {
            self.depart(place, now, out);
        }
        self.flush(out);
    }

    /// When the next [`Event::Alarm`] is wanted.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Boot> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let rests = self.machine.rests() || self.draining;
        let sign_in = self.sign_ins.iter().filter_map(|sign_in| sign_in.wakes(rests)).min();
        // who waits for a turn waits for the machine first
        let turn = if self.machine.rests() { None } else { self.traffic.next_deadline() };
        let question = self.question_deadline();
        let errand = self.errands.next_deadline(rests);
        [
            timer,
            sign_in,
            self.exchange_retry(),
            turn,
            self.machine.next_deadline(),
            question,
            errand,
            self.registrations.next_deadline(rests),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The accounts, in the order of their names.
    #[must_use]
    pub fn views(&self) -> Vec<View<'_>> {
        let mut views: Vec<_> = self.accounts.iter().flatten().map(Account::view).collect();
        views.sort_by(|a, b| a.seed.name.cmp(&b.seed.name));
        views
    }

    /// Whether an account uses that client.
    #[must_use]
    pub fn has_client(&self, client: &ClientKey) -> bool {
        self.accounts.iter().flatten().any(|account| account.seed.client == *client)
    }

    /// One account.
    #[must_use]
    pub fn view(&self, name: &AccountName) -> Option<View<'_>> {
        let account = self.accounts[*self.places.get(name)?].as_ref()?;
        (!account.is_going()).then(|| account.view())
    }

    /// The sign-ins that wait for the user or for their exchange.
    pub fn open_sign_ins(&self) -> impl Iterator<Item = (&RequestId, &AccountSeed)> {
        self.sign_ins.iter().map(|sign_in| (&sign_in.request, &sign_in.seed))
    }

    /// The open sign-in for an account, if there is one.
    #[must_use]
    pub fn sign_in_for(&self, account: &AccountId) -> Option<&RequestId> {
        self.open_sign_ins().find(|(_, seed)| seed.id == *account).map(|(request, _)| request)
    }

    /// Whether nothing is under way that must not be cut off: no flight, no unsaved grant.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.flights.is_empty()
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
        for place in 0..self.accounts.len() {
            let Some(account) = &mut self.accounts[place] else { continue };
            let Some(rules) = defined.get(&account.seed.client) else { continue };
            if account.rules == *rules {
                continue;
            }
            self.unqueue(place);
            self.forget_failures(place);
            let Some(account) = &mut self.accounts[place] else { continue };
            account.rules.clone_from(rules);
            // a mended definition is worth a new try
            let rests = matches!(account.phase, Phase::Idle | Phase::Waiting(_));
            let waits = account.login.last_failure.is_some() || !account.waiters.is_empty();
            let held = matches!(account.standing, Standing::Held { .. });
            if account.rules.is_some() && rests && (held || waits) {
                account.phase = Phase::Waiting(now.boot);
            }
            if let Some(token) = account.login.token.take() {
                self.take_token(place, token.issued, now);
            }
            self.touch(place, News::Changed);
            let gone = self.accounts[place].as_ref().filter(|account| !account.is_busy());
            if let Some(refusal) = gone.and_then(Account::obstacle) {
                self.settle_waiters(place, now, &refusal, out);
            }
            self.rearm(place);
        }
    }

    fn drain(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.draining = true;
        self.drop_all_questions(out);
        self.end_all_sign_ins(out);
        for place in 0..self.accounts.len() {
            self.unqueue(place);
            let Some(account) = &self.accounts[place] else { continue };
            if !account.is_busy() {
                self.settle_waiters(place, now, &Refusal::Stopping, out);
            }
            self.rearm(place);
        }
    }

    /// Does what is due by `now`.
    fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.expire_sign_ins(now, out);
        self.poll_sign_ins(now, out);
        self.mind_errands(now, out);
        self.mind_registrations(now, out);
        if !self.questions.is_empty() {
            self.mind_questions(now, out);
        }
        if self.unsaved_exchanges > 0 {
            self.save_exchanges_again(now, out);
        }
        // what one attention brings about may be due at once, too, but not again and again
        for _ in 0..ROUNDS {
            if self.timers.first().is_none_or(|(at, _)| *at > now.boot) {
                return;
            }
            let later = self.timers.split_off(&(Boot(now.boot.0.saturating_add(1)), 0));
            for (at, place) in std::mem::replace(&mut self.timers, later) {
                if let Some(account) = &mut self.accounts[place]
                    && account.wake == Some(at)
                {
                    account.wake = None;
                    self.attend(place, now, out);
                }
            }
        }
    }

    fn attend(&mut self, place: usize, now: Now, out: &mut Vec<Effect>) {
        self.time_out_waiters(place, now, out);
        self.end_if_spent(place, now, out);
        let Some(account) = &mut self.accounts[place] else { return };
        let due = account.due();
        match account.phase {
            Phase::Waiting(until) if until <= now.boot => {
                account.phase = Phase::Idle;
                // after a failure or a gap, go on only if there still is a reason to
                let held = matches!(account.standing, Standing::Held { .. });
                let wanted = !account.waiters.is_empty() || account.persists();
                let can = account.login.renewable && account.rules.is_some();
                if can && (held || wanted || due.is_some_and(|due| due <= now.boot)) {
                    self.start(place, self.urgency(place), now);
                }
            }
            Phase::Idle if due.is_some_and(|due| due <= now.boot) => {
                self.want_refresh(place, self.urgency(place), now);
            }
            Phase::Saving(flight) => self.save_again(flight, now, out),
            _ => {}
        }
        self.rearm(place);
    }

    /// A login without a refresh token ends with its access token.
    fn end_if_spent(&mut self, place: usize, now: Now, out: &mut Vec<Effect>) {
        let Some(account) = &mut self.accounts[place] else { return };
        let expired = account
            .login
            .token
            .as_ref()
            .is_some_and(|token| token.expires.is_some_and(|expires| expires <= now.boot));
        let renewing = account.exchange.is_some();
        if account.login.renewable || renewing || account.standing != Standing::Good || !expired {
            return;
        }
        let standing = Standing::NeedsLogin { why: super::account::NOT_RENEWABLE.into() };
        account.standing = standing.clone();
        out.push(Effect::Stand { account: account.seed.id.clone(), standing });
        self.touch(place, News::Changed);
    }

    /// Puts an account that is new here in its place.
    pub(super) fn admit(&mut self, mut account: Account) -> usize {
        account.mode = self.modes.of(&account.seed.name);
        let name = account.seed.name.clone();
        let place = self.free.pop().unwrap_or_else(|| {
            self.accounts.push(None);
            self.accounts.len() - 1
        });
        self.ids.insert(account.seed.id.clone(), place);
        self.accounts[place] = Some(account);
        self.places.insert(name, place);
        self.rearm(place);
        place
    }

    /// Makes a token the one at hand; none is, as long as the wall clock cannot tell how old it is.
    pub(super) fn take_token(&mut self, place: usize, issued: Arc<Issued>, now: Now) {
        let Some(account) = &mut self.accounts[place] else { return };
        let token = account.cache(&self.boot_id, &issued, now);
        account.login.undated = token.is_none().then_some(issued);
        account.login.token = token;
    }

    /// Notes what is known of the life of an account's refresh token.
    pub(super) fn take_term(&mut self, place: usize, mut term: Term, now: Now) {
        term.place(&self.boot_id, now);
        if let Some(account) = &mut self.accounts[place] {
            account.login.term = Some(term);
        }
    }

    /// Notes news of an account.
    pub(super) fn touch(&mut self, place: usize, news: News) {
        if let Some(account) = &mut self.accounts[place] {
            account.tell(news);
            self.touched.push(place);
        }
    }

    /// Brings the timers in line with what an account now waits for.
    pub(super) fn rearm(&mut self, place: usize) {
        let Some(account) = &mut self.accounts[place] else { return };
        let saving = match account.phase {
            Phase::Saving(flight) => self.flights.get(&flight).and_then(Flight::save_again_at),
            _ => None,
        };
        let wake = account.attention(self.draining, saving);
        if wake != account.wake {
            if let Some(old) = account.wake {
                self.timers.remove(&(old, place));
            }
            if let Some(new) = wake {
                self.timers.insert((new, place));
            }
            account.wake = wake;
        }
    }

    fn flush(&mut self, out: &mut Vec<Effect>) {
        for place in std::mem::take(&mut self.touched) {
            let Some(account) = &mut self.accounts[place] else { continue };
            let news = std::mem::replace(&mut account.news, News::Nothing);
            if news > News::Nothing && !account.is_going() {
                let new_token = news == News::NewToken;
                out.push(Effect::Changed { account: account.seed.name.clone(), new_token });
            }
        }
    }
}

/// How often timers are looked at in one event.
const ROUNDS: usize = 4;

impl Flight {
    /// The part of its login that it brings a token for, if not for all of it.
    pub(super) fn portion(&self) -> Option<&Arc<Portion>> {
        match &self.task {
            Task::Refresh { portion, .. } => portion.as_ref(),
            Task::Exchange { .. } => None,
        }
    }

    /// Whether it exchanges an access token, and leaves the refresh token alone.
    pub(super) fn is_exchange(&self) -> bool {
        matches!(self.task, Task::Refresh { by_exchange: true, .. })
    }

    /// When the grant it brought is sent to the disk again, if that failed.
    pub(super) fn save_again_at(&self) -> Option<Boot> {
        Some(self.pending.as_ref()?.held.as_ref()?.1)
    }
}
