//! Sign-ins on another device: the provider is asked until it says one thing or the other.

use std::time::Duration;

use super::rules;
use super::world::{World, name, request, seed};
use crate::lifecycle::{Event, SignInEnd, SignInSeed};
use crate::model::{Failure, FailureClass, Landing};

fn begin(world: &mut World, interval: u64) {
    let start = SignInSeed {
        request: request(1),
        seed: seed("door"),
        rules: rules(),
        deadline: world.now.boot + Duration::from_mins(10),
        poll: Some(Duration::from_secs(interval)),
    };
    world.tell(Event::SignIn(start));
}

fn says(code: &str) -> Landing {
    let class = match code {
        "expired_token" => FailureClass::DeadGrant,
        "invalid_client" => FailureClass::ClientBroken,
        _ => FailureClass::Transient,
    };
    let failure = Failure { code: Some(code.to_owned()), ..Failure::new(class, "") };
    Landing::Failed { failure, rescued: None }
}

fn lost(class: FailureClass) -> Landing {
    Landing::Failed { failure: Failure::new(class, "no network"), rescued: None }
}

/// The provider is asked, and answers.
fn ask(world: &mut World, landing: Landing) {
    assert_eq!(world.begins.len(), 1, "the provider is asked");
    world.begin(Ok(()));
    world.land(landing);
}

#[test]
fn the_provider_is_asked_at_its_interval_until_the_user_has_agreed() {
    let mut world = World::new();
    begin(&mut world, 5);
    world.pass_seconds(4);
    assert!(world.begins.is_empty(), "not before the interval is over");
    for _ in 0..3 {
        world.pass_seconds(5);
        ask(&mut world, says("authorization_pending"));
        assert!(world.ended.is_empty());
    }
    world.pass_seconds(5);
    let granted = world.granted(3600);
    ask(&mut world, granted);
    world.save(true);
    assert_eq!(world.ended.get(&request(1)), Some(&Ok(seed("door").id)));
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("access-1"));
}

#[test]
fn a_provider_that_wants_it_slower_is_asked_slower_for_good() {
    let mut world = World::new();
    begin(&mut world, 5);
    world.pass_seconds(5);
    ask(&mut world, says("slow_down"));
    world.pass_seconds(9);
    assert!(world.begins.is_empty(), "RFC 8628, 3.5: five seconds more");
    world.pass_seconds(1);
    ask(&mut world, says("authorization_pending"));
    world.pass_seconds(9);
    assert!(world.begins.is_empty(), "from then on");
    world.pass_seconds(1);
    assert_eq!(world.begins.len(), 1);
}

#[test]
fn a_lost_answer_doubles_the_interval_and_ends_nothing_where_nothing_is_at_stake() {
    let mut world = World::new();
    begin(&mut world, 5);
    for (class, next) in [
        (FailureClass::Ambiguous, 10),
        (FailureClass::NotSent, 20),
        (FailureClass::Transient, 40),
        (FailureClass::Captive, 80),
    ] {
        world.pass_seconds(next / 2);
        ask(&mut world, lost(class));
        world.pass_seconds(next / 2);
        assert!(world.begins.is_empty(), "{class:?}");
    }
    assert!(world.ended.is_empty());
}

/// A provider that sees a used code again may end what it takes for one with the login that the code brought.
#[test]
fn a_code_that_may_be_used_is_not_shown_again_where_a_login_of_the_client_stands() {
    for (class, goes_on) in [(FailureClass::Ambiguous, false), (FailureClass::NotSent, true)] {
        let mut world = World::new();
        world.restore("gate", 36_000, 0, rules());
        begin(&mut world, 5);
        world.pass_seconds(5);
        ask(&mut world, lost(class));
        let ended = world.ended.get(&request(1));
        assert_eq!(ended.is_none(), goes_on, "{class:?}");
        assert!(goes_on || matches!(ended, Some(Err(SignInEnd::Failed(_)))), "{ended:?}");
        world.pass_seconds(20);
        assert_eq!(world.begins.len(), usize::from(goes_on), "{class:?}");
    }
}

#[test]
fn what_cannot_change_any_more_ends_it() {
    for code in ["expired_token", "access_denied", "invalid_client"] {
        let mut world = World::new();
        begin(&mut world, 5);
        world.pass_seconds(5);
        ask(&mut world, says(code));
        let ended = world.ended.get(&request(1));
        assert!(matches!(ended, Some(Err(SignInEnd::Failed(_)))), "{code}: {ended:?}");
        world.pass_seconds(900);
        assert!(world.begins.is_empty(), "{code}");
    }
}

#[test]
fn it_ends_with_its_code_also_while_the_provider_is_being_asked() {
    let mut world = World::new();
    begin(&mut world, 60);
    world.pass_seconds(599);
    while !world.begins.is_empty() {
        ask(&mut world, says("authorization_pending"));
    }
    world.pass_seconds(2);
    assert_eq!(world.ended.get(&request(1)), Some(&Err(SignInEnd::Expired)));

    let mut world = World::new();
    begin(&mut world, 5);
    world.pass_seconds(5);
    world.begin(Ok(()));
    world.pass_seconds(600);
    assert!(world.ended.is_empty(), "the answer may be tokens");
    world.land(says("authorization_pending"));
    assert_eq!(world.ended.get(&request(1)), Some(&Err(SignInEnd::Expired)));
}

#[test]
fn it_can_be_cancelled_at_any_time_and_tokens_that_come_all_the_same_are_kept() {
    let mut world = World::new();
    begin(&mut world, 5);
    world.pass_seconds(5);
    world.begin(Ok(()));
    assert!(!world.life.is_redeeming(&name("door")), "a question uses nothing up");
    world.tell(Event::EndSignIn { request: request(1), why: SignInEnd::Cancelled });
    world.land(says("authorization_pending"));
    assert_eq!(world.ended.get(&request(1)), Some(&Err(SignInEnd::Cancelled)));

    let mut world = World::new();
    begin(&mut world, 5);
    world.pass_seconds(5);
    world.begin(Ok(()));
    world.tell(Event::EndSignIn { request: request(1), why: SignInEnd::Cancelled });
    let granted = world.granted(3600);
    world.land(granted);
    world.save(true);
    assert_eq!(world.ended.get(&request(1)), Some(&Ok(seed("door").id)));
}

#[test]
fn nobody_is_asked_while_the_machine_rests_or_the_daemon_stops() {
    let mut world = World::new();
    begin(&mut world, 5);
    world.tell(Event::Rest);
    world.pass_seconds(30);
    assert!(world.begins.is_empty());
    world.tell(Event::Wake);
    world.tell(Event::NetworkUp);
    world.pass_seconds(10);
    ask(&mut world, says("authorization_pending"));
    world.pass_seconds(5);
    world.begin(Ok(()));
    world.tell(Event::Drain);
    assert!(world.ended.is_empty(), "an answer is awaited");
    world.land(says("authorization_pending"));
    assert_eq!(world.ended.get(&request(1)), Some(&Err(SignInEnd::Stopping)));
    assert!(world.life.is_quiet());
}
