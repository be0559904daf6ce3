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
//! From the bottom up: `words` are what goes in and comes out; `state`, `login`, `account` what an account is;
//! `policy`, `questions`, `sign_ins`, `errands`, `registrations`, `traffic` and `rest` each keep a concern of their own
//! behind a small face; `machine` has them all, and the files above it are the ways of events through them.

mod account;
mod accounts;
mod adjust;
mod answering;
mod approvals;
mod asking;
mod changes;
mod clients;
mod errands;
mod flight;
mod hold;
mod leave;
mod login;
mod machine;
mod outlook;
mod parts;
mod policy;
mod portions;
mod question;
mod questions;
mod refresh;
mod registrations;
mod rest;
mod restore;
mod retry;
mod saving;
mod schedule;
mod sign_ins;
mod signing_in;
mod state;
mod stirred;
mod term;
#[cfg(test)]
mod tests;
mod timers;
mod timing;
mod token;
mod traffic;
mod turns;
mod view;
mod waking;
mod words;

pub use errands::{ErrandView, may_pass};
pub use machine::{Lifecycle, Settings};
pub use outlook::{Judge, Outlook};
pub use questions::QuestionView;
pub use registrations::RegistrationView;
pub use restore::Restored;
pub use view::{Doing, View};
pub use words::{
    Ask, Effect, ErrandEffect, ErrandEvent, ErrandSeed, Event, HandOut, Origin, Parting, Purpose,
    Refusal, RegistrationEvent, RuleDraft, RuleRefusal, Rules, SignInEnd, SignInSeed,
    TokenEndpoint, Unasked, Unsaved, Verdict, WaiterId,
};
