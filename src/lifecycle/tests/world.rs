//! A world for the lifecycle to live in: virtual time, a disk that saves when told to, a provider
//! that answers what the test says. It checks what must always hold after every single event.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::lifecycle::{
    Ask, Effect, ErrandEffect, Event, HandOut, Lifecycle, Outlook, Parting, Purpose, Refusal,
    Restored, RuleRefusal, Rules, Settings, SignInEnd, SignInSeed, Unsaved, WaiterId,
};
use crate::model::{
    AccessToken, AccountId, AccountName, AccountRecord, AccountSeed, Boot, BootId, Caller,
    ChangeId, ClientKey, Face, Failure, Fingerprint, FlightId, Generation, GrantChange, GrantType,
    Granted, Identity, Issued, Kept, Lack, Landing, LazyToken, Now, Pattern, Portion, QuestionId,
    RefreshRecord, RefreshToken, RequestId, RuleId, Scopes, Stamp, Standing, Target, Tier,
    TokenType, Values, Wall,
};

/// The start of all virtual time.
const START: Now = Now { wall: Wall(1_800_000_000_000), boot: Boot(1_000_000) };

pub(super) struct World {
    pub(super) life: Lifecycle,
    pub(super) now: Now,
    /// Flights whose intent waits for the disk.
    pub(super) begins: VecDeque<FlightId>,
    /// Flights that are in the air.
    pub(super) air: VecDeque<FlightId>,
    /// Grants that wait for the disk.
    pub(super) saves: VecDeque<Box<GrantChange>>,
    pub(super) answers: HashMap<WaiterId, Result<HandOut, Refusal>>,
    pub(super) ended: HashMap<RequestId, Result<AccountId, SignInEnd>>,
    pub(super) stands: Vec<Standing>,
    pub(super) erased: Vec<AccountId>,
    /// What was to be done about errands.
    pub(super) errands: Vec<ErrandEffect>,
    /// Clients whose secret was to be renewed.
    pub(super) renewals: Vec<ClientKey>,
    /// Registrations that the disk is to be given again.
    pub(super) keeps: Vec<ClientKey>,
    /// When the tokens end of what was erased last.
    pub(super) tokens_end: Option<Boot>,
    /// Accounts that wait for the disk to let go of them.
    pub(super) erases: VecDeque<AccountId>,
    /// Flights whose answer is on record for the account that is restored next.
    pub(super) answered: Vec<FlightId>,
    pub(super) abandoned: Vec<FlightId>,
    pub(super) changes: Vec<(AccountName, bool)>,
    pub(super) storms: Vec<AccountName>,
    /// What each flight under way sends.
    pub(super) open: HashMap<FlightId, (AccountId, Purpose)>,
    sent_at: HashMap<FlightId, Now>,
    pub(super) asked: HashMap<WaiterId, (AccountName, Identity)>,
    /// Until when those wait who have no answer yet.
    patience: HashMap<WaiterId, Boot>,
    /// What the user allowed at any time: programs, and the patterns of rules.
    pub(super) allowed: HashSet<(AccountName, Identity)>,
    pub(super) allowing: Vec<Pattern>,
    pub(super) logouts: HashSet<AccountId>,
    /// What those were told who wanted an account tried again.
    pub(super) resumed: Vec<Result<(), Refusal>>,
    durable: HashSet<Fingerprint>,
    /// Tokens for a part of a login, by the flight that brought them.
    parts: HashMap<FlightId, Fingerprint>,
    /// The generation in force of each account, as the disk has it.
    generations: HashMap<AccountId, Generation>,
    /// With which generation each refresh was made; `None` of an exchange.
    made_with: HashMap<FlightId, Option<Generation>>,
    /// Those who want no more than these scopes.
    narrow: HashMap<WaiterId, Scopes>,
    pub(super) next_waiter: u64,
    next_token: u64,
    /// Whether the daemon is to stop.
    pub(super) drained: bool,
    /// What tokens are to be for, from now on.
    pub(super) target: Target,
    /// Who asks from now on.
    pub(super) caller: Caller,
    /// Changes of accounts that wait for the disk.
    pub(super) adjustments: VecDeque<ChangeId>,
    pub(super) renamed: Vec<(AccountName, AccountName)>,
    /// Changes of the rules that wait for the disk.
    pub(super) rules: VecDeque<(ChangeId, RuleId)>,
    pub(super) ruled: Vec<Result<Option<RuleId>, RuleRefusal>>,
    /// What the user is being asked.
    pub(super) screen: Vec<QuestionId>,
    /// How often the user was asked something.
    pub(super) prompts: usize,
    /// The accounts as they look to somebody who hears of changes alone.
    list: BTreeMap<AccountName, String>,
    /// How many access tokens of the disk were opened.
    pub(super) opened: Arc<AtomicUsize>,
    /// Whether those that are restored from now on cannot be.
    pub(super) damaged: bool,
}

