//! Why something was not read, and what to do next.

use super::{Format, INPUT_MAX, LOGINS_MAX};

/// Why an input was not read. Nothing in it is from the input but the number of a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ImportError {
    /// Nothing but space.
    #[error("there is nothing to read")]
    Empty(Format),
    /// Longer than anything that this is for.
    #[error("this is longer than {INPUT_MAX} bytes, so it is not a file of logins")]
    TooLong,
    /// More logins than anybody has.
    #[error("there are more than {LOGINS_MAX} logins in it")]
    TooMany,
    /// Only its owner's program can open it.
    #[error("this is encrypted, by {by}")]
    Encrypted {
        /// By what.
        by: &'static str,
        /// What it was taken for.
        format: Format,
    },
    /// Known, and not what can be imported.
    #[error("this is {found}")]
    Foreign {
        /// What it is.
        found: &'static str,
        /// What to do next.
        then: &'static str,
    },
    /// Not of the form.
    #[error("line {line} is not as in {}", .format.expected())]
    Malformed {
        /// Where, counted from 1.
        line: usize,
        /// The form.
        format: Format,
    },
    /// A value that cannot be one.
    #[error("{field} in the login at line {line} {problem}")]
    Field {
        /// Where the login begins, counted from 1.
        line: usize,
        /// The field, as the program calls it.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
        /// The form.
        format: Format,
    },
    /// Well formed, and no refresh token in it.
    #[error("there is no refresh token in it")]
    NoLogin(Format),
}

impl ImportError {
    /// What to do next.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Empty(format) | Self::Malformed { format, .. } | Self::Field { format, .. } => {
                format.how_to_get()
            }
            Self::TooLong | Self::TooMany => "give it in parts",
            Self::Encrypted { format, .. } => format.how_to_decrypt(),
            Self::Foreign { then, .. } => then,
            Self::NoLogin(format) => format.how_to_have_a_login(),
        }
    }
}

impl Format {
    /// What an input of the form is, in words.
    fn expected(self) -> &'static str {
        match self {
            Self::OidcAgent => "the JSON that oidc-gen -p prints",
            Self::Pizauth => "anything of pizauth's that can be read",
            Self::Ortie => "the JSON that ortie stores",
            Self::MuttOauth2 => "the JSON in a token file of mutt_oauth2.py",
            Self::Rclone => "an rclone.conf, with its tokens in JSON",
            Self::Gcloud => "the JSON of application default credentials",
            Self::Plain => "a refresh token alone",
        }
    }

    fn how_to_get(self) -> &'static str {
        match self {
            Self::OidcAgent => "run: oidc-gen -p ACCOUNT, and pipe in what it prints",
            Self::Pizauth => SIGN_IN_FOR_PIZAUTH,
            Self::Ortie => {
                "run the storage.read.command of ortie's config.toml, and pipe in what it prints"
            }
            Self::MuttOauth2 => DECRYPT_FOR_MUTT,
            Self::Rclone => "run: rclone config show, and pipe in what it prints",
            Self::Gcloud => {
                "give it ~/.config/gcloud/application_default_credentials.json, which gcloud auth \
                 application-default login writes"
            }
            Self::Plain => "give it the refresh token and nothing else, on one line",
        }
    }

    fn how_to_decrypt(self) -> &'static str {
        match self {
            Self::OidcAgent => {
                "run: oidc-gen -p ACCOUNT, which asks for the password, and pipe in what it prints"
            }
            Self::Rclone => {
                "run: rclone config show, which asks for the password, and pipe in what it prints"
            }
            Self::MuttOauth2 => DECRYPT_FOR_MUTT,
            Self::Pizauth => SIGN_IN_FOR_PIZAUTH,
            Self::Ortie | Self::Gcloud | Self::Plain => {
                "decrypt it (with GnuPG: gpg --decrypt FILE), and pipe the text in"
            }
        }
    }

    fn how_to_have_a_login(self) -> &'static str {
        match self {
            Self::OidcAgent => {
                "oidc-agent has a refresh token only of logins that were granted one: sign in with \
                 ostler login"
            }
            Self::Pizauth => SIGN_IN_FOR_PIZAUTH,
            Self::Ortie => {
                "client credentials and some providers give none: sign in with ostler login"
            }
            Self::MuttOauth2 => {
                "run the script with --authorize first, or sign in with ostler login"
            }
            Self::Rclone => {
                "only remotes with a token have one, and not all of those: sign in with ostler login"
            }
            Self::Gcloud => {
                "run: gcloud auth application-default login, or sign in with ostler login google"
            }
            Self::Plain => "give it the refresh token and nothing else, on one line",
        }
    }
}

pub(super) const SIGN_IN_FOR_PIZAUTH: &str =
    "sign in with ostler login, with the client of pizauth.conf";

const DECRYPT_FOR_MUTT: &str =
    "run the script's DECRYPTION_PIPE on the file (gpg --decrypt FILE), and pipe in what it prints";
