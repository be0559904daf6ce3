//! Floor 1: the pure heart. It knows every account, decides what is done and when, and does nothing
//! itself: [`Lifecycle::handle`] takes an [`Event`] and a [`Now`](crate::model::Now) and gives
//! [`Effect`]s. No I/O, no clock, no runtime: its tests run on virtual time.
//!
//! What always holds (`tests/invariants.rs` tries to break it with random events):
//!
//! - never two flights for one generation of a grant;
//! - never an expired token in an answer;
//! - every caller is answered exactly once, and not after its deadline has been seen to pass;
//! - no program has a token that the rules, or else the user, do not let it have;
//! - a token is answered only after the grant that it belongs to is durable;
//! - no event erases a refresh token that might still be good;
//! - after each event the next deadline lies in the future.
//!
//! A refresh, from left to right; everything else is a way back to `Idle`:
//!
//! ```text
//! Idle --due, or asked--> Queued --its turn--> Flying --landed--> Saving --durable--> Idle
//!   ^                                            |                   |
//!   +-------------- Waiting <--------------------+ failed            + cannot be saved: again
//! ```

mod account;
mod adjust;
mod errands;
mod hold;
mod leave;
mod machine;
mod policy;
mod portions;
mod questions;
mod refresh;
mod registrations;
mod rest;
mod restore;
mod retry;
mod rulings;
mod saving;
mod schedule;
mod signin;
mod term;
#[cfg(test)]
mod tests;
mod traffic;
mod turns;
mod view;
mod waiters;
mod words;

pub use errands::{ErrandEffect, ErrandEvent, ErrandSeed, ErrandView, may_pass};
pub use machine::{Lifecycle, Settings};
pub use questions::QuestionView;
pub use registrations::{RegistrationEvent, RegistrationView};
pub use restore::Restored;
pub use rulings::{RuleDraft, RuleRefusal, Unasked, Verdict};
pub use view::{Count, Doing, View};
pub use words::{
    Ask, Effect, Event, HandOut, Origin, Parting, Purpose, Refusal, Rules, SignInEnd, SignInSeed,
    TokenEndpoint, Unsaved, WaiterId,
};
