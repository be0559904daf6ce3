//! Round upon round: the daemon is loaded, killed at a random moment and started again, and no login is
//! lost. The ordinary run has a few rounds; this one has many, and shows the figures:
//!
//! ```text
//! OSTLER_ROUNDS=500 cargo test --test daemon rounds -- --nocapture
//! ```
//!
//! Each run prints its seed. `OSTLER_SEED` makes the same choices again, as far as the machine does its
//! part.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::database::{self, Flight};
use crate::scene::{account, owner, token_of};
use crate::street::{House, Street};
use crate::support::daemon::Daemon;
use crate::support::dice::{self, Dice};
use crate::support::provider::{Config, Fault, Rotation};
use crate::support::varlink::{CallError, Varlink};
use crate::support::{clock, secret};

/// Accounts, and how many milliseconds the provider of each lets its answers wait.
const HOUSES: [(&str, u64); 6] =
    [("one", 0), ("two", 1), ("three", 3), ("four", 7), ("five", 15), ("six", 30)];

/// The span after the first question in which the daemon is killed, in microseconds: at first, at least
/// and at most. A refresh takes about that long, and longer where the machine is busy.
const SPAN: u64 = 60_000;
const SPAN_MIN: u64 = 20_000;
const SPAN_MAX: u64 = 2_000_000;

/// How a round's daemon comes to its end.
#[derive(Debug, Clone, Copy)]
enum Death {
    /// Killed while callers ask.
    Loaded,
    /// That, and then killed again while it starts and mends what the first end left, so many times.
    Starting(u64),
    /// Killed while callers ask and while it is about to end of its own accord.
    Stopping,
}

impl Death {
    fn choose(dice: &mut Dice) -> Self {
        match dice.below(10) {
            0..=5 => Self::Loaded,
            6..=7 => Self::Starting(1 + dice.below(3)),
            _ => Self::Stopping,
        }
    }
}

/// What an account was doing when the daemon was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing that can be seen from outside.
    Quiet,
    /// The intent was on record, and the provider had not acted.
    Intended,
    /// The provider had acted, and its answer was not on record.
    Unread,
    /// The raw answer was on record, and the grant was not.
    Unsaved,
    /// The grant was on record.
    Saved,
}

const PHASES: [Phase; 5] =
    [Phase::Quiet, Phase::Intended, Phase::Unread, Phase::Unsaved, Phase::Saved];

/// How far an account has come.
#[derive(Debug, Clone, Copy)]
struct Mark {
    /// Refreshes that the provider has granted.
    granted: usize,
    /// The generation on record.
    generation: i64,
}

impl Mark {
    fn of(daemon: &Daemon, house: &House) -> Self {
        let generation = database::standing(daemon, house.name).1;
        Self { granted: house.provider.log().granted_refreshes(), generation }
    }

    /// What an account was doing that had come that far before, now that the daemon is dead.
    fn phase(self, daemon: &Daemon, house: &House) -> Phase {
        let now = Self::of(daemon, house);
        let saved = usize::try_from(now.generation - self.generation).unwrap();
        match database::flight(daemon, house.name) {
            Some(Flight::Answered) => Phase::Unsaved,
            Some(Flight::Sent) if now.granted - self.granted > saved => Phase::Unread,
            Some(Flight::Sent) => Phase::Intended,
            None if saved > 0 => Phase::Saved,
            None => Phase::Quiet,
        }
    }
}

/// The figures of a run.
#[derive(Debug, Default)]
struct Tally {
    rounds: u32,
    kills: u32,
    phases: [usize; PHASES.len()],
    answers: usize,
    refreshes: usize,
    resent: usize,
}

impl Tally {
    /// What the providers have seen by now.
    fn count(&mut self, street: &Street) {
        (self.refreshes, self.resent) = (0, 0);
        for house in &street.houses {
            let log = house.provider.log();
            let sent: Vec<_> = log.refreshes().map(|request| &request.refresh).collect();
            let different: BTreeSet<_> = sent.iter().collect();
            self.refreshes += log.granted_refreshes();
            self.resent += sent.len() - different.len();
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, kills, answers, refreshes, resent, .. } = self;
        write!(f, "{rounds} rounds, {kills} kills, {refreshes} refreshes granted, ")?;
        write!(f, "{resent} tokens sent again, {answers} answers to callers; when killed:")?;
        let phases = PHASES.iter().zip(self.phases);
        phases.into_iter().try_for_each(|(phase, count)| write!(f, " {count} {phase:?}"))
    }
}

