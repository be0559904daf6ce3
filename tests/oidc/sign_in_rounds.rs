//! Round upon round, with people who sign in: the daemon is killed at a random moment while devices wait for
//! people who have agreed, or have not, while browsers come back for accounts that are there, and while programs
//! ask for tokens. What was there before is never lost, a login that comes works, and nothing is shown to the
//! provider that it punishes:
//!
//! ```text
//! OSTLER_ROUNDS=500 cargo test --test oidc sign_in_rounds -- --nocapture
//! ```

use std::fmt;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::scene::{CLIENT, Scene};
use crate::support::agent::{self, Browser};
use crate::support::dice::{self, Dice};
use crate::support::op::Options;
use crate::support::secret;
use crate::support::varlink::{CallError, Varlink};

/// Accounts that are there all the time; the first is signed in again and again, by its browser, and the second
/// by another device.
const STANDING: [&str; 3] = ["browsed", "typed", "still"];
/// Accounts that come by another device and go again: of one the person agrees in time, of the other later.
const COMING: [&str; 2] = ["prompt", "late"];

/// The span in which the daemon is killed, in microseconds: devices ask once a second.
const SPAN: u64 = 1_300_000;

/// The figures of a run.
#[derive(Debug, Default)]
struct Tally {
    rounds: u32,
    /// Sign-ins that ended with a login, as the daemon says.
    there: u32,
    /// Those that ended with a login before the daemon died, which the account tells.
    before: u32,
    /// Those that are to be started again.
    again: u32,
    /// Those over a login of which the next daemon does not know any more: either is in force.
    either: u32,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, there, before, again, either } = self;
        write!(f, "{rounds} rounds, {} sign-ins: ", there + before + again + either)?;
        write!(
            f,
            "{before} were logins when the daemon was killed, {there} became some after it, "
        )?;
        write!(f, "{again} were to be started again, ")?;
        write!(f, "{either} over a login that works either way")
    }
}

/// A sign-in under way, as `Login` tells it.
struct Begun {
    account: &'static str,
    request: Value,
    visit: String,
}

/// What came of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    There,
    Again,
}

/// The people and their browsers. Each has one, so that the provider takes what an account has later for one
/// with what it had before.
struct Street {
    scene: Scene,
    browsers: [Browser; STANDING.len()],
}

impl Street {
    fn build() -> Self {
        let scene = Scene::with(Options {
            access_lifetime: Duration::from_hours(1),
            grace: Duration::from_secs(30),
            device_interval: Some(Duration::from_secs(1)),
            ..Options::default()
        });
        let mut street = Self { scene, browsers: Default::default() };
        for (place, account) in STANDING.into_iter().enumerate() {
            let begun = street.begin(account, "browser");
            street.browsers[place].visit(&begun.visit).unwrap();
            assert_eq!(street.end_of(&begun), End::There, "{}", street.scene.daemon.log());
        }
        street
    }

    fn connect(&self) -> Varlink {
        Varlink::connect(&self.scene.daemon.socket_path()).unwrap()
    }

    fn begin(&self, account: &'static str, flow: &str) -> Begun {
        let issuer = self.scene.op.issuer();
        let login =
            json!({ "provider": issuer, "account": account, "client_id": CLIENT, "flow": flow });
        let mut started = self.connect().ask("Login", &login).unwrap();
        let visit = started["authorization_uri"].as_str().unwrap().to_owned();
        Begun { account, request: started["request"].take(), visit }
    }

    /// Waits for the end of a sign-in. One that nobody knows any more ended with the daemon.
    fn end_of(&self, begun: &Begun) -> End {
        match self.connect().ask("AwaitLogin", &json!({ "request": begun.request })) {
            Ok(_) => End::There,
            Err(CallError::Answered { name, .. })
                if name.ends_with(".NoSuchRequest") || name.ends_with(".LoginFailed") =>
            {
                End::Again
            }
            Err(error) => panic!("{}: {error}", begun.account),
        }
    }

    fn is_there(&self, account: &str) -> bool {
        let status = self.connect().ask("Status", &json!({})).unwrap();
        let mut listed = status["accounts"].as_array().unwrap().iter();
        listed.any(|listed| listed["name"] == json!(account))
    }

