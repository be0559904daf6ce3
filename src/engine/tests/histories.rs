//! Random histories: questions, crashes, bad weather, suspends, reboots, a disk that refuses. After every
//! step it is checked that no token was answered that should not be; at the end, when the providers are
//! well again, that every login which its provider still honours works.
//!
//! `OSTLER_HISTORIES=10000 cargo test --lib engine::tests::histories` makes as many as it is told.

use std::io::Write as _;

use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::accounts::ACCOUNTS;
use super::sky::Fate;
use super::steps::{Step, Weather, history, thrown};
use super::world::World;
use crate::api::{Fault, FaultKind, GetToken, Response};
use crate::model::{AccessToken, AccountId};
use crate::store::AttemptKind;

/// How many histories an ordinary run makes.
const HISTORIES: u32 = 60;

/// How long the providers are well before everything has to be: the longest pause that the daemon
/// makes, a second one that a provider asked for on top, and some.
const CALM: u16 = 3 * 3600;

/// More things than that are never due at one instant.
const AT_ONCE: usize = 5000;

#[derive(Default)]
pub(super) struct Count {
    pub(super) histories: u64,
    pub(super) steps: u64,
    pub(super) crashes: u64,
    pub(super) refreshes: u64,
    pub(super) answers: u64,
    /// Logins that a lost answer has ended: no daemon could have kept them.
    pub(super) unavoidable: u64,
}

pub(super) type Checked = Result<(), TestCaseError>;

pub(super) fn wrong(what: impl Into<String>) -> TestCaseError {
    TestCaseError::fail(what.into())
}

pub(super) struct Play {
    pub(super) world: World,
    pub(super) count: Count,
    thrown: u64,
    /// Whether people come and go: then there may be no account where one is asked for.
    pub(super) comings: bool,
}

impl Play {
    pub(super) fn new() -> Self {
        let world = World::new(&ACCOUNTS);
        Self { world, count: Count::default(), thrown: 0, comings: false }
    }

    pub(super) async fn take(&mut self, step: &Step) -> Checked {
        match *step {
            Step::Ask { who, min_valid, patience, rejects } => {
                let (name, ..) = ACCOUNTS[who];
                let rejected = self.world.rejected.get(name).filter(|_| rejects).copied();
                let get = GetToken {
                    interactive: None,
                    resource: None,
                    audience: None,
                    narrow: None,
                    challenge: None,
                    account: self.world.name(name).parse().unwrap(),
                    min_valid: Some(min_valid),
                    scopes: None,
                    rejected,
                    timeout_ms: Some(patience),
                };
                self.world.ask(name, get);
            }
            Step::Go { count, order, weather } => {
                for number in 0..count {
                    let order = u64::from(order) << 8 | u64::from(number);
                    self.go(scattered(order), weather).await?;
                }
            }
            Step::Live { seconds, weather } => self.live(seconds, weather).await?,
            Step::Suspend { seconds } => {
                let then = self.world.now() + i64::from(seconds) * 1000;
                self.world.pass_to(then).await;
            }
            Step::ReadOnly(read_only) => self.world.read_only(read_only),
            Step::Revoke(who) => {
                if let Some((name, ..)) = ACCOUNTS.get(who)
                    && let Some(grant) = self.world.sky.air().servers.grants.get_mut(*name)
                {
                    grant.over.get_or_insert("revoked");
                }
            }
            Step::SetClock { seconds } => self.world.set_clock(i64::from(seconds) * 1000),
            Step::Crash { arrives, reboot, wall, seconds } => {
                self.count.crashes += 1;
                let offset = reboot.then_some(i64::from(wall) * 1000);
                let arrives = |place: usize| arrives >> (place % 8) & 1 == 1;
                self.world.crash(arrives, offset, i64::from(seconds) * 1000);
            }
        }
        self.judge()
    }

