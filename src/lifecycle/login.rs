//! What a login gave, and how it fares: one value, which another login, or giving it back, replaces as a whole.

use std::sync::Arc;

use super::portions::Portions;
use super::retry::Streak;
use super::term::Term;
use super::token::Cached;
use super::traffic::Speed;
use crate::model::{Boot, Failure, FlightId, Generation, Issued, Lack};

/// A login.
#[derive(Default)]
pub(super) struct Login {
    /// The generation of its refresh token, as the store has given it.
    pub(super) generation: Generation,
    /// What is known of the life of its refresh token; nothing if it has none.
    pub(super) refresh: Option<Term>,
    pub(super) access: Access,
    /// Tokens that are good for a part of it.
    pub(super) portions: Portions,
    /// What APIs wanted and it lacks, as programs told.
    pub(super) wanted: Lack,
    pub(super) fate: Fate,
    pub(super) streak: Streak,
    /// Why the last try failed, if it did.
    pub(super) failure: Option<Failure>,
    pub(super) speed: Speed,
}

/// The access token.
#[derive(Default)]
pub(super) enum Access {
    #[default]
    None,
    /// It is at hand.
    Dated(Cached),
    /// It is of an earlier boot, from a time that the wall clock has not reached yet: not handed out until the clock is
    /// set and tells its age.
    Undated(Arc<Issued>),
}

/// What became of the last request with the refresh token: whether that may be spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Fate {
    /// The provider has spoken, or nothing was sent.
    #[default]
    Known,
    /// The answer of an earlier run is on record, and is being read.
    OnRecord,
    /// A request was sent, and no answer came.
    Unknown {
        /// The attempt, which stays on record until the next one is: no crash in between can hide that the token may
        /// be spent.
        flight: FlightId,
        /// When the first such request of the token was sent.
        since: Boot,
        found: Found,
    },
}

/// When it was found that a fate is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// At the start. The account is served only once that is settled.
    AtStart,
    /// In this run.
    InThisRun,
}

impl Fate {
    /// Since when it is unknown, if it is.
    pub(super) fn unknown_since(self) -> Option<Boot> {
        match self {
            Self::Unknown { since, .. } => Some(since),
            Self::Known | Self::OnRecord => None,
        }
    }

    /// Whether the account must not be served before it is settled.
    pub(super) fn is_unsettled(self) -> bool {
        matches!(self, Self::OnRecord | Self::Unknown { found: Found::AtStart, .. })
    }
}

impl Login {
    /// A login that nothing is known of yet, in the place of one whose tokens are gone. Generations go on.
    pub(super) fn after(before: &Self) -> Self {
        Self { generation: before.generation, ..Self::default() }
    }

    /// Whether it can be renewed.
    pub(super) fn is_renewable(&self) -> bool {
        self.refresh.is_some()
    }

    /// The access token at hand.
    pub(super) fn token(&self) -> Option<&Cached> {
        match &self.access {
            Access::Dated(token) => Some(token),
            Access::None | Access::Undated(_) => None,
        }
    }

    /// The last access token, whether its age is known or not.
    pub(super) fn issued(&self) -> Option<&Arc<Issued>> {
        match &self.access {
            Access::Dated(token) => Some(&token.issued),
            Access::Undated(issued) => Some(issued),
            Access::None => None,
        }
    }
}
