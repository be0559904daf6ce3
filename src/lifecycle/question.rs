//! One question to the user: whether a program may have tokens of an account.

use super::words::{Ask, Effect, Refusal};
use crate::model::{AccountId, AccountName, Boot, Caller, QuestionId, Scopes};

/// How many may wait for the answer to one.
const ASKS_MAX: usize = 256;

/// A question to the user, and what became of it.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) id: QuestionId,
    pub(super) account: AccountId,
    pub(super) name: AccountName,
    pub(super) caller: Caller,
    pub(super) scopes: Scopes,
    /// When it came up.
    pub(super) since: Boot,
    pub(super) asks: Vec<Ask>,
    pub(super) stage: Stage,
    /// When the user was last asked in vain.
    pub(super) ignored: Option<Boot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
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

impl Question {
    /// Whether it waits for an answer.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.stage, Stage::Shown { .. } | Stage::Open { .. })
    }

    /// When it is over, or shown no longer.
    pub(super) fn ends(&self) -> Option<Boot> {
        match self.stage {
            Stage::Granting => None,
            Stage::Shown { until }
            | Stage::Open { until }
            | Stage::Once { until }
            | Stage::Refused { until } => Some(until),
        }
    }

    /// What a program is told while nobody has answered.
    pub(super) fn required(&self) -> Refusal {
        Refusal::ApprovalRequired { question: self.id }
    }

    /// Somebody waits for the answer.
    pub(super) fn wait(&mut self, ask: Ask, out: &mut Vec<Effect>) {
        if self.asks.len() >= ASKS_MAX {
            out.push(Effect::Answer { waiter: ask.waiter, result: Err(Refusal::TooMany) });
        } else {
            self.asks.push(ask);
        }
    }

    /// Those who wait are told that the user has to be asked in another way.
    pub(super) fn turn_away(&mut self, out: &mut Vec<Effect>) {
        let required = self.required();
        for ask in self.asks.drain(..) {
            out.push(Effect::Answer { waiter: ask.waiter, result: Err(required.clone()) });
        }
    }
}
