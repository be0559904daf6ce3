//! How the engine's tasks end.

use super::handle::Asker;
use super::identity::Learned;
use super::looking::Examined;
use super::plan::Plan;
use super::preparing::Way;
use super::prompts::Answered;
use super::revoking::Outcome;
use crate::api::{Fault, Response};
use crate::model::{ClientKey, ErrandId, Failure, FlightId, Granted, QuestionId, RawAnswer};
use crate::oauth::{OauthError, Renewed};

/// The end of a task that the engine started.
pub(super) enum Done {
    /// A flight ended.
    Landed { flight: FlightId, result: Result<RawAnswer, Failure> },
    /// As much is known of new tokens as can be.
    Known { flight: FlightId, granted: Box<Granted>, learned: Learned },
    /// The client of a login fits, or does not.
    Fitted { plan: Box<Plan>, result: Result<Option<Renewed>, OauthError> },
    /// A sign-in can be shown to the user, or cannot be started.
    Prepared { plan: Box<Plan>, result: Result<Box<Way>, Fault> },
    /// A revocation was tried.
    Tried { errand: ErrandId, outcome: Outcome },
    /// A registration was to be renewed.
    Renewed { client: ClientKey, result: Result<Box<Renewed>, Failure> },
    /// Disk and providers have been looked at.
    Examined(Box<Examined>),
    /// The user was asked something, and answered or did not.
    Prompted { question: QuestionId, answer: Option<Answered> },
    /// An answer took a task of its own.
    Answered { asker: Asker, result: Result<Response, Fault> },
    /// A task is over that has nothing to tell.
    Over,
}
