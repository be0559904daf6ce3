//! What to do after a failure, and when to try again: pure decisions by failure class.

use std::time::Duration;

use super::schedule::spread;
use super::traffic::{PROBE_MAX, PROBE_MIN, probe_pause};
use super::words::Rules;
use crate::model::{AccountId, Boot, Failure, FailureClass};

/// Pauses that double, from the first to the longest.
#[derive(Debug, Clone, Copy)]
pub(super) struct BackOff {
    pub(super) first: Duration,
    pub(super) most: Duration,
}

impl BackOff {
    /// The pause after that many failures.
    pub(super) const fn doubled(self, failures: u32) -> Duration {
        let times = if failures > 17 { 16 } else { failures.saturating_sub(1) };
        let pause = self.first.saturating_mul(1 << times);
        if pause.as_nanos() < self.most.as_nanos() { pause } else { self.most }
    }

    /// The same, between half and the whole of that by a throw of `dice` from 0 to 1, so that many that failed together
    /// do not come back together.
    pub(super) fn pause(self, failures: u32, dice: f64) -> Duration {
        self.doubled(failures).mul_f64(0.5 + dice / 2.0)
    }
}

/// After requests that were not sent: a network that comes up is found soon.
const NOT_SENT: BackOff = BackOff { first: Duration::from_secs(1), most: Duration::from_mins(1) };
/// After trouble of the provider.
const TRANSIENT: BackOff = BackOff { first: Duration::from_secs(2), most: Duration::from_mins(15) };
/// After a disk that took nothing: nothing leaves this machine for that.
const DISK: BackOff = BackOff { first: Duration::from_secs(1), most: Duration::from_mins(1) };
/// After a disk that says that it will never take something: it may err, and the user may mend it.
const LASTING: BackOff = BackOff { first: Duration::from_mins(1), most: Duration::from_mins(15) };
/// After answers of which the refresh token alone could be used: each of them costs the provider a rotation.
const RESCUE: BackOff = BackOff { first: Duration::from_secs(1), most: Duration::from_hours(1) };
/// The pause of a provider that says "too many requests" and not how long to wait.
pub(super) const RATE_PAUSE: Duration = Duration::from_secs(30);
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);
const HELD_RETRY: Duration = Duration::from_hours(1);
const SECOND_OPINION: Duration = Duration::from_secs(2);

/// The pauses between tries with a refresh token whose fate is unknown: waiting only burns the time
/// in which the provider forgives a second use.
const AMBIGUOUS_PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(8),
];

/// What is known about the tries of one account that failed since the last success.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Streak {
    /// How many failed in a row, all classes together.
    pub(super) failures: u32,
    /// How many of them, at the end of the row, were of the class of the last.
    pub(super) of_class: u32,
    /// Whether an answer was lost on its way.
    pub(super) lost: bool,
    /// Whether the provider has already called the grant dead once.
    pub(super) called_dead: bool,
}

impl Streak {
    /// Counts a failure; `before` is the one before, if there was one.
    pub(super) fn count(&mut self, failure: &Failure, before: Option<&Failure>) {
        let same = before.is_some_and(|before| before.class == failure.class);
        self.failures = self.failures.saturating_add(1);
        self.of_class = if same { self.of_class.saturating_add(1) } else { 1 };
        self.lost |= failure.class == FailureClass::Ambiguous;
    }
}

/// Whose fault a failure is that passes, as far as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// The account's: it fails while others get through, or the provider says so.
    Account,
    /// That of the way to the provider, which may be open again at any moment: then the account is to have a new
    /// token in time. `left` is the life of the one that it has.
    Way { left: Duration },
}

impl Blame {
    /// The longest pause before the next try.
    fn patience(self) -> Duration {
        match self {
            Self::Account => TRANSIENT.most,
            // Nothing is lost any more by waiting for the next probe. The way shuts before five accounts ask that often.
            Self::Way { left } if left.is_zero() => PROBE_MAX,
            Self::Way { left } => probe_pause(left).max(PROBE_MIN),
        }
    }
}

/// What follows from a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Try again, not before.
    Retry(Boot),
    /// Stop this account's client: nothing of it is tried before.
    HoldClient(Boot),
    /// Stop this account: it is not tried before.
    Hold(Boot),
    /// The user must sign in again.
    NeedsLogin,
}

