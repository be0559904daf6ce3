//! What accounts that are gone leave to be done at their providers.

use std::time::Duration;

use super::failure;
use super::rules;
use super::world::{World, name, request, seed};
use crate::lifecycle::ErrandEffect::{Over, Run, Waits};
use crate::lifecycle::{ErrandEffect, ErrandEvent, ErrandSeed, Event, Rules, may_pass};
use crate::model::{ErrandId, Failure, FailureClass, FlightId, Landing, Values};

const DAY: u64 = 86_400;

impl World {
    fn owe(&mut self, number: u64, who: &str, worth: Option<Duration>, registered: bool) {
        let seed = seed(who);
        let errand = ErrandSeed {
            errand: ErrandId(number),
            account: seed.id,
            name: seed.name,
            client: seed.client,
            since: self.now.boot,
            worth,
            registered,
        };
        self.tell(Event::Errand(ErrandEvent::New(errand)));
    }

    fn tried(&mut self, number: u64, result: Result<(), Failure>) {
        self.tell(Event::Errand(ErrandEvent::Tried { errand: ErrandId(number), result }));
    }

    fn offline(&mut self, number: u64) {
        self.tried(number, Err(failure(FailureClass::NotSent)));
    }

    fn done(&mut self) -> Vec<ErrandEffect> {
        std::mem::take(&mut self.errands)
    }

