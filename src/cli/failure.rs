//! Why a command failed: its exit code and its last words.

use std::io;
use std::path::PathBuf;

use serde::Serialize;

use super::args::Format;
use super::client::{Client, PROMPT};
use super::console::Console;
use super::text::one_line;
use crate::api::{self, Account, EXIT_UNAVAILABLE, EXIT_USAGE, Fault, FaultKind, Listing};
use crate::model::{AccountName, Scopes};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The daemon said no.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The daemon could not be asked.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// What the user wants cannot be done as said.
    #[error("{0}")]
    Usage(String),
    /// Standard output does not take the answer.
    #[error("standard output: {0}")]
    Output(io::Error),
}

/// Why the daemon could not be asked, or its answer not understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreachable {
    /// Neither option nor environment says where the socket is.
    #[error("XDG_RUNTIME_DIR is not set, so the daemon's socket is not known")]
    NoRuntimeDir,
    /// Nobody listens there.
    #[error("no daemon listens on {}", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// The system does not let us.
    #[error("cannot connect to {}: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The connection ended before the answer.
    #[error("the daemon hung up before it answered")]
    HungUp,
    /// No answer in time.
    #[error("the daemon did not answer in time")]
    Silent,
    /// Some other trouble with the connection.
    #[error("the connection to the daemon failed: {0}")]
    Broken(io::Error),
    /// Not an answer of ours.
    #[error("the answer was not understood ({0})")]
    Foreign(&'static str),
    /// The daemon does not know the method or a parameter.
    #[error("the daemon does not know {0}")]
    Older(String),
}

impl Unreachable {
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::NoRuntimeDir => "set it, or name the socket with --socket",
            Self::NotRunning { .. } => {
                "run: systemctl --user start ostler.socket (or ostlerd by hand)"
            }
            Self::Connect { .. } => "check who owns the socket, or name another with --socket",
            Self::HungUp | Self::Silent | Self::Broken(_) => {
                "see: systemctl --user status ostler.service"
            }
            Self::Foreign(_) => "check that the socket is that of ostlerd",
            Self::Older(_) => "restart it: systemctl --user restart ostler.service",
        }
    }
}

/// A failure in JSON: a fault's form, with names of its own for what is no fault.
#[derive(Serialize)]
struct LastWords<'a> {
    fault: &'a str,
    message: String,
    hint: &'a str,
}

/// How many accounts a hint names before it rather names the command that lists them.
const NAMED: u32 = 8;

impl Failure {
    /// The command's exit code.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Fault(fault) => fault.kind.exit_code(),
            Self::Unreachable(_) => EXIT_UNAVAILABLE,
            Self::Usage(_) => EXIT_USAGE,
            // whoever read has read enough, as with `| head`
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Output(_) => FaultKind::Storage.exit_code(),
        }
    }

    /// Says what went wrong and what to do next, on one line of standard error. Returns the exit code.
    pub(super) fn report(&self, format: Format, console: &mut Console<'_>) -> u8 {
        let code = self.exit_code();
        if code != 0 {
            let line = match format {
                Format::Text => one_line(&format!("ostler: {}", self.with_hint())),
                Format::Json => self.json(),
            };
            console.tell(&format!("{line}\n"));
        }
        code
    }

    fn with_hint(&self) -> String {
        match self {
            Self::Unreachable(error) => format!("{error}; {}", error.hint()),
            _ => self.to_string(),
        }
    }

    fn json(&self) -> String {
        let (fault, hint) = match self {
            // the form of the events, where the kind is a member
            Self::Fault(fault) => return json(fault),
            Self::Unreachable(error) => ("Unavailable", error.hint()),
            Self::Usage(_) => ("Usage", "see: ostler --help"),
            Self::Output(_) => ("Output", ""),
        };
        json(&LastWords { fault, message: self.to_string(), hint })
    }

    /// Makes a hint concrete where the table can only be general: names the command to run, which
    /// takes a question to the daemon about the account.
    pub(super) fn sharpen(
        self,
        account: &AccountName,
        scopes: &Scopes,
        client: &mut Client,
    ) -> Self {
        let Self::Fault(fault) = self else { return self };
        if fault.hint != fault.kind.hint() {
            return Self::Fault(fault);
        }
        let mut list = |listing: Listing| client.accounts(&listing, PROMPT).unwrap_or_default();
        let known = list(Listing::of(account.clone()));
        let known = known.iter().find(|known| known.name == *account);
        let hint = match (fault.kind, known) {
            (
                FaultKind::LoginRequired | FaultKind::LoginFailed | FaultKind::Cancelled,
                Some(known),
            ) => format!("run: {}", login_command(known)),
            (FaultKind::ScopeNotGranted, Some(known)) => {
                let all: Scopes = known.scopes.iter().chain(scopes.iter()).cloned().collect();
                let all: Vec<String> =
                    all.iter().map(|scope| format!(" --scope {scope}")).collect();
                format!("run: {}{}", login_command(known), all.concat())
            }
            (FaultKind::NoSuchAccount, None) => match list(Listing::first(NAMED + 1)).as_slice() {
                [] => "no account is signed in; run: ostler providers".to_owned(),
                many if many.len() > NAMED as usize => return Self::Fault(fault),
                some => {
                    let names: Vec<&str> = some.iter().map(|known| known.name.as_str()).collect();
                    format!("there is {}; or run: ostler login", names.join(", "))
                }
            },
            _ => return Self::Fault(fault),
        };
        Self::Fault(fault.hint(hint))
    }
}

fn json(value: &impl Serialize) -> String {
    // strings and numbers alone, which always have a JSON form
    serde_json::to_string(value).unwrap_or_default()
}

/// The command that signs an account in again.
pub(super) fn login_command(account: &Account) -> String {
    api::login_command(&account.provider, &account.name)
}
