//! What happens, told as sentences.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::world::{World, name};
use super::{failure, rules};
use crate::lifecycle::{Doing, Event, Refusal, Rules, Settings};
use crate::model::{
    AccessToken, Failure, FailureClass, FlightId, Landing, RefreshToken, Scopes, Standing,
};

pub(super) fn doing(world: &World, who: &str) -> Doing {
    world.life.view(&name(who)).expect("the account is there").doing
}

#[test]
fn a_fresh_token_is_handed_out_at_once_and_nothing_is_sent() {
    let mut world = World::new();
    world.restore("door", 3600, 10, rules());
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("restored-door"));
    assert!(world.begins.is_empty());
}

#[test]
fn a_token_is_refreshed_ahead_of_its_expiry_with_nobody_waiting() {
    let mut world = World::new();
    world.restore("door", 3600, 0, rules());
    world.pass_seconds(2579);
    assert!(world.begins.is_empty(), "not before 43 minutes");
    world.pass_seconds(301);
    assert_eq!(world.begins.len(), 1, "at 48 minutes at the latest");
    world.refresh_well(3600);
    assert_eq!(doing(&world, "door"), Doing::Ready);
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("access-1"));
    assert!(world.changes.iter().any(|(_, new_token)| *new_token));
}

#[test]
fn a_hundred_callers_at_an_expired_token_cause_one_flight_and_all_are_served() {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    let asked: Vec<_> = (0..100).map(|_| world.ask("door", 60, 20)).collect();
    assert!(asked.iter().all(|asked| world.answer(*asked).is_none()));
    assert_eq!(world.begins.len(), 1);
    world.refresh_well(3600);
    assert!(asked.iter().all(|asked| world.token(*asked) == Some("access-1")));
    assert!(world.begins.is_empty());
}

#[test]
fn nobody_sees_a_token_before_it_is_saved() {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    let asked = world.ask("door", 60, 20);
    world.begin(Ok(()));
    let granted = world.granted(3600);
    world.land(granted);
    assert!(world.answer(asked).is_none(), "landed is not saved");
    world.save(false);
    assert!(world.answer(asked).is_none(), "a disk that refuses keeps callers waiting");
    world.pass_seconds(2);
    world.save(true);
    assert_eq!(world.token(asked), Some("access-1"), "and loses nothing");
}

#[test]
fn a_caller_never_waits_past_its_deadline() {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    let asked = world.ask("door", 60, 5);
    world.begin(Ok(()));
    world.pass_seconds(6);
    assert_eq!(world.answer(asked).unwrap().as_ref().unwrap_err(), &Refusal::TimedOut);
    let granted = world.granted(3600);
    world.land(granted);
    world.save(true);
    assert_eq!(doing(&world, "door"), Doing::Ready, "the flight goes on without the caller");
}

#[test]
fn a_token_that_still_lives_is_handed_out_marked_stale_when_the_provider_is_in_trouble() {
    let mut world = World::new();
    world.restore("door", 3600, 3570, rules());
    let asked = world.ask("door", 60, 20);
    assert!(world.answer(asked).is_none(), "30 s are less than asked for");
    world.refresh_badly(failure(FailureClass::Transient));
    assert_eq!(world.token(asked), Some("restored-door"));
    assert!(world.answer(asked).unwrap().as_ref().unwrap().stale);
    assert_eq!(doing(&world, "door"), Doing::BackingOff);
}

#[test]
fn a_caller_who_cannot_outwait_the_back_off_is_told_at_once_when_to_come_back() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    let patient =
        Failure { retry_after: Some(Duration::from_mins(5)), ..failure(FailureClass::Transient) };
    world.refresh_badly(patient);
    let asked = world.ask("door", 10, 20);
    match world.answer(asked) {
        Some(Err(Refusal::Unavailable { retry_at: Some(at), .. })) => {
            assert_eq!(at.since(world.now.boot), Duration::from_mins(5));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_caller_who_can_outwait_the_back_off_waits() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    let asked = world.ask("door", 10, 20);
    world.refresh_badly(failure(FailureClass::NotSent));
    assert!(world.answer(asked).is_none());
    world.pass_seconds(2);
    world.refresh_well(60);
    assert_eq!(world.token(asked), Some("access-1"));
}

#[test]
fn invalid_grant_of_a_strict_provider_needs_a_login_and_erases_nothing() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    let asked = world.ask("door", 10, 20);
    world.refresh_badly(failure(FailureClass::DeadGrant));
    assert!(matches!(world.answer(asked), Some(Err(Refusal::LoginRequired { .. }))));
    assert_eq!(doing(&world, "door"), Doing::LoginRequired);
    assert!(matches!(world.stands.last(), Some(Standing::NeedsLogin { .. })));
    assert!(world.erased.is_empty());
    world.pass_seconds(86_400);
    assert!(world.begins.is_empty(), "a dead grant is not tried again");
}

