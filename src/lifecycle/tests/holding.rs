//! Clients that a provider rejects, scopes that were not granted, and tokens at the end of their life,
//! told as sentences.

use super::scenarios::doing;
use super::world::{World, name};
use super::{failure, rules};
use crate::lifecycle::{Doing, Event, Refusal, Rules};
use crate::model::{AccessToken, Failure, FailureClass, Landing, Scopes, Standing, Values};

fn held(world: &World, who: &str) -> bool {
    doing(world, who) == Doing::Held
}

#[test]
fn a_rejected_client_holds_its_accounts_and_no_others() {
    let mut world = World::new();
    world.restore("one", 3600, 0, rules());
    world.restore("two", 3600, 0, rules());
    world.restore("other", 3600, 0, rules());
    let over = Standing::NeedsLogin { why: "gone".into() };
    world.restore_as("three", over, 3600, 0, rules(), None);
    world.restore("four", 3600, 4000, rules());
    world.refresh_badly(failure(FailureClass::ClientBroken));
    assert!(["one", "two", "four"].iter().all(|who| held(&world, who)));
    assert_eq!(doing(&world, "other"), Doing::Ready, "another client");
    assert_eq!(doing(&world, "three"), Doing::LoginRequired, "it is over all the same");
    let asked = world.ask("two", 60, 20);
    assert!(world.token(asked).is_some(), "what lives is handed out");
}

#[test]
fn an_account_whose_flight_is_on_its_way_is_not_held_before_that_has_landed() {
    let mut world = World::new();
    world.restore("one", 3600, 4000, rules());
    world.restore("two", 3600, 4000, rules());
    world.begin(Ok(()));
    world.begin(Ok(()));
    let rejected = failure(FailureClass::ClientBroken);
    world.land(Landing::Failed { failure: rejected, rescued: None });
    assert!(held(&world, "one"));
    assert_eq!(doing(&world, "two"), Doing::Refreshing);
    let granted = world.granted(3600);
    world.land(granted);
    world.save(true);
    assert_eq!(doing(&world, "two"), Doing::Ready);
}

#[test]
fn a_client_that_works_again_frees_the_accounts_it_was_held_for() {
    let mut world = World::new();
    for who in ["one", "two", "other"] {
        world.restore(who, 3600, 0, rules());
    }
    for who in ["one", "other"] {
        let print = AccessToken::new(format!("restored-{who}")).fingerprint();
        world.ask_about(who, Some(0), 20, Some(print));
        world.refresh_badly(failure(FailureClass::ClientBroken));
    }
    assert!(["one", "two", "other"].iter().all(|who| held(&world, who)));
    let request = world.sign_in(1, "one", rules());
    world.tell(Event::Redeem { request, values: Values::default() });
    world.begin(Ok(()));
    let granted = world.granted(3600);
    world.land(granted);
    world.save(true);
    world.pass_seconds(6);
    assert_eq!(world.begins.len(), 1, "the second account is tried");
    assert!(held(&world, "two"), "until it is known");
    world.refresh_well(3600);
    assert_eq!(doing(&world, "two"), Doing::Ready);
    assert!(held(&world, "other"), "its client is another one");
    assert_eq!(doing(&world, "one"), Doing::Ready);
}

#[test]
fn an_account_that_queues_already_is_not_queued_again_when_its_client_works() {
    let mut world = World::new();
    world.restore("one", 3600, 0, rules());
    world.restore("two", 3600, 0, rules());
    let print = AccessToken::new("restored-one".into()).fingerprint();
    world.ask_about("one", Some(0), 20, Some(print));
    world.refresh_badly(failure(FailureClass::ClientBroken));
    let request = world.sign_in(1, "one", rules());
    world.tell(Event::Redeem { request, values: Values::default() });
    world.begin(Ok(()));
    // an hour later the other one is to be tried, but nothing may leave
    world.sleep_seconds(3600);
    world.tell(Event::Rest);
    world.pass_seconds(1);
    let granted = world.granted(36_000);
    world.land(granted);
    world.save(true);
    assert!(world.begins.is_empty());
    world.pass_seconds(120);
    assert_eq!(world.begins.len(), 1);
    world.refresh_well(3600);
    assert!(world.begins.is_empty());
    assert_eq!(doing(&world, "two"), Doing::Ready);
}

#[test]
fn scopes_that_were_not_granted_are_named_and_nothing_is_sent_for_them() {
    let mut world = World::new();
    world.restore("door", 3600, 0, rules());
    for granted in ["", "open", "close open"] {
        let asked = world.ask_for("door", granted);
        assert!(world.token(asked).is_some(), "{granted}");
    }
    for (wanted, missing) in [("open burn", "burn"), ("OPEN", "OPEN")] {
        let asked = world.ask_for("door", wanted);
        let missing = Scopes::parse_lenient(missing);
        assert_eq!(
            world.answer(asked).unwrap().as_ref().unwrap_err(),
            &Refusal::ScopeNotGranted { missing }
        );
    }
    let case_insensitive = Rules { case_insensitive: true, ..rules() };
    world.restore("gate", 3600, 0, case_insensitive);
    let asked = world.ask_for("gate", "OPEN");
    assert!(world.token(asked).is_some());
    let asked = world.ask_for("gate", "BURN");
    assert!(matches!(world.answer(asked), Some(Err(Refusal::ScopeNotGranted { .. }))));
    assert!(world.begins.is_empty());
}

#[test]
fn a_token_is_not_served_in_the_moment_of_its_expiry() {
    let mut world = World::new();
    world.restore("door", 100, 0, rules());
    world.pass_seconds(90);
    world.refresh_badly(Failure {
        retry_after: Some(std::time::Duration::from_mins(5)),
        ..failure(FailureClass::Transient)
    });
    let last = world.ask("door", 0, 1);
    assert!(world.token(last).is_some());
    let expires = world.life.view(&name("door")).unwrap().expires.unwrap();
    world.pass(expires.since(world.now.boot));
    let late = world.ask("door", 0, 1);
    assert!(matches!(world.answer(late), Some(Err(Refusal::Unavailable { .. }))));
}

#[test]
fn a_provider_that_names_no_scopes_cannot_be_held_to_them() {
    let mut world = World::new();
    let request = world.sign_in(1, "door", rules());
    world.tell(Event::Redeem { request, values: Values::default() });
    world.begin(Ok(()));
    let Landing::Granted(mut granted) = world.granted(3600) else { unreachable!() };
    granted.scopes = Some(Scopes::default());
    world.land(Landing::Granted(granted));
    world.save(true);
    let asked = world.ask_for("door", "burn");
    assert!(world.token(asked).is_some());
}
