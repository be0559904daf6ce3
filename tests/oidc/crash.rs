//! The daemon dies while it talks to a provider that was not written by us: what the provider still
//! honours goes on, and what it ended is said to be over.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::scene::{ACCOUNT, Scene, fault};
use crate::support::op::Options;

const STRICT: Duration = Duration::ZERO;
const FORGIVING: Duration = Duration::from_secs(30);

fn scene(grace: Duration) -> Scene {
    Scene::with(Options { access_lifetime: Duration::from_hours(1), grace, ..Options::default() })
}

/// An account that something is going to happen to.
struct Case {
    account: &'static str,
    /// Its token before that.
    old: String,
    /// What the provider had seen before that.
    before: Seen,
}

/// What the provider has seen.
struct Seen {
    refreshes: u64,
    reuses: u64,
    /// The refresh tokens that work.
    alive: u64,
}

impl Seen {
    fn now(scene: &Scene) -> Self {
        let stats = scene.op.stats().unwrap();
        let [refreshes, reuses, alive] =
            ["refresh", "reuse", "alive"].map(|figure| stats[figure].as_u64().unwrap());
        Self { refreshes, reuses, alive }
    }
}

impl Case {
    fn signed_in(scene: &Scene, account: &'static str) -> Self {
        scene.sign_in(account);
        Self { account, old: scene.token(account), before: Seen::now(scene) }
    }

    /// Kills the daemon while the provider holds the request as ordered, and starts it again.
    fn kill_while(&self, scene: &mut Scene, order: &str) {
        scene.op.next(order).unwrap();
        let caller = scene.want(self.account, &self.old);
        scene.op.wait_held().unwrap();
        scene.daemon.kill9().unwrap();
        drop(caller);
        scene.op.release().unwrap();
        scene.daemon.restart().unwrap();
    }

    /// That the account has a new token and can have another, and that the provider has seen so many
    /// refreshes for that, and no reuse.
    fn goes_on(&self, scene: &mut Scene, refreshes: u64) {
        let Self { account, old, before } = self;
        let new = scene.token(account);
        assert!(new != *old && scene.is_active(&new), "{account}");
        // a restart forgets the gap between two refreshes
        scene.daemon.restart().unwrap();
        let next = scene.renew(account, &new);
        assert!(scene.is_active(&next), "{account}");
        let now = Seen::now(scene);
        let change = (now.refreshes - before.refreshes, now.reuses - before.reuses);
        assert_eq!(change, (refreshes, 0), "{account}");
        assert_eq!(scene.account(account)["state"], json!("ready"), "{account}");
    }

    /// That the login is over, for what reason, and that the provider has ended it.
    fn is_over(&self, scene: &Scene) {
        let Self { account, old, before } = self;
        let (refusal, code) = fault(&scene.try_renew(account, old, &["--json"]));
        assert_eq!((&refusal["fault"], code), (&json!("LoginRequired"), 77), "{refusal}");
        let message = refusal["message"].as_str().unwrap();
        assert!(message.contains("an earlier answer was lost on its way"), "{refusal}");
        let now = Seen::now(scene);
        let change = (now.refreshes - before.refreshes, now.reuses - before.reuses);
        assert_eq!(change, (2, 1), "{account}: sent again once, and that ended it");
        assert_eq!(before.alive - now.alive, 1, "{account}");
    }
}

#[test]
fn a_daemon_killed_before_the_provider_acts_loses_nothing() {
    for grace in [STRICT, FORGIVING] {
        let mut scene = scene(grace);
        let case = Case::signed_in(&scene, ACCOUNT);
        case.kill_while(&mut scene, "hang");
        case.goes_on(&mut scene, 2);
    }
}

#[test]
fn a_daemon_killed_after_the_provider_has_acted_loses_nothing_within_the_grace() {
    let mut scene = scene(FORGIVING);
    let case = Case::signed_in(&scene, ACCOUNT);
    case.kill_while(&mut scene, "hold");
    // the same token is sent again
    case.goes_on(&mut scene, 3);
}

#[test]
fn a_daemon_killed_after_a_strict_provider_has_acted_says_that_the_login_is_over() {
    let mut scene = scene(STRICT);
    let case = Case::signed_in(&scene, ACCOUNT);
    case.kill_while(&mut scene, "hold");
    case.is_over(&scene);
}

#[test]
fn a_late_answer_is_waited_for_and_nothing_is_sent_twice() {
    for grace in [STRICT, FORGIVING] {
        let mut scene = scene(grace);
        let case = Case::signed_in(&scene, ACCOUNT);
        scene.op.next("hold").unwrap();
        let mut caller = scene.want(ACCOUNT, &case.old);
        scene.op.wait_held().unwrap();
        // others are served meanwhile, by what there is
        assert_eq!(scene.token(ACCOUNT), case.old);
        scene.op.release().unwrap();
        let answer = caller.answer().unwrap();
        assert!(scene.is_active(answer["access_token"].as_str().unwrap()));
        case.goes_on(&mut scene, 2);
    }
}

#[test]
fn a_strict_provider_ends_the_login_whose_answer_was_lost_and_no_other() {
    let mut scene = scene(STRICT);
    for order in ["lost_response", "truncate"] {
        let case = Case::signed_in(&scene, order);
        scene.op.next(order).unwrap();
        case.is_over(&scene);
    }
    let case = Case::signed_in(&scene, "reset_before");
    scene.op.next("reset_before").unwrap();
    assert!(scene.is_active(&scene.renew(case.account, &case.old)));
    case.goes_on(&mut scene, 2);
}

/// What each point leaves behind is told in `tests/daemon/crash_points.rs`.
#[test]
fn a_crash_at_a_named_point_means_the_same_here() {
    for grace in [STRICT, FORGIVING] {
        let mut scene = scene(grace);
        for (point, sent_again) in [
            ("before-send", 0),
            ("after-send", 1),
            ("after-read", 1),
            ("before-commit", 0),
            ("after-commit", 0),
            ("before-publish", 0),
        ] {
            let case = Case::signed_in(&scene, point);
            scene.daemon.restart_with("OSTLER_CRASH_AT", point).unwrap();
            scene.daemon.wait_ready().unwrap();
            let caller = scene.want(point, &case.old);
            let status = scene.daemon.wait_end().unwrap();
            assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{point}: {status}");
            drop(caller);
            scene.daemon.restart().unwrap();
            if grace == STRICT && sent_again == 1 {
                case.is_over(&scene);
            } else {
                case.goes_on(&mut scene, 2 + sent_again);
            }
        }
    }
}
