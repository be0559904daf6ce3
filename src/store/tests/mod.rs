//! The room as a whole, on real files.

mod access;
pub(crate) mod by_hand;
mod checkup;
mod commands;
mod faults;
mod fixture;
mod model;
mod opening;
mod proof_keys;
mod restored;
mod scans;
mod secrecy;
mod sqlite;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::model::{
    AccessToken, AccountId, AccountSeed, Boot, BootId, ClientKey, ClientRecord, ClientSecret,
    ErrandId, FlightId, Generation, GrantChange, GrantType, Issued, Kept, Now, ProofKey, RawAnswer,
    RefreshToken, Registration, Scopes, Stamp, Standing, Target, TokenType, Wall,
};

use super::keys::Machine;
use super::open::open_writer;
use super::writer::Writer;
use super::*;

/// A state directory and a configuration directory that vanish with the test.
struct Home {
    dir: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn places(&self) -> Places {
        Places {
            database: self.dir.path().join("state/ostler/ostler.db"),
            keys: self.dir.path().join("config/ostler/keys.toml"),
            marks: ["config", "cache"]
                .map(|tree| self.dir.path().join(tree).join("ostler/marks"))
                .into(),
        }
    }

    fn open(&self) -> Running {
        Running::from(open(&self.places(), NOW).unwrap())
    }

    fn try_open(&self) -> Result<Loaded, StoreError> {
        let Opened { store, mut reports, loaded } = open(&self.places(), NOW)?;
        let first = reports.blocking_recv();
        store.close();
        match first {
            Some(Report::Checked { result }) => result.map(|()| loaded),
            other => panic!("{other:?}"),
        }
    }

    fn writer(&self) -> Writer {
        open_writer(&self.places(), &Machine::here(), NOW).unwrap().0
    }

    /// What a machine would find after this instant's loss of the process: the files as they are,
    /// write-ahead log included, with nothing closed.
    fn crash(&self) -> Self {
        let after = Self::new();
        copy_tree(self.dir.path(), after.dir.path());
        after
    }

