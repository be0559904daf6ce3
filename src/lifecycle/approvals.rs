//! What the user says about programs: rules that are made and removed, and answers to questions.

use super::changes::RuleChange;
use super::machine::Lifecycle;
use super::questions::{Answered, LetThrough, QuestionView, Subject};
use super::words::{Ask, Effect, Refusal, RuleDraft, RuleRefusal, Verdict, WaiterId};
use crate::model::{
    AccountId, AccountName, Caller, ChangeId, Decision, Now, QuestionId, Rule, RuleId, Wall,
};

impl Lifecycle {
    /// The questions that wait for an answer, the oldest first.
    pub fn questions(&self) -> impl Iterator<Item = QuestionView<'_>> {
        self.questions.views()
    }

    /// The rules, in the order in which they are looked at.
    #[must_use]
    pub fn rules_in_force(&self) -> &[Rule] {
        self.policy.rules()
    }

    /// The rules that decided something since this was asked last.
    pub fn rules_used(&mut self) -> Vec<(RuleId, Wall)> {
        self.policy.used()
    }

    /// What a program would get of an account's tokens.
    #[must_use]
    pub fn decision(&self, name: &AccountName, caller: &Caller, now: Now) -> Option<Decision> {
        let account = self.accounts.get(self.accounts.named(name)?)?;
        let matter = account.matter(&caller.identity, None);
        Some(self.policy.look(matter, now.wall).decision)
    }

    /// The user has to say whether the caller may have a token.
    pub(super) fn question(&mut self, ask: Ask, slot: usize, now: Now, out: &mut Vec<Effect>) {
        let Some(account) = self.accounts.get(slot) else { return };
        let subject = Subject {
            account: &account.seed.id,
            name: &account.seed.name,
            scopes: account.granted_scopes(),
        };
        if let Some(ask) = self.questions.put(ask, &subject, !self.draining, now, out) {
            self.serve(ask, slot, now, out);
        }
    }

    /// The user answered.
    pub(super) fn respond(
        &mut self,
        id: QuestionId,
        verdict: Verdict,
        by: String,
        waiter: Option<WaiterId>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let result = match self.questions.answered(id, verdict, by, now, out) {
            Answered::Unknown => Err(RuleRefusal::NoSuchQuestion),
            Answered::Told => Ok(None),
            Answered::LetThrough(those) => {
                self.let_through(those, now, out);
                Ok(None)
            }
            Answered::ForGood { account, draft } => {
                // the outcome of the writing answers
                return self.write_rule(draft, Some(account), waiter, Some(id), now, out);
            }
        };
        out.extend(waiter.map(|waiter| Effect::Ruled { waiter, result }));
    }

    /// Those who wait for an answer have it: yes.
    fn let_through(&mut self, those: LetThrough, now: Now, out: &mut Vec<Effect>) {
        let LetThrough { account, asks } = those;
        let slot = self.accounts.with_id(&account);
        for ask in asks {
            if let Some(slot) = slot {
                self.serve(ask, slot, now, out);
            } else {
                let result = Err(Refusal::NoSuchAccount);
                out.push(Effect::Answer { waiter: ask.waiter, result });
            }
        }
    }

    /// A rule is to be made.
    pub(super) fn set_rule(
        &mut self,
        account: Option<&AccountName>,
        draft: RuleDraft,
        waiter: WaiterId,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let id = match account.map(|name| self.view(name).map(|view| view.seed.id.clone())) {
            Some(None) => {
                let result = Err(RuleRefusal::NoSuchAccount);
                out.push(Effect::Ruled { waiter, result });
                return;
            }
            known => known.flatten(),
        };
        for over in self.policy.over(now.wall) {
            self.drop_rule(over, None, out);
        }
        self.write_rule(draft, id, Some(waiter), None, now, out);
    }

    fn write_rule(
        &mut self,
        draft: RuleDraft,
        account: Option<AccountId>,
        waiter: Option<WaiterId>,
        question: Option<QuestionId>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if let Some(mut rule) = self.policy.drafted(draft, account, now.wall) {
            // one about the same that is on its way to the disk is replaced, like one that is there
            let pending = self.rule_changes.iter().filter_map(|change| change.rule.as_ref());
            let same = { pending }.find(|pending| pending.is_about_the_same(&rule));
            rule.id = same.map_or(rule.id, |same| same.id);
            let (ticket, id) = (self.next_change.take(), rule.id);
            out.push(Effect::StoreRule(ticket, Box::new(rule.clone())));
            let change = RuleChange { waiter, id, rule: Some(rule), question };
            self.rule_changes.begin(ticket, change);
        } else {
            let result = Err(RuleRefusal::TooMany);
            out.extend(waiter.map(|waiter| Effect::Ruled { waiter, result }));
            self.granted(question, now, out);
        }
    }

    /// A rule is to go.
    pub(super) fn remove_rule(&mut self, id: RuleId, waiter: WaiterId, out: &mut Vec<Effect>) {
        if self.policy.has(id) {
            self.drop_rule(id, Some(waiter), out);
        } else {
            out.push(Effect::Ruled { waiter, result: Err(RuleRefusal::NoSuchRule) });
        }
    }

    fn drop_rule(&mut self, id: RuleId, waiter: Option<WaiterId>, out: &mut Vec<Effect>) {
        let ticket = self.next_change.take();
        out.push(Effect::DropRule(ticket, id));
        self.rule_changes.begin(ticket, RuleChange { waiter, id, rule: None, question: None });
    }

    /// A change of the rules is on record, or cannot be written down.
    pub(super) fn rule_stored(
        &mut self,
        ticket: ChangeId,
        result: Result<(), String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(RuleChange { waiter, id, rule, question }) = self.rule_changes.end(ticket) else {
            return;
        };
        let result = match result {
            Ok(()) => {
                match rule {
                    Some(rule) => self.policy.put(rule),
                    None => self.policy.remove(id),
                }
                for those in self.questions.judge_again(&self.policy, now, out) {
                    self.let_through(those, now, out);
                }
                Ok(Some(id))
            }
            Err(why) => Err(RuleRefusal::NotSaved { why }),
        };
        out.extend(waiter.map(|waiter| Effect::Ruled { waiter, result }));
        // not covered by the rule that it brought about, or there is none
        self.granted(question, now, out);
    }

    /// The user said yes for good to a question: those who wait are let through, whatever became of the rule.
    fn granted(&mut self, question: Option<QuestionId>, now: Now, out: &mut Vec<Effect>) {
        if let Some(those) = question.and_then(|question| self.questions.granted(question)) {
            self.let_through(those, now, out);
        }
    }
}
