//! An access token at hand.

use std::sync::Arc;
use std::time::Duration;

use super::words::Ask;
use crate::model::{Boot, Fingerprint, Issued};

/// An access token at hand.
pub(super) struct Cached {
    pub(super) issued: Arc<Issued>,
    /// Computed once: questions are compared with it.
    pub(super) fingerprint: Fingerprint,
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

    /// Whether it still lives, and is not the one that was rejected.
    pub(super) fn serves(&self, ask: &Ask, now: Boot) -> bool {
        self.expires.is_none_or(|expires| expires > now) && ask.rejected != Some(self.fingerprint)
    }

    /// Whether it has that much life left, as far as is known.
    pub(super) fn lasts(&self, wanted: Duration, now: Boot) -> bool {
        self.expires.is_none_or(|expires| expires.since(now) >= wanted)
    }
}
