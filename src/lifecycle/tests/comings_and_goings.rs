//! Sign-ins, logouts and the end of the daemon, told as sentences.

use super::scenarios::doing;
use super::world::{World, name, seed};
use super::{failure, rules};
use crate::lifecycle::{Doing, Event, Refusal, SignInEnd};
use crate::model::{FailureClass, Landing, Standing, Values};

#[test]
fn a_sign_in_makes_an_account_once_its_grant_is_saved() {
    let mut world = World::new();
    let request = world.sign_in(1, "door", rules());
    assert_eq!(world.life.open_sign_ins().count(), 1);
    world.tell(Event::Redeem { request: request.clone(), values: Values::default() });
    world.begin(Ok(()));
    let granted = world.granted(3600);
    world.land(granted);
    assert!(world.life.view(&name("door")).is_none(), "not before it is saved");
    world.save(true);
    assert_eq!(world.ended.get(&request), Some(&Ok(seed("door").id)));
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("access-1"));
    assert_eq!(world.life.open_sign_ins().count(), 0);
}

#[test]
fn a_code_is_redeemed_once_however_often_the_browser_comes_back() {
    let mut world = World::new();
    let request = world.sign_in(1, "door", rules());
    assert!(!world.life.is_redeeming(&name("door")), "it can still be cancelled");
    world.tell(Event::Redeem { request: request.clone(), values: Values::default() });
    assert!(world.life.is_redeeming(&name("door")));
    world.tell(Event::Redeem { request, values: Values::default() });
    assert_eq!(world.begins.len(), 1);
}

#[test]
fn signing_in_anew_replaces_the_grant_and_a_refresh_of_the_old_one_changes_nothing() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    world.begin(Ok(()));
    let request = world.sign_in(1, "door", rules());
    world.tell(Event::Redeem { request, values: Values::default() });
    world.begin(Ok(()));
    let (old, new) = (world.granted(60), world.granted(3600));
    world.air.rotate_left(1);
    world.land(new);
    world.save(true);
    world.land(old);
    assert!(world.saves.is_empty(), "the old grant is over");
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("access-2"));
}

#[test]
fn a_sign_in_that_nobody_finishes_expires() {
    let mut world = World::new();
    let request = world.sign_in(1, "door", rules());
    world.pass_seconds(601);
    assert_eq!(world.ended.get(&request), Some(&Err(SignInEnd::Expired)));
}

#[test]
fn starting_a_sign_in_again_ends_the_one_before() {
    let mut world = World::new();
    let first = world.sign_in(1, "door", rules());
    world.sign_in(2, "door", rules());
    assert_eq!(world.ended.get(&first), Some(&Err(SignInEnd::Cancelled)));
    assert_eq!(world.life.open_sign_ins().count(), 1);
}

#[test]
fn a_logout_waits_for_the_flight_so_that_the_newest_token_is_revoked() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    world.begin(Ok(()));
    world.logout("door");
    assert!(world.erased.is_empty());
    let refused = world.ask("door", 1, 20);
    assert_eq!(world.answer(refused).unwrap().as_ref().unwrap_err(), &Refusal::LoggedOut);
    let granted = world.granted(60);
    world.land(granted);
    world.save(true);
    assert_eq!(world.erased.len(), 1);
    assert!(world.life.view(&name("door")).is_none());
    world.erase(true);
    let refused = world.ask("door", 1, 20);
    assert_eq!(world.answer(refused).unwrap().as_ref().unwrap_err(), &Refusal::NoSuchAccount);
    world.pass_seconds(10_000);
    assert!(world.begins.is_empty());
}

#[test]
fn an_account_that_the_disk_does_not_let_go_of_stays_as_it_was() {
    let mut world = World::new();
    world.restore("door", 3600, 0, rules());
    world.logout("door");
    // nothing is sent in its name while it is not known whether it is gone
    world.pass_seconds(3600);
    assert!(world.begins.is_empty());
    world.logout("door");
    assert_eq!(world.erases.len(), 1, "once is enough");
    world.erase(false);
    assert_eq!(world.changes.last().unwrap().0, name("door"));
    world.refresh_well(3600);
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("access-1"));
    world.logout("door");
    world.erase(true);
    assert_eq!(world.erased.len(), 2);
}

