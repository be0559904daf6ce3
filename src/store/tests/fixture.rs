//! A state directory as an earlier version wrote it, with a row of every kind: `fixture/6` was made with schema 6. What
//! a version writes today is held to the same. To keep that as another fixture, before a change of the schema:
//!
//! ```text
//! OSTLER_FIXTURE=src/store/tests/fixture/NUMBER cargo test --lib store::tests::fixture
//! ```

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::model::{
    Adjustment, ChangeId, Decision, DeviceCode, Face, Pattern, Portion, RequestId, Rule, RuleId,
    Usage, Values,
};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/tests/fixture/6");
/// What a state directory consists of.
const FILES: [&str; 3] = ["ostler.db", "keys.toml", "marks"];

// the accounts
const GOOD: u8 = 1;
const DEAD: u8 = 2;
const HELD: u8 = 3;
const OFF: u8 = 4;
const ANSWERED: u8 = 5;
const GONE: u8 = 6;
const BOUND: u8 = 7;
// the sign-ins
const SENT: u8 = 8;
const LANDED: u8 = 9;
const DEVICE: u8 = 10;

fn machine() -> Machine {
    Machine { id: "0123456789abcdef0123456789abcdef".into(), uid: 1000 }
}

fn places(directory: &Path) -> Places {
    let [database, keys, marks] = FILES.map(|file| directory.join(file));
    Places { database, keys, marks: vec![marks] }
}

fn registration() -> Registration {
    Registration::new("canary-registration".to_owned())
}

/// The client of its own that an account has.
fn own(client: &str) -> ClientRecord {
    let key = ClientKey { client: client.parse().unwrap(), ..key() };
    ClientRecord { key, secret_ends: Some(Wall(1_900_000_000_000)), ..super::client() }
}

fn seed_of(number: u8) -> AccountSeed {
    let seed = seed(number);
    match number {
        HELD => AccountSeed {
            client: own("certificate").key,
            values: [("certificate_bound", "true"), ("certificate_ends", "1800000000")]
                .into_iter()
                .collect(),
            ..seed
        },
        // a sign-in on another device is by a code, and has heard nothing yet
        DEVICE => AccountSeed { grant: GrantType::Code, values: Values::default(), ..seed },
        GONE => AccountSeed { client: own("gone").key, ..seed },
        GOOD => AccountSeed { client: own("registered").key, ..seed },
        _ => seed,
    }
}

fn exchange_of(number: u8) -> Exchange {
    let secret = |text: &str| Some(Arc::new(ClientSecret::new(text.to_owned())));
    let exchange = Exchange {
        seed: seed_of(number),
        client: super::client(),
        secret: None,
        registration: None,
        key: None,
    };
    match number {
        HELD => Exchange {
            client: own("certificate"),
            secret: secret("canary-certificate"),
            ..exchange
        },
        GONE | GOOD => Exchange {
            client: own(if number == GONE { "gone" } else { "registered" }),
            secret: secret("canary-secret"),
            registration: Some(Arc::new(registration())),
            ..exchange
        },
        BOUND | LANDED => Exchange {
            key: Some(Arc::new(ProofKey::new(format!("canary-key-{number}")))),
            ..exchange
        },
        _ => exchange,
    }
}

pub(super) fn device() -> DeviceSignIn {
    DeviceSignIn {
        request: RequestId::from_random([7; 10]),
        seed: seed_of(DEVICE),
        client: super::client(),
        secret: Some(Arc::new(ClientSecret::new("canary-device-secret".into()))),
        registration: None,
        key: Some(Arc::new(ProofKey::new("canary-device-key".into()))),
        code: Arc::new(DeviceCode::new("canary-device-code".into())),
        user_code: "WDJB-MJHT".into(),
        verification_uri: "https://as.example/device".into(),
        verification_uri_complete: Some("https://as.example/device?user_code=WDJB-MJHT".into()),
        interval: Duration::from_secs(5),
        began: stamp(),
        lifetime: Duration::from_mins(30),
    }
}

fn rules() -> [Rule; 2] {
    let rule = |id, account: Option<u8>, who: &str, decision| Rule {
        id: RuleId(id),
        account: account.map(super::account),
        who: who.parse::<Pattern>().unwrap(),
        scopes: Scopes::parse_lenient("read"),
        decision,
        expires: Some(Wall(1_800_000_000_000)),
        created: NOW.wall,
        created_by: "exe:/usr/bin/ostler".to_owned(),
        last_used: None,
    };
    [
        rule(1, None, "claimed", Decision::Ask),
        rule(2, Some(GOOD), "flatpak:org.example.Mail", Decision::Allow),
    ]
}

fn usage() -> Usage {
    Usage {
        account: account(GOOD),
        who: "flatpak:org.example.Mail".parse().unwrap(),
        face: Face::Tokens,
        pid: Some(7),
        first: Wall(5),
        last: Wall(9),
        count: 3,
    }
}

fn portion() -> Portion {
    Portion { scopes: Scopes::parse_lenient("read"), target: Target::default() }
}

