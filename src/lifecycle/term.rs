//! The life of a refresh token: when it ends, and when to use it so that it does not.
//!
//! ```text
//! end        = min(issued + lifetime, used + idle limit, signed in + limit of the whole grant)
//! keep-alive = used + (end - used) * (0.45 to 0.55, from a hash), the last limit left aside
//! ```
//!
//! A refresh moves the first two ends where the provider lets it; what does not move is asked for
//! half as late each time, so it is tried again and again before the end, and never in a storm.

use std::time::Duration;

use super::schedule::spread;
use super::words::Rules;
use crate::model::{AccountId, Boot, BootId, Generation, Now, Stamp, Wall};

/// How long before the end of a login its user is warned, at most.
const WARNING_MAX: Duration = Duration::from_hours(7 * 24);

/// What is known of the life of the refresh token in force.
#[derive(Debug)]
pub(super) struct Term {
    /// When it was issued.
    issued: Stamp,
    /// Its life from then, where the provider's answer said.
    lifetime: Option<Duration>,
    /// When it was last used with success, or issued.
    used: Stamp,
    /// When its user signed in.
    signed_in: Option<Wall>,
    /// These instants on today's boot clock, as far as they can be told.
    placed: Placed,
}

#[derive(Debug, Default)]
struct Placed {
    issued: Option<Boot>,
    used: Option<Boot>,
    signed_in: Option<Boot>,
}

/// An end, and the start of the time that it ends.
#[derive(Debug, Clone, Copy)]
struct Limit {
    start: Boot,
    end: Boot,
}

impl Term {
    /// A refresh token that was issued at `issued`; `used` is the last success with it.
    pub(super) fn new(
        issued: Stamp,
        lifetime: Option<Duration>,
        used: Stamp,
        signed_in: Option<Wall>,
    ) -> Self {
        Self { issued, lifetime, used, signed_in, placed: Placed::default() }
    }

    /// When the user signed in.
    pub(super) fn signed_in(&self) -> Option<Wall> {
        self.signed_in
    }

    /// A refresh went well and brought no new token; perhaps it said how long this one lives now.
    pub(super) fn renew(&mut self, used: Stamp, lifetime: Option<Duration>) {
        if lifetime.is_some() {
            self.lifetime = lifetime;
            self.issued = used.clone();
        }
        self.used = used;
    }

    /// Finds the place of its instants on today's boot clock.
    pub(super) fn place(&mut self, boot_id: &BootId, now: Now) {
        self.placed = Placed {
            issued: self.issued.on_boot_clock(boot_id, now),
            used: self.used.on_boot_clock(boot_id, now),
            signed_in: self
                .signed_in
                .map(|wall| Boot(now.boot.0.saturating_sub(now.wall.0.saturating_sub(wall.0)))),
        };
    }

    /// When it ends if it is not used, and when it does in any case: the earlier of both.
    pub(super) fn end(&self, rules: &Rules) -> Option<Boot> {
        self.nearest(rules).map(|limit| limit.end)
    }

    /// From when on the end is so near that the user should know. An end that refreshes move on
    /// never comes that near, unless they fail.
    pub(super) fn warns(&self, rules: &Rules) -> Option<Boot> {
        let Limit { start, end } = self.nearest(rules)?;
        Some(end - (end.since(start) / 4).min(WARNING_MAX))
    }

    /// When it is to be used, whether or not anybody wants an access token.
    pub(super) fn keep_alive(
        &self,
        rules: &Rules,
        account: &AccountId,
        generation: Generation,
    ) -> Option<Boot> {
        self.lifetime.or(rules.refresh_lifetime).or(rules.refresh_idle)?;
        let Some((used, limit)) = self.placed.used.zip(self.movable(rules)) else {
            // nobody knows how much of its life is over
            return Some(Boot::LONG_AGO);
        };
        let left = limit.end.since(used);
        let share = 0.45 + 0.1 * spread(account, generation.0);
        (!left.is_zero()).then(|| used + left.mul_f64(share))
    }

