//! What can be said on the command line. Nothing secret is among it: other processes can read a
//! command line (`proc_pid_cmdline(5)`).

mod access;
mod login;
mod plain;
mod provider;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::ArgValueCandidates;

pub(super) use access::{AccessCommand, AccessLog, Approve, Refuse, Rule, Rules};
pub(super) use login::{Callback, Login};
pub(super) use plain::read as read_plain;
pub(super) use provider::{
    CheckProvider, Document, Import, NewProvider, ProviderCommand, ShowProvider,
};

use super::completion;
use crate::model::{AccountName, Audience, Fingerprint, Resource, Scope};

/// Keeps OAuth tokens fresh for the programs of one user.
#[derive(Debug, Parser)]
#[command(name = "ostler", version, arg_required_else_help = true)]
pub(super) struct Cli {
    /// Where the daemon listens.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        help = "The daemon's socket [default: $OSTLER_SOCKET, or $XDG_RUNTIME_DIR/ostler/socket]"
    )]
    pub(super) socket: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The definition of the command line, for help, man pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Sign in to a provider, anew or again
    Login(Login),
    /// Take logins over from the program that kept them until now
    Import(Import),
    /// Hand the address to a sign-in that the browser was sent to
    Callback(Callback),
    /// Print a fresh access token
    Token(Token),
    /// Print a token that is bound to a key, and the proof for one request with it
    Proof(Proof),
    /// Show how the daemon and its accounts are doing
    Status(Status),
    /// List the accounts
    Accounts(Plain),
    /// Forget an account, and revoke its tokens where the provider can
    Logout(Logout),
    /// Try an account again with the login it has, although something speaks against that
    Resume(Resume),
    /// Revoke the tokens of an account where the provider can, and keep the account
    Revoke(Named),
    /// Renew an access token before its time
    Refresh(Refresh),
    /// Give an account another name
    Rename(Rename),
    /// Put an account into use again
    Enable(Named),
    /// Put an account out of use, and keep its login
    Disable(Named),
    /// List the providers that can be signed in to by name
    Providers(Plain),
    /// Show, check and draft definitions of providers
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// Show which programs use the accounts
    #[command(subcommand)]
    Access(AccessCommand),
    /// Show what happens, as it happens
    Monitor(Plain),
    /// Look everything over, and say what to do: socket, files, key, database, clock, providers
    Doctor(Plain),
}

/// How long a command can be told to wait, in seconds.
const TIMEOUT_MAX: u32 = 60;

/// How answers and failures are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Text,
    /// The daemon's answer, one object a line.
    Json,
}

#[derive(Debug, PartialEq, Eq, Args)]
pub(super) struct Token {
    /// The account
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::accounts))]
    pub(super) account: AccountName,
    /// How many seconds the token must still be valid [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub(super) min_valid: Option<u32>,
    /// A scope that the token must have; can be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(super) scopes: Vec<Scope>,
    /// The address of an API that the token must be for; can be given several times
    #[arg(long = "resource", value_name = "URI")]
    pub(super) resources: Vec<Resource>,
    /// The audience that the token must be for
    #[arg(long, value_name = "AUDIENCE")]
    pub(super) audience: Option<Audience>,
    /// Get a token that is good for those scopes and APIs and for nothing else
    #[arg(long)]
    pub(super) narrow: bool,
    /// The SHA-256 of a token that was refused: if it is still the current one, it is replaced
    #[arg(long, value_name = "SHA256")]
    pub(super) rejected: Option<Fingerprint>,
    /// What an API said that refused a token: its WWW-Authenticate header
    #[arg(long, value_name = "TEXT")]
    pub(super) challenge: Option<String>,
    /// Fail rather than have the user asked whether the program may have the token
    #[arg(long)]
    pub(super) no_prompt: bool,
    /// How many seconds to wait for a refresh, at most 60 [default: 20]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=i64::from(TIMEOUT_MAX)))]
    pub(super) timeout: Option<u32>,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Proof {
    /// The account
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::accounts))]
    pub(super) account: AccountName,
    /// The method of the request, as it is sent
    #[arg(value_name = "METHOD")]
    pub(super) method: String,
    /// Where the request goes
    #[arg(value_name = "URL")]
    pub(super) url: String,
    /// What the API's last answer had in DPoP-Nonce, if it had one
    #[arg(long, value_name = "NONCE")]
    pub(super) nonce: Option<String>,
    /// How many seconds the token must still be valid [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub(super) min_valid: Option<u32>,
    /// A scope that the token must have; can be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(super) scopes: Vec<Scope>,
    /// The SHA-256 of a token that was refused: if it is still the current one, it is replaced
    #[arg(long, value_name = "SHA256")]
    pub(super) rejected: Option<Fingerprint>,
    /// Fail rather than have the user asked whether the program may have the token
    #[arg(long)]
    pub(super) no_prompt: bool,
    /// How many seconds to wait for a refresh, at most 60 [default: 20]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=i64::from(TIMEOUT_MAX)))]
    pub(super) timeout: Option<u32>,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// Only this account, in detail
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::accounts))]
    pub(super) account: Option<AccountName>,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Logout {
    /// The account
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::accounts))]
    pub(super) account: AccountName,
    /// Leave its tokens to the provider, and revoke none
    #[arg(long)]
    pub(super) keep_tokens: bool,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Refresh {
    /// The account
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::accounts))]
    pub(super) account: AccountName,
    /// How many seconds to wait, at most 60 [default: 20]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=i64::from(TIMEOUT_MAX)))]
    pub(super) timeout: Option<u32>,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Rename {
    /// The account
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::accounts))]
    pub(super) account: AccountName,
    /// The name that it has from then on
    #[arg(value_name = "NEW-NAME")]
    pub(super) name: AccountName,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    json: bool,
}

