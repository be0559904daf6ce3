//! What the integration tests and the demo share: a provider that misbehaves on purpose, a headless
//! user agent, a private bus, the real daemon in a home of its own, and a Varlink client.
//!
//! Nothing here uses the daemon's own protocol code: a mistake in that code must not be able to hide
//! behind itself.
#![allow(dead_code, reason = "every test crate includes this module and uses its own part of it")]
#![allow(unused_imports, reason = "the same, for names that are re-exported")]

pub(crate) mod agent;
pub(crate) mod bus;
pub(crate) mod clock;
pub(crate) mod conversation;
pub(crate) mod daemon;
pub(crate) mod dice;
pub(crate) mod http;
pub(crate) mod login;
pub(crate) mod manager;
pub(crate) mod many;
pub(crate) mod op;
pub(crate) mod pack;
pub(crate) mod process;
pub(crate) mod provider;
pub(crate) mod said;
pub(crate) mod sandbox;
pub(crate) mod secret;
pub(crate) mod tls;
pub(crate) mod varlink;