#[test]
fn invalid_grant_of_a_lax_provider_is_tried_once_more() {
    let mut world = World::new();
    world.restore("door", 60, 100, Rules { strict: false, ..rules() });
    world.refresh_badly(failure(FailureClass::DeadGrant));
    assert_eq!(doing(&world, "door"), Doing::BackingOff);
    world.pass_seconds(2);
    world.refresh_well(60);
    assert_eq!(doing(&world, "door"), Doing::Ready);
}

#[test]
fn only_invalid_grant_asks_for_a_login() {
    for class in [
        FailureClass::NotSent,
        FailureClass::Ambiguous,
        FailureClass::Transient,
        FailureClass::Captive,
        FailureClass::ClientBroken,
        FailureClass::RequestBroken,
    ] {
        let mut world = World::new();
        world.restore("door", 60, 100, rules());
        for _ in 0..20 {
            world.refresh_badly(failure(class));
            assert_ne!(doing(&world, "door"), Doing::LoginRequired, "{class:?}");
            world.pass_seconds(3600);
        }
        world.refresh_well(60);
        assert_eq!(doing(&world, "door"), Doing::Ready, "{class:?}");
    }
}

#[test]
fn after_a_lost_answer_the_same_token_is_sent_again_at_once_and_the_attempt_stays_on_record() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    let first = world.begin(Ok(()));
    world.land(Landing::Failed { failure: failure(FailureClass::Ambiguous), rescued: None });
    assert!(!world.abandoned.contains(&first), "its fate is not known");
    world.pass(Duration::from_millis(250));
    assert_eq!(world.begins.len(), 1);
    world.begin(Ok(()));
    assert!(world.abandoned.contains(&first), "only now that the next intent is durable");
    let granted = world.granted(60);
    world.land(granted);
    world.save(true);
    assert_eq!(doing(&world, "door"), Doing::Ready);
}

#[test]
fn a_lost_answer_followed_by_invalid_grant_says_where_the_token_went() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    world.refresh_badly(failure(FailureClass::Ambiguous));
    world.pass_seconds(1);
    world.refresh_badly(failure(FailureClass::DeadGrant));
    let view = world.life.view(&name("door")).unwrap();
    assert!(view.detail.unwrap().contains("lost on its way"));
}

#[test]
fn an_attempt_found_unresolved_at_start_is_settled_before_the_account_is_served() {
    let mut world = World::new();
    world.restore_as("door", Standing::Good, 3600, 10, rules(), Some(FlightId(77)));
    let asked = world.ask("door", 60, 20);
    assert!(world.answer(asked).is_none(), "its token looks fresh, but may be dead");
    assert_eq!(world.begins.len(), 1, "and no alarm had to ring for it");
    world.begin(Ok(()));
    assert_eq!(world.abandoned, [FlightId(77)]);
    let granted = world.granted(3600);
    world.land(granted);
    world.save(true);
    assert_eq!(world.token(asked), Some("access-1"));
}

#[test]
fn a_client_that_is_rejected_stops_all_its_accounts_with_one_request() {
    let mut world = World::new();
    for who in ["one", "two", "three"] {
        world.restore(who, 3600, 0, rules());
    }
    let token = AccessToken::new("restored-one".into()).fingerprint();
    world.ask_about("one", Some(60), 20, Some(token));
    world.refresh_badly(failure(FailureClass::ClientBroken));
    for who in ["one", "two", "three"] {
        assert_eq!(doing(&world, who), Doing::Held, "{who}");
        let asked = world.ask(who, 60, 20);
        let expected = (who != "one").then(|| format!("restored-{who}"));
        if let Some(expected) = expected {
            assert_eq!(world.token(asked), Some(expected.as_str()), "what lives is handed out");
        }
    }
    assert!(world.begins.is_empty());
}

