//! One state has one daemon: two that refresh the same grant are what a provider takes for a theft
//! (RFC 9700, 4.14.2).

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::time::Duration;

use rustix::process::Signal;

use crate::scene::{Scene, token_of};
use crate::support::daemon::Home;
use crate::support::process;
use crate::support::provider::Config;

/// How long a process may take to end.
const PATIENCE: Duration = Duration::from_secs(40);

/// That one more daemon on the same state ends and says why. It has a runtime directory of its own, so
/// that it is the state which it is refused for, and not the socket.
fn assert_refused(home: &Home) {
    let runtime = home.path("run-of-another-session");
    DirBuilder::new().mode(0o700).recursive(true).create(&runtime).unwrap();
    let mut command = home.daemon_command();
    command.env("XDG_RUNTIME_DIR", &runtime);
    let finished = process::run(&mut command, "", PATIENCE).unwrap();
    assert_eq!(finished.status.code(), Some(69), "{finished:?}");
    let lock = home.path("state/ostler/lock");
    let words = format!("another ostlerd owns {}; only one can keep its tokens", lock.display());
    assert!(finished.stderr.contains(&words), "{finished:?}");
    assert!(!runtime.join("ostler/socket").exists(), "it listens to nobody");
}

#[test]
fn a_state_belongs_to_one_daemon_whatever_session_the_next_one_is_started_in() {
    let scene = Scene::signed_in(Config::parqex());
    let token = scene.token();
    assert_refused(scene.daemon.home());
    let new = token_of(&scene.renew(&token).unwrap());
    assert!(scene.admits(&new));
    scene.assert_clean();
}

#[test]
fn a_daemon_that_is_stopped_and_not_dead_keeps_its_state() {
    let scene = Scene::signed_in(Config::parqex());
    let mut caller = scene.refresh_under_way();
    scene.daemon.signal(Signal::STOP).unwrap();
    assert_refused(scene.daemon.home());
    scene.provider.release();
    scene.daemon.signal(Signal::CONT).unwrap();
    let new = token_of(&caller.answer().unwrap());
    assert!(scene.admits(&new));
    assert_eq!(scene.provider.log().refreshes().count(), 1, "nobody else has sent anything");
    scene.assert_clean();
}

#[test]
fn the_lock_of_a_killed_daemon_is_free_at_once_and_its_file_is_no_obstacle() {
    let mut scene = Scene::signed_in(Config::parqex());
    let token = scene.token();
    for _ in 0..3 {
        scene.daemon.kill9().unwrap();
        assert!(scene.daemon.home().path("state/ostler/lock").exists());
        // without anybody's help: nothing is to be removed by hand
        scene.daemon.restart().unwrap();
        assert_eq!(scene.token(), token);
        assert_refused(scene.daemon.home());
    }
    scene.assert_clean();
}
