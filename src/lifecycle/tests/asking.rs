//! Which programs get tokens, and what happens when the user has to say so.

use super::rules;
use super::world::{World, name};
use crate::lifecycle::{Event, Refusal, RuleRefusal, Verdict, WaiterId};
use crate::model::{Caller, Decision, Face, QuestionId, RuleId};

const MAIL: &str = "flatpak:org.example.Mail";
const CURL: &str = "exe:/usr/bin/curl";

/// A world with a fresh token of `door` and of `gate`, in which a sandboxed program asks.
fn world() -> World {
    let mut world = World::new();
    world.restore("door", 36_000, 0, rules());
    world.restore("gate", 36_000, 0, rules());
    world.caller = caller(MAIL);
    world
}

fn caller(identity: &str) -> Caller {
    Caller { face: Face::Bus, pid: Some(7), identity: identity.parse().unwrap() }
}

fn pending(world: &World) -> Vec<QuestionId> {
    world.life.questions().map(|question| question.id).collect()
}

fn refusal(world: &World, waiter: WaiterId) -> Refusal {
    world.answer(waiter).expect("answered").as_ref().expect_err("no token").clone()
}

fn is_required(world: &World, waiter: WaiterId) -> bool {
    matches!(refusal(world, waiter), Refusal::ApprovalRequired { .. })
}

#[test]
fn a_sandboxed_program_waits_while_the_user_is_asked_once_and_then_has_its_tokens() {
    let mut world = world();
    let asked: Vec<_> = (0..20).map(|_| world.ask("door", 60, 20)).collect();
    assert_eq!((world.screen.len(), world.prompts), (1, 1), "one question, however often it asks");
    assert!(asked.iter().all(|waiter| world.answer(*waiter).is_none()));
    world.respond(world.screen[0], Verdict::Allow);
    assert!(world.screen.is_empty(), "it is taken away");
    assert!(asked.iter().all(|waiter| world.answer(*waiter).is_none()), "not yet on the disk");
    world.store_rule(true);
    assert!(asked.iter().all(|waiter| world.token(*waiter) == Some("restored-door")));
    let later = world.ask("door", 60, 20);
    assert_eq!(world.token(later), Some("restored-door"));
    let other = world.ask("gate", 60, 20);
    assert!(world.answer(other).is_none(), "a yes is to one account");
    assert_eq!(world.prompts, 2);
}

#[test]
fn what_the_user_allows_holds_for_once_if_it_cannot_be_written_down() {
    let mut world = world();
    let asked = world.ask("door", 60, 20);
    world.respond(world.screen[0], Verdict::Allow);
    world.store_rule(false);
    assert_eq!(world.token(asked), Some("restored-door"));
    assert_eq!(world.ruled, [Err(RuleRefusal::NotSaved { why: "full".into() })]);
    let later = world.ask("door", 60, 20);
    assert!(world.answer(later).is_none(), "asked again");
}

#[test]
fn once_is_once() {
    let mut world = world();
    let asked = world.ask("door", 60, 20);
    world.respond(world.screen[0], Verdict::Once);
    assert_eq!(world.token(asked), Some("restored-door"));
    let again = world.ask("door", 60, 20);
    assert!(world.answer(again).is_none());
    assert_eq!(world.prompts, 2);
}

#[test]
fn once_is_kept_for_a_program_that_did_not_wait() {
    let mut world = world();
    let asked = world.ask("door", 60, 5);
    world.pass_seconds(6);
    assert!(is_required(&world, asked));
    world.respond(world.screen[0], Verdict::Once);
    let again = world.ask("door", 60, 20);
    assert_eq!(world.token(again), Some("restored-door"));
    let third = world.ask("door", 60, 20);
    assert!(world.answer(third).is_none());
}

#[test]
fn a_no_is_remembered_for_ten_minutes() {
    let mut world = world();
    let asked = world.ask("door", 60, 20);
    world.respond(world.screen[0], Verdict::Deny);
    assert_eq!(refusal(&world, asked), Refusal::Denied { rule: None });
    assert!(pending(&world).is_empty());
    world.pass_seconds(599);
    let again = world.ask("door", 60, 20);
    assert_eq!(refusal(&world, again), Refusal::Denied { rule: None });
    assert_eq!(world.prompts, 1);
    world.pass_seconds(2);
    let after = world.ask("door", 60, 20);
    assert!(world.answer(after).is_none());
    assert_eq!(world.prompts, 2);
}

