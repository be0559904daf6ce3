//! What can go wrong in this room, apart from what a provider answers.

use std::io;
use std::net::SocketAddr;

use crate::model::{Failure, FailureClass};

/// Why something could not be asked, listened for or revoked.
#[derive(Debug, thiserror::Error)]
pub enum OauthError {
    /// The HTTP client could not be built: no system trust store, as a rule.
    #[error("the HTTP client could not be set up: {detail}")]
    Setup {
        /// What the library says.
        detail: String,
    },
    /// An endpoint to which nothing secret may be sent.
    #[error("the {what} {problem}")]
    Endpoint {
        /// Which.
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A header of the provider's definition that cannot be sent.
    #[error("{name:?} is not a header that can be sent")]
    Header {
        /// Its name.
        name: String,
    },
    /// A redirect URI that cannot be used.
    #[error("the redirect URI {problem}")]
    RedirectUri {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The provider redirects to https pages alone: there is nothing to listen for.
    #[error(
        "the provider redirects to a registered https page only, so its address must be pasted"
    )]
    NoLoopback,
    /// The port could not be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// What should be a private key is none.
    #[error(
        "the client's key cannot be used: it has to be a private key in PEM (RSA, P-256 or Ed25519), or \
         a service account's file in JSON"
    )]
    SigningKey,
    /// The client's certificate cannot be shown.
    #[error("the client's certificate {problem}")]
    Certificate {
        /// What is wrong with it. Nothing of it, and nothing of its key.
        problem: String,
    },
    /// A key that tokens are bound to cannot be made or used.
    #[error("the key that the tokens are bound to cannot be used")]
    ProofKey,
    /// The kernel gave no random numbers.
    #[error("no random numbers from the kernel: {0}")]
    Random(getrandom::Error),
    /// The provider has no device authorization endpoint, as far as is known.
    #[error("the provider cannot be signed in to by a code that is typed in elsewhere")]
    NoDeviceFlow,
    /// A device authorization could not be begun.
    #[error("the provider gave no code to type in: {0}")]
    Device(Failure),
    /// A secret was given for a client that has none.
    #[error(
        "a client whose id is the address of a document has no secret: it is public, or it signs with a key"
    )]
    DocumentSecret,
    /// The provider registers no clients by itself, as far as is known.
    #[error("the provider does not register clients by itself")]
    NoRegistration,
    /// A client could not be registered, or its registration not be ended.
    #[error("the registration of the client: {0}")]
    Registration(Failure),
    /// An authorization request could not be pushed.
    #[error("the provider does not take the request: {0}")]
    Pushed(Failure),
    /// The provider did not confirm a revocation.
    #[error("the tokens could not be revoked: {0}")]
    Revocation(Failure),
}

impl OauthError {
    /// What it means for a grant whose request could not be made.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Certificate { .. } => FailureClass::ClientBroken,
            _ => FailureClass::RequestBroken,
        }
    }
}
