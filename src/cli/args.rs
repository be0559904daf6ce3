//! What can be said on the command line. Nothing secret is among it: other processes can read a
//! command line (`proc_pid_cmdline(5)`).

use std::path::PathBuf;

use clap::{ArgGroup, Args, CommandFactory, Parser, Subcommand};
use clap_complete::ArgValueCandidates;

use super::completion;
use crate::api::Flow;
use crate::model::{
    AccountName, Audience, ClientId, Fingerprint, Pattern, ProviderId, QuestionId, Resource,
    RuleId, Scope,
};

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
    /// Print a fresh access token
    Token(Token),
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
    /// Show which programs use the accounts
    #[command(subcommand)]
    Access(AccessCommand),
    /// Show what happens, as it happens
    Monitor(Plain),
    /// Look everything over, and say what to do: socket, files, key, database, clock, providers
    Doctor(Plain),
}

#[derive(Debug, Subcommand)]
pub(super) enum AccessCommand {
    /// List the rules about which programs may have tokens
    List(Plain),
    /// Let programs have tokens
    Allow(Rule),
    /// Be asked before programs have tokens
    Ask(Rule),
    /// Keep programs from having tokens
    Deny(Rule),
    /// End rules
    Forget(Rules),
    /// Show which programs were given tokens, when, and how many
    Log(AccessLog),
    /// List the programs that wait for your word
    Pending(Plain),
    /// Say yes to a program that waits for your word
    Approve(Approve),
    /// Say no to a program that waits for your word
    Refuse(Refuse),
}

/// How answers and failures are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Text,
    /// The daemon's answer, one object a line.
    Json,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whom").required(true).args(["provider", "issuer"])))]
pub(super) struct Login {
    /// A provider's name, as `ostler providers` lists them, or the URL of an issuer
    #[arg(add = ArgValueCandidates::new(completion::providers))]
    pub(super) provider: Option<ProviderId>,
    /// The URL of an issuer, whose metadata is fetched
    #[arg(long, value_name = "URL")]
    pub(super) issuer: Option<ProviderId>,
    /// The account's name [default: the provider's]
    #[arg(long = "as", value_name = "NAME", add = ArgValueCandidates::new(completion::accounts))]
    pub(super) account: Option<AccountName>,
    /// The client id, unless the daemon has one for the provider
    #[arg(long, value_name = "ID")]
    pub(super) client_id: Option<ClientId>,
    /// Read the client secret from the first line of standard input
    #[arg(long)]
    pub(super) client_secret_stdin: bool,
    /// Take the client secret from the first line that a shell command prints
    #[arg(long, value_name = "COMMAND", conflicts_with = "client_secret_stdin")]
    pub(super) client_secret_command: Option<String>,
    /// Take the client's private key, in PEM or as a service account's JSON, from a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["client_secret_stdin", "client_secret_command"])]
    pub(super) client_key: Option<PathBuf>,
    #[command(flatten)]
    way: Way,
    /// For whom tokens are asked by the client's key [default: the client itself]
    #[arg(long, value_name = "WHO", requires = "jwt_bearer")]
    pub(super) subject: Option<String>,
    /// The redirect URI registered with the provider, if it is not a loopback address
    #[arg(long, value_name = "URI")]
    pub(super) redirect_uri: Option<String>,
    /// A scope to ask for; can be given several times [default: the provider's]
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(super) scopes: Vec<Scope>,
    /// The address of an API that tokens are to be for; can be given several times
    #[arg(long = "resource", value_name = "URI")]
    pub(super) resources: Vec<Resource>,
    /// The audience that tokens are to be for, for providers that ask for that
    #[arg(long, value_name = "AUDIENCE")]
    pub(super) audience: Option<Audience>,
    /// Whom the provider should suggest, for instance a mail address
    #[arg(long = "login-hint", value_name = "WHO")]
    pub(super) suggested: Option<String>,
    /// Print the URL to visit and leave the browser alone
    #[arg(long)]
    pub(super) no_browser: bool,
    /// Print the daemon's answers as JSON, one a line
    #[arg(long)]
    json: bool,
}