/// Everything that is kept, by the commands that bring it about.
fn commands() -> Vec<Command> {
    let mut commands = Vec::new();
    let accounts = [GOOD, DEAD, HELD, OFF, ANSWERED, GONE, BOUND];
    for number in accounts {
        let flight = u64::from(number);
        commands.push(begin(flight, BeginKind::Exchange(Box::new(exchange_of(number)))));
        let token = format!("canary-refresh-{number}");
        commands.push(Command::Grant(Box::new(change(flight, number, 1, Some(&token)))));
    }
    // the second token of an account, and an attempt with it
    commands.push(begin(20, refresh(GOOD, 1)));
    commands.push(Command::Grant(Box::new(change(20, GOOD, 2, Some("canary-refresh-second")))));
    commands.push(begin(21, refresh(GOOD, 2)));
    let part = BeginKind::Refresh {
        account: account(ANSWERED),
        generation: Generation(1),
        portion: Some(portion()),
    };
    commands.push(begin(22, part));
    commands.push(Command::Answered { flight: FlightId(22), answer: Arc::new(answer()) });
    commands.push(begin(23, refresh(DEAD, 1)));
    let dead = Standing::NeedsLogin { why: "invalid_grant".into() };
    commands.push(Command::Abandon {
        flight: FlightId(23),
        account: account(DEAD),
        standing: Some(dead),
    });
    let held = Standing::Held { why: "invalid_client".into() };
    commands.push(Command::Stand { account: account(HELD), standing: held });
    commands.push(Command::Adjust {
        change: ChangeId(1),
        account: account(OFF),
        to: Adjustment::Enable(false),
    });
    commands.push(Command::Erase {
        account: account(GONE),
        owed: Some(Owed { since: stamp(), worth: Some(Duration::from_hours(1)) }),
    });
    for number in [SENT, LANDED] {
        let exchange = BeginKind::Exchange(Box::new(exchange_of(number)));
        commands.push(begin(u64::from(number), exchange));
    }
    let answered = FlightId(LANDED.into());
    commands.push(Command::Answered { flight: answered, answer: Arc::new(answer()) });
    commands.push(Command::PutDevice(Box::new(device())));
    for rule in rules() {
        commands.push(Command::SetRule(ChangeId(2), Box::new(rule)));
    }
    let notes = Notes { usage: vec![usage()], rules: vec![(RuleId(2), Wall(9))] };
    commands.push(Command::Note(Box::new(notes)));
    commands
}

fn make(directory: &Path) {
    let (mut writer, _) = open_writer(&places(directory), &machine(), NOW).unwrap();
    for command in commands() {
        let text = format!("{command:?}");
        let reports = writer.commit(vec![command]);
        assert!(!format!("{reports:?}").contains("Err("), "{text}: {reports:?}");
    }
    writer.finish();
}

