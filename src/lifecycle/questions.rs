//! Questions to the user: whether a program may have tokens of an account.
//!
//! There is one for each program and account, however often it asks. While the user is being asked the
//! program waits, as long as it wants to; where nobody can be asked, or nobody answers, it is told so, and
//! the question stays on the list for a while.

use std::time::Duration;

use super::machine::Lifecycle;
use super::policy::{Matter, Ruling};
use super::rulings::{RuleDraft, RuleRefusal, Unasked, Verdict};
use super::words::{Ask, Effect, Refusal, WaiterId};
use crate::model::{
    AccountId, AccountName, Boot, Caller, ChangeId, Decision, Now, Pattern, QuestionId, Rule,
    RuleId, Scopes,
};

/// How long a question is shown.
const SHOWN: Duration = Duration::from_mins(1);
/// How long a question stays on the list after its program asked last.
const LISTED: Duration = Duration::from_mins(10);
/// How long after nobody answered the user is not asked again.
const QUIET: Duration = Duration::from_hours(1);
/// How long a no holds, and a yes to a program that does not wait for it any more.
const REMEMBERED: Duration = Duration::from_mins(10);
/// How many questions there can be: those on the list, and answers that are remembered.
const QUESTIONS_MAX: usize = 64;
/// How many of them one program can bring about.
const OF_ONE_MAX: usize = 8;
/// How many may wait for the answer to one.
const ASKS_MAX: usize = 256;

/// A question to the user, and what became of it.
#[derive(Debug)]
pub(super) struct Question {
    id: QuestionId,
    account: AccountId,
    name: AccountName,
    caller: Caller,
    scopes: Scopes,
    /// When it came up.
    since: Boot,
    asks: Vec<Ask>,
    stage: Stage,
    /// When the user was last asked in vain.
    ignored: Option<Boot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The user is being asked.
    Shown { until: Boot },
    /// It is on the list.
    Open { until: Boot },
    /// The user said yes, for good; that is being written down.
    Granting,
    /// The user said yes, for once, when nobody waited.
    Once { until: Boot },
    /// The user said no.
    Refused { until: Boot },
}

/// A question as seen from outside.
#[derive(Debug, Clone)]
pub struct QuestionView<'a> {
    /// Its number.
    pub id: QuestionId,
    /// Whose tokens.
    pub account: &'a AccountName,
    /// Who asks for them, as it came last.
    pub caller: &'a Caller,
    /// What they are good for.
    pub scopes: &'a Scopes,
    /// When it came up.
    pub since: Boot,
}

/// A change of the rules on its way to the disk, where the order is that of these.
#[derive(Debug)]
pub(super) struct Change {
    waiter: Option<WaiterId>,
    id: RuleId,
    /// The rule, unless one is to go.
    rule: Option<Rule>,
    question: Option<QuestionId>,
}

impl Question {
    pub(super) fn is_about(&self, account: &AccountId) -> bool {
        self.account == *account
    }

    /// Its account has another name.
    pub(super) fn rename(&mut self, name: &AccountName) {
        self.name = name.clone();
    }

    fn is_pending(&self) -> bool {
        matches!(self.stage, Stage::Shown { .. } | Stage::Open { .. })
    }

    fn ends(&self) -> Option<Boot> {
        match self.stage {
            Stage::Granting => None,
            Stage::Shown { until }
            | Stage::Open { until }
            | Stage::Once { until }
            | Stage::Refused { until } => Some(until),
        }
    }

    fn required(&self) -> Refusal {
        Refusal::ApprovalRequired { question: self.id }
    }
}

