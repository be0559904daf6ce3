//! Every way in, and every point at which the daemon can die on it (`src/crash.rs`), at a provider that was not
//! written by us and that punishes: a refresh token that is used again, or a code, ends the grant with
//! everything that came of it, and so does a revocation. The person has one browser, so that the provider takes
//! a later login of theirs for one with an earlier. It does not have the grant of a login by a key (RFC 7523): that way
//! is in `tests/daemon/key_logins.rs`.
//!
//! | it ends | the provider has | on record | afterwards |
//! |---|---|---|---|
//! | before-send | not acted | the intent | the person signs in again; a device is waited for if no other login is at stake |
//! | after-send, after-read | given tokens | the intent | they were never anywhere but in memory: the person signs in again |
//! | before-commit | given tokens | the raw answer | the login is there |
//! | after-commit, before-publish | given tokens | the grant | the login is there |
//!
//! Whatever comes of the login, what was there before is as it was: another login of the same client, and the
//! login in whose place it was to be.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rustix::process::Signal;
use serde_json::json;

use crate::import::anothers_login;
use crate::scene::{CLIENT, PAGE, PATIENCE, Scene};
use crate::support::agent::{Browser, Ending};
use crate::support::conversation::Conversation;
use crate::support::op::{Options, SECRET};
use crate::support::process::{self, Finished};
use crate::support::varlink::Varlink;

const VARIABLE: &str = "OSTLER_CRASH_AT";
/// A login that has nothing to do with what happens, but that it belongs to the same client and person.
const BYSTANDER: &str = "bystander";

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The browser comes back to the daemon.
    Loopback,
    /// The person pastes the address at which the browser ends.
    Paste,
    /// The person agrees on another device.
    Device,
    /// The client has a secret and needs nobody.
    Client,
    /// A refresh token that another program had.
    Import,
}

/// What is there before the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing.
    Free,
    /// A login, in whose place the new one is to be.
    Taken,
    /// One that was logged out, and whose tokens the provider has not revoked yet.
    Owing,
}

/// A point on the way.
struct Point {
    name: &'static str,
    left: Left,
}

/// What a crash leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The provider has seen nothing.
    Intent,
    /// The provider has given tokens to a process that is no more.
    Spent,
    /// The tokens are on record.
    Tokens,
}

const POINTS: [Point; 6] = [
    Point { name: "before-send", left: Left::Intent },
    Point { name: "after-send", left: Left::Spent },
    Point { name: "after-read", left: Left::Spent },
    Point { name: "before-commit", left: Left::Tokens },
    Point { name: "after-commit", left: Left::Tokens },
    Point { name: "before-publish", left: Left::Tokens },
];

/// What the daemon is left with after the restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The login is there.
    There,
    /// The person is to sign in again, and what was there before is as it was.
    Again,
}

impl Way {
    fn outcome(self, place: Place, left: Left) -> Outcome {
        match (self, place, left) {
            (_, _, Left::Tokens) | (Self::Device, Place::Free, Left::Intent) => Outcome::There,
            (_, _, Left::Intent | Left::Spent) => Outcome::Again,
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Loopback => &["--client-id", CLIENT],
            Self::Paste => {
                &["--client-id", "confidential", "--client-secret-stdin", "--redirect-uri", PAGE]
            }
            Self::Device => &["--client-id", CLIENT, "--device"],
            Self::Client => &[
                "--client-id",
                "service",
                "--client-secret-stdin",
                "--client-credentials",
                "--scope",
                "api:read",
            ],
            Self::Import => &["--from", "plain", "--client-id", CLIENT],
        }
    }

    fn input(self) -> String {
        match self {
            Self::Paste | Self::Client => format!("{SECRET}\n"),
            Self::Loopback | Self::Device | Self::Import => String::new(),
        }
    }
}

/// A scene in which one person signs in with one browser.
struct Play {
    scene: Scene,
    browser: Browser,
    /// The refresh token that another program has.
    anothers: Option<String>,
}

impl Play {
    fn new(way: Way, place: Place) -> Self {
        let options = Options {
            access_lifetime: Duration::from_hours(1),
            device_interval: Some(Duration::from_secs(1)),
            ..Options::default()
        };
        let mut play =
            Self { scene: Scene::with(options), browser: Browser::default(), anothers: None };
        // a device whose code may be used is asked about again only where nobody has anything to lose
        if (way, place) != (Way::Device, Place::Free) {
            play.sign_in(Way::Loopback, BYSTANDER);
        }
        play
    }

