//! Those who wait for the lifecycle's answer, each with a ticket.

use std::collections::HashMap;

use super::handle::Asker;
use super::signing::ProofRequest;
use crate::lifecycle::WaiterId;
use crate::model::{AccountName, Caller, QuestionId, RuleId};

/// Somebody who waits for news of an account, under the name that is given back.
pub(super) struct Waiter {
    pub(super) asker: Asker,
    pub(super) account: AccountName,
    pub(super) wish: Wish,
}

/// What somebody wants of an account.
pub(super) enum Wish {
    /// A token, and a proof with it if there is a request to prove.
    Token { caller: Caller, proof: Option<Box<ProofRequest>> },
    /// That there is a new token.
    Renewal,
    /// That it is gone, or its login is.
    Logout(Revocation),
    /// That it is as was asked for.
    Change,
}

/// What somebody who logs out wants of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Revocation {
    Wanted,
    Unwanted,
}

/// What somebody wants of the rules.
#[derive(Debug)]
pub(super) enum RuleWish {
    /// A rule, about an account or about all.
    Set(Option<AccountName>),
    /// The end of a rule.
    Remove(RuleId),
    /// That an answer is heard.
    Respond(QuestionId),
}

/// All who wait.
#[derive(Default)]
pub(super) struct Waiters {
    /// The last ticket. None is given twice.
    last: u64,
    of_accounts: HashMap<WaiterId, Waiter>,
    of_rules: HashMap<WaiterId, (Asker, RuleWish)>,
}

impl Waiters {
    /// Somebody waits for news of an account.
    pub(super) fn enter(&mut self, asker: Asker, account: AccountName, wish: Wish) -> WaiterId {
        let ticket = self.ticket();
        self.of_accounts.insert(ticket, Waiter { asker, account, wish });
        ticket
    }

    /// Somebody waits for a change of the rules.
    pub(super) fn enter_for_rules(&mut self, asker: Asker, wish: RuleWish) -> WaiterId {
        let ticket = self.ticket();
        self.of_rules.insert(ticket, (asker, wish));
        ticket
    }

    fn ticket(&mut self) -> WaiterId {
        self.last += 1;
        WaiterId(self.last)
    }

    /// Whoever has that ticket waits no more.
    pub(super) fn leave(&mut self, ticket: WaiterId) -> Option<Waiter> {
        self.of_accounts.remove(&ticket)
    }

    pub(super) fn leave_for_rules(&mut self, ticket: WaiterId) -> Option<(Asker, RuleWish)> {
        self.of_rules.remove(&ticket)
    }

    /// All wait no more: each with the account that it is about.
    pub(super) fn leave_all(&mut self) -> impl Iterator<Item = (Asker, Option<AccountName>)> {
        let of_rules = self.of_rules.drain().map(|(_, (asker, _))| (asker, None));
        let of_accounts =
            self.of_accounts.drain().map(|(_, waiter)| (waiter.asker, Some(waiter.account)));
        of_rules.chain(of_accounts)
    }

    /// How many wait for news of an account.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.of_accounts.len()
    }
}
