use super::lane::{LANE_FLIGHTS, LANE_PRESSING, LANE_SLOW};
use super::way::{SHUT_AFTER, SHUT_MIN, STRIKES};
use super::*;

const NOW: Boot = Boot(1_000_000);
const HOUR: Duration = Duration::from_hours(1);

fn at(origin: &str, path: &str) -> TokenEndpoint {
    TokenEndpoint { origin: Origin(origin.into()), path: path.into() }
}

fn endpoint() -> TokenEndpoint {
    at("https://id.example", "/token")
}

fn after(millis: u64) -> Boot {
    NOW + Duration::from_millis(millis)
}

fn ticket(urgency: Urgency, slot: usize, left: Duration, now: Boot) -> Ticket {
    Ticket {
        urgency,
        since: now,
        slot,
        probe_by: now + probe_pause(left),
        speed: Speed::Quick,
        served: NOW - left,
    }
}

fn slow(slot: usize, now: Boot) -> Ticket {
    Ticket { speed: Speed::Slow, ..ticket(Urgency::Unsettled, slot, HOUR, now) }
}

fn queue(traffic: &mut Traffic, urgency: Urgency, slot: usize, now: Boot) {
    traffic.queue(&endpoint(), ticket(urgency, slot, HOUR, now));
}

fn crowd(traffic: &mut Traffic, places: std::ops::Range<usize>) {
    for slot in places {
        queue(traffic, Urgency::Due, slot, NOW);
    }
}

fn all(traffic: &mut Traffic, now: Boot) -> Vec<usize> {
    std::iter::from_fn(|| traffic.next(now)).collect()
}

fn land(traffic: &mut Traffic, slot: usize, outcome: Outcome, now: Boot) {
    traffic.landed(&endpoint(), slot, outcome, now);
}

/// An account that has failed, by its own fault.
fn fail(traffic: &mut Traffic, there: &TokenEndpoint, slot: usize) {
    let now = NOW - HOUR + Duration::from_secs(slot as u64);
    traffic.queue(there, ticket(Urgency::Due, slot, HOUR, now));
    assert_eq!(traffic.next(now), Some(slot));
    traffic.landed(there, slot, Outcome::Refused, now);
}

/// The way is shut by the accounts 0 to 4; gives the moment.
fn shut(traffic: &mut Traffic) -> Boot {
    crowd(traffic, 0..SHUT_AFTER);
    let mut now = NOW;
    for _ in 0..SHUT_AFTER {
        now = now.max(traffic.next_deadline().unwrap());
        let slot = traffic.next(now).unwrap();
        land(traffic, slot, Outcome::Trouble, now);
    }
    now
}

#[test]
fn a_lane_lets_four_out_at_a_time_and_the_most_urgent_first() {
    let mut traffic = Traffic::new(64);
    crowd(&mut traffic, 0..8);
    queue(&mut traffic, Urgency::Waited, 77, after(5));
    queue(&mut traffic, Urgency::Unsettled, 99, after(9));
    assert_eq!(all(&mut traffic, after(10)), [99, 77, 0, 1]);
    let hangs = after(10) + HANGS;
    assert_eq!(traffic.next_deadline(), Some(hangs), "a landing is what is waited for");
    land(&mut traffic, 99, Outcome::Served, after(20));
    assert_eq!(traffic.next(after(20)), Some(2));
}

#[test]
fn ten_thousand_at_once_leave_at_a_bounded_rate() {
    let mut traffic = Traffic::new(64);
    crowd(&mut traffic, 0..10_000);
    let mut times = Vec::new();
    let mut now = NOW;
    while times.len() < 10_000 {
        while let Some(slot) = traffic.next(now) {
            times.push(now);
            land(&mut traffic, slot, Outcome::Served, now);
        }
        let Some(opens) = traffic.next_deadline() else { break };
        assert!(opens > now);
        now = opens;
    }
    assert_eq!(times.len(), 10_000);
    for (first, later) in times.iter().zip(times.iter().skip(20)) {
        assert!(later.since(*first) >= Duration::from_secs(1), "more than 20 in a second");
    }
}

