//! What takes time before a sign-in can be shown to the user: metadata, a registration, a listener, a request that is
//! pushed, a code for another device.

use std::sync::Arc;

use url::Url;

use super::dpop;
use super::faults;
use super::plan::{Plan, Source};
use super::registering::Newcomer;
use crate::api::{Fault, FaultKind, Flow};
use crate::model::{
    ClientId, ClientKey, ClientRecord, ClientSecret, Now, RefreshToken, Registration, is_document,
};
use crate::oauth::{
    Asked, Authorization, Client, DeviceAuthorization, Http, Loopback, OauthError, Prover,
    Registered, authorize_device, check_key, discover, push, register,
};
use crate::provider::{Dpop, DpopUse, Provider, Redirect};

/// A sign-in that is ready to be shown.
pub(super) struct Way {
    pub(super) provider: Arc<Provider>,
    pub(super) client: ClientRecord,
    /// By what the client is managed, if it has registered itself for this.
    pub(super) registration: Option<Arc<Registration>>,
    /// The key that tokens will be bound to, if they will be.
    pub(super) key: Option<Arc<Prover>>,
    pub(super) means: Means,
}

/// By what a sign-in comes to its end.
pub(super) enum Means {
    /// The user's browser goes to a page of the provider, and back.
    Browser {
        /// `None` if the redirect has to be pasted.
        loopback: Option<Loopback>,
        redirect_uri: String,
        authorization: Box<Authorization>,
        url: Url,
    },
    /// The user types a code in.
    Device(DeviceAuthorization),
    /// There is a refresh token already.
    Refresh(Arc<RefreshToken>),
    /// The client has all that it takes.
    Client,
}

impl Plan {
    /// Finds out all that it takes.
    pub(super) async fn prepare(&mut self, http: &Http, now: Now) -> Result<Way, Fault> {
        let mut provider = match &self.source {
            Source::Known(provider) => Arc::clone(provider),
            Source::Discover(issuer) => {
                let discovered = discover(http, issuer).await.map_err(faults::not_discovered)?;
                Arc::new(discovered)
            }
        };
        self.scopes = Some(self.wanted(&provider));
        let mut registration = None;
        // one that is there, then the user's own, then one that registers itself (MCP, "Client Registration")
        let document = self.document.take().filter(|_| provider.client_documents);
        let client = if let Some(client) = self.client.clone().or(document) {
            client
        } else {
            self.registering.begin();
            let registered = self.register(&provider, http, now).await?;
            let Registered { client, secret, auth, bound, registration: kept, ends } = registered;
            self.secret_ends = ends;
            self.secret = secret.map(Arc::new);
            registration = kept.map(Arc::new);
            let key = ClientKey { provider: self.at.clone(), client: client.clone() };
            let newcomer = |registration| Newcomer { client: key, registration };
            self.registering.newcomer = registration.clone().map(newcomer);
            if auth != provider.client_auth {
                provider = Arc::new(Provider { client_auth: auth, ..(*provider).clone() });
            }
            if bound {
                // what the provider registered counts: it takes no other request from this client
                let dpop =
                    Dpop { when: DpopUse::Always, ..provider.dpop.clone().unwrap_or_default() };
                provider = Arc::new(Provider { dpop: Some(dpop), ..(*provider).clone() });
            }
            client
        };
        check_secret(&client, self.secret.as_deref())?;
        // before it is written down, and before anybody visits a page in vain
        let asks = Client { id: &client, secret: self.secret() };
        http.check_certificate(asks, now).map_err(|error| faults::unusable(&error))?;
        let prover = dpop::key_for_login(&provider, self.dpop, self.was_bound)?;
        let means = match self.flow {
            Flow::Browser => self.browser(&provider, &client, prover.as_ref(), http, now).await?,
            Flow::Device => {
                let client = Client { id: &client, secret: self.secret() };
                let scopes = self.scopes.clone().unwrap_or_default();
                let asked =
                    authorize_device(http, &provider, client, &scopes, &self.target, now).await;
                Means::Device(asked.map_err(|error| faults::not_authorized(&provider, error))?)
            }
            Flow::Import => {
                let Some(token) = self.imported.take() else {
                    let message = "there is no refresh token to import";
                    return Err(Fault::new(FaultKind::InvalidOption, message));
                };
                Means::Refresh(token)
            }
            Flow::JwtBearer => {
                // before it is written down and sent
                if let Some(secret) = &self.secret {
                    check_key(secret.expose())
                        .map_err(|error| Fault::new(FaultKind::InvalidOption, error.to_string()))?;
                }
                Means::Client
            }
            Flow::ClientCredentials => Means::Client,
        };
        // pinned, so that endpoints that move never get a secret
        let is_pinned = matches!(self.source, Source::Discover(_)) || registration.is_some();
        let discovered = self.discovered.take();
        let key = ClientKey { provider: self.at.clone(), client };
        let client = ClientRecord {
            key,
            redirect_uri: self.redirect_uri.take(),
            discovered: if is_pinned { Some(provider.to_toml()) } else { discovered },
            secret_ends: self.secret_ends,
        };
        Ok(Way { provider, client, registration, key: prover, means })
    }

