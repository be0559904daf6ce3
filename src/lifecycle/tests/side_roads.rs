//! Side roads: what rarely comes together, and must cost no login when it does.

use super::scenarios::doing;
use super::world::{World, name, request, seed};
use super::{failure, rules};
use crate::lifecycle::{Doing, Event, Purpose, Refusal, Rules, SignInEnd};
use crate::model::{
    About, AccessToken, Adjustment, Decision, Failure, FailureClass, FlightId, Generation,
    Standing, Values,
};

/// A login that was granted, and waits for the disk.
fn granted_anew(world: &mut World) {
    world.sign_in(1, "door", rules());
    world.redeem(1);
    world.land_well(3600);
}

#[test]
fn a_login_that_can_never_be_saved_leaves_the_one_before_as_it_was() {
    let mut world = World::new();
    world.restore("door", 3600, 10, rules());
    granted_anew(&mut world);
    world.refuse_save();
    assert!(matches!(world.ended[&request(1)], Err(SignInEnd::NotSaved { .. })));
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("restored-door"));
    world.pass_seconds(3000);
    assert_eq!(world.begins.len(), 1, "it is renewed when it is due");
    world.refresh_well(3600);
    assert_eq!(doing(&world, "door"), Doing::Ready);
}

/// A refresh that was in the air when a login came, and lands while that is not on the disk yet. Its token is the only
/// one that works if the login never gets there.
fn refreshed_under_a_login(world: &mut World) {
    world.restore("door", 3600, 4000, rules());
    world.begin(Ok(()));
    world.sign_in(1, "door", rules());
    world.redeem(1);
    world.air.rotate_left(1);
    for _ in 0..2 {
        world.land_well(3600);
    }
    assert_eq!(world.saves.len(), 2, "the login, and the token of the refresh");
}

#[test]
fn a_refresh_that_lands_while_a_login_is_unsaved_keeps_its_token() {
    let mut world = World::new();
    refreshed_under_a_login(&mut world);
    world.refuse_save();
    world.save(true);
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("access-2"), "the refresh's");
    world.pass_seconds(3000);
    world.refresh_well(3600);
    assert_eq!(doing(&world, "door"), Doing::Ready);
}

#[test]
fn a_refresh_that_lands_while_a_login_is_unsaved_does_not_replace_it() {
    for login_first in [true, false] {
        let mut world = World::new();
        refreshed_under_a_login(&mut world);
        if !login_first {
            world.saves.rotate_left(1);
        }
        world.save(true);
        world.save(true);
        let asked = world.ask("door", 60, 20);
        assert_eq!(world.token(asked), Some("access-1"), "the login's");
        assert_eq!(world.ended[&request(1)], Ok(seed("door").id));
        assert!(world.life.is_quiet());
        world.pass_seconds(3000);
        world.refresh_well(3600);
        assert_eq!(doing(&world, "door"), Doing::Ready, "login first: {login_first}");
    }
}

#[test]
fn while_a_login_is_on_its_way_to_the_disk_nothing_is_asked_of_the_one_before() {
    let mut world = World::new();
    world.restore("door", 3600, 10, rules());
    granted_anew(&mut world);
    world.pass_seconds(3500);
    let asked = world.ask("door", 300, 20);
    assert!(world.begins.is_empty() && world.answer(asked).is_none());
    world.save(true);
    assert_eq!(world.token(asked), Some("access-1"));
}

#[test]
fn nobody_is_told_to_sign_in_whose_new_login_waits_for_the_disk() {
    for took in [true, false] {
        let mut world = World::new();
        let over = Standing::NeedsLogin { why: "invalid_grant".into() };
        world.restore_as("door", over, 3600, 4000, rules(), None);
        granted_anew(&mut world);
        world.save(false);
        let late = world.ask("door", 60, 1);
        let asked = world.ask("door", 60, 60);
        world.pass_seconds(2);
        assert!(matches!(world.answer(late), Some(Err(Refusal::NotSaved { .. }))));
        assert!(world.answer(asked).is_none());
        if took {
            world.save(true);
            assert_eq!(world.token(asked), Some("access-1"));
        } else {
            world.refuse_save();
            let answer = world.answer(asked).unwrap();
            assert!(matches!(answer, Err(Refusal::LoginRequired { .. })), "{answer:?}");
        }
        assert!(world.begins.is_empty());
    }
}