#[test]
fn a_held_account_is_tried_again_when_its_definition_is_mended() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    world.refresh_badly(failure(FailureClass::RequestBroken));
    assert_eq!(doing(&world, "door"), Doing::Held);
    let mended = Rules { strict: false, ..rules() };
    world.define(Some(mended));
    world.refresh_well(60);
    assert_eq!(doing(&world, "door"), Doing::Ready);
}

#[test]
fn who_asks_while_a_held_account_is_tried_again_waits_for_the_outcome() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    world.refresh_badly(failure(FailureClass::RequestBroken));
    let refused = world.ask("door", 60, 20);
    assert!(matches!(world.answer(refused), Some(Err(Refusal::Held { .. }))));
    for mended in [Rules { strict: false, ..rules() }, rules()] {
        world.define(Some(mended));
        let asked = world.ask("door", 60, 20);
        assert!(world.answer(asked).is_none());
        world.refresh_badly(failure(FailureClass::RequestBroken));
        assert!(matches!(world.answer(asked), Some(Err(Refusal::Held { .. }))));
    }
    let mended = Rules { strict: false, ..rules() };
    world.define(Some(mended));
    let asked = world.ask("door", 60, 20);
    world.refresh_well(60);
    assert_eq!(world.token(asked), Some("access-1"));
}

/// Each try spends a refresh token, and the last one is as good as the first.
#[test]
fn a_provider_whose_answers_are_odd_again_and_again_is_asked_less_and_less_often() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    for pause in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600] {
        world.begin(Ok(()));
        world.land(Landing::Failed {
            failure: failure(FailureClass::Transient),
            rescued: Some(RefreshToken::new("rescued".into())),
        });
        world.save(true);
        assert_eq!(doing(&world, "door"), Doing::BackingOff);
        let told = world.life.view(&name("door")).unwrap().detail.unwrap();
        assert_eq!(told.contains("run: ostler login"), pause >= 512, "{pause}: {told}");
        world.pass_seconds(pause - 1);
        assert!(world.begins.is_empty(), "not before {pause} s");
        world.pass_seconds(1);
        assert_eq!(world.begins.len(), 1, "after {pause} s");
    }
    world.refresh_well(3600);
    assert_eq!(doing(&world, "door"), Doing::Ready);
}

#[test]
fn a_refresh_token_in_an_odd_answer_is_kept_and_used_from_then_on() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    world.begin(Ok(()));
    world.land(Landing::Failed {
        failure: failure(FailureClass::Transient),
        rescued: Some(RefreshToken::new("rescued".into())),
    });
    let change = world.saves.front().expect("it goes to the disk");
    assert!(change.refresh.is_some() && change.issued.is_none());
    world.save(true);
    world.pass_seconds(5);
    world.refresh_well(60);
    assert_eq!(doing(&world, "door"), Doing::Ready);
}

#[test]
fn fifty_reports_of_one_rejected_token_cause_one_refresh() {
    let mut world = World::new();
    world.restore("door", 3600, 60, rules());
    let token = AccessToken::new("restored-door".into()).fingerprint();
    let asked: Vec<_> =
        (0..50).map(|_| world.ask_about("door", Some(60), 20, Some(token))).collect();
    let bystander = world.ask("door", 60, 20);
    assert_eq!(world.token(bystander), Some("restored-door"), "others are not held up");
    world.refresh_well(3600);
    assert!(asked.iter().all(|asked| world.token(*asked) == Some("access-1")));
    let late = world.ask_about("door", Some(60), 20, Some(token));
    assert_eq!(world.token(late), Some("access-1"), "an old report finds the new token");
    assert!(world.begins.is_empty());
}

