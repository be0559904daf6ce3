//! What a sign-in needs before it can be shown to the user.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::handle::Asker;
use super::registering::Registering;
use crate::api::{Fault, FaultKind, Flow};
use crate::model::{
    AccountName, ClientId, ClientKey, ClientRecord, ClientSecret, GrantType, Lack, ProviderId,
    RefreshToken, Scopes, Target, Wall,
};
use crate::oauth::Loopback;
use crate::provider::{Provider, Redirect};

/// What a sign-in needs before it can be shown to the user.
pub(super) struct Plan {
    pub(super) name: AccountName,
    /// Where, as it was named.
    pub(super) at: ProviderId,
    /// As which client; one that registers itself if absent.
    pub(super) client: Option<ClientId>,
    /// The client that is described by a document of the user's: one for all providers that take such.
    pub(super) document: Option<ClientId>,
    /// The redirect URI that was registered in advance.
    pub(super) redirect_uri: Option<String>,
    /// The definition that was discovered before.
    pub(super) discovered: Option<String>,
    /// When the client's secret ends, if that is known.
    pub(super) secret_ends: Option<Wall>,
    pub(super) secret: Option<Arc<ClientSecret>>,
    /// The client's secret that is on record: to show who asks, and not to be written down again.
    pub(super) stored: Option<Arc<ClientSecret>>,
    pub(super) scopes: Option<Scopes>,
    pub(super) target: Target,
    pub(super) login_hint: Option<String>,
    /// What APIs want that refused tokens of the login before.
    pub(super) wanted: Lack,
    pub(super) flow: Flow,
    pub(super) grant: GrantType,
    /// Whether tokens are to be bound to a key, if that was said.
    pub(super) dpop: Option<bool>,
    /// Whether those of the login before are.
    pub(super) was_bound: bool,
    /// The refresh token of a login that there is already.
    pub(super) imported: Option<Arc<RefreshToken>>,
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
    pub(super) fn secret(&self) -> Option<&ClientSecret> {
        self.secret.as_deref().or(self.stored.as_deref())
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
