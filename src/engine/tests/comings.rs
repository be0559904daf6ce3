//! Random histories with people in them, beside all that [`super::histories`] has: they sign in by the browser,
//! on another device, with a token that another program had, or let a client in that has a secret or a key and needs
//! nobody; they sign in again, log out, give a login back, rename, disable and resume accounts; programs ask for a part
//! of a login; definitions are read anew, and the disk refuses for a while, or what is written there for good. A code, an
//! assertion or a refresh token that is shown twice ends all that an account has at its provider ([`super::misuse`]).
//!
//! At the end every login that its provider honours works, and so does whoever wants to sign in anew.
//!
//! `OSTLER_HISTORIES=10000 cargo test --lib engine::tests::comings` makes as many as it is told.

use std::io::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::accounts::{ACCOUNTS, PEOPLE};
use super::disk::{Disk, Refused};
use super::histories::{Checked, Count, Play, wrong};
use super::provider::Kind;
use super::robots;
use super::sky::Fate;
use super::steps::{Step, Weather, step};
use super::world::Asked;
use crate::api::{
    Flow, GetToken, Imported, Login, Logout, Redirect, Rename, Request, Response, Resume, Revoke,
    SetEnabled,
};
use crate::model::{RefreshToken, Scopes};

/// How many histories an ordinary run makes.
const HISTORIES: u32 = 40;
/// Longer than any answer takes.
const EVER: i64 = u32::MAX as i64;
/// How long the providers are well before everything has to be.
const CALM: u16 = 3 * 3600;
const PAGE: &str = "https://app.example/cb";

/// What people do.
#[derive(Debug, Clone)]
enum Deed {
    /// What can happen without them.
    Step(Step),
    /// Somebody signs in, by the browser, or lets a client in that needs nobody.
    SignIn(usize),
    /// Somebody begins to sign in on another device; the daemon is then killed, which the sign-in outlives.
    /// They may have agreed by then.
    Device {
        who: usize,
        agreed: bool,
    },
    /// Whoever has not agreed on another device does.
    Agree,
    /// A login that another program had is taken over.
    Import(usize),
    Logout(usize),
    GiveBack(usize),
    Rename(usize),
    Enable(usize, bool),
    Resume(usize),
    /// A program asks for a part of a login.
    Part {
        who: usize,
        patience: u32,
    },
    Reload,
    Disk(Disk),
}

fn deed() -> impl Strategy<Value = Deed> {
    let who = || 0..ACCOUNTS.len();
    let person = || 0..PEOPLE;
    prop_oneof![
        20 => step().prop_map(Deed::Step),
        4 => who().prop_map(Deed::SignIn),
        4 => (person(), any::<bool>()).prop_map(|(who, agreed)| Deed::Device { who, agreed }),
        2 => Just(Deed::Agree),
        2 => person().prop_map(Deed::Import),
        2 => who().prop_map(Deed::Logout),
        1 => who().prop_map(Deed::GiveBack),
        1 => who().prop_map(Deed::Rename),
        1 => (who(), any::<bool>()).prop_map(|(who, enabled)| Deed::Enable(who, enabled)),
        1 => who().prop_map(Deed::Resume),
        2 => (who(), 1..60_000_u32).prop_map(|(who, patience)| Deed::Part { who, patience }),
        1 => Just(Deed::Reload),
        2 => disk().prop_map(Deed::Disk),
    ]
}

fn disk() -> impl Strategy<Value = Disk> {
    prop_oneof![
        2 => Just(Disk::Well),
        1 => Just(Disk::Full),
        1 => Just(Disk::Locked),
        2 => prop::sample::select(&Refused::ALL[..]).prop_map(Disk::Refuses),
    ]
}

fn well() -> Weather {
    Weather::All(Fate::Well)
}

fn question(account: &str, patience: u32) -> GetToken {
    GetToken {
        account: account.parse().unwrap(),
        min_valid: Some(60),
        scopes: None,
        resource: None,
        audience: None,
        narrow: None,
        rejected: None,
        challenge: None,
        timeout_ms: Some(patience),
        interactive: None,
    }
}

