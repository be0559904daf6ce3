//! What the user does with an account beside signing in and out.

use super::rules;
use super::scenarios::doing;
use super::world::{World, name};
use crate::lifecycle::{Doing, Event, Refusal, SignInEnd};
use crate::model::{Adjustment, Decision, Mode, Modes, Target, Values};

fn world() -> World {
    let mut world = World::new();
    world.restore("door", 3600, 10, rules());
    world.restore("gate", 3600, 10, rules());
    world
}

fn rename(world: &mut World, from: &str, to: &str) {
    world.adjust(from, Adjustment::Rename(name(to)));
}

#[test]
fn an_account_has_its_new_name_once_that_is_on_the_disk() {
    let mut world = world();
    rename(&mut world, "door", "front");
    assert!(world.life.view(&name("front")).is_none() && world.resumed.is_empty());
    world.store_adjustment(true);
    assert_eq!(world.resumed, [Ok(())]);
    assert_eq!(world.renamed, [(name("door"), name("front"))]);
    let asked = world.ask("front", 60, 20);
    assert_eq!(world.token(asked), Some("restored-door"));
    let old = world.ask("door", 60, 20);
    assert_eq!(*world.answer(old).unwrap().as_ref().unwrap_err(), Refusal::NoSuchAccount);
    assert_eq!(world.life.views().len(), 2);
    // and is refreshed as before
    world.pass_seconds(3000);
    while !world.begins.is_empty() {
        world.refresh_well(3600);
    }
    assert!(world.changes.contains(&(name("front"), true)));
}

#[test]
fn a_name_is_not_taken_from_another_account_nor_promised_twice() {
    let mut world = world();
    rename(&mut world, "door", "gate");
    rename(&mut world, "door", "new");
    rename(&mut world, "gate", "new");
    assert_eq!(world.resumed, [Err(Refusal::NameTaken), Err(Refusal::NameTaken)]);
    world.store_adjustment(false);
    assert_eq!(world.resumed[2], Err(Refusal::NotSaved { why: "full".into() }));
    assert!(world.life.view(&name("door")).is_some(), "as it was");
    rename(&mut world, "nobody", "x");
    assert_eq!(world.resumed[3], Err(Refusal::NoSuchAccount));
}

#[test]
fn a_sign_in_and_a_new_name_do_not_cross() {
    let mut world = world();
    world.sign_in(1, "door", rules());
    rename(&mut world, "door", "front");
    assert_eq!(world.resumed, [Err(Refusal::SigningIn)]);
    world.tell(Event::EndSignIn { request: super::world::request(1), why: SignInEnd::Cancelled });
    rename(&mut world, "door", "front");
    // one that was prepared under the old name comes too late
    let late = world.sign_in(2, "door", rules());
    assert_eq!(world.ended[&late], Err(SignInEnd::Cancelled));
    world.store_adjustment(true);
    let later = world.sign_in(3, "door", rules());
    assert_eq!(world.ended[&later], Err(SignInEnd::Cancelled));
    assert_eq!(world.life.views().len(), 2);
}

#[test]
fn rules_and_questions_stay_with_an_account_under_its_new_name() {
    let mut world = world();
    world.set_rule(Some("door"), "exe:/bin/a", Decision::Deny);
    world.store_rule(true);
    world.caller.identity = "flatpak:org.example.Mail".parse().unwrap();
    let asked = world.ask("door", 60, 20);
    rename(&mut world, "door", "front");
    world.store_adjustment(true);
    let question = world.life.questions().next().unwrap().id;
    assert_eq!(*world.life.questions().next().unwrap().account, name("front"));
    world.respond(question, crate::lifecycle::Verdict::Once);
    assert_eq!(world.token(asked), Some("restored-door"));
    world.caller.identity = "exe:/bin/a".parse().unwrap();
    let denied = world.ask("front", 60, 20);
    assert!(matches!(world.answer(denied), Some(Err(Refusal::Denied { .. }))));
}

#[test]
fn an_account_out_of_use_hands_nothing_out_and_is_not_kept_fresh() {
    let mut world = world();
    world.adjust("door", Adjustment::Enable(false));
    world.store_adjustment(true);
    assert_eq!(doing(&world, "door"), Doing::Disabled);
    let asked = world.ask("door", 60, 20);
    assert_eq!(*world.answer(asked).unwrap().as_ref().unwrap_err(), Refusal::Disabled);
    world.pass_seconds(10_000);
    let flights = world.begins.len() + world.air.len();
    assert_eq!(flights, 1, "the other one alone");
    world.adjust("door", Adjustment::Enable(true));
    world.store_adjustment(true);
    assert_eq!(world.begins.len(), 2, "what is due is done at once");
}