pub(super) fn name(text: &str) -> AccountName {
    text.parse().unwrap()
}

pub(super) fn seed(text: &str) -> AccountSeed {
    let mut bytes = [0; 8];
    for (place, byte) in text.bytes().take(8).enumerate() {
        bytes[place] = byte;
    }
    // all have one client, but for those that are to have another one
    let client = if text.starts_with("other") { "d" } else { "c" };
    AccountSeed {
        id: AccountId::from_random(bytes),
        name: name(text),
        client: ClientKey { provider: "parqex".parse().unwrap(), client: client.parse().unwrap() },
        scopes: Scopes::parse_lenient("open close"),
        target: Target::default(),
        grant: GrantType::Code,
        values: Values::default(),
    }
}

pub(super) fn request(number: u8) -> RequestId {
    RequestId::from_random([number; 10])
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self {
            life: Lifecycle::new(settings, BootId("here".into()), FlightId(1)),
            now: START,
            begins: VecDeque::new(),
            air: VecDeque::new(),
            saves: VecDeque::new(),
            answers: HashMap::new(),
            ended: HashMap::new(),
            stands: Vec::new(),
            erased: Vec::new(),
            errands: Vec::new(),
            renewals: Vec::new(),
            keeps: Vec::new(),
            tokens_end: None,
            erases: VecDeque::new(),
            answered: Vec::new(),
            abandoned: Vec::new(),
            changes: Vec::new(),
            storms: Vec::new(),
            open: HashMap::new(),
            sent_at: HashMap::new(),
            asked: HashMap::new(),
            patience: HashMap::new(),
            allowed: HashSet::new(),
            allowing: Vec::new(),
            logouts: HashSet::new(),
            resumed: Vec::new(),
            durable: HashSet::new(),
            parts: HashMap::new(),
            generations: HashMap::new(),
            made_with: HashMap::new(),
            narrow: HashMap::new(),
            next_waiter: 0,
            next_token: 0,
            drained: false,
            target: Target::default(),
            caller: Caller { face: Face::Socket, pid: Some(7), identity: Identity::host() },
            adjustments: VecDeque::new(),
            renamed: Vec::new(),
            rules: VecDeque::new(),
            ruled: Vec::new(),
            screen: Vec::new(),
            prompts: 0,
            list: BTreeMap::new(),
            opened: Arc::default(),
            damaged: false,
        }
    }

    /// An account on record, with a token of `lifetime` that was asked for `age` ago.
    pub(super) fn restore(&mut self, who: &str, lifetime: u64, age: u64, rules: Rules) {
        self.restore_as(who, Standing::Good, lifetime, age, rules, None);
    }

    pub(super) fn restore_as(
        &mut self,
        who: &str,
        standing: Standing,
        lifetime: u64,
        age: u64,
        rules: Rules,
        unresolved: Option<FlightId>,
    ) {
        let age = i64::try_from(age * 1000).unwrap();
        let sent = Now { wall: Wall(self.now.wall.0 - age), boot: Boot(self.now.boot.0 - age) };
        let sent = Stamp { at: sent, boot_id: BootId("here".into()) };
        self.restore_stamped(seed(who), standing, lifetime, sent, rules, unresolved);
    }

    /// One that is not like the others, with a fresh token for all its scopes.
    pub(super) fn restore_seed(&mut self, seed: AccountSeed, lifetime: u64, rules: Rules) {
        let sent = Stamp { at: self.now, boot_id: BootId("here".into()) };
        self.restore_stamped(seed, Standing::Good, lifetime, sent, rules, None);
    }

    /// An account whose token was asked for in an earlier boot, `age` ago by the wall clock of now.
    pub(super) fn restore_from_earlier_boot(&mut self, who: &str, lifetime: u64, age: i64) {
        let sent = Now { wall: Wall(self.now.wall.0 - age * 1000), boot: Boot(77_000_000_000) };
        let sent = Stamp { at: sent, boot_id: BootId("before".into()) };
        self.restore_stamped(seed(who), Standing::Good, lifetime, sent, super::rules(), None);
    }

    fn restore_stamped(
        &mut self,
        seed: AccountSeed,
        standing: Standing,
        lifetime: u64,
        sent: Stamp,
        rules: Rules,
        unresolved: Option<FlightId>,
    ) {
        let who = seed.name.clone();
        let access = AccessToken::new(format!("restored-{who}"));
        self.durable.insert(access.fingerprint());
        let issued = Issued {
            access: {
                let (opened, damaged) = (Arc::clone(&self.opened), self.damaged);
                LazyToken::sealed(move || {
                    opened.fetch_add(1, Ordering::Relaxed);
                    (!damaged).then_some(access)
                })
            },
            token_type: TokenType::Bearer,
            scopes: seed.scopes.clone(),
            sent,
            lifetime: Some(Duration::from_secs(lifetime)),
            values: Values::default(),
        };
        self.generations.insert(seed.id.clone(), Generation(1));
        let id = seed.id.clone();
        let record = AccountRecord {
            seed,
            standing,
            generation: Generation(1),
            refresh: Some(RefreshRecord { sent: issued.sent.clone(), lifetime: None }),
            signed_in: None,
            issued: Some(Arc::new(issued)),
            enabled: true,
        };
        self.life.restore(Restored { record, rules: Some(rules), unresolved }, self.now);
        for flight in std::mem::take(&mut self.answered) {
            self.made_with.insert(flight, Some(Generation(1)));
            self.life.resume_refresh(flight, &id, Generation(1), None);
        }
        self.tell(Event::Alarm);
    }

    /// The moment as it is written down.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp { at: self.now, boot_id: BootId("here".into()) }
    }

    pub(super) fn tell(&mut self, event: Event) {
        let mut out = Vec::new();
        self.life.handle(event, self.now, &mut out);
        for effect in out {
            self.absorb(effect);
        }
        if let Some(deadline) = self.life.next_deadline() {
            assert!(deadline > self.now.boot, "the alarm would ring for ever: {deadline:?}");
        }
        self.compare_list();
        self.patience.retain(|waiter, deadline| {
            let answered = self.answers.contains_key(waiter);
            assert!(answered || *deadline > self.now.boot, "{waiter:?} waits past its deadline");
            !answered
        });
    }

    /// Whoever hears of changes alone knows as much as one who looks at all accounts.
    fn compare_list(&mut self) {
        let list = &mut self.list;
        self.life.look_around(|outlook| match outlook {
            Outlook::Here(view) => drop(list.insert(view.seed.name.clone(), format!("{view:?}"))),
            Outlook::Gone(name) => drop(list.remove(&name)),
        });
        // a look at a crowd after each event would take minutes
        if list.len() <= 64 {
            let views = self.life.views();
            let all = views.iter().map(|view| (view.seed.name.clone(), format!("{view:?}")));
            assert_eq!(*list, all.collect::<BTreeMap<_, _>>(), "a change that nobody was told of");
        }
    }

    /// The provider's definition was read anew, or is gone.
    #[expect(clippy::needless_pass_by_value, reason = "it reads better where it is called")]
    pub(super) fn define(&mut self, rules: Option<Rules>) {
        let client = |id: &str| ClientKey {
            provider: "parqex".parse().unwrap(),
            client: id.parse().unwrap(),
        };
        let defined = ["c", "d"].map(|id| (client(id), rules.clone()));
        self.tell(Event::Rules(defined.into_iter().collect()));
    }

    pub(super) fn ask(&mut self, who: &str, min_valid: u64, patience: u64) -> WaiterId {
        self.ask_about(who, Some(min_valid), patience, None)
    }

    /// Asks without a word about how long the token must last.
    pub(super) fn ask_plainly(&mut self, who: &str) -> WaiterId {
        self.ask_about(who, None, 20, None)
    }

    pub(super) fn ask_about(
        &mut self,
        who: &str,
        min_valid: Option<u64>,
        patience: u64,
        rejected: Option<Fingerprint>,
    ) -> WaiterId {
        self.put(who, |ask| Ask {
            min_valid: min_valid.map(Duration::from_secs),
            rejected,
            deadline: ask.deadline + Duration::from_secs(patience),
            ..ask
        })
    }

    /// Asks for a token with these scopes.
    pub(super) fn ask_for(&mut self, who: &str, scopes: &str) -> WaiterId {
        self.put(who, |ask| Ask {
            scopes: Scopes::parse_lenient(scopes),
            deadline: ask.deadline + Duration::from_secs(20),
            ..ask
        })
    }

    /// Asks for a token with these scopes and no others.
    pub(super) fn ask_narrowly(&mut self, who: &str, scopes: &str) -> WaiterId {
        let scopes = Scopes::parse_lenient(scopes);
        self.narrow.insert(WaiterId(self.next_waiter + 1), scopes.clone());
        let target = self.target.clone();
        let portion = Some(Arc::new(Portion { scopes: scopes.clone(), target }));
        self.put(who, |ask| Ask {
            scopes,
            portion,
            deadline: ask.deadline + Duration::from_secs(20),
            ..ask
        })
    }

    /// Asks, but does not want the user to be asked.
    pub(super) fn ask_silently(&mut self, who: &str) -> WaiterId {
        self.put(who, |ask| Ask { interactive: false, ..ask })
    }

    /// Puts a question, made of one that wants any token and does not wait.
    pub(super) fn put(&mut self, who: &str, more: impl FnOnce(Ask) -> Ask) -> WaiterId {
        self.next_waiter += 1;
        let waiter = WaiterId(self.next_waiter);
        self.asked.insert(waiter, (name(who), self.caller.identity.clone()));
        let ask = more(Ask {
            waiter,
            account: name(who),
            caller: self.caller.clone(),
            interactive: true,
            min_valid: None,
            scopes: Scopes::default(),
            rejected: None,
            target: self.target.clone(),
            portion: None,
            wanted: Lack::default(),
            renew: false,
            deadline: self.now.boot,
        });
        self.patience.insert(waiter, ask.deadline);
        self.tell(Event::Ask(ask));
        waiter
    }

    pub(super) fn answer(&self, waiter: WaiterId) -> Option<&Result<HandOut, Refusal>> {
        self.answers.get(&waiter)
    }

    /// The text of the token that was answered.
    pub(super) fn token(&self, waiter: WaiterId) -> Option<&str> {
        let hand_out = self.answers.get(&waiter)?.as_ref().ok()?;
        Some(hand_out.access.expose())
    }

    pub(super) fn sign_in(&mut self, number: u8, who: &str, rules: Rules) -> RequestId {
        let start = SignInSeed {
            request: request(number),
            seed: seed(who),
            rules,
            deadline: self.now.boot + Duration::from_mins(10),
            poll: None,
        };
        self.tell(Event::SignIn(start));
        request(number)
    }

    /// A sign-in on another device: the provider is asked every five seconds.
    pub(super) fn sign_in_elsewhere(&mut self, number: u8, who: &str, rules: Rules) {
        let start = SignInSeed {
            request: request(number),
            seed: seed(who),
            rules,
            deadline: self.now.boot + Duration::from_mins(10),
            poll: Some(Duration::from_secs(5)),
        };
        self.tell(Event::SignIn(start));
    }

    pub(super) fn logout(&mut self, who: &str) {
        self.next_waiter += 1;
        self.logouts.extend(self.life.id_of(&name(who)).cloned());
        let waiter = WaiterId(self.next_waiter);
        self.tell(Event::Part { account: name(who), parting: Parting::Erase, waiter });
    }

    /// The disk lets go of the account whose turn it is, or does not.
    pub(super) fn erase(&mut self, took: bool) {
        let account = self.erases.pop_front().expect("an account waits to be erased");
        self.tell(Event::Erased { account, result: took.then_some(()).ok_or(()) });
    }

    /// Asks for a new token before its time.
    pub(super) fn renew(&mut self, who: &str) -> WaiterId {
        self.put(who, |ask| Ask {
            renew: true,
            deadline: ask.deadline + Duration::from_secs(20),
            ..ask
        })
    }

    pub(super) fn resume(&mut self, who: &str) {
        self.next_waiter += 1;
        self.tell(Event::Resume { account: name(who), waiter: WaiterId(self.next_waiter) });
    }

    /// The disk takes, or does not take, the oldest intent.
    pub(super) fn begin(&mut self, result: Result<(), String>) -> FlightId {
        let flight = self.begins.pop_front().expect("an intent waits for the disk");
        if result.is_err() {
            self.open.remove(&flight);
        }
        self.tell(Event::Begun { flight, result });
        flight
    }

    /// The oldest flight in the air lands.
    pub(super) fn land(&mut self, landing: Landing) -> FlightId {
        let flight = self.air.pop_front().expect("a flight is in the air");
        let sent = self.sent_at.remove(&flight).expect("what flies was sent");
        let sends = self.open.remove(&flight);
        if let Some((_, Purpose::Refresh { portion: Some(_), .. })) = sends
            && let Landing::Granted(granted) = &landing
        {
            self.parts.insert(flight, granted.access.fingerprint());
        }
        let sent = Stamp { at: sent, boot_id: BootId("here".into()) };
        self.tell(Event::Landed { flight, sent, landing });
        flight
    }

    /// The disk takes the oldest grant, or gives it back.
    pub(super) fn save(&mut self, took: bool) {
        let change = self.saves.pop_front().expect("a grant waits for the disk");
        let flight = change.flight;
        let result = if took {
            let kept = self.keep(&change);
            if let Kept::InForce(_) = kept {
                self.durable.extend(
                    change.issued.iter().map(|issued| issued.access.open().unwrap().fingerprint()),
                );
                self.durable.extend(self.parts.remove(&flight));
            }
            Ok(kept)
        } else {
            Err(Unsaved { change, why: "full".into(), lasting: false })
        };
        self.tell(Event::Saved { flight, result });
    }

    /// What the store makes of a grant.
    fn keep(&mut self, change: &GrantChange) -> Kept {
        let made_with = self.made_with[&change.flight];
        let current = self.generations.entry(change.account.clone()).or_default();
        match made_with {
            Some(generation) if generation != *current => return Kept::Superseded,
            Some(_) if change.refresh.is_none() => {}
            _ => *current = current.next(),
        }
        Kept::InForce(*current)
    }

    /// The disk says that it will never take the oldest grant.
    pub(super) fn refuse_save(&mut self) {
        let change = self.saves.pop_front().expect("a grant waits for the disk");
        let flight = change.flight;
        let result = Err(Unsaved { change, why: "malformed".to_owned(), lasting: true });
        self.tell(Event::Saved { flight, result });
    }

    /// The daemon is to stop.
    pub(super) fn drain(&mut self) {
        self.drained = true;
        self.tell(Event::Drain);
    }

    /// The oldest flight in the air brings new tokens, which wait for the disk.
    pub(super) fn land_well(&mut self, lifetime: u64) {
        let granted = self.granted(lifetime);
        self.land(granted);
    }

    /// A whole refresh that goes well.
    pub(super) fn refresh_well(&mut self, lifetime: u64) {
        self.begin(Ok(()));
        self.land_well(lifetime);
        self.save(true);
    }

    /// The browser comes back to a sign-in, and the intent to redeem its code is durable.
    pub(super) fn redeem(&mut self, number: u8) {
        self.tell(Event::Redeem { request: request(number), values: Values::default() });
        self.begin(Ok(()));
    }

    /// A whole refresh that fails.
    pub(super) fn refresh_badly(&mut self, failure: Failure) {
        self.begin(Ok(()));
        self.land(Landing::Failed { failure, rescued: None });
    }

    /// An answer with new tokens.
    pub(super) fn granted(&mut self, lifetime: u64) -> Landing {
        self.next_token += 1;
        Landing::Granted(Granted {
            access: AccessToken::new(format!("access-{}", self.next_token)),
            token_type: TokenType::Bearer,
            lifetime: Some(Duration::from_secs(lifetime)),
            scopes: None,
            refresh: Some(RefreshToken::new(format!("refresh-{}", self.next_token))),
            refresh_lifetime: None,
            values: Values::default(),
            id_token: None,
        })
    }

    /// Time passes; the alarm rings whenever it should.
    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now.boot + span;
        while let Some(deadline) = self.life.next_deadline().filter(|at| *at <= end) {
            self.jump_to(deadline);
            self.tell(Event::Alarm);
        }
        self.jump_to(end);
    }

    pub(super) fn pass_seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// The machine sleeps: time passes, and no alarm rings before it is over.
    pub(super) fn sleep_seconds(&mut self, seconds: u64) {
        self.jump_to(self.now.boot + Duration::from_secs(seconds));
    }

    /// Somebody sets the wall clock, that many seconds forward.
    pub(super) fn set_clock(&mut self, seconds: i64) {
        self.now.wall = Wall(self.now.wall.0 + seconds * 1000);
        self.tell(Event::ClockSet);
    }

    fn jump_to(&mut self, boot: Boot) {
        self.now = Now { wall: self.now.wall_at(boot), boot };
    }

    fn absorb(&mut self, effect: Effect) {
        match effect {
            Effect::Begin { flight, account, purpose } => {
                let account = account.id;
                self.made_with.insert(flight, generation_of(&purpose));
                if let Purpose::Refresh { .. } = purpose {
                    let refreshes = |open: &&(AccountId, Purpose)| {
                        open.0 == account && matches!(open.1, Purpose::Refresh { .. })
                    };
                    let twin = self
                        .open
                        .values()
                        .find(refreshes)
                        .is_some_and(|open| generation_of(&open.1) == generation_of(&purpose));
                    assert!(!twin, "two flights for one generation of a grant");
                }
                assert!(
                    self.open.insert(flight, (account, purpose)).is_none(),
                    "a number used twice"
                );
                self.begins.push_back(flight);
            }
            Effect::Launch { flight } => {
                assert!(self.open.contains_key(&flight), "what was not begun cannot be sent");
                self.sent_at.insert(flight, self.now);
                self.air.push_back(flight);
            }
            Effect::Save(change) => self.saves.push_back(change),
            Effect::Abandon { flight, standing, .. } => {
                // whether it landed, or never left
                self.open.remove(&flight);
                self.abandoned.push(flight);
                self.stands.extend(standing);
            }
            Effect::Stand { standing, .. } => self.stands.push(standing),
            Effect::Answer { waiter, result } => {
                let asker = self.asked.get(&waiter).expect("an answer to somebody");
                if let Ok(hand_out) = &result {
                    let may = asker.1.tier() == Tier::Claimed
                        || self.allowed.contains(asker)
                        || self.allowing.iter().any(|who| who.matches(&asker.1));
                    assert!(may, "a token for {asker:?}, which nobody allowed");
                    let alive = hand_out.expires.is_none_or(|expires| expires > self.now.boot);
                    assert!(alive, "an expired token in an answer");
                    let print = hand_out.access.fingerprint();
                    assert!(self.durable.contains(&print), "answered before it was saved");
                    let scopes = &hand_out.issued.scopes;
                    let narrow = self.narrow.get(&waiter);
                    assert!(narrow.is_none_or(|narrow| narrow.covers(scopes)), "more than asked");
                }
                assert!(self.answers.insert(waiter, result).is_none(), "answered twice");
            }
            Effect::Changed { account, new_token } => self.changes.push((account, new_token)),
            Effect::SignInEnded { request, result } => {
                assert!(self.ended.insert(request, result).is_none(), "a sign-in ended twice");
            }
            Effect::Erase { account, parting, ends, .. } => {
                self.tokens_end = ends;
                assert!(self.logouts.contains(&account), "erased without being asked to");
                let busy = self.open.values().any(|(owner, _)| *owner == account);
                assert!(!busy, "erased under a flight");
                let id = account.clone();
                if parting == Parting::Erase {
                    self.erased.push(account);
                }
                self.erases.push_back(id);
            }
            Effect::Errand(effect) => self.errands.push(effect),
            Effect::Renew(client) => self.renewals.push(client),
            Effect::Keep(client) => self.keeps.push(client),
            Effect::Storm { account } => self.storms.push(account),
            Effect::NoSuchAccount { .. } | Effect::Pending | Effect::Online(_) => {}
            Effect::Done { result, .. } => self.resumed.push(result),
            Effect::Adjust { change, .. } => self.adjustments.push_back(change),
            Effect::Renamed { old, new } => {
                for (name, _) in self.asked.values_mut().filter(|(name, _)| *name == old) {
                    *name = new.clone();
                }
                let moved = self.allowed.iter().filter(|(name, _)| *name == old);
                let moved: Vec<_> = moved.map(|(_, who)| (new.clone(), who.clone())).collect();
                self.allowed.extend(moved);
                self.renamed.push((old, new));
            }
            Effect::StoreRule(change, rule) => self.rules.push_back((change, rule.id)),
            Effect::DropRule(change, rule) => self.rules.push_back((change, rule)),
            Effect::Ruled { result, .. } => self.ruled.push(result),
            Effect::Prompt { question } => {
                assert!(!self.screen.contains(&question), "asked twice at the same time");
                self.screen.push(question);
                self.prompts += 1;
            }
            Effect::Unprompt { question } => {
                let shown = self.screen.iter().position(|shown| *shown == question);
                self.screen.remove(shown.expect("only what is shown can be taken away"));
            }
        }
    }
}

impl World {
    /// How many questions have no answer yet.
    pub(super) fn unanswered(&self) -> usize {
        self.asked.keys().filter(|waiter| !self.answers.contains_key(waiter)).count()
    }
}

fn generation_of(purpose: &Purpose) -> Option<Generation> {
    match purpose {
        Purpose::Refresh { generation, .. } => Some(*generation),
        Purpose::Exchange { .. } => None,
    }
}