    /// Signs in to the end.
    fn sign_in(&mut self, way: Way, account: &str) {
        let finished = self.go_in(way, account);
        assert!(finished.status.success(), "{account}: {finished:?}\n{}", self.scene.daemon.log());
    }

    fn begin(&self, way: Way, account: &str) -> Conversation {
        let mut command = self.scene.login(account, way.arguments());
        Conversation::begin(&mut command, &way.input()).unwrap()
    }

    /// Goes a way in, as far as it leads.
    fn go_in(&mut self, way: Way, account: &str) -> Finished {
        match way {
            Way::Client => {
                let mut command = self.scene.login(account, way.arguments());
                process::run(&mut command, &way.input(), PATIENCE).unwrap()
            }
            Way::Import => {
                let token = self.anothers.get_or_insert_with(|| anothers_login(&self.scene));
                let issuer = self.scene.op.issuer();
                let words = ["import", "--provider", issuer, "--as", account];
                let mut command = self.scene.daemon.command(&words);
                command.args(way.arguments());
                process::run(&mut command, &format!("{token}\n"), PATIENCE).unwrap()
            }
            Way::Device => {
                let conversation = self.begin(way, account);
                self.agree(&conversation);
                conversation.finish(None, PATIENCE).unwrap()
            }
            Way::Loopback | Way::Paste => {
                let conversation = self.begin(way, account);
                let ending = self.browser.visit(conversation.url().as_str());
                // the daemon may have died with the browser at it
                let paste = match (&ending, way) {
                    (Ok(Ending::Foreign(url)), Way::Paste) => Some(url.as_str()),
                    _ => None,
                };
                conversation.finish(paste, PATIENCE).unwrap()
            }
        }
    }

    /// Types the code in.
    fn agree(&mut self, conversation: &Conversation) {
        let code = conversation.line().unwrap();
        let visit = self.scene.op.url(&format!("/device?user_code={code}"));
        let page = self.browser.agree(&visit, true).unwrap();
        assert!(page.text().contains("Sign-in Success"), "{}", page.text());
    }

    /// Signs in, and the daemon dies at a point of that. Gives what the person is told after the restart.
    fn die(&mut self, way: Way, account: &str, point: &str) -> Finished {
        // the code is shown by the daemon before, and asked about for the first time by the one that dies
        let shown = (way == Way::Device).then(|| {
            let conversation = self.begin(way, account);
            self.scene.daemon.kill9().unwrap();
            self.agree(&conversation);
            conversation
        });
        self.scene.daemon.restart_with(VARIABLE, point).unwrap();
        let told = shown.is_none().then(|| {
            self.scene.daemon.wait_ready().unwrap();
            self.go_in(way, account)
        });
        let status = self.scene.daemon.wait_end().unwrap();
        assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{account}: {status}");
        self.scene.op.revokes(true).unwrap();
        self.scene.daemon.restart().unwrap();
        match (told, shown) {
            (Some(told), _) => told,
            (None, Some(conversation)) => conversation.finish(None, PATIENCE).unwrap(),
            (None, None) => unreachable!("a login is told of or shown"),
        }
    }

    /// That a login works, now and later: the daemon hands its token out and can renew it.
    fn works(&mut self, account: &str) {
        let first = self.scene.token(account);
        let log = self.scene.daemon.log();
        assert!(self.scene.is_active(&first), "{account}: the token is over\n{log}");
        let next = self.scene.renew(account, &first);
        assert!(self.scene.is_active(&next), "{account}");
        assert_eq!(self.scene.account(account)["state"], json!("ready"), "{account}");
    }

