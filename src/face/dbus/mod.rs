//! The D-Bus service `dev.ostler.Ostler1` on the session bus.
//!
//! | object | interfaces |
//! |---|---|
//! | `/dev/ostler/Ostler1` | `ObjectManager`, `Manager` |
//! | `/dev/ostler/Ostler1/accounts/<id>` | `Account` |
//! | `/dev/ostler/Ostler1/requests/<sender>/<token>` | `Request`: a sign-in under way |
//! | `/org/freedesktop/LogControl1` | `LogControl1`, for `systemctl service-log-level` |
//!
//! Besides, it tells the desktop when the user has to sign in again (`notice`).
//!
//! The contract is the XML in `dbus/`; a test compares it with what the service shows.
//!
//! Each method identifies its caller (`callers`), reads its options (`options`), asks the engine
//! one [`crate::api::Request`] and shows the answer. Changes flow the other way: `service` follows
//! the engine's events and turns them into objects, properties and signals (`accounts`).
//!
//! Not offered here: the daemon's `Status` and `Diagnose`, which people ask for on the command line,
//! and `Monitor`, which the bus itself does better.
//!
//! Any unsandboxed process of the user can watch the session bus (`dbus-monitor`), replies
//! included, so no refresh token and no client secret ever crosses it, and no property or signal,
//! which the bus broadcasts, holds a secret. The socket cannot be watched.

mod access;
mod account;
mod accounts;
mod agent;
mod callers;
mod context;
mod desktop;
mod launch;
mod log_control;
mod manager;
mod notice;
mod objects;
mod options;
mod paths;
mod prompt;
mod refusal;
mod request;
mod requests;
mod service;
mod sign_in;
mod token;

#[cfg(test)]
mod tests;

pub use notice::Notices;
pub use prompt::Desk;
pub use service::{Address, BusEnd, BusError, Service, connect};