#[test]
fn the_endpoints_of_an_origin_share_its_pace() {
    let mut traffic = Traffic::new(64);
    let realms = [at("https://id.example", "/a/token"), at("https://id.example", "/b/token")];
    for slot in 0..40 {
        traffic.queue(&realms[slot % 2], ticket(Urgency::Due, slot, HOUR, NOW));
    }
    let mut left = 0;
    while let Some(slot) = traffic.next(NOW) {
        left += 1;
        traffic.landed(&realms[slot % 2], slot, Outcome::Served, NOW);
    }
    assert_eq!(left, 11);
}

#[test]
fn lanes_do_not_hold_each_other_up() {
    let mut traffic = Traffic::new(64);
    crowd(&mut traffic, 0..100);
    all(&mut traffic, NOW);
    traffic.queue(&at("https://other.example", "/token"), ticket(Urgency::Due, 500, HOUR, NOW));
    assert_eq!(traffic.next(NOW), Some(500));
}

#[test]
fn a_way_on_which_several_found_nobody_shuts_and_one_probes_until_it_gets_through() {
    let mut traffic = Traffic::new(64);
    let now = shut(&mut traffic);
    crowd(&mut traffic, 0..SHUT_AFTER);
    let mut opens = now + SHUT_MIN;
    // five wait, and each is to have its turn in a minute
    for pause in [10, 12, 12, 12, 12] {
        assert_eq!(traffic.next_deadline(), Some(opens));
        let probe = traffic.next(opens).unwrap();
        assert_eq!(traffic.next(opens), None, "and nobody else");
        land(&mut traffic, probe, Outcome::Trouble, opens);
        queue(&mut traffic, Urgency::Due, probe, opens);
        opens = opens + Duration::from_secs(pause);
    }
    let probe = traffic.next(opens).unwrap();
    land(&mut traffic, probe, Outcome::Served, opens);
    assert_eq!(all(&mut traffic, opens).len(), LANE_FLIGHTS, "open for all");
}

#[test]
fn one_that_waits_alone_at_a_shut_way_probes_once_a_minute() {
    let mut traffic = Traffic::new(64);
    let mut now = shut(&mut traffic);
    for pause in [5, 10, 20, 40, 60, 60] {
        queue(&mut traffic, Urgency::Due, 0, now);
        assert_eq!(traffic.next_deadline(), Some(now + Duration::from_secs(pause)));
        now = now + Duration::from_secs(pause);
        assert_eq!(traffic.next(now), Some(0));
        land(&mut traffic, 0, Outcome::Trouble, now);
    }
}

#[test]
fn requests_that_hang_keep_no_place_for_longer_than_others_take() {
    let mut traffic = Traffic::new(64);
    crowd(&mut traffic, 0..40);
    let mut now = NOW;
    for batch in 1..=4 {
        assert_eq!(all(&mut traffic, now).len(), LANE_FLIGHTS, "{batch}");
        now = now + HANGS;
    }
    assert_eq!(traffic.next(now), None, "but there is an end to it");
    assert_eq!(traffic.next_deadline(), None);
    land(&mut traffic, 0, Outcome::Served, now);
    assert!(traffic.next(now).is_some());
}

#[test]
fn one_account_shuts_nothing_however_often_it_fails() {
    for outcome in [Outcome::Trouble, Outcome::Refused] {
        let mut traffic = Traffic::new(64);
        let mut now = NOW;
        for _ in 0..50 {
            queue(&mut traffic, Urgency::Due, 1, now);
            assert_eq!(traffic.next(now), Some(1));
            land(&mut traffic, 1, outcome, now);
            now = now + Duration::from_secs(1);
        }
        queue(&mut traffic, Urgency::Due, 2, now);
        assert_eq!(traffic.next(now), Some(2), "{outcome:?}");
    }
}

#[test]
fn a_word_about_an_account_shuts_nothing_however_many_are_told() {
    let mut traffic = Traffic::new(64);
    let mut now = NOW;
    for round in 0..3 {
        for slot in 0..12 {
            queue(&mut traffic, Urgency::Waited, slot, now);
            assert_eq!(traffic.next(now), Some(slot), "{round}");
            land(&mut traffic, slot, Outcome::Refused, now);
            now = now + Duration::from_secs(1);
        }
    }
    queue(&mut traffic, Urgency::Due, 99, now);
    assert_eq!(traffic.next(now), Some(99));
}