/// The ways in: at most one of them.
#[derive(Debug, Args)]
#[group(multiple = false)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
struct Way {
    /// Sign in by a code that you type in on another device [default where no browser is here]
    #[arg(long)]
    device: bool,
    /// Sign in by the browser, although none is here: paste the address that it ends at
    #[arg(long)]
    browser: bool,
    /// Sign the client itself in, by its secret: no user is asked
    #[arg(long)]
    client_credentials: bool,
    /// Sign in by the client's key, as service accounts do: no user is asked
    #[arg(long)]
    jwt_bearer: bool,
}

impl Login {
    /// The way in, if one was named.
    pub(super) fn flow(&self) -> Option<Flow> {
        let Way { device, browser, client_credentials, jwt_bearer } = self.way;
        let ways = [
            (device, Flow::Device),
            (browser, Flow::Browser),
            (client_credentials, Flow::ClientCredentials),
            (jwt_bearer, Flow::JwtBearer),
        ];
        ways.into_iter().find(|(named, _)| *named).map(|(_, flow)| flow)
    }
}

#[derive(Debug, Args)]
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
    /// The SHA-256 of a token that was refused: if it is still the current one, it is replaced
    #[arg(long, value_name = "SHA256")]
    pub(super) rejected: Option<Fingerprint>,
    /// Fail rather than have the user asked whether the program may have the token
    #[arg(long)]
    pub(super) no_prompt: bool,
    /// How many seconds to wait for a refresh, at most 60 [default: 20]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=60))]
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
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=60))]
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

#[derive(Debug, Args)]
pub(super) struct AccessLog {
    /// Only this account's
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::accounts))]
    pub(super) account: Option<AccountName>,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Rule {
    /// The programs, as `ostler access log` writes them: `exe:/usr/bin/curl`, `flatpak:org.example.*`,
    /// `claimed`, `*`
    #[arg(value_name = "PROGRAM", add = ArgValueCandidates::new(completion::programs))]
    pub(super) program: Pattern,
    /// Only for this account [default: all accounts]
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(completion::accounts))]
    pub(super) account: Option<AccountName>,
    /// Only for this scope; can be given several times [default: all scopes]
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(super) scopes: Vec<Scope>,
    /// How long the rule lasts, such as 8h or 30days [default: until it is forgotten]
    #[arg(long = "for", value_name = "SPAN")]
    pub(super) lasting: Option<String>,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Rules {
    /// The rules, as `ostler access list` numbers them
    #[arg(value_name = "RULE", required = true, add = ArgValueCandidates::new(completion::rules))]
    pub(super) rules: Vec<RuleId>,
    /// Print the daemon's answers as JSON, one a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Approve {
    /// The number, as `ostler access pending` lists it
    #[arg(value_name = "NUMBER", add = ArgValueCandidates::new(completion::questions))]
    pub(super) question: QuestionId,
    /// Only this time
    #[arg(long)]
    pub(super) once: bool,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Refuse {
    /// The number, as `ostler access pending` lists it
    #[arg(value_name = "NUMBER", add = ArgValueCandidates::new(completion::questions))]
    pub(super) question: QuestionId,
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
            pub(super) fn format(&self) -> Format {
                if self.json { Format::Json } else { Format::Text }
            }
        })*
    };
}

has_format!(
    Login, Token, Status, Logout, Refresh, Rename, Named, Resume, AccessLog, Rule, Rules, Approve,
    Refuse, Plain
);

impl Command {
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Login(args) => args.format(),
            Self::Token(args) => args.format(),
            Self::Status(args) => args.format(),
            Self::Logout(args) => args.format(),
            Self::Resume(args) => args.format(),
            Self::Refresh(args) => args.format(),
            Self::Rename(args) => args.format(),
            Self::Revoke(args) | Self::Enable(args) | Self::Disable(args) => args.format(),
            Self::Access(command) => command.format(),
            Self::Accounts(args)
            | Self::Providers(args)
            | Self::Monitor(args)
            | Self::Doctor(args) => args.format(),
        }
    }
}

impl AccessCommand {
    fn format(&self) -> Format {
        match self {
            Self::Allow(args) | Self::Ask(args) | Self::Deny(args) => args.format(),
            Self::Forget(args) => args.format(),
            Self::Log(args) => args.format(),
            Self::Approve(args) => args.format(),
            Self::Refuse(args) => args.format(),
            Self::List(args) | Self::Pending(args) => args.format(),
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
