//! The real daemon in a session as it is on a desktop: a real bus, a service manager's socket, a
//! terminal, and the programs that people use there.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod asking;
mod bus;
mod change;
#[path = "../../src/face/dbus/tests/client.rs"]
mod client;
mod commands;
mod contract;
mod crowd;
mod examples;
#[path = "../../src/face/dbus/tests/introspection.rs"]
mod introspection;
mod notices;
mod programs;
mod scene;
mod screen;
mod service;
mod sign_in;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

/// Nothing in these tests takes this long unless it is broken.
const DEADLINE: Duration = Duration::from_secs(30);

/// The outcome, before the test is given up.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.expect("it happens in time")
}
