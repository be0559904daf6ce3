//! The end of an account: erased here, then revoked at the provider as far as it lets us.

use std::time::Duration;

use super::task::{Done, Engine, Waiting};
use crate::api::{Event as News, Fault, FaultKind, LoggedOut, Revocation as Told};
use crate::lifecycle::{self, Parting, WaiterId};
use crate::model::{AccountId, AccountName};
use crate::oauth::{Client, OauthError, Revoked, revoke, unregister};
use crate::store::{Erased, StoreError};

/// An account that is being erased.
pub(super) struct Leaving {
    pub(super) waiter: WaiterId,
    pub(super) name: AccountName,
    pub(super) parting: Parting,
}

/// What somebody who logs out wants of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Revocation {
    Wanted,
    Unwanted,
}

/// How long a logout waits for the provider. The account is gone by then either way.
const REVOKE_MAX: Duration = Duration::from_secs(15);

impl Engine {
    /// The rows of an account are gone, and what they held has to be revoked.
    pub(super) fn erased(&mut self, id: &AccountId, result: Result<Box<Erased>, StoreError>) {
        let Some(Leaving { waiter, name, parting }) = self.leaving.remove(id) else { return };
        let waiting = self.waiting.remove(&waiter);
        let wanted = self.revocations.remove(&waiter).unwrap_or(Revocation::Wanted);
        self.tell(lifecycle::Event::Erased {
            account: name.clone(),
            result: result.as_ref().map(drop).map_err(drop),
        });
        let erased = match result {
            Ok(erased) => *erased,
            Err(error) => {
                tracing::error!(account = %name, %error, "account not erased");
                if let Some(Waiting { asker, .. }) = waiting {
                    let message = format!("the account could not be erased and stays: {error}");
                    asker.answer(Err(Fault::new(FaultKind::Storage, message).of(name)));
                }
                return;
            }
        };
        self.line_is_old = true;
        let key = erased.client.key.clone();
        let provider = self.provider_of(&key);
        if parting == Parting::Erase {
            self.announced.remove(&name);
            self.doctor.answers.forget(&name);
            self.uses.forget(id);
            self.keys.remove(id);
            let _ = self.events.send(News::Removed { id: id.clone(), name: name.clone() });
        }
        if !self.lifecycle.views().iter().any(|view| view.seed.client == key) {
            self.clients.remove(&key);
            self.pinned.remove(&key);
        }
        tracing::info!(account = %name, "logged out");
        let Some(Waiting { asker, .. }) = waiting else { return };
        let http = self.http.clone();
        let now = self.clock.now();
        self.tasks.spawn(async move {
            let Erased { refresh, access, client, secret, registration } = erased;
            let access = access.as_ref().map(|issued| &*issued.access);
            let (revocation, reason) = match &provider {
                _ if wanted == Revocation::Unwanted => (Told::Nothing, None),
                _ if refresh.is_none() && access.is_none() => (Told::Nothing, None),
                None => (Told::Unsupported, None),
                Some(provider) => {
                    let client = Client { id: &client.key.client, secret: secret.as_ref() };
                    let revoking = revoke(&http, provider, client, refresh.as_ref(), access, now);
                    match tokio::time::timeout(REVOKE_MAX, revoking).await {
                        Ok(Ok(Revoked::Confirmed)) => (Told::Revoked, None),
                        Ok(Ok(Revoked::Unsupported)) => (Told::Unsupported, None),
                        // that it was a revocation is said already
                        Ok(Err(OauthError::Revocation(failure))) => {
                            (Told::Failed, Some(failure.to_string()))
                        }
                        Ok(Err(error)) => (Told::Failed, Some(error.to_string())),
                        Err(_) => (Told::Failed, Some("no answer in time".to_owned())),
                    }
                }
            };
            if let Some(registration) = registration.filter(|_| wanted == Revocation::Wanted) {
                let ending = unregister(&http, &registration);
                match tokio::time::timeout(REVOKE_MAX, ending).await {
                    Ok(Ok(())) => {
                        tracing::info!(client = %client.key.client, "client unregistered");
                    }
                    Ok(Err(error)) => tracing::warn!(%error, "client not unregistered"),
                    Err(_) => tracing::warn!("client not unregistered: no answer in time"),
                }
            }
            Done::LoggedOut { asker, reply: LoggedOut { account: name, revocation, reason } }
        });
    }
}
