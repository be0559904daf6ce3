//! The daemon ends itself at each named point on the way of a refresh (`ostler::crash`), and is started
//! again: against a provider that never forgives a second use, and against one that does for a while.
//!
//! | it ends | the provider has | on record | strict | with grace |
//! |---|---|---|---|---|
//! | before-send | not acted | the intent | goes on | goes on |
//! | after-send, after-read | rotated | the intent | the new token was never anywhere but in memory: the login is over | the same token is sent again |
//! | before-commit | rotated | the raw answer | goes on from the record | goes on from the record |
//! | after-commit, before-publish | rotated | the grant | goes on | goes on |

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::database;
use crate::scene::{ACCOUNT, Scene, account, file, home, ready, token_of, want};
use crate::street::Street;
use crate::support::daemon::Daemon;
use crate::support::login::Login;
use crate::support::provider::{Config, Fault, Provider, Rotation};
use crate::support::varlink::{CallError, Varlink};

const VARIABLE: &str = "OSTLER_CRASH_AT";

/// What a crash at a point leaves behind.
struct Point {
    name: &'static str,
    /// Refreshes that the provider has granted by then.
    granted: usize,
    /// The flights on record without an answer, and with one.
    flights: (i64, i64),
    /// The account's generation.
    generation: i64,
}

const POINTS: [Point; 6] = [
    Point { name: "before-send", granted: 0, flights: (1, 0), generation: 1 },
    Point { name: "after-send", granted: 1, flights: (1, 0), generation: 1 },
    Point { name: "after-read", granted: 1, flights: (1, 0), generation: 1 },
    Point { name: "before-commit", granted: 1, flights: (0, 1), generation: 1 },
    Point { name: "after-commit", granted: 1, flights: (0, 0), generation: 2 },
    Point { name: "before-publish", granted: 1, flights: (0, 0), generation: 2 },
];

impl Point {
    /// Whether the only copy of the new tokens died with the process.
    fn loses_the_answer(&self) -> bool {
        self.granted == 1 && self.flights == (1, 0)
    }
}

fn forgiving() -> Config {
    Config::parqex().rotation(Rotation::Grace(Duration::from_secs(30)))
}

/// Waits for the end that was ordered: an abort, which leaves no core behind, for there are secrets
/// in it.
fn died(daemon: &mut Daemon) {
    let status = daemon.wait_end().unwrap();
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{status}\n{}", daemon.log());
    assert!(!status.core_dumped(), "{status}");
}

/// That a caller was told nothing before the daemon died.
fn told_nothing(caller: &mut Varlink) {
    let answer = caller.answer();
    assert!(matches!(answer, Err(CallError::HungUp | CallError::Io(_))), "{answer:?}");
}

/// Signs in, and has the daemon die at a point of its first refresh. Gives the token from before.
fn crash_at(point: &Point, config: Config) -> (Scene, String) {
    let mut scene = Scene::signed_in(config);
    let old = scene.token();
    scene.daemon.restart_with(VARIABLE, point.name).unwrap();
    scene.daemon.wait_ready().unwrap();
    let mut caller = scene.want(&old);
    died(&mut scene.daemon);
    told_nothing(&mut caller);
    let name = point.name;
    let log = scene.provider.log();
    assert_eq!(log.refreshes().count(), point.granted, "{name}: {log:#?}");
    assert_eq!(database::flights(&scene.daemon), point.flights, "{name}");
    assert_eq!(database::standing(&scene.daemon, ACCOUNT).1, point.generation, "{name}");
    (scene, old)
}

/// That the account is as good as if nothing had happened: it serves the new token and can refresh
/// it, and nothing of the flight is left.
fn goes_on(scene: &mut Scene, point: &Point, old: &str) {
    let name = point.name;
    let new = scene.token();
    assert_ne!(new, old, "{name}: the new token is the one to hand out");
    assert!(scene.admits(&new), "{name}");
    assert_eq!(database::rows(&scene.daemon, "attempt"), 0, "{name}: the answer is erased");
    assert_eq!(database::standing(&scene.daemon, ACCOUNT), ("good".to_owned(), 2), "{name}");
    assert_eq!(database::refresh_tokens(&scene.daemon, ACCOUNT), 1, "{name}");
    // the refresh token on record is the one that works; a restart forgets the gap between refreshes
    scene.daemon.restart().unwrap();
    assert_eq!(scene.token(), new, "{name}");
    let next = token_of(&scene.renew(&new).unwrap());
    assert!(next != new && scene.admits(&next), "{name}");
    let log = scene.provider.log();
    assert_eq!(log.reuses, 0, "{name}: {log:#?}");
    assert_eq!(log.authorizations, 1, "{name}");
}

