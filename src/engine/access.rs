//! What the user can look up and set about programs: rules, questions, uses.

use super::faults;
use super::handle::Asker;
use super::prompts::verdict_of;
use super::task::{Engine, Waiting};
use crate::api::{
    Event as News, Fault, FaultKind, Grant, RemoveGrant, Request, Respond, Response, SetGrant,
};
use crate::lifecycle::{Event, RuleDraft, RuleRefusal, WaiterId};
use crate::model::{AccountName, Caller, Face, QuestionId, Rule, RuleId, Wall};

/// Refuses what a caller may not ask, whatever the rules say: a program in a sandbox, or one that may be,
/// has tokens that it was granted and nothing else.
pub(super) fn admit(caller: &Caller, request: &Request) -> Result<(), Fault> {
    match request {
        Request::GetToken(_) | Request::SignProof(_) | Request::ListAccounts(_) => Ok(()),
        _ => confined(caller),
    }
}

/// Refuses a program that may have tokens and nothing else.
pub fn confined(caller: &Caller) -> Result<(), Fault> {
    if !caller.is_confined() {
        return Ok(());
    }
    let message = match caller.face {
        Face::Tokens => "this socket is for tokens, and for nothing else".to_owned(),
        Face::Socket | Face::Bus => {
            format!("{} may ask for tokens, and for nothing else", caller.identity)
        }
    };
    Err(Fault::new(FaultKind::Denied, message).hint("do that outside the sandbox"))
}

impl Engine {
    pub(super) fn grants(&self) -> Response {
        let rules = self.lifecycle.rules_in_force().iter();
        let now = self.clock.now().wall;
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
        let now = self.clock.now().wall;
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
        let waiter = self.await_ruling(asker, Change::Set(account.clone()));
        self.tell(Event::SetRule { account, draft, waiter });
    }

    pub(super) fn remove_grant(&mut self, which: &RemoveGrant, caller: &Caller, asker: Asker) {
        let RemoveGrant { grant: rule } = *which;
        tracing::info!(%rule, by = %caller.identity, "a rule about programs is to go");
        let waiter = self.await_ruling(asker, Change::Remove(rule));
        self.tell(Event::RemoveRule { rule, waiter });
    }

    pub(super) fn respond(&mut self, respond: &Respond, caller: &Caller, asker: Asker) {
        let Respond { question, verdict } = *respond;
        let by = caller.identity.to_string();
        tracing::info!(%question, verdict = verdict.as_str(), by, "the user answered");
        let waiter = self.await_ruling(asker, Change::Respond(question));
        let verdict = verdict_of(verdict);
        self.tell(Event::Respond { question, verdict, by, waiter: Some(waiter) });
    }

    fn await_ruling(&mut self, asker: Asker, change: Change) -> WaiterId {
        let waiter = self.new_waiter();
        self.rulings.insert(waiter, (asker, change));
        waiter
    }

    /// A change of the rules has been made or has not.
    pub(super) fn ruled(&mut self, waiter: WaiterId, result: Result<Option<RuleId>, RuleRefusal>) {
        let Some((asker, change)) = self.rulings.remove(&waiter) else { return };
        asker.answer(match (result, change) {
            (Ok(Some(grant)), Change::Set(_)) => Ok(Response::GrantSet { grant }),
            (Ok(_), _) => Ok(Response::Done {}),
            (Err(refusal), change) => Err(faults::not_ruled(refusal, change)),
        });
    }

    /// The questions to the user are others.
    pub(super) fn tell_pending(&self) {
        let count = self.lifecycle.questions().count() as u64;
        let _ = self.events.send(News::Pending { count });
    }

    /// A token was handed out.
    pub(super) fn note_use(&mut self, waiting: &Waiting) {
        if let Some(id) = self.lifecycle.id_of(&waiting.account) {
            self.uses.note(id, &waiting.caller, self.clock.now());
        }
    }
}

/// What somebody waits for who wants the rules changed.
#[derive(Debug)]
pub(super) enum Change {
    /// A rule, about an account or about all.
    Set(Option<AccountName>),
    /// The end of a rule.
    Remove(RuleId),
    /// That an answer is heard.
    Respond(QuestionId),
}