impl Lifecycle {
    /// The questions that wait for an answer, the oldest first.
    pub fn questions(&self) -> impl Iterator<Item = QuestionView<'_>> {
        self.questions.iter().filter(|question| question.is_pending()).map(|question| {
            QuestionView {
                id: question.id,
                account: &question.name,
                caller: &question.caller,
                scopes: &question.scopes,
                since: question.since,
            }
        })
    }

    /// The rules, in the order in which they are looked at.
    #[must_use]
    pub fn rules_in_force(&self) -> &[Rule] {
        self.policy.rules()
    }

    /// The rules that decided something since this was asked last.
    pub fn rules_used(&mut self) -> Vec<(RuleId, crate::model::Wall)> {
        self.policy.used()
    }

    /// The id of an account.
    #[must_use]
    pub fn id_of(&self, name: &AccountName) -> Option<&AccountId> {
        self.accounts[*self.places.get(name)?].as_ref().map(|account| &account.seed.id)
    }

    /// The name of an account.
    #[must_use]
    pub fn name_of(&self, id: &AccountId) -> Option<&AccountName> {
        let account = self.accounts[self.place_with_id(id)?].as_ref()?;
        Some(&account.seed.name)
    }

    /// What a program would get of an account's tokens.
    #[must_use]
    pub fn decision(&self, name: &AccountName, caller: &Caller, now: Now) -> Option<Decision> {
        let account = self.accounts[*self.places.get(name)?].as_ref()?;
        let matter = account.matter(&caller.identity, None);
        Some(self.policy.look(matter, now.wall).decision)
    }

    /// Puts a question to the user, or gives what became of the last one like it.
    pub(super) fn question(&mut self, ask: Ask, place: usize, now: Now, out: &mut Vec<Effect>) {
        let Some(account) = &self.accounts[place] else { return };
        let (id, name) = (account.seed.id.clone(), account.seed.name.clone());
        let scopes = account.granted_scopes().clone();
        let same = |question: &Question| {
            question.account == id && question.caller.identity == ask.caller.identity
        };
        let known = self.questions.iter().position(same);
        let Some(at) = known.or_else(|| self.open_question(&ask, id, name, now)) else {
            out.push(Effect::Answer { waiter: ask.waiter, result: Err(Refusal::TooMany) });
            return;
        };
        let question = &mut self.questions[at];
        question.caller = ask.caller.clone();
        question.scopes = scopes;
        match question.stage {
            Stage::Once { .. } => {
                self.questions.remove(at);
                self.serve(ask, place, now, out);
            }
            Stage::Refused { .. } => {
                let result = Err(Refusal::Denied { rule: None });
                out.push(Effect::Answer { waiter: ask.waiter, result });
            }
            Stage::Shown { .. } | Stage::Granting => wait(question, ask, out),
            Stage::Open { .. } => {
                let may_ask = ask.interactive
                    && !self.draining
                    && question.ignored.is_none_or(|at| at + QUIET <= now.boot);
                if may_ask {
                    question.stage = Stage::Shown { until: now.boot + SHOWN };
                    let id = question.id;
                    wait(question, ask, out);
                    out.push(Effect::Prompt { question: id });
                } else {
                    question.stage = Stage::Open { until: now.boot + LISTED };
                    let result = Err(question.required());
                    out.push(Effect::Answer { waiter: ask.waiter, result });
                }
                if known.is_none() {
                    out.push(Effect::Pending);
                }
            }
        }
    }

    /// A new question, if there is room for one; an older one that nobody is being asked goes for it.
    fn open_question(
        &mut self,
        ask: &Ask,
        account: AccountId,
        name: AccountName,
        now: Now,
    ) -> Option<usize> {
        let of_one = |question: &&Question| question.caller.identity == ask.caller.identity;
        if self.questions.iter().filter(of_one).count() >= OF_ONE_MAX {
            return None;
        }
        if self.questions.len() >= QUESTIONS_MAX {
            let idle = |question: &Question| question.asks.is_empty() && question.ends().is_some();
            let oldest = self.questions.iter().position(idle)?;
            self.questions.remove(oldest);
        }
        let id = self.next_question;
        self.next_question.0 = self.next_question.0.wrapping_add(1);
        self.questions.push(Question {
            id,
            account,
            name,
            caller: ask.caller.clone(),
            scopes: Scopes::default(),
            since: now.boot,
            asks: Vec::new(),
            stage: Stage::Open { until: now.boot + LISTED },
            ignored: None,
        });
        Some(self.questions.len() - 1)
    }

    /// Nobody can be asked, or nobody answered.
    pub(super) fn unasked(
        &mut self,
        id: QuestionId,
        why: Unasked,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(question) = self.questions.iter_mut().find(|question| question.id == id) else {
            return;
        };
        if matches!(question.stage, Stage::Shown { .. }) {
            question.stage = Stage::Open { until: now.boot + LISTED };
            if why == Unasked::Ignored {
                question.ignored = Some(now.boot);
            }
            turn_away(question, out);
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
        let pending = |question: &Question| question.id == id && question.is_pending();
        let Some(at) = self.questions.iter().position(pending) else {
            let result = Err(RuleRefusal::NoSuchQuestion);
            out.extend(waiter.map(|waiter| Effect::Ruled { waiter, result }));
            return;
        };
        let question = &mut self.questions[at];
        if matches!(question.stage, Stage::Shown { .. }) {
            out.push(Effect::Unprompt { question: id });
        }
        out.push(Effect::Pending);
        let until = now.boot + REMEMBERED;
        match verdict {
            Verdict::Allow => {
                question.stage = Stage::Granting;
                let draft = RuleDraft {
                    who: Pattern::of(&question.caller.identity),
                    scopes: Scopes::default(),
                    decision: Decision::Allow,
                    expires: None,
                    created_by: by,
                };
                let account = Some(question.account.clone());
                // the outcome of the writing answers
                self.write_rule(draft, account, waiter, Some(id), now, out);
                return;
            }
            Verdict::Once if question.asks.is_empty() => question.stage = Stage::Once { until },
            Verdict::Once => self.let_through(at, now, out),
            Verdict::Deny => {
                question.stage = Stage::Refused { until };
                for ask in question.asks.drain(..) {
                    let result = Err(Refusal::Denied { rule: None });
                    out.push(Effect::Answer { waiter: ask.waiter, result });
                }
            }
        }
        out.extend(waiter.map(|waiter| Effect::Ruled { waiter, result: Ok(None) }));
    }

    /// Those who wait for an answer have it: yes. The question is over.
    fn let_through(&mut self, at: usize, now: Now, out: &mut Vec<Effect>) {
        let question = self.questions.remove(at);
        let place = self.place_with_id(&question.account);
        for ask in question.asks {
            if let Some(place) = place {
                self.serve(ask, place, now, out);
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
            let mut pending = self.changes.values().rev().filter_map(|change| change.rule.as_ref());
            if let Some(same) = pending.find(|pending| pending.is_about_the_same(&rule)) {
                rule.id = same.id;
            }
            let (change, id) = (self.next_change.take(), rule.id);
            out.push(Effect::StoreRule(change, Box::new(rule.clone())));
            self.changes.insert(change, Change { waiter, id, rule: Some(rule), question });
        } else {
            let result = Err(RuleRefusal::TooMany);
            out.extend(waiter.map(|waiter| Effect::Ruled { waiter, result }));
            self.grant_fell_through(question, now, out);
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
        let change = self.next_change.take();
        out.push(Effect::DropRule(change, id));
        self.changes.insert(change, Change { waiter, id, rule: None, question: None });
    }

    /// A change of the rules is on record, or cannot be written down.
    pub(super) fn rule_stored(
        &mut self,
        change: ChangeId,
        result: Result<(), String>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(Change { waiter, id, rule, question }) = self.changes.remove(&change) else {
            return;
        };
        let result = match result {
            Ok(()) => {
                match rule {
                    Some(rule) => self.policy.put(rule),
                    None => self.policy.remove(id),
                }
                self.judge_again(now, out);
                Ok(Some(id))
            }
            Err(why) => Err(RuleRefusal::NotSaved { why }),
        };
        out.extend(waiter.map(|waiter| Effect::Ruled { waiter, result }));
        // not covered by the rule that it brought about, or there is none
        self.grant_fell_through(question, now, out);
    }

    /// What the user allowed for good could not be written down: it holds for once.
    fn grant_fell_through(
        &mut self,
        question: Option<QuestionId>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let granting = |it: &Question| Some(it.id) == question && it.stage == Stage::Granting;
        if let Some(at) = self.questions.iter().position(granting) {
            self.let_through(at, now, out);
        }
    }

    /// The rules are others: questions that they settle are over.
    fn judge_again(&mut self, now: Now, out: &mut Vec<Effect>) {
        let mut at = 0;
        while at < self.questions.len() {
            let question = &mut self.questions[at];
            let matter = Matter {
                account: &question.account,
                who: &question.caller.identity,
                scopes: &question.scopes,
            };
            let Ruling { decision, rule } = self.policy.look(matter, now.wall);
            if decision == Decision::Ask {
                at += 1;
                continue;
            }
            if matches!(question.stage, Stage::Shown { .. }) {
                out.push(Effect::Unprompt { question: question.id });
            }
            out.push(Effect::Pending);
            if decision == Decision::Allow {
                self.let_through(at, now, out);
                continue;
            }
            for ask in self.questions.remove(at).asks {
                let result = Err(Refusal::Denied { rule });
                out.push(Effect::Answer { waiter: ask.waiter, result });
            }
        }
    }

    /// An account goes: nobody needs to be asked about it.
    pub(super) fn drop_questions(&mut self, account: &AccountId, out: &mut Vec<Effect>) {
        self.end_questions(out, &Refusal::LoggedOut, |question| question.account == *account);
    }

    /// The daemon stops.
    pub(super) fn drop_all_questions(&mut self, out: &mut Vec<Effect>) {
        self.end_questions(out, &Refusal::Stopping, |_| true);
    }

    fn end_questions(
        &mut self,
        out: &mut Vec<Effect>,
        refusal: &Refusal,
        concerns: impl Fn(&Question) -> bool,
    ) {
        for question in self.questions.extract_if(.., |question| concerns(question)) {
            if matches!(question.stage, Stage::Shown { .. }) {
                out.push(Effect::Unprompt { question: question.id });
            }
            out.extend(question.is_pending().then_some(Effect::Pending));
            for ask in question.asks {
                out.push(Effect::Answer { waiter: ask.waiter, result: Err(refusal.clone()) });
            }
        }
    }

    /// Does what is due by `now`.
    pub(super) fn mind_questions(&mut self, now: Now, out: &mut Vec<Effect>) {
        for question in &mut self.questions {
            let required = question.required();
            for ask in question.asks.extract_if(.., |ask| ask.deadline <= now.boot) {
                out.push(Effect::Answer { waiter: ask.waiter, result: Err(required.clone()) });
            }
            if let Stage::Shown { until } = question.stage
                && until <= now.boot
            {
                question.stage = Stage::Open { until: now.boot + LISTED };
                question.ignored = Some(now.boot);
                out.push(Effect::Unprompt { question: question.id });
                turn_away(question, out);
            }
        }
        let over = |question: &mut Question| question.ends().is_some_and(|end| end <= now.boot);
        for question in self.questions.extract_if(.., over) {
            out.extend(question.is_pending().then_some(Effect::Pending));
        }
    }

    /// When [`Self::mind_questions`] has something to do next.
    pub(super) fn question_deadline(&self) -> Option<Boot> {
        let asks = self.questions.iter().flat_map(|question| &question.asks);
        let ends = self.questions.iter().filter_map(Question::ends);
        asks.map(|ask| ask.deadline).chain(ends).min()
    }
}

fn wait(question: &mut Question, ask: Ask, out: &mut Vec<Effect>) {
    if question.asks.len() >= ASKS_MAX {
        out.push(Effect::Answer { waiter: ask.waiter, result: Err(Refusal::TooMany) });
    } else {
        question.asks.push(ask);
    }
}

/// Those who wait are told that the user has to be asked in another way.
fn turn_away(question: &mut Question, out: &mut Vec<Effect>) {
    let required = question.required();
    for ask in question.asks.drain(..) {
        out.push(Effect::Answer { waiter: ask.waiter, result: Err(required.clone()) });
    }
}
