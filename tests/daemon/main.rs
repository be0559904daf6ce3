//! The real daemon and the real command line against a provider that keeps the rules strictly and
//! misbehaves on order: what a user has, put together and held to what it promises.
//!
//! No test waits for time to pass where something can tell: each waits for the provider's log, for
//! an event of the daemon, or for an answer. Durations are limits for the day when nothing comes.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod access;
mod answers;
mod broken_disk;
mod bus;
mod certificate;
mod change;
mod check;
mod confidential;
mod crash;
mod crash_points;
mod crowd;
mod database;
mod dbus;
mod disk;
mod doctor;
mod hostile;
mod key_logins;
mod lists;
mod lock;
mod logind;
mod logout;
mod machine;
mod neighbours;
mod origin;
mod over;
mod power;
mod recorder;
mod redirects;
mod refresh;
mod rounds;
mod sampler;
mod scene;
mod secrecy;
mod sign_in;
mod signals;
mod socket;
mod start;
mod street;
mod stuck;
#[path = "../support/mod.rs"]
mod support;
mod syncs;
mod tokens;
mod trouble;
mod writes;
