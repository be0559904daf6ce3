//! Answers of an earlier run that wait for their provider's definition.

use std::sync::Arc;

use crate::model::{AccountSeed, FlightId, Generation, Portion, RawAnswer, Stamp};
use crate::oauth::Prover;

/// An answer on record that nobody has read.
pub(super) struct Unread {
    pub(super) flight: FlightId,
    pub(super) kind: Kind,
    pub(super) seed: AccountSeed,
    pub(super) sent: Stamp,
    pub(super) answer: RawAnswer,
    /// What the tokens in it are bound to.
    pub(super) key: Option<Arc<Prover>>,
}

/// What it answers.
pub(super) enum Kind {
    Refresh(Generation, Option<Portion>),
    Exchange,
}