#[test]
fn a_login_that_dies_of_disuse_is_kept_alive_in_an_account_out_of_use() {
    let mut world = World::new();
    let idle = std::time::Duration::from_hours(24);
    let rules = crate::lifecycle::Rules { refresh_idle: Some(idle), ..rules() };
    world.restore("door", 3600, 10, rules);
    world.adjust("door", Adjustment::Enable(false));
    world.store_adjustment(true);
    world.pass_seconds(24 * 3600);
    assert_eq!(world.begins.len(), 1);
    // as if it were lazy, whatever its mode
    world.tell(Event::Modes(Modes { default: Mode::Always, ..Modes::default() }));
    assert_eq!(world.begins.len(), 1);
}

#[test]
fn a_login_that_is_given_back_leaves_an_account_that_needs_one() {
    let mut world = world();
    world.give_back("door");
    assert!(world.erased.is_empty(), "the account stays");
    world.erase(true);
    assert_eq!(doing(&world, "door"), Doing::LoginRequired);
    let asked = world.ask("door", 60, 20);
    let Some(Err(Refusal::LoginRequired { why })) = world.answer(asked) else {
        panic!("{:?}", world.answer(asked))
    };
    assert!(why.contains("at your word"), "{why}");
    world.resume("door");
    assert!(matches!(world.resumed.last(), Some(Err(Refusal::LoginRequired { .. }))));
    world.sign_in(1, "door", rules());
    world.tell(Event::Redeem { request: super::world::request(1), values: Values::default() });
    world.refresh_well(3600);
    assert_eq!(doing(&world, "door"), Doing::Ready);
}

#[test]
fn of_a_login_that_is_given_back_no_token_for_a_part_of_it_is_left() {
    let mut world = world();
    let part = world.ask_narrowly("door", "open");
    world.begin(Ok(()));
    let mut granted = world.granted(3600);
    if let crate::model::Landing::Granted(granted) = &mut granted {
        granted.scopes = Some(crate::model::Scopes::parse_lenient("open"));
    }
    world.land(granted);
    world.save(true);
    assert!(world.token(part).is_some());
    world.give_back("door");
    world.erase(true);
    let again = world.ask_narrowly("door", "open");
    assert!(
        matches!(world.answer(again), Some(Err(Refusal::LoginRequired { .. }))),
        "{:?}",
        world.answer(again)
    );
}

#[test]
fn a_login_is_given_back_once_what_flies_has_landed_and_not_if_the_disk_refuses() {
    let mut world = world();
    let asked = world.renew("door");
    world.begin(Ok(()));
    world.give_back("door");
    assert_eq!(*world.answer(asked).unwrap().as_ref().unwrap_err(), Refusal::LoggedOut);
    assert!(world.erases.is_empty(), "what it brings is what has to be revoked");
    let granted = world.granted(3600);
    world.land(granted);
    world.save(true);
    world.erase(false);
    assert_eq!(doing(&world, "door"), Doing::Ready);
    let again = world.ask("door", 60, 20);
    assert_eq!(world.token(again), Some("access-1"));
}

#[test]
fn an_account_that_leaves_while_a_sign_in_is_redeemed_starts_nothing_of_its_own() {
    use crate::lifecycle::Settings;
    use crate::model::{FailureClass, Landing};
    let mut world = World::with(Settings { max_flights: 1, ..Settings::default() });
    world.restore("door", 3600, 3590, rules());
    world.refresh_badly(super::failure(FailureClass::NotSent));
    world.define(None);
    world.sign_in(1, "door", rules());
    world.tell(Event::Redeem { request: super::world::request(1), values: Values::default() });
    world.tell(Event::Rest);
    world.begin(Ok(()));
    world.give_back("door");
    // which asks for a refresh, and the machine sleeps
    world.define(Some(rules()));
    let failure = super::failure(FailureClass::NotSent);
    world.land(Landing::Failed { failure, rescued: None });
    world.erase(true);
    world.tell(Event::Wake);
    world.pass_seconds(100);
    assert!(world.begins.is_empty());
}

#[test]
fn a_token_is_for_what_its_login_named_and_nothing_else() {
    let mut world = world();
    world.target.audience = Some("front".parse().unwrap());
    let asked = world.ask("door", 60, 20);
    let missing = vec!["front".to_owned()];
    assert_eq!(
        *world.answer(asked).unwrap().as_ref().unwrap_err(),
        Refusal::NotForThat { missing }
    );
    world.target = Target::default();
    let any = world.ask("door", 60, 20);
    assert_eq!(world.token(any), Some("restored-door"));
}

#[test]
fn a_token_is_renewed_at_a_users_word_as_often_as_that_makes_sense() {
    let mut world = world();
    let asked = world.renew("door");
    assert!(world.answer(asked).is_none());
    world.refresh_well(3600);
    assert_eq!(world.token(asked), Some("access-1"));
    let again = world.renew("door");
    assert!(world.answer(again).is_none() && world.begins.is_empty(), "not in the same second");
    world.pass_seconds(10);
    assert_eq!(world.begins.len(), 1);
    world.refresh_well(3600);
    assert_eq!(world.token(again), Some("access-2"));
}
