//! What a sign-in needs before it can be shown to the user, and how that is found out.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::oneshot;
use url::Url;

use super::faults;
use super::handle::Asker;
use super::task::Engine;
use super::undo::{Newcomer, Registering};
use crate::api::{Fault, FaultKind, Flow, Imported, Login};
use crate::model::{
    AccountName, AccountSeed, ClientId, ClientKey, ClientRecord, ClientSecret, GrantType, Lack,
    Now, ProviderId, RefreshToken, Registration, Scopes, Target, Wall, is_document,
};
use crate::oauth::{
    Asked, Authorization, Client, DeviceAuthorization, Http, Loopback, OauthError, Prover,
    Registered, authorize_device, check_key, discover, push, register,
};
use crate::provider::{Dpop, DpopUse, Provider, Redirect, Unresolved};

/// What a sign-in needs before it can be shown to the user.
pub(super) struct Plan {
    pub(super) name: AccountName,
    /// Where, as it was named.
    at: ProviderId,
    /// As which client; one that registers itself if absent.
    client: Option<ClientId>,
    /// The client that is described by a document of the user's: one for all providers that take such.
    document: Option<ClientId>,
    /// The redirect URI that was registered in advance.
    redirect_uri: Option<String>,
    /// The definition that was discovered before.
    discovered: Option<String>,
    /// When the client's secret ends, if that is known.
    secret_ends: Option<Wall>,
    pub(super) secret: Option<Arc<ClientSecret>>,
    /// The client's secret that is on record: to show who asks, and not to be written down again.
    pub(super) stored: Option<Arc<ClientSecret>>,
    pub(super) scopes: Option<Scopes>,
    pub(super) target: Target,
    pub(super) login_hint: Option<String>,
    /// What APIs want that refused tokens of the login before.
    wanted: Lack,
    pub(super) flow: Flow,
    pub(super) grant: GrantType,
    /// Whether tokens are to be bound to a key, if that was said.
    pub(super) dpop: Option<bool>,
    /// Whether those of the login before are.
    pub(super) was_bound: bool,
    /// The refresh token of a login that there is already.
    imported: Option<Arc<RefreshToken>>,
    pub(super) source: Source,
    pub(super) asker: Asker,
    /// Ready when the port that is needed is free again.
    pub(super) port: PortFreed,
    /// The registration that is made or changed for it.
    pub(super) registering: Registering,
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
            flow,
            subject,
            dpop,
            refresh_token,
        } = login;
        let provider = self.catalog.canonical(&provider);
        let name = match account {
            Some(name) => name,
            None => default_name(provider.as_str())?,
        };
        let target = Target::new(resource, audience).map_err(|error| {
            Box::new(Fault::new(FaultKind::InvalidOption, error.to_string()).of(name.clone()))
        })?;
        let known = self.lifecycle.view(&name).map(|view| view.seed.clone());
        let (flow, grant) = way_in(flow, subject, refresh_token.is_some(), known.as_ref())
            .map_err(|message| {
                Box::new(Fault::new(FaultKind::InvalidOption, message).of(name.clone()))
            })?;
        if let Some(known) = &known
            && known.client.provider != provider
        {
            let message = format!("that is an account at {}", known.client.provider);
            return Err(Box::new(Fault::new(FaultKind::AccountExists, message).of(name)));
        }
        // a login that works is worth more than one of which that is not known
        if flow == Flow::Import && known.is_some() {
            let message = "an account of that name is there";
            return Err(Box::new(Fault::new(FaultKind::AccountExists, message).of(name).hint(
                "take the login over under another name, with --as, or log the account out",
            )));
        }
        if self.lifecycle.is_redeeming(&name) {
            let message = "a sign-in of this account is just being completed";
            return Err(Box::new(Fault::new(FaultKind::RateLimited, message).of(name)));
        }
        let recorded = || {
            let known = known.as_ref().map(|known| known.client.client.clone());
            known.or_else(|| self.only_client(&provider))
        };
        let client = client_id
            .or_else(|| recorded().filter(|client| !self.belongs_elsewhere(&provider, client)));
        let key = client.clone().map(|client| ClientKey { provider: provider.clone(), client });
        let recorded = key.as_ref().and_then(|key| self.clients.get(key));
        let definition = match &key {
            Some(key) => self.provider_of(key),
            None => self.catalog.find(&provider),
        };
        let source = match (definition, provider.as_str()) {
            (Some(provider), _) => Source::Known(provider),
            (None, issuer) if issuer.contains("://") => Source::Discover(issuer.to_owned()),
            (None, _) => return Err(Box::new(self.unresolved(&provider))),
        };
        let redirect_uri =
            redirect_uri.or_else(|| recorded.and_then(|client| client.redirect_uri.clone()));
        let discovered = recorded.and_then(|client| client.discovered.clone());
        let secret_ends = recorded.and_then(|client| client.secret_ends);
        // who signs in again and names nothing else wants what there was
        let before = known.as_ref().filter(|_| target.is_empty());
        let target = before.map_or(target, |known| known.target.clone());
        let was_bound = known.as_ref().is_some_and(|known| self.keys.contains_key(&known.id));
        let wanted = self.lifecycle.view(&name).map(|view| view.wanted.clone()).unwrap_or_default();
        let scopes = scopes.or_else(|| {
            let had = known.map(|known| known.scopes)?;
            Some(had.iter().chain(wanted.scopes.iter()).cloned().collect())
        });
        // an import belongs to a client that is there already
        let document = self.document.clone().filter(|_| flow != Flow::Import);
        let registering = Registering::with(&self.fitting.ties);
        Ok(move |asker| Plan {
            name,
            at: provider,
            client,
            document,
            redirect_uri,
            discovered,
            secret_ends,
            secret: client_secret,
            stored: None,
            scopes,
            target,
            login_hint,
            wanted,
            flow,
            grant,
            dpop,
            was_bound,
            imported: refresh_token.map(|Imported(token)| token),
            source,
            asker,
            port: PortFreed::new(),
            registering,
        })
    }

    /// Why a name leads to no provider, and what to do about it.
    fn unresolved(&self, provider: &ProviderId) -> Fault {
        let Err(error) = self.catalog.resolve(provider) else {
            return Fault::new(FaultKind::Internal, "the provider was there a moment ago");
        };
        let message = error.to_string();
        match error {
            Unresolved::Unknown(_) => Fault::new(FaultKind::NoSuchProvider, message),
            Unresolved::Wanting { id, variable } => {
                let hint = format!("put it behind a colon: {id}:{}", variable.name.to_uppercase());
                Fault::new(FaultKind::InvalidOption, message).hint(hint)
            }
            Unresolved::Unfit { .. } => Fault::new(FaultKind::InvalidOption, message)
                .hint("see: ostler provider show, and the provider's name"),
        }
    }

    /// Whether a client is bound to another server than the one that its provider's file now describes: it
    /// registered itself there, and is nothing here.
    fn belongs_elsewhere(&self, provider: &ProviderId, client: &ClientId) -> bool {
        let key = ClientKey { provider: provider.clone(), client: client.clone() };
        let server = |provider: &Provider| {
            (provider.issuer.clone(), provider.token_url.origin().ascii_serialization())
        };
        // one that a document describes is the same everywhere
        let bound = self.pinned.get(&key).filter(|_| !is_document(client));
        match (bound, self.catalog.find(provider)) {
            (Some(bound), Some(described)) => server(bound) != server(&described),
            _ => false,
        }
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
            Source::Known(provider)
                if self.redirect_uri.is_none() && self.flow == Flow::Browser =>
            {
                match provider.redirect {
                    Redirect::FixedPort { port, .. } => Some(port),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The client's secret: the one that was given, or else the one on disk.
    fn secret(&self) -> Option<&ClientSecret> {
        self.secret.as_deref().or(self.stored.as_deref())
    }

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
        let prover = self.proof_key(&provider)?;
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

    /// Where the browser comes back to, as it is registered.
    pub(super) fn redirect_to_register(&self, provider: &Provider) -> Result<String, Fault> {
        match (&self.redirect_uri, &provider.redirect) {
            (Some(uri), _) => Ok(uri.clone()),
            (None, Redirect::CustomScheme { uri }) => Ok(uri.to_string()),
            (None, redirect) => Loopback::registered_uri(redirect).ok_or_else(|| {
                let message = format!("{} has to be told where the browser is to end", self.at);
                Fault::new(FaultKind::InvalidOption, message).hint("give it with --redirect-uri")
            }),
        }
    }

    /// The client that it is for, if that is known before it is prepared.
    pub(super) fn key(&self) -> Option<ClientKey> {
        let client = self.client.clone()?;
        Some(ClientKey { provider: self.at.clone(), client })
    }

    /// Its client is another than when it was planned.
    pub(super) fn follow(&mut self, record: &ClientRecord, provider: Arc<Provider>) {
        self.discovered.clone_from(&record.discovered);
        self.secret_ends = record.secret_ends;
        self.source = Source::Known(provider);
    }

    /// The scopes that it asks for. Who signs in by a key asks for what is named, and an import for what was
    /// granted.
    pub(super) fn wanted(&self, provider: &Provider) -> Scopes {
        let user_agrees = matches!(self.flow, Flow::Browser | Flow::Device);
        wanted_scopes(provider, self.scopes.clone(), user_agrees)
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

/// The way in and the grant that it leads to: what is asked for, or what there was before.
fn way_in(
    flow: Option<Flow>,
    subject: Option<String>,
    imports: bool,
    known: Option<&AccountSeed>,
) -> Result<(Flow, GrantType), String> {
    let flow = match (flow, imports, known.map(|known| &known.grant)) {
        (Some(flow), ..) => flow,
        (None, true, _) => Flow::Import,
        (None, false, Some(GrantType::ClientCredentials)) => Flow::ClientCredentials,
        (None, false, Some(GrantType::JwtBearer { .. })) => Flow::JwtBearer,
        (None, false, _) => Flow::Browser,
    };
    if imports != (flow == Flow::Import) {
        return Err(format!("a refresh token and the way in {} do not go together", flow.as_str()));
    }
    if subject.is_some() && flow != Flow::JwtBearer {
        return Err("a subject is named in a login by the client's key alone".to_owned());
    }
    let grant = match flow {
        Flow::Browser | Flow::Device | Flow::Import => GrantType::Code,
        Flow::ClientCredentials => GrantType::ClientCredentials,
        Flow::JwtBearer => {
            let before = known.map(|known| known.grant.clone());
            match (subject, before) {
                (None, Some(grant @ GrantType::JwtBearer { .. })) => grant,
                (subject, _) => {
                    GrantType::jwt_bearer(subject).map_err(|error| error.to_string())?
                }
            }
        }
    };
    Ok((flow, grant))
}

/// The scopes to ask for: the user's or the provider's defaults, and always the one that yields a
/// refresh token. Where no user is asked, just what is named.
fn wanted_scopes(provider: &Provider, named: Option<Scopes>, user_agrees: bool) -> Scopes {
    let named = named.filter(|scopes| !scopes.is_empty());
    if !user_agrees {
        return named.unwrap_or_default();
    }
    let scopes = named.unwrap_or_else(|| provider.scopes.defaults.clone());
    scopes.iter().chain(&provider.scopes.offline_scope).cloned().collect()
}

/// The name of an account when the user gives none: the provider's, or its host's.
fn default_name(provider: &str) -> Result<AccountName, Box<Fault>> {
    let host = url::Url::parse(provider).ok().and_then(|url| url.host_str().map(str::to_owned));
    let name = host.unwrap_or_else(|| provider.replace(':', "/"));
    name.parse().map_err(|error| {
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
