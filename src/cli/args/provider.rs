//! What can be said about definitions of providers, and of logins that are to be taken over.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;

use super::{Format, Plain};
use crate::cli::{completion, import};
use crate::model::{AccountName, ClientId, ProviderId};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ProviderCommand {
    /// List the providers that can be signed in to by name
    List(Plain),
    /// Print the definition of a provider
    Show(ShowProvider),
    /// Look a definition over, and replay its examples
    Check(CheckProvider),
    /// Draft a definition from an issuer's metadata
    New(NewProvider),
    /// Print the document that describes a client of your own
    Document(Document),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// The file; standard input if absent
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// Whose form it has
    #[arg(long, value_name = "PROGRAM", value_enum)]
    pub(in crate::cli) from: import::Format,
    /// Show what is in it, without secrets, and take nothing over
    #[arg(long)]
    pub(in crate::cli) list: bool,
    /// Take over the login of this name alone; can be given several times
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) only: Vec<String>,
    /// The account's name [default: what the program called it]
    #[arg(long = "as", value_name = "NAME")]
    pub(in crate::cli) account: Option<AccountName>,
    /// The provider, where it is not in the file, or the URL of an issuer
    #[arg(long, value_name = "PROVIDER", add = ArgValueCandidates::new(completion::providers))]
    pub(in crate::cli) provider: Option<ProviderId>,
    /// The client that the login belongs to, where it is not in the file
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) client_id: Option<ClientId>,
    /// Take its secret from the first line that a shell command prints
    #[arg(long, value_name = "COMMAND")]
    pub(in crate::cli) client_secret_command: Option<String>,
    /// Print the daemon's answers as JSON, one a line
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowProvider {
    /// The provider; with values behind colons, as it is used then
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::providers))]
    pub(in crate::cli) provider: ProviderId,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckProvider {
    /// The file; - for standard input
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct NewProvider {
    /// The URL of the issuer, whose metadata is fetched
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) issuer: ProviderId,
    /// The name to say at login
    #[arg(value_name = "NAME")]
    pub(in crate::cli) id: Option<ProviderId>,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Document {
    /// Where it will be published: the client's id
    #[arg(value_name = "URL")]
    pub(in crate::cli) url: ClientId,
    /// Where the public half of the client's key is published, as a JWK set
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) jwks_uri: Option<String>,
}

impl ProviderCommand {
    pub(super) fn format(&self) -> Format {
        match self {
            Self::List(args) => args.format(),
            Self::Show(args) => args.format(),
            Self::Check(args) => args.format(),
            Self::New(args) => args.format(),
            // it is JSON in any case
            Self::Document(_) => Format::Text,
        }
    }
}
