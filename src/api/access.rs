//! Which programs may have tokens, which were given some, and what the user is asked about them.

use serde::{Deserialize, Serialize};

use crate::model::{AccountName, Decision, Pattern, QuestionId, RuleId, Scopes};

/// Asks who was given tokens.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListUses {
    /// Of which account; of all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
}

/// Makes a rule about which programs may have tokens. One about the same account, programs and scopes
/// is replaced.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetGrant {
    /// About which account; about all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// The programs that it is about.
    pub caller: Pattern,
    /// The scopes that it is about; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
    /// What those programs get.
    pub decision: Decision,
    /// When it ends, in seconds since the epoch; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// Ends a rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveGrant {
    /// Which.
    pub grant: RuleId,
}

/// Answers a question to the user.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Respond {
    /// Which.
    pub question: QuestionId,
    /// The answer.
    pub verdict: Verdict,
}

/// What the user says to a program that asks for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It may have them, from now on.
    Allow,
    /// It may have what it asked for.
    Once,
    /// It may not; it is not asked about again for ten minutes.
    Deny,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Once, Self::Deny];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Once => "once",
            Self::Deny => "deny",
        }
    }

    /// The verdict with that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == word)
    }
}

/// A rule about which programs may have tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its number.
    pub id: RuleId,
    /// The account that it is about; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// The programs that it is about.
    pub caller: Pattern,
    /// What their names are worth: `verified`, `claimed`, `none`, or `any` where it can be each.
    pub tier: String,
    /// The scopes that it is about; all of them if there are none.
    pub scopes: Scopes,
    /// What those programs get.
    pub decision: Decision,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// When it was made.
    pub created_at: i64,
    /// The program by which it was made.
    pub created_by: String,
    /// When it last decided something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<i64>,
}

/// A question to the user: whether a program may have tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Its number.
    pub id: QuestionId,
    /// Whose tokens.
    pub account: AccountName,
    /// What the program is known by.
    pub caller: String,
    /// What that is worth: `verified` by a sandbox, `claimed`, or `none`.
    pub tier: String,
    /// Where it asked: `socket`, `tokens` or `dbus`.
    pub face: String,
    /// The process that did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// What the tokens are good for.
    pub scopes: Scopes,
    /// When it came up.
    pub since: i64,
}

/// A program that was given an account's tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// Whose tokens.
    pub account: AccountName,
    /// What the program is known by, such as `exe:/usr/bin/curl`.
    pub caller: String,
    /// What that is worth: `verified` by a sandbox, `claimed`, or `none`.
    pub tier: String,
    /// Where it asked last: `socket`, `tokens` or `dbus`.
    pub face: String,
    /// The process that did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// When it was given its first token.
    pub first: i64,
    /// And its last one.
    pub last: i64,
    /// How many times it was given one.
    pub count: u64,
}