#[test]
fn reports_of_rejected_tokens_cannot_make_refreshes_closer_than_the_gap() {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    world.refresh_well(3600);
    let token = AccessToken::new("access-1".into()).fingerprint();
    let asked = world.ask_about("door", Some(60), 20, Some(token));
    assert!(world.begins.is_empty());
    world.pass_seconds(5);
    world.refresh_well(3600);
    assert_eq!(world.token(asked), Some("access-2"));
}

#[test]
fn a_disk_that_takes_no_intent_keeps_the_request_from_being_sent() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    let asked = world.ask("door", 10, 1);
    world.begin(Err("no space left on device".into()));
    assert!(world.air.is_empty());
    assert!(matches!(world.answer(asked), Some(Err(Refusal::NotSaved { .. }))));
    world.pass_seconds(2);
    world.refresh_well(60);
    assert_eq!(doing(&world, "door"), Doing::Ready);
}

#[test]
fn when_flights_are_scarce_those_that_callers_wait_for_go_first() {
    let mut world = World::with(Settings { max_flights: 1, ..Settings::default() });
    for who in ["one", "two", "three"] {
        world.restore(who, 60, 100, rules());
    }
    assert_eq!(world.begins.len(), 1);
    let asked = world.ask("three", 10, 60);
    world.refresh_well(3600);
    world.refresh_well(3600);
    assert_eq!(world.token(asked), Some("access-2"));
    world.refresh_well(3600);
    assert!(["one", "two", "three"].iter().all(|who| doing(&world, who) == Doing::Ready));
}

#[test]
fn asking_for_more_life_than_a_token_has_does_not_refresh_at_every_question() {
    let mut world = World::new();
    world.restore("door", 8, 1, rules());
    for _ in 0..10 {
        let asked = world.ask("door", 60, 20);
        assert!(world.answer(asked).unwrap().as_ref().unwrap().stale, "and says so");
    }
    assert!(world.begins.is_empty());
}

#[test]
fn a_fresh_token_is_stale_only_to_those_who_said_how_long_it_has_to_last() {
    let mut world = World::new();
    world.restore("short", 50, 1, rules());
    let asked = world.ask_plainly("short");
    assert!(!world.answer(asked).unwrap().as_ref().unwrap().stale);
    let asked = world.ask("short", 60, 20);
    assert!(world.answer(asked).unwrap().as_ref().unwrap().stale);
    assert!(world.begins.is_empty());
}

#[test]
fn a_thousand_accounts_that_are_due_together_leave_at_a_bounded_rate_waiters_first() {
    let mut world = World::with(Settings { max_flights: 1, ..Settings::default() });
    for number in 0..1000 {
        world.restore(&format!("a{number}"), 3600, 4000, rules());
    }
    let asked = world.ask("a999", 60, 60);
    let mut in_the_first_second = 0;
    for _ in 0..40 {
        while !world.begins.is_empty() {
            in_the_first_second += 1;
            world.refresh_well(3600);
        }
        world.pass(Duration::from_millis(25));
    }
    assert!((10..=20).contains(&in_the_first_second), "{in_the_first_second}");
    assert_eq!(world.token(asked), Some("access-2"), "right behind the one in the air");
    for _ in 0..10_000 {
        while !world.begins.is_empty() {
            world.refresh_well(36_000);
        }
        world.pass(Duration::from_millis(25));
    }
    assert!(world.life.views().iter().all(|view| view.doing == Doing::Ready));
}

#[test]
fn what_is_not_known_of_a_token_stays_unknown_until_the_provider_has_spoken() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    let first = world.begin(Ok(()));
    world.land(Landing::Failed { failure: failure(FailureClass::Ambiguous), rescued: None });
    world.pass_seconds(1);
    let second = world.begin(Ok(()));
    assert_eq!(world.abandoned, [first]);
    world.land(Landing::Failed { failure: failure(FailureClass::NotSent), rescued: None });
    assert_eq!(world.abandoned, [first], "the network says nothing about the token");
    world.pass_seconds(2);
    world.begin(Ok(()));
    assert_eq!(world.abandoned, [first, second]);
}

