//! Questions to the user: whether a program may have tokens of an account.
//!
//! There is one for each program and account, however often it asks. While the user is being asked the
//! program waits, as long as it wants to; where nobody can be asked, or nobody answers, it is told so, and
//! the question stays on the list for a while.

use std::time::Duration;

use super::policy::{Matter, Policy, Ruling};
use super::question::{Question, Stage};
use super::words::{Ask, Effect, Refusal, RuleDraft, Unasked, Verdict};
use crate::model::{
    AccountId, AccountName, Boot, Caller, Decision, Now, Pattern, QuestionId, Scopes,
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

/// All questions: what the user is to be asked, and was asked a while ago.
#[derive(Debug)]
pub(super) struct Questions {
    /// The oldest first.
    all: Vec<Question>,
    next: QuestionId,
}

/// A question that somebody asks, and its account.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) account: &'a AccountId,
    pub(super) name: &'a AccountName,
    /// What its tokens are good for.
    pub(super) scopes: &'a Scopes,
}

/// What becomes of those who wait for an answer of the user.
#[derive(Debug)]
pub(super) enum Answered {
    /// There is no such question any more.
    Unknown,
    /// They have it: no, or not yet.
    Told,
    /// They get a token, if there is one.
    LetThrough(LetThrough),
    /// It is a yes for good, which is to be written down first.
    ForGood { account: AccountId, draft: RuleDraft },
}

/// Those who may have a token of an account.
#[derive(Debug)]
pub(super) struct LetThrough {
    pub(super) account: AccountId,
    pub(super) asks: Vec<Ask>,
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

impl Questions {
    /// None yet. They are numbered from `first` on.
    pub(super) fn new(first: QuestionId) -> Self {
        Self { all: Vec::new(), next: first }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Those that wait for an answer, the oldest first.
    pub(super) fn views(&self) -> impl Iterator<Item = QuestionView<'_>> {
        self.all.iter().filter(|question| question.is_pending()).map(|question| QuestionView {
            id: question.id,
            account: &question.name,
            caller: &question.caller,
            scopes: &question.scopes,
            since: question.since,
        })
    }

    /// An account has another name.
    pub(super) fn rename(&mut self, account: &AccountId, name: &AccountName) {
        for question in self.all.iter_mut().filter(|question| question.account == *account) {
            question.name = name.clone();
        }
    }

