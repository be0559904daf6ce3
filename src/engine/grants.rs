//! What the user can look up and set about programs: rules, and answers to questions.

use super::asking::verdict_of;
use super::faults;
use super::handle::Asker;
use super::task::Engine;
use super::waiters::RuleWish;
use crate::api::{
    Event as News, Fault, FaultKind, Grant, RemoveGrant, Respond, Response, SetGrant,
};
use crate::lifecycle::{Event, RuleDraft, RuleRefusal, WaiterId};
use crate::model::{Caller, Rule, RuleId, Wall};

impl Engine {
    pub(super) fn grants(&self) -> Response {
        let rules = self.lifecycle.rules_in_force().iter();
        let now = self.cx.now().wall;
        let lasting = rules.filter(|rule| rule.expires.is_none_or(|end| end > now));
        Response::Grants { grants: lasting.map(|rule| self.grant(rule)).collect() }
    }

    fn grant(&self, rule: &Rule) -> Grant {
        Grant {
            id: rule.id,
            account: rule.account.as_ref().and_then(|id| self.lifecycle.name_of(id)).cloned(),
            caller: rule.who.clone(),
            tier: rule.who.tier().map_or("any", |tier| tier.as_str()).to_owned(),
            scopes: rule.scopes.clone(),
            decision: rule.decision,
            expires_at: rule.expires.map(Wall::seconds),
            created_at: rule.created.seconds(),
            created_by: rule.created_by.clone(),
            last_used: rule.last_used.map(Wall::seconds),
        }
    }

    pub(super) fn set_grant(&mut self, set: SetGrant, caller: &Caller, asker: Asker) {
        let SetGrant { account, caller: who, scopes, decision, expires_at } = set;
        let now = self.cx.now().wall;
        let expires = expires_at.map(|seconds| Wall(seconds.saturating_mul(1000)));
        if expires.is_some_and(|end| end <= now) {
            let fault = Fault::new(FaultKind::InvalidOption, "expires_at is in the past");
            return asker.answer(Err(fault.hint("choose a time to come, or none")));
        }
        let account_shown = account.as_ref().map(tracing::field::display);
        tracing::info!(account = account_shown, who = %who, decision = decision.as_str(), by = %caller.identity,
            "a rule about programs is to be made");
        let created_by = caller.identity.to_string();
        let scopes = scopes.unwrap_or_default();
        let draft = RuleDraft { who, scopes, decision, expires, created_by };
        let waiter = self.waiters.enter_for_rules(asker, RuleWish::Set(account.clone()));
        self.cx.tell(Event::SetRule { account, draft, waiter });
    }

    pub(super) fn remove_grant(&mut self, which: &RemoveGrant, caller: &Caller, asker: Asker) {
        let RemoveGrant { grant: rule } = *which;
        tracing::info!(%rule, by = %caller.identity, "a rule about programs is to go");
        let waiter = self.waiters.enter_for_rules(asker, RuleWish::Remove(rule));
        self.cx.tell(Event::RemoveRule { rule, waiter });
    }

    pub(super) fn respond(&mut self, respond: &Respond, caller: &Caller, asker: Asker) {
        let Respond { question, verdict } = *respond;
        let by = caller.identity.to_string();
        tracing::info!(%question, verdict = verdict.as_str(), by, "the user answered");
        let waiter = self.waiters.enter_for_rules(asker, RuleWish::Respond(question));
        let verdict = verdict_of(verdict);
        self.cx.tell(Event::Respond { question, verdict, by, waiter: Some(waiter) });
    }

    /// A change of the rules has been made or has not.
    pub(super) fn ruled(&mut self, waiter: WaiterId, result: Result<Option<RuleId>, RuleRefusal>) {
        let Some((asker, wish)) = self.waiters.leave_for_rules(waiter) else { return };
        asker.answer(match (result, wish) {
            (Ok(Some(grant)), RuleWish::Set(_)) => Ok(Response::GrantSet { grant }),
            (Ok(_), _) => Ok(Response::Done {}),
            (Err(refusal), wish) => Err(not_ruled(refusal, wish)),
        });
    }

    /// The questions to the user are others.
    pub(super) fn tell_pending(&self) {
        let count = self.lifecycle.questions().count() as u64;
        self.cx.announce(News::Pending { count });
    }
}

/// Why the rules about programs are as before.
fn not_ruled(refusal: RuleRefusal, wish: RuleWish) -> Fault {
    match (refusal, wish) {
        (RuleRefusal::NoSuchAccount, RuleWish::Set(Some(account))) => faults::no_such_account(account),
        (RuleRefusal::NoSuchAccount, _) => {
            Fault::new(FaultKind::NoSuchAccount, "there is no such account")
        }
        (RuleRefusal::NoSuchRule, RuleWish::Remove(rule)) => {
            Fault::new(FaultKind::InvalidOption, format!("there is no rule {rule}"))
                .hint("run: ostler access list")
        }
        (RuleRefusal::NoSuchQuestion, RuleWish::Respond(question)) => Fault::new(
            FaultKind::NoSuchRequest,
            format!("nothing waits for an answer to {question}: it was answered, or nobody asks any more"),
        )
        .hint("run: ostler access pending"),
        (RuleRefusal::NoSuchRule | RuleRefusal::NoSuchQuestion, _) => {
            Fault::new(FaultKind::Internal, "the answer does not fit the question")
        }
        (RuleRefusal::TooMany, _) => {
            Fault::new(FaultKind::RateLimited, "there are too many rules about programs")
                .hint("remove some: ostler access forget")
        }
        (RuleRefusal::NotSaved { why }, _) => Fault::new(FaultKind::Storage, why),
    }
}
