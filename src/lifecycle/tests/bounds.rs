//! How often a provider is asked in a day, whatever it answers.

use std::time::Duration;

use super::world::World;
use super::{failure, rules};
use crate::lifecycle::Rules;
use crate::model::{About, Failure, FailureClass, Landing, RefreshToken};

const DAY: u64 = 24 * 3600;

/// What a provider answers all day.
#[derive(Debug, Clone, Copy)]
enum Says {
    Class(FailureClass),
    /// An OAuth error that passes, about the account.
    OfAccount,
    Status(u16),
    /// A refresh token, and nothing else of use.
    Rescued,
    /// A token of that life.
    Token(u64),
}

impl Says {
    fn landing(self, world: &mut World) -> Landing {
        let failed = |failure| Landing::Failed { failure, rescued: None };
        match self {
            Self::Class(class) => failed(failure(class)),
            Self::OfAccount => {
                let about = About::Account;
                failed(Failure { about, ..failure(FailureClass::Transient) })
            }
            Self::Status(status) => {
                let status = Some(status);
                failed(Failure { status, ..failure(FailureClass::Transient) })
            }
            Self::Rescued => Landing::Failed {
                failure: failure(FailureClass::RequestBroken),
                rescued: Some(RefreshToken::new("rescued".into())),
            },
            Self::Token(lifetime) => world.granted(lifetime),
        }
    }
}

/// The requests of a day for that many accounts, while somebody asks for a token of each every ten minutes.
fn requests(says: Says, accounts: usize) -> usize {
    let mut world = World::new();
    for number in 0..accounts {
        world.restore(&format!("a{number}"), 3600, 4000, Rules { strict: false, ..rules() });
    }
    let mut sent = 0;
    for minute in 0..DAY / 60 {
        if minute % 10 == 0 {
            for number in 0..accounts {
                world.ask(&format!("a{number}"), 60, 5);
            }
        }
        for _ in 0..12 {
            while !world.begins.is_empty() {
                world.begin(Ok(()));
                sent += 1;
                let landing = says.landing(&mut world);
                world.land(landing);
                while !world.saves.is_empty() {
                    world.save(true);
                }
            }
            world.pass(Duration::from_secs(5));
        }
    }
    sent
}

/// Of up to four accounts each asks once a minute at most, for that is how long the end of an outage may go unnoticed, or
/// twice where nothing reaches the provider. More of them shut the way, and one at a time probes it. Verdicts are asked
/// about once an hour, or never.
#[test]
fn a_provider_is_asked_a_bounded_number_of_times_a_day_whatever_it_answers() {
    for (says, of_one, of_thirty) in [
        (Says::Class(FailureClass::NotSent), 3000, 18_000),
        (Says::Class(FailureClass::Ambiguous), 1500, 18_000),
        (Says::Class(FailureClass::Transient), 1500, 18_000),
        (Says::Class(FailureClass::Captive), 1500, 18_000),
        (Says::Class(FailureClass::ClientBroken), 25, 60),
        (Says::Class(FailureClass::RequestBroken), 25, 25 * 30),
        (Says::Class(FailureClass::DeadGrant), 2, 2 * 30),
        (Says::OfAccount, 200, 200 * 30),
        (Says::Status(429), 1500, 18_000),
        (Says::Status(503), 1500, 18_000),
        (Says::Rescued, 50, 50 * 30),
        (Says::Token(3600), 36, 36 * 30),
    ] {
        for (accounts, most) in [(1, of_one), (30, of_thirty)] {
            let sent = requests(says, accounts);
            assert!(sent <= most, "{says:?}: {sent} requests for {accounts} accounts");
            assert!(sent >= 1, "{says:?}: it is asked at all");
        }
    }
}
