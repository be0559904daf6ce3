//! The daemon is killed at the worst moments. The provider forgives the second use of a refresh token
//! for a while, as those do that have thought of lost answers; what is lost after that is the
//! daemon's fault.

use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::scene::{ACCOUNT, PROVIDER, Scene, connect, renew, settle, token_of};
use crate::support::agent;
use crate::support::login::Login;
use crate::support::provider::{Config, Fault, Outcome, Rotation};
use crate::{database, support};

/// The moments at which the daemon is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Nothing is under way.
    Idle,
    /// A caller has just asked: the request may not have left yet.
    Asked,
    /// The request has arrived, and the provider has not acted.
    Arrived,
    /// The provider has acted, and has not answered.
    Acted,
    /// The answer is on its way, or has been for so many microseconds: it is being received, written
    /// down, interpreted, saved, published.
    Answered(u64),
}

const MOMENTS: [Moment; 12] = [
    Moment::Idle,
    Moment::Asked,
    Moment::Arrived,
    Moment::Acted,
    Moment::Answered(0),
    Moment::Answered(200),
    Moment::Answered(500),
    Moment::Answered(1_000),
    Moment::Answered(2_000),
    Moment::Answered(4_000),
    Moment::Answered(8_000),
    Moment::Answered(20_000),
];

fn forgiving() -> Config {
    Config::parqex().rotation(Rotation::Grace(Duration::from_secs(30)))
}

fn kill(scene: &mut Scene, moment: Moment) {
    let token = scene.token();
    let seen = scene.provider.log().requests.len();
    match moment {
        Moment::Idle => {}
        Moment::Asked => drop(scene.want(&token)),
        Moment::Arrived => {
            scene.provider.next(Fault::Hang);
            drop(scene.want(&token));
            let arrived = |log: &support::provider::Log| {
                log.requests.len() > seen && log.requests[seen].outcome == Outcome::Swallowed
            };
            scene.provider.wait(arrived).unwrap();
        }
        Moment::Acted | Moment::Answered(_) => {
            scene.provider.next(Fault::Hold);
            drop(scene.want(&token));
            let acted = |log: &support::provider::Log| {
                log.requests.len() > seen && log.requests[seen].outcome == Outcome::Granted
            };
            scene.provider.wait(acted).unwrap();
        }
    }
    if let Moment::Answered(micros) = moment {
        scene.provider.release();
        scene.provider.wait(|log| log.in_flight == 0).unwrap();
        // not to wait for anything: to die somewhere else each time
        thread::sleep(Duration::from_micros(micros));
    }
    scene.daemon.kill9().unwrap();
    // what a killed daemon ordered and did not send
    scene.provider.behave();
    scene.provider.release();
}

#[test]
fn an_account_survives_every_moment_of_a_crash() {
    let mut scene = Scene::signed_in(forgiving());
    for moment in MOMENTS {
        kill(&mut scene, moment);
        scene.daemon.restart().unwrap();
        let token = scene.token();
        assert!(scene.admits(&token), "{moment:?}: {}", scene.daemon.log());
        let state = scene.account()["state"].clone();
        assert_ne!(state, json!("login-required"), "{moment:?}");
        assert_eq!(database::refresh_tokens(&scene.daemon, ACCOUNT), 1, "{moment:?}");
        // and it goes on refreshing; a restart makes it forget the gap between two refreshes
        scene.daemon.restart().unwrap();
        let next = token_of(&scene.renew(&token).unwrap());
        assert!(scene.admits(&next), "{moment:?}");
        assert_eq!(database::rows(&scene.daemon, "attempt"), 0, "{moment:?}");
        scene.daemon.restart().unwrap();
    }
    let log = scene.provider.log();
    assert_eq!(log.reuses, 0, "{log:#?}");
    assert_eq!(log.authorizations, 1);
}

#[test]
fn with_a_strict_provider_too_nothing_is_lost_unless_an_answer_was() {
    let mut scene = Scene::signed_in(Config::parqex());
    for _ in 0..4 {
        kill(&mut scene, Moment::Idle);
        scene.daemon.restart().unwrap();
        kill(&mut scene, Moment::Arrived);
        scene.daemon.restart().unwrap();
        let token = scene.token();
        assert!(scene.admits(&token));
    }
    scene.assert_clean();
}

#[test]
fn a_refresh_that_was_cut_off_is_settled_before_the_account_is_served() {
    let mut scene = Scene::signed_in(forgiving());
    let old = scene.token();
    kill(&mut scene, Moment::Acted);
    scene.provider.next(Fault::Hold);
    let before = scene.provider.log().requests.len();
    scene.daemon.restart().unwrap();
    // nobody has asked, and the old token would last for an hour
    let log = scene.provider.wait(|log| log.requests.len() > before).unwrap();
    let sent: Vec<_> = log.refreshes().map(|request| request.refresh.clone()).collect();
    assert_eq!(sent[sent.len() - 2], sent[sent.len() - 1], "the same token is sent again");
    let mut caller = connect(&scene.daemon);
    let call = json!({
        "method": "dev.ostler.Ostler1.GetToken", "parameters": { "account": ACCOUNT },
    });
    caller.send(&call).unwrap();
    settle(&scene.daemon);
    assert!(!caller.has_answer().unwrap(), "a token of unknown fate is not handed out");
    assert_eq!(scene.account()["state"], json!("refreshing"));
    scene.provider.release();
    let new = token_of(&caller.answer().unwrap());
    assert_ne!(new, old);
    assert!(scene.admits(&new));
    assert_eq!(scene.provider.log().reuses, 0);
}

#[test]
fn a_sign_in_that_a_crash_cut_off_leaves_nothing_and_can_be_done_again() {
    let mut scene = Scene::new(Config::parqex());
    scene.provider.next(Fault::Hold);
    let login = Login::new(PROVIDER, ACCOUNT);
    let pid = Pid::from_raw(scene.daemon.pid().unwrap().cast_signed()).unwrap();
    let finished = thread::scope(|scope| {
        login.run_with(&scene.daemon, &scene.provider, |url| {
            let right = agent::visit(url)?.url().to_string();
            // while the command waits for the end
            scope.spawn(|| {
                scene.provider.wait(|log| log.granted() == 1).unwrap();
                kill_process(pid, Signal::KILL).unwrap();
            });
            Ok(Some(right))
        })
    });
    let finished = finished.unwrap();
    assert_eq!(finished.status.code(), Some(69), "{finished:?}");
    assert!(finished.stderr.contains("the daemon hung up before it answered"), "{finished:?}");
    scene.daemon.kill9().unwrap();
    scene.provider.release();

    scene.daemon.restart().unwrap();
    assert!(scene.daemon.terminate().unwrap().success());
    for table in ["account", "client", "attempt"] {
        assert_eq!(database::rows(&scene.daemon, table), 0, "{table}");
    }
    scene.daemon.restart().unwrap();
    scene.sign_in(ACCOUNT);
    assert!(scene.admits(&scene.token()));
}

#[test]
fn a_logout_is_not_undone_by_a_crash() {
    let mut scene = Scene::signed_in(Config::parqex());
    assert!(scene.daemon.run(&["logout", ACCOUNT]).unwrap().status.success());
    scene.daemon.kill9().unwrap();
    scene.daemon.restart().unwrap();
    let gone = renew(&scene.daemon, ACCOUNT, "whatever");
    assert_eq!(crate::scene::fault_kind(gone), "NoSuchAccount");
    for table in ["account", "client", "attempt", "refresh_token", "access_token"] {
        assert_eq!(database::rows(&scene.daemon, table), 0, "{table}");
    }
}
