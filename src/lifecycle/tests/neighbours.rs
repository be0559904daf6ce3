//! Many accounts at one provider, some of which fail: what one gets is no matter of the others.

use std::time::Duration;

use proptest::prelude::*;

use super::world::{World, name};
use super::{failure, rules};
use crate::lifecycle::{Doing, Refusal, Rules, Settings};
use crate::model::{About, AccountId, Boot, Failure, FailureClass, Landing};

/// What a provider says of one account, in an OAuth error's form and with a code that nobody knows.
fn reused() -> Failure {
    Failure {
        code: Some("refresh_token_reused".into()),
        status: Some(400),
        about: About::Account,
        ..failure(FailureClass::Transient)
    }
}

fn too_many(seconds: u64) -> Failure {
    Failure {
        status: Some(429),
        retry_after: Some(Duration::from_secs(seconds)),
        ..failure(FailureClass::Transient)
    }
}

fn broken() -> Failure {
    Failure { status: Some(500), ..failure(FailureClass::Transient) }
}

/// Accounts whose tokens have run out, all of which fail like that once.
fn failed(count: usize, failure: &Failure) -> World {
    let mut world = World::new();
    for number in 0..count {
        world.restore(&format!("dead-{number}"), 60, 100, rules());
    }
    let mut tries = 0;
    while tries < count {
        while !world.begins.is_empty() {
            world.refresh_badly(failure.clone());
            tries += 1;
        }
        world.pass(Duration::from_millis(100));
    }
    while !world.begins.is_empty() {
        world.refresh_badly(failure.clone());
    }
    world
}

#[test]
fn dead_logins_delay_a_healthy_one_by_nothing() {
    for count in [1, 2, 4, 6, 12, 40] {
        let mut world = failed(count, &reused());
        world.restore("fine", 60, 100, rules());
        world.pass_seconds(1);
        let waiting = world.ask("fine", 10, 20);
        while world.token(waiting).is_none() {
            let flight = *world.begins.front().expect("it is under way");
            if world.open[&flight].0 == super::world::seed("fine").id {
                world.refresh_well(3600);
            } else {
                world.refresh_badly(reused());
            }
        }
    }
}

#[test]
fn a_dead_login_is_tried_at_longer_and_longer_pauses() {
    let mut world = failed(1, &reused());
    let mut tries = 0;
    for _ in 0..24 * 60 {
        world.pass_seconds(60);
        while !world.begins.is_empty() {
            world.refresh_badly(reused());
            tries += 1;
        }
    }
    assert!((90..=210).contains(&tries), "{tries} in a day");
}

#[test]
fn one_who_is_told_to_wait_waits_alone() {
    let mut world = World::new();
    world.restore("one", 60, 100, rules());
    world.refresh_badly(too_many(600));
    world.restore("two", 60, 100, rules());
    let asked = world.ask("two", 10, 20);
    world.refresh_well(3600);
    assert!(world.token(asked).is_some());
    world.pass_seconds(599);
    assert!(world.begins.is_empty(), "and waits as long as it was told to");
    world.pass_seconds(2);
    assert_eq!(world.begins.len(), 1);
}

#[test]
fn a_second_one_who_is_told_to_wait_waits_for_all() {
    let mut world = World::new();
    for who in ["one", "two"] {
        world.restore(who, 60, 100, rules());
        world.refresh_badly(too_many(600));
    }
    world.restore("three", 60, 100, rules());
    assert!(world.begins.is_empty(), "the third does not even try");
    let asked = world.ask("three", 10, 20);
    match world.answer(asked) {
        Some(Err(Refusal::Unavailable { retry_at: Some(at), .. })) => {
            assert_eq!(at.since(world.now.boot), Duration::from_mins(10));
        }
        other => panic!("{other:?}"),
    }
    world.pass_seconds(601);
    assert_eq!(world.begins.len(), 3);
}