#[test]
fn who_waits_for_a_login_that_is_not_saved_has_the_login_before_renewed() {
    let mut world = World::new();
    world.restore("door", 3600, 10, rules());
    granted_anew(&mut world);
    world.pass_seconds(3500);
    let asked = world.ask("door", 300, 20);
    world.refuse_save();
    world.refresh_well(3600);
    assert_eq!(world.token(asked), Some("access-2"));
}

#[test]
fn a_token_is_not_sent_again_that_is_spent_although_the_disk_never_takes_the_new_one() {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    world.begin(Ok(()));
    world.land_well(3600);
    for _ in 0..40 {
        world.refuse_save();
        let asked = world.ask("door", 60, 20);
        world.pass_seconds(21);
        let answer = world.answer(asked).unwrap();
        assert!(matches!(answer, Err(Refusal::NotSaved { .. })), "{answer:?}");
        world.pass_seconds(900);
        assert!(world.begins.is_empty(), "nothing is sent");
    }
    assert!(world.abandoned.is_empty(), "the raw answer stays on record");
    // whoever mends the disk has the login as it is
    world.save(true);
    let asked = world.ask("door", 60, 20);
    assert!(world.token(asked).is_none(), "it has run out meanwhile");
    world.refresh_well(3600);
    assert_eq!(doing(&world, "door"), Doing::Ready);
}

#[test]
fn a_stop_does_not_wait_for_a_disk_that_will_never_take_what_is_on_record() {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    world.begin(Ok(()));
    world.land_well(3600);
    world.tell(Event::Drain);
    assert!(!world.life.is_quiet());
    world.refuse_save();
    assert!(world.life.is_quiet(), "the next start reads the answer on record");
    assert!(world.abandoned.is_empty());
}

#[test]
fn a_stop_ends_by_itself_although_the_disk_takes_nothing() {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    world.begin(Ok(()));
    world.land_well(3600);
    world.sign_in(1, "gate", rules());
    world.redeem(1);
    world.land_well(3600);
    world.drain();
    let mut seconds = 0;
    while !world.life.is_quiet() {
        assert!(seconds < 55, "the service manager would kill it");
        while !world.saves.is_empty() {
            world.save(false);
        }
        world.pass_seconds(1);
        seconds += 1;
    }
    assert!(seconds > 40, "the disk may come back: {seconds}");
    assert_eq!(world.ended[&request(1)], Err(SignInEnd::Stopping));
    assert!(world.abandoned.is_empty(), "what is on record stays there");
}

/// A refresh of the login before lands when its token is of no interest any more.
#[test]
fn whoever_has_a_login_s_token_rejected_waits_for_a_refresh_of_that_login() {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    world.begin(Ok(()));
    world.sign_in(1, "door", rules());
    world.redeem(1);
    world.air.rotate_left(1);
    world.land_well(3600);
    world.save(true);
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("access-1"));
    let rejected = AccessToken::new("access-1".into()).fingerprint();
    let asked = world.ask_about("door", Some(60), 20, Some(rejected));
    world.land_well(3600);
    assert!(world.answer(asked).is_none(), "{:?}", world.answer(asked));
    world.pass_seconds(6);
    world.refresh_well(3600);
    assert_eq!(world.token(asked), Some("access-3"));
}

#[test]
fn an_account_is_logged_out_although_nobody_can_read_the_answer_on_record() {
    let mut world = World::new();
    world.restore("door", 3600, 10, rules());
    world.define(None);
    let door = world.life.id_of(&name("door")).unwrap().clone();
    world.life.resume_refresh(FlightId(900), &door, Generation(1), None);
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("restored-door"), "what is left is handed out");
    assert_eq!(doing(&world, "door"), Doing::Held);
    world.pass_seconds(4000);
    assert!(world.begins.is_empty(), "and nothing is sent before it is read");
    world.logout("door");
    world.erase(true);
    assert!(world.life.view(&name("door")).is_none());
}

