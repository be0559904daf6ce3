//! Clients whose secret ends.

use std::time::Duration;

use super::scenarios::doing;
use super::world::{World, seed};
use super::{failure, rules};
use crate::lifecycle::{Doing, Event, RegistrationEvent};
use crate::model::{ClientKey, Failure, FailureClass, Wall};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn client() -> ClientKey {
    seed("door").client
}

impl World {
    fn ends_in(&self, seconds: u64) -> Wall {
        self.now.wall + Duration::from_secs(seconds)
    }

    fn know(&mut self, seconds: u64) {
        let known = RegistrationEvent::Known { client: client(), ends: self.ends_in(seconds) };
        self.tell(Event::Registration(known));
    }

    fn renewed(&mut self, result: Result<Option<Wall>, Failure>) {
        let renewed = RegistrationEvent::Renewed { client: client(), result };
        self.tell(Event::Registration(renewed));
    }

    /// How long it is until a secret is renewed the next time.
    fn until_renewal(&mut self) -> u64 {
        let next = self.life.registrations().next().unwrap().next.unwrap();
        let pause = next.since(self.now.boot).as_secs();
        self.pass_seconds(pause.saturating_sub(1));
        assert!(self.renewals.is_empty(), "not before");
        self.pass_seconds(2);
        assert_eq!(std::mem::take(&mut self.renewals), [client()]);
        pause
    }
}

#[test]
fn a_secret_is_renewed_a_week_before_it_ends() {
    let mut world = World::new();
    world.know(90 * DAY);
    assert_eq!(world.until_renewal(), 83 * DAY);
    let ends = world.ends_in(90 * DAY);
    world.renewed(Ok(Some(ends)));
    assert_eq!(world.until_renewal(), 83 * DAY);
    world.renewed(Ok(None));
    assert_eq!(world.life.registrations().count(), 0, "it does not end any more");
}

#[test]
fn a_short_lived_secret_is_renewed_in_half_of_its_time_and_one_that_is_over_at_once() {
    let mut world = World::new();
    world.know(2 * HOUR);
    assert_eq!(world.until_renewal(), HOUR);
    let mut world = World::new();
    world.know(0);
    assert_eq!(world.renewals, [client()]);
}

#[test]
fn what_is_known_is_not_set_back_by_an_older_word() {
    let mut world = World::new();
    world.know(90 * DAY);
    world.know(0);
    assert!(world.renewals.is_empty());
    world.tell(Event::Registration(RegistrationEvent::Gone(client())));
    world.pass_seconds(200 * DAY);
    assert!(world.renewals.is_empty());
}

#[test]
fn a_renewal_that_fails_is_tried_again_also_when_the_secret_is_over() {
    let mut world = World::new();
    world.know(2 * HOUR);
    world.until_renewal();
    world.renewed(Err(failure(FailureClass::NotSent)));
    assert_eq!(world.until_renewal(), 60);
    world.renewed(Err(failure(FailureClass::NotSent)));
    assert_eq!(world.until_renewal(), 120);
    let asked = Some(Duration::from_mins(40));
    let busy = Failure { retry_after: asked, ..failure(FailureClass::Transient) };
    world.renewed(Err(busy));
    assert_eq!(world.until_renewal(), 2400, "Retry-After is kept");
    world.renewed(Err(failure(FailureClass::RequestBroken)));
    assert_eq!(world.until_renewal(), 6 * HOUR, "it is over by now");
    let shown = world.life.registrations().next().unwrap();
    assert!(shown.ends < world.now.wall);
    assert_eq!(shown.failure.unwrap().class, FailureClass::RequestBroken);
}

#[test]
fn an_end_that_does_not_move_is_no_renewal() {
    let mut world = World::new();
    world.know(2 * HOUR);
    let ends = world.ends_in(2 * HOUR);
    world.until_renewal();
    for pause in [60, 120, 240] {
        world.renewed(Ok(Some(ends)));
        assert_eq!(world.until_renewal(), pause);
    }
}

#[test]
fn the_network_and_the_clock_bring_a_renewal_forward() {
    let mut world = World::new();
    world.know(2 * HOUR);
    world.until_renewal();
    world.renewed(Err(failure(FailureClass::NotSent)));
    world.tell(Event::NetworkUp);
    assert_eq!(std::mem::take(&mut world.renewals), [client()]);

    let mut world = World::new();
    world.know(90 * DAY);
    world.now.wall = world.ends_in(100 * DAY);
    world.tell(Event::ClockSet);
    assert_eq!(world.renewals, [client()]);
}

#[test]
fn a_stop_and_a_machine_at_rest_start_none() {
    for event in [Event::Drain, Event::Rest] {
        let mut world = World::new();
        world.tell(event);
        world.know(0);
        assert!(world.renewals.is_empty());
    }
}

