//! The one place where tests read a clock.
#![expect(clippy::disallowed_methods, reason = "tests measure; the rule keeps the daemon testable")]

use std::time::{Duration, Instant};

/// Now.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// How long ago that was.
pub(crate) fn since(start: Instant) -> Duration {
    start.elapsed()
}

/// How long until a deadline; nothing if it has passed.
pub(crate) fn until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(now())
}