impl Play {
    async fn do_it(&mut self, deed: &Deed) -> Checked {
        match *deed {
            Deed::Step(ref step) => self.take(step).await?,
            Deed::SignIn(who) => self.sign_in(who, None),
            Deed::Device { who, agreed } => {
                let login = self.new_login(who);
                let (name, _, kind, lifetime) = ACCOUNTS[who];
                self.world.sky.air().servers.admit(&login, kind, lifetime, agreed);
                self.world.devices.push((name, login));
                self.count.crashes += 1;
                self.world.crash(|_| false, None, 0);
            }
            Deed::Agree => {
                for grant in self.world.sky.air().servers.grants.values_mut() {
                    grant.agreed = true;
                }
            }
            Deed::Import(who) => {
                let login = self.new_login(who);
                let (_, _, kind, lifetime) = ACCOUNTS[who];
                let token = self.world.sky.air().servers.admit_elsewhere(&login, kind, lifetime);
                self.sign_in(who, Some(token));
            }
            Deed::Logout(who) => {
                let account = self.named(who).parse().unwrap();
                self.put(who, Asked::Leave, Request::Logout(Logout { account, revoke: None }));
            }
            Deed::GiveBack(who) => {
                let account = self.named(who).parse().unwrap();
                self.put(who, Asked::Leave, Request::Revoke(Revoke { account }));
            }
            // what is under way is under the name before, so nothing is
            Deed::Rename(who) => {
                let busy = self.world.engine().lifecycle.open_sign_ins().next().is_some();
                if !busy && self.world.questions.is_empty() {
                    let other = self.world.other_name(ACCOUNTS[who].0);
                    let (account, name) =
                        (self.named(who).parse().unwrap(), other.parse().unwrap());
                    self.put(who, Asked::Rename(other), Request::Rename(Rename { account, name }));
                    while self.go(0, well()).await? {}
                }
            }
            Deed::Enable(who, enabled) => {
                let account = self.named(who).parse().unwrap();
                self.put(who, Asked::Rest, Request::SetEnabled(SetEnabled { account, enabled }));
            }
            Deed::Resume(who) => {
                let account = self.named(who).parse().unwrap();
                self.put(who, Asked::Rest, Request::Resume(Resume { account }));
            }
            Deed::Part { who, patience } => {
                let scopes = Some(Scopes::parse_lenient("open"));
                let get =
                    GetToken { scopes, narrow: Some(true), ..question(self.named(who), patience) };
                self.world.ask(ACCOUNTS[who].0, get);
            }
            Deed::Reload => self.world.reload(),
            Deed::Disk(disk) => self.world.disk(disk),
        }
        self.hear();
        Ok(())
    }

    fn named(&self, who: usize) -> &'static str {
        self.world.name(ACCOUNTS[who].0)
    }

    fn put(&mut self, who: usize, asked: Asked, request: Request) {
        self.world.put(ACCOUNTS[who].0, asked, request, EVER);
    }

    /// A name for the next login of an account: numbers grow.
    fn new_login(&self, who: usize) -> String {
        let number = self.world.sky.air().servers.grants.len();
        format!("{}.{number}", ACCOUNTS[who].0)
    }

    fn sign_in(&mut self, who: usize, imported: Option<String>) {
        let (name, provider, kind, lifetime) = ACCOUNTS[who];
        let flow = match kind {
            Kind::Secret => Flow::ClientCredentials,
            Kind::Key => Flow::JwtBearer,
            _ if imported.is_some() => Flow::Import,
            _ => Flow::Browser,
        };
        if kind.renews_itself() {
            let login = self.new_login(who);
            self.world.sky.air().servers.admit_client(&login, kind, lifetime);
        }
        let refresh_token = imported.map(|token| Imported(Arc::new(RefreshToken::new(token))));
        let login = Login {
            provider: provider.parse().unwrap(),
            account: Some(self.named(who).parse().unwrap()),
            client_id: Some(robots::client(name, kind)),
            client_secret: robots::secret(kind),
            redirect_uri: (flow == Flow::Browser).then(|| PAGE.to_owned()),
            scopes: None,
            resource: None,
            audience: None,
            login_hint: None,
            flow: Some(flow),
            subject: robots::subject(kind),
            dpop: None,
            refresh_token,
        };
        self.put(who, Asked::Login, Request::Login(Box::new(login)));
    }

    /// Does what follows from answers: who was shown a page agrees there, and pastes where that ended.
    fn hear(&mut self) {
        for (account, asked, answer) in std::mem::take(&mut self.world.heard) {
            let who = ACCOUNTS.iter().position(|(name, ..)| *name == account).unwrap();
            match (asked, answer) {
                (Asked::Login, Ok(Response::LoginStarted(started))) if started.paste => {
                    let login = self.new_login(who);
                    let (_, _, kind, lifetime) = ACCOUNTS[who];
                    self.world.sky.air().servers.admit(&login, kind, lifetime, true);
                    let url: url::Url = started.authorization_uri.parse().unwrap();
                    let (_, state) = url.query_pairs().find(|(key, _)| key == "state").unwrap();
                    let uri = format!("{PAGE}?code={login}&state={state}");
                    let redirect = Redirect { request: Some(started.request), uri };
                    self.put(who, Asked::Rest, Request::SubmitRedirect(redirect));
                }
                (Asked::Rename(name), Ok(_)) => self.world.renamed(account, name),
                _ => {}
            }
        }
    }

    /// All is well and time passes: every login that is honoured has to be there, and nobody waits.
    ///
    /// `restarts`: a start reads what is on the disk. Without one, what could not be saved before has to be saved by now,
    /// and a login of which its person was told that it cannot be is not there.
    async fn rest(&mut self, restarts: bool) -> Checked {
        self.world.read_only(false);
        self.world.disk(Disk::Well);
        while self.go(0, well()).await? {}
        self.hear();
        if restarts {
            self.world.crash(|_| false, None, 0);
        }
        let honoured = |play: &Self, who: usize| {
            let (account, ..) = ACCOUNTS[who];
            let servers = &play.world.sky.air().servers;
            play.world.honoured(servers, account)
                && (restarts || servers.newest_is_in_force(account))
        };
        let standing: Vec<usize> = (0..ACCOUNTS.len()).filter(|who| honoured(self, *who)).collect();
        for who in 0..ACCOUNTS.len() {
            let account = self.named(who).parse().unwrap();
            let enable = SetEnabled { account, enabled: true };
            self.put(who, Asked::Rest, Request::SetEnabled(enable));
        }
        self.live(CALM, well()).await?;
        self.hear();
        if let Some(late) = self.world.questions.first() {
            return Err(wrong(format!("{:?} of {} has no answer", late.asked, late.account)));
        }
        for who in standing {
            self.has_a_token(who).await?;
        }
        // and whoever wants to come can
        for who in 0..ACCOUNTS.len() {
            self.sign_in(who, None);
            while self.go(0, well()).await? {}
            self.hear();
            while self.go(0, well()).await? {}
            self.hear();
            self.has_a_token(who).await?;
        }
        Ok(())
    }

    async fn has_a_token(&mut self, who: usize) -> Checked {
        let (account, name) = (ACCOUNTS[who].0, self.named(who));
        self.world.rejected.remove(account);
        self.world.ask(account, question(name, 30_000));
        while self.go(0, well()).await? {}
        if self.world.rejected.contains_key(account) {
            return Ok(());
        }
        let air = self.world.sky.air();
        let known = air.servers.newest(account, self.world.now());
        let over: Vec<_> =
            air.servers.grants.iter().filter_map(|(it, grant)| Some((it, grant.over?))).collect();
        Err(wrong(format!("{account} ({name}) has no token: {known:?}, {over:?}")))
    }
}

