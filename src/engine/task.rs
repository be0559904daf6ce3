//! The task: its state and its loop.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Interval;

use super::access::Change;
use super::doctor::{Doctor, Examined};
use super::errands::{Errand, Tried};
use super::fitting::{Fitted, Fitting};
use super::flights::{Flying, Landed};
use super::handle::{Asker, EVENTS, Handle, MAILBOX, Message};
use super::identity::Known;
use super::logout::{Leaving, Revocation};
use super::plan::Prepared;
use super::prompts::{Answered, Asking, Prompts, first_question};
use super::recovery::{self, Unread};
use super::registrations;
use super::roster::Roster;
use super::signing::{SIGNING_MAX, Wish};
use super::signins::{Callback, Ended, SignIn};
use super::uses::Uses;
use crate::api::{Event as News, Fault, LoginStarted, Response, State};
use crate::lifecycle::{Effect, Event, Lifecycle, Settings, WaiterId};
use crate::model::{
    AccountId, AccountName, Caller, ClientId, ClientKey, ClientRecord, ErrandId, FlightId, Modes,
    ProviderId, QuestionId, RequestId,
};
use crate::oauth::{Courier, Http, Prover};
use crate::provider::{Catalog, Provider};
use crate::store::{self, Loaded, Renewal, Report, Reports, Store, StoreError};
use crate::sys::alarm::Alarm;
use crate::sys::clock::Clock;
use crate::sys::notify;

/// What the engine is made of.
pub struct Parts {
    /// The store, and what it had on record.
    pub store: Store,
    /// What the store says.
    pub reports: Reports,
    /// What it had on record at start.
    pub loaded: Loaded,
    /// The way to providers.
    pub http: Http,
    /// The way of token requests: the same, as a rule.
    pub courier: Arc<dyn Courier>,
    /// The providers that can be named.
    pub catalog: Catalog,
    /// The clocks.
    pub clock: Clock,
    /// What rings by them.
    pub alarm: Alarm,
    /// Limits.
    pub settings: Settings,
    /// Which accounts are kept fresh ahead of time.
    pub modes: Modes,
    /// The client that is described by a document of the user's.
    pub document: Option<ClientId>,
    /// What status shows of the daemon.
    pub info: Info,
}

/// What status shows of the daemon.
#[derive(Debug, Clone)]
pub struct Info {
    /// The files of the store.
    pub places: store::Places,
    /// Whether the name on the session bus is held at the moment.
    pub bus: Arc<AtomicBool>,
}

/// What the user's files say now.
#[derive(Debug)]
pub struct Reload {
    /// The providers that can be named.
    pub catalog: Catalog,
    /// Which accounts are kept fresh ahead of time; as before if the settings cannot be used.
    pub modes: Option<Modes>,
    /// The client that is described by a document of the user's, if the settings can be used.
    pub document: Option<ClientId>,
}

/// What the daemon tells the engine.
#[derive(Debug)]
pub enum Control {
    /// The user's files were read anew.
    Reload(Box<Reload>),
    /// End what is under way and stop.
    Drain,
    /// The machine is about to sleep or to shut down, and may wait until that is closed: it is, as soon
    /// as nothing is under way.
    Rest(Option<OwnedFd>),
    /// The machine woke, or does not sleep after all.
    Wake,
    /// The way to providers may be open again.
    NetworkUp,
    /// The wall clock was set.
    ClockSet,
}

/// Somebody who waits, for a token or for the end of a logout.
pub(super) struct Waiting {
    pub(super) asker: Asker,
    pub(super) caller: Caller,
    pub(super) account: AccountName,
    /// The request for which a proof is to go with the token, if one is.
    pub(super) wish: Option<Box<Wish>>,
}

/// The end of a task that the engine started.
pub(super) enum Done {
    /// A flight ended.
    Landed(Landed),
    /// The client of a login fits, or does not.
    Fitted(Box<Fitted>),
    /// A sign-in can be shown to the user, or cannot be started.
    Prepared(Box<Prepared>),
    /// A revocation was tried.
    Tried(Tried),
    /// A registration was to be renewed.
    Renewed(Box<registrations::Tried>),
    /// As much is known of new tokens as can be.
    Known(Box<Known>),
    /// An answer took a task of its own.
    Answered { asker: Asker, result: Result<Response, Fault> },
    /// A task is over that has nothing to tell.
    Over,
    /// Disk and providers have been looked at.
    Examined(Box<Examined>),
    /// The user was asked something, and answered or did not.
    Prompted { question: QuestionId, answer: Option<Answered> },
}

/// Something that waits for its turn.
#[expect(
    clippy::large_enum_variant,
    reason = "one or two at a time, and none is to cost an allocation"
)]
enum Turn {
    Event(Event),
    Report(Report),
}