    /// Fails each try until the errand is given up; how many there were.
    fn never_reached(&mut self) -> u32 {
        let mut tries = 0;
        loop {
            match self.done()[..] {
                [Run(_)] => {
                    tries += 1;
                    self.offline(1);
                }
                [Waits(_)] => {
                    let next = self.life.errands().next().unwrap().next.unwrap();
                    self.pass_seconds(1 + next.since(self.now.boot).as_secs());
                }
                [Over(_)] => return tries,
                ref other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_revocation_is_tried_at_once_and_forgotten_when_it_is_done() {
    let mut world = World::new();
    world.owe(1, "door", None, false);
    assert_eq!(world.done(), [Run(ErrandId(1))]);
    world.tried(1, Ok(()));
    assert_eq!(world.done(), [Over(ErrandId(1))]);
    world.pass_seconds(10 * DAY);
    assert!(world.done().is_empty());
    assert_eq!(world.life.errands().count(), 0);
}

#[test]
fn one_that_fails_is_tried_again_with_growing_pauses() {
    let mut world = World::new();
    world.owe(1, "door", None, false);
    world.done();
    let mut pauses = Vec::new();
    for _ in 0..14 {
        world.offline(1);
        assert_eq!(world.done(), [Waits(ErrandId(1))]);
        let shown = world.life.errands().next().unwrap();
        assert_eq!(shown.failure.unwrap().class, FailureClass::NotSent);
        let pause = shown.next.unwrap().since(world.now.boot);
        pauses.push(pause);
        world.pass_seconds(pause.as_secs() + 1);
        assert_eq!(world.done(), [Run(ErrandId(1))]);
    }
    assert!((5..=10).contains(&pauses[0].as_secs()), "{pauses:?}");
    assert!(pauses[13] >= Duration::from_mins(30) && pauses[13] <= Duration::from_hours(1));
}

#[test]
fn it_is_given_up_after_a_week_or_when_the_tokens_are_over() {
    let hours = |hours| Some(Duration::from_hours(hours));
    for (worth, registered, least, most) in [
        (None, false, 6 * DAY, 7 * DAY),
        (hours(24 * 30), false, 6 * DAY, 7 * DAY),
        (hours(5), false, 3 * 3600, 5 * 3600),
        // the client does not end with its tokens
        (hours(5), true, 6 * DAY, 7 * DAY),
    ] {
        let mut world = World::new();
        let start = world.now.boot;
        world.owe(1, "door", worth, registered);
        let tries = world.never_reached();
        let took = world.now.boot.since(start).as_secs();
        assert!((least..=most).contains(&took), "{worth:?} {registered}: {took} s");
        assert!((5..400).contains(&tries), "{tries}");
    }
}

#[test]
fn what_is_over_already_is_tried_once() {
    let mut world = World::new();
    world.owe(1, "door", Some(Duration::ZERO), false);
    assert_eq!(world.never_reached(), 1);
}

#[test]
fn the_network_brings_a_try_forward_unless_the_provider_itself_asked_for_a_pause() {
    let mut world = World::new();
    world.owe(1, "door", None, false);
    world.offline(1);
    world.owe(2, "gate", None, false);
    let asked = Some(Duration::from_mins(20));
    let busy =
        Failure { status: Some(503), retry_after: asked, ..failure(FailureClass::Transient) };
    world.tried(2, Err(busy));
    world.done();
    world.tell(Event::NetworkUp);
    assert_eq!(world.done(), [Run(ErrandId(1))]);
    world.tried(1, Ok(()));
    world.done();
    world.pass_seconds(20 * 60 - 5);
    assert!(world.done().is_empty(), "Retry-After is kept");
    world.pass_seconds(6);
    assert_eq!(world.done(), [Run(ErrandId(2))]);
}

#[test]
fn while_the_machine_is_about_to_sleep_nothing_leaves() {
    let mut world = World::new();
    world.tell(Event::Rest);
    world.owe(1, "door", None, false);
    assert_eq!(world.done(), [Waits(ErrandId(1))], "who waits for it is told");
    world.pass_seconds(30);
    assert!(world.done().is_empty());
    world.tell(Event::Wake);
    world.tell(Event::NetworkUp);
    assert_eq!(world.done(), [Run(ErrandId(1))]);
}

#[test]
fn a_stop_does_not_wait_for_revocations_and_starts_none() {
    let mut world = World::new();
    world.owe(1, "door", None, false);
    world.done();
    world.tell(Event::Drain);
    assert!(world.life.is_quiet());
    world.offline(1);
    world.owe(2, "gate", None, false);
    world.pass_seconds(3600);
    assert_eq!(world.done(), [Waits(ErrandId(1)), Waits(ErrandId(2))]);
}

#[test]
fn few_are_run_at_the_same_time() {
    let mut world = World::new();
    for number in 1..=9 {
        world.owe(number, "door", None, false);
    }
    let running =
        |effects: &[ErrandEffect]| effects.iter().filter(|effect| matches!(effect, Run(_))).count();
    assert_eq!(running(&world.done()), 4);
    for number in 1..=9 {
        world.tried(number, Ok(()));
    }
    let effects = world.done();
    assert_eq!(running(&effects), 5, "{effects:?}");
    assert_eq!(world.life.errands().count(), 0);
}

#[test]
fn a_new_login_has_the_old_one_revoked_before_the_user_agrees_or_not_at_all() {
    let mut world = World::new();
    world.owe(1, "door", None, false);
    world.owe(2, "gate", None, false);
    world.offline(1);
    world.offline(2);
    world.done();
    let request = world.sign_in(1, "door", rules());
    // it is the client's login that might be taken along, whoever's it is
    assert_eq!(world.done(), [Run(ErrandId(1)), Run(ErrandId(2))]);
    world.offline(1);
    world.offline(2);
    world.done();
    world.tell(Event::Redeem { request, values: Values::default() });
    world.begin(Ok(()));
    let granted = world.granted(3600);
    world.land(granted);
    world.save(true);
    assert_eq!(world.done(), [Over(ErrandId(1))], "the other account is another login");
}

/// What the user has agreed to by then may be one with the login before, and would be revoked with it.
#[test]
fn nothing_is_revoked_while_a_login_is_on_its_way_into_its_place() {
    let mut world = World::new();
    world.owe(1, "door", None, false);
    world.owe(2, "gate", None, false);
    world.offline(1);
    world.offline(2);
    let request = world.sign_in(1, "door", rules());
    world.offline(1);
    world.offline(2);
    world.done();
    world.pass_seconds(20);
    assert_eq!(world.done(), [Run(ErrandId(2))], "the other account waits for nobody");
    world.tried(2, Ok(()));
    world.done();
    world.tell(Event::Redeem { request, values: Values::default() });
    world.begin(Ok(()));
    world.pass_seconds(20);
    assert_eq!(world.done(), []);
    let landing = Landing::Failed { failure: failure(FailureClass::Ambiguous), rescued: None };
    world.land(landing);
    assert_eq!(world.done(), [Run(ErrandId(1))], "no login has come");
}

#[test]
fn one_from_an_earlier_run_waits_for_a_login_whose_answer_is_on_record() {
    let mut world = World::new();
    world.life.resume_exchange(FlightId(7), request(9), seed("door"), rules());
    world.owe(1, "door", None, false);
    assert_eq!(world.done(), [Waits(ErrandId(1))]);
    world.owe(2, "gate", None, false);
    assert_eq!(world.done(), [Run(ErrandId(2))]);
}

#[test]
fn trouble_passes_and_a_refusal_does_not() {
    let with = |class, status| Failure { status: Some(status), ..failure(class) };
    for class in [FailureClass::NotSent, FailureClass::Ambiguous, FailureClass::Captive] {
        assert!(may_pass(&failure(class)), "{class:?}");
    }
    for (status, passes) in [
        (400, false),
        (401, false),
        (404, false),
        (408, true),
        (429, true),
        (500, true),
        (503, true),
    ] {
        assert_eq!(may_pass(&with(FailureClass::Transient, status)), passes, "{status}");
    }
    let asked = Some(Duration::from_secs(1));
    let odd = Failure { retry_after: asked, ..with(FailureClass::Transient, 403) };
    assert!(may_pass(&odd), "who says when to come back wants that");
    for class in [FailureClass::ClientBroken, FailureClass::RequestBroken] {
        assert!(!may_pass(&with(class, 400)), "{class:?}");
    }
}

#[test]
fn a_logout_says_when_its_tokens_are_over() {
    let mut world = World::new();
    world.restore("door", 3600, 0, rules());
    world.logout("door");
    assert_eq!(world.tokens_end, None, "nobody knows how long the refresh token lives");
    world.erase(true);
    assert!(world.life.view(&name("door")).is_none());

    let rules = Rules { refresh_lifetime: Some(Duration::from_hours(48)), ..rules() };
    world.restore("gate", 3600, 600, rules);
    world.logout("gate");
    let left = world.tokens_end.unwrap().since(world.now.boot).as_secs();
    assert_eq!(left, 48 * 3600 - 600);
}
