//! Keeping logins alive, the modes, and the storm guard, told as sentences.

use std::time::Duration;

use super::scenarios::doing;
use super::world::{World, name};
use super::{failure, rules};
use crate::lifecycle::{Doing, Event, Refusal, Rules, Settings};
use crate::model::{AccessToken, FailureClass, Fingerprint, Landing, Mode, Modes};

const DAY: Duration = Duration::from_hours(24);

fn mode(world: &mut World, default: Mode) {
    world.tell(Event::Modes(Modes { default, ..Modes::default() }));
}

fn print(token: &str) -> Fingerprint {
    AccessToken::new(token.to_owned()).fingerprint()
}

#[test]
fn a_refresh_token_that_dies_of_disuse_is_used_in_time_with_nobody_asking() {
    let mut world = World::new();
    mode(&mut world, Mode::Lazy);
    world.restore("door", 3600, 0, Rules { refresh_idle: Some(60 * DAY), ..rules() });
    world.pass(26 * DAY);
    assert!(world.begins.is_empty(), "not before it makes sense");
    world.pass(8 * DAY);
    assert_eq!(world.begins.len(), 1);
    world.refresh_well(3600);
    world.pass(26 * DAY);
    assert!(world.begins.is_empty(), "and then the limit counts from there");
}

#[test]
fn a_daemon_that_was_off_for_long_uses_the_refresh_token_at_once() {
    let mut world = World::new();
    mode(&mut world, Mode::Lazy);
    let rules = Rules { refresh_idle: Some(60 * DAY), ..rules() };
    world.restore("door", 3600, 50 * 24 * 3600, rules);
    assert_eq!(world.begins.len(), 1, "ten days are left");
}

#[test]
fn keeping_a_login_alive_is_tried_until_it_works() {
    let mut world = World::new();
    mode(&mut world, Mode::Lazy);
    world.restore("door", 3600, 0, Rules { refresh_idle: Some(DAY), ..rules() });
    world.pass(DAY.mul_f64(0.56));
    for _ in 0..5 {
        world.refresh_badly(failure(FailureClass::Transient));
        world.pass_seconds(900);
        assert_eq!(world.begins.len(), 1);
    }
    world.refresh_well(3600);
    assert_eq!(doing(&world, "door"), Doing::Ready);
}

#[test]
fn the_life_that_an_answer_gives_the_refresh_token_is_kept_and_shown() {
    let mut world = World::new();
    mode(&mut world, Mode::Lazy);
    world.restore("door", 3600, 4000, rules());
    assert_eq!(world.life.view(&name("door")).unwrap().ends, None);
    world.ask("door", 60, 20);
    world.begin(Ok(()));
    let Landing::Granted(mut granted) = world.granted(3600) else { unreachable!() };
    granted.refresh_lifetime = Some(10 * DAY);
    world.land(Landing::Granted(granted));
    world.save(true);
    let view = world.life.view(&name("door")).unwrap();
    assert_eq!(view.ends, Some(world.now.boot + 10 * DAY));
    assert_eq!(view.warns, Some(world.now.boot + DAY.mul_f64(7.5)));
    world.pass(DAY.mul_f64(5.6));
    assert_eq!(world.begins.len(), 1, "used after half of it");
}

#[test]
fn a_warm_account_is_kept_fresh_for_five_lives_after_somebody_asked() {
    let mut world = World::new();
    mode(&mut world, Mode::Warm);
    world.restore("door", 3600, 0, rules());
    let mut refreshes = 0;
    for _ in 0..24 {
        world.pass_seconds(3000);
        while !world.begins.is_empty() {
            refreshes += 1;
            world.refresh_well(3600);
        }
    }
    assert!((4..=7).contains(&refreshes), "{refreshes}");
    let asked = world.ask("door", 60, 20);
    world.refresh_well(3600);
    assert!(world.token(asked).is_some(), "whoever asks makes it warm again");
    world.pass_seconds(3000);
    assert_eq!(world.begins.len(), 1);
}

#[test]
fn a_lazy_account_is_refreshed_when_somebody_asks_and_else_left_alone() {
    let mut world = World::new();
    mode(&mut world, Mode::Lazy);
    world.restore("door", 3600, 0, rules());
    world.pass(30 * DAY);
    assert!(world.begins.is_empty());
    let asked = world.ask("door", 60, 20);
    world.refresh_badly(failure(FailureClass::Transient));
    world.pass_seconds(3);
    world.refresh_well(3600);
    assert!(world.token(asked).is_some());
    let asked = world.ask("door", 60, 20);
    assert!(world.token(asked).is_some());
    world.pass(DAY);
    world.ask("door", 60, 1);
    world.refresh_badly(failure(FailureClass::Transient));
    world.pass(DAY);
    assert!(world.begins.is_empty(), "nobody waits, so nobody is bothered");
}

