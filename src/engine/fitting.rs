//! Logins with a client that is on record: what is kept of it is read first. If it registered itself and the login
//! needs a redirect or scopes that it is not registered for, it is made to fit, and no second one is made.

use std::collections::HashMap;
use std::sync::Arc;

use super::plan::{Plan, Prepared, Source};
use super::task::{Done, Engine};
use super::undo::Ties;
use crate::api::{Fault, FaultKind, Flow};
use crate::model::{ClientKey, ClientSecret, Failure, Now};
use crate::oauth::{Http, Managed, OauthError, Renewed, adapt};
use crate::store::{Command, OpenedClient, Opener, StoreError};

/// Logins on their way to being prepared.
#[derive(Default)]
pub(super) struct Fitting {
    /// Those that wait for what is kept of their client, by ticket.
    opening: HashMap<u64, Plan>,
    /// The last ticket.
    ticket: u64,
    /// Those whose client is another by now, until that is on disk.
    keeping: Vec<Plan>,
    /// What of them a stop waits for.
    pub(super) ties: Ties,
}

/// A login whose client was made to fit, or not.
pub(super) struct Fitted {
    plan: Plan,
    result: Result<Option<Renewed>, OauthError>,
}

impl Engine {
    /// Goes on with a login: reads what is kept of its client, if there is one.
    pub(super) fn fit(&mut self, plan: Plan) {
        let asks = matches!(plan.flow, Flow::Browser | Flow::Device) && plan.secret.is_none();
        match plan.key().filter(|key| asks && self.clients.contains_key(key)) {
            Some(client) if self.unkept.contains_key(&client) => {
                // what is on the disk is good for nothing any more, and what is not is not shown to anybody
                let message = "the client's new secret cannot be written down";
                let result = Err(Fault::new(FaultKind::Storage, message));
                self.prepared(Prepared { plan, result });
            }
            Some(client) => {
                self.fitting.ticket += 1;
                let ticket = self.fitting.ticket;
                self.fitting.opening.insert(ticket, plan);
                self.write(Command::OpenClient { client, by: Opener::Login(ticket) });
            }
            None => self.prepare(plan),
        }
    }

    /// It is known what is kept of the client of a login.
    pub(super) fn client_read(
        &mut self,
        ticket: u64,
        client: &ClientKey,
        result: Result<OpenedClient, StoreError>,
    ) {
        let Some(mut plan) = self.fitting.opening.remove(&ticket) else { return };
        let OpenedClient { secret, registration } = match result {
            Ok(opened) => opened,
            Err(error) => {
                // who asks without it is told that the client is not known
                let message = format!("the client's secret cannot be read: {error}");
                let result = Err(Fault::new(FaultKind::Storage, message));
                return self.prepared(Prepared { plan, result });
            }
        };
        plan.stored = secret.map(Arc::new);
        let Some(registration) = registration else { return self.prepare(plan) };
        let ends = self.clients.get(client).and_then(|record| record.secret_ends);
        plan.registering.begin();
        let (http, now, client) = (self.http.clone(), self.clock.now(), client.clone());
        self.tasks.spawn(async move {
            let managed = Managed { client: &client.client, registration: &registration, ends };
            let result = plan.adapt(&http, managed, now).await;
            Done::Fitted(Box::new(Fitted { plan, result }))
        });
    }

    /// The client of a login is fit, or cannot be made to. Then the provider has the last word.
    pub(super) fn fitted(&mut self, fitted: Fitted) {
        let Fitted { mut plan, result } = fitted;
        // what is to be kept is waited for like a renewal
        let _tie = plan.registering.end();
        let why = |failure: &Failure| {
            tracing::warn!(%failure, "a registration does not fit the login, and stays as it is");
        };
        match (result, plan.key()) {
            (Ok(Some(renewed)), Some(client)) => {
                if let Some(failure) = &renewed.failure {
                    why(failure);
                }
                if let Some(secret) = &renewed.secret {
                    // the one before is over
                    plan.stored = Some(Arc::new(ClientSecret::new(secret.expose().to_owned())));
                }
                self.fitting.keeping.push(plan);
                self.keep(&client, renewed);
            }
            (Err(OauthError::Registration(failure)), _) => {
                why(&failure);
                self.prepare(plan);
            }
            (Ok(_) | Err(_), _) => self.prepare(plan),
        }
    }

    /// A registration is on disk, or cannot be put there: logins that waited for it go on.
    pub(super) fn go_on(&mut self, client: &ClientKey) {
        while let Some(mut plan) = take(&mut self.fitting.keeping, client) {
            if let (Some(record), Some(provider)) =
                (self.clients.get(client), self.provider_of(client))
            {
                plan.follow(record, provider);
            }
            self.prepare(plan);
        }
    }
}

/// The first of some logins that has that client.
fn take(plans: &mut Vec<Plan>, client: &ClientKey) -> Option<Plan> {
    let place = plans.iter().position(|plan| plan.key().as_ref() == Some(client))?;
    Some(plans.remove(place))
}

impl Plan {
    /// Has a registration made to fit. Where that cannot be told or not be done, it is left as it is.
    async fn adapt(
        &self,
        http: &Http,
        managed: Managed<'_>,
        now: Now,
    ) -> Result<Option<Renewed>, OauthError> {
        let Source::Known(provider) = &self.source else { return Ok(None) };
        let Ok(redirect) = self.redirect_to_register(provider) else { return Ok(None) };
        let scopes = self.wanted(provider);
        adapt(http, provider, managed, &redirect, &scopes, now).await
    }
}
