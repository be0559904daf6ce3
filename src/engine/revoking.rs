//! A try to do what an account left behind at its provider: its tokens are revoked, and the client that nobody else
//! uses is unregistered.

use std::sync::Arc;
use std::time::Duration;

use crate::api::Revocation as Told;
use crate::lifecycle::may_pass;
use crate::model::{ClientKey, Failure, FailureClass, Now};
use crate::oauth::{Client, Http, OauthError, Revoked, revoke, unregister};
use crate::provider::Provider;
use crate::store::Left;

/// How long a try waits for the provider. The account is gone by then either way.
const REVOKE_MAX: Duration = Duration::from_secs(15);

/// What a try brought.
pub(super) struct Outcome {
    pub(super) told: Told,
    pub(super) reason: Option<String>,
    /// Whether the tokens are done with.
    pub(super) tokens_over: bool,
    /// What keeps the rest from being done for now.
    pub(super) failure: Option<Failure>,
}

impl Outcome {
    /// Nothing is done yet.
    pub(super) fn put_off(failure: Failure) -> Self {
        Self { told: Told::Queued, reason: None, tokens_over: false, failure: Some(failure) }
    }
}

/// Revokes tokens, and then unregisters the client: without it nothing could be revoked any more.
pub(super) async fn attempt(
    http: &Http,
    provider: Option<Arc<Provider>>,
    client: &ClientKey,
    left: &Left,
    now: Now,
) -> Outcome {
    let (told, reason) = match provider {
        _ if !left.has_tokens() => (Told::Nothing, None),
        None => (Told::Unsupported, None),
        Some(provider) => {
            let client = Client { id: &client.client, secret: left.secret.as_ref() };
            let (refresh, access) = (left.refresh.as_ref(), left.access.as_deref());
            let revoking = revoke(http, &provider, client, refresh, access, now);
            match within(revoking).await {
                Ok(Revoked::Confirmed) => (Told::Revoked, None),
                Ok(Revoked::Unsupported) => (Told::Unsupported, None),
                Err(failure) if may_pass(&failure) => return Outcome::put_off(failure),
                Err(failure) => (Told::Failed, Some(failure.to_string())),
            }
        }
    };
    http.forget_certificate(Client { id: &client.client, secret: left.secret.as_ref() });
    let mut outcome = Outcome { told, reason, tokens_over: true, failure: None };
    if let Some(registration) = &left.registration {
        match within(unregister(http, registration, now)).await {
            Ok(()) => tracing::info!(client = %client.client, "client unregistered"),
            Err(failure) => {
                tracing::warn!(client = %client.client, %failure, "client not unregistered");
                outcome.failure = Some(failure).filter(may_pass);
            }
        }
    }
    outcome
}

/// Waits a bounded time for a provider.
async fn within<T>(asked: impl Future<Output = Result<T, OauthError>>) -> Result<T, Failure> {
    match tokio::time::timeout(REVOKE_MAX, asked).await {
        Ok(Ok(done)) => Ok(done),
        // what it was about is said already
        Ok(Err(OauthError::Revocation(failure) | OauthError::Registration(failure))) => {
            Err(failure)
        }
        Ok(Err(error)) => Err(Failure::new(FailureClass::RequestBroken, error.to_string())),
        Err(_) => Err(Failure::new(FailureClass::Ambiguous, "no answer in time")),
    }
}