#[test]
fn who_fails_again_and_again_while_others_are_served_shuts_nothing() {
    let mut traffic = Traffic::new(64);
    let mut now = shut(&mut traffic) + SHUT_MIN;
    for strike in 0..=STRIKES {
        for slot in 0..SHUT_AFTER - 1 {
            let is_at_fault = traffic.is_at_fault(&endpoint(), slot);
            assert_eq!(is_at_fault, strike == STRIKES, "{strike}");
        }
        // many who are served at one time are one sign
        for other in 90..95 {
            queue(&mut traffic, Urgency::Due, other, now);
            assert_eq!(traffic.next(now), Some(other));
            land(&mut traffic, other, Outcome::Served, now);
            now = now + Duration::from_secs(1);
        }
        if strike == STRIKES {
            break;
        }
        for slot in 0..SHUT_AFTER - 1 {
            queue(&mut traffic, Urgency::Due, slot, now);
            assert_eq!(traffic.next(now), Some(slot), "open");
            land(&mut traffic, slot, Outcome::Trouble, now);
            now = now + Duration::from_secs(1);
        }
    }
    for _ in 0..5 {
        for slot in 0..SHUT_AFTER - 1 {
            assert!(traffic.is_at_fault(&endpoint(), slot));
            queue(&mut traffic, Urgency::Due, slot, now);
            assert_eq!(traffic.next(now), Some(slot), "each at its own pace");
            land(&mut traffic, slot, Outcome::Trouble, now);
            now = now + Duration::from_secs(1);
        }
    }
    queue(&mut traffic, Urgency::Due, 0, now);
    traffic.next(now);
    land(&mut traffic, 0, Outcome::Served, now);
    assert!(!traffic.is_at_fault(&endpoint(), 0), "until it is served itself");
}

#[test]
fn who_has_not_failed_probes_first_and_at_half_its_token_s_life_at_the_latest() {
    let mut traffic = Traffic::new(64);
    let mut now = shut(&mut traffic);
    let mut pause = SHUT_MIN;
    while pause < PROBE_MAX {
        queue(&mut traffic, Urgency::Due, 0, now);
        now = traffic.next_deadline().unwrap();
        let probe = traffic.next(now).unwrap();
        land(&mut traffic, probe, Outcome::Trouble, now);
        pause *= 2;
    }
    let waiting = after(0);
    queue(&mut traffic, Urgency::Unsettled, 0, waiting);
    assert_eq!(traffic.next(now), Some(0), "a token of unknown fate does not wait");
    queue(&mut traffic, Urgency::Waited, 1, waiting);
    traffic.queue(&endpoint(), ticket(Urgency::Due, 7, HOUR, now));
    assert_eq!(traffic.next_deadline(), Some(now + PROBE_MAX));
    traffic.queue(&endpoint(), ticket(Urgency::Due, 8, Duration::from_secs(30), now));
    assert_eq!(traffic.next_deadline(), Some(now + Duration::from_secs(15)));
    traffic.queue(&endpoint(), ticket(Urgency::Due, 9, Duration::ZERO, now));
    assert_eq!(traffic.next_deadline(), Some(now + PROBE_MIN));
    now = now + PROBE_MIN;
    assert_eq!(traffic.next(now), Some(9));
    land(&mut traffic, 9, Outcome::Trouble, now);
    assert_eq!(traffic.next_deadline(), Some(now - PROBE_MIN + Duration::from_secs(15)));
    now = now - PROBE_MIN + Duration::from_secs(15);
    assert_eq!(traffic.next(now), Some(8));
    land(&mut traffic, 8, Outcome::Trouble, now);
    queue(&mut traffic, Urgency::Waited, 9, now);
    queue(&mut traffic, Urgency::Waited, 8, now);
    now = traffic.next_deadline().unwrap();
    assert_eq!(traffic.next(now), Some(7), "and not those who failed");
    land(&mut traffic, 7, Outcome::Trouble, now);
    assert_eq!(traffic.next(now + PROBE_MAX), Some(1), "then the one that waits longest");
}

#[test]
fn of_those_who_failed_those_who_were_served_last_and_the_one_that_waits_longest_take_turns() {
    let mut traffic = Traffic::new(64);
    shut(&mut traffic);
    for (slot, served) in [(0, 40), (1, 30), (2, 50), (3, 10), (4, 20)] {
        let ticket = ticket(Urgency::Due, slot, HOUR, after(slot as u64));
        traffic.queue(&endpoint(), Ticket { served: after(served), ..ticket });
    }
    let mut probes = Vec::new();
    while let Some(now) = traffic.next_deadline() {
        let probe = traffic.next(now).unwrap();
        land(&mut traffic, probe, Outcome::Trouble, now);
        probes.push(probe);
    }
    assert_eq!(probes, [2, 0, 1, 4, 3]);
}

