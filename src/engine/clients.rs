//! The clients on record, and the definitions by which they speak with their providers.

use std::collections::HashMap;
use std::sync::Arc;

use super::defined::Defined;
use crate::model::{ClientId, ClientKey, ClientRecord, ProviderId, is_document};
use crate::provider::{Catalog, Provider};

/// The clients on record, and all definitions.
pub(super) struct Clients {
    /// The client that is described by a document of the user's.
    document: Option<ClientId>,
    records: HashMap<ClientKey, ClientRecord>,
    defined: Defined,
}

impl Clients {
    pub(super) fn new(catalog: Catalog, document: Option<ClientId>) -> Self {
        Self { document, records: HashMap::new(), defined: Defined::new(catalog) }
    }

    pub(super) fn catalog(&self) -> &Catalog {
        self.defined.catalog()
    }

    pub(super) fn document(&self) -> Option<&ClientId> {
        self.document.as_ref()
    }

    pub(super) fn record(&self, client: &ClientKey) -> Option<&ClientRecord> {
        self.records.get(client)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &ClientKey> {
        self.records.keys()
    }

    /// The definition by which a client speaks: pinned if it was discovered, else the catalog's.
    pub(super) fn provider_of(&self, client: &ClientKey) -> Option<Arc<Provider>> {
        self.defined.provider_of(client)
    }

    /// The definition that was discovered for a client.
    pub(super) fn pinned(&self, client: &ClientKey) -> Option<&Arc<Provider>> {
        self.defined.pinned(client)
    }

    /// A definition that was discovered for some client of a provider.
    pub(super) fn pinned_of(&self, provider: &ProviderId) -> Option<&Arc<Provider>> {
        self.defined.pinned_of(provider)
    }

    /// The definitions at hand: a copy that costs nothing, however many clients there are.
    pub(super) fn defined(&self) -> Defined {
        self.defined.clone()
    }

    /// Keeps a client registration in mind.
    pub(super) fn know(&mut self, client: ClientRecord) {
        match client.discovered.as_deref().map(Provider::parse) {
            Some(Ok(provider)) => self.defined.pin(client.key.clone(), Arc::new(provider)),
            Some(Err(error)) => {
                tracing::error!(provider = %client.key.provider, %error, "pinned definition unreadable");
            }
            None => self.defined.fill(&client.key.provider),
        }
        self.records.insert(client.key.clone(), client);
    }

    /// A client is not on record any more.
    pub(super) fn forget(&mut self, client: &ClientKey) {
        self.records.remove(client);
        self.defined.unpin(client);
    }

    /// The user describes another client, or none.
    pub(super) fn set_document(&mut self, document: Option<ClientId>) {
        self.document = document;
    }

    /// The user's files were read anew. Gives the clients that may have another definition now.
    pub(super) fn set_catalog(&mut self, catalog: Catalog) -> Vec<ClientKey> {
        self.defined.set_catalog(catalog);
        let unpinned = self.records.keys().filter(|key| self.defined.pinned(key).is_none());
        let unpinned: Vec<ClientKey> = unpinned.cloned().collect();
        for client in &unpinned {
            self.defined.fill(&client.provider);
        }
        unpinned
    }

    /// Whether a client is bound to another server than the one that its provider's file now describes: it
    /// registered itself there, and is nothing here.
    pub(super) fn belongs_elsewhere(&self, provider: &ProviderId, client: &ClientId) -> bool {
        let key = ClientKey { provider: provider.clone(), client: client.clone() };
        let server = |provider: &Provider| {
            (provider.issuer.clone(), provider.token_url.origin().ascii_serialization())
        };
        // one that a document describes is the same everywhere
        let bound = self.defined.pinned(&key).filter(|_| !is_document(client));
        match (bound, self.catalog().find(provider)) {
            (Some(bound), Some(described)) => server(bound) != server(&described),
            _ => false,
        }
    }

    /// The client that a provider is used with, if there is no choice.
    pub(super) fn only_client(&self, provider: &ProviderId) -> Option<ClientId> {
        let mut clients = self.records.keys().filter(|key| key.provider == *provider);
        let only = clients.next()?;
        clients.next().is_none().then(|| only.client.clone())
    }
}