/// Opens it with the present code and finds everything, the secrets in the clear.
fn assert_all_is_there(directory: &Path) {
    let (mut writer, loaded) = open_writer(&places(directory), &machine(), NOW).unwrap();
    let mut ask = |command| writer.commit(vec![command]).pop().unwrap();

    let numbers = [GOOD, DEAD, HELD, OFF, ANSWERED, BOUND];
    assert_eq!(loaded.accounts.len(), numbers.len());
    for number in numbers {
        let found = loaded.accounts.iter().find(|record| record.seed.id == account(number));
        let found = found.unwrap_or_else(|| panic!("{number}"));
        // the answer's values go before the sign-in's
        let values = [("realm", "1")].into_iter().collect();
        assert_eq!(found.seed, AccountSeed { values, ..seed_of(number) });
        let standing = match number {
            DEAD => Standing::NeedsLogin { why: "invalid_grant".into() },
            HELD => Standing::Held { why: "invalid_client".into() },
            _ => Standing::Good,
        };
        assert_eq!(found.standing, standing);
        assert_eq!(found.enabled, number != OFF);
        let generation = if number == GOOD { 2 } else { 1 };
        assert_eq!(found.generation, Generation(generation));
        assert_eq!(found.signed_in, Some(NOW.wall));
        assert_eq!(found.refresh.as_ref().unwrap().lifetime, Some(Duration::from_hours(24)));
        let issued_now = found.issued.as_ref().unwrap();
        assert_eq!(issued_now.access.open(), issued(generation).access.open());
        assert_eq!(
            (&issued_now.scopes, issued_now.lifetime),
            (&issued(1).scopes, issued(1).lifetime)
        );
        let flight = 100 + u64::from(number);
        let Report::Begun { result: Ok(credentials), .. } =
            ask(begin(flight, refresh(number, generation)))
        else {
            panic!("{number}")
        };
        let token = match number {
            GOOD => "canary-refresh-second".to_owned(),
            _ => format!("canary-refresh-{number}"),
        };
        assert_eq!(credentials.refresh.unwrap().expose(), token);
        let secret = match number {
            GOOD => Some("canary-secret"),
            HELD => Some("canary-certificate"),
            _ => None,
        };
        assert_eq!(credentials.secret.as_ref().map(ClientSecret::expose), secret);
    }

    let mut clients: Vec<_> =
        loaded.clients.iter().map(|client| client.key.client.as_str()).collect();
    clients.sort_unstable();
    assert_eq!(clients, ["app 7", "certificate", "registered"]);
    let registered = own("registered");
    assert!(loaded.clients.contains(&registered));
    let open = Command::OpenClient { client: registered.key, by: Opener::Renewal };
    let Report::ClientOpened { result: Ok(opened), .. } = ask(open) else { panic!() };
    assert_eq!(opened.registration.unwrap().expose(), "canary-registration");

    let attempts: Vec<_> = loaded
        .attempts
        .iter()
        .map(|attempt| (attempt.flight.0, attempt.answer.as_ref().map(|answer| &answer.body[..])))
        .collect();
    let body = &answer().body[..];
    assert_eq!(attempts, [(8, None), (9, Some(body)), (21, None), (22, Some(body))]);
    let AttemptKind::Refresh { portion: part, .. } = &loaded.attempts[3].kind else { panic!() };
    assert_eq!(*part, Some(portion()));
    let AttemptKind::Exchange { seed, client } = &loaded.attempts[1].kind else { panic!() };
    assert_eq!((&**seed, client), (&seed_of(LANDED), &super::client()));
    assert_eq!(loaded.next_flight, FlightId(24));

    let keys: Vec<_> = loaded.keys.accounts.iter().map(|(id, key)| (id, key.expose())).collect();
    assert_eq!(keys, [(&account(BOUND), "canary-key-7")]);
    let keys: Vec<_> = loaded.keys.flights.iter().map(|(id, key)| (id.0, key.expose())).collect();
    assert_eq!(keys, [(9, "canary-key-9")]);

    let [found] = &loaded.devices[..] else { panic!("{:?}", loaded.devices) };
    assert_eq!((&found.request, &found.seed), (&device().request, &device().seed));
    assert_eq!(found.code.expose(), "canary-device-code");
    assert_eq!(found.key.as_ref().unwrap().expose(), "canary-device-key");
    assert_eq!(found.secret.as_ref().unwrap().expose(), "canary-device-secret");
    assert_eq!(found.verification_uri_complete, device().verification_uri_complete);
    assert_eq!((found.interval, found.lifetime), (device().interval, device().lifetime));

    let [errand] = &loaded.errands[..] else { panic!("{:?}", loaded.errands) };
    assert_eq!((&errand.account, &errand.client.key), (&account(GONE), &own("gone").key));
    assert_eq!(errand.client.discovered, own("gone").discovered);
    assert_eq!(errand.worth, Some(Duration::from_hours(1)));
    assert!(errand.registered);
    let Report::ErrandOpened { result: Ok(left), .. } = ask(Command::OpenErrand(errand.errand))
    else {
        panic!()
    };
    assert_eq!(left.refresh.unwrap().expose(), "canary-refresh-6");
    assert_eq!(left.secret.unwrap().expose(), "canary-secret");
    assert_eq!(left.registration.unwrap().expose(), "canary-registration");

    let [everybody, mut mail] = rules();
    mail.last_used = Some(Wall(9));
    assert_eq!(loaded.rules, [everybody, mail]);
    assert_eq!(loaded.next_rule, RuleId(3));
    assert_eq!(loaded.usage, [usage()]);
    assert_eq!(loaded.protection, "a key file: protects copies of the database only");
}

/// Opening changes the files, and only their owner may be able to.
fn copy(from: &Path, to: &Path) {
    for file in FILES {
        fs::copy(from.join(file), to.join(file)).unwrap();
        fs::set_permissions(to.join(file), Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn what_an_earlier_version_wrote_is_all_there() {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new(FIXTURE), dir.path());
    assert_all_is_there(dir.path());
}

#[test]
fn the_marks_of_an_earlier_version_tell_an_older_copy() {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new(FIXTURE), dir.path());
    let connection = rusqlite::Connection::open(dir.path().join("ostler.db")).unwrap();
    let back = "UPDATE account SET generation = 1 WHERE account = ?1";
    assert_eq!(connection.execute(back, [account(GOOD)]).unwrap(), 1);
    drop(connection);
    let (_, loaded) = open_writer(&places(dir.path()), &machine(), NOW).unwrap();
    let older = loaded.accounts.iter().filter(|record| {
        matches!(&record.standing, Standing::NeedsLogin { why } if why.contains("older copy"))
    });
    assert_eq!(older.map(|record| &record.seed.id).collect::<Vec<_>>(), [&account(GOOD)]);
}

#[test]
fn what_this_version_writes_is_all_there() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    if let Some(keep) = std::env::var_os("OSTLER_FIXTURE") {
        fs::create_dir_all(&keep).unwrap();
        copy(dir.path(), Path::new(&keep));
    }
    assert_all_is_there(dir.path());
}