#[test]
fn a_login_anew_counts_as_one_that_never_failed() {
    let mut world = failed(12, &broken());
    let request = world.sign_in(1, "dead-0", rules());
    world
        .tell(crate::lifecycle::Event::Redeem { request, values: crate::model::Values::default() });
    while world.begins.len() > 1 {
        world.refresh_badly(broken());
    }
    world.refresh_well(60);
    for _ in 0..50 {
        while !world.begins.is_empty() {
            world.refresh_badly(broken());
        }
        world.pass_seconds(1);
    }
    let asked = world.ask("dead-0", 30, 20);
    let mut probes = 0;
    while world.token(asked).is_none() {
        if let Some(flight) = world.begins.front() {
            if world.open[flight].0 == super::world::seed("dead-0").id {
                world.refresh_well(3600);
            } else {
                world.refresh_badly(broken());
                probes += 1;
            }
        }
        world.pass(Duration::from_millis(100));
    }
    assert!(probes <= 1, "{probes} others went first");
}

/// The old login's refresh is in the air when the user signs in anew, and the new login ended it.
#[test]
fn what_comes_of_the_login_before_says_nothing_about_a_new_one() {
    let mut world = World::new();
    world.restore("door", 3600, 4000, rules());
    world.begin(Ok(()));
    let request = world.sign_in(1, "door", rules());
    world
        .tell(crate::lifecycle::Event::Redeem { request, values: crate::model::Values::default() });
    world.begin(Ok(()));
    world.air.rotate_left(1);
    let granted = world.granted(3600);
    world.land(granted);
    world.save(true);
    world.land(Landing::Failed { failure: failure(FailureClass::DeadGrant), rescued: None });
    let endpoint = rules().endpoint;
    assert!(!world.life.traffic.is_at_fault(&endpoint, 0));
    assert_eq!(world.life.view(&name("door")).unwrap().doing, Doing::Ready);
}

#[test]
fn a_part_that_is_refused_is_no_fault_of_the_login() {
    let mut world = World::new();
    world.restore("door", 3600, 10, rules());
    world.ask_narrowly("door", "open");
    let refused = Failure { status: Some(400), ..failure(FailureClass::RequestBroken) };
    world.refresh_badly(refused);
    assert!(!world.life.traffic.is_at_fault(&rules().endpoint, 0));
}

/// How an account is answered at its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    /// A code that nobody knows.
    Dead,
    /// A page of somebody else.
    Odd,
    Limited(u64),
    Broken,
    /// No answer, after half a minute.
    Hangs,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Dead),
        Just(Fate::Odd),
        (1..900_u64).prop_map(Fate::Limited),
        Just(Fate::Broken),
        Just(Fate::Hangs),
    ]
}

/// What a provider that is away looks like.
fn away() -> impl Strategy<Value = FailureClass> {
    prop::sample::select(vec![
        FailureClass::NotSent,
        FailureClass::Ambiguous,
        FailureClass::Transient,
        FailureClass::Captive,
    ])
}

/// A provider in virtual time, with its accounts.
struct Provider {
    world: World,
    fates: Vec<(AccountId, String, Fate)>,
    outages: Vec<(u64, u64, FailureClass)>,
    began: Boot,
    /// The flights that get no answer, and when they are over.
    hanging: Vec<(crate::model::FlightId, Boot)>,
    requests: Vec<Boot>,
}

impl Provider {
    fn second(&self) -> u64 {
        self.world.now.boot.since(self.began).as_secs()
    }

    fn outage(&self) -> Option<FailureClass> {
        let now = self.second();
        self.outages.iter().find(|(from, to, _)| (*from..*to).contains(&now)).map(|it| it.2)
    }

    fn fate(&self, flight: crate::model::FlightId) -> Fate {
        let account = &self.world.open[&flight].0;
        self.fates.iter().find(|(id, ..)| id == account).expect("an account").2
    }

