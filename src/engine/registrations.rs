//! Registrations whose secret ends: renewed at the provider, written down, and only then used. And those that a login
//! made for nothing: each is unregistered at once
//! ([RFC 7592](https://www.rfc-editor.org/rfc/rfc7592#section-2.3)), and a stop waits for that. A crash in between
//! leaves a client behind at its provider that nobody uses, which costs no login.

use std::collections::HashMap;
use std::time::Duration;

use super::clients::Clients;
use super::context::Context;
use super::done::Done;
use super::registering::{Newcomer, Ties};
use crate::lifecycle::{Event, RegistrationEvent};
use crate::model::{ClientKey, ClientRecord, Failure, FailureClass};
use crate::oauth::{Managed, OauthError, Renewed, renew, unregister};
use crate::provider::Provider;
use crate::store::{Command, OpenedClient, Opener, Renewal, StoreError};

/// How long a provider may take to unregister a client.
const UNDO_MAX: Duration = Duration::from_secs(10);

/// Registrations on their way.
#[derive(Default)]
pub(super) struct Registrations {
    /// Those that were renewed, and that the disk has not taken.
    unkept: HashMap<ClientKey, Box<Renewal>>,
    ties: Ties,
}

impl Registrations {
    /// What a stop waits for.
    pub(super) fn ties(&self) -> &Ties {
        &self.ties
    }

    /// Whether the disk has refused what a client has to show.
    pub(super) fn is_unkept(&self, client: &ClientKey) -> bool {
        self.unkept.contains_key(client)
    }

    /// Nobody uses a client any more.
    pub(super) fn forget(&mut self, client: &ClientKey) {
        self.unkept.remove(client);
    }

    /// Has a secret renewed. What an earlier try brought and the disk did not take goes first.
    pub(super) fn renew(&mut self, cx: &mut Context, client: ClientKey) {
        match self.unkept.remove(&client) {
            Some(renewal) => self.write(cx, renewal),
            None => cx.write(Command::OpenClient { client, by: Opener::Renewal }),
        }
    }

    /// Gives the disk what it has refused.
    pub(super) fn keep_again(&mut self, cx: &mut Context, client: &ClientKey) {
        match self.unkept.remove(client) {
            Some(renewal) => self.write(cx, renewal),
            None => cx.tell(Event::Registration(RegistrationEvent::Gone(client.clone()))),
        }
    }

    fn write(&mut self, cx: &mut Context, mut renewal: Box<Renewal>) {
        let client = renewal.client.key.clone();
        // an older one must not be written behind it, but may hold the one secret that there is
        if let Some(older) = self.unkept.remove(&client) {
            renewal.secret = renewal.secret.or(older.secret);
        }
        cx.tell(Event::Registration(RegistrationEvent::Keeping(client)));
        cx.write(Command::Renew(renewal));
    }

    /// The provider has answered. What it said is written down before anything else. `false` if nobody uses the client
    /// any more.
    pub(super) fn tried(
        &mut self,
        cx: &mut Context,
        clients: &Clients,
        client: &ClientKey,
        result: Result<Box<Renewed>, Failure>,
    ) -> bool {
        match result {
            Ok(mut renewed) => {
                let failure = renewed.failure.take();
                // what else has changed is kept all the same, and is on its way before anything else is heard
                let is_used = self.keep(cx, clients, client, *renewed);
                if let Some(failure) = failure {
                    not_renewed(cx, client.clone(), failure);
                }
                is_used
            }
            Err(failure) => {
                not_renewed(cx, client.clone(), failure);
                true
            }
        }
    }

    /// Writes down what a provider made of a registration. `false` if nobody uses the client any more.
    pub(super) fn keep(
        &mut self,
        cx: &mut Context,
        clients: &Clients,
        client: &ClientKey,
        renewed: Renewed,
    ) -> bool {
        let Some(mut record) = clients.record(client).cloned() else { return false };
        record.secret_ends = renewed.ends;
        if let Some(auth) = renewed.auth
            && let Some(provider) = clients.pinned(client)
        {
            let provider = Provider { client_auth: Some(auth), ..(**provider).clone() };
            record.discovered = Some(provider.to_toml());
        }
        let Renewed { secret, registration, .. } = renewed;
        self.write(cx, Box::new(Renewal { client: record, secret, registration }));
        true
    }

