//! What somebody who asks for a token gets: the refresh decision.

use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::schedule;
use super::state::Work;
use super::token::Cached;
use super::words::{Ask, HandOut, Refusal};
use crate::model::{Boot, Failure, FailureClass};

/// The life that a token must have left when the caller does not say.
const MIN_VALID: Duration = Duration::from_mins(1);

/// What a question gets at the first look.
pub(super) enum Look {
    Served(HandOut),
    Refused(Refusal),
    /// A refresh is wanted first.
    Wanted,
}

impl Account {
    /// What `ask` gets now. This is the refresh decision. Before `shut_until` nothing can be sent to
    /// the provider.
    pub(super) fn look(&self, ask: &Ask, shut_until: Option<Boot>, now: Boot) -> Look {
        if self.state.is_leaving() {
            return Look::Refused(Refusal::LoggedOut);
        }
        if !self.enabled {
            return Look::Refused(Refusal::Disabled);
        }
        if let Some(missing) = self.missing_scopes(&ask.scopes) {
            return Look::Refused(Refusal::ScopeNotGranted { missing });
        }
        if !ask.target.is_empty() {
            let missing = self.seed.target.lacks(&ask.target);
            if !missing.is_empty() {
                return Look::Refused(Refusal::NotForThat { missing });
            }
        }
        if let Some(token) = self.token_for(ask) {
            let lasts = token.lasts(self.attainable(ask, token), now);
            if token.serves(ask, now)
                && lasts
                && !self.login.fate.is_unsettled()
                && let Some(hand_out) = self.hand_out(token, ask, now)
            {
                return Look::Served(hand_out);
            }
        }
        match self.obstacle() {
            // another login is on its way to the disk
            Some(_) if self.is_superseded() => Look::Wanted,
            // it is just being tried whether that is still so
            Some(Refusal::Held { .. }) if self.is_busy() => Look::Wanted,
            Some(refusal) => self.second_best(ask, now, refusal),
            None => match self.too_late(ask, shut_until, now) {
                Some(refusal) => self.second_best(ask, now, refusal),
                None => Look::Wanted,
            },
        }
    }

    /// Why the next try comes too late for `ask`, if it does: better said now than then.
    fn too_late(&self, ask: &Ask, shut_until: Option<Boot>, now: Boot) -> Option<Refusal> {
        if let Work::Waiting(until) = self.state.work()
            && until > ask.deadline
        {
            return Some(self.unavailable());
        }
        let idle = matches!(self.state.work(), Work::Idle);
        let part = ask.portion.as_deref();
        let earliest = if idle { self.earliest_start(part, now) } else { None };
        if earliest > Some(ask.deadline) {
            return Some(Refusal::TooSoon { retry_at: earliest });
        }
        (shut_until > Some(ask.deadline)).then(|| {
            let failure = self.login.failure.clone().unwrap_or_else(in_trouble);
            Refusal::Unavailable { failure, retry_at: shut_until }
        })
    }

    /// The token even if it lasts less long than asked for, as long as it lives; `refusal` else.
    pub(super) fn second_best(&self, ask: &Ask, now: Boot, refusal: Refusal) -> Look {
        let token = self.token_for(ask).filter(|token| token.serves(ask, now));
        let hand_out = token.and_then(|token| self.hand_out(token, ask, now));
        hand_out.map_or(Look::Refused(refusal), Look::Served)
    }

    /// The remaining life that `ask` can have of such a token.
    fn attainable(&self, ask: &Ask, token: &Cached) -> Duration {
        let wanted = ask.min_valid.unwrap_or(MIN_VALID);
        match (&self.rules, token.lifetime()) {
            (Some(rules), Some(lifetime)) => schedule::attainable(wanted, lifetime, rules),
            _ => wanted,
        }
    }

    /// The token as an answer. It is stale if it lasts less long than the caller said; who said
    /// nothing is not told that a fresh token is stale because no token of this provider lives for a
    /// minute. One that cannot be opened is none.
    fn hand_out(&self, token: &Cached, ask: &Ask, now: Boot) -> Option<HandOut> {
        let access = Arc::clone(token.issued.access.open()?);
        let wanted = ask.min_valid.unwrap_or_else(|| self.attainable(ask, token));
        let stale = !token.lasts(wanted, now);
        let issued = Arc::clone(&token.issued);
        Some(HandOut { access, issued, expires: token.expires, stale })
    }

    /// Why a new login is needed before an API is content that refused a token, as far as that can be
    /// told: of a token that is not the one at hand any more it cannot.
    pub(super) fn falls_short(&self, ask: &Ask) -> Option<Refusal> {
        let token = || self.login.token().and_then(Cached::fingerprint);
        let is_current = ask.rejected.is_none() || ask.rejected == token();
        let wanted = &ask.wanted;
        let unnamed = self.granted_scopes().is_empty() && is_current && !wanted.scopes.is_empty();
        let missing =
            if unnamed { Some(wanted.scopes.clone()) } else { self.missing_scopes(&wanted.scopes) };
        match missing {
            Some(missing) => Some(Refusal::ScopeNotGranted { missing }),
            None => (wanted.is_step_up() && is_current).then_some(Refusal::StepUp),
        }
    }
}

/// What is known of a provider that other accounts found in trouble.
fn in_trouble() -> Failure {
    Failure::new(
        FailureClass::Transient,
        "it asked for a pause, or has not recovered yet, and is left alone until then",
    )
}