#[test]
fn with_a_provider_that_forgives_a_crash_at_any_point_loses_nothing() {
    for point in &POINTS {
        let (mut scene, old) = crash_at(point, forgiving());
        scene.daemon.restart().unwrap();
        goes_on(&mut scene, point, &old);
        let log = scene.provider.log();
        let sent: Vec<_> = log.refreshes().map(|request| request.refresh.clone()).collect();
        // the one before the crash or in its stead, perhaps once more, and the one of the check
        let again = usize::from(point.loses_the_answer());
        assert_eq!(sent.len(), 2 + again, "{}", point.name);
        assert_eq!(sent[0] == sent[1], again == 1, "{}: the same token again", point.name);
        assert_ne!(sent[again], sent[again + 1], "{}", point.name);
    }
}

#[test]
fn with_a_strict_provider_a_crash_loses_nothing_but_what_was_in_memory_alone() {
    for point in POINTS.iter().filter(|point| !point.loses_the_answer()) {
        let (mut scene, old) = crash_at(point, Config::parqex());
        scene.daemon.restart().unwrap();
        goes_on(&mut scene, point, &old);
        assert_eq!(scene.provider.log().refreshes().count(), 2, "{}", point.name);
        scene.assert_clean();
    }
}

/// Nobody can help here: the provider has given the one token that works to a process that is no
/// more. It is found out at once, told as what it is, and a new login mends it.
#[test]
fn with_a_strict_provider_a_login_whose_answer_died_with_the_process_is_over_and_said_to_be() {
    for point in POINTS.iter().filter(|point| point.loses_the_answer()) {
        let name = point.name;
        let (mut scene, _) = crash_at(point, Config::parqex());
        scene.daemon.restart().unwrap();
        // nobody asks: it is settled by the daemon itself
        crate::scene::Watch::start(&scene.daemon)
            .until(|account| account["state"] == json!("login-required"));
        let shown = scene.account();
        let detail = shown["detail"].as_str().unwrap();
        assert!(detail.contains("invalid_grant"), "{name}: {shown}");
        assert!(detail.contains("an earlier answer was lost on its way"), "{name}: {shown}");
        let log = scene.provider.log();
        assert_eq!((log.refreshes().count(), log.reuses), (2, 1), "{name}: {log:#?}");
        assert_eq!(database::refresh_tokens(&scene.daemon, ACCOUNT), 1, "{name}: it is kept");
        // and it is not asked again
        scene.daemon.restart().unwrap();
        assert_eq!(database::rows(&scene.daemon, "attempt"), 0, "{name}");
        assert_eq!(scene.account()["state"], json!("login-required"), "{name}");
        assert_eq!(scene.provider.log().refreshes().count(), 2, "{name}");
        scene.sign_in(ACCOUNT);
        assert!(scene.admits(&scene.token()), "{name}");
    }
}

#[test]
fn a_crash_while_a_crash_is_mended_loses_nothing_either() {
    // what the first crash leaves, and the points that mending it passes
    let mending: [(&Point, &[&str]); 3] = [
        (&POINTS[1], &["before-send", "after-send", "after-read"]),
        (&POINTS[3], &["before-commit", "before-commit", "after-commit"]),
        (&POINTS[2], &["before-commit", "before-commit", "before-publish"]),
    ];
    for (first, then) in mending {
        let (mut scene, old) = crash_at(first, forgiving());
        for name in then {
            scene.daemon.restart_with(VARIABLE, name).unwrap();
            died(&mut scene.daemon);
        }
        scene.daemon.restart().unwrap();
        goes_on(&mut scene, first, &old);
    }
}