    /// Puts a question to the user, or gives what became of the last one like it: who was allowed to have a token
    /// for once comes back, to be served.
    pub(super) fn put(
        &mut self,
        ask: Ask,
        subject: &Subject<'_>,
        may_prompt: bool,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Option<Ask> {
        let same = |question: &Question| {
            question.account == *subject.account && question.caller.identity == ask.caller.identity
        };
        let known = self.all.iter().position(same);
        let Some(at) = known.or_else(|| self.open(&ask, subject, now)) else {
            out.push(Effect::Answer { waiter: ask.waiter, result: Err(Refusal::TooMany) });
            return None;
        };
        let question = &mut self.all[at];
        question.caller = ask.caller.clone();
        question.scopes = subject.scopes.clone();
        match question.stage {
            Stage::Once { .. } => {
                self.all.remove(at);
                return Some(ask);
            }
            Stage::Refused { .. } => {
                let result = Err(Refusal::Denied { rule: None });
                out.push(Effect::Answer { waiter: ask.waiter, result });
            }
            Stage::Shown { .. } | Stage::Granting => question.wait(ask, out),
            Stage::Open { .. } => {
                let may_ask = ask.interactive
                    && may_prompt
                    && question.ignored.is_none_or(|at| at + QUIET <= now.boot);
                if may_ask {
                    question.stage = Stage::Shown { until: now.boot + SHOWN };
                    let id = question.id;
                    question.wait(ask, out);
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
        None
    }

    /// A new question, if there is room for one; an older one that nobody is being asked goes for it.
    fn open(&mut self, ask: &Ask, subject: &Subject<'_>, now: Now) -> Option<usize> {
        let of_one = |question: &&Question| question.caller.identity == ask.caller.identity;
        if self.all.iter().filter(of_one).count() >= OF_ONE_MAX {
            return None;
        }
        if self.all.len() >= QUESTIONS_MAX {
            let idle = |question: &Question| question.asks.is_empty() && question.ends().is_some();
            let oldest = self.all.iter().position(idle)?;
            self.all.remove(oldest);
        }
        let id = self.next;
        self.next.0 = self.next.0.wrapping_add(1);
        self.all.push(Question {
            id,
            account: subject.account.clone(),
            name: subject.name.clone(),
            caller: ask.caller.clone(),
            scopes: Scopes::default(),
            since: now.boot,
            asks: Vec::new(),
            stage: Stage::Open { until: now.boot + LISTED },
            ignored: None,
        });
        Some(self.all.len() - 1)
    }

    /// Nobody can be asked, or nobody answered.
    pub(super) fn unasked(
        &mut self,
        id: QuestionId,
        why: Unasked,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(question) = self.all.iter_mut().find(|question| question.id == id) else {
            return;
        };
        if matches!(question.stage, Stage::Shown { .. }) {
            question.stage = Stage::Open { until: now.boot + LISTED };
            if why == Unasked::Ignored {
                question.ignored = Some(now.boot);
            }
            question.turn_away(out);
        }
    }

    /// The user answered, by a program of that name.
    pub(super) fn answered(
        &mut self,
        id: QuestionId,
        verdict: Verdict,
        by: String,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Answered {
        let pending = |question: &Question| question.id == id && question.is_pending();
        let Some(at) = self.all.iter().position(pending) else { return Answered::Unknown };
        let question = &mut self.all[at];
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
                Answered::ForGood { account: question.account.clone(), draft }
            }
            Verdict::Once if question.asks.is_empty() => {
                question.stage = Stage::Once { until };
                Answered::Told
            }
            Verdict::Once => Answered::LetThrough(self.let_through(at)),
            Verdict::Deny => {
                question.stage = Stage::Refused { until };
                for ask in question.asks.drain(..) {
                    let result = Err(Refusal::Denied { rule: None });
                    out.push(Effect::Answer { waiter: ask.waiter, result });
                }
                Answered::Told
            }
        }
    }

    /// What the user allowed for good is written down, or cannot be: then it holds for once.
    pub(super) fn granted(&mut self, id: QuestionId) -> Option<LetThrough> {
        let granting = |it: &Question| it.id == id && it.stage == Stage::Granting;
        let at = self.all.iter().position(granting)?;
        Some(self.let_through(at))
    }

    fn let_through(&mut self, at: usize) -> LetThrough {
        let Question { account, asks, .. } = self.all.remove(at);
        LetThrough { account, asks }
    }

    /// The rules are others: questions that they settle are over.
    pub(super) fn judge_again(
        &mut self,
        policy: &Policy,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Vec<LetThrough> {
        let mut allowed = Vec::new();
        let mut at = 0;
        while let Some(question) = self.all.get(at) {
            let matter = Matter {
                account: &question.account,
                who: &question.caller.identity,
                scopes: &question.scopes,
            };
            let Ruling { decision, rule } = policy.look(matter, now.wall);
            if decision == Decision::Ask {
                at += 1;
                continue;
            }
            if matches!(question.stage, Stage::Shown { .. }) {
                out.push(Effect::Unprompt { question: question.id });
            }
            out.push(Effect::Pending);
            let over = self.let_through(at);
            if decision == Decision::Allow {
                allowed.push(over);
                continue;
            }
            for ask in over.asks {
                let result = Err(Refusal::Denied { rule });
                out.push(Effect::Answer { waiter: ask.waiter, result });
            }
        }
        allowed
    }

    /// An account goes: nobody needs to be asked about it.
    pub(super) fn drop_those_about(&mut self, account: &AccountId, out: &mut Vec<Effect>) {
        self.end(out, &Refusal::LoggedOut, |question| question.account == *account);
    }

    /// The daemon stops.
    pub(super) fn drop_all(&mut self, out: &mut Vec<Effect>) {
        self.end(out, &Refusal::Stopping, |_| true);
    }

    fn end(
        &mut self,
        out: &mut Vec<Effect>,
        refusal: &Refusal,
        concerns: impl Fn(&Question) -> bool,
    ) {
        for question in self.all.extract_if(.., |question| concerns(question)) {
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
    pub(super) fn mind(&mut self, now: Now, out: &mut Vec<Effect>) {
        for question in &mut self.all {
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
                question.turn_away(out);
            }
        }
        let over = |question: &mut Question| question.ends().is_some_and(|end| end <= now.boot);
        for question in self.all.extract_if(.., over) {
            out.extend(question.is_pending().then_some(Effect::Pending));
        }
    }

    /// When [`Self::mind`] has something to do next.
    pub(super) fn next_deadline(&self) -> Option<Boot> {
        let asks = self.all.iter().flat_map(|question| &question.asks);
        let ends = self.all.iter().filter_map(Question::ends);
        asks.map(|ask| ask.deadline).chain(ends).min()
    }
}