/// What is to be decided about.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) failure: &'a Failure,
    /// With this failure.
    pub(super) streak: &'a Streak,
    /// Since when it is unknown whether the refresh token is spent, if it is.
    pub(super) unknown_since: Option<Boot>,
    pub(super) blame: Blame,
}

/// Decides.
pub(super) fn verdict(case: Case<'_>, rules: &Rules, account: &AccountId, now: Boot) -> Verdict {
    let Case { failure, streak, unknown_since, blame } = case;
    let dice = spread(account, u64::from(streak.failures));
    match failure.class {
        FailureClass::NotSent => {
            // full jitter, but never at once: a refused connection would be tried in a tight loop
            let pause = NOT_SENT.doubled(streak.of_class).mul_f64(dice);
            let pause = pause.max(Duration::from_millis(200));
            Verdict::Retry(now + pause.min(blame.patience()))
        }
        FailureClass::Ambiguous => {
            let since = unknown_since.unwrap_or(now);
            let pause = AMBIGUOUS_PAUSES.get(streak.of_class.saturating_sub(1) as usize);
            let window = rules.grace.saturating_sub(Duration::from_secs(2));
            match pause {
                Some(pause) if (now + *pause).since(since) <= window => {
                    Verdict::Retry(now + *pause)
                }
                _ => {
                    let pause = TRANSIENT.pause(streak.of_class, dice);
                    Verdict::Retry(now + pause.min(blame.patience()))
                }
            }
        }
        FailureClass::Transient | FailureClass::Captive => {
            let back_off = TRANSIENT.pause(streak.of_class, dice).min(blame.patience());
            let rate = (failure.status == Some(429)).then_some(RATE_PAUSE);
            let pause = match failure.retry_after.map(asked_pause).or(rate) {
                // who fails again and again waits longer than the least that is asked for
                Some(asked) if streak.of_class > 1 => asked.max(back_off),
                Some(asked) => asked,
                None => back_off,
            };
            Verdict::Retry(now + pause)
        }
        FailureClass::ClientBroken => Verdict::HoldClient(now + HELD_RETRY),
        FailureClass::RequestBroken => Verdict::Hold(now + HELD_RETRY),
        // Several servers answer invalid_grant during outages or before a rotation has reached all
        // their nodes; one that punishes a second use must not be asked twice.
        FailureClass::DeadGrant if !rules.strict && !streak.called_dead => {
            Verdict::Retry(now + SECOND_OPINION)
        }
        FailureClass::DeadGrant => Verdict::NeedsLogin,
    }
}

/// How long a provider that asks for a pause gets one.
pub(super) fn asked_pause(asked: Duration) -> Duration {
    asked.clamp(Duration::from_secs(1), RETRY_AFTER_MAX)
}

/// How long to wait before something that could not be written down is tried again.
pub(super) fn disk_pause(failures: u32) -> Duration {
    DISK.doubled(failures)
}

/// What a disk that takes nothing is told as.
pub(super) fn disk_failure(why: &str) -> Failure {
    Failure::new(FailureClass::NotSent, format!("nothing can be written down: {why}"))
}

/// The same where the disk says that it will never take it.
pub(super) fn lasting_pause(failures: u32) -> Duration {
    LASTING.doubled(failures)
}