/// What the provider made of it may be all that is good for anything.
#[test]
fn stop_and_sleep_wait_for_a_renewal_until_it_is_on_the_disk() {
    let pauses = [1, 2, 4, 8, 16, 32, 60, 60];
    // a stop waits for less than a minute
    for (event, pauses) in [(Event::Drain, &pauses[..5]), (Event::Rest, &pauses[..])] {
        let mut world = World::new();
        world.know(0);
        world.tell(event);
        assert_eq!(std::mem::take(&mut world.renewals), [client()]);
        assert!(!world.life.is_quiet(), "a request is under way");
        world.tell(Event::Registration(RegistrationEvent::Keeping(client())));
        for &pause in pauses {
            assert!(!world.life.is_quiet() && world.keeps.is_empty(), "the disk has it");
            let why = "full".to_owned();
            world.tell(Event::Registration(RegistrationEvent::Unkept { client: client(), why }));
            let shown = world.life.registrations().next().unwrap();
            assert_eq!(shown.failure.unwrap().to_string(), "nothing can be written down: full");
            world.pass_seconds(pause - 1);
            assert!(world.keeps.is_empty(), "not before {pause} s");
            world.pass_seconds(1);
            assert_eq!(std::mem::take(&mut world.keeps), [client()]);
            world.tell(Event::Registration(RegistrationEvent::Keeping(client())));
        }
        let ends = world.ends_in(90 * DAY);
        world.tell(Event::Registration(RegistrationEvent::Kept(client())));
        world.renewed(Ok(Some(ends)));
        assert!(world.life.is_quiet());
        world.pass_seconds(120);
        assert!(world.keeps.is_empty() && world.renewals.is_empty());
    }
}

#[test]
fn a_stop_ends_although_the_disk_never_takes_what_a_provider_made_of_a_registration() {
    let mut world = World::new();
    world.tell(Event::Registration(RegistrationEvent::Keeping(client())));
    world.drain();
    world.pass_seconds(51);
    assert!(!world.life.is_quiet(), "the disk has it");
    let why = "full".to_owned();
    world.tell(Event::Registration(RegistrationEvent::Unkept { client: client(), why }));
    assert!(world.life.is_quiet());
}

/// Neither the first end of two is the end of both, nor does it matter which of them is first.
#[test]
fn what_a_renewal_and_a_login_have_written_down_of_one_client_is_waited_for_twice() {
    let keeping = || Event::Registration(RegistrationEvent::Keeping(client()));
    let kept = || Event::Registration(RegistrationEvent::Kept(client()));
    let unkept = || {
        let why = "full".to_owned();
        Event::Registration(RegistrationEvent::Unkept { client: client(), why })
    };
    let mut world = World::new();
    world.tell(keeping());
    world.tell(keeping());
    world.tell(kept());
    assert!(!world.life.is_quiet(), "the disk has the other one");
    world.tell(unkept());
    assert!(!world.life.is_quiet(), "it is in memory alone");
    world.pass_seconds(1);
    assert_eq!(std::mem::take(&mut world.keeps), [client()]);
    world.tell(keeping());
    world.tell(kept());
    assert!(world.life.is_quiet());

    // the later one is on the disk, and is not replaced by the earlier one
    world.tell(keeping());
    world.tell(keeping());
    world.tell(unkept());
    world.tell(kept());
    assert!(world.life.is_quiet());
    world.pass_seconds(60);
    assert!(world.keeps.is_empty());
}

/// A login may have it registered for more.
#[test]
fn a_registration_whose_secret_does_not_end_is_kept_like_the_others() {
    let mut world = World::new();
    world.tell(Event::Registration(RegistrationEvent::Keeping(client())));
    let why = "full".to_owned();
    world.tell(Event::Registration(RegistrationEvent::Unkept { client: client(), why }));
    world.tell(Event::Drain);
    assert!(!world.life.is_quiet());
    world.pass_seconds(1);
    assert_eq!(world.keeps, [client()]);
    world.tell(Event::Registration(RegistrationEvent::Gone(client())));
    assert!(world.life.is_quiet(), "its last account has gone");
}

#[test]
fn accounts_that_were_refused_with_the_old_secret_are_tried_with_the_new_one() {
    let mut world = World::new();
    world.restore("door", 60, 100, rules());
    world.know(0);
    world.refresh_badly(failure(FailureClass::ClientBroken));
    assert_eq!(doing(&world, "door"), Doing::Held);
    let ends = world.ends_in(90 * DAY);
    world.renewed(Ok(Some(ends)));
    world.refresh_well(3600);
    assert_eq!(doing(&world, "door"), Doing::Ready);
}
