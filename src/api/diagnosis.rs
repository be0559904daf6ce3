//! What a look at everything found.

use serde::{Deserialize, Serialize};

use super::reply::DaemonInfo;

/// What the daemon found when it looked itself, its disk and its providers over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The daemon.
    pub daemon: DaemonInfo,
    /// One for each thing looked at.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at, and how it is. No part of it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How it is.
    pub level: Level,
    /// What kind of thing it is.
    pub area: Area,
    /// Which one: a path, an account, an address. Empty where there is only one of the kind.
    pub subject: String,
    /// How it is, for people: a lowercase fragment.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What a provider answered when it gave no tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing to do.
    Ok,
    /// Tokens are handed out, but something should be looked after.
    Warning,
    /// Tokens are not handed out, or are at risk.
    Problem,
}

/// What kind of thing was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// The daemon itself.
    Daemon,
    /// The service manager's unit.
    Service,
    /// The socket and its directory.
    Socket,
    /// A file or directory with secrets in it.
    File,
    /// What opens the sealed values.
    Key,
    /// The database, and the room on its disk.
    Database,
    /// The way to providers.
    Network,
    /// A provider, at the address where tokens are asked for.
    Provider,
    /// An account.
    Account,
}

/// An answer without tokens, so that nothing secret is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// When it came.
    pub at: i64,
    /// The HTTP status.
    pub status: u16,
    /// The media type, without parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// How long the body was.
    pub bytes: u64,
    /// The body's structure, or those of its words that cannot be secrets.
    pub text: String,
}

impl Level {
    /// The name used on all faces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

impl Area {
    /// The name used on all faces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::Service => "service",
            Self::Socket => "socket",
            Self::File => "file",
            Self::Key => "key",
            Self::Database => "database",
            Self::Network => "network",
            Self::Provider => "provider",
            Self::Account => "account",
        }
    }
}

impl Finding {
    /// All is well with a thing.
    #[must_use]
    pub fn ok(area: Area, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Level::Ok, area, subject.into(), message.into())
    }

    /// A thing should be looked after.
    #[must_use]
    pub fn warning(area: Area, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Level::Warning, area, subject.into(), message.into())
    }

    /// A thing is broken.
    #[must_use]
    pub fn problem(area: Area, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Level::Problem, area, subject.into(), message.into())
    }

    fn new(level: Level, area: Area, subject: String, message: String) -> Self {
        Self { level, area, subject, message, hint: None, answer: None }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with what the provider answered.
    #[must_use]
    pub fn answer(mut self, answer: Option<Answer>) -> Self {
        self.answer = answer;
        self
    }
}