#[test]
fn an_exchange_of_tokens_that_is_lost_says_nothing_about_the_refresh_token() {
    let mut world = World::new();
    world.restore("door", 3600, 10, Rules { exchanges: true, ..rules() });
    world.ask_narrowly("door", "open");
    world.refresh_badly(failure(FailureClass::Ambiguous));
    assert_eq!(world.abandoned.len(), 1, "nothing has to be remembered");
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("restored-door"));
    world.pass_seconds(30);
    while let Some(flight) = world.begins.front() {
        let (_, purpose) = &world.open[flight];
        assert!(matches!(purpose, Purpose::Refresh { subject: Some(_), .. }), "{purpose:?}");
        world.refresh_badly(failure(FailureClass::Ambiguous));
    }
}

#[test]
fn a_sign_in_that_begins_anew_is_for_the_account_that_the_one_before_may_still_make() {
    let mut world = World::new();
    world.sign_in_elsewhere(1, "door", rules());
    let first = world.life.id_to_sign_in(&name("door")).cloned();
    assert_eq!(first, Some(seed("door").id));
    world.pass_seconds(6);
    world.begin(Ok(()));
    // the user loses patience, and the answer brings the login
    world.sign_in(2, "door", rules());
    world.land_well(3600);
    world.save(true);
    assert_eq!(world.ended[&request(1)], Ok(seed("door").id));
    let again = world.life.id_to_sign_in(&name("door")).cloned();
    assert_eq!(again, first);
}

#[test]
fn an_account_gets_no_name_that_a_login_under_way_is_for() {
    let mut world = World::new();
    world.restore("door", 3600, 10, rules());
    world.sign_in(1, "gate", rules());
    world.adjust("door", Adjustment::Rename(name("gate")));
    assert_eq!(world.resumed.pop(), Some(Err(Refusal::NameTaken)));
    world.tell(Event::EndSignIn { request: request(1), why: SignInEnd::Cancelled });
    world.adjust("door", Adjustment::Rename(name("gate")));
    world.store_adjustment(true);
    assert_eq!(world.resumed.pop(), Some(Ok(())));
}

#[test]
fn no_login_is_for_a_name_that_another_account_is_about_to_have() {
    let mut world = World::new();
    world.restore("door", 3600, 10, rules());
    world.adjust("door", Adjustment::Rename(name("gate")));
    let early = world.sign_in(1, "gate", rules());
    assert_eq!(world.ended[&early], Err(SignInEnd::Cancelled), "before its code is spent");
    world.store_adjustment(false);
    world.sign_in(2, "gate", rules());
    world.tell(Event::Redeem { request: request(2), values: Values::default() });
    world.refresh_well(3600);
    assert_eq!(world.ended[&request(2)], Ok(seed("gate").id));
}

#[test]
fn an_account_that_is_renamed_and_logged_out_at_once_is_gone_and_its_name_is_free() {
    let mut world = World::new();
    world.restore("door", 3600, 10, rules());
    world.adjust("door", Adjustment::Rename(name("gate")));
    world.logout("door");
    world.store_adjustment(true);
    world.erase(true);
    for who in ["door", "gate"] {
        assert!(world.life.view(&name(who)).is_none(), "{who}");
        let asked = world.ask(who, 60, 20);
        assert_eq!(*world.answer(asked).unwrap().as_ref().unwrap_err(), Refusal::NoSuchAccount);
    }
    world.sign_in(1, "gate", rules());
    world.tell(Event::Redeem { request: request(1), values: Values::default() });
    world.refresh_well(3600);
    let asked = world.ask("gate", 60, 20);
    assert!(world.token(asked).is_some(), "{:?}", world.answer(asked));
}

