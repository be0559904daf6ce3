//! A machine with one daemon on it that can crash: real files, true time, and the engine stepped by
//! hand.

use std::collections::HashMap;
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;

use super::accounts::{ACCOUNTS, ALIASES};
use super::beginning::{catalog, http, sign_in};
use super::custody::Cargo;
use super::disk::Disk;
use super::files::{self, places};
use super::hour::{Bell, Hour, UP};
use super::provider::{Kind, Servers};
use super::sky::Sky;
use crate::api::{Fault, GetToken, Logout, Request, Response};
use crate::engine::task::{Engine, Info, Parts};
use crate::engine::{Control, Handle, Reload};
use crate::lifecycle::{Event, Settings};
use crate::model::{AccountId, BootId, Caller, Face, Fingerprint, Generation, Identity, Modes};
use crate::store::{Attempt, by_hand};
use crate::sys::alarm::Alarm;
use crate::sys::clock::Clock;

type Answer = Pin<Box<dyn Future<Output = Result<Response, Fault>>>>;

/// Somebody who waits for an answer.
pub(super) struct Question {
    pub(super) account: &'static str,
    pub(super) asked: Asked,
    /// How long they wait once the engine has heard them, and until when that is.
    patience: i64,
    pub(super) deadline: Option<i64>,
    answer: Answer,
}

/// What somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// What all do whose answers are looked at one by one.
    Token,
    /// To be signed in.
    Login,
    /// The end of a login, or of the account with it.
    Leave,
    /// Another name for an account.
    Rename(&'static str),
    /// Something else.
    Rest,
}

/// A daemon at work.
struct Running {
    engine: Engine,
    handle: Handle,
    desk: by_hand::ByHand,
    control: mpsc::Receiver<Control>,
    orders: mpsc::Sender<Control>,
    disk: Disk,
    /// What another program holds of the database.
    lock: Option<by_hand::Lock>,
}

