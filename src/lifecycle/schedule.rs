//! When to refresh: pure arithmetic.
//!
//! ```text
//! L      = lifetime, counted from the moment the request was sent
//! margin = min(L/2, clamp(L/5, 10 s, 15 min))
//! jitter = uniform(0, min(L/10, 5 min)), from a hash: the same after a restart
//! due    = sent + L - margin - jitter
//! ```
//!
//! So a token of 60 s is refreshed after 42 to 48 s, one of an hour after 43 to 48 min, one of 8 h
//! after 7:40 to 7:45 h.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::words::Rules;
use crate::model::{AccountId, Boot, Stamp};

const MARGIN_MIN: Duration = Duration::from_secs(10);
const MARGIN_MAX: Duration = Duration::from_mins(15);
const JITTER_MAX: Duration = Duration::from_mins(5);
const GAP_MIN: Duration = Duration::from_secs(1);
const GAP_MAX: Duration = Duration::from_secs(5);

/// The life that is assumed, for scheduling alone, when neither answer nor provider say one.
const ASSUMED_LIFETIME: Duration = Duration::from_hours(1);

/// How long before its expiry a token of this lifetime is refreshed, jitter apart.
pub(super) fn margin(lifetime: Duration, rules: &Rules) -> Duration {
    let wanted = if rules.refresh_late {
        (lifetime / 50).max(MARGIN_MIN)
    } else {
        (lifetime / 5).clamp(MARGIN_MIN, MARGIN_MAX)
    };
    wanted.min(lifetime / 2)
}

/// The lifetime to schedule by.
pub(super) fn scheduling_lifetime(stated: Option<Duration>, rules: &Rules) -> Duration {
    stated.or(rules.default_lifetime).unwrap_or(ASSUMED_LIFETIME)
}

/// When a token that was asked for at `sent`, or `stamp` on both clocks, is due for its refresh.
pub(super) fn due(
    sent: Boot,
    lifetime: Duration,
    rules: &Rules,
    account: &AccountId,
    stamp: &Stamp,
) -> Boot {
    let most = (lifetime / 10).min(JITTER_MAX);
    let jitter = most.mul_f64(spread(account, stamp.at.wall.0.unsigned_abs()));
    let due = sent + lifetime.saturating_sub(margin(lifetime, rules)).saturating_sub(jitter);
    match rules.not_before {
        Some(not_before) => due.max(sent + lifetime.saturating_sub(not_before)),
        None => due,
    }
}

/// The least time between the starts of two refreshes of one grant, whoever asks for them: 5 s, and
/// less for tokens that do not live that long.
pub(super) fn min_gap(lifetime: Duration, rules: &Rules) -> Duration {
    let gap = (lifetime / 4).clamp(GAP_MIN, GAP_MAX);
    rules.throttle.map_or(gap, |throttle| gap.max(throttle))
}

/// The remaining life that a question really asks for. A token that lives an hour can never have two
/// hours left: asking for more than a fresh token has would cause a refresh at every question, so
/// such a question is met by any token that is not due yet, and the answer is marked stale.
pub(super) fn attainable(min_valid: Duration, lifetime: Duration, rules: &Rules) -> Duration {
    if min_valid <= lifetime.mul_f64(0.9) { min_valid } else { margin(lifetime, rules) }
}

/// Refreshes that may be forced in a row, and the time after which one more may.
const BURST: u32 = 10;
const PACE: Duration = Duration::from_mins(6);

/// Keeps refreshes that callers force, by reporting fresh tokens as rejected, within bounds: ten in a
/// row, then ten an hour; for tokens of a short life twice as many as their schedule makes. By GCRA (generic cell rate
/// algorithm).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RateLimit {
    /// The theoretical arrival time: each refresh moves it on by the pace, and it may lie [`BURST`] times that ahead.
    arrival: Option<Boot>,
    /// The pace of the last refresh.
    pace: Duration,
    /// Whether the storm was told of.
    told: bool,
}

impl RateLimit {
    /// A refresh starts, forced or not.
    pub(super) fn count(&mut self, lifetime: Duration, now: Boot) {
        self.told &= self.arrival > Some(now);
        self.pace = (lifetime / 3).min(PACE);
        self.arrival = Some(self.arrival.map_or(now, |arrival| arrival.max(now)) + self.pace);
    }

    /// When the next may be forced.
    pub(super) fn conforms_at(&self) -> Option<Boot> {
        self.arrival.map(|arrival| arrival - self.pace * BURST)
    }

    /// Whether the storm has not been told of yet; it has then.
    pub(super) fn tell(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }
}

/// A number from 0 to below 1 that depends on the account and a count alone: it spreads accounts
/// over time and is the same after a restart.
pub(super) fn spread(account: &AccountId, count: u64) -> f64 {
    let mut hash = Sha256::new();
    hash.update(account.as_str());
    hash.update(count.to_le_bytes());
    let bytes = hash.finalize();
    let number = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::tests::rules;
    use crate::model::{BootId, Now, Wall};

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn due_range(lifetime: Duration, rules: &Rules) -> (i64, i64) {
        let mut least = i64::MAX;
        let mut most = 0;
        let at = Now { wall: Wall(1_800_000_000_000), boot: Boot(0) };
        let stamp = Stamp { at, boot_id: BootId("here".into()) };
        for seed in 0..200_u8 {
            let account = AccountId::from_random([seed; 8]);
            let at = due(Boot(0), lifetime, rules, &account, &stamp).0 / 1000;
            least = least.min(at);
            most = most.max(at);
        }
        (least, most)
    }

    #[test]
    fn due_times_are_those_of_the_table() {
        for (lifetime, least, most) in
            [(60, 42, 48), (300, 210, 240), (3600, 2580, 2880), (28_800, 27_600, 27_900)]
        {
            let (from, to) = due_range(S(lifetime), &rules());
            assert!(from >= least && to <= most, "{lifetime}: {from}..{to}");
            assert!(to - from > (most - least) / 2, "{lifetime}: jitter spreads, {from}..{to}");
        }
    }

    #[test]
    fn a_provider_that_refuses_early_refreshes_is_not_asked_early() {
        let rules = Rules { not_before: Some(S(30)), ..rules() };
        let (from, to) = due_range(S(600), &rules);
        assert_eq!((from, to), (570, 570));
    }

    #[test]
    fn a_token_of_a_few_seconds_is_refreshed_after_half_its_life_at_the_latest() {
        let (from, to) = due_range(S(8), &rules());
        assert!(from >= 3 && to <= 4, "{from}..{to}");
        assert_eq!(min_gap(S(8), &rules()), S(2));
        assert_eq!(min_gap(S(3600), &rules()), S(5));
    }

    #[test]
    fn nobody_can_ask_for_more_than_a_fresh_token_has() {
        assert_eq!(attainable(S(60), S(3600), &rules()), S(60));
        assert_eq!(attainable(S(3000), S(3600), &rules()), S(3000));
        assert_eq!(attainable(S(7200), S(3600), &rules()), S(720));
        assert_eq!(attainable(S(60), S(8), &rules()), S(4));
    }
}
