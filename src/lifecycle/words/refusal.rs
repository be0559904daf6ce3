//! Why somebody does not get what was asked for.

use crate::model::{Boot, Failure, QuestionId, RuleId, Scopes};
/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No account has that name.
    NoSuchAccount,
    /// The user must sign in again.
    LoginRequired {
        /// Why, in the provider's words where it gave some.
        why: String,
    },
    /// The grant does not cover these.
    ScopeNotGranted {
        /// The scopes that are missing.
        missing: Scopes,
    },
    /// The login is not for these.
    NotForThat {
        /// The resources and audiences that are missing.
        missing: Vec<String>,
    },
    /// An API wants the user to show anew, or better, who they are (RFC 9470).
    StepUp,
    /// The provider gives no token that is good for that part of the login alone.
    NotNarrowed {
        /// Why.
        why: String,
    },
    /// The provider rejects the client or the form of the request.
    Held {
        /// What it said.
        why: String,
    },
    /// The provider cannot be reached or is in trouble.
    Unavailable {
        /// The last failure.
        failure: Failure,
        /// When the next try is made.
        retry_at: Option<Boot>,
    },
    /// It was renewed a moment ago, and the next refresh has to wait.
    TooSoon {
        /// When the next one can be made.
        retry_at: Option<Boot>,
    },
    /// The user has put the account out of use.
    Disabled,
    /// Another account has that name.
    NameTaken,
    /// A sign-in of the account is under way.
    SigningIn,
    /// The caller's deadline passed first.
    TimedOut,
    /// What must be durable first cannot be written down.
    NotSaved {
        /// Why.
        why: String,
    },
    /// Too many callers wait already.
    TooMany,
    /// The user has to say whether the caller may have it.
    ApprovalRequired {
        /// What the user is to answer.
        question: QuestionId,
    },
    /// The caller may not have it.
    Denied {
        /// The rule that says so; the user just said so if there is none.
        rule: Option<RuleId>,
    },
    /// The account was logged out while the caller waited.
    LoggedOut,
    /// The daemon is about to stop.
    Stopping,
}

/// Why a sign-in ended without an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInEnd {
    /// The user, or another sign-in of the same account, cancelled it.
    Cancelled,
    /// The user did not come back in time.
    Expired,
    /// The provider sent the user back with an error.
    Refused {
        /// What it said.
        why: String,
    },
    /// The exchange of the code failed.
    Failed(Failure),
    /// The intent could not be written down, so the code was not sent.
    NotSaved {
        /// Why.
        why: String,
    },
    /// The daemon is about to stop.
    Stopping,
}