#[test]
fn a_crowd_of_spent_tokens_probes_at_a_bounded_rate() {
    let mut traffic = Traffic::new(64);
    let began = shut(&mut traffic);
    for slot in 100..1100 {
        traffic.queue(&endpoint(), ticket(Urgency::Waited, slot, Duration::ZERO, began));
    }
    let mut now = began;
    let mut probes: u32 = 0;
    while now.since(began) < Duration::from_mins(10) {
        now = traffic.next_deadline().unwrap();
        let probe = traffic.next(now).unwrap();
        land(&mut traffic, probe, Outcome::Trouble, now);
        probes += 1;
    }
    assert!(probes <= 301, "{probes} in ten minutes");
}

#[test]
fn the_way_to_one_endpoint_says_nothing_about_that_to_another() {
    let mut traffic = Traffic::new(64);
    let now = shut(&mut traffic);
    let other = at("https://id.example", "/realms/other/token");
    traffic.queue(&other, ticket(Urgency::Due, 50, HOUR, now));
    assert_eq!(traffic.next(now), Some(50));
}

#[test]
fn what_was_under_way_when_a_way_shut_neither_puts_its_probe_off_nor_lets_another_out() {
    let mut traffic = Traffic::new(64);
    crowd(&mut traffic, 0..50);
    for _ in 0..SHUT_AFTER - 1 {
        let slot = traffic.next(NOW).unwrap();
        land(&mut traffic, slot, Outcome::Trouble, NOW);
    }
    let late = all(&mut traffic, NOW);
    assert_eq!(late.len(), LANE_FLIGHTS);
    land(&mut traffic, late[0], Outcome::Trouble, NOW);
    let opens = NOW + SHUT_MIN;
    assert_eq!(traffic.next_deadline(), Some(opens));
    land(&mut traffic, late[1], Outcome::Trouble, after(100));
    assert_eq!(traffic.next_deadline(), Some(opens), "it is known already");
    let probe = traffic.next(opens).unwrap();
    land(&mut traffic, late[2], Outcome::Trouble, opens);
    assert_eq!(traffic.next(opens), None, "one probe at a time");
    land(&mut traffic, probe, Outcome::Trouble, opens);
    assert_eq!(traffic.next_deadline(), Some(opens + SHUT_MIN * 2));
    land(&mut traffic, late[3], Outcome::Served, opens);
    assert!(traffic.next(opens).is_some(), "a late answer is one, too");
}

#[test]
fn accounts_whose_requests_hang_leave_room_for_the_others() {
    let mut traffic = Traffic::new(8);
    for slot in 0..20 {
        fail(&mut traffic, &endpoint(), slot);
    }
    for slot in 0..20 {
        traffic.queue(&endpoint(), slow(slot, NOW));
    }
    assert_eq!(all(&mut traffic, NOW).len(), LANE_PRESSING, "of those whose token may be spent");
    queue(&mut traffic, Urgency::Due, 99, NOW);
    assert_eq!(all(&mut traffic, NOW), [99]);
    let mut traffic = Traffic::new(64);
    for slot in 0..20 {
        fail(&mut traffic, &endpoint(), slot);
    }
    for slot in 0..20 {
        traffic.queue(&endpoint(), Ticket { urgency: Urgency::Waited, ..slow(slot, NOW) });
    }
    assert_eq!(all(&mut traffic, NOW).len(), LANE_SLOW);
    queue(&mut traffic, Urgency::Due, 99, NOW);
    assert_eq!(all(&mut traffic, NOW), [99]);
    // the same at several providers
    let mut traffic = Traffic::new(8);
    let there = |slot: usize| at(&format!("https://{}.example", slot % 8), "/token");
    for slot in 0..64 {
        fail(&mut traffic, &there(slot), slot);
    }
    for slot in 0..64 {
        traffic.queue(&there(slot), slow(slot, NOW));
    }
    assert_eq!(all(&mut traffic, NOW).len(), 6, "a quarter is kept");
    let other = at("https://other.example", "/token");
    traffic.queue(&other, ticket(Urgency::Due, 5000, HOUR, NOW));
    assert_eq!(traffic.next(NOW), Some(5000));
}