#[test]
fn a_token_of_unknown_fate_is_settled_in_every_mode() {
    let mut world = World::new();
    mode(&mut world, Mode::Lazy);
    world.restore("door", 3600, 4000, rules());
    world.ask("door", 60, 1);
    world.refresh_badly(failure(FailureClass::Ambiguous));
    world.pass_seconds(2);
    assert_eq!(world.begins.len(), 1, "waiting only burns the provider's grace");
}

#[test]
fn another_mode_holds_from_the_moment_it_is_set() {
    let mut world = World::new();
    mode(&mut world, Mode::Lazy);
    world.restore("door", 3600, 3500, rules());
    assert!(world.begins.is_empty());
    mode(&mut world, Mode::Always);
    assert_eq!(world.begins.len(), 1);
}

#[test]
fn a_program_that_rejects_every_token_cannot_have_it_renewed_without_end() {
    let mut world = World::new();
    world.restore("door", 3600, 0, rules());
    let mut token = "restored-door".to_owned();
    let mut renewed = 0;
    for _ in 0..45 {
        world.pass_seconds(6);
        let asked = world.ask_about("door", Some(0), 20, Some(print(&token)));
        if !world.begins.is_empty() {
            world.refresh_well(3600);
            renewed += 1;
        }
        if let Some(next) = world.token(asked) {
            token = next.to_owned();
        }
    }
    assert!((10..=12).contains(&renewed), "{renewed} in five minutes");
    assert_eq!(world.storms.len(), 1, "it is told once");
    let asked = world.ask_about("door", Some(0), 20, Some(print(&token)));
    let answer = world.answer(asked).expect("nobody waits for what comes too late");
    let Err(Refusal::TooSoon { retry_at: Some(at) }) = answer else { panic!("{answer:?}") };
    assert!(*at > world.now.boot);
    let other = world.ask("door", 60, 20);
    assert_eq!(world.token(other), Some(token.as_str()), "the others are served");
}

#[test]
fn a_storm_never_keeps_a_token_that_is_due_from_being_renewed() {
    let mut world = World::new();
    world.restore("door", 3600, 0, rules());
    for count in 0..12 {
        let token = if count == 0 { "restored-door".into() } else { format!("access-{count}") };
        world.pass_seconds(6);
        world.ask_about("door", Some(0), 20, Some(print(&token)));
        if !world.begins.is_empty() {
            world.refresh_well(60);
        }
    }
    world.pass_seconds(100);
    assert_eq!(world.begins.len(), 1, "it has expired");
}

#[test]
fn a_provider_that_refuses_early_refreshes_is_not_asked_early_whoever_is_in_a_hurry() {
    let mut world = World::new();
    let not_before = Some(Duration::from_mins(1));
    world.restore("door", 3600, 100, Rules { not_before, ..rules() });
    let asked = world.ask_about("door", Some(0), 20, Some(print("restored-door")));
    let answer = world.answer(asked).expect("it comes too late");
    let Err(Refusal::TooSoon { retry_at }) = answer else { panic!("{answer:?}") };
    assert_eq!(*retry_at, Some(world.now.boot + Duration::from_secs(3600 - 100 - 60)));
    assert!(world.begins.is_empty());
}

#[test]
fn a_rejected_token_is_replaced_even_if_the_first_try_fails_and_nobody_waits_any_more() {
    let mut world = World::new();
    world.restore("door", 3600, 100, rules());
    world.ask_about("door", Some(0), 1, Some(print("restored-door")));
    world.refresh_badly(failure(FailureClass::Transient));
    world.pass_seconds(6);
    assert_eq!(world.begins.len(), 1);
}

#[test]
fn a_second_opinion_on_a_dead_grant_is_sought_in_every_mode() {
    let mut world = World::new();
    mode(&mut world, Mode::Lazy);
    world.restore("door", 3600, 4000, Rules { strict: false, ..rules() });
    world.ask("door", 60, 1);
    world.refresh_badly(failure(FailureClass::DeadGrant));
    world.pass_seconds(6);
    assert_eq!(world.begins.len(), 1);
    world.refresh_badly(failure(FailureClass::DeadGrant));
    assert_eq!(doing(&world, "door"), Doing::LoginRequired);
}

#[test]
fn who_is_waited_for_goes_first_after_its_pause_although_others_queued_before() {
    let mut world = World::with(Settings { max_flights: 1, ..Settings::default() });
    world.restore("wanted", 60, 100, rules());
    world.begin(Ok(()));
    world.land(Landing::Failed { failure: failure(FailureClass::Transient), rescued: None });
    let asked = world.ask("wanted", 10, 3000);
    for who in ["flies", "queues"] {
        world.restore(who, 60, 100, rules());
    }
    world.begin(Ok(()));
    world.pass_seconds(1000);
    assert!(world.answer(asked).is_none());
    let granted = world.granted(3600);
    world.land(granted);
    world.save(true);
    world.refresh_well(3600);
    assert_eq!(world.token(asked), Some("access-2"));
}
