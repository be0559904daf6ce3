//! The test kit itself: what the other tests rely on when they blame the daemon.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod client;
mod faults;
mod others;
mod rules;
#[path = "../support/mod.rs"]
mod support;
