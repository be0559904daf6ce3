//! Suspend, wake, networks and clocks, told as sentences.

use std::time::Duration;

use super::scenarios::doing;
use super::world::{World, name};
use super::{failure, rules};
use crate::lifecycle::{Doing, Event, Refusal, Settings};
use crate::model::{Failure, FailureClass, FlightId, Standing};

const YEAR: i64 = 31_536_000;

/// When the next try is made, in seconds from now.
fn next_try(world: &World, who: &str) -> u64 {
    let next = world.life.view(&name(who)).unwrap().next.expect("a try is planned");
    next.since(world.now.boot).as_secs()
}

/// An account whose provider has not been heard of for a while.
fn long_failing(class: FailureClass) -> World {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    for _ in 0..12 {
        world.refresh_badly(failure(class));
        while world.begins.is_empty() {
            world.pass_seconds(1);
        }
    }
    world.refresh_badly(failure(class));
    assert!(world.begins.is_empty(), "it waits");
    world
}

#[test]
fn nothing_leaves_once_sleep_is_announced_and_what_flies_lands() {
    let mut world = World::new();
    world.restore("flying", 3600, 4000, rules());
    world.restore("due", 3600, 2500, rules());
    world.begin(Ok(()));
    world.tell(Event::Rest);
    world.pass_seconds(59);
    let asked = world.ask("due", 3000, 20);
    let granted = world.granted(3600);
    world.land(granted);
    world.save(true);
    assert_eq!(doing(&world, "flying"), Doing::Ready);
    assert!(world.begins.is_empty() && world.answer(asked).is_none());
    assert!(world.life.is_quiet(), "the machine may sleep now");
}

#[test]
fn who_asks_while_the_machine_goes_to_sleep_is_told_in_time() {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    world.refresh_badly(failure(FailureClass::NotSent));
    world.tell(Event::Rest);
    let asked = world.ask("door", 60, 20);
    world.pass_seconds(21);
    assert!(matches!(world.answer(asked), Some(Err(Refusal::Unavailable { .. }))));
}

#[test]
fn after_a_long_sleep_the_overdue_wait_for_the_network_and_go_when_it_is_up() {
    let mut world = World::new();
    world.restore("door", 3600, 0, rules());
    world.tell(Event::Rest);
    world.sleep_seconds(8 * 3600);
    world.tell(Event::Wake);
    let asked = world.ask("door", 60, 20);
    world.pass_seconds(2);
    assert!(world.begins.is_empty(), "the network is not there yet");
    world.tell(Event::NetworkUp);
    world.refresh_well(3600);
    assert_eq!(world.token(asked), Some("access-1"), "and no expired token before");
}

#[test]
fn after_five_seconds_awake_the_overdue_go_even_if_no_network_was_heard_of() {
    let mut world = World::new();
    world.restore("door", 3600, 0, rules());
    world.tell(Event::Rest);
    world.sleep_seconds(8 * 3600);
    world.tell(Event::Wake);
    world.pass_seconds(4);
    assert!(world.begins.is_empty());
    world.pass_seconds(1);
    assert_eq!(world.begins.len(), 1);
}

#[test]
fn a_sleep_of_which_nobody_says_that_it_is_over_ends_by_itself() {
    let mut world = World::new();
    world.restore("door", 3600, 0, rules());
    world.tell(Event::Rest);
    world.sleep_seconds(8 * 3600);
    world.tell(Event::Alarm);
    world.pass_seconds(5);
    assert_eq!(world.begins.len(), 1, "the boot clock counts the sleep");

    let mut world = World::new();
    world.tell(Event::Rest);
    world.restore("door", 3600, 4000, rules());
    world.pass_seconds(59);
    assert!(world.begins.is_empty());
    world.pass_seconds(6);
    assert_eq!(world.begins.len(), 1, "a machine that still runs after a minute does not sleep");
}

#[test]
fn after_a_sleep_unknown_fates_go_first_then_those_who_are_waited_for() {
    let mut world = World::with(Settings { max_flights: 1, max_waiters: 100 });
    for who in ["idle", "asked"] {
        world.restore(who, 3600, 2500, rules());
    }
    world.tell(Event::Rest);
    world.restore_as("torn", Standing::Good, 3600, 2500, rules(), Some(FlightId(90)));
    world.sleep_seconds(3600);
    world.tell(Event::Wake);
    let asked = world.ask("asked", 60, 60);
    let mut order = Vec::new();
    world.pass_seconds(5);
    while let Some(flight) = world.begins.front() {
        order.push(world.open[flight].0.clone());
        world.refresh_well(3600);
        world.pass_seconds(1);
    }
    let id = |who| super::world::seed(who).id;
    assert_eq!(order, [id("torn"), id("asked"), id("idle")]);
    assert!(world.token(asked).is_some());
}

