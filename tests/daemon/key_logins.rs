//! Logins by a client's key (RFC 7523), and every point at which the daemon can die on the way (`src/crash.rs`): of the
//! login, of one for an account that is there, and of a renewal. The certified provider of `tests/oidc` does not have that
//! grant; ours takes an assertion once, and one that comes twice ends what the first one brought.
//!
//! | it ends | on record | the login | a renewal |
//! |---|---|---|---|
//! | before-send, after-send, after-read | the intent | is to be started again; what was there before is as it was | the key signs anew |
//! | before-commit | the raw answer | is there | goes on from the record |
//! | after-commit, before-publish | the grant | is there | goes on |

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::database;
use crate::scene::{PROVIDER, Scene, USER, account, ask, owner, ready, renew, token_of, want};
use crate::support::process::{self, Finished};
use crate::support::provider::{Config, Grant, Robot};

const VARIABLE: &str = "OSTLER_CRASH_AT";
const PATIENCE: Duration = Duration::from_secs(30);
const ROBOT: &str = "robot@provider.test";

/// The points, and whether the tokens are on record by then.
const POINTS: [(&str, bool); 6] = [
    ("before-send", false),
    ("after-send", false),
    ("after-read", false),
    ("before-commit", true),
    ("after-commit", true),
    ("before-publish", true),
];

/// A provider that lets a client in by its key, and a daemon beside which the key lies.
fn scene() -> Scene {
    let robot = Robot::new(ROBOT);
    let key = robot.key.clone();
    Scene::at_home(Config::standard().robot(robot), |home| {
        std::fs::write(home.path("robot.pem"), key).unwrap();
        home
    })
}

/// Signs in by the key.
fn sign_in(scene: &Scene, account: &str) -> Finished {
    let key = scene.daemon.home().path("robot.pem");
    let mut command = scene.daemon.command(&["login", PROVIDER, "--as", account, "--jwt-bearer"]);
    command.args(["--subject", USER, "--client-id", ROBOT, "--client-key"]).arg(key);
    process::run(&mut command, "", PATIENCE).unwrap()
}

fn signed_in(scene: &Scene, account: &str) {
    let finished = sign_in(scene, account);
    assert!(finished.status.success(), "{account}: {finished:?}\n{}", scene.daemon.log());
}

/// Lets the daemon end at a point from now on.
fn die_at(scene: &mut Scene, point: &str) {
    scene.daemon.restart_with(VARIABLE, point).unwrap();
    scene.daemon.wait_ready().unwrap();
}

fn died(scene: &mut Scene, point: &str) {
    let status = scene.daemon.wait_end().unwrap();
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{point}: {status}");
    scene.daemon.restart().unwrap();
}

/// That a login works, now and later: the daemon hands its token out, and has a new one by a new signature.
fn works(scene: &Scene, account: &str) {
    let first = token(scene, account);
    assert_eq!(owner(&scene.provider, &first).as_deref(), Some(USER), "{account}");
    let next = token_of(&renew(&scene.daemon, account, &first).unwrap());
    assert_ne!(next, first, "{account}");
    assert_eq!(owner(&scene.provider, &next).as_deref(), Some(USER), "{account}");
}

fn token(scene: &Scene, account: &str) -> String {
    token_of(&ask(&scene.daemon, "GetToken", &json!({ "account": account })).unwrap())
}

fn is_there(scene: &Scene, account: &str) -> bool {
    let status = ask(&scene.daemon, "Status", &json!({})).unwrap();
    status["accounts"].as_array().unwrap().iter().any(|listed| listed["name"] == json!(account))
}

/// Waits until nothing of a flight is on record any more.
fn until_all_is_read(scene: &Scene) {
    // each look takes its time
    let is_over = || database::rows(&scene.daemon, "attempt") == 0;
    assert!((0..100_000).any(|_| is_over()), "{}", scene.daemon.log());
}

/// That each assertion was made for one request, and none was sent twice.
fn assert_clean(scene: &Scene) {
    let log = scene.provider.log();
    assert_eq!(log.reuses, 0, "an assertion was sent twice: {log:#?}");
    assert!(log.requests.iter().all(|request| request.grant == Grant::Assertion), "{log:#?}");
    let log = scene.daemon.log();
    assert!(!log.contains("PRIVATE KEY"), "{log}");
}

#[test]
fn a_login_by_a_key_that_a_crash_ends_is_there_or_is_started_again() {
    let mut scene = scene();
    signed_in(&scene, "bystander");
    for (point, is_kept) in POINTS {
        die_at(&mut scene, point);
        let told = sign_in(&scene, point);
        assert_eq!(told.status.code(), Some(69), "{point}: {told:?}");
        died(&mut scene, point);
        until_all_is_read(&scene);
        assert_eq!(is_there(&scene, point), is_kept, "{point}\n{}", scene.daemon.log());
        if !is_kept {
            signed_in(&scene, point);
        }
        works(&scene, point);
        works(&scene, "bystander");
    }
    assert_clean(&scene);
}

#[test]
fn a_login_by_a_key_for_an_account_that_is_there_leaves_it_working_wherever_a_crash_ends_it() {
    let mut scene = scene();
    for (point, is_kept) in POINTS {
        signed_in(&scene, point);
        let first = token(&scene, point);
        die_at(&mut scene, point);
        let told = sign_in(&scene, point);
        assert_eq!(told.status.code(), Some(69), "{point}: {told:?}");
        died(&mut scene, point);
        until_all_is_read(&scene);
        ready(&scene.daemon, point);
        assert_eq!(token(&scene, point) != first, is_kept, "{point}: what was there is as it was");
        works(&scene, point);
    }
    assert_clean(&scene);
}

#[test]
fn a_renewal_by_a_key_goes_on_after_a_crash_at_any_point() {
    let mut scene = scene();
    for (point, is_kept) in POINTS {
        signed_in(&scene, point);
        let first = token(&scene, point);
        die_at(&mut scene, point);
        let before = scene.provider.log().granted();
        let caller = want(&scene.daemon, point, &first);
        died(&mut scene, point);
        drop(caller);
        until_all_is_read(&scene);
        ready(&scene.daemon, point);
        let next = token(&scene, point);
        assert_ne!(next, first, "{point}: the key has signed for another");
        let asked = scene.provider.log().granted() - before;
        let in_vain = usize::from(!is_kept && point != "before-send");
        assert_eq!(asked, 1 + in_vain, "{point}: once more if the first answer is gone");
        works(&scene, point);
        assert_eq!(account(&scene.daemon, point)["state"], json!("ready"), "{point}");
    }
    assert_clean(&scene);
}
