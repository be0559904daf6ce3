//! The package on a real machine: systemd as PID 1 of a container, with journald, logind, the managers
//! and buses of two users. Skipped, with a line that says so, where that cannot be.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod activation;
mod callers;
mod container;
mod desktop;
mod guard;
mod journal;
mod package;
mod scene;
mod service;
#[path = "../support/mod.rs"]
mod support;
mod users;
