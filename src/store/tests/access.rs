//! Rules about programs, and who was given tokens.

use super::*;
use crate::model::{ChangeId, Decision, Face, Rule, RuleId, Usage};
use crate::store::Notes;

pub(super) fn rule(id: u32, of: Option<u8>, who: &str, decision: Decision) -> Rule {
    Rule {
        id: RuleId(id),
        account: of.map(account),
        who: who.parse().unwrap(),
        scopes: Scopes::parse_lenient("read"),
        decision,
        expires: Some(Wall(1_800_000_000_000)),
        created: Wall(1_700_000_000_000),
        created_by: "exe:/usr/bin/ostler".to_owned(),
        last_used: None,
    }
}

pub(super) fn usage(number: u8, who: &str, last: i64) -> Usage {
    Usage {
        account: account(number),
        who: who.parse().unwrap(),
        face: Face::Tokens,
        pid: Some(7),
        first: Wall(5),
        last: Wall(last),
        count: 3,
    }
}

fn set(run: &mut Running, rule: &Rule) -> Result<(), StoreError> {
    match run.ask(Command::SetRule(ChangeId(1), Box::new(rule.clone()))) {
        Report::Ruled { change: ChangeId(1), result } => result,
        other => panic!("{other:?}"),
    }
}

fn note(run: &mut Running, notes: Notes) -> Result<(), StoreError> {
    match run.ask(Command::Note(Box::new(notes))) {
        Report::Noted { result } => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rules_are_there_after_a_crash_replaced_by_number_and_gone_when_dropped() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    assert!(run.loaded.rules.is_empty());
    assert_eq!(run.loaded.next_rule, RuleId(1));
    let everybody = rule(1, None, "claimed", Decision::Ask);
    let mail = rule(2, Some(1), "flatpak:org.example.Mail", Decision::Allow);
    set(&mut run, &everybody).unwrap();
    set(&mut run, &mail).unwrap();
    let used = Notes { usage: Vec::new(), rules: vec![(RuleId(2), Wall(9))] };
    note(&mut run, used).unwrap();

    let home = home.crash();
    let mut run = home.open();
    let used = Rule { last_used: Some(Wall(9)), ..mail };
    assert_eq!(run.loaded.rules, [everybody, used.clone()]);
    let harder = Rule { decision: Decision::Deny, ..used };
    set(&mut run, &harder).unwrap();
    let dropped = run.ask(Command::DropRule(ChangeId(2), RuleId(1)));
    assert!(matches!(dropped, Report::Ruled { change: ChangeId(2), result: Ok(()) }));
    run.close();
    let run = home.open();
    assert_eq!(run.loaded.rules, [harder]);
    assert_eq!(run.loaded.next_rule, RuleId(3), "numbers are not used again");
}

#[test]
fn rules_and_uses_go_with_their_account_and_none_is_made_for_one_that_is_not_there() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    set(&mut run, &rule(1, Some(1), "*", Decision::Deny)).unwrap();
    set(&mut run, &rule(2, None, "*", Decision::Allow)).unwrap();
    note(&mut run, Notes { usage: vec![usage(1, "host", 9)], rules: Vec::new() }).unwrap();
    let refused = set(&mut run, &rule(3, Some(2), "*", Decision::Deny)).unwrap_err();
    assert_eq!(refused, Refusal::UnknownAccount.into());
    // a program that came last while its account went is no trouble
    note(&mut run, Notes { usage: vec![usage(2, "host", 9)], rules: vec![(RuleId(9), Wall(1))] })
        .unwrap();
    run.erase(&account(1)).unwrap();
    run.close();
    let run = home.open();
    assert_eq!(run.loaded.rules, [rule(2, None, "*", Decision::Allow)]);
    assert!(run.loaded.usage.is_empty());
}

#[test]
fn those_who_came_last_are_kept() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    for number in 0..100 {
        let came = usage(1, &format!("exe:/bin/{number}"), number);
        note(&mut run, Notes { usage: vec![came], rules: Vec::new() }).unwrap();
    }
    let again = Usage { count: 4, last: Wall(200), ..usage(1, "exe:/bin/50", 0) };
    note(&mut run, Notes { usage: vec![again.clone()], rules: Vec::new() }).unwrap();
    run.close();
    let run = home.open();
    assert_eq!(run.loaded.usage.len(), 64);
    assert_eq!(run.loaded.usage.last(), Some(&again));
    assert_eq!(run.loaded.usage[0].last, Wall(36));
}

#[test]
fn a_row_that_cannot_be_read_costs_no_login() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    set(&mut run, &rule(1, None, "*", Decision::Deny)).unwrap();
    note(&mut run, Notes { usage: vec![usage(1, "host", 9)], rules: Vec::new() }).unwrap();
    run.close();
    let by_hand = rusqlite::Connection::open(home.places().database).unwrap();
    by_hand.execute_batch("UPDATE rule SET who = 'nonsense'; UPDATE usage SET who = ''").unwrap();
    by_hand.close().unwrap();
    let run = home.open();
    assert!(run.loaded.rules.is_empty() && run.loaded.usage.is_empty());
    assert_eq!(run.loaded.accounts.len(), 1);
}
