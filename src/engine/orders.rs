//! What the daemon tells the engine to do.

use std::os::fd::OwnedFd;

use super::control::{Control, Reload};
use super::recovery;
use super::registrations;
use super::rules::rules;
use super::task::Engine;
use crate::lifecycle::Event;
use crate::model::ClientKey;

impl Engine {
    /// Does what the daemon says; it drains when the daemon is gone.
    pub(super) fn obey(&mut self, order: Option<Control>) {
        match order {
            Some(Control::Reload(files)) => self.reload(*files),
            Some(Control::Drain) | None => self.drain(),
            Some(Control::Rest(inhibitor)) => self.rest(inhibitor),
            Some(Control::Wake) => {
                tracing::debug!("the machine is awake");
                self.inhibitor = None;
                self.cx.tell(Event::Wake);
            }
            Some(Control::NetworkUp) => {
                tracing::debug!("the network may be up");
                self.cx.tell(Event::NetworkUp);
            }
            Some(Control::ClockSet) => {
                tracing::info!("the wall clock was set");
                self.cx.tell(Event::ClockSet);
            }
        }
    }

    fn reload(&mut self, files: Reload) {
        let Reload { catalog, modes, document } = files;
        if let Some(modes) = modes {
            self.clients.set_document(document);
            self.tell(Event::Modes(modes));
        }
        let unpinned = self.clients.set_catalog(catalog);
        let rules = |client: ClientKey| {
            let rules = self.clients.provider_of(&client).map(|provider| rules(&provider));
            (client, rules)
        };
        let rules = unpinned.into_iter().map(rules).collect();
        self.tell(Event::Rules(rules));
        recovery::read_on(self);
        tracing::info!("settings and provider definitions read anew");
    }

    fn rest(&mut self, inhibitor: Option<OwnedFd>) {
        let flights = self.flights.count();
        tracing::info!(flights, "the machine is about to sleep or to stop");
        self.inhibitor = inhibitor;
        self.cx.tell(Event::Rest);
    }

    fn drain(&mut self) {
        if !self.draining {
            self.draining = true;
            tracing::info!(flights = self.flights.count(), "draining");
            self.cx.tell(Event::Drain);
        }
    }

    /// Watches the secrets of the clients that are on record.
    pub(super) fn watch_registrations(&mut self) {
        let clients: Vec<ClientKey> = self.clients.keys().cloned().collect();
        for client in clients {
            registrations::watch(&mut self.cx, &self.clients, &client);
        }
    }
}
