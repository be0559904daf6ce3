//! A flight: one exchange with a token endpoint, from its intent to its grant on the disk.

use std::sync::Arc;
use std::time::Duration;

use super::words::{Rules, TokenEndpoint};
use crate::model::{
    AccountSeed, Boot, Failure, Generation, GrantChange, Issued, Portion, RequestId, Stamp,
};

/// A flight.
pub(super) struct Flight {
    pub(super) task: Task,
    pub(super) stage: Stage,
}

/// What a flight is for.
#[derive(Debug, Clone)]
pub(super) enum Task {
    Refresh(Refresh),
    Exchange(Exchange),
}

/// A refresh of the account in that slot.
#[derive(Debug, Clone)]
pub(super) struct Refresh {
    pub(super) slot: usize,
    pub(super) endpoint: TokenEndpoint,
    /// The generation of the refresh token that it sends.
    pub(super) generation: Generation,
    pub(super) what: What,
}

/// What a refresh is to bring.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// A token for the whole login.
    Whole,
    /// One for a part of it, by the refresh token (RFC 6749, 6).
    Part(Arc<Portion>),
    /// The same in exchange for an access token (RFC 8693), which leaves the refresh token alone.
    Exchanged(Arc<Portion>),
}

/// The exchange of a sign-in.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) request: RequestId,
    pub(super) seed: AccountSeed,
    pub(super) rules: Box<Rules>,
}

/// How far a flight has come.
pub(super) enum Stage {
    /// Its intent is on its way to the disk, or its request is on its way.
    Open,
    /// What it brought is on its way to the disk.
    Saving(Saving),
}

/// A grant on its way to the disk, as far as it is needed again when it has arrived.
pub(super) struct Saving {
    /// When the request was sent that brought it.
    pub(super) sent: Stamp,
    pub(super) brought: Brought,
    pub(super) brings_refresh: bool,
    pub(super) refresh_lifetime: Option<Duration>,
    /// The change itself, while it waits to be saved again, and until when it does.
    pub(super) again: Option<(Box<GrantChange>, Boot)>,
    /// How often the disk has not taken it.
    pub(super) failures: u32,
}

/// What else a flight brought than a refresh token.
pub(super) enum Brought {
    /// An access token.
    Token(Arc<Issued>),
    /// Nothing: only the refresh token of an odd answer could be rescued. The rest was that failure.
    Nothing(Failure),
}

impl What {
    /// The part of the login, if it is for one.
    pub(super) fn portion(&self) -> Option<&Arc<Portion>> {
        match self {
            Self::Whole => None,
            Self::Part(portion) | Self::Exchanged(portion) => Some(portion),
        }
    }
}

impl Flight {
    pub(super) fn new(task: Task) -> Self {
        Self { task, stage: Stage::Open }
    }

    /// When the grant it brought is sent to the disk again, if that failed.
    pub(super) fn save_again_at(&self) -> Option<Boot> {
        match &self.stage {
            Stage::Saving(Saving { again: Some((_, at)), .. }) => Some(*at),
            Stage::Open | Stage::Saving(_) => None,
        }
    }
}
