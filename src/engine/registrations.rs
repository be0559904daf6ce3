//! Registrations whose secret ends: renewed at the provider, written down, and only then used.

use super::task::{Done, Engine};
use crate::lifecycle::{Event, RegistrationEvent};
use crate::model::{ClientKey, ClientRecord, Failure, FailureClass};
use crate::oauth::{Managed, OauthError, Renewed, renew};
use crate::provider::Provider;
use crate::store::{Command, OpenedClient, Opener, Renewal, StoreError};

/// A try to renew a registration, as its task tells it.
pub(super) struct Tried {
    client: ClientKey,
    result: Result<Renewed, Failure>,
}

impl Engine {
    /// Watches the secrets of the clients that are on record.
    pub(super) fn watch_registrations(&mut self) {
        let clients: Vec<ClientKey> = self.clients.keys().cloned().collect();
        for client in clients {
            self.watch_registration(&client);
        }
    }

    /// Watches the secret of a client, if it ends.
    pub(super) fn watch_registration(&mut self, client: &ClientKey) {
        if let Some(ends) = self.clients.get(client).and_then(|record| record.secret_ends) {
            let client = client.clone();
            self.tell(Event::Registration(RegistrationEvent::Known { client, ends }));
        }
    }

    /// Has a secret renewed. What an earlier try brought and the disk did not take goes first.
    pub(super) fn renew(&mut self, client: ClientKey) {
        match self.unkept.remove(&client) {
            Some(renewal) => self.write_renewal(renewal),
            None => self.write(Command::OpenClient { client, by: Opener::Renewal }),
        }
    }

    /// Gives the disk what it has refused.
    pub(super) fn keep_again(&mut self, client: &ClientKey) {
        match self.unkept.remove(client) {
            Some(renewal) => self.write_renewal(renewal),
            None => self.tell(Event::Registration(RegistrationEvent::Gone(client.clone()))),
        }
    }

    fn write_renewal(&mut self, mut renewal: Box<Renewal>) {
        let client = renewal.client.key.clone();
        // an older one must not be written behind it, but may hold the one secret that there is
        if let Some(older) = self.unkept.remove(&client) {
            renewal.secret = renewal.secret.or(older.secret);
        }
        self.tell(Event::Registration(RegistrationEvent::Keeping(client)));
        self.write(Command::Renew(renewal));
    }

    /// It is known by what a registration is managed.
    pub(super) fn client_opened(
        &mut self,
        client: ClientKey,
        result: Result<OpenedClient, StoreError>,
    ) {
        let registration = match result {
            Ok(OpenedClient { registration: Some(registration), .. }) => registration,
            Ok(OpenedClient { registration: None, .. }) => {
                let why = "the provider lets nobody manage the registration";
                return self.not_renewed(client, Failure::new(FailureClass::RequestBroken, why));
            }
            Err(StoreError::Refused(_)) => {
                return self.tell(Event::Registration(RegistrationEvent::Gone(client)));
            }
            Err(error) => {
                let failure = Failure::new(FailureClass::NotSent, error.to_string());
                return self.not_renewed(client, failure);
            }
        };
        let Some(provider) = self.provider_of(&client) else {
            let why = "the definition of the provider is gone";
            return self.not_renewed(client, Failure::new(FailureClass::NotSent, why));
        };
        let ends = self.clients.get(&client).and_then(|record| record.secret_ends);
        let (http, now) = (self.http.clone(), self.clock.now());
        self.tasks.spawn(async move {
            let managed = Managed { client: &client.client, registration: &registration, ends };
            let result = renew(&http, &provider, managed, now).await;
            let result = result.map_err(|error| match error {
                OauthError::Registration(failure) => failure,
                error => Failure::new(FailureClass::RequestBroken, error.to_string()),
            });
            Done::Renewed(Box::new(Tried { client, result }))
        });
    }

    /// The provider has answered. What it said is written down before anything else.
    pub(super) fn registration_tried(&mut self, tried: Tried) {
        let Tried { client, result } = tried;
        let renewed = match result {
            Ok(renewed) => renewed,
            Err(failure) => return self.not_renewed(client, failure),
        };
        if let Some(failure) = &renewed.failure {
            // what else has changed is kept all the same
            self.not_renewed(client.clone(), failure.clone());
        }
        self.keep(&client, renewed);
    }

    /// Writes down what a provider made of a registration.
    pub(super) fn keep(&mut self, client: &ClientKey, renewed: Renewed) {
        let Some(mut record) = self.clients.get(client).cloned() else {
            return self.go_on(client);
        };
        record.secret_ends = renewed.ends;
        if let Some(auth) = renewed.auth
            && let Some(provider) = self.pinned.get(client)
        {
            let provider = Provider { client_auth: Some(auth), ..(**provider).clone() };
            record.discovered = Some(provider.to_toml());
        }
        let Renewed { secret, registration, .. } = renewed;
        self.write_renewal(Box::new(Renewal { client: record, secret, registration }));
    }

    /// A registration is on disk as the provider has it now, or is not.
    pub(super) fn registration_kept(
        &mut self,
        client: ClientKey,
        result: Result<ClientRecord, (StoreError, Box<Renewal>)>,
    ) {
        let waiting = client.clone();
        match result {
            Ok(record) => {
                tracing::info!(client = %client.client, "registration read or renewed");
                let result = Ok(record.secret_ends);
                self.know(record);
                // one that the disk refused before is older: what it has is not to come back
                self.unkept.remove(&client);
                self.tell(Event::Registration(RegistrationEvent::Kept(client.clone())));
                self.tell(Event::Registration(RegistrationEvent::Renewed { client, result }));
            }
            Err((StoreError::Refused(_), _)) => {
                self.tell(Event::Registration(RegistrationEvent::Gone(client)));
            }
            Err((error, mut renewal)) => {
                if let Some(older) = self.unkept.remove(&client) {
                    renewal.secret = renewal.secret.or(older.secret);
                }
                self.unkept.insert(client.clone(), renewal);
                tracing::error!(client = %client.client, %error, "the new secret is not written down");
                let event = if error.may_pass() {
                    RegistrationEvent::Unkept { client, why: error.to_string() }
                } else {
                    // no stop waits for a disk that will never take it; the next try begins with it
                    self.tell(Event::Registration(RegistrationEvent::Kept(client.clone())));
                    let why = format!("the new secret is not written down: {error}");
                    let result = Err(Failure::new(FailureClass::Transient, why));
                    RegistrationEvent::Renewed { client, result }
                };
                self.tell(Event::Registration(event));
            }
        }
        self.go_on(&waiting);
    }

    fn not_renewed(&mut self, client: ClientKey, failure: Failure) {
        tracing::warn!(client = %client.client, %failure, "a client's secret is not renewed");
        let result = Err(failure);
        self.tell(Event::Registration(RegistrationEvent::Renewed { client, result }));
    }
}