#[test]
fn a_drain_lets_flights_land_and_starts_none() {
    let mut world = World::new();
    world.restore("one", 60, 100, rules());
    world.restore("two", 3600, 0, rules());
    world.begin(Ok(()));
    world.tell(Event::Drain);
    assert!(!world.life.is_quiet());
    let granted = world.granted(60);
    world.land(granted);
    world.save(true);
    assert!(world.life.is_quiet());
    world.pass_seconds(10_000);
    assert!(world.begins.is_empty());
    let asked = world.ask("two", 60, 20);
    assert_eq!(world.answer(asked).unwrap().as_ref().unwrap_err(), &Refusal::Stopping);
}

#[test]
fn a_login_that_ends_while_it_is_renewed_rings_no_alarm_in_vain() {
    let mut world = World::new();
    for number in [1, 2] {
        let request = world.sign_in(number, "door", rules());
        world.tell(Event::Redeem { request, values: Values::default() });
        world.begin(Ok(()));
        let Landing::Granted(mut granted) = world.granted(100) else { unreachable!() };
        granted.refresh = None;
        // the world fails at a deadline that has passed
        world.pass_seconds(if number == 2 { 150 } else { 0 });
        world.land(Landing::Granted(granted));
        world.save(true);
    }
    assert_eq!(doing(&world, "door"), Doing::LoginRequired, "the new one lived for 100 s, too");
}

/// The account "door", with a token of 100 s and nothing to renew it with.
fn sign_in_without_refresh(world: &mut World) {
    let request = world.sign_in(1, "door", rules());
    world.tell(Event::Redeem { request, values: Values::default() });
    world.begin(Ok(()));
    let Landing::Granted(mut granted) = world.granted(100) else { unreachable!() };
    granted.refresh = None;
    world.land(Landing::Granted(granted));
    world.save(true);
}

#[test]
fn a_login_without_a_refresh_token_ends_with_its_access_token() {
    let mut world = World::new();
    sign_in_without_refresh(&mut world);
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("access-1"));
    world.pass_seconds(101);
    assert_eq!(doing(&world, "door"), Doing::LoginRequired);
    let asked = world.ask("door", 60, 20);
    assert!(matches!(world.answer(asked), Some(Err(Refusal::LoginRequired { .. }))));
    assert!(world.begins.is_empty());
}

#[test]
fn a_login_that_is_being_renewed_when_it_ends_ends_only_if_that_fails() {
    let mut world = World::new();
    sign_in_without_refresh(&mut world);
    let request = world.sign_in(2, "door", rules());
    world.tell(Event::Redeem { request, values: Values::default() });
    world.begin(Ok(()));
    world.pass_seconds(101);
    assert_ne!(doing(&world, "door"), Doing::LoginRequired, "the new one is on its way");
    world.land(Landing::Failed { failure: failure(FailureClass::DeadGrant), rescued: None });
    world.pass_seconds(1);
    assert_eq!(doing(&world, "door"), Doing::LoginRequired);
}

#[test]
fn a_login_that_is_said_to_be_over_is_tried_again_at_the_users_word_alone() {
    let mut world = World::new();
    let over = Standing::NeedsLogin { why: "an older copy".into() };
    world.restore_as("door", over, 3600, 10, rules(), None);
    world.pass_seconds(3 * 86_400);
    assert!(world.begins.is_empty(), "not by itself");
    world.resume("door");
    assert_eq!(world.resumed, [Ok(())]);
    assert_eq!(world.stands, [Standing::Good], "written down before it is sent");
    world.refresh_well(3600);
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("access-1"));
}

#[test]
fn another_try_that_fails_ends_where_it_began() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    world.refresh_badly(failure(FailureClass::DeadGrant));
    assert_eq!(doing(&world, "door"), Doing::LoginRequired);
    world.pass_seconds(3600);
    world.resume("door");
    world.refresh_badly(failure(FailureClass::DeadGrant));
    assert_eq!(doing(&world, "door"), Doing::LoginRequired);
    world.pass_seconds(86_400);
    assert!(world.begins.is_empty());
    world.resume("nobody");
    assert_eq!(world.resumed, [Ok(()), Err(Refusal::NoSuchAccount)]);
}