    /// How many rows a table has.
    fn rows(&self, table: &str) -> i64 {
        let path = self.scene.daemon.home().path("state/ostler/ostler.db");
        let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let database = Connection::open_with_flags(path, read_only).unwrap();
        database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    /// Waits until what is owed to the provider is done, or left for good.
    fn until_nothing_is_owed(&self) {
        // each question takes its time, and the daemon as long as the provider's answer
        let is_over = || self.rows("errand") == 0;
        assert!((0..100_000).any(|_| is_over()), "{}", self.scene.daemon.log());
    }

    fn is_there(&self, account: &str) -> bool {
        let mut caller = Varlink::connect(&self.scene.daemon.socket_path()).unwrap();
        let status = caller.ask("Status", &json!({})).unwrap();
        let mut listed = status["accounts"].as_array().unwrap().iter();
        listed.any(|listed| listed["name"] == json!(account))
    }

    /// Waits until all that the daemon has on record of exchanges is read: the keys of the provider are fetched
    /// for that.
    fn until_all_is_read(&self) {
        let is_over = || self.rows("attempt") == 0;
        assert!((0..100_000).any(|_| is_over()), "{}", self.scene.daemon.log());
    }
}

/// A way in over a place, with a death at each point of it.
fn every_point(way: Way, place: Place) {
    let mut play = Play::new(way, place);
    for Point { name, left } in POINTS {
        play.anothers = None;
        let owed = play.scene.count("revocations");
        if place != Place::Free {
            play.sign_in(way, name);
            // what another program had was replaced
            play.anothers = None;
        }
        if place == Place::Owing {
            play.scene.op.revokes(false).unwrap();
            let said = play.scene.daemon.run(&["logout", name]).unwrap();
            assert!(said.stdout.contains("will be revoked as soon as"), "{name}: {said:?}");
        }
        let told = play.die(way, name, name);
        let outcome = way.outcome(place, left);
        if way == Way::Device && outcome == Outcome::There && left == Left::Intent {
            // the command waits for the daemon to come back
            assert!(told.status.success(), "{name}: {told:?}\n{}", play.scene.daemon.log());
        }
        play.until_all_is_read();
        play.until_nothing_is_owed();
        match outcome {
            Outcome::There => {
                play.works(name);
                assert_eq!(
                    play.scene.count("revocations"),
                    owed,
                    "{name}: the login before is left"
                );
            }
            Outcome::Again => {
                assert!(!told.status.success(), "{name}: {told:?}");
                assert_eq!(play.is_there(name), place == Place::Taken, "{name}");
                if place == Place::Taken {
                    play.works(name);
                }
                if left == Left::Spent {
                    // what another program had was replaced, and by what is gone
                    play.anothers = None;
                }
                if !(way == Way::Import && place == Place::Taken) {
                    play.sign_in(way, name);
                }
                play.works(name);
            }
        }
        // nothing of a sign-in, an exchange or a revocation stays
        for table in ["device", "attempt", "errand"] {
            assert_eq!(play.rows(table), 0, "{name}: {table}");
        }
        assert_eq!(play.scene.count("reuse"), 0, "{name}: a refresh token was used twice");
        if (way, place) != (Way::Device, Place::Free) {
            assert_eq!(play.scene.count("spent"), 0, "{name}: a code was used twice");
        }
        if play.is_there(BYSTANDER) && place != Place::Owing {
            // a revocation ends what else the person has with that client
            play.works(BYSTANDER);
        }
    }
}

#[test]
fn a_browser_that_comes_back() {
    every_point(Way::Loopback, Place::Free);
}

#[test]
fn a_browser_that_comes_back_for_an_account_that_is_there() {
    every_point(Way::Loopback, Place::Taken);
}

#[test]
fn a_browser_that_comes_back_for_one_that_was_logged_out_and_is_not_revoked() {
    every_point(Way::Loopback, Place::Owing);
}

#[test]
fn an_address_that_is_pasted() {
    every_point(Way::Paste, Place::Free);
}

#[test]
fn an_address_that_is_pasted_for_an_account_that_is_there() {
    every_point(Way::Paste, Place::Taken);
}

#[test]
fn a_code_on_another_device() {
    every_point(Way::Device, Place::Free);
}

#[test]
fn a_code_on_another_device_for_an_account_that_is_there() {
    every_point(Way::Device, Place::Taken);
}

#[test]
fn a_code_on_another_device_for_one_that_was_logged_out_and_is_not_revoked() {
    every_point(Way::Device, Place::Owing);
}

#[test]
fn a_client_that_needs_nobody() {
    every_point(Way::Client, Place::Free);
}

#[test]
fn a_client_that_needs_nobody_for_an_account_that_is_there() {
    every_point(Way::Client, Place::Taken);
}

#[test]
fn a_refresh_token_that_another_program_had() {
    every_point(Way::Import, Place::Free);
}

#[test]
fn a_refresh_token_that_another_program_had_for_one_that_was_logged_out_and_is_not_revoked() {
    every_point(Way::Import, Place::Owing);
}