    /// One single thing, beginning the search for it where the dice say.
    pub(super) async fn go(&mut self, dice: u64, weather: Weather) -> Result<bool, TestCaseError> {
        for turn in dice..dice + 3 {
            let did = match turn % 3 {
                0 => self.world.engine_steps().await,
                1 => self.world.disk_steps(),
                _ => self.fly(weather),
            };
            self.judge()?;
            if did {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One request meets its fate, or comes back.
    fn fly(&mut self, weather: Weather) -> bool {
        self.thrown += 1;
        let dice = self.thrown;
        let mut air = self.world.sky.air();
        if air.pass() {
            return true;
        }
        if air.open() == 0 {
            return false;
        }
        let fate = match weather {
            Weather::All(fate) => fate,
            Weather::Mixed(seed) => thrown(scattered(u64::from(seed) << 32 | dice)),
        };
        air.meet(fate)
    }

    /// Everything is done in its time.
    pub(super) async fn live(&mut self, seconds: u16, weather: Weather) -> Checked {
        let end = self.world.now() + i64::from(seconds) * 1000;
        loop {
            let mut done = 0;
            while self.go(0, weather).await? {
                done += 1;
                if done > AT_ONCE {
                    return Err(wrong("it never comes to rest"));
                }
            }
            let now = self.world.now();
            if let Some(late) = self
                .world
                .questions
                .iter()
                .find(|asked| asked.deadline.is_some_and(|deadline| deadline < now))
            {
                return Err(wrong(format!("a question about {} has no answer", late.account)));
            }
            let next = self.world.next();
            if now >= end {
                return Ok(());
            }
            if next <= now {
                return Err(wrong("the alarm has rung and nothing came of it"));
            }
            self.world.pass_to(next.min(end)).await;
        }
    }

    /// Looks at all that was answered, and at what the servers saw.
    fn judge(&mut self) -> Checked {
        for (account, answer) in std::mem::take(&mut self.world.answered) {
            self.count.answers += 1;
            self.judge_answer(account, answer)?;
        }
        match self.world.sky.air().servers.wrong.first() {
            Some(what) => Err(wrong(what.clone())),
            None => Ok(()),
        }
    }

    fn judge_answer(&mut self, account: &'static str, answer: Result<Response, Fault>) -> Checked {
        let told = match &answer {
            Ok(response) => serde_json::to_string(response).unwrap(),
            Err(fault) => serde_json::to_string(fault).unwrap(),
        };
        if told.contains("rt-") {
            return Err(wrong(format!("a refresh token in an answer: {told}")));
        }
        let now = self.world.now();
        let air = self.world.sky.air();
        let stands = self.world.honoured(&air.servers, account);
        match answer {
            Ok(Response::Token(token)) => {
                let text = token.access_token.expose();
                let Some(access) = air.servers.accesses.get(text) else {
                    return Err(wrong(format!("{text} was never given out")));
                };
                if !text.starts_with(&format!("at-{account}")) {
                    return Err(wrong(format!("{account} was given {text}")));
                }
                // of a part of a login, which programs ask for there, nothing else is kept
                if !(access.durable || self.comings && air.servers.is_covered(access)) {
                    return Err(wrong(format!("{text} was answered before it was on the disk")));
                }
                if access.expires <= now && self.world.can_tell_age(access.boot) {
                    return Err(wrong(format!("{text} was answered and has expired")));
                }
                let print = AccessToken::new(text.to_owned()).fingerprint();
                self.world.rejected.insert(account, print);
                Ok(())
            }
            Ok(other) => Err(wrong(format!("{other:?} is no answer to that"))),
            Err(fault)
                if fault.kind == FaultKind::LoginRequired
                    && stands
                    && !air.servers.newest_is_refused(account) =>
            {
                Err(wrong(format!("{account} has to sign in, and its login stands: {fault}")))
            }
            Err(fault) => match fault.kind {
                FaultKind::LoginRequired
                | FaultKind::Offline
                | FaultKind::ProviderError
                | FaultKind::ClientRejected
                | FaultKind::Timeout
                | FaultKind::Storage
                | FaultKind::RateLimited => Ok(()),
                FaultKind::NoSuchAccount | FaultKind::ScopeNotGranted | FaultKind::Denied
                    if self.comings =>
                {
                    Ok(())
                }
                _ => Err(wrong(format!("{account}: {fault}"))),
            },
        }
    }

    /// The providers are well, the disk is, and time passes: who can be fresh has to be.
    async fn calm(&mut self) -> Checked {
        self.world.read_only(false);
        // what stands now has to stand then
        let now = self.world.now();
        let standing: Vec<_> = ACCOUNTS
            .iter()
            .map(|(name, ..)| *name)
            .filter(|name| self.world.sky.air().servers.grants[*name].stands(now))
            .collect();
        self.live(CALM, Weather::All(Fate::Well)).await?;
        if !self.world.questions.is_empty() {
            return Err(wrong("a question has no answer"));
        }
        for (name, ..) in ACCOUNTS {
            let patience = Some(30_000);
            let account = name.parse().unwrap();
            let get = GetToken {
                interactive: None,
                resource: None,
                audience: None,
                narrow: None,
                challenge: None,
                account,
                min_valid: Some(60),
                scopes: None,
                rejected: None,
                timeout_ms: patience,
            };
            self.world.ask(name, get);
            while self.go(0, Weather::All(Fate::Well)).await? {}
            let after = self.world.now();
            let grant_over = self.world.sky.air().servers.grants[name].over;
            let fresh = self.world.rejected.get(name).copied();
            if standing.contains(&name) {
                let latest = self.world.engine().lifecycle.view(&name.parse().unwrap());
                let expires = latest.as_ref().and_then(|view| view.expires);
                let up = latest.is_some_and(|view| view.failures == 0) && fresh.is_some();
                if grant_over.is_some() || !up || expires.is_none() {
                    let why = grant_over.unwrap_or("it is not fresh");
                    return Err(wrong(format!("the login of {name} is lost at {after}: {why}")));
                }
            } else if grant_over != Some("revoked") {
                self.count.unavoidable += 1;
            }
        }
        let engine = self.world.engine();
        let left = [
            ("flights", engine.flights.count()),
            ("waiters", engine.waiters.count()),
            ("tasks", engine.cx.task_count()),
            ("unread answers", engine.unread.len()),
        ];
        if let Some((what, count)) = left.into_iter().find(|(_, count)| *count > 0) {
            return Err(wrong(format!("{count} {what} are left over")));
        }
        self.world.crash(|_| false, None, 0);
        for attempt in &self.world.unfinished {
            let AttemptKind::Refresh { account, .. } = &attempt.kind else { continue };
            if !self.world.refused && standing.iter().any(|name| is_of(name, account)) {
                return Err(wrong(format!("{account} is fresh and has an open attempt on record")));
            }
        }
        Ok(())
    }
}

fn is_of(name: &str, account: &AccountId) -> bool {
    let place = ACCOUNTS.iter().position(|(known, ..)| *known == name).unwrap();
    let mut id = [0; 8];
    id[0] = u8::try_from(place).unwrap();
    AccountId::from_random(id) == *account
}

/// Scatters a number (splitmix64).
fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn play(steps: &[Step], total: &std::cell::RefCell<Count>) -> Checked {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut play = Play::new();
        let mut result = Ok(());
        for step in steps {
            result = play.take(step).await;
            if result.is_err() {
                break;
            }
        }
        if result.is_ok() {
            result = play.calm().await;
        }
        let mut total = total.borrow_mut();
        total.histories += 1;
        total.steps += play.world.steps;
        total.crashes += play.count.crashes;
        total.answers += play.count.answers;
        total.unavoidable += play.count.unavoidable;
        total.refreshes += play.world.sky.air().servers.refreshes;
        result
    })
}

#[test]
fn no_login_that_its_provider_still_honours_is_lost() {
    let told = std::env::var("OSTLER_HISTORIES").ok().and_then(|count| count.parse().ok());
    let cases = told.unwrap_or(HISTORIES);
    let total = std::cell::RefCell::new(Count::default());
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let result = runner.run(&history(), |steps| play(&steps, &total));
    let Count { histories, steps, crashes, refreshes, answers, unavoidable } = *total.borrow();
    let line = format!(
        "{histories} histories, {steps} steps, {crashes} crashes, {refreshes} refreshes, {answers} \
         answers; {unavoidable} logins ended by an answer that never arrived\n"
    );
    // not by a macro that the harness swallows: the figures belong to the result
    let _ = std::io::stdout().write_all(line.as_bytes());
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// A refresh of unknown fate is tried again and answered with trouble, and the daemon dies when its next
/// try has just been written down: at the start there is an answer and, behind it, an attempt without.
#[test]
fn an_answer_on_record_that_brought_nothing_does_not_stay_beside_a_newer_attempt() {
    let well = Weather::All(Fate::Well);
    let trouble = Weather::All(Fate::Trouble { status: 503, retry_after: None });
    let crash = Step::Crash { arrives: 0, reboot: false, wall: 0, seconds: 0 };
    let steps = [
        Step::Suspend { seconds: 1268 },
        Step::Go { count: 2, order: 0, weather: well },
        crash.clone(),
        Step::Go { count: 4, order: 25915, weather: trouble },
        Step::Go { count: 15, order: 5732, weather: well },
        Step::Suspend { seconds: 2 },
        Step::Go { count: 3, order: 32993, weather: well },
        crash,
    ];
    play(&steps, &std::cell::RefCell::default()).unwrap();
}
