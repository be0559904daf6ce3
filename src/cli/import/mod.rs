//! Logins that other programs keep, read from what those write: a file, or what a command of theirs
//! prints. Text in, values out: nothing is opened, run or asked here but by `command`.
//!
//! What comes in is a stranger's and full of secrets. Each reader takes what it knows and passes over
//! the rest; an error names a line and never what stands in it.
//!
//! | file | reads |
//! |---|---|
//! | `oidc_agent` | what `oidc-gen -p` prints |
//! | `pizauth` | nothing, and says why |
//! | `ortie` | what ortie hands to its storage command |
//! | `mutt_oauth2` | the token file of `mutt_oauth2.py`, decrypted |
//! | `rclone` | `rclone.conf` |
//! | `gcloud` | application default credentials |
//! | `plain` | a refresh token alone |
//!
//! | file | does |
//! |---|---|
//! | `command` | `ostler import` |
//! | `draft` | from the texts of a login to its values |
//! | `error` | why something was not read, and what to do next |
//! | `json` | objects, one or several |
//! | `known` | which provider an address belongs to |
//! | `sealed` | tells what is encrypted, or no text at all |

mod command;
mod draft;
mod error;
mod gcloud;
mod json;
mod known;
mod mutt_oauth2;
mod oidc_agent;
mod ortie;
mod pizauth;
mod plain;
mod rclone;
mod sealed;
#[cfg(test)]
mod tests;

use clap::ValueEnum;
use url::Url;

pub(super) use command::run;
pub(crate) use error::ImportError;

use crate::model::{Audience, ClientId, ClientSecret, ProviderId, RefreshToken, Scopes};

/// The most bytes that are read. The caller need not read on behind them.
pub(crate) const INPUT_MAX: usize = 1024 * 1024;

/// The most logins in one input.
const LOGINS_MAX: usize = 256;

/// Whose form an input has. The names are those of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// What `oidc-gen -p ACCOUNT` of oidc-agent prints
    OidcAgent,
    /// pizauth: cannot be read
    Pizauth,
    /// What the storage command of ortie is given
    Ortie,
    /// The token file of `mutt_oauth2.py`, decrypted
    #[value(name = "mutt_oauth2")]
    MuttOauth2,
    /// `rclone.conf`, or what `rclone config show` prints
    Rclone,
    /// `application_default_credentials.json` of gcloud
    Gcloud,
    /// A refresh token alone, on one line
    Plain,
}

impl Format {
    /// Where what is not in the file may be found, to say after a login that names no client. A
    /// refresh token is of use to the client alone that it was issued to (RFC 6749, 10.4).
    pub(crate) fn where_the_client_is(self) -> &'static str {
        match self {
            Self::OidcAgent => "see the client in: oidc-gen -p ACCOUNT",
            Self::Pizauth => "see client_id and client_secret in pizauth.conf",
            Self::Ortie => "see client-id and client-secret in ortie's config.toml",
            Self::MuttOauth2 => "see client_id and client_secret in the script, at `registrations`",
            Self::Rclone => {
                "the token was issued to the client that rclone has built in: either that client's \
                 id and secret are given, or the login is made anew with one's own client"
            }
            Self::Gcloud | Self::Plain => {
                "the id, and the secret if there is one, of the client that got the token are needed"
            }
        }
    }
}

/// A login as another program had it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Imported {
    /// What the program called it: at most 256 bytes of one line. It need not be fit for an account.
    pub(crate) name: Option<String>,
    /// The provider, where the input leaves no doubt: a preset, or an issuer as it was written.
    /// oidc-agent 4 puts a slash behind issuers that have none, so one that turns out to be another
    /// may be the same without it.
    pub(crate) provider: Option<ProviderId>,
    /// The token endpoint, where it is known. It may be all that is known of the provider.
    pub(crate) token_endpoint: Option<Url>,
    /// The client that the token was issued to.
    pub(crate) client_id: Option<ClientId>,
    /// Its secret.
    pub(crate) client_secret: Option<ClientSecret>,
    /// What all this is about.
    pub(crate) refresh_token: RefreshToken,
    /// The scopes that were asked for or granted, as far as the input says.
    pub(crate) scopes: Option<Scopes>,
    /// The audience that tokens were asked for.
    pub(crate) audience: Option<Audience>,
    /// A redirect URI of the client, http or https.
    pub(crate) redirect_uri: Option<String>,
}

/// Reads the logins in an input: at least one, in the order of the input. What is no login, such as
/// a remote of rclone without OAuth, is passed over.
pub(crate) fn read(format: Format, input: &[u8]) -> Result<Vec<Imported>, ImportError> {
    if input.len() > INPUT_MAX {
        return Err(ImportError::TooLong);
    }
    let text = sealed::text(format, input)?;
    let found = match format {
        Format::OidcAgent => oidc_agent::read(text),
        Format::Pizauth => pizauth::read(text),
        Format::Ortie => ortie::read(text),
        Format::MuttOauth2 => mutt_oauth2::read(text),
        Format::Rclone => rclone::read(text),
        Format::Gcloud => gcloud::read(text),
        Format::Plain => plain::read(text),
    }?;
    if found.is_empty() { Err(ImportError::NoLogin(format)) } else { Ok(found) }
}