    /// A registration is on disk as the provider has it now, or is not.
    pub(super) fn kept(
        &mut self,
        cx: &mut Context,
        clients: &mut Clients,
        client: ClientKey,
        result: Result<ClientRecord, (StoreError, Box<Renewal>)>,
    ) {
        match result {
            Ok(record) => {
                tracing::info!(client = %client.client, "registration read or renewed");
                let result = Ok(record.secret_ends);
                clients.know(record);
                // one that the disk refused before is older: what it has is not to come back
                self.unkept.remove(&client);
                cx.tell(Event::Registration(RegistrationEvent::Kept(client.clone())));
                cx.tell(Event::Registration(RegistrationEvent::Renewed { client, result }));
            }
            Err((StoreError::Refused(_), _)) => {
                cx.tell(Event::Registration(RegistrationEvent::Gone(client)));
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
                    cx.tell(Event::Registration(RegistrationEvent::Kept(client.clone())));
                    let why = format!("the new secret is not written down: {error}");
                    let result = Err(Failure::new(FailureClass::Transient, why));
                    RegistrationEvent::Renewed { client, result }
                };
                cx.tell(Event::Registration(event));
            }
        }
    }

    /// Has a client unregistered that nobody will use.
    pub(super) fn undo(&self, cx: &mut Context, newcomer: Newcomer) {
        let Newcomer { client, registration } = newcomer;
        let (http, now, tie) = (cx.http(), cx.now(), self.ties.tie());
        cx.spawn(async move {
            match tokio::time::timeout(UNDO_MAX, unregister(&http, &registration, now)).await {
                Ok(Ok(())) => tracing::info!(client = %client.client, "client unregistered"),
                Ok(Err(error)) => {
                    tracing::warn!(client = %client.client, %error, "client not unregistered");
                }
                Err(_) => {
                    let error = "no answer in time";
                    tracing::warn!(client = %client.client, error, "client not unregistered");
                }
            }
            drop(tie);
            Done::Over
        });
    }
}

/// It is known by what a registration is managed.
pub(super) fn opened(
    cx: &mut Context,
    clients: &Clients,
    client: ClientKey,
    result: Result<OpenedClient, StoreError>,
) {
    let registration = match result {
        Ok(OpenedClient { registration: Some(registration), .. }) => registration,
        Ok(OpenedClient { registration: None, .. }) => {
            let why = "the provider lets nobody manage the registration";
            return not_renewed(cx, client, Failure::new(FailureClass::RequestBroken, why));
        }
        Err(StoreError::Refused(_)) => {
            return cx.tell(Event::Registration(RegistrationEvent::Gone(client)));
        }
        Err(error) => {
            let failure = Failure::new(FailureClass::NotSent, error.to_string());
            return not_renewed(cx, client, failure);
        }
    };
    let Some(provider) = clients.provider_of(&client) else {
        let why = "the definition of the provider is gone";
        return not_renewed(cx, client, Failure::new(FailureClass::NotSent, why));
    };
    let ends = clients.record(&client).and_then(|record| record.secret_ends);
    let (http, now) = (cx.http(), cx.now());
    cx.spawn(async move {
        let managed = Managed { client: &client.client, registration: &registration, ends };
        let result = renew(&http, &provider, managed, now).await.map(Box::new);
        let result = result.map_err(|error| match error {
            OauthError::Registration(failure) => failure,
            error => Failure::new(FailureClass::RequestBroken, error.to_string()),
        });
        Done::Renewed { client, result }
    });
}

/// Watches the secret of a client, if it ends.
pub(super) fn watch(cx: &mut Context, clients: &Clients, client: &ClientKey) {
    if let Some(ends) = clients.record(client).and_then(|record| record.secret_ends) {
        let client = client.clone();
        cx.tell(Event::Registration(RegistrationEvent::Known { client, ends }));
    }
}

fn not_renewed(cx: &mut Context, client: ClientKey, failure: Failure) {
    tracing::warn!(client = %client.client, %failure, "a client's secret is not renewed");
    let result = Err(failure);
    cx.tell(Event::Registration(RegistrationEvent::Renewed { client, result }));
}
