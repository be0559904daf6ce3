//! Tokens that are good for a part of their login. They are asked for when somebody wants one, by the same
//! flights as the login's own, kept in memory, and renewed only for those who ask again.

use std::sync::Arc;
use std::time::Duration;

use super::schedule::RateLimit;
use super::token::Cached;
use crate::model::{Boot, Portion};

/// How many parts of one login there are tokens of.
const PARTS_MAX: usize = 16;

/// How long a part that the provider refused is not asked for again, whoever asks: programs ask in loops, and what
/// the user has to agree to takes them some minutes.
const REFUSED_PAUSE: Duration = Duration::from_mins(10);

/// The parts of a login that somebody wanted a token of.
#[derive(Default)]
pub(super) struct Portions {
    parts: Vec<Part>,
    /// Whether the provider would not exchange the login's token for one that is good for less.
    pub(super) exchange_refused: bool,
}

/// A part, and how the questions for it fare.
pub(super) struct Part {
    portion: Arc<Portion>,
    pub(super) token: Option<Cached>,
    /// When the last flight for it began.
    pub(super) last_start: Option<Boot>,
    /// What keeps flights for it that callers force within bounds.
    pub(super) forced: RateLimit,
    /// Why the provider does not give it, and until when it is not asked.
    refused: Option<(String, Boot)>,
}

impl Portions {
    /// The token at hand.
    pub(super) fn token(&self, portion: &Portion) -> Option<&Cached> {
        self.find(portion)?.token.as_ref()
    }

    /// Makes a token the one at hand.
    pub(super) fn put(&mut self, portion: &Portion, token: Option<Cached>) {
        if let Some(part) = self.find_mut(portion) {
            part.token = token;
            part.refused = None;
        }
    }

    /// The provider does not give it.
    pub(super) fn refuse(&mut self, portion: &Portion, why: &str, now: Boot) {
        if let Some(part) = self.find_mut(portion) {
            part.refused = Some((why.to_owned(), now + REFUSED_PAUSE));
        }
    }

    pub(super) fn refused(&self, portion: &Portion, now: Boot) -> Option<&str> {
        let (why, until) = self.find(portion)?.refused.as_ref()?;
        (*until > now).then_some(why)
    }

    /// From now on such tokens are asked for by a refresh; the next one for that part at once.
    pub(super) fn refuse_exchange(&mut self, portion: &Portion) {
        self.exchange_refused = true;
        if let Some(part) = self.find_mut(portion) {
            part.last_start = None;
        }
    }

    /// Makes room for a part, if need be that of one whose token is over; `false` if there is none.
    pub(super) fn admit(&mut self, portion: &Arc<Portion>, now: Boot) -> bool {
        if self.find(portion).is_some() {
            return true;
        }
        if self.parts.len() >= PARTS_MAX {
            let over = |token: &Cached| token.expires.is_some_and(|expires| expires <= now);
            let spent = self.parts.iter().position(|part| part.token.as_ref().is_some_and(over));
            let Some(spent) = spent else { return false };
            self.parts.swap_remove(spent);
        }
        let portion = Arc::clone(portion);
        let forced = RateLimit::default();
        self.parts.push(Part { portion, token: None, last_start: None, forced, refused: None });
        true
    }

    pub(super) fn find(&self, portion: &Portion) -> Option<&Part> {
        self.parts.iter().find(|part| *part.portion == *portion)
    }

    pub(super) fn find_mut(&mut self, portion: &Portion) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| *part.portion == *portion)
    }
}