    /// The bytes of all files of the database.
    fn database_bytes(&self) -> Vec<u8> {
        let directory = self.places().database.parent().unwrap().to_owned();
        let mut files: Vec<PathBuf> =
            directory.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        // which is empty, and long
        files.retain(|path| !path.ends_with("ostler.db.reserve"));
        files.sort();
        files.iter().flat_map(|path| std::fs::read(path).unwrap()).collect()
    }
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_tree(&entry.path(), &target);
        } else if !target.ends_with("ostler.db.reserve") {
            // permissions come along
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A store at work, with one question at a time.
struct Running {
    store: Store,
    reports: Reports,
    loaded: Loaded,
}

impl From<Opened> for Running {
    fn from(opened: Opened) -> Self {
        let Opened { store, mut reports, loaded } = opened;
        let first = reports.blocking_recv();
        assert!(matches!(first, Some(Report::Checked { result: Ok(()) })), "{first:?}");
        Self { store, reports, loaded }
    }
}

impl Running {
    fn ask(&mut self, command: Command) -> Report {
        self.store.send(command).unwrap();
        self.reports.blocking_recv().unwrap()
    }

    fn begin(&mut self, flight: u64, kind: BeginKind) -> Result<Credentials, StoreError> {
        match self.ask(begin(flight, kind)) {
            Report::Begun { flight: of, result } if of == FlightId(flight) => result,
            other => panic!("{other:?}"),
        }
    }

    fn answered(&mut self, flight: u64, answer: RawAnswer) -> Result<(), StoreError> {
        let flight = FlightId(flight);
        match self.ask(Command::Answered { flight, answer: Arc::new(answer) }) {
            Report::Answered { flight: of, result } if of == flight => result,
            other => panic!("{other:?}"),
        }
    }

    fn grant(&mut self, change: GrantChange) -> Result<Kept, (StoreError, Box<GrantChange>)> {
        let flight = change.flight;
        match self.ask(Command::Grant(Box::new(change))) {
            Report::Granted { flight: of, result } if of == flight => result,
            other => panic!("{other:?}"),
        }
    }

    fn abandon(&mut self, flight: u64, standing: Option<Standing>) -> Result<(), StoreError> {
        let flight = FlightId(flight);
        match self.ask(Command::Abandon { flight, account: account(1), standing }) {
            Report::Abandoned { flight: of, result } if of == flight => result,
            other => panic!("{other:?}"),
        }
    }

    fn stand(&mut self, standing: Standing) -> Result<(), StoreError> {
        match self.ask(stand(standing)) {
            Report::Stood { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    fn erase(&mut self, id: &AccountId) -> Result<Box<Erased>, StoreError> {
        self.erase_owing(id, None)
    }

    fn erase_owing(
        &mut self,
        id: &AccountId,
        owed: Option<Owed>,
    ) -> Result<Box<Erased>, StoreError> {
        match self.ask(Command::Erase { account: id.clone(), owed }) {
            Report::Erased { account, result } if account == *id => result,
            other => panic!("{other:?}"),
        }
    }

    /// Account 1 signs in with flight 1: generation 1, a client secret.
    fn sign_in(&mut self) {
        self.begin(1, exchange(1, Some("canary-client-secret"))).unwrap();
        self.grant(change(1, 1, 1, Some("canary-refresh-1"))).unwrap();
    }

    fn close(self) {
        self.store.close();
    }
}

const NOW: Now = Now { wall: Wall(1_700_000_000_000), boot: Boot(60_000) };

fn stamp() -> Stamp {
    Stamp { at: NOW, boot_id: BootId("0a1b2c3d-0000-4000-8000-000000000000".into()) }
}

fn account(number: u8) -> AccountId {
    AccountId::from_random([number; 8])
}

fn key() -> ClientKey {
    ClientKey { provider: "parqex".parse().unwrap(), client: "app 7".parse().unwrap() }
}

fn client() -> ClientRecord {
    ClientRecord {
        key: key(),
        redirect_uri: Some("https://app.example/back".into()),
        discovered: Some("token = \"https://as.example/token\"".into()),
        secret_ends: None,
    }
}

fn seed(number: u8) -> AccountSeed {
    AccountSeed {
        id: account(number),
        name: format!("work/{number}").parse().unwrap(),
        client: key(),
        scopes: Scopes::parse_lenient("read write"),
        target: Target::new(
            Some(vec!["https://api.example/".parse().unwrap()]),
            Some("front".parse().unwrap()),
        )
        .unwrap(),
        grant: GrantType::JwtBearer { subject: Some("me@x.example".into()) },
        values: [("realm", "1")].into_iter().collect(),
    }
}

fn begin(flight: u64, kind: BeginKind) -> Command {
    Command::Begin(Box::new(Begin { flight: FlightId(flight), sent: stamp(), kind }))
}

fn stand(standing: Standing) -> Command {
    Command::Stand { account: account(1), standing }
}

fn exchange(number: u8, secret: Option<&str>) -> BeginKind {
    let secret = secret.map(|secret| Arc::new(ClientSecret::new(secret.into())));
    BeginKind::Exchange(Box::new(Exchange {
        seed: seed(number),
        client: client(),
        secret,
        registration: None,
        key: None,
    }))
}

/// The same of a login whose tokens are bound to a key.
fn bound(number: u8, key: &str) -> BeginKind {
    let BeginKind::Exchange(mut exchange) = exchange(number, None) else { unreachable!() };
    exchange.key = Some(Arc::new(ProofKey::new(key.into())));
    BeginKind::Exchange(exchange)
}

fn refresh(number: u8, generation: u64) -> BeginKind {
    BeginKind::Refresh {
        account: account(number),
        generation: Generation(generation),
        portion: None,
    }
}

fn change(flight: u64, number: u8, access: u64, refresh: Option<&str>) -> GrantChange {
    GrantChange {
        flight: FlightId(flight),
        account: account(number),
        refresh: refresh.map(|token| RefreshToken::new(token.into())),
        issued: Some(Arc::new(issued(access))),
        refresh_lifetime: Some(Duration::from_hours(24)),
    }
}

/// An access token that can be told from others by a number.
fn issued(number: u64) -> Issued {
    Issued {
        access: AccessToken::new(format!("canary-access-{number}")).into(),
        token_type: TokenType::Bearer,
        scopes: Scopes::parse_lenient("read"),
        sent: stamp(),
        lifetime: Some(Duration::from_millis(3_600_500)),
        values: [("realm", "1")].into_iter().collect(),
    }
}

fn answer() -> RawAnswer {
    RawAnswer {
        status: 200,
        content_type: Some("application/json".into()),
        retry_after: None,
        date: Some("Tue, 14 Nov 2023 22:13:20 GMT".into()),
        www_authenticate: Some("canary-header".into()),
        body: Zeroizing::new(br#"{"refresh_token":"canary-body"}"#.to_vec()),
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
