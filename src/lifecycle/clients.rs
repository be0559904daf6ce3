//! The clients of the accounts: what holds for one account of a client holds for all of them.

use std::collections::{BTreeSet, HashMap};

use crate::model::ClientKey;

/// The clients that accounts use.
#[derive(Debug, Default)]
pub(super) struct Clients(HashMap<ClientKey, Client>);

#[derive(Debug, Default)]
struct Client {
    /// Its accounts, by slot.
    accounts: BTreeSet<usize>,
    /// The account that finds out whether it works again, after the provider rejected it. The account may have given up
    /// meanwhile: look at what it does before you believe it.
    probe: Option<usize>,
}

impl Clients {
    /// An account uses a client from now on.
    pub(super) fn join(&mut self, client: &ClientKey, slot: usize) {
        if let Some(known) = self.0.get_mut(client) {
            known.accounts.insert(slot);
        } else {
            let known = Client { accounts: [slot].into(), probe: None };
            self.0.insert(client.clone(), known);
        }
    }

    /// An account uses it no longer. A client that nobody uses is forgotten.
    pub(super) fn leave(&mut self, client: &ClientKey, slot: usize) {
        let Some(known) = self.0.get_mut(client) else { return };
        known.accounts.remove(&slot);
        known.probe.take_if(|probe| *probe == slot);
        if known.accounts.is_empty() {
            self.0.remove(client);
        }
    }

    /// Whether an account uses it.
    pub(super) fn has(&self, client: &ClientKey) -> bool {
        self.0.contains_key(client)
    }

    /// The accounts that use it, by slot.
    pub(super) fn accounts(&self, client: &ClientKey) -> Vec<usize> {
        self.0.get(client).into_iter().flat_map(|client| &client.accounts).copied().collect()
    }

    /// The account that finds out whether a rejected client works again, if one was chosen.
    pub(super) fn probe_of(&self, client: &ClientKey) -> Option<usize> {
        self.0.get(client)?.probe
    }

    /// Has an account find out whether a rejected client works again.
    pub(super) fn set_probe(&mut self, client: &ClientKey, slot: usize) {
        if let Some(client) = self.0.get_mut(client) {
            client.probe = Some(slot);
        }
    }
}
