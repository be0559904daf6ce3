//! What can be said about a sign-in.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use clap_complete::ArgValueCandidates;

use crate::api::Flow;
use crate::cli::completion;
use crate::model::{AccountName, Audience, ClientId, ProviderId, Resource, Scope};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[command(group(ArgGroup::new("whom").required(true).args(["provider", "issuer"])))]
pub(in crate::cli) struct Login {
    /// A provider's name, as `ostler providers` lists them, or the URL of an issuer
    #[arg(add = ArgValueCandidates::new(completion::providers))]
    pub(in crate::cli) provider: Option<ProviderId>,
    /// The URL of an issuer, whose metadata is fetched
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) issuer: Option<ProviderId>,
    /// The account's name [default: the provider's]
    #[arg(long = "as", value_name = "NAME", add = ArgValueCandidates::new(completion::accounts))]
    pub(in crate::cli) account: Option<AccountName>,
    /// The client id, unless the daemon has one for the provider
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) client_id: Option<ClientId>,
    /// Read the client secret from the first line of standard input
    #[arg(long)]
    pub(in crate::cli) client_secret_stdin: bool,
    /// Take the client secret from the first line that a shell command prints
    #[arg(long, value_name = "COMMAND", conflicts_with = "client_secret_stdin")]
    pub(in crate::cli) client_secret_command: Option<String>,
    /// Take the client's certificate, a chain in PEM, from a file, which may hold its key, too
    #[arg(long, value_name = "FILE", conflicts_with_all = ["client_secret_stdin", "client_secret_command"])]
    pub(in crate::cli) client_certificate: Option<PathBuf>,
    /// Take the client's private key, in PEM or as a service account's JSON, from a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["client_secret_stdin", "client_secret_command"])]
    pub(in crate::cli) client_key: Option<PathBuf>,
    #[command(flatten)]
    way: Way,
    /// For whom tokens are asked by the client's key [default: the client itself]
    #[arg(long, value_name = "WHO", requires = "jwt_bearer")]
    pub(in crate::cli) subject: Option<String>,
    /// The redirect URI registered with the provider, if it is not a loopback address
    #[arg(long, value_name = "URI")]
    pub(in crate::cli) redirect_uri: Option<String>,
    /// A scope to ask for; can be given several times [default: the provider's]
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(in crate::cli) scopes: Vec<Scope>,
    /// The address of an API that tokens are to be for; can be given several times
    #[arg(long = "resource", value_name = "URI")]
    pub(in crate::cli) resources: Vec<Resource>,
    /// The audience that tokens are to be for, for providers that ask for that
    #[arg(long, value_name = "AUDIENCE")]
    pub(in crate::cli) audience: Option<Audience>,
    /// Have tokens bound to a key that stays in the daemon: programs use them with `ostler proof`
    #[arg(long)]
    pub(in crate::cli) dpop: bool,
    /// Whom the provider should suggest, for instance a mail address
    #[arg(long = "login-hint", value_name = "WHO")]
    pub(in crate::cli) suggested: Option<String>,
    /// Print the URL to visit and leave the browser alone
    #[arg(long)]
    pub(in crate::cli) no_browser: bool,
    /// Print the daemon's answers as JSON, one a line
    #[arg(long)]
    pub(super) json: bool,
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
    pub(in crate::cli) fn flow(&self) -> Option<Flow> {
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

// The address has a code in it, and other programs of the user can read a command line: a desktop has
// no other way to hand one over. The code is worth nothing without the verifier that the daemon has.
#[derive(Debug, Args)]
pub(in crate::cli) struct Callback {
    /// The whole address
    #[arg(value_name = "URI")]
    pub(in crate::cli) uri: String,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}