fn play(deeds: &[Deed], restarts: bool, total: &std::cell::RefCell<(Count, u64)>) -> Checked {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut play = Play::new();
        play.comings = true;
        let mut result = Ok(());
        for deed in deeds {
            result = play.do_it(deed).await;
            if result.is_err() {
                break;
            }
        }
        if result.is_ok() {
            result = play.rest(restarts).await;
        }
        let (total, logins) = &mut *total.borrow_mut();
        total.histories += 1;
        total.steps += play.world.steps;
        total.crashes += play.count.crashes;
        total.answers += play.count.answers;
        let air = play.world.sky.air();
        total.refreshes += air.servers.refreshes;
        *logins += air.servers.logins;
        drop(air);
        result
    })
}

#[test]
fn no_login_is_lost_by_how_people_come_and_go() {
    let told = std::env::var("OSTLER_HISTORIES").ok().and_then(|count| count.parse().ok());
    let cases = told.unwrap_or(HISTORIES);
    let total = std::cell::RefCell::default();
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let deeds = prop::collection::vec(deed(), 1..40);
    let result =
        runner.run(&(deeds, any::<bool>()), |(deeds, restarts)| play(&deeds, restarts, &total));
    let (Count { histories, steps, crashes, refreshes, answers, .. }, logins) = &*total.borrow();
    let line = format!(
        "{histories} histories, {steps} steps, {crashes} crashes, {logins} logins, {refreshes} \
         refreshes, {answers} answers\n"
    );
    // not by a macro that the harness swallows: the figures belong to the result
    let _ = std::io::stdout().write_all(line.as_bytes());
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn a_sign_in_that_goes_on_at_a_start_leaves_accounts_alone_whose_answer_is_on_record() {
    let crash = Step::Crash { arrives: 0, reboot: true, wall: -515, seconds: 0 };
    let device = Deed::Device { who: 0, agreed: false };
    let deeds = [
        device.clone(),
        Deed::Step(crash),
        Deed::Enable(0, false),
        device.clone(),
        Deed::Step(Step::Go { count: 25, order: 15821, weather: well() }),
        device,
    ];
    play(&deeds, true, &std::cell::RefCell::default()).unwrap();
}

#[test]
fn who_could_not_be_signed_in_for_good_has_the_login_before_and_is_told_when_that_is_over() {
    let ask = |who, patience| Step::Ask { who, min_valid: 0, patience, rejects: false };
    let go = |count, order, fate| Step::Go { count, order, weather: Weather::All(fate) };
    let deeds = [
        Deed::Step(ask(0, 1)),
        Deed::Step(ask(0, 1)),
        Deed::Step(ask(2, 36_116)),
        Deed::Step(Step::Suspend { seconds: 2654 }),
        Deed::Disk(Disk::Refuses(Refused::AccessTokens)),
        Deed::SignIn(2),
        Deed::Step(go(39, 2110, Fate::Silence { arrives: true })),
        Deed::Step(go(9, 0, Fate::Well)),
    ];
    for restarts in [false, true] {
        play(&deeds, restarts, &std::cell::RefCell::default()).unwrap();
    }
}
