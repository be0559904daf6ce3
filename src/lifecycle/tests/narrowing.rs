//! Tokens that are good for a part of their login.

use super::world::{World, name, seed};
use super::{failure, rules};
use crate::lifecycle::{Event, Purpose, Refusal, RuleDraft, Rules, WaiterId};
use crate::model::{Caller, Decision, Face, FailureClass, Granted, Landing, Scopes};

/// A world with a fresh token of `door`, which is good for `open close`.
fn world() -> World {
    let mut world = World::new();
    world.restore("door", 36_000, 0, rules());
    world
}

/// What the flight under way is for.
fn scopes_sent(world: &World) -> Option<String> {
    let (_, purpose) = world.open.values().next().expect("a flight");
    let Purpose::Refresh { portion, .. } = purpose else { panic!("a refresh") };
    portion.as_ref().map(|portion| portion.scopes.join(" "))
}

fn refusal(world: &World, waiter: WaiterId) -> &Refusal {
    world.answer(waiter).expect("answered").as_ref().expect_err("no token")
}

fn scopes(world: &World, waiter: WaiterId) -> String {
    world.answer(waiter).unwrap().as_ref().unwrap().issued.scopes.join(" ")
}

#[test]
fn a_part_has_a_token_of_its_own_that_serves_until_it_is_due() {
    let mut world = world();
    let first = world.ask_narrowly("door", "open");
    assert_eq!(scopes_sent(&world).as_deref(), Some("open"));
    world.refresh_well(3600);
    assert_eq!(world.token(first), Some("access-1"));
    assert_eq!(scopes(&world, first), "open");
    let again = world.ask_narrowly("door", "open");
    assert_eq!(world.token(again), Some("access-1"), "at once");
    let whole = world.ask("door", 60, 20);
    assert_eq!(world.token(whole), Some("restored-door"), "the login's own is another");
    let all = world.ask_narrowly("door", "close open");
    assert_eq!(world.token(all), Some("restored-door"), "all of it is no part");
    assert!(world.begins.is_empty());
    assert!(!world.changes.iter().any(|(_, new_token)| *new_token), "nobody is told of it");

    world.pass_seconds(3600);
    assert!(world.begins.is_empty(), "nobody renews it but who asks");
    world.ask_narrowly("door", "open");
    assert_eq!(scopes_sent(&world).as_deref(), Some("open"));
}

#[test]
fn each_part_has_its_flight_one_after_the_other() {
    let mut world = World::new();
    world.restore("door", 3600, 3590, rules());
    let narrow = [world.ask_narrowly("door", "open"), world.ask_narrowly("door", "close")];
    let whole = world.ask("door", 60, 20);
    assert_eq!(scopes_sent(&world), None, "what is due goes first");
    world.refresh_well(3600);
    assert_eq!(world.token(whole), Some("access-1"));
    for (waiter, scope) in narrow.into_iter().zip(["open", "close"]) {
        assert!(world.answer(waiter).is_none());
        assert_eq!(scopes_sent(&world).as_deref(), Some(scope));
        world.refresh_well(3600);
        assert_eq!(scopes(&world, waiter), scope);
    }
    assert!(world.begins.is_empty() && world.unanswered() == 0);
}

#[test]
fn a_provider_that_gives_more_than_it_was_asked_for_has_not_narrowed() {
    let mut world = world();
    let asked = world.ask_narrowly("door", "open");
    world.begin(Ok(()));
    let Landing::Granted(mut granted) = world.granted(3600) else { unreachable!() };
    granted.scopes = Some(Scopes::parse_lenient("open close"));
    world.land(Landing::Granted(granted));
    assert!(world.saves[0].refresh.is_some() && world.saves[0].issued.is_none());
    world.save(true);
    assert!(matches!(refusal(&world, asked), Refusal::NotNarrowed { .. }));
    let whole = world.ask("door", 60, 20);
    assert_eq!(world.token(whole), Some("restored-door"));
}

#[test]
fn a_refused_part_costs_the_login_nothing() {
    let mut world = world();
    let asked = world.ask_narrowly("door", "open");
    let other = world.ask_narrowly("door", "close");
    world.refresh_badly(failure(FailureClass::RequestBroken));
    assert!(matches!(refusal(&world, asked), Refusal::NotNarrowed { .. }));
    assert!(world.stands.is_empty(), "it is as good as before");
    assert_eq!(scopes_sent(&world).as_deref(), Some("close"), "the other one goes on");
    world.refresh_well(3600);
    assert_eq!(scopes(&world, other), "close");
}

#[test]
fn where_a_refresh_harms_other_tokens_none_is_narrowed() {
    let mut world = World::new();
    world.restore("door", 36_000, 0, Rules { narrows: false, ..rules() });
    let asked = world.ask_narrowly("door", "open");
    assert!(matches!(refusal(&world, asked), Refusal::NotNarrowed { .. }));
    assert!(world.begins.is_empty());
    let missing = world.ask_narrowly("door", "paint");
    assert!(world.answer(missing).unwrap().is_err());
}