#[test]
fn a_question_leaves_the_screen_after_a_minute_and_stays_on_the_list() {
    let mut world = world();
    let asked = world.ask("door", 60, 200);
    world.pass_seconds(61);
    assert!(world.screen.is_empty());
    assert!(is_required(&world, asked), "told at once that nobody answered");
    assert_eq!(pending(&world).len(), 1);
    // a program that goes on asking brings no storm about
    for _ in 0..30 {
        let again = world.ask("door", 60, 20);
        assert!(is_required(&world, again));
        world.pass_seconds(100);
    }
    assert_eq!(world.prompts, 1);
    world.pass_seconds(601);
    assert!(pending(&world).is_empty(), "nobody asks any more");
}

#[test]
fn where_nobody_can_be_asked_the_program_is_told_at_once_and_the_question_can_be_answered() {
    let mut world = world();
    let asked = world.ask("door", 60, 20);
    let question = world.screen.remove(0);
    world.unasked(question);
    assert_eq!(refusal(&world, asked), Refusal::ApprovalRequired { question });
    assert_eq!(pending(&world), [question]);
    world.respond(question, Verdict::Allow);
    world.store_rule(true);
    let again = world.ask("door", 60, 20);
    assert_eq!(world.token(again), Some("restored-door"));
    world.respond(question, Verdict::Deny);
    assert_eq!(world.ruled.last(), Some(&Err(RuleRefusal::NoSuchQuestion)));
}

#[test]
fn who_does_not_want_the_user_to_be_asked_is_told_and_the_list_has_it() {
    let mut world = world();
    let asked = world.ask_silently("door");
    assert!(is_required(&world, asked));
    assert_eq!((world.prompts, pending(&world).len()), (0, 1));
    let loud = world.ask("door", 60, 20);
    assert!(world.answer(loud).is_none());
    assert_eq!(world.prompts, 1);
}

#[test]
fn a_rule_that_is_made_meanwhile_answers_the_question() {
    for decision in [Decision::Allow, Decision::Deny] {
        let mut world = world();
        let asked = world.ask("door", 60, 20);
        world.set_rule(None, "flatpak:*", decision);
        world.store_rule(true);
        assert!(world.screen.is_empty() && pending(&world).is_empty());
        match decision {
            Decision::Allow => assert_eq!(world.token(asked), Some("restored-door")),
            _ => assert_eq!(refusal(&world, asked), Refusal::Denied { rule: Some(RuleId(1)) }),
        }
    }
}

#[test]
fn others_are_given_tokens_until_a_rule_says_otherwise() {
    let mut world = world();
    world.caller = caller(CURL);
    let asked = world.ask("door", 60, 20);
    assert_eq!(world.token(asked), Some("restored-door"));
    world.set_rule(Some("door"), "claimed", Decision::Ask);
    world.store_rule(true);
    let asked = world.ask("door", 60, 20);
    assert_eq!((world.answer(asked).is_none(), world.prompts), (true, 1));
    world.set_rule(Some("door"), CURL, Decision::Deny);
    assert!(world.answer(asked).is_none(), "not in force before it is on the disk");
    world.store_rule(true);
    assert_eq!(refusal(&world, asked), Refusal::Denied { rule: Some(RuleId(2)) });
    world.remove_rule(RuleId(2));
    world.store_rule(true);
    world.remove_rule(RuleId(2));
    assert_eq!(world.ruled.last(), Some(&Err(RuleRefusal::NoSuchRule)));
    let elsewhere = world.ask("gate", 60, 20);
    assert_eq!(world.token(elsewhere), Some("restored-gate"));
    world.set_rule(Some("nowhere"), CURL, Decision::Deny);
    assert_eq!(world.ruled.last(), Some(&Err(RuleRefusal::NoSuchAccount)));
}

#[test]
fn a_crowd_of_programs_fills_neither_the_screen_nor_the_list_without_end() {
    let mut world = world();
    for number in 0..200 {
        world.caller = caller(&format!("flatpak:org.example.App{number}"));
        let asked = world.ask("door", 60, 5);
        if world.answer(asked).is_none() {
            let question = world.screen.pop().unwrap();
            world.unasked(question);
        }
    }
    assert_eq!(pending(&world).len(), 64, "the oldest make room");
    assert!(world.screen.is_empty());
}

#[test]
fn a_logout_and_a_stop_end_the_questions() {
    let mut world = world();
    let door = world.ask("door", 60, 20);
    let gate = world.ask("gate", 60, 20);
    world.set_rule(Some("gate"), CURL, Decision::Deny);
    world.store_rule(true);
    world.logout("door");
    assert_eq!(refusal(&world, door), Refusal::LoggedOut);
    assert_eq!(world.screen.len(), 1);
    world.tell(Event::Drain);
    assert_eq!(refusal(&world, gate), Refusal::Stopping);
    assert!(world.screen.is_empty());
    world.erase(true);
    world.logout("gate");
    world.erase(true);
    assert!(world.life.rules_in_force().is_empty(), "its rules go with an account");
    assert_eq!(world.life.decision(&name("gate"), &caller(CURL), world.now), None);
}