/// How long to wait after that many answers in a row of which the refresh token alone could be used.
pub(super) fn rescue_pause(rescues: u32) -> Duration {
    RESCUE.doubled(rescues)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::tests::{failure, rules};

    fn decide(class: FailureClass, streak: Streak, rules: &Rules) -> Verdict {
        let account = AccountId::from_random([1; 8]);
        let failure = failure(class);
        let unknown_since = streak.lost.then_some(Boot(100_000));
        let case =
            Case { failure: &failure, streak: &streak, unknown_since, blame: Blame::Account };
        verdict(case, rules, &account, Boot(100_000))
    }

    fn after(class: FailureClass, of_class: u32) -> i64 {
        let streak = Streak { failures: of_class, of_class, lost: true, called_dead: false };
        match decide(class, streak, &rules()) {
            Verdict::Retry(at) => at.0 - 100_000,
            other => panic!("{other:?}"),
        }
    }

    /// What each class of `oauth/tests/table/rows.rs` leads to: at the first failure, and at the tenth.
    #[test]
    fn each_class_has_its_action() {
        let hour = Boot(100_000) + HELD_RETRY;
        let within = |verdict: &Verdict, most: Duration| match verdict {
            Verdict::Retry(at) => *at > Boot(100_000) && *at <= Boot(100_000) + most,
            _ => false,
        };
        for (class, first, tenth) in [
            (FailureClass::NotSent, Duration::from_secs(1), NOT_SENT.most),
            (FailureClass::Ambiguous, Duration::from_millis(250), TRANSIENT.most),
            (FailureClass::Transient, TRANSIENT.first, TRANSIENT.most),
            (FailureClass::Captive, TRANSIENT.first, TRANSIENT.most),
        ] {
            for (count, most) in [(1, first), (10, tenth)] {
                let streak = Streak { failures: count, of_class: count, ..Streak::default() };
                let verdict = decide(class, streak, &rules());
                assert!(within(&verdict, most), "{class:?} {count}: {verdict:?}");
            }
        }
        for count in [1, 10] {
            let streak = Streak { failures: count, of_class: count, ..Streak::default() };
            let decide = |class| decide(class, streak, &rules());
            assert_eq!(decide(FailureClass::ClientBroken), Verdict::HoldClient(hour));
            assert_eq!(decide(FailureClass::RequestBroken), Verdict::Hold(hour));
            assert_eq!(decide(FailureClass::DeadGrant), Verdict::NeedsLogin);
        }
    }

    #[test]
    fn an_ambiguous_failure_is_retried_at_once_while_the_provider_may_forgive() {
        let pauses: Vec<i64> = (1..=4).map(|n| after(FailureClass::Ambiguous, n)).collect();
        assert_eq!(pauses, [250, 1000, 3000, 8000]);
        assert!(after(FailureClass::Ambiguous, 5) >= 16_000, "then as any other trouble");
    }

    #[test]
    fn outside_the_grace_window_an_ambiguous_failure_backs_off() {
        let streak = Streak { failures: 2, of_class: 2, lost: true, called_dead: false };
        let failure = failure(FailureClass::Ambiguous);
        let unknown_since = Some(Boot(100_000 - 40_000));
        let case =
            Case { failure: &failure, streak: &streak, unknown_since, blame: Blame::Account };
        let account = AccountId::from_random([1; 8]);
        match verdict(case, &rules(), &account, Boot(100_000)) {
            Verdict::Retry(at) => assert!(at.0 - 100_000 >= 2000, "{at:?}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn trouble_of_the_provider_backs_off_up_to_a_quarter_of_an_hour() {
        assert!((1000..=2000).contains(&after(FailureClass::Transient, 1)));
        assert!((450_000..=900_000).contains(&after(FailureClass::Transient, 40)));
        assert!(after(FailureClass::NotSent, 40) <= 60_000);
    }

    #[test]
    fn the_provider_is_left_alone_as_long_as_it_asks_up_to_an_hour() {
        let account = AccountId::from_random([1; 8]);
        for (asked, kept) in [(30, 30), (0, 1), (100_000, 3600)] {
            let failure = Failure {
                retry_after: Some(Duration::from_secs(asked)),
                ..failure(FailureClass::Transient)
            };
            let streak = Streak { failures: 1, of_class: 1, ..Streak::default() };
            let case = Case {
                failure: &failure,
                streak: &streak,
                unknown_since: None,
                blame: Blame::Account,
            };
            let got = verdict(case, &rules(), &account, Boot(0));
            assert_eq!(got, Verdict::Retry(Boot(kept * 1000)));
        }
    }

    #[test]
    fn a_strict_provider_is_believed_and_another_is_asked_twice() {
        let strict = Rules { strict: true, ..rules() };
        let lax = Rules { strict: false, ..rules() };
        let first = Streak { failures: 1, of_class: 1, ..Streak::default() };
        let second = Streak { called_dead: true, ..first };
        assert_eq!(decide(FailureClass::DeadGrant, first, &strict), Verdict::NeedsLogin);
        assert_eq!(decide(FailureClass::DeadGrant, first, &lax), Verdict::Retry(Boot(102_000)));
        assert_eq!(decide(FailureClass::DeadGrant, second, &lax), Verdict::NeedsLogin);
    }
}