#[test]
fn a_program_that_may_have_a_part_gets_that_part() {
    let mut world = world();
    world.caller = Caller {
        face: Face::Bus,
        pid: Some(7),
        identity: "flatpak:org.example.Mail".parse().unwrap(),
    };
    let who = "flatpak:*".parse().unwrap();
    let draft = RuleDraft {
        who,
        scopes: Scopes::parse_lenient("open"),
        decision: Decision::Allow,
        expires: None,
        created_by: "test".to_owned(),
    };
    world.allowing.push("flatpak:*".parse().unwrap());
    let waiter = WaiterId(9000);
    world.tell(Event::SetRule { account: Some(name("door")), draft, waiter });
    world.store_rule(true);

    let asked = world.ask_for("door", "open");
    assert_eq!(scopes_sent(&world).as_deref(), Some("open"), "and not all of the login");
    world.refresh_well(3600);
    assert_eq!(scopes(&world, asked), "open");
    let more = world.ask_for("door", "close");
    assert!(world.answer(more).is_none(), "the user is asked");
    assert_eq!(world.screen.len(), 1);
}

#[test]
fn of_a_login_for_several_apis_each_has_a_token_of_its_own() {
    let mut world = World::new();
    let mut account = seed("door");
    account.target.resources =
        ["https://a.example/", "https://b.example/"].map(|it| it.parse().unwrap()).into();
    world.restore_seed(account, 36_000, rules());
    world.target.resources = ["https://b.example/".parse().unwrap()].into();
    let one = world.ask("door", 60, 20);
    let (_, purpose) = world.open.values().next().expect("a flight");
    let Purpose::Refresh { portion: Some(portion), .. } = purpose else { panic!("for a part") };
    assert_eq!(portion.target, world.target);
    world.refresh_well(3600);
    assert_eq!(world.token(one), Some("access-1"));
    assert_eq!(scopes(&world, one), "close open");
    world.target.resources = ["https://a.example/".parse().unwrap()].into();
    let first = world.ask("door", 60, 20);
    assert_eq!(world.token(first), Some("restored-door"), "the login's own is for the first");
    world.target = crate::model::Target::default();
    let any = world.ask("door", 60, 20);
    assert_eq!(world.token(any), Some("restored-door"));
}

#[test]
fn there_is_an_end_to_parts_and_a_new_login_begins_anew() {
    let mut world = world();
    world.restore("gate", 36_000, 0, rules());
    let all: Vec<String> = (0..20).map(|n| format!("s{n}")).collect();
    let mut account = seed("many");
    account.scopes = Scopes::parse_lenient(&all.join(" "));
    world.restore_seed(account, 36_000, rules());
    for scope in &all[..16] {
        let asked = world.ask_narrowly("many", scope);
        world.pass_seconds(1);
        world.refresh_well(3600);
        assert!(world.token(asked).is_some());
    }
    let late = world.ask_narrowly("many", "s17");
    assert_eq!(*refusal(&world, late), Refusal::TooMany);
    world.pass_seconds(4000);
    world.ask_narrowly("many", "s17");
    assert_eq!(scopes_sent(&world).as_deref(), Some("s17"), "in the place of one that is over");
}

#[test]
fn where_tokens_are_exchanged_the_refresh_token_is_left_alone() {
    let mut world = World::new();
    world.restore("door", 36_000, 0, Rules { exchanges: true, ..rules() });
    let asked = world.ask_narrowly("door", "open");
    let (_, Purpose::Refresh { subject, .. }) = world.open.values().next().unwrap() else {
        panic!("a refresh")
    };
    assert_eq!(subject.as_ref().unwrap().expose(), "restored-door");
    world.begin(Ok(()));
    let Landing::Granted(granted) = world.granted(3600) else { unreachable!() };
    world.land(Landing::Granted(Granted { refresh: None, ..granted }));
    let change = &world.saves[0];
    assert!(change.refresh.is_none() && change.issued.is_none());
    world.save(true);
    assert_eq!(world.token(asked), Some("access-1"));
}

#[test]
fn what_does_not_come_by_an_exchange_comes_by_a_refresh_from_then_on() {
    for class in [FailureClass::RequestBroken, FailureClass::ClientBroken, FailureClass::DeadGrant]
    {
        let mut world = World::new();
        world.restore("door", 36_000, 0, Rules { exchanges: true, ..rules() });
        let asked = world.ask_narrowly("door", "open");
        world.refresh_badly(failure(class));
        assert!(world.stands.is_empty(), "{class:?} says nothing about the login");
        assert!(world.answer(asked).is_none());
        let (_, Purpose::Refresh { subject, portion, .. }) = world.open.values().next().unwrap()
        else {
            panic!("a refresh")
        };
        assert!(subject.is_none() && portion.is_some());
        world.refresh_well(3600);
        assert_eq!(world.token(asked), Some("access-1"));
        world.ask_narrowly("door", "close");
        let (_, Purpose::Refresh { subject, .. }) = world.open.values().next().unwrap() else {
            panic!("a refresh")
        };
        assert!(subject.is_none(), "{class:?}");
    }
}

#[test]
fn a_token_that_is_nearly_over_is_not_exchanged() {
    let mut world = World::new();
    world.restore("door", 3600, 3590, Rules { exchanges: true, ..rules() });
    world.begin(Ok(()));
    world.land(Landing::Failed { failure: failure(FailureClass::Transient), rescued: None });
    world.ask_narrowly("door", "open");
    let sends = world.open.values().next();
    let exchanges =
        |open: &(_, Purpose)| matches!(open.1, Purpose::Refresh { subject: Some(_), .. });
    assert!(!sends.is_some_and(exchanges));
}
