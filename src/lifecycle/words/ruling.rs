//! Words about which programs may have tokens: what the user says, and what becomes of rules.

use crate::model::{Decision, Pattern, Scopes, Wall};

/// What the user says to a program that asks for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may have them, from now on.
    Allow,
    /// It may have what it asked for.
    Once,
    /// It may not; it is not asked about again for a while.
    Deny,
}

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unasked {
    /// It could not be shown.
    NotShown,
    /// The user saw it.
    Ignored,
}

/// A rule to be made.
#[derive(Debug, Clone)]
pub struct RuleDraft {
    /// The programs that it is about.
    pub who: Pattern,
    /// The scopes that it is about; all of them if empty.
    pub scopes: Scopes,
    /// What those programs get.
    pub decision: Decision,
    /// When it ends; never if absent.
    pub expires: Option<Wall>,
    /// The program by which it is made.
    pub created_by: String,
}

/// Why the rules are not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleRefusal {
    /// No account has that name.
    NoSuchAccount,
    /// No rule has that number.
    NoSuchRule,
    /// No question has that number: it was answered, or its time is over.
    NoSuchQuestion,
    /// There are too many rules.
    TooMany,
    /// The change cannot be written down.
    NotSaved {
        /// Why.
        why: String,
    },
}