    /// Answers all that has come.
    fn serve(&mut self) {
        while !self.world.begins.is_empty() {
            self.requests.push(self.world.now.boot);
            self.world.begin(Ok(()));
        }
        for _ in 0..self.world.air.len() {
            let flight = *self.world.air.front().expect("it was counted");
            if let Some(place) = self.hanging.iter().position(|(hanging, _)| *hanging == flight) {
                if self.hanging[place].1 > self.world.now.boot {
                    self.world.air.rotate_left(1);
                    continue;
                }
                self.hanging.remove(place);
                self.fail(failure(FailureClass::Ambiguous));
                continue;
            }
            if let Some(class) = self.outage() {
                self.fail(failure(class));
                continue;
            }
            match self.fate(flight) {
                Fate::Fine => {
                    let granted = self.world.granted(3600);
                    self.world.land(granted);
                }
                Fate::Dead => self.fail(reused()),
                Fate::Odd => self.fail(Failure { status: Some(403), ..broken() }),
                Fate::Limited(seconds) => self.fail(too_many(seconds)),
                Fate::Broken => self.fail(broken()),
                Fate::Hangs => {
                    self.hanging.push((flight, self.world.now.boot + Duration::from_secs(30)));
                    self.world.air.rotate_left(1);
                }
            }
        }
        while !self.world.saves.is_empty() {
            self.world.save(true);
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.world.land(Landing::Failed { failure, rescued: None });
    }
}

/// When a provider that serves again has served every healthy account, in seconds. An account in doubt that was served
/// later than those that always fail has one of three probes, a minute apart at most; when it got through, the others
/// come at their own pace. Accounts whose requests hang take turns with it, half a minute each.
const SLACK: u64 = 190;
const HANGING_SLACK: u64 = 30;

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn healthy_accounts_are_refreshed_whenever_the_provider_would_have_served_them(
        sick in prop::collection::vec(fate(), 0..14),
        healthy in 1..5_usize,
        ages in prop::collection::vec(0..3600_u64, 20),
        outages in prop::collection::vec((0..20_000_u64, 10..3000_u64, away()), 0..4),
    ) {
        let mut world = World::with(Settings { max_flights: 8, max_waiters: 100 });
        let began = world.now.boot;
        let mut fates = Vec::new();
        let sick = sick.into_iter().map(|fate| ("sick", fate));
        let fine = std::iter::repeat_n(("fine", Fate::Fine), healthy);
        for (number, (kind, fate)) in sick.chain(fine).enumerate() {
            let who = format!("{number}-{kind}");
            // who always fails was not served for longer than who does not
            let age = if fate == Fate::Fine { ages[number] } else { 3600 + ages[number] };
            world.restore(&who, 3600, age, Rules { strict: false, ..rules() });
            let id = world.life.id_of(&name(&who)).expect("it was restored").clone();
            fates.push((id, who, fate));
        }
        let outages: Vec<_> = outages.into_iter().map(|(from, long, class)| (from, from + long, class)).collect();
        let mut provider =
            Provider { world, fates, outages, began, hanging: Vec::new(), requests: Vec::new() };
        let hanging = provider.fates.iter().filter(|(.., fate)| *fate == Fate::Hangs).count() as u64;
        let slack = SLACK + HANGING_SLACK * hanging;
        // an origin that asked for a pause gets it
        let mut well_since = 0;
        for second in 0..30_000_u64 {
            provider.serve();
            provider.world.pass(Duration::from_millis(500));
            provider.serve();
            provider.world.pass(Duration::from_millis(500));
            let now = provider.world.now.boot;
            let endpoint = rules().endpoint;
            let quiet = provider.world.life.traffic.quiet_until(&endpoint.origin) > Some(now);
            if quiet || provider.outage().is_some() {
                well_since = second;
            }
            if second.saturating_sub(well_since) > slack {
                for (_, who, _) in provider.fates.iter().filter(|(.., fate)| *fate == Fate::Fine) {
                    let view = provider.world.life.view(&name(who)).expect("it is there");
                    let lives = view.expires.is_some_and(|expires| expires > now);
                    prop_assert!(lives, "{who} has no token at {second}, though all is well since {well_since}");
                }
            }
        }
        // The pace alone would allow 300. The pauses of an account double from a second or two on, and begin anew
        // when it fails in another way.
        let most = (0..provider.requests.len())
            .map(|first| {
                let minute = provider.requests[first] + Duration::from_mins(1);
                provider.requests[first..].iter().take_while(|at| **at < minute).count()
            })
            .max()
            .unwrap_or(0);
        prop_assert!(most <= 8 * provider.fates.len() + 30, "{most} requests in a minute");
        let a_day = provider.requests.len() as u64 * 86_400 / 30_000;
        prop_assert!(a_day <= 700 + 1500 * provider.fates.len() as u64, "{a_day} requests a day");
        for (_, who, _) in provider.fates.iter().filter(|(.., fate)| *fate == Fate::Fine) {
            let doing = provider.world.life.view(&name(who)).expect("it is there").doing;
            prop_assert!(doing != Doing::LoginRequired, "{who}");
        }
    }
}
