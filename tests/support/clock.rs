//! The one place where tests read a clock.
#![expect(clippy::disallowed_methods, reason = "tests measure; the rule keeps the daemon testable")]

use std::time::{Duration, Instant, SystemTime};

/// Now.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The wall clock, in seconds of Unix time.
pub(crate) fn wall() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.ok().and_then(|since| since.as_secs().try_into().ok()).unwrap_or_default()
}

/// How long ago that was.
pub(crate) fn since(start: Instant) -> Duration {
    start.elapsed()
}

/// How long until a deadline; nothing if it has passed.
pub(crate) fn until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(now())
}
