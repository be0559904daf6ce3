//! A machine with one daemon on it that can crash: real files, true time, and the engine stepped by
//! hand.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;

use super::provider::{Custody, Kind, Servers, refresh_tokens};
use super::sky::Sky;
use crate::api::{Fault, GetToken, Logout, Request, Response};
use crate::engine::task::{Engine, Info, Parts};
use crate::engine::{Control, Handle, Reload};
use crate::lifecycle::{Event, Settings};
use crate::model::{
    AccessToken, AccountId, AccountSeed, Boot, BootId, Caller, ClientKey, ClientRecord, DeviceCode,
    Face, Fingerprint, FlightId, Generation, GrantChange, GrantType, Identity, Issued, Modes, Now,
    RefreshToken, RequestId, Scopes, Stamp, Target, TokenType, Values, Wall,
};
use crate::oauth::{Http, HttpOptions};
use crate::provider::Catalog;
use crate::store::{Attempt, Begin, BeginKind, Command, DeviceSignIn, Exchange, Places, by_hand};
use crate::sys::alarm::{Alarm, Timer};
use crate::sys::clock::{Clock, Time};

/// The wall clock at the true time 0, in milliseconds.
const EPOCH: i64 = 1_800_000_000_000;
/// How long the machine was up when a history begins.
const UP: i64 = 1_000_000;

/// The accounts of the small world, and what their servers do.
pub(super) const ACCOUNTS: [(&str, &str, Kind, i64); 5] = [
    ("one", "strict", Kind::Strict, 3_600_000),
    ("two", "strict", Kind::Strict, 900_000),
    ("three", "timed", Kind::Timed, 1_800_000),
    ("four", "confirmed", Kind::Confirmed, 1_200_000),
    ("five", "static", Kind::Static, 3_600_000),
];

/// The names that accounts can have.
const ALIASES: [(&str, &str); 5] =
    [("one", "uno"), ("two", "due"), ("three", "tre"), ("four", "quattro"), ("five", "cinque")];

/// The time of a boot.
#[derive(Debug)]
struct Hour {
    /// The true time, in milliseconds.
    now: AtomicI64,
    /// What the boot clock shows beyond it.
    up: AtomicI64,
    /// How far the wall clock is off.
    offset: AtomicI64,
    /// What the alarm is set to, on the boot clock.
    alarm: AtomicI64,
}

impl Time for Hour {
    fn now(&self) -> Now {
        let now = self.now.load(Relaxed);
        Now {
            wall: Wall(EPOCH + now + self.offset.load(Relaxed)),
            boot: Boot(now + self.up.load(Relaxed)),
        }
    }
}

/// A timer that needs no waking: the engine is asked again whenever something may have happened.
struct Bell(Arc<Hour>);

impl Timer for Bell {
    fn set(&mut self, at: Option<Boot>) -> io::Result<()> {
        self.0.alarm.store(at.map_or(i64::MAX, |at| at.0), Relaxed);
        Ok(())
    }

    fn poll_due(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.alarm.load(Relaxed) > Time::now(&*self.0).boot.0 {
            return Poll::Pending;
        }
        self.0.alarm.store(i64::MAX, Relaxed);
        Poll::Ready(Ok(()))
    }
}

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

/// What the disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    /// It takes everything.
    Well,
    /// It is full.
    Full,
}

/// A daemon at work.
struct Running {
    engine: Engine,
    handle: Handle,
    desk: by_hand::ByHand,
    control: mpsc::Receiver<Control>,
    orders: mpsc::Sender<Control>,
}

