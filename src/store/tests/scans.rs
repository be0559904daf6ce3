//! What a command costs does not grow with the accounts: no statement of one looks at all rows of a table.

use super::access::{rule, usage};
use super::*;
use crate::model::{Adjustment, ChangeId, Decision, RequestId, RuleId};
use crate::store::table::scans;

const WHO: &str = "flatpak:org.example.Mail";
/// Accounts, and rows of each other kind.
const MANY: u8 = 120;
/// Steps that are no scan: a table with a row or two.
const FEW: i32 = 8;

fn own_client(number: u8) -> ClientRecord {
    let key = ClientKey { client: format!("app-{number}").parse().unwrap(), ..key() };
    ClientRecord { key, ..client() }
}

/// A login with a client of its own that registered itself, bound to a key.
fn login(number: u8) -> BeginKind {
    let client = own_client(number);
    BeginKind::Exchange(Box::new(Exchange {
        seed: AccountSeed { client: client.key.clone(), ..seed(number) },
        client,
        secret: Some(Arc::new(ClientSecret::new("canary-secret".to_owned()))),
        registration: Some(Arc::new(Registration::new("canary-registration".to_owned()))),
        key: Some(Arc::new(ProofKey::new(format!("canary-key-{number}")))),
    }))
}

/// Of these there are no more than a few at a time.
fn device(number: u8) -> DeviceSignIn {
    let number = number % 4;
    DeviceSignIn {
        request: RequestId::from_random([number; 10]),
        seed: AccountSeed { grant: GrantType::Code, ..seed(200 + number) },
        ..fixture::device()
    }
}

/// What happens to one account in its life, and beside it.
fn life(number: u8, flight: u64) -> Vec<Command> {
    let change_of = |flight, access| {
        Command::Grant(Box::new(change(flight, number, access, Some("canary-refresh"))))
    };
    let id = || account(number);
    vec![
        begin(flight, login(number)),
        Command::Answered { flight: FlightId(flight), answer: Arc::new(answer()) },
        change_of(flight, 1),
        begin(flight + 1, refresh(number, 1)),
        Command::Answered { flight: FlightId(flight + 1), answer: Arc::new(answer()) },
        change_of(flight + 1, 2),
        begin(flight + 2, refresh(number, 2)),
        Command::Abandon {
            flight: FlightId(flight + 2),
            account: id(),
            standing: Some(Standing::NeedsLogin { why: "over".into() }),
        },
        Command::Stand { account: id(), standing: Standing::Good },
        Command::Adjust { change: ChangeId(1), account: id(), to: Adjustment::Enable(true) },
        Command::SetRule(
            ChangeId(2),
            Box::new(rule(number.into(), Some(number), WHO, Decision::Allow)),
        ),
        Command::Note(Box::new(Notes {
            usage: vec![usage(number, WHO, 9)],
            rules: vec![(RuleId(number.into()), Wall(9))],
        })),
        Command::PutDevice(Box::new(device(number))),
        Command::OpenClient { client: own_client(number).key, by: Opener::Renewal },
        Command::Renew(Box::new(Renewal {
            client: own_client(number),
            secret: Some(ClientSecret::new("canary-renewed".to_owned())),
            registration: Registration::new("canary-registration".to_owned()),
        })),
        // and one that is still under way
        begin(flight + 3, refresh(number, 2)),
    ]
}

/// The end of an account, and of what is beside it.
fn end(number: u8) -> Vec<Command> {
    let owed = || Owed { since: stamp(), worth: Some(Duration::from_hours(1)) };
    let name = format!("renamed/{number}").parse().unwrap();
    let to = Adjustment::Rename(name);
    vec![
        Command::Adjust { change: ChangeId(1), account: account(number), to },
        Command::DropRule(ChangeId(2), RuleId(number.into())),
        Command::DropDevice(RequestId::from_random([number; 10])),
        Command::GiveBack {
            account: account(number),
            standing: Standing::NeedsLogin { why: "given back".into() },
            owed: owed(),
        },
        Command::Erase { account: account(number), owed: Some(owed()) },
        Command::OpenErrand(ErrandId(number.into())),
        Command::EndErrand { errand: ErrandId(number.into()), part: ErrandPart::Tokens },
        Command::EndErrand { errand: ErrandId(number.into()), part: ErrandPart::Whole },
    ]
}

#[test]
fn no_command_looks_at_all_rows_of_a_table() {
    let home = Home::new();
    let mut writer = home.writer();
    writer.check(&Arc::default()).unwrap();
    let mut all = Vec::new();
    for number in 1..=MANY {
        all.extend(life(number, u64::from(number) * 10));
    }
    // two logouts leave two errands each: half of them stay
    let leavers = 1..=MANY / 2;
    let commands = all.len();
    all.extend(leavers.flat_map(end));
    let (mut failed, mut kinds) = (Vec::new(), std::collections::BTreeSet::new());
    for (number, command) in all.into_iter().enumerate() {
        let text = format!("{command:?}");
        kinds.insert(text.split(['(', ' ', '{']).next().unwrap().to_owned());
        let reports = format!("{:?}", writer.commit(vec![command]));
        // an errand may be one that was done
        if reports.contains("Err(") && number < commands {
            failed.push(format!("{text}: {reports}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(kinds.len(), 17, "{kinds:?}");
    // once a day, and at the start
    let swept = "quarantined_wall_ms <=";
    let scans: Vec<_> = scans::take()
        .into_iter()
        .filter(|(sql, steps)| *steps > FEW && !sql.contains(swept))
        .collect();
    assert!(scans.is_empty(), "{scans:#?}");
}