    /// The end that using it may move.
    fn movable(&self, rules: &Rules) -> Option<Limit> {
        let lifetime = self.lifetime.or(rules.refresh_lifetime);
        let whole = limit(self.placed.issued, lifetime);
        let idle = limit(self.placed.used, rules.refresh_idle);
        [whole, idle].into_iter().flatten().min_by_key(|limit| limit.end)
    }

    fn nearest(&self, rules: &Rules) -> Option<Limit> {
        let last = limit(self.placed.signed_in, rules.grant_lifetime);
        [self.movable(rules), last].into_iter().flatten().min_by_key(|limit| limit.end)
    }
}

fn limit(start: Option<Boot>, span: Option<Duration>) -> Option<Limit> {
    let (start, span) = start.zip(span)?;
    Some(Limit { start, end: start + span })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::tests::rules;

    const DAY: Duration = Duration::from_hours(24);

    fn here() -> BootId {
        BootId("here".into())
    }

    fn at(boot: i64) -> Stamp {
        Stamp { at: Now { wall: Wall(boot), boot: Boot(boot) }, boot_id: here() }
    }

    fn term(lifetime: Option<Duration>) -> Term {
        let mut term = Term::new(at(0), lifetime, at(0), Some(Wall(0)));
        term.place(&here(), at(0).at);
        term
    }

    fn keep_alive(term: &Term, rules: &Rules) -> Option<Duration> {
        let account = AccountId::from_random([3; 8]);
        Some(term.keep_alive(rules, &account, Generation(1))?.since(Boot(0)))
    }

    fn use_at(term: &mut Term, age: Duration) {
        let used = at(i64::try_from(age.as_millis()).unwrap());
        term.renew(used.clone(), None);
        term.place(&here(), used.at);
    }

    #[test]
    fn a_token_without_a_known_end_is_not_used_for_its_own_sake() {
        assert_eq!(keep_alive(&term(None), &rules()), None);
        assert_eq!(term(None).end(&rules()), None);
        let rules = Rules { grant_lifetime: Some(DAY), ..rules() };
        assert_eq!(keep_alive(&term(None), &rules), None, "no use would help");
        assert_eq!(term(None).end(&rules), Some(Boot(0) + DAY));
    }

    #[test]
    fn it_is_used_after_about_half_of_the_shorter_limit() {
        let rules = Rules { refresh_idle: Some(30 * DAY), ..rules() };
        for (lifetime, days) in [(None, 30), (Some(10 * DAY), 10), (Some(90 * DAY), 30)] {
            let due = keep_alive(&term(lifetime), &rules).unwrap();
            let (least, most) = (DAY.mul_f64(0.45) * days, DAY.mul_f64(0.55) * days);
            assert!((least..=most).contains(&due), "{lifetime:?}: {due:?}");
        }
    }

    #[test]
    fn an_end_that_does_not_move_is_approached_by_halves() {
        let rules = rules();
        let mut term = term(Some(DAY));
        let mut last = Duration::ZERO;
        for _ in 0..12 {
            let due = keep_alive(&term, &rules).unwrap();
            assert!(due > last && due < DAY);
            let left = DAY.saturating_sub(due);
            assert!(left >= DAY.saturating_sub(last).mul_f64(0.44));
            last = due;
            use_at(&mut term, due);
        }
        use_at(&mut term, 2 * DAY);
        assert_eq!(keep_alive(&term, &rules), None, "it outlived what was said of it");
    }

    #[test]
    fn a_token_whose_age_nobody_knows_is_used_at_once() {
        let mut term = term(Some(DAY));
        let earlier = Now { wall: Wall(-1_000_000), boot: Boot(5) };
        term.place(&BootId("another".into()), earlier);
        let account = AccountId::from_random([3; 8]);
        assert_eq!(term.keep_alive(&rules(), &account, Generation(1)), Some(Boot::LONG_AGO));
    }

    #[test]
    fn the_user_is_warned_in_the_last_quarter_and_a_week_before_at_most() {
        let rules = Rules { grant_lifetime: Some(365 * DAY), ..rules() };
        let year = term(None);
        assert_eq!(year.warns(&rules), Some(Boot(0) + 358 * DAY));
        assert_eq!(term(Some(DAY)).warns(&rules), Some(Boot(0) + DAY.mul_f64(0.75)));
    }
}