/// A command about one account.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// The account
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::accounts))]
    pub(super) account: AccountName,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Resume {
    /// The account
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::accounts))]
    pub(super) account: AccountName,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    json: bool,
}

/// A command that needs nothing said.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Plain {
    /// Print the daemon's answer as JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` means.
macro_rules! has_format {
    ($($args:ident),*) => {
        $(impl $args {
            pub(in crate::cli) fn format(&self) -> Format {
                if self.json { Format::Json } else { Format::Text }
            }
        })*
    };
}

has_format!(
    Login,
    Callback,
    Import,
    Token,
    Proof,
    Status,
    Logout,
    Refresh,
    Rename,
    Named,
    Resume,
    AccessLog,
    Rule,
    Rules,
    Approve,
    Refuse,
    ShowProvider,
    CheckProvider,
    NewProvider,
    Plain
);

impl Command {
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Login(args) => args.format(),
            Self::Token(args) => args.format(),
            Self::Proof(args) => args.format(),
            Self::Status(args) => args.format(),
            Self::Logout(args) => args.format(),
            Self::Resume(args) => args.format(),
            Self::Refresh(args) => args.format(),
            Self::Rename(args) => args.format(),
            Self::Revoke(args) | Self::Enable(args) | Self::Disable(args) => args.format(),
            Self::Callback(args) => args.format(),
            Self::Import(args) => args.format(),
            Self::Provider(command) => command.format(),
            Self::Access(command) => command.format(),
            Self::Accounts(args)
            | Self::Providers(args)
            | Self::Monitor(args)
            | Self::Doctor(args) => args.format(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn whom_to_sign_in_to_is_said_once() {
        assert!(parse("ostler login parqex --as door").is_ok());
        assert!(parse("ostler login --issuer https://issuer.example").is_ok());
        assert!(parse("ostler login").is_err());
        assert!(parse("ostler login parqex --issuer https://issuer.example").is_err());
        assert!(parse("ostler login x --client-secret-stdin --client-secret-command cat").is_err());
    }

    #[test]
    fn what_is_said_is_checked_before_the_daemon_is_asked() {
        for line in [
            "ostler token",
            "ostler token a//b",
            "ostler token a --min-valid soon",
            "ostler token a --timeout 61",
            "ostler token a --rejected abc",
            "ostler token a --scope a,b",
            "ostler login Parqex",
            "ostler frobnicate",
            "ostler access",
            "ostler access allow",
            "ostler access allow curl",
            "ostler access deny exe:/x --account a//b",
            "ostler access forget 7",
            "ostler access approve g7",
        ] {
            assert!(parse(line).unwrap_err().use_stderr(), "{line}");
        }
        let cli =
            parse("ostler token a --scope x --scope y --timeout 5 --json --socket /s").unwrap();
        assert_eq!(cli.socket, Some("/s".into()));
        assert_eq!(cli.command.format(), Format::Json);
        let Command::Token(token) = cli.command else { panic!("{:?}", cli.command) };
        assert_eq!(token.scopes.len(), 2);
    }
}
