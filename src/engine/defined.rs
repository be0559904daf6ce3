//! The definitions by which clients speak with their providers.

use std::sync::Arc;

use rpds::HashTrieMapSync;

use crate::model::{ClientKey, ProviderId};
use crate::provider::{Catalog, Provider};

/// All definitions. A copy costs nothing, so that a look at all accounts has one of its own.
#[derive(Clone)]
pub(super) struct Defined {
    catalog: Arc<Catalog>,
    /// Definitions that were discovered, parsed once.
    pinned: HashTrieMapSync<ClientKey, Arc<Provider>>,
    /// Definitions of the catalog whose gaps are filled, by the names that fill them.
    filled: HashTrieMapSync<ProviderId, Arc<Provider>>,
}

impl Defined {
    pub(super) fn new(catalog: Catalog) -> Self {
        let (pinned, filled) = (HashTrieMapSync::new_sync(), HashTrieMapSync::new_sync());
        Self { catalog: Arc::new(catalog), pinned, filled }
    }

    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The definition by which a client speaks: pinned if it was discovered, else the catalog's.
    pub(super) fn provider_of(&self, client: &ClientKey) -> Option<Arc<Provider>> {
        if let Some(pinned) = self.pinned.get(client) {
            return Some(Arc::clone(pinned));
        }
        let filled = self.filled.get(&client.provider).map(Arc::clone);
        filled.or_else(|| self.catalog.find(&client.provider))
    }

    pub(super) fn pinned(&self, client: &ClientKey) -> Option<&Arc<Provider>> {
        self.pinned.get(client)
    }

    /// A definition that was discovered for some client of a provider.
    pub(super) fn pinned_of(&self, provider: &ProviderId) -> Option<&Arc<Provider>> {
        self.pinned.iter().find(|(key, _)| key.provider == *provider).map(|(_, pinned)| pinned)
    }

    /// A client speaks by that definition from now on, whatever the catalog says.
    pub(super) fn pin(&mut self, client: ClientKey, provider: Arc<Provider>) {
        self.pinned.insert_mut(client, provider);
    }

    pub(super) fn unpin(&mut self, client: &ClientKey) {
        self.pinned.remove_mut(client);
    }

    pub(super) fn set_catalog(&mut self, catalog: Catalog) {
        self.catalog = Arc::new(catalog);
        self.filled = HashTrieMapSync::new_sync();
    }

    /// Reads a definition whose gaps the name of the provider fills, once for all its accounts.
    pub(super) fn fill(&mut self, provider: &ProviderId) {
        if provider.parts().1.is_some()
            && !self.filled.contains_key(provider)
            && let Some(filled) = self.catalog.find(provider)
        {
            self.filled.insert_mut(provider.clone(), filled);
        }
    }
}
