//! The real daemon and the real command line against a certified `OpenID` provider that was not
//! written by us: what a user has, held to what the standards say.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod certificate;
mod crash;
mod device;
mod discovery;
mod dpop;
mod faults;
mod identity;
mod import;
mod offline;
mod refresh;
mod registration;
mod rounds;
mod scene;
mod service;
mod sign_in;
mod sign_in_rounds;
mod stopping;
#[path = "../support/mod.rs"]
mod support;
mod targets;
mod ways;