pub(super) struct World {
    hour: Arc<Hour>,
    boots: u32,
    home: TempDir,
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
    disk: Disk,
    /// Answers to what was asked besides tokens.
    pub(super) heard: Vec<(&'static str, Asked, Result<Response, Fault>)>,
    /// Of accounts that have another name, which.
    names: HashMap<&'static str, &'static str>,
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
        let home = home();
        if accounts == ACCOUNTS {
            static IMAGE: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
            let image = IMAGE.get_or_init(|| {
                let first = self::home();
                sign_in(&places(first.path()), accounts);
                read(first.path())
            });
            write(home.path(), image);
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
            disk: Disk::Well,
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

    pub(super) fn engine(&self) -> &Engine {
        &self.running.as_ref().unwrap().engine
    }

    /// The daemon starts on the files as they are.
    fn start(&mut self) {
        let clock = Clock::of(BootId(format!("boot-{}", self.boots)), Arc::clone(&self.hour) as _);
        self.hour.alarm.store(i64::MAX, Relaxed);
        self.started_at = self.hour.offset.load(Relaxed);
        self.put_devices(&clock);
        self.disk = Disk::Well;
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
        self.running = Some(Running { engine, handle, desk, control, orders });
    }

    /// The daemon dies at once and starts on what the disk has.
    pub(super) fn crash(&mut self, arrives: impl Fn(usize) -> bool, boot: Option<i64>, down: i64) {
        let after = home();
        copy(self.home.path(), after.path());
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

    /// The name that an account has by now.
    pub(super) fn name(&self, who: &'static str) -> &'static str {
        self.names.get(who).copied().unwrap_or(who)
    }

    /// The one that it has not.
    pub(super) fn other_name(&self, who: &'static str) -> &'static str {
        let (first, second) = ALIASES.into_iter().find(|(name, _)| *name == who).unwrap();
        if self.name(who) == first { second } else { first }
    }

    pub(super) fn renamed(&mut self, who: &'static str, name: &'static str) {
        self.names.insert(who, name);
    }

    /// The user has ended what the account had, or may have.
    pub(super) fn end(&mut self, who: &'static str) {
        self.ended.insert(who, u32::try_from(self.sky.air().servers.grants.len()).unwrap());
    }

    /// Whether an account has a login that its provider honours, and its user.
    pub(super) fn honoured(&self, servers: &Servers, who: &str) -> bool {
        let ended = |number: u32| self.ended.get(who).is_some_and(|ended| number <= *ended);
        // who is about to leave may have left, and not have been told yet
        let leaves = |it: &Question| it.account == who && it.asked == Asked::Leave;
        !self.questions.iter().any(leaves)
            && servers
                .newest(who, self.now())
                .is_some_and(|(number, stands)| stands && !ended(number))
    }

    /// From now on the disk is like that.
    pub(super) fn disk(&mut self, disk: Disk) {
        let by_hand = &self.running.as_ref().unwrap().desk;
        let sql = match disk {
            Disk::Well => "PRAGMA max_page_count = 1000000",
            // no lower than what it has
            Disk::Full => "PRAGMA max_page_count = 1",
        };
        by_hand.read_only(false);
        by_hand.execute(sql);
        by_hand.read_only(self.read_only);
        self.disk = disk;
        self.refused |= disk != Disk::Well;
    }

    /// The definitions are read anew.
    pub(super) fn reload(&mut self) {
        let reload = Reload { catalog: catalog(), modes: None, document: None };
        let orders = &self.running.as_ref().unwrap().orders;
        // one that waits already is as good
        let _ = orders.try_send(Control::Reload(Box::new(reload)));
    }

    /// Writes down what the daemon before had shown of sign-ins on another device.
    fn put_devices(&mut self, clock: &Clock) {
        let devices = std::mem::take(&mut self.devices);
        if devices.is_empty() {
            return;
        }
        let opened = by_hand::open(&places(self.home.path()), clock.now()).unwrap();
        let (store, _reports, loaded, mut desk) = opened;
        for (who, login) in devices {
            let name = self.name(who);
            let known = loaded.accounts.iter().find(|known| known.seed.name.as_str() == name);
            let fresh = self.sky.air().servers.grants.len().to_le_bytes();
            let (_, provider, ..) = ACCOUNTS.into_iter().find(|(it, ..)| *it == who).unwrap();
            let mut seed = seed(
                name,
                provider,
                known.map_or(AccountId::from_random(fresh), |it| it.seed.id.clone()),
            );
            seed.name = name.parse().unwrap();
            let client = ClientRecord {
                key: seed.client.clone(),
                redirect_uri: None,
                discovered: None,
                secret_ends: None,
            };
            let mut request = [0; 10];
            request[..8].copy_from_slice(&fresh);
            let device = DeviceSignIn {
                request: RequestId::from_random(request),
                seed,
                client,
                secret: None,
                registration: None,
                key: None,
                code: Arc::new(DeviceCode::new(login)),
                user_code: "AB-CD".into(),
                verification_uri: "https://device.example".into(),
                verification_uri_complete: None,
                interval: Duration::from_secs(5),
                began: clock.stamp(),
                lifetime: Duration::from_mins(10),
            };
            assert!(store.send(Command::PutDevice(Box::new(device))).is_ok());
        }
        desk.turns();
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
        let (takes, full) = (!self.read_only, !self.read_only && self.disk == Disk::Full);
        let sky = self.sky.clone();
        let committed = self.running.as_mut().unwrap().desk.turn(|command| {
            if full {
                // what finds room is taken; of a refresh token the worst is assumed
                note_tokens(&mut sky.air().servers, command);
            } else if takes {
                note_durable(&mut sky.air().servers, command);
            }
        });
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

/// The access tokens that a command makes durable.
fn note_tokens(servers: &mut Servers, command: &Command) {
    match command {
        Command::Answered { answer, .. } => {
            for part in String::from_utf8_lossy(&answer.body).split('"') {
                if let Some(access) = servers.accesses.get_mut(part) {
                    access.recorded = true;
                }
            }
        }
        Command::Grant(change) => {
            if let Some(issued) = &change.issued
                && let Some(access) =
                    servers.accesses.get_mut(issued.access.open().unwrap().expose())
            {
                access.durable = true;
            }
        }
        _ => {}
    }
}

/// What a command makes durable.
fn note_durable(servers: &mut Servers, command: &Command) {
    note_tokens(servers, command);
    match command {
        Command::Answered { answer, .. } => {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            for token in refresh_tokens(&text) {
                servers.note(token, Custody::Durable);
            }
            // cut short behind the refresh token: it is found all the same
            if let Some(token) = text.strip_prefix("{\"refresh_token\":\"") {
                servers.note(token.split('"').next().unwrap(), Custody::Durable);
            }
        }
        Command::Grant(change) => {
            if let Some(token) = &change.refresh {
                servers.note(token.expose(), Custody::Durable);
            }
        }
        _ => {}
    }
}

fn places(home: &Path) -> Places {
    Places {
        database: home.join("state/ostler/ostler.db"),
        keys: home.join("config/ostler/keys.toml"),
        marks: Vec::new(),
    }
}

/// In memory where that is to be had: there are thousands of them, and each commit syncs.
fn home() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn read(home: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut open = vec![home.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in directory.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if !path.to_string_lossy().ends_with("-shm") {
                let place = path.strip_prefix(home).unwrap().to_owned();
                files.push((place, fs::read(&path).unwrap()));
            }
        }
    }
    files
}

fn write(home: &Path, files: &[(PathBuf, Vec<u8>)]) {
    for (place, bytes) in files {
        let path = home.join(place);
        let mut directory = DirBuilder::new();
        directory.recursive(true).mode(0o700).create(path.parent().unwrap()).unwrap();
        let mut file = OpenOptions::new();
        let mut file = file.write(true).create_new(true).mode(0o600).open(path).unwrap();
        file.write_all(bytes).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    write(to, &read(from));
}

fn http() -> Http {
    static HTTP: OnceLock<Http> = OnceLock::new();
    HTTP.get_or_init(|| Http::new(&HttpOptions::default()).unwrap()).clone()
}

fn catalog() -> Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    let read = || {
        let kinds = [
            ("strict", "kind = \"strict\""),
            ("timed", "kind = \"timed\"\nseconds = 30"),
            ("confirmed", "kind = \"until_confirmed\""),
            ("static", "kind = \"static\""),
            // nobody listens there
            ("deaf", "kind = \"strict\"\n[revocation]\nurl = \"http://127.0.0.1:1/revoke\""),
        ];
        let files = kinds.map(|(id, rotation)| {
            let text = format!(
                "id = \"{id}\"\ntitle = \"{id}\"\n\
                 authorization_url = \"https://{id}.example/authorize\"\n\
                 token_url = \"https://{id}.example/token\"\nclient_auth = \"none\"\n\
                 [rotation]\n{rotation}\n"
            );
            (PathBuf::from(format!("{id}.toml")), text)
        });
        let (catalog, errors) = Catalog::read(files);
        assert!(errors.is_empty(), "{errors:?}");
        catalog
    };
    CATALOG.get_or_init(read).clone()
}

fn seed(name: &str, provider: &str, id: AccountId) -> AccountSeed {
    AccountSeed {
        id,
        name: name.parse().unwrap(),
        client: ClientKey { provider: provider.parse().unwrap(), client: "app".parse().unwrap() },
        scopes: Scopes::parse_lenient("open close"),
        target: Target::default(),
        grant: GrantType::Code,
        values: Values::default(),
    }
}

/// Signs accounts in, on a disk that has none.
fn sign_in(places: &Places, accounts: &[(&'static str, &'static str, Kind, i64)]) {
    let now = Now { wall: Wall(EPOCH), boot: Boot(UP) };
    let sent = Stamp { at: now, boot_id: BootId("boot-0".into()) };
    let (store, mut reports, _, mut desk) = by_hand::open(places, now).unwrap();
    for (number, (name, provider, _, lifetime)) in accounts.iter().enumerate() {
        let flight = FlightId(number as u64 + 1);
        let mut id = [0; 8];
        id[..4].copy_from_slice(&u32::try_from(number).unwrap().to_le_bytes());
        let seed = seed(name, provider, AccountId::from_random(id));
        let key = seed.client.clone();
        let account = seed.id.clone();
        let client = ClientRecord { key, redirect_uri: None, discovered: None, secret_ends: None };
        let kind = BeginKind::Exchange(Box::new(Exchange {
            seed,
            client,
            secret: None,
            registration: None,
            key: None,
        }));
        let begin = Begin { flight, sent: sent.clone(), kind };
        let issued = Issued {
            access: AccessToken::new(format!("at-{name}")).into(),
            token_type: TokenType::Bearer,
            scopes: Scopes::parse_lenient("open close"),
            sent: sent.clone(),
            lifetime: Some(Duration::from_millis(u64::try_from(*lifetime).unwrap())),
            values: Values::default(),
        };
        let change = GrantChange {
            flight,
            account,
            refresh: Some(RefreshToken::new(format!("rt-{name}-0"))),
            issued: Some(Arc::new(issued)),
            refresh_lifetime: None,
        };
        store.send(Command::Begin(Box::new(begin))).unwrap();
        store.send(Command::Grant(Box::new(change))).unwrap();
        if number % 64 == 63 {
            desk.turns();
            while reports.try_recv().is_ok() {}
        }
    }
    desk.turns();
}