#[test]
fn ten_thousand_accounts_that_are_due_at_the_wake_leave_at_a_bounded_rate() {
    let mut world = World::new();
    world.tell(Event::Rest);
    for number in 0..10_000 {
        world.restore(&format!("a{number}"), 3600, 4000, rules());
        if number % 1000 == 0 {
            // as long as this takes, the machine has not slept yet
            world.tell(Event::Rest);
        }
    }
    world.sleep_seconds(3600);
    world.tell(Event::Wake);
    world.tell(Event::NetworkUp);
    assert!(world.begins.len() <= 4, "{} at once", world.begins.len());
    let mut most = 0;
    for _ in 0..20 {
        let mut count = 0;
        for _ in 0..10 {
            while !world.begins.is_empty() {
                count += 1;
                world.refresh_well(3600);
            }
            world.pass(Duration::from_millis(100));
        }
        most = most.max(count);
    }
    assert!((5..=20).contains(&most), "{most} in a second");
}

#[test]
fn a_network_that_comes_up_ends_the_back_off_of_what_failed_on_the_way() {
    for class in [FailureClass::NotSent, FailureClass::Captive, FailureClass::Transient] {
        let mut world = long_failing(class);
        world.pass(Duration::from_millis(100));
        world.tell(Event::NetworkUp);
        world.pass_seconds(6);
        assert_eq!(world.begins.len(), 1, "{class:?}");
    }
}

#[test]
fn a_network_that_comes_up_ends_no_pause_that_the_provider_asked_for_and_no_verdict_of_its() {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    let patient =
        Failure { retry_after: Some(Duration::from_mins(5)), ..failure(FailureClass::Transient) };
    world.refresh_badly(patient);
    world.pass_seconds(10);
    world.tell(Event::NetworkUp);
    world.pass_seconds(200);
    assert!(world.begins.is_empty());

    for class in [FailureClass::ClientBroken, FailureClass::RequestBroken, FailureClass::DeadGrant]
    {
        let mut world = World::new();
        world.restore("door", 3600, 4000, rules());
        world.refresh_badly(failure(class));
        world.pass_seconds(10);
        world.tell(Event::NetworkUp);
        world.pass_seconds(200);
        assert!(world.begins.is_empty(), "{class:?}");
    }
}

#[test]
fn a_hint_forbids_no_try_and_the_pauses_after_it_are_short_again() {
    let mut world = long_failing(FailureClass::NotSent);
    world.tell(Event::NetworkUp);
    world.pass_seconds(6);
    world.refresh_badly(failure(FailureClass::NotSent));
    assert!(next_try(&world, "door") <= 1, "names may be known a moment later than routes");
}

#[test]
fn the_last_of_many_hints_is_heeded_and_few_of_them_are() {
    let mut world = long_failing(FailureClass::Captive);
    let mut tries = 0;
    for _ in 0..600 {
        world.tell(Event::NetworkUp);
        world.pass_seconds(1);
        if !world.begins.is_empty() {
            tries += 1;
            world.refresh_badly(failure(FailureClass::Captive));
        }
    }
    assert!((8..=16).contains(&tries), "{tries} tries in ten minutes of hints every second");
    let quiet = next_try(&world, "door");
    world.pass_seconds(61.min(quiet));
    assert_eq!(world.begins.len(), 1, "a hint that came too soon is not lost");
}

#[test]
fn a_shut_way_lets_one_probe_through_when_the_network_comes_up() {
    let mut world = World::new();
    for number in 0..20 {
        world.restore(&format!("a{number}"), 3600, 4000, rules());
    }
    let mut tries = 0;
    while tries < 30 {
        while !world.begins.is_empty() {
            world.refresh_badly(failure(FailureClass::Transient));
            tries += 1;
        }
        world.pass_seconds(1);
    }
    while !world.begins.is_empty() {
        world.refresh_badly(failure(FailureClass::Transient));
    }
    world.pass_seconds(2);
    assert!(world.begins.is_empty(), "the way is shut");
    world.tell(Event::NetworkUp);
    world.pass(Duration::from_millis(10));
    assert_eq!(world.begins.len(), 1, "one probes");
    world.refresh_well(3600);
    assert!(world.begins.len() > 1, "and opens the way for all");
}