#[test]
fn changes_that_end_in_another_order_than_they_began_are_told_apart() {
    let mut world = World::new();
    world.restore("door", 3600, 10, rules());
    world.restore("gate", 3600, 10, rules());
    world.adjust("door", Adjustment::Enable(false));
    world.adjust("gate", Adjustment::Enable(false));
    world.adjustments.rotate_left(1);
    world.store_adjustment(false);
    world.store_adjustment(true);
    assert_eq!((doing(&world, "door"), doing(&world, "gate")), (Doing::Disabled, Doing::Ready));

    world.set_rule(None, "exe:/bin/a", Decision::Deny);
    world.set_rule(None, "exe:/bin/b", Decision::Deny);
    world.rules.rotate_left(1);
    world.store_rule(false);
    world.store_rule(true);
    let denied = |world: &mut World, who: &str| {
        world.caller.identity = who.parse().unwrap();
        let asked = world.ask("gate", 60, 20);
        matches!(world.answer(asked), Some(Err(Refusal::Denied { .. })))
    };
    assert!(denied(&mut world, "exe:/bin/a"));
    assert!(!denied(&mut world, "exe:/bin/b"));
}

#[test]
fn of_two_rules_about_one_program_the_later_one_counts_however_slow_the_disk_is() {
    let mut world = World::new();
    world.restore("door", 3600, 10, rules());
    world.set_rule(None, "exe:/bin/a", Decision::Deny);
    world.set_rule(None, "exe:/bin/a", Decision::Allow);
    world.store_rule(true);
    world.store_rule(true);
    world.caller.identity = "exe:/bin/a".parse().unwrap();
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("restored-door"));
    assert_eq!(world.life.rules_in_force().len(), 1);
}

/// Conditional access for single APIs makes that ordinary.
#[test]
fn what_is_said_to_a_question_for_a_part_says_nothing_about_the_login() {
    let reused = Failure {
        code: Some("refresh_token_reused".into()),
        status: Some(400),
        about: About::Account,
        ..failure(FailureClass::Transient)
    };
    for refusal in [
        failure(FailureClass::DeadGrant),
        failure(FailureClass::ClientBroken),
        failure(FailureClass::RequestBroken),
        reused,
    ] {
        let class = refusal.class;
        let mut world = World::new();
        world.restore("door", 3600, 10, rules());
        world.restore("other-of-this-client", 3600, 10, rules());
        let part = world.ask_narrowly("door", "open");
        world.refresh_badly(refusal);
        let answer = world.answer(part).unwrap();
        assert!(matches!(answer, Err(Refusal::NotNarrowed { .. })), "{class:?}: {answer:?}");
        assert!(world.stands.iter().all(|standing| *standing == Standing::Good), "{class:?}");
        let whole = world.ask("door", 60, 20);
        assert_eq!(world.token(whole), Some("restored-door"), "{class:?}");
        assert_eq!(doing(&world, "door"), Doing::Ready, "{class:?}");
        // who asks again at once is told the same, and the provider is not
        let again = world.ask_narrowly("door", "open");
        assert!(matches!(world.answer(again), Some(Err(Refusal::NotNarrowed { .. }))));
        assert!(world.begins.is_empty(), "{class:?}");
        world.pass_seconds(601);
        world.ask_narrowly("door", "open");
        assert_eq!(world.begins.len(), 1, "{class:?}: later it is asked once more");
    }
}

#[test]
fn what_is_about_to_leave_when_the_machine_goes_to_sleep_stays() {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    world.tell(Event::Rest);
    let flight = world.begin(Ok(()));
    assert!(world.air.is_empty());
    assert!(
        world.abandoned.contains(&flight),
        "nothing is unknown about a request that was not sent"
    );
    assert!(world.life.is_quiet(), "the machine may sleep");
    world.tell(Event::Wake);
    world.pass_seconds(6);
    world.refresh_well(3600);
    assert_eq!(doing(&world, "door"), Doing::Ready);
}

#[test]
fn what_is_about_to_leave_when_the_daemon_stops_stays_and_who_waits_is_told() {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    let asked = world.ask("door", 60, 20);
    world.tell(Event::Drain);
    world.begin(Ok(()));
    assert!(world.air.is_empty() && world.life.is_quiet());
    assert_eq!(*world.answer(asked).unwrap().as_ref().unwrap_err(), Refusal::Stopping);
}