/// The engine. [`Engine::run`] is its life.
pub struct Engine {
    pub(super) lifecycle: Lifecycle,
    pub(super) store: Store,
    pub(super) http: Http,
    pub(super) courier: Arc<dyn Courier>,
    pub(super) catalog: Catalog,
    pub(super) document: Option<ClientId>,
    pub(super) clock: Clock,
    pub(super) info: Info,
    pub(super) protection: String,
    pub(super) started: i64,
    /// Client registrations on record.
    pub(super) clients: HashMap<ClientKey, ClientRecord>,
    /// Definitions that were discovered, parsed once.
    pub(super) pinned: HashMap<ClientKey, Arc<Provider>>,
    /// Definitions of the catalog whose gaps are filled, by the names that fill them.
    filled: HashMap<ProviderId, Arc<Provider>>,
    /// The keys that the tokens of accounts are bound to.
    pub(super) keys: HashMap<AccountId, Arc<Prover>>,
    /// How many proofs can be in the making.
    pub(super) signing: Arc<Semaphore>,
    pub(super) flying: HashMap<FlightId, Flying>,
    pub(super) sign_ins: HashMap<RequestId, SignIn>,
    /// Sign-ins on their way to the disk, and who is shown them then.
    pub(super) showing: HashMap<RequestId, (Asker, LoginStarted)>,
    /// Sign-ins whose listener or metadata is still awaited.
    pub(super) preparing: usize,
    pub(super) fitting: Fitting,
    /// How the last sign-ins ended, for those who ask late.
    pub(super) ended: VecDeque<Ended>,
    /// Answers of an earlier run that wait for their provider's definition.
    pub(super) unread: Vec<Unread>,
    pub(super) leaving: HashMap<AccountId, Leaving>,
    pub(super) errands: HashMap<ErrandId, Errand>,
    /// Renewed registrations that the disk has not taken.
    pub(super) unkept: HashMap<ClientKey, Box<Renewal>>,
    pub(super) waiting: HashMap<WaiterId, Waiting>,
    /// Those among them who want a new token to be there, and do not want to have it.
    pub(super) renewals: HashSet<WaiterId>,
    /// What those want of the provider who log out.
    pub(super) revocations: HashMap<WaiterId, Revocation>,
    pub(super) next_waiter: u64,
    pub(super) doctor: Doctor,
    /// Who was given tokens.
    pub(super) uses: Uses,
    /// Who waits for a change of the rules, or for an answer to be heard.
    pub(super) rulings: HashMap<WaiterId, (Asker, Change)>,
    pub(super) asking: Asking,
    pub(super) tasks: JoinSet<Done>,
    pub(super) callbacks: mpsc::Sender<Callback>,
    pub(super) events: broadcast::Sender<News>,
    /// What is shown of the accounts.
    pub(super) roster: Roster,
    /// Room for effects, kept from one event to the next.
    effects: Vec<Effect>,
    turns: VecDeque<Turn>,
    in_turn: bool,
    alarm: Alarm,
    reports: Reports,
    pub(super) mailbox: mpsc::Receiver<Message>,
    called_back: mpsc::Receiver<Callback>,
    pub(super) draining: bool,
    /// What was found when the database was looked at: no request leaves, and everybody is told.
    pub(super) damaged: Option<StoreError>,
    /// What keeps the machine from sleeping while something is under way.
    inhibitor: Option<OwnedFd>,
    /// The state of each account that the log was told last.
    pub(super) announced: HashMap<AccountName, State>,
    /// Whether the line that the service manager shows may be out of date.
    pub(super) line_is_old: bool,
    /// The line as it was told last.
    pub(super) told_line: String,
}

/// Callbacks that may wait for the engine; a browser sends one or two.
const CALLBACKS: usize = 16;

