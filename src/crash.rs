//! Floor 0: points at which a debug build ends itself on order, so that tests can prove that a crash
//! there loses nothing. A release build has none of them and does not look at the variable.
//!
//! `OSTLER_CRASH_AT=after-read` aborts the daemon when it first comes to that point,
//! `OSTLER_CRASH_AT=after-read:3` when it does so for the third time.

/// A point on the way of a token request, in the order of that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The intent is durable, and nothing has been sent.
    BeforeSend,
    /// The provider has acted, and the head of its answer has come: nothing else has been read.
    AfterSend,
    /// The answer has been read, and is in memory alone.
    AfterRead,
    /// The raw answer is on record, and what it brought is written but not committed.
    BeforeCommit,
    /// What it brought is durable, and nobody outside the store's thread knows.
    AfterCommit,
    /// The engine knows, and nobody has been told.
    BeforePublish,
    /// An account is gone, and its provider has not been told yet.
    AfterErase,
}

#[cfg(debug_assertions)]
pub use on_order::{arm, point};

/// Reads the order. Call once the log runs: a daemon that is going to die on purpose says so.
#[cfg(not(debug_assertions))]
pub fn arm() {}

/// Ends the process if that was ordered for this point.
#[cfg(not(debug_assertions))]
#[inline]
pub fn point(_: Point) {}

#[cfg(debug_assertions)]
mod on_order {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Point;

    const VARIABLE: &str = "OSTLER_CRASH_AT";

    static ORDER: OnceLock<Order> = OnceLock::new();

    /// Where to end.
    #[derive(Debug)]
    struct Order {
        at: Point,
        /// How often the point is still to be passed, the last time included.
        left: AtomicU32,
    }

    /// Reads the order. Call once the log runs: a daemon that is going to die on purpose says so.
    pub fn arm() {
        let Some(text) = std::env::var_os(VARIABLE) else { return };
        let Some(order) = text.to_str().and_then(Order::parse) else {
            tracing::error!(?text, "{VARIABLE} names no point to crash at, and is ignored");
            return;
        };
        tracing::warn!(at = ?order.at, "this daemon ends itself on purpose ({VARIABLE})");
        // a second call changes nothing
        let _ = ORDER.set(order);
    }

    /// Ends the process if that was ordered for this point.
    pub fn point(here: Point) {
        if ORDER.get().is_some_and(|order| order.is_due(here)) {
            tracing::error!(at = ?here, "ending here, as ordered ({VARIABLE})");
            std::process::abort();
        }
    }

    impl Order {
        /// `POINT` or `POINT:COUNT`.
        fn parse(text: &str) -> Option<Self> {
            let (name, count) = match text.split_once(':') {
                Some((name, count)) => (name, count.parse().ok().filter(|count| *count > 0)?),
                None => (text, 1),
            };
            let at = match name {
                "before-send" => Point::BeforeSend,
                "after-send" => Point::AfterSend,
                "after-read" => Point::AfterRead,
                "before-commit" => Point::BeforeCommit,
                "after-commit" => Point::AfterCommit,
                "before-publish" => Point::BeforePublish,
                "after-erase" => Point::AfterErase,
                _ => return None,
            };
            Some(Self { at, left: AtomicU32::new(count) })
        }

        /// Counts a passage, and says whether it is the one.
        fn is_due(&self, here: Point) -> bool {
            here == self.at && self.left.fetch_sub(1, Ordering::Relaxed) == 1
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn an_order_is_due_at_its_own_point_and_at_the_passage_it_names() {
            let first = Order::parse("after-read").unwrap();
            assert!(!first.is_due(Point::AfterSend));
            assert!(first.is_due(Point::AfterRead));
            let third = Order::parse("before-commit:3").unwrap();
            let passages = [(); 4].map(|()| third.is_due(Point::BeforeCommit));
            assert_eq!(passages, [false, false, true, false]);
        }

        #[test]
        fn what_names_no_point_is_no_order() {
            for text in ["", "after", "after-read:", "after-read:0", "after-read:x", "AfterRead"] {
                assert!(Order::parse(text).is_none(), "{text}");
            }
        }
    }
}
