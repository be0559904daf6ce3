//! An access token at hand.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::words::Ask;
use crate::model::{Boot, Fingerprint, Issued};

/// An access token at hand.
pub(super) struct Cached {
    pub(super) issued: Arc<Issued>,
    /// Computed once, for the first question that names a token that was rejected.
    pub(super) fingerprint: OnceLock<Option<Fingerprint>>,
    /// When it expires, if that is known.
    pub(super) expires: Option<Boot>,
    /// When it is to be refreshed.
    pub(super) due: Boot,
    /// When it was asked for.
    pub(super) sent: Boot,
}

impl Cached {
    /// The token's whole life, if it is known.
    pub(super) fn lifetime(&self) -> Option<Duration> {
        self.expires.map(|expires| expires.since(self.sent))
    }

    /// What tells it from other tokens; nothing if it cannot be opened.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        let compute = || self.issued.access.open().map(|token| token.fingerprint());
        *self.fingerprint.get_or_init(compute)
    }

    /// Whether it still lives, and is not the one that was rejected.
    pub(super) fn serves(&self, ask: &Ask, now: Boot) -> bool {
        let is_rejected = || ask.rejected.is_some() && ask.rejected == self.fingerprint();
        self.expires.is_none_or(|expires| expires > now) && !is_rejected()
    }

    /// Whether it has that much life left, as far as is known.
    pub(super) fn lasts(&self, wanted: Duration, now: Boot) -> bool {
        self.expires.is_none_or(|expires| expires.since(now) >= wanted)
    }
}