#[test]
fn a_refresh_that_names_no_scopes_leaves_those_that_were_granted() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    world.begin(Ok(()));
    let Landing::Granted(mut granted) = world.granted(60) else { unreachable!() };
    granted.scopes = Some(Scopes::parse_lenient("open"));
    world.land(Landing::Granted(granted));
    world.save(true);
    world.pass_seconds(50);
    world.refresh_well(60);
    let view = world.life.view(&name("door")).unwrap();
    assert_eq!(view.scopes.join(" "), "open", "and not what was asked for");
}

#[test]
fn an_account_held_without_its_definition_is_tried_again_when_that_is_back() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    world.refresh_badly(failure(FailureClass::RequestBroken));
    world.define(None);
    world.pass_seconds(3700);
    world.define(Some(rules()));
    world.refresh_well(60);
    assert_eq!(doing(&world, "door"), Doing::Ready);
}

#[test]
fn who_can_wait_for_the_next_try_waits_and_who_cannot_hears_when_it_is() {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    for _ in 0..12 {
        world.refresh_badly(failure(FailureClass::NotSent));
        let next = world.life.view(&name("door")).unwrap().next.unwrap();
        if next.since(world.now.boot) > Duration::from_secs(5) {
            let hasty = world.ask("door", 60, 1);
            let patient = world.ask("door", 60, 100);
            let answer = world.answer(hasty).expect("the next try comes too late");
            let Err(Refusal::Unavailable { retry_at, .. }) = answer else { panic!("{answer:?}") };
            assert_eq!(*retry_at, Some(next));
            assert!(world.answer(patient).is_none());
            world.pass(next.since(world.now.boot));
            world.refresh_well(3600);
            assert!(world.token(patient).is_some());
            return;
        }
        world.pass(next.since(world.now.boot));
    }
    panic!("no pause was long");
}

#[test]
fn an_account_whose_provider_is_not_defined_says_which_is_missing() {
    let mut world = World::new();
    world.restore("door", 3600, 0, rules());
    world.define(None);
    let view = world.life.view(&name("door")).unwrap();
    assert_eq!(view.doing, Doing::Held);
    assert!(view.detail.unwrap().contains("no definition of provider parqex"));
}

#[test]
fn of_two_attempts_on_record_the_one_with_a_useless_answer_is_forgotten() {
    let mut world = World::new();
    let rules = rules();
    let (answered, sent) = (FlightId(70), FlightId(71));
    world.answered = vec![answered];
    world.restore_as("door", Standing::Good, 3600, 4000, rules, Some(sent));
    let stamp = world.stamp();
    let landing = Landing::Failed { failure: failure(FailureClass::Transient), rescued: None };
    world.tell(Event::Landed { flight: answered, sent: stamp, landing });
    assert_eq!(world.abandoned, [answered]);
    world.pass_seconds(3);
    world.refresh_well(3600);
    assert_eq!(world.abandoned, [answered, sent], "nothing is left behind");
}

#[test]
fn a_start_opens_no_token_and_an_answer_opens_the_one_that_is_asked_for() {
    let mut world = World::new();
    for who in ["door", "gate", "late"] {
        world.restore(who, 3600, if who == "late" { 3600 } else { 10 }, rules());
    }
    world.tell(Event::Alarm);
    world.pass_seconds(1);
    let opened = Arc::clone(&world.opened);
    let count = || opened.load(Ordering::Relaxed);
    assert_eq!(count(), 0, "not for a refresh that is due, either");
    for _ in 0..3 {
        let asked = world.ask("door", 60, 20);
        assert_eq!(world.token(asked), Some("restored-door"));
    }
    assert_eq!(count(), 1);
}

#[test]
fn a_token_that_cannot_be_opened_is_none_and_a_refresh_brings_another() {
    let mut world = World::new();
    world.damaged = true;
    world.restore("door", 3600, 10, rules());
    world.restore_as(
        "gone",
        Standing::NeedsLogin { why: "over".to_owned() },
        3600,
        10,
        rules(),
        None,
    );
    let asked = world.ask("door", 60, 20);
    assert!(world.answer(asked).is_none());
    world.refresh_well(3600);
    assert_eq!(world.token(asked), Some("access-1"));
    let asked = world.ask("gone", 60, 20);
    assert!(matches!(world.answer(asked), Some(Err(Refusal::LoginRequired { .. }))));
}