impl Engine {
    /// An engine that takes up what its store has on record.
    #[must_use]
    pub fn new(parts: Parts) -> (Self, Handle, Prompts) {
        let Parts {
            store,
            reports,
            loaded,
            http,
            courier,
            catalog,
            clock,
            alarm,
            settings,
            modes,
            document,
            info,
        } = parts;
        let (mail, mailbox) = mpsc::channel(MAILBOX);
        let (callbacks, called_back) = mpsc::channel(CALLBACKS);
        let (events, _) = broadcast::channel(EVENTS);
        let (asking, prompts) = Asking::new();
        let boot_id = clock.boot_id().clone();
        let mut engine = Self {
            lifecycle: Lifecycle::new(settings, boot_id, loaded.next_flight),
            store,
            http,
            courier,
            catalog,
            document,
            started: clock.now().wall.seconds(),
            clock,
            info,
            protection: loaded.protection,
            clients: HashMap::new(),
            pinned: HashMap::new(),
            filled: HashMap::new(),
            keys: HashMap::new(),
            signing: Arc::new(Semaphore::new(SIGNING_MAX)),
            flying: HashMap::new(),
            sign_ins: HashMap::new(),
            showing: HashMap::new(),
            preparing: 0,
            fitting: Fitting::default(),
            ended: VecDeque::new(),
            unread: Vec::new(),
            leaving: HashMap::new(),
            errands: HashMap::new(),
            unkept: HashMap::new(),
            waiting: HashMap::new(),
            renewals: HashSet::new(),
            revocations: HashMap::new(),
            next_waiter: 0,
            doctor: Doctor::default(),
            uses: Uses::take_up(loaded.usage),
            rulings: HashMap::new(),
            asking,
            tasks: JoinSet::new(),
            callbacks,
            events: events.clone(),
            roster: Roster::default(),
            effects: Vec::new(),
            turns: VecDeque::new(),
            in_turn: false,
            alarm,
            reports,
            mailbox,
            called_back,
            draining: false,
            damaged: None,
            inhibitor: None,
            announced: HashMap::new(),
            line_is_old: true,
            told_line: String::new(),
        };
        // before the first account, so that none is refreshed that should rest
        engine.tell(Event::Checking);
        engine.tell(Event::Modes(modes));
        engine.lifecycle.take_rules(loaded.rules, loaded.next_rule, first_question());
        let Loaded { clients, accounts, attempts, devices, errands, keys, .. } = loaded;
        let keys = engine.take_up_keys(keys);
        recovery::take_up(&mut engine, clients, accounts, attempts, devices, keys);
        engine.resume_errands(errands);
        engine.watch_registrations();
        engine.roster.follow(&mut engine.lifecycle);
        (engine, Handle { mailbox: mail, events }, prompts)
    }

    /// Runs until it has drained, or until `control` is gone. Gives the store back, to be closed. If the database turns
    /// out to be damaged it ends as [`super::impaired`] does.
    pub async fn run(mut self, mut control: mpsc::Receiver<Control>) -> io::Result<Store> {
        let mut watchdog = notify::watchdog_interval().map(tokio::time::interval);
        self.tell(Event::Alarm);
        while self.step(&mut control, watchdog.as_mut()).await? {
            if let Some(error) = self.damaged.take() {
                return Ok(self.serve_fault(&error, control).await);
            }
        }
        Ok(self.stop())
    }

    /// Waits for the next thing and takes it up. `false` when there is nothing left to wait for.
    pub(super) async fn step(
        &mut self,
        control: &mut mpsc::Receiver<Control>,
        watchdog: Option<&mut Interval>,
    ) -> io::Result<bool> {
        self.tell_manager();
        if self.draining && self.is_quiet() && self.leaving.is_empty() {
            return Ok(false);
        }
        if self.is_quiet() {
            self.inhibitor = None;
        }
        self.write_uses_if_due();
        let deadlines = [self.lifecycle.next_deadline(), self.uses.due(), self.overdue_at()];
        self.alarm.set(deadlines.into_iter().flatten().min())?;
        // A stop never waits behind a crowd; what frees callers goes before what adds more of
        // them; the alarm goes before the mailbox, so that no crowd can starve the schedule.
        tokio::select! {
            biased;
            order = control.recv(), if !self.draining => match order {
                Some(Control::Reload(files)) => self.reload(*files),
                Some(Control::Drain) | None => self.drain(),
                Some(Control::Rest(inhibitor)) => self.rest(inhibitor),
                Some(Control::Wake) => self.wake(),
                Some(Control::NetworkUp) => self.network_up(),
                Some(Control::ClockSet) => self.clock_set(),
            },
            () = tick(watchdog) => notify::watchdog(),
            Some(report) = self.reports.recv() => self.reported(report),
            Some(done) = self.tasks.join_next() => self.done(done),
            Some(callback) = self.called_back.recv() => self.callback(callback),
            rung = self.alarm.ring() => {
                rung?;
                self.end_overdue();
                self.tell(Event::Alarm);
            }
            Some(message) = self.mailbox.recv() => self.ask(message),
        }
        Ok(true)
    }

    /// Takes an event to the lifecycle and does what follows from it. What an effect gives rise to
    /// at once waits for its turn, so that effects keep their order.
    pub(super) fn tell(&mut self, event: Event) {
        self.turns.push_back(Turn::Event(event));
        self.take_turns();
    }

    /// Hears what the store would have said.
    pub(super) fn hear(&mut self, report: Report) {
        self.turns.push_back(Turn::Report(report));
        self.take_turns();
    }

    fn take_turns(&mut self) {
        if std::mem::replace(&mut self.in_turn, true) {
            return;
        }
        let mut effects = std::mem::take(&mut self.effects);
        while let Some(turn) = self.turns.pop_front() {
            match turn {
                Turn::Event(event) => {
                    self.lifecycle.handle(event, self.clock.now(), &mut effects);
                    self.roster.follow(&mut self.lifecycle);
                    for effect in effects.drain(..) {
                        self.effect(effect);
                    }
                }
                Turn::Report(report) => self.reported(report),
            }
        }
        self.effects = effects;
        self.in_turn = false;
    }