#[test]
fn of_one_who_is_told_to_wait_others_find_out_whether_it_is_meant_for_all() {
    let minute = after(60_000);
    let mut traffic = Traffic::new(64);
    crowd(&mut traffic, 0..6);
    assert_eq!(traffic.next(NOW), Some(0));
    land(&mut traffic, 0, Outcome::Asked(minute), NOW);
    assert_eq!(traffic.next(NOW), Some(1));
    assert_eq!(traffic.next(NOW), None, "one at a time");
    land(&mut traffic, 1, Outcome::Served, NOW);
    assert_eq!(all(&mut traffic, NOW).len(), LANE_FLIGHTS, "it was meant for one");
    for slot in 2..6 {
        land(&mut traffic, slot, Outcome::Served, NOW);
    }
    // who is told alone again and again is told for itself
    let mut now = minute;
    for strike in 1..=STRIKES {
        queue(&mut traffic, Urgency::Due, 0, now);
        assert_eq!(traffic.next(now), Some(0));
        land(&mut traffic, 0, Outcome::Asked(now + HOUR), now);
        crowd(&mut traffic, 1..6);
        let out = all(&mut traffic, now);
        assert_eq!(out.len(), if strike < STRIKES { 1 } else { LANE_FLIGHTS }, "{strike}");
        for slot in out {
            land(&mut traffic, slot, Outcome::Served, now);
        }
        while let Some(slot) = traffic.next(now) {
            land(&mut traffic, slot, Outcome::Served, now);
        }
        now = now + HOUR;
    }
}

#[test]
fn a_second_one_who_is_told_to_wait_stops_the_origin_for_as_long() {
    let mut traffic = Traffic::new(64);
    crowd(&mut traffic, 0..6);
    traffic.next(NOW);
    land(&mut traffic, 0, Outcome::Asked(after(600_000)), NOW);
    traffic.next(NOW);
    land(&mut traffic, 1, Outcome::Asked(after(60_000)), NOW);
    let other = at("https://id.example", "/realms/other/token");
    traffic.queue(&other, ticket(Urgency::Waited, 50, HOUR, NOW));
    assert_eq!(traffic.next(after(59_999)), None);
    assert_eq!(traffic.next_deadline(), Some(after(60_000)));
    assert_eq!(traffic.shut_until(&other, 50, NOW), Some(after(60_000)));
    traffic.reopen(NOW);
    assert_eq!(traffic.next_deadline(), Some(after(60_000)), "no other way helps");
    assert_eq!(traffic.next(after(60_000)), Some(50));
}

#[test]
fn a_token_that_may_be_spent_waits_for_nobody_who_is_told_to_wait() {
    let mut traffic = Traffic::new(64);
    crowd(&mut traffic, 0..4);
    assert_eq!(traffic.next(NOW), Some(0));
    land(&mut traffic, 0, Outcome::Asked(after(600_000)), NOW);
    assert_eq!(traffic.next(NOW), Some(1));
    land(&mut traffic, 1, Outcome::Trouble, NOW);
    assert_eq!(traffic.next(NOW), Some(2), "which hangs");
    traffic.queue(&endpoint(), slow(1, after(250)));
    assert!(traffic.next_deadline() <= Some(after(250)));
    assert_eq!(traffic.next(after(250)), Some(1));
    land(&mut traffic, 1, Outcome::Trouble, after(300));
    assert_eq!(traffic.next_deadline(), Some(NOW + HANGS), "nor do the others wait for who hangs");
    assert_eq!(traffic.next(NOW + HANGS), Some(3));
}

#[test]
fn a_probe_that_hangs_keeps_no_sound_account_waiting() {
    let mut traffic = Traffic::new(64);
    let now = shut(&mut traffic);
    queue(&mut traffic, Urgency::Due, 0, now);
    let probing = now + SHUT_MIN;
    assert_eq!(traffic.next(probing), Some(0));
    traffic.queue(&endpoint(), ticket(Urgency::Due, 9, Duration::from_secs(12), probing));
    assert_eq!(traffic.next_deadline(), Some(probing + Duration::from_secs(6)));
    assert_eq!(traffic.next(probing + Duration::from_secs(6)), Some(9));
    land(&mut traffic, 9, Outcome::Served, probing + Duration::from_secs(7));
    assert!(traffic.next(probing + Duration::from_secs(7)).is_none(), "nobody waits");
}

