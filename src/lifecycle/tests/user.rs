//! What the user of the world does: answers, makes rules, changes accounts.

use super::world::{World, name};
use crate::lifecycle::{Event, Parting, RuleDraft, Unasked, Verdict, WaiterId};
use crate::model::{Adjustment, Decision, Pattern, QuestionId, RuleId, Scopes};

impl World {
    /// The user answers.
    pub(super) fn respond(&mut self, question: QuestionId, verdict: Verdict) {
        if verdict != Verdict::Deny {
            let asked = self.life.questions().filter(|it| it.id == question);
            self.allowed.extend(asked.map(|it| (it.account.clone(), it.caller.identity.clone())));
        }
        self.next_waiter += 1;
        let waiter = Some(WaiterId(self.next_waiter));
        self.tell(Event::Respond { question, verdict, by: "a test".into(), waiter });
    }

    /// The user cannot be asked.
    pub(super) fn unasked(&mut self, question: QuestionId) {
        self.tell(Event::Unasked { question, why: Unasked::NotShown });
    }

    pub(super) fn set_rule(&mut self, of: Option<&str>, who: &str, decision: Decision) {
        let who: Pattern = who.parse().unwrap();
        if decision == Decision::Allow {
            self.allowing.push(who.clone());
        }
        self.next_waiter += 1;
        let scopes = Scopes::default();
        let draft = RuleDraft { who, scopes, decision, expires: None, created_by: "a test".into() };
        let waiter = WaiterId(self.next_waiter);
        self.tell(Event::SetRule { account: of.map(name), draft, waiter });
    }

    pub(super) fn remove_rule(&mut self, rule: RuleId) {
        self.next_waiter += 1;
        self.tell(Event::RemoveRule { rule, waiter: WaiterId(self.next_waiter) });
    }

    /// The disk takes, or does not take, the oldest change of the rules.
    pub(super) fn store_rule(&mut self, took: bool) {
        let (change, _) = self.rules.pop_front().expect("a change of the rules waits for the disk");
        self.tell(Event::RuleStored { change, result: took.then_some(()).ok_or("full".into()) });
    }

    /// The login is given back.
    pub(super) fn give_back(&mut self, who: &str) {
        self.next_waiter += 1;
        self.logouts.extend(self.life.id_of(&name(who)).cloned());
        let waiter = WaiterId(self.next_waiter);
        self.tell(Event::Part { account: name(who), parting: Parting::GiveBack, waiter });
    }

    pub(super) fn adjust(&mut self, who: &str, to: Adjustment) {
        self.next_waiter += 1;
        let waiter = WaiterId(self.next_waiter);
        self.tell(Event::Adjust { account: name(who), to, waiter });
    }

    /// The disk takes, or does not take, the oldest change of an account.
    pub(super) fn store_adjustment(&mut self, took: bool) {
        let change =
            self.adjustments.pop_front().expect("a change of an account waits for the disk");
        self.tell(Event::Adjusted { change, result: took.then_some(()).ok_or("full".into()) });
    }
}