    /// Somebody waits for news of an account from now on, under the name that is given back.
    pub(super) fn wait(&mut self, asker: Asker, caller: Caller, account: &AccountName) -> WaiterId {
        let waiter = self.new_waiter();
        self.waiting
            .insert(waiter, Waiting { asker, caller, account: account.clone(), wish: None });
        waiter
    }

    /// A name for somebody who waits, never used twice.
    pub(super) fn new_waiter(&mut self) -> WaiterId {
        self.next_waiter += 1;
        WaiterId(self.next_waiter)
    }

    /// The definition by which an account's client speaks: pinned if it was discovered, else the
    /// catalog's.
    pub(super) fn provider_of(&self, client: &ClientKey) -> Option<Arc<Provider>> {
        if let Some(pinned) = self.pinned.get(client) {
            return Some(Arc::clone(pinned));
        }
        let filled = self.filled.get(&client.provider).map(Arc::clone);
        filled.or_else(|| self.catalog.find(&client.provider))
    }

    /// Keeps a client registration in mind.
    pub(super) fn know(&mut self, client: ClientRecord) {
        match client.discovered.as_deref().map(Provider::parse) {
            Some(Ok(provider)) => {
                self.pinned.insert(client.key.clone(), Arc::new(provider));
            }
            Some(Err(error)) => {
                tracing::error!(provider = %client.key.provider, %error, "pinned definition unreadable");
            }
            None => self.fill(&client.key.provider),
        }
        self.clients.insert(client.key.clone(), client);
    }

    /// Reads a definition whose gaps the name of the provider fills, once for all its accounts.
    fn fill(&mut self, provider: &ProviderId) {
        if provider.parts().1.is_some()
            && !self.filled.contains_key(provider)
            && let Some(filled) = self.catalog.find(provider)
        {
            self.filled.insert(provider.clone(), filled);
        }
    }

    fn done(&mut self, done: Result<Done, JoinError>) {
        match done {
            Ok(Done::Landed(landed)) => self.landed(landed),
            Ok(Done::Fitted(fitted)) => self.fitted(*fitted),
            Ok(Done::Prepared(prepared)) => self.prepared(*prepared),
            Ok(Done::Tried(tried)) => self.errand_tried(tried),
            Ok(Done::Renewed(tried)) => self.registration_tried(*tried),
            Ok(Done::Known(known)) => self.known(*known),
            Ok(Done::Answered { asker, result }) => asker.answer(result),
            Ok(Done::Over) => {}
            Ok(Done::Examined(examined)) => self.examined(examined),
            Ok(Done::Prompted { question, answer }) => self.prompted(question, answer),
            Err(error) if error.is_cancelled() => {}
            Err(error) => tracing::error!(%error, "a task of the engine failed"),
        }
    }

    fn reload(&mut self, files: Reload) {
        let Reload { catalog, modes, document } = files;
        if let Some(modes) = modes {
            self.document = document;
            self.tell(Event::Modes(modes));
        }
        self.catalog = catalog;
        self.filled.clear();
        let unpinned = self.clients.keys().filter(|key| !self.pinned.contains_key(key));
        let unpinned: Vec<ClientKey> = unpinned.cloned().collect();
        for client in &unpinned {
            self.fill(&client.provider);
        }
        let rules = |client: ClientKey| {
            let rules = self.provider_of(&client).map(|provider| recovery::rules(&provider));
            (client, rules)
        };
        self.tell(Event::Rules(unpinned.into_iter().map(rules).collect()));
        recovery::read_on(self);
        tracing::info!("settings and provider definitions read anew");
    }

    fn rest(&mut self, inhibitor: Option<OwnedFd>) {
        tracing::info!(flights = self.flying.len(), "the machine is about to sleep or to stop");
        self.inhibitor = inhibitor;
        self.tell(Event::Rest);
    }

    fn wake(&mut self) {
        tracing::debug!("the machine is awake");
        self.inhibitor = None;
        self.tell(Event::Wake);
    }

    fn network_up(&mut self) {
        tracing::debug!("the network may be up");
        self.tell(Event::NetworkUp);
    }

    fn clock_set(&mut self) {
        tracing::info!("the wall clock was set");
        self.tell(Event::ClockSet);
    }

    fn drain(&mut self) {
        if !self.draining {
            self.draining = true;
            tracing::info!(flights = self.flying.len(), "draining");
            self.tell(Event::Drain);
        }
    }
}

/// When the next sign of life is due.
pub(super) async fn tick(watchdog: Option<&mut Interval>) {
    match watchdog {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}