    /// Registers a client, where nobody has one and the provider lets clients do that themselves.
    async fn register(
        &self,
        provider: &Provider,
        http: &Http,
        now: Now,
    ) -> Result<Registered, Fault> {
        let user_agrees = matches!(self.flow, Flow::Browser | Flow::Device);
        if provider.registration_url.is_none() || !user_agrees || self.secret.is_some() {
            let message = format!("{} has to know which client asks", self.at);
            let hint = match &provider.register_url {
                Some(page) => {
                    format!("register one at {page}, and give the id that you get with --client-id")
                }
                None if provider.client_documents => {
                    "give its id with --client-id, or publish a document about one of your own: \
                     ostler provider document"
                        .into()
                }
                None => "give the id that the provider issued to you with --client-id".into(),
            };
            return Err(Fault::new(FaultKind::InvalidOption, message).hint(hint));
        }
        let redirect_uri = self.redirect_to_register(provider)?;
        let scopes = self.scopes.clone().unwrap_or_default();
        let registered = register(http, provider, &redirect_uri, &scopes, now).await;
        let registered = registered.map_err(|error| faults::not_authorized(provider, error))?;
        tracing::info!(provider = %self.at, client = %registered.client, "client registered");
        Ok(registered)
    }

    /// By the browser: where it will come back, and where it goes.
    async fn browser(
        &mut self,
        provider: &Provider,
        client: &ClientId,
        key: Option<&Arc<Prover>>,
        http: &Http,
        now: Now,
    ) -> Result<Means, Fault> {
        let (loopback, redirect_uri) = match (&self.redirect_uri, &provider.redirect) {
            (Some(redirect_uri), _) => (None, redirect_uri.clone()),
            (None, Redirect::CustomScheme { uri }) => (None, uri.to_string()),
            (None, Redirect::HttpsOnly) => {
                let message = format!(
                    "{} sends the browser to a page that was registered with it, and has to be told which",
                    provider.title
                );
                return Err(Fault::new(FaultKind::InvalidOption, message)
                    .hint("give the registered address with --redirect-uri"));
            }
            (None, redirect) => {
                for freed in self.port.drain(..) {
                    // nothing is ever sent
                    let Err(_) = freed.await;
                }
                let loopback = Loopback::bind(redirect)
                    .await
                    .map_err(|error| Fault::new(FaultKind::Internal, error.to_string()))?;
                let redirect_uri = loopback.redirect_uri().to_owned();
                (Some(loopback), redirect_uri)
            }
        };
        let scopes = self.scopes.clone().unwrap_or_default();
        let (id, target) = (client, &self.target);
        let more = Asked { login_hint: self.login_hint.as_deref(), lack: &self.wanted };
        let begun = Authorization::begin(provider, id, &redirect_uri, &scopes, target, more);
        let (authorization, mut url) =
            begun.map_err(|error| Fault::new(FaultKind::InvalidOption, error.to_string()))?;
        let client = Client { id, secret: self.secret() };
        if let Some(key) = key {
            key.commit(&mut url);
        }
        let pushed = push(http, provider, client, url, key, now).await;
        let url = pushed.map_err(|error| faults::not_authorized(provider, error))?;
        let authorization = Box::new(authorization);
        Ok(Means::Browser { loopback, redirect_uri, authorization, url })
    }
}

/// A client that a document describes has no secret that both sides know.
fn check_secret(client: &ClientId, secret: Option<&ClientSecret>) -> Result<(), Fault> {
    match secret {
        Some(secret) if is_document(client) && check_key(secret.expose()).is_err() => {
            let message = OauthError::DocumentSecret.to_string();
            Err(Fault::new(FaultKind::InvalidOption, message)
                .hint("leave the secret out, or give its private key with --client-key"))
        }
        _ => Ok(()),
    }
}
