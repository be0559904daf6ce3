//! A crowd at the socket while the provider takes its time.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::scene::{ACCOUNT, Scene, connect, fault_kind, settle, token_of};
use crate::support::provider::{Config, Fault, OldAccess};
use crate::support::secret;
use crate::support::varlink::Varlink;

const CALLERS: usize = 1000;

/// Room for the callers' connections, here and in the daemon, which inherits it.
fn make_room() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(4096, |most| most.min(4096));
    assert!(wanted > 2 * CALLERS as u64, "{CALLERS} callers need more descriptors than {wanted}");
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }).unwrap();
    }
}

/// A scene whose socket takes that many connections.
fn scene(connections: usize) -> Scene {
    make_room();
    let mut scene = Scene::new(Config::parqex().old_access(OldAccess::Dies));
    let settings = format!("max_connections = {connections}\n");
    std::fs::write(scene.daemon.home().path("config/ostler/ostler.toml"), settings).unwrap();
    scene.daemon.restart().unwrap();
    scene.sign_in(ACCOUNT);
    scene
}

/// As many callers as said, all of whom have asked for another token than `old`.
fn crowd(scene: &Scene, count: usize, old: &str) -> Vec<Varlink> {
    let parameters = json!({ "account": ACCOUNT, "rejected": secret::fingerprint(old) });
    let call = json!({ "method": "dev.ostler.Ostler1.GetToken", "parameters": parameters });
    let callers = (0..count).map(|_| {
        let mut caller = connect(&scene.daemon);
        caller.send(&call).unwrap();
        caller
    });
    callers.collect()
}

#[test]
fn a_thousand_callers_cost_one_refresh_and_those_who_stay_are_all_answered() {
    let scene = scene(CALLERS + 50);
    let old = scene.token();
    scene.provider.next(Fault::Hold);
    let mut callers = crowd(&scene, CALLERS, &old);
    scene.provider.wait(|log| log.granted_refreshes() == 1).unwrap();
    settle(&scene.daemon);
    assert!(callers.iter().all(|caller| !caller.has_answer().unwrap()), "all of them wait");

    // every other one hangs up
    let mut count = 0;
    callers.retain(|_| {
        count += 1;
        count % 2 == 0
    });
    settle(&scene.daemon);
    scene.provider.release();
    let answers: Vec<_> = callers.iter_mut().map(|caller| caller.answer().unwrap()).collect();
    assert_eq!(answers.len(), CALLERS / 2);
    let new = token_of(&answers[0]);
    assert_ne!(new, old);
    assert!(answers.iter().all(|answer| token_of(answer) == new), "one token for all");
    assert!(scene.admits(&new));
    assert_eq!(scene.provider.log().refreshes().count(), 1);
    assert_eq!(scene.token(), new);
    scene.assert_clean();
}

#[test]
fn when_all_seats_are_taken_by_callers_who_wait_the_next_one_is_told_so() {
    const SEATS: usize = 32;
    let scene = scene(SEATS);
    let old = scene.token();
    scene.provider.next(Fault::Hold);
    let mut callers = crowd(&scene, SEATS, &old);
    scene.provider.wait(|log| log.granted_refreshes() == 1).unwrap();
    // the last of them may still be on its way in; whoever comes after it is one too many
    let turned_away = loop {
        let mut late = connect(&scene.daemon);
        let asked = late.ask("Status", &json!({}));
        if asked.is_err() {
            break asked;
        }
    };
    assert_eq!(fault_kind(turned_away), "RateLimited");
    scene.provider.release();
    let new = token_of(&callers[0].answer().unwrap());
    assert!(callers[1..].iter_mut().all(|caller| token_of(&caller.answer().unwrap()) == new));
    // those who sit idle make room
    let mut more = crowd(&scene, SEATS, &old);
    assert!(more.iter_mut().all(|caller| token_of(&caller.answer().unwrap()) == new));
    assert_eq!(scene.provider.log().refreshes().count(), 1);
}