pub(super) struct World {
    hour: Arc<Hour>,
    boots: u32,
    pub(super) home: TempDir,
    running: Option<Running>,
    pub(super) sky: Sky,
    pub(super) questions: Vec<Question>,
    /// What was answered, for the history to judge.
    pub(super) answered: Vec<(&'static str, Result<Response, Fault>)>,
    pub(super) rejected: HashMap<&'static str, Fingerprint>,
    read_only: bool,
    /// Whether the disk ever refused: the end of a flight may then be missing until the next start.
    pub(super) refused: bool,
    /// The furthest that the wall clock was ever ahead, and where it was at the last start.
    latest: i64,
    started_at: i64,
    /// The generation of each account at the last start.
    generations: HashMap<AccountId, Generation>,
    pub(super) unfinished: Vec<Attempt>,
    pub(super) steps: u64,
    settings: Settings,
    /// Answers to what was asked besides tokens.
    pub(super) heard: Vec<(&'static str, Asked, Result<Response, Fault>)>,
    /// Of accounts that have another name, which.
    pub(super) names: HashMap<&'static str, &'static str>,
    /// The last login of an account that its user has ended, or may have.
    pub(super) ended: HashMap<&'static str, u32>,
    /// Sign-ins on another device that the next daemon finds: the account and the login.
    pub(super) devices: Vec<(&'static str, String)>,
}

impl World {
    /// A daemon with accounts that were signed in just now, each with its own tokens. Call inside a
    /// runtime whose time stands still.
    pub(super) fn new(accounts: &[(&'static str, &'static str, Kind, i64)]) -> Self {
        Self::with(accounts, Settings::default())
    }

    pub(super) fn with(
        accounts: &[(&'static str, &'static str, Kind, i64)],
        settings: Settings,
    ) -> Self {
        let home = files::home();
        if accounts == ACCOUNTS {
            static IMAGE: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
            let image = IMAGE.get_or_init(|| {
                let first = files::home();
                sign_in(&places(first.path()), accounts);
                files::read(first.path())
            });
            files::write(home.path(), image);
        } else {
            sign_in(&places(home.path()), accounts);
        }
        let sky = Sky::default();
        let mut servers = Servers::default();
        for (name, _, kind, lifetime) in accounts {
            servers.add(name, *kind, *lifetime, *lifetime);
        }
        sky.air().servers = servers;
        let hour = Hour {
            now: AtomicI64::new(0),
            up: AtomicI64::new(UP),
            offset: AtomicI64::new(0),
            alarm: AtomicI64::new(i64::MAX),
        };
        let mut world = Self {
            hour: Arc::new(hour),
            boots: 0,
            home,
            running: None,
            sky,
            questions: Vec::new(),
            answered: Vec::new(),
            rejected: HashMap::new(),
            read_only: false,
            refused: false,
            latest: 0,
            started_at: 0,
            generations: HashMap::new(),
            unfinished: Vec::new(),
            steps: 0,
            settings,
            heard: Vec::new(),
            names: HashMap::new(),
            ended: HashMap::new(),
            devices: Vec::new(),
        };
        world.start();
        world
    }

    pub(super) fn now(&self) -> i64 {
        self.hour.now.load(Relaxed)
    }

    /// Whether a token of that boot has an age that can be told: not after a reboot with a clock that
    /// was set back.
    pub(super) fn can_tell_age(&self, boot: u32) -> bool {
        boot == self.boots || self.started_at >= self.latest
    }

    pub(super) fn has_answer_on_record(&self) -> bool {
        self.running.as_ref().unwrap().desk.recorded().iter().any(|(_, answered)| *answered)
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.running.as_ref().unwrap().engine
    }

    /// The daemon starts on the files as they are.
    fn start(&mut self) {
        let clock = Clock::of(BootId(format!("boot-{}", self.boots)), Arc::clone(&self.hour) as _);
        self.hour.alarm.store(i64::MAX, Relaxed);
        self.started_at = self.hour.offset.load(Relaxed);
        self.put_devices(&clock);
        let opened = by_hand::open(&places(self.home.path()), clock.now()).unwrap();
        let (store, reports, loaded, desk) = opened;
        for record in &loaded.accounts {
            let known = ALIASES.iter().flat_map(|(name, alias)| [(name, name), (name, alias)]);
            for (account, name) in known.filter(|(_, name)| **name == record.seed.name.as_str()) {
                self.names.insert(account, name);
            }
            let before = self.generations.insert(record.seed.id.clone(), record.generation);
            if before.is_some_and(|before| before > record.generation) {
                let wrong = format!("{} is back at an older generation", record.seed.name);
                self.sky.air().servers.wrong.push(wrong);
            }
        }
        self.unfinished = Vec::new();
        for attempt in &loaded.attempts {
            self.unfinished.push(Attempt {
                flight: attempt.flight,
                kind: attempt.kind.clone(),
                sent: attempt.sent.clone(),
                answer: None,
            });
        }
        let (orders, control) = mpsc::channel(1);
        let parts = Parts {
            store,
            reports,
            loaded,
            http: http(),
            courier: Arc::new(self.sky.clone()),
            catalog: catalog(),
            clock,
            alarm: Alarm::by(Box::new(Bell(Arc::clone(&self.hour)))),
            settings: self.settings,
            modes: Modes::default(),
            document: None,
            info: Info { places: places(self.home.path()), bus: Arc::default() },
        };
        let (mut engine, handle, _) = Engine::new(parts);
        // as the loop does before its first step
        engine.tell(Event::Alarm);
        self.read_only = false;
        self.running =
            Some(Running { engine, handle, desk, control, orders, disk: Disk::Well, lock: None });
    }

    /// The daemon dies at once and starts on what the disk has.
    pub(super) fn crash(&mut self, arrives: impl Fn(usize) -> bool, boot: Option<i64>, down: i64) {
        let after = files::home();
        files::copy(self.home.path(), after.path());
        self.running = None;
        self.home = after;
        // who was about to leave may have left
        let leaving = self.questions.iter().filter(|it| it.asked == Asked::Leave);
        for account in leaving.map(|it| it.account).collect::<Vec<_>>() {
            self.end(account);
        }
        self.questions.clear();
        self.heard.clear();
        self.sky.air().fall(arrives);
        self.set_time(self.now() + down);
        if let Some(offset) = boot {
            self.boots += 1;
            self.hour.up.store(-self.now(), Relaxed);
            self.set_clock(offset);
            self.sky.air().servers.boot = self.boots;
        }
        self.start();
    }

    pub(super) fn set_clock(&mut self, offset: i64) {
        self.hour.offset.store(offset, Relaxed);
        self.latest = self.latest.max(offset);
    }

    pub(super) fn read_only(&mut self, read_only: bool) {
        self.read_only = read_only;
        self.refused |= read_only;
        self.running.as_ref().unwrap().desk.read_only(read_only);
    }

    /// From now on the disk is like that.
    pub(super) fn disk(&mut self, disk: Disk) {
        let running = self.running.as_mut().unwrap();
        running.lock = None;
        running.desk.read_only(false);
        running.lock = disk.bring_about(&running.desk);
        running.disk = disk;
        running.desk.read_only(self.read_only);
        self.refused |= disk != Disk::Well;
    }

    /// The definitions are read anew.
    pub(super) fn reload(&mut self) {
        let reload = Reload { catalog: catalog(), modes: None, document: None };
        let orders = &self.running.as_ref().unwrap().orders;
        // one that waits already is as good
        let _ = orders.try_send(Control::Reload(Box::new(reload)));
    }

    pub(super) fn ask(&mut self, who: &'static str, get: GetToken) {
        let patience = i64::from(get.timeout_ms.unwrap());
        self.put(who, Asked::Token, Request::GetToken(get), patience);
    }

    pub(super) fn log_out(&mut self, who: &'static str) {
        let logout = Logout { account: who.parse().unwrap(), revoke: None };
        self.put(who, Asked::Token, Request::Logout(logout), i64::from(u32::MAX));
    }

    pub(super) fn put(&mut self, who: &'static str, asked: Asked, request: Request, patience: i64) {
        let handle = self.running.as_ref().unwrap().handle.clone();
        let caller = Caller { face: Face::Socket, pid: None, identity: Identity::host() };
        let mut answer: Answer = Box::pin(async move { handle.ask(caller, request).await });
        // puts the question into the mailbox
        let polled = answer.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(polled.is_pending(), "the engine has not been asked yet");
        self.questions.push(Question { account: who, asked, patience, deadline: None, answer });
    }

    /// The engine takes up one thing. Whether there was one.
    pub(super) async fn engine_steps(&mut self) -> bool {
        // tasks of the engine go on here
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        let Running { engine, control, .. } = self.running.as_mut().unwrap();
        let polled = {
            let mut step = pin!(engine.step(control, None));
            poll_fn(|context| Poll::Ready(step.as_mut().poll(context))).await
        };
        self.hear();
        match polled {
            Poll::Ready(result) => {
                assert!(result.unwrap(), "the engine must not end");
                let engine = self.engine();
                engine.roster.check(&engine.lifecycle, engine.cx.now());
                self.steps += 1;
                true
            }
            Poll::Pending => {
                // nothing is left in the mailbox
                let now = self.now();
                for question in &mut self.questions {
                    question.deadline.get_or_insert(now + question.patience);
                }
                false
            }
        }
    }

    /// The disk commits one command. Whether there was one.
    pub(super) fn disk_steps(&mut self) -> bool {
        let Running { desk, disk, .. } = self.running.as_mut().unwrap();
        let before = desk.recorded();
        let mut cargo = None;
        let committed = desk.turn(|command| cargo = Cargo::of(command));
        if let Some(cargo) = cargo {
            let servers = &mut self.sky.air().servers;
            if cargo.is_durable(&before, &desk.recorded()) {
                cargo.note(servers);
            } else if matches!(disk, Disk::Refuses(_)) && !self.read_only {
                cargo.refuse(servers);
            }
        }
        self.steps += u64::from(committed);
        committed
    }

    fn hear(&mut self) {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let questions = std::mem::take(&mut self.questions);
        for mut question in questions {
            match question.answer.as_mut().poll(&mut context) {
                Poll::Pending => self.questions.push(question),
                Poll::Ready(answer) if question.asked == Asked::Token => {
                    self.answered.push((question.account, answer));
                }
                Poll::Ready(Ok(_)) if question.asked == Asked::Leave => self.end(question.account),
                Poll::Ready(answer) => self.heard.push((question.account, question.asked, answer)),
            }
        }
    }

    /// When something happens next without anybody's doing.
    pub(super) fn next(&self) -> i64 {
        let alarm = self.hour.alarm.load(Relaxed).saturating_sub(self.hour.up.load(Relaxed));
        alarm.min(self.sky.air().next().unwrap_or(i64::MAX))
    }

    /// The machine sleeps: the boot clock goes on, and that of the runtime stands.
    pub(super) fn suspend(&mut self, span: i64) {
        self.set_time(self.now() + span);
    }

    pub(super) async fn pass_to(&mut self, then: i64) {
        let span = u64::try_from(then - self.now()).unwrap();
        self.set_time(then);
        tokio::time::advance(Duration::from_millis(span)).await;
    }

    fn set_time(&self, now: i64) {
        self.hour.now.store(now, Relaxed);
        self.sky.air().now = now;
    }
}
