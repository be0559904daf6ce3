//! A sign-in under way.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::handle::Asker;
use super::proof::Proof;
use crate::api::{Fault, LoginEnded};
use crate::model::{
    AccountSeed, ClientRecord, ClientSecret, Now, RefreshToken, Registration, RequestId,
};
use crate::oauth::{CallbackPage, Client, OauthError, Prover, TokenRequest};
use crate::provider::Provider;

/// A sign-in under way.
pub(super) struct SignIn {
    pub(super) seed: AccountSeed,
    pub(super) client: ClientRecord,
    pub(super) secret: Option<Arc<ClientSecret>>,
    /// By what the client is managed, if it has registered itself for this.
    pub(super) registration: Option<Arc<Registration>>,
    pub(super) provider: Arc<Provider>,
    /// The key that its tokens will be bound to, if they will be.
    pub(super) key: Option<Arc<Prover>>,
    pub(super) proof: Proof,
    pub(super) watchers: Vec<Asker>,
    /// The browser that waits to be told how it went.
    pub(super) browser: Option<oneshot::Sender<CallbackPage>>,
    pub(super) listener: Option<Listener>,
}

impl SignIn {
    /// The request that brings the first tokens.
    pub(super) fn token_request(
        &mut self,
        client: Client<'_>,
        now: Now,
    ) -> Result<TokenRequest, OauthError> {
        let Self { seed, provider, key, proof, .. } = self;
        proof.token_request(provider, seed, key.as_ref(), client, now)
    }

    /// What an ID token must repeat.
    pub(super) fn nonce(&self) -> Option<&str> {
        self.proof.nonce()
    }

    /// The refresh token that another program kept, if the sign-in takes one over.
    pub(super) fn imported(&self) -> Option<RefreshToken> {
        self.proof.imported()
    }
}

/// The task that waits for the browser.
pub(super) struct Listener {
    pub(super) task: AbortHandle,
    pub(super) port: u16,
    /// Ready, with an error, when the port is free again.
    pub(super) gone: Option<oneshot::Receiver<Infallible>>,
}

/// How a sign-in ended.
pub(super) struct Ended {
    pub(super) request: RequestId,
    pub(super) result: Result<LoginEnded, Fault>,
}

/// The browser came back to the listener of a sign-in.
pub(super) struct Callback {
    pub(super) request: RequestId,
    pub(super) redirect: String,
    pub(super) page: oneshot::Sender<CallbackPage>,
}

/// What the browser shows of the end of a sign-in.
pub(super) fn page(result: &Result<LoginEnded, Fault>) -> CallbackPage {
    match result {
        Ok(LoginEnded { account, scopes, .. }) => {
            CallbackPage::SignedIn { account: account.clone(), scopes: scopes.clone() }
        }
        Err(fault) => failed_page(fault),
    }
}

/// What the browser shows of what went wrong.
pub(super) fn failed_page(fault: &Fault) -> CallbackPage {
    CallbackPage::Failed { message: fault.message.clone(), hint: fault.hint.clone() }
}
