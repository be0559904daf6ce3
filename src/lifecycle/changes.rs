//! Changes on their way to the disk. Each has a ticket of its own: two that are under way at once need not end in the
//! order in which they began.

use std::collections::BTreeMap;

use super::words::WaiterId;
use crate::model::{AccountId, Adjustment, ChangeId, QuestionId, Rule, RuleId};

/// Changes of one kind.
#[derive(Debug)]
pub(super) struct Changes<T>(BTreeMap<ChangeId, T>);

impl<T> Default for Changes<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Changes<T> {
    pub(super) fn begin(&mut self, ticket: ChangeId, change: T) {
        self.0.insert(ticket, change);
    }

    /// Takes a change that is on the disk, or is not going to be.
    pub(super) fn end(&mut self, ticket: ChangeId) -> Option<T> {
        self.0.remove(&ticket)
    }

    /// Those under way, the newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.values().rev()
    }
}

/// A change of an account.
#[derive(Debug)]
pub(super) struct AccountChange {
    pub(super) account: AccountId,
    pub(super) to: Adjustment,
    pub(super) waiter: WaiterId,
}

/// A change of the rules about programs.
#[derive(Debug)]
pub(super) struct RuleChange {
    pub(super) waiter: Option<WaiterId>,
    pub(super) id: RuleId,
    /// The rule, unless one is to go.
    pub(super) rule: Option<Rule>,
    /// The question whose answer brought it about, if one did.
    pub(super) question: Option<QuestionId>,
}