/// Flights of many accounts are under way when the process dies: each is at another place.
#[test]
fn a_crash_with_many_flights_under_way_loses_none_of_them() {
    const HOUSES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];
    for order in ["before-send:4", "after-read:3", "before-commit", "before-publish:5"] {
        let faults = HOUSES.iter().zip([0, 3, 6, 9, 12, 15]);
        let faults = faults.map(|(name, late)| (*name, Fault::Delay(Duration::from_millis(late))));
        let mut street = Street::build(&forgiving(), faults.collect());
        street.daemon.restart_with(VARIABLE, order).unwrap();
        street.daemon.wait_ready().unwrap();
        for house in &street.houses {
            house.provider.always(house.fault.clone());
        }
        let callers =
            street.houses.iter().map(|house| want(&street.daemon, house.name, &house.first));
        let callers: Vec<_> = callers.collect();
        died(&mut street.daemon);
        drop(callers);
        street.daemon.restart().unwrap();
        street.each(|daemon, house| ready(daemon, house.name));
        street.recover();
    }
}

#[test]
fn an_order_that_names_no_point_is_told_and_changes_nothing() {
    let mut scene = Scene::signed_in(Config::parqex());
    scene.daemon.restart_with(VARIABLE, "half-way").unwrap();
    scene.daemon.wait_ready().unwrap();
    let new = token_of(&scene.renew(&scene.token()).unwrap());
    assert!(scene.admits(&new));
    assert!(scene.daemon.log().contains("names no point to crash at"), "{}", scene.daemon.log());
}

/// What a logout has erased is still revoked when nobody is left to remember it but the disk.
#[test]
fn a_crash_between_erasing_and_revoking_forgets_neither() {
    let mut scene = Scene::signed_in(Config::standard());
    let token = scene.token();
    scene.daemon.restart_with(VARIABLE, "after-erase").unwrap();
    scene.daemon.wait_ready().unwrap();
    let finished = scene.daemon.run(&["logout", ACCOUNT]).unwrap();
    assert_eq!(finished.status.code(), Some(69), "{finished:?}");
    died(&mut scene.daemon);
    assert_eq!(database::rows(&scene.daemon, "account"), 0);
    assert_eq!(database::rows(&scene.daemon, "errand"), 1);
    assert!(scene.admits(&token), "the provider has not been told");
    scene.daemon.restart().unwrap();
    scene.provider.wait(|log| log.revocations >= 2).unwrap();
    assert!(!scene.admits(&token));
    assert_eq!(scene.provider.newest_refresh_token("alice"), None);
}

/// A sign-in passes the same points. Its code works once, but its answer is on record before anybody
/// reads it.
#[test]
fn a_sign_in_whose_answer_is_on_record_is_finished_after_the_crash() {
    let provider = Provider::start(Config::parqex());
    let definition = provider.definition(crate::scene::PROVIDER);
    for name in ["before-commit", "after-commit", "before-publish"] {
        let home = home().config(&file(crate::scene::PROVIDER), &definition).unwrap();
        let mut daemon = Daemon::start(home).unwrap();
        daemon.restart_with(VARIABLE, name).unwrap();
        daemon.wait_ready().unwrap();
        let login = Login::new(crate::scene::PROVIDER, ACCOUNT);
        let finished = login.run(&daemon, &provider).unwrap();
        assert_eq!(finished.status.code(), Some(69), "{name}: {finished:?}");
        died(&mut daemon);
        daemon.restart().unwrap();
        ready(&daemon, ACCOUNT);
        let shown: Value = account(&daemon, ACCOUNT);
        assert_eq!(shown["state"], json!("ready"), "{name}");
        let asked = crate::scene::ask(&daemon, "GetToken", &json!({ "account": ACCOUNT }));
        let token = token_of(&asked.unwrap());
        assert!(provider.is_access_token_valid(&token), "{name}");
        let next = token_of(&crate::scene::renew(&daemon, ACCOUNT, &token).unwrap());
        assert!(provider.is_access_token_valid(&next), "{name}");
        assert_eq!(database::rows(&daemon, "attempt"), 0, "{name}");
    }
    let log = provider.log();
    assert_eq!((log.reuses, log.authorizations), (0, 3), "{log:#?}");
}