#[test]
fn a_code_that_came_back_is_redeemed_although_the_machine_goes_to_sleep() {
    let mut world = World::new();
    world.sign_in(1, "door", rules());
    world.tell(Event::Redeem { request: request(1), values: Values::default() });
    world.tell(Event::Rest);
    world.refresh_well(3600);
    assert_eq!(world.ended[&request(1)], Ok(seed("door").id));
}

#[test]
fn a_reason_without_words_of_the_provider_reads_well() {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    world.refresh_badly(failure(FailureClass::Ambiguous));
    world.pass_seconds(1);
    let dead = Failure { detail: String::new(), ..failure(FailureClass::DeadGrant) };
    world.refresh_badly(dead);
    let asked = world.ask("door", 60, 20);
    let Some(Err(Refusal::LoginRequired { why })) = world.answer(asked) else {
        panic!("{:?}", world.answer(asked))
    };
    assert_eq!(
        why,
        "invalid_grant: an earlier answer was lost on its way and the new token with it"
    );
}

#[test]
fn a_client_that_is_rejected_is_tried_by_one_account_an_hour_and_at_each_start() {
    let mut world = World::new();
    let held = Standing::Held { why: "invalid_client".into() };
    for number in 0..50 {
        world.restore_as(&format!("a{number}"), held.clone(), 3600, 4000, rules(), None);
    }
    assert_eq!(world.begins.len(), 1, "at the start");
    for _ in 0..5 {
        world.refresh_badly(failure(FailureClass::ClientBroken));
        assert!(world.begins.is_empty());
        world.pass_seconds(3599);
        assert!(world.begins.is_empty());
        world.pass_seconds(2);
        assert_eq!(world.begins.len(), 1, "an hour later");
    }
    // what says nothing about the client keeps the others waiting a minute, and one of them is next
    world.refresh_badly(failure(FailureClass::NotSent));
    world.pass_seconds(61);
    assert!((1..=2).contains(&world.begins.len()), "{}", world.begins.len());
    while world.begins.len() > 1 {
        world.refresh_badly(failure(FailureClass::NotSent));
    }
    world.refresh_well(3600);
    let mut tried = 0;
    for _ in 0..60 {
        while !world.begins.is_empty() {
            world.refresh_well(3600);
            tried += 1;
        }
        world.pass_seconds(1);
    }
    assert!(tried >= 48, "{tried} of the others are tried as soon as it works");
    assert!(world.life.views().iter().all(|view| view.doing == Doing::Ready));
}

/// A client that registered itself has its definition pinned, whatever the file of that name says by now.
#[test]
fn a_definition_that_is_gone_is_gone_for_those_clients_alone_that_used_it() {
    let mut world = World::new();
    world.restore("door", 3600, 10, rules());
    world.restore("other", 3600, 10, rules());
    let client = seed("door").client;
    assert_ne!(client, seed("other").client);
    assert_eq!(client.provider, seed("other").client.provider);
    world.tell(Event::Rules([(client, None)].into_iter().collect()));
    assert_eq!((doing(&world, "door"), doing(&world, "other")), (Doing::Held, Doing::Ready));
}

#[test]
fn an_account_that_is_held_is_tried_again_whatever_came_in_between() {
    let held = || {
        let mut world = World::new();
        let why = Standing::Held { why: "invalid_scope".into() };
        world.restore_as("door", why, 3600, 4000, rules(), None);
        world.refresh_badly(failure(FailureClass::RequestBroken));
        world
    };
    let is_tried = |world: &mut World| {
        world.pass_seconds(3600);
        world.refresh_well(3600);
        assert_eq!(doing(world, "door"), Doing::Ready);
    };
    let mut world = held();
    world.logout("door");
    world.erase(false);
    is_tried(&mut world);

    let mut world = held();
    world.adjust("door", Adjustment::Enable(false));
    world.store_adjustment(true);
    world.pass_seconds(1800);
    world.adjust("door", Adjustment::Enable(true));
    world.store_adjustment(true);
    is_tried(&mut world);

    let mut world = held();
    granted_anew(&mut world);
    world.pass_seconds(7200);
    world.refuse_save();
    is_tried(&mut world);
}
