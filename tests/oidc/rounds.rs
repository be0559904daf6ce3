//! Round upon round, as in `tests/daemon/rounds.rs`, at a provider that was not written by us:
//!
//! ```text
//! OSTLER_ROUNDS=100 cargo test --test oidc rounds:: -- --nocapture
//! ```

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::scene::Scene;
use crate::support::daemon::Daemon;
use crate::support::dice::{self, Dice};
use crate::support::op::Options;
use crate::support::secret;
use crate::support::varlink::{CallError, Varlink};

const ACCOUNTS: [&str; 4] = ["one", "two", "three", "four"];

/// The span in which the daemon is killed, in microseconds: a refresh takes about that long.
const LOADED: u64 = 100_000;

#[test]
fn no_login_at_a_forgiving_provider_is_lost_however_often_the_daemon_is_killed() {
    let mut dice = Dice::thrown();
    let rounds = dice::rounds(12);
    say(&format!("{rounds} rounds; to repeat them: {}", dice.again()));
    let grace = Duration::from_secs(30);
    let mut scene = Scene::with(Options {
        access_lifetime: Duration::from_hours(1),
        grace,
        ..Options::default()
    });
    for account in ACCOUNTS {
        scene.sign_in(account);
    }
    for round in 1..=rounds {
        let moment = Duration::from_micros(dice.below(LOADED));
        let daemon = &mut scene.daemon;
        let callers: Vec<_> = ACCOUNTS.iter().map(|account| connect(daemon, account)).collect();
        thread::scope(|scope| {
            for caller in callers {
                scope.spawn(|| hammer(caller));
            }
            // not to wait for anything: to die somewhere else each time
            thread::sleep(moment);
            daemon.kill9().unwrap();
        });
        daemon.restart().unwrap();
        for account in ACCOUNTS {
            let context = format!("{account}, round {round}, {}", dice.again());
            let mut caller = connect(&scene.daemon, account);
            let answer = caller.0.ask("GetToken", &json!({ "account": account }));
            let answer = answer.unwrap_or_else(|error| panic!("{context}: {error}"));
            assert!(scene.is_active(answer["access_token"].as_str().unwrap()), "{context}");
        }
        assert_eq!(scene.count("reuse"), 0, "round {round}, {}", dice.again());
    }
    // each can still be refreshed; a restart forgets the gap between two refreshes
    scene.daemon.restart().unwrap();
    for account in ACCOUNTS {
        let new = scene.renew(account, &scene.token(account));
        assert!(scene.is_active(&new), "{account}");
    }
    let stats = scene.op.stats().unwrap();
    let log = stats["log"].as_array().unwrap();
    let sign_ins = log.iter().filter(|entry| entry["grant"] == json!("authorization_code"));
    assert_eq!(sign_ins.count(), ACCOUNTS.len(), "nobody had to sign in again");
    assert_eq!(stats["reuse"], json!(0));
    say(&format!("{rounds} rounds, {} refreshes granted", stats["refresh"]));
}

/// A caller and the account that it asks for.
struct Caller(Varlink, &'static str);

fn connect(daemon: &Daemon, account: &'static str) -> Caller {
    Caller(Varlink::connect(&daemon.socket_path()).unwrap(), account)
}

/// Says of every token that it was rejected, until the daemon is gone.
fn hammer(Caller(mut varlink, account): Caller) {
    let mut parameters = json!({ "account": account });
    loop {
        match varlink.ask("GetToken", &parameters) {
            Ok(answer) => {
                let token = answer["access_token"].as_str().unwrap();
                parameters["rejected"] = json!(secret::fingerprint(token));
            }
            Err(CallError::HungUp | CallError::Io(_)) => return,
            Err(error @ CallError::Answered { .. }) => panic!("{account}: {error}"),
        }
    }
}

#[expect(clippy::print_stderr, reason = "for whoever runs many rounds, and for a failure's report")]
fn say(text: &str) {
    eprintln!("rounds: {text}");
}