#[test]
fn a_hint_in_the_moment_of_a_failure_ends_no_pauses() {
    let mut traffic = Traffic::new(64);
    let mut now = shut(&mut traffic);
    traffic.reopen(now);
    for pause in [5, 10, 20] {
        queue(&mut traffic, Urgency::Due, 0, now);
        now = now.max(traffic.next_deadline().unwrap());
        assert_eq!(traffic.next(now), Some(0));
        land(&mut traffic, 0, Outcome::Trouble, now);
        queue(&mut traffic, Urgency::Due, 1, now);
        assert_eq!(traffic.next_deadline(), Some(now + Duration::from_secs(pause)));
        traffic.leave(&endpoint(), ticket(Urgency::Due, 1, HOUR, now));
    }
}

#[test]
fn what_was_asked_for_beside_the_login_is_no_fault_of_it() {
    let mut traffic = Traffic::new(64);
    shut(&mut traffic);
    queue(&mut traffic, Urgency::Unsettled, 50, NOW);
    assert_eq!(traffic.next(NOW), Some(50));
    land(&mut traffic, 50, Outcome::Answered, NOW);
    assert!(!traffic.is_at_fault(&endpoint(), 50));
    queue(&mut traffic, Urgency::Due, 0, NOW);
    assert_eq!(traffic.next(NOW), Some(0), "and it proves that the provider is there");
}

#[test]
fn what_was_said_of_an_account_does_not_explain_what_is_not_said() {
    let mut traffic = Traffic::new(64);
    for slot in 0..SHUT_AFTER {
        fail(&mut traffic, &endpoint(), slot);
        assert!(traffic.is_at_fault(&endpoint(), slot));
    }
    shut(&mut traffic);
    crowd(&mut traffic, 90..91);
    assert_eq!(traffic.next(NOW), None, "who was refused once counts like all others");
}

#[test]
fn slow_probes_of_many_ways_leave_room_for_the_others() {
    let mut traffic = Traffic::new(64);
    let realm = |number: usize| at("https://id.example", &format!("/{number}/token"));
    let mut now = NOW;
    for number in 0..6 {
        for slot in number * 10..number * 10 + SHUT_AFTER {
            traffic.queue(&realm(number), ticket(Urgency::Due, slot, HOUR, now));
            assert_eq!(traffic.next(now), Some(slot));
            traffic.landed(&realm(number), slot, Outcome::Trouble, now);
            now = now + Duration::from_secs(1);
        }
    }
    for number in 0..6 {
        traffic.queue(&realm(number), Ticket { urgency: Urgency::Due, ..slow(number * 10, now) });
    }
    now = now + PROBE_MAX;
    assert_eq!(all(&mut traffic, now).len(), LANE_SLOW);
}

#[test]
fn a_flight_that_is_taken_up_twice_counts_once() {
    let mut traffic = Traffic::new(64);
    for _ in 0..2 {
        traffic.resume(&endpoint(), 7);
    }
    land(&mut traffic, 7, Outcome::Served, NOW);
    crowd(&mut traffic, 0..8);
    assert_eq!(all(&mut traffic, NOW).len(), LANE_FLIGHTS);
}

#[test]
fn the_same_one_that_is_told_twice_stops_nobody() {
    let mut traffic = Traffic::new(64);
    for round in 0..4 {
        let now = after(round * 1000);
        queue(&mut traffic, Urgency::Due, 0, now);
        assert_eq!(traffic.next(now), Some(0));
        land(&mut traffic, 0, Outcome::Asked(now + HOUR), now);
    }
    queue(&mut traffic, Urgency::Due, 1, after(9000));
    assert_eq!(traffic.next(after(9000)), Some(1));
}

#[test]
fn lanes_that_nobody_needs_are_forgotten() {
    let mut traffic = Traffic::new(64);
    crowd(&mut traffic, 0..1);
    traffic.next(NOW);
    land(&mut traffic, 0, Outcome::Served, after(10_000));
    assert!(traffic.lanes.is_empty());
    crowd(&mut traffic, 0..1);
    traffic.next(NOW);
    land(&mut traffic, 0, Outcome::Trouble, after(20_000));
    assert!(!traffic.lanes.is_empty());
    traffic.forget(&endpoint(), 0);
    crowd(&mut traffic, 1..2);
    traffic.next(after(30_000));
    land(&mut traffic, 1, Outcome::Served, after(40_000));
    assert!(traffic.lanes.is_empty());
}