#[test]
fn no_login_is_lost_however_often_the_daemon_is_killed_under_load() {
    let mut killer = Killer { dice: Dice::thrown(), span: SPAN, kills: 0 };
    let rounds = dice::rounds(40);
    let again = killer.dice.again();
    say(&format!("{rounds} rounds; to repeat them: {again}"));
    let started = clock::now();
    let config = Config::parqex().rotation(Rotation::Grace(Duration::from_secs(30)));
    let late = |(name, millis)| (name, Fault::Delay(Duration::from_millis(millis)));
    let mut street = Street::build(&config, HOUSES.map(late).into());
    for house in &street.houses {
        house.provider.always(house.fault.clone());
    }
    let mut tally = Tally::default();
    for round in 1..=rounds {
        let death = Death::choose(&mut killer.dice);
        let marks: Vec<_> =
            street.houses.iter().map(|house| Mark::of(&street.daemon, house)).collect();
        tally.answers += killer.end(&mut street, death);
        let marked = street.houses.iter().zip(marks);
        let phases: Vec<_> =
            marked.map(|(house, mark)| mark.phase(&street.daemon, house)).collect();
        killer.aim(&phases);
        for (count, known) in tally.phases.iter_mut().zip(PHASES) {
            *count += phases.iter().filter(|phase| **phase == known).count();
        }
        street.daemon.restart().unwrap();
        let context = format!("round {round}, {death:?}, {again}");
        street.each(|daemon, house| check(daemon, house, &context));
        tally.kills = killer.kills;
        tally.rounds = round;
        if round % 50 == 0 {
            tally.count(&street);
            say(&format!("{tally}"));
        }
    }
    tally.count(&street);
    say(&format!("{tally}; {:.0} s", clock::since(started).as_secs_f64()));
    // that every account can be refreshed, that no reuse was seen, and that nobody signed in again
    street.recover();
}

/// Who chooses the moment.
struct Killer {
    dice: Dice,
    /// The span in which the daemon is killed, in microseconds.
    span: u64,
    kills: u32,
}

impl Killer {
    /// Loads the daemon and ends it. Gives the number of answers that callers had.
    fn end(&mut self, street: &mut Street, death: Death) -> usize {
        let Street { daemon, houses } = street;
        let socket = daemon.socket_path();
        // all callers are on their way before the clock of the round runs
        let ready = Barrier::new(2 * houses.len() + 1);
        let answers = thread::scope(|scope| {
            let (socket, ready) = (&socket, &ready);
            let manners = [Manner::Content, Manner::Rejected];
            let callers = houses.iter().flat_map(|house| manners.map(|manner| (house, manner)));
            let callers: Vec<_> = callers
                .map(|(house, manner)| scope.spawn(move || hammer(socket, house, manner, ready)))
                .collect();
            ready.wait();
            // none of these waits for anything: it is to die somewhere else each time
            if let Death::Stopping = death {
                self.pause(self.span / 2);
                daemon.signal(Signal::TERM).unwrap();
                self.pause(self.span / 2);
            } else {
                self.pause(self.span);
            }
            daemon.kill9().unwrap();
            callers.into_iter().map(|caller| caller.join().unwrap()).sum()
        });
        self.kills += 1;
        if let Death::Starting(times) = death {
            for _ in 0..times {
                daemon.begin_to_start().unwrap();
                self.pause(self.span);
                daemon.kill9().unwrap();
                self.kills += 1;
            }
        }
        answers
    }

    /// Lets any time below that pass, in microseconds.
    fn pause(&mut self, span: u64) {
        thread::sleep(Duration::from_micros(self.dice.below(span)));
    }

    /// Comes later where it came too early for most, and earlier where it came too late.
    fn aim(&mut self, phases: &[Phase]) {
        let saved = phases.iter().filter(|phase| **phase == Phase::Saved).count();
        let span = match saved {
            0 => self.span * 9 / 8,
            saved if 2 * saved > phases.len() => self.span * 7 / 8,
            _ => self.span,
        };
        self.span = span.clamp(SPAN_MIN, SPAN_MAX);
    }
}

/// What a caller says of the token it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Nothing.
    Content,
    /// That it was rejected, once there is one.
    Rejected,
}

/// Asks and asks until the daemon is gone. Whatever is answered is good. Gives the number of answers.
fn hammer(socket: &Path, house: &House, manner: Manner, ready: &Barrier) -> usize {
    let connected = Varlink::connect(socket);
    ready.wait();
    let Ok(mut varlink) = connected else { return 0 };
    let mut parameters = json!({ "account": house.name });
    let mut answers = 0;
    loop {
        match varlink.ask("GetToken", &parameters) {
            Ok(answer) => {
                let token = token_of(&answer);
                let name = house.name;
                assert!(house.provider.is_access_token_valid(&token), "{name}: {answer}");
                if manner == Manner::Rejected {
                    parameters["rejected"] = json!(secret::fingerprint(&token));
                }
                answers += 1;
            }
            Err(CallError::Answered { name, parameters }) => {
                // it may say that it is about to stop, and nothing else
                assert!(name.ends_with(".ShuttingDown"), "{name} {parameters}");
                return answers;
            }
            Err(CallError::HungUp | CallError::Io(_)) => return answers,
        }
    }
}

/// That an account serves a token that the resource takes, and waits for no login.
fn check(daemon: &Daemon, house: &House, context: &str) {
    let name = house.name;
    let token = house.token(daemon);
    let shown = account(daemon, name);
    assert_ne!(shown["state"], json!("login-required"), "{name}, {context}: {shown}");
    assert!(owner(&house.provider, &token).is_some(), "{name}, {context}: {shown}");
    assert_eq!(database::refresh_tokens(daemon, name), 1, "{name}, {context}");
    let reuses = house.provider.log().reuses;
    assert_eq!(reuses, 0, "{name}, {context}: {shown}");
}

#[expect(clippy::print_stderr, reason = "for whoever runs many rounds, and for a failure's report")]
fn say(text: &str) {
    eprintln!("rounds: {text}");
}
