//! The clients on record, and the definitions by which they speak with their providers.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{ClientId, ClientKey, ClientRecord, ProviderId, is_document};
use crate::provider::{Catalog, Provider};

/// Definitions, by the clients that speak by them.
pub(super) type Defined = HashMap<ClientKey, Arc<Provider>>;

/// The clients on record, and all definitions.
pub(super) struct Clients {
    catalog: Catalog,
    /// The client that is described by a document of the user's.
    document: Option<ClientId>,
    records: HashMap<ClientKey, ClientRecord>,
    /// Definitions that were discovered, parsed once.
    pinned: Defined,
    /// Definitions of the catalog whose gaps are filled, by the names that fill them.
    filled: HashMap<ProviderId, Arc<Provider>>,
}

impl Clients {
    pub(super) fn new(catalog: Catalog, document: Option<ClientId>) -> Self {
        let (records, pinned, filled) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { catalog, document, records, pinned, filled }
    }

    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
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
        if let Some(pinned) = self.pinned.get(client) {
            return Some(Arc::clone(pinned));
        }
        let filled = self.filled.get(&client.provider).map(Arc::clone);
        filled.or_else(|| self.catalog.find(&client.provider))
    }

    /// The definition that was discovered for a client.
    pub(super) fn pinned(&self, client: &ClientKey) -> Option<&Arc<Provider>> {
        self.pinned.get(client)
    }

    /// A definition that was discovered for some client of a provider.
    pub(super) fn pinned_of(&self, provider: &ProviderId) -> Option<&Arc<Provider>> {
        self.pinned.iter().find(|(key, _)| key.provider == *provider).map(|(_, pinned)| pinned)
    }

    /// The definitions at hand.
    pub(super) fn defined(&self) -> Defined {
        let keys = self.records.keys();
        keys.filter_map(|key| Some((key.clone(), self.provider_of(key)?))).collect()
    }

    /// Keeps a client registration in mind.
    pub(super) fn know(&mut self, client: ClientRecord) {
        match client.discovered.as_deref().map(Provider::parse) {
            Some(Ok(provider)) => {
                self.pinned.insert(client.key.clone(), Arc::new(provider));
            }
            Some(Err(error)) => {
                tracing::error!(provider = %client.key.provider, %error, "pinned definition unreadable");
            }
            None => self.fill(&client.key.provider),
        }
        self.records.insert(client.key.clone(), client);
    }

    /// A client is not on record any more.
    pub(super) fn forget(&mut self, client: &ClientKey) {
        self.records.remove(client);
        self.pinned.remove(client);
    }

    /// The user describes another client, or none.
    pub(super) fn set_document(&mut self, document: Option<ClientId>) {
        self.document = document;
    }

    /// The user's files were read anew. Gives the clients that may have another definition now.
    pub(super) fn set_catalog(&mut self, catalog: Catalog) -> Vec<ClientKey> {
        self.catalog = catalog;
        self.filled.clear();
        let unpinned = self.records.keys().filter(|key| !self.pinned.contains_key(key));
        let unpinned: Vec<ClientKey> = unpinned.cloned().collect();
        for client in &unpinned {
            self.fill(&client.provider);
        }
        unpinned
    }

    /// Reads a definition whose gaps the name of the provider fills, once for all its accounts.
    fn fill(&mut self, provider: &ProviderId) {
        if provider.parts().1.is_some()
            && !self.filled.contains_key(provider)
            && let Some(filled) = self.catalog.find(provider)
        {
            self.filled.insert(provider.clone(), filled);
        }
    }

    /// Whether a client is bound to another server than the one that its provider's file now describes: it
    /// registered itself there, and is nothing here.
    pub(super) fn belongs_elsewhere(&self, provider: &ProviderId, client: &ClientId) -> bool {
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
    pub(super) fn only_client(&self, provider: &ProviderId) -> Option<ClientId> {
        let mut clients = self.records.keys().filter(|key| key.provider == *provider);
        let only = clients.next()?;
        clients.next().is_none().then(|| only.client.clone())
    }
}
