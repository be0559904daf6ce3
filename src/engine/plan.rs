//! What a sign-in needs before it can be shown to the user, and how that is found out.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::faults;
use super::handle::Asker;
use super::task::Engine;
use crate::api::{Fault, FaultKind, Login};
use crate::model::{
    AccountName, ClientId, ClientKey, ClientRecord, ClientSecret, ProviderId, Scopes, Target,
};
use crate::oauth::{Http, Loopback, discover};
use crate::provider::{Provider, Redirect};

/// What a sign-in needs before it can be shown to the user.
pub(super) struct Plan {
    pub(super) name: AccountName,
    pub(super) client: ClientRecord,
    pub(super) secret: Option<Arc<ClientSecret>>,
    pub(super) scopes: Option<Scopes>,
    pub(super) target: Target,
    pub(super) login_hint: Option<String>,
    pub(super) source: Source,
    pub(super) asker: Asker,
    /// Ready when the port that is needed is free again.
    pub(super) port: PortFreed,
}

/// Each is ready, with an error, when a listener is gone.
pub(super) type PortFreed = Vec<oneshot::Receiver<Infallible>>;

pub(super) enum Source {
    Known(Arc<Provider>),
    Discover(String),
}

/// A sign-in that is ready to be shown, or why it is not.
pub(super) struct Prepared {
    pub(super) plan: Plan,
    pub(super) result: Result<Way, Fault>,
}

pub(super) struct Way {
    pub(super) provider: Arc<Provider>,
    /// `None` if the redirect has to be pasted.
    pub(super) loopback: Option<Loopback>,
    pub(super) redirect_uri: String,
}

impl Engine {
    pub(super) fn plan(
        &self,
        login: Login,
    ) -> Result<impl FnOnce(Asker) -> Plan + use<>, Box<Fault>> {
        let Login {
            provider,
            account,
            client_id,
            client_secret,
            redirect_uri,
            scopes,
            resource,
            audience,
            login_hint,
        } = login;
        let name = match account {
            Some(name) => name,
            None => default_name(provider.as_str())?,
        };
        let target = Target::new(resource, audience).map_err(|error| {
            Box::new(Fault::new(FaultKind::InvalidOption, error.to_string()).of(name.clone()))
        })?;
        let known = self.lifecycle.view(&name).map(|view| view.seed.clone());
        if let Some(known) = &known
            && known.client.provider != provider
        {
            let message = format!("that is an account at {}", known.client.provider);
            return Err(Box::new(Fault::new(FaultKind::AccountExists, message).of(name)));
        }
        if self.lifecycle.is_redeeming(&name) {
            let message = "a sign-in of this account is just being completed";
            return Err(Box::new(Fault::new(FaultKind::RateLimited, message).of(name)));
        }
        let client = client_id
            .or_else(|| known.as_ref().map(|known| known.client.client.clone()))
            .or_else(|| self.only_client(&provider))
            .ok_or_else(|| {
                let message = format!("{provider} has to know which client asks");
                Fault::new(FaultKind::InvalidOption, message)
                    .of(name.clone())
                    .hint("give the id that the provider issued to you with --client-id")
            })?;
        let key = ClientKey { provider: provider.clone(), client };
        let recorded = self.clients.get(&key);
        let source = match (self.provider_of(&key), provider.as_str()) {
            (Some(provider), _) => Source::Known(provider),
            (None, issuer) if issuer.contains("://") => Source::Discover(issuer.to_owned()),
            (None, _) => {
                let message = format!("no provider is called {provider}");
                return Err(Box::new(Fault::new(FaultKind::NoSuchProvider, message)));
            }
        };
        let redirect_uri =
            redirect_uri.or_else(|| recorded.and_then(|client| client.redirect_uri.clone()));
        let discovered = recorded.and_then(|client| client.discovered.clone());
        // who signs in again and names nothing else wants what there was
        let target = match &known {
            Some(known) if target.is_empty() => known.target.clone(),
            _ => target,
        };
        let scopes = scopes.or_else(|| known.map(|known| known.scopes));
        Ok(move |asker| Plan {
            name,
            client: ClientRecord { key, redirect_uri, discovered },
            secret: client_secret,
            scopes,
            target,
            login_hint,
            source,
            asker,
            port: PortFreed::new(),
        })
    }

    /// The client that a provider is used with, if there is no choice.
    fn only_client(&self, provider: &ProviderId) -> Option<ClientId> {
        let mut clients = self.clients.keys().filter(|key| key.provider == *provider);
        let only = clients.next()?;
        clients.next().is_none().then(|| only.client.clone())
    }
}

impl Plan {
    /// The one port on which the browser has to come back, if it is to and there is no choice.
    pub(super) fn fixed_port(&self) -> Option<u16> {
        match &self.source {
            Source::Known(provider) if self.client.redirect_uri.is_none() => {
                match provider.redirect {
                    Redirect::FixedPort { port } => Some(port),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    pub(super) async fn prepare(&mut self, http: &Http) -> Result<Way, Fault> {
        let provider = match &self.source {
            Source::Known(provider) => Arc::clone(provider),
            Source::Discover(issuer) => {
                let discovered = discover(http, issuer).await.map_err(faults::not_discovered)?;
                Arc::new(discovered)
            }
        };
        if let Some(redirect_uri) = &self.client.redirect_uri {
            let redirect_uri = redirect_uri.clone();
            return Ok(Way { provider, loopback: None, redirect_uri });
        }
        if provider.redirect == Redirect::HttpsOnly {
            let message = format!(
                "{} sends the browser to a page that was registered with it, and has to be told which",
                provider.title
            );
            return Err(Fault::new(FaultKind::InvalidOption, message)
                .hint("give the registered address with --redirect-uri"));
        }
        for freed in self.port.drain(..) {
            // nothing is ever sent
            let Err(_) = freed.await;
        }
        let loopback = Loopback::bind(&provider.redirect)
            .await
            .map_err(|error| Fault::new(FaultKind::Internal, error.to_string()))?;
        let redirect_uri = loopback.redirect_uri().to_owned();
        Ok(Way { provider, loopback: Some(loopback), redirect_uri })
    }
}

/// The name of an account when the user gives none: the provider's, or its host's.
fn default_name(provider: &str) -> Result<AccountName, Box<Fault>> {
    let host = url::Url::parse(provider).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.as_deref().unwrap_or(provider).parse().map_err(|error| {
        let message = format!("the account needs a name: {error}");
        Box::new(Fault::new(FaultKind::InvalidOption, message).hint("give one with --as"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_after_its_provider_unless_the_user_says_otherwise() {
        assert_eq!(default_name("parqex").unwrap().as_str(), "parqex");
        assert_eq!(
            default_name("https://id.example.org/realm").unwrap().as_str(),
            "id.example.org"
        );
        assert_eq!(default_name("http://[::1]:9/").unwrap_err().kind, FaultKind::InvalidOption);
    }
}