    /// That an account has a token that the provider takes.
    fn works(&self, account: &str, context: &str) {
        let answer = self.connect().ask("GetToken", &json!({ "account": account }));
        let answer = answer.unwrap_or_else(|error| {
            panic!("{account}, {context}: {error}\n{}", self.scene.daemon.log())
        });
        let token = answer["access_token"].as_str().unwrap();
        assert!(self.scene.is_active(token), "{account}, {context}\n{}", self.scene.daemon.log());
    }
}

#[test]
fn no_login_is_lost_and_none_comes_twice_however_often_the_daemon_is_killed_while_people_sign_in() {
    let mut dice = Dice::thrown();
    let rounds = dice::rounds(6);
    let again = dice.again();
    say(&format!("{rounds} rounds; to repeat them: {again}"));
    let mut street = Street::build();
    let mut tally = Tally::default();
    for round in 1..=rounds {
        let context = format!("round {round}, {again}");
        let by_browser = street.begin(STANDING[0], "browser");
        let by_device = street.begin(STANDING[1], "device");
        let coming = COMING.map(|account| street.begin(account, "device"));
        let moment = Duration::from_micros(dice.below(SPAN));
        let [first, second, _] = &mut street.browsers;
        let callers = STANDING.map(|account| {
            (Varlink::connect(&street.scene.daemon.socket_path()).unwrap(), account)
        });
        // none of these waits for another: the daemon is to die somewhere else each time
        thread::scope(|scope| {
            for (caller, account) in callers {
                scope.spawn(move || hammer(caller, account));
            }
            // the daemon may die with the browser at it
            scope.spawn(|| drop(first.visit(&by_browser.visit)));
            scope.spawn(|| second.agree(&by_device.visit, true).unwrap());
            scope.spawn(|| agent::agree(&coming[0].visit, true).unwrap());
            thread::sleep(moment);
            street.scene.daemon.kill9().unwrap();
        });
        // some have agreed while there was no daemon, and this one does now
        agent::agree(&coming[1].visit, true).unwrap();
        street.scene.daemon.restart().unwrap();
        for begun in [&by_browser, &by_device].into_iter().chain(&coming) {
            match street.end_of(begun) {
                End::There => tally.there += 1,
                End::Again if STANDING.contains(&begun.account) => tally.either += 1,
                End::Again if street.is_there(begun.account) => tally.before += 1,
                End::Again => tally.again += 1,
            }
        }
        for account in STANDING {
            street.works(account, &context);
        }
        for account in COMING.iter().filter(|account| street.is_there(account)) {
            street.works(account, &context);
            street.connect().ask("Logout", &json!({ "account": account })).unwrap();
        }
        let stats = street.scene.op.stats().unwrap();
        let punished = (&stats["reuse"], &stats["spent"]);
        assert_eq!(punished, (&json!(0), &json!(0)), "{context}: {stats}");
        tally.rounds = round;
        if round % 50 == 0 {
            say(&format!("{tally}"));
        }
    }
    say(&format!("{tally}, {} refreshes granted", street.scene.count("refresh")));
    // each can still be refreshed; a restart forgets the gap between two refreshes
    street.scene.daemon.restart().unwrap();
    for account in STANDING {
        let new = street.scene.renew(account, &street.scene.token(account));
        assert!(street.scene.is_active(&new), "{account}");
    }
    assert_eq!(street.scene.count("reuse"), 0);
}

/// Says of every token that it was rejected, until the daemon is gone.
fn hammer(mut caller: Varlink, account: &str) {
    let mut parameters = json!({ "account": account });
    loop {
        match caller.ask("GetToken", &parameters) {
            Ok(answer) => {
                let token = answer["access_token"].as_str().unwrap();
                parameters["rejected"] = json!(secret::fingerprint(token));
            }
            Err(CallError::HungUp | CallError::Io(_)) => return,
            // a login that lands beside a refresh may leave who rejects its token with a fault that passes
            Err(CallError::Answered { name, .. }) if name.ends_with(".ProviderError") => return,
            Err(error @ CallError::Answered { .. }) => panic!("{account}: {error}"),
        }
    }
}

#[expect(clippy::print_stderr, reason = "for whoever runs many rounds, and for a failure's report")]
fn say(text: &str) {
    eprintln!("rounds: {text}");
}
