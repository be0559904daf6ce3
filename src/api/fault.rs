//! What can go wrong, once for all faces: one table gives a fault its name, exit code and hint.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{AccountName, ProviderId};

/// Exit status of a look at everything that found a problem.
pub const EXIT_PROBLEM: u8 = 1;
/// Exit status of a command that could not reach the daemon (`EX_UNAVAILABLE`, sysexits.h).
pub const EXIT_UNAVAILABLE: u8 = 69;
/// Exit status of a command that was called wrongly (`EX_USAGE`).
pub const EXIT_USAGE: u8 = 64;

/// A request that could not be met: what happened, to which account, and what to do next. No part of
/// it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind. On the wire it is the error's name, not a field.
    #[serde(rename = "fault")]
    pub kind: FaultKind,
    /// To which account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// What happened: a lowercase fragment for people.
    pub message: String,
    /// What to do next.
    pub hint: String,
    /// When a new try makes sense, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<i64>,
}

/// The kinds of faults: one per reaction that a caller can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FaultKind {
    /// No account has that name.
    NoSuchAccount,
    /// No provider has that name.
    NoSuchProvider,
    /// No sign-in has that id: it ended, or it never was.
    NoSuchRequest,
    /// The name belongs to an account of another provider.
    AccountExists,
    /// A parameter is missing, malformed or out of range.
    InvalidOption,
    /// The user must sign in again.
    LoginRequired,
    /// A sign-in ended without success.
    LoginFailed,
    /// The grant does not cover a scope asked for.
    ScopeNotGranted,
    /// The provider cannot be reached.
    Offline,
    /// The provider answered with an error, or with something not understood.
    ProviderError,
    /// The provider rejects the client.
    ClientRejected,
    /// Too much was asked in too short a time.
    RateLimited,
    /// The answer does not fit into one message.
    TooLarge,
    /// The caller's deadline passed first.
    Timeout,
    /// The sign-in was cancelled.
    Cancelled,
    /// The user has to say whether this caller may have it.
    ApprovalRequired,
    /// This caller may not do that.
    Denied,
    /// No proof is made for that address.
    OriginNotAllowed,
    /// What opens the secrets is not there, or does not fit.
    Locked,
    /// Something could not be written down or read.
    Storage,
    /// The daemon is about to stop.
    ShuttingDown,
    /// A bug.
    Internal,
}

/// One row: kind, name on the socket and on D-Bus, exit code of a command, hint.
type Row = (FaultKind, &'static str, u8, &'static str);

use FaultKind as K;

/// The table. Exit codes are those of sysexits.h where it has one.
const TABLE: [Row; 22] = [
    (K::NoSuchAccount, "NoSuchAccount", 67, "run: ostler accounts"),
    (K::NoSuchProvider, "NoSuchProvider", 67, "run: ostler providers"),
    (K::NoSuchRequest, "NoSuchRequest", 67, "start the sign-in again: ostler login"),
    (K::AccountExists, "AccountExists", EXIT_USAGE, "choose another name with --as"),
    (K::InvalidOption, "InvalidOption", EXIT_USAGE, "see: ostler --help"),
    (K::LoginRequired, "LoginRequired", 77, "run: ostler login"),
    (K::LoginFailed, "LoginFailed", 77, "try again: ostler login"),
    (K::ScopeNotGranted, "ScopeNotGranted", 77, "sign in again with --scope"),
    (K::Offline, "Offline", 75, "check the network; ostler keeps trying"),
    (K::ProviderError, "ProviderError", 75, "see: ostler status"),
    (K::ClientRejected, "ClientRejected", 78, "check client id and secret, then sign in again"),
    (K::RateLimited, "RateLimited", 75, "try again later"),
    (K::TooLarge, "TooLarge", 65, "ask for it in parts"),
    (K::Timeout, "Timeout", 75, "try again; ostler goes on refreshing"),
    (K::Cancelled, "Cancelled", 77, "start the sign-in again: ostler login"),
    (K::ApprovalRequired, "ApprovalRequired", 77, "run: ostler access pending"),
    (K::Denied, "Denied", 77, "ask as the user who owns the daemon"),
    (
        K::OriginNotAllowed,
        "OriginNotAllowed",
        77,
        "add it to origins below [dpop] in the provider's file, or sign in with --resource",
    ),
    (K::Locked, "Locked", 78, "run: ostler doctor"),
    (K::Storage, "Storage", 74, "check the disk and the daemon's log"),
    (K::ShuttingDown, "ShuttingDown", EXIT_UNAVAILABLE, "try again when it has restarted"),
    (K::Internal, "Internal", 70, "report this, with the daemon's log"),
];

impl FaultKind {
    /// All kinds, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static Row {
        // the table has a row for each variant, in their order; a test holds it to that
        &TABLE[self as usize]
    }

    /// The error's name after `dev.ostler.Ostler1.` on the socket and `dev.ostler.Ostler1.Error.` on
    /// D-Bus.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The kind with that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The exit code of a command that ends with it.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        self.row().2
    }

    /// What to do next, when nothing better is known.
    #[must_use]
    pub fn hint(self) -> &'static str {
        self.row().3
    }
}

impl Fault {
    /// A fault of a kind, with the table's hint.
    #[must_use]
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            account: None,
            message: message.into(),
            hint: kind.hint().to_owned(),
            retry_at: None,
        }
    }

    /// The same, of an account.
    #[must_use]
    pub fn of(mut self, account: AccountName) -> Self {
        self.account = Some(account);
        self
    }

    /// The same, with a better hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The same, with a time for the next try.
    #[must_use]
    pub fn retry_at(mut self, seconds: i64) -> Self {
        self.retry_at = Some(seconds);
        self
    }
}

impl fmt::Display for Fault {
    /// One line: `account: message; hint`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(account) = &self.account {
            write!(f, "{account}: ")?;
        }
        f.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

/// The command that signs an account in again, as every hint shows it.
#[must_use]
pub fn login_command(provider: &ProviderId, account: &AccountName) -> String {
    let issuer = if provider.as_str().contains("://") { "--issuer " } else { "" };
    if provider.as_str() == account.as_str() {
        return format!("ostler login {issuer}{provider}");
    }
    format!("ostler login {issuer}{provider} --as {account}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_kind_in_its_place_and_names_are_unique() {
        for (place, row) in TABLE.iter().enumerate() {
            assert_eq!(row.0 as usize, place, "{}", row.1);
            assert_eq!(format!("{:?}", row.0), row.1, "a name is the variant's");
            assert_eq!(FaultKind::from_name(row.1), Some(row.0));
        }
        assert_eq!(TABLE.len(), FaultKind::Internal as usize + 1);
    }

    #[test]
    fn a_fault_says_who_what_and_what_next_in_one_line() {
        let fault = Fault::new(FaultKind::LoginRequired, "the provider ended the login")
            .of("work/mail".parse().unwrap());
        assert_eq!(fault.to_string(), "work/mail: the provider ended the login; run: ostler login");
    }
}