#[test]
fn a_wall_clock_that_jumps_changes_nothing_for_a_token_of_this_boot() {
    for jump in [YEAR, -YEAR, 3600, -3600] {
        let mut world = World::new();
        world.restore("door", 3600, 10, rules());
        let before = world.life.view(&name("door")).unwrap().expires;
        world.changes.clear();
        world.set_clock(jump);
        assert_eq!(world.life.view(&name("door")).unwrap().expires, before);
        assert_eq!(world.changes.len(), 1, "it is shown by the new clock");
        let asked = world.ask("door", 60, 20);
        assert_eq!(world.token(asked), Some("restored-door"));
        assert!(world.begins.is_empty(), "{jump}");
    }
}

#[test]
fn a_token_of_an_earlier_boot_is_as_old_as_the_wall_clock_says() {
    let mut world = World::new();
    world.restore_from_earlier_boot("young", 3600, 600);
    world.restore_from_earlier_boot("spent", 3600, 4000);
    let asked = world.ask("young", 60, 20);
    assert_eq!(world.token(asked), Some("restored-young"));
    assert_eq!(world.begins.len(), 1, "the other one is refreshed at once");
    world.refresh_well(3600);
    assert_eq!(doing(&world, "spent"), Doing::Ready);
}

#[test]
fn a_clock_that_was_behind_at_start_makes_nobody_hand_out_a_spent_token_once_it_is_set() {
    let mut world = World::new();
    // the clock goes on where it stopped at the shutdown, hours ago
    world.restore_from_earlier_boot("door", 3600, 10);
    assert!(world.begins.is_empty());
    world.set_clock(3 * 3600);
    let asked = world.ask("door", 60, 20);
    assert!(world.answer(asked).is_none(), "it has expired long ago");
    world.refresh_well(3600);
    assert_eq!(world.token(asked), Some("access-1"));
    world.set_clock(YEAR);
    world.set_clock(-2 * YEAR);
    assert!(world.begins.is_empty(), "the new token is of this boot");
}

#[test]
fn a_dead_battery_s_clock_costs_a_try_and_not_the_token_that_still_lives() {
    let mut world = World::new();
    let years = 50 * YEAR;
    // written down in the present, read in the seventies
    world.restore_from_earlier_boot("door", 3600, 600 - years);
    assert_eq!(world.begins.len(), 1, "its age is not known, so it is refreshed");
    // certificates of the present are not valid yet
    world.refresh_badly(failure(FailureClass::Captive));
    let early = world.ask("door", 60, 1);
    world.pass_seconds(2);
    assert!(matches!(world.answer(early), Some(Err(_))), "nothing of unknown age is handed out");
    world.set_clock(years);
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("restored-door"), "its age is known now");
    world.pass_seconds(10);
    world.refresh_well(3600);
    assert_eq!(doing(&world, "door"), Doing::Ready);
    assert!(world.stands.is_empty(), "no login was in question");
}

#[test]
fn a_year_s_jump_either_way_after_a_reboot_costs_one_refresh_and_no_login() {
    for jump in [YEAR, -YEAR] {
        let mut world = World::new();
        world.restore_from_earlier_boot("door", 3600, 600);
        for _ in 0..10 {
            world.set_clock(jump);
            world.set_clock(-jump);
            world.set_clock(jump);
        }
        assert_eq!(world.begins.len(), 1, "{jump}");
        world.refresh_well(3600);
        for _ in 0..10 {
            world.set_clock(jump);
            world.pass_seconds(10);
        }
        assert!(world.begins.is_empty(), "{jump}");
        let asked = world.ask("door", 60, 20);
        assert_eq!(world.token(asked), Some("access-1"));
        assert!(world.stands.is_empty());
    }
}

#[test]
fn while_the_database_is_not_checked_hand_outs_go_on_and_nothing_leaves() {
    let mut world = World::new();
    world.tell(Event::Checking);
    world.restore("fresh", 3600, 100, rules());
    world.restore("due", 3600, 4000, rules());
    let served = world.ask("fresh", 60, 20);
    assert_eq!(world.token(served), Some("restored-fresh"));
    let asked = world.ask("due", 60, 20);
    // no hint of the machine opens it
    world.tell(Event::NetworkUp);
    world.tell(Event::Wake);
    world.pass_seconds(10);
    assert!(world.begins.is_empty() && world.answer(asked).is_none());
    world.tell(Event::Checked);
    world.refresh_well(3600);
    assert!(world.token(asked).is_some());
}

#[test]
fn a_database_found_sound_while_the_machine_sleeps_sends_nothing_out() {
    let mut world = World::new();
    world.tell(Event::Checking);
    world.restore("due", 3600, 4000, rules());
    world.tell(Event::Rest);
    world.tell(Event::Checked);
    world.pass_seconds(1);
    assert!(world.begins.is_empty());
}
