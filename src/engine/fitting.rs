//! Logins with a client that is on record: what is kept of it is read first. If it registered itself and the login
//! needs a redirect or scopes that it is not registered for, it is made to fit, and no second one is made.

use std::collections::HashMap;
use std::sync::Arc;

use super::clients::Clients;
use super::context::Context;
use super::done::Done;
use super::plan::{Plan, Source};
use super::registrations::Registrations;
use crate::api::{Fault, FaultKind, Flow};
use crate::model::{ClientKey, ClientSecret, Failure, Now};
use crate::oauth::{Http, Managed, OauthError, Renewed, adapt};
use crate::store::{Command, OpenedClient, Opener, StoreError};

/// Logins on their way to being prepared.
#[derive(Default)]
pub(super) struct Fitting {
    /// Those that wait for what is kept of their client, by ticket.
    opening: HashMap<u64, Box<Plan>>,
    /// The last ticket.
    ticket: u64,
    /// Those whose client is another by now, until that is on disk.
    keeping: Vec<Plan>,
}

/// How a login goes on.
pub(super) enum Fit {
    /// It waits for the disk, or for the provider.
    Waits,
    /// It can be prepared.
    Ready(Box<Plan>),
    /// It cannot.
    Refused(Box<Plan>, Fault),
    /// Its client is another by now, which has to be written down first.
    Keep(ClientKey, Renewed),
}

impl Fitting {
    /// Goes on with a login: reads what is kept of its client, if there is one.
    pub(super) fn fit(
        &mut self,
        cx: &mut Context,
        plan: Plan,
        clients: &Clients,
        registrations: &Registrations,
    ) -> Fit {
        let plan = Box::new(plan);
        let asks = matches!(plan.flow, Flow::Browser | Flow::Device) && plan.secret.is_none();
        match plan.key().filter(|key| asks && clients.record(key).is_some()) {
            Some(client) if registrations.is_unkept(&client) => {
                // what is on the disk is good for nothing any more, and what is not is not shown to anybody
                let message = "the client's new secret cannot be written down";
                Fit::Refused(plan, Fault::new(FaultKind::Storage, message))
            }
            Some(client) => {
                self.ticket += 1;
                self.opening.insert(self.ticket, plan);
                cx.write(Command::OpenClient { client, by: Opener::Login(self.ticket) });
                Fit::Waits
            }
            None => Fit::Ready(plan),
        }
    }

    /// It is known what is kept of the client of a login.
    pub(super) fn client_read(
        &mut self,
        cx: &mut Context,
        ticket: u64,
        client: &ClientKey,
        result: Result<OpenedClient, StoreError>,
        clients: &Clients,
    ) -> Fit {
        let Some(mut plan) = self.opening.remove(&ticket) else { return Fit::Waits };
        let OpenedClient { secret, registration } = match result {
            Ok(opened) => opened,
            Err(error) => {
                // who asks without it is told that the client is not known
                let message = format!("the client's secret cannot be read: {error}");
                return Fit::Refused(plan, Fault::new(FaultKind::Storage, message));
            }
        };
        plan.stored = secret.map(Arc::new);
        let Some(registration) = registration else { return Fit::Ready(plan) };
        let ends = clients.record(client).and_then(|record| record.secret_ends);
        plan.registering.begin();
        let (http, now, client) = (cx.http(), cx.now(), client.clone());
        cx.spawn(async move {
            let managed = Managed { client: &client.client, registration: &registration, ends };
            let result = plan.adapt(&http, managed, now).await;
            Done::Fitted { plan, result }
        });
        Fit::Waits
    }

    /// The client of a login is fit, or cannot be made to. Then the provider has the last word.
    pub(super) fn fitted(
        &mut self,
        mut plan: Box<Plan>,
        result: Result<Option<Renewed>, OauthError>,
    ) -> Fit {
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
                self.keeping.push(*plan);
                Fit::Keep(client, renewed)
            }
            (Err(OauthError::Registration(failure)), _) => {
                why(&failure);
                Fit::Ready(plan)
            }
            (Ok(_) | Err(_), _) => Fit::Ready(plan),
        }
    }

    /// A registration is on disk, or cannot be put there: the logins that waited for it.
    pub(super) fn go_on(&mut self, client: &ClientKey, clients: &Clients) -> Vec<Plan> {
        let all = std::mem::take(&mut self.keeping);
        let is_its = |plan: &Plan| plan.key().as_ref() == Some(client);
        let (mut plans, others): (Vec<Plan>, _) = all.into_iter().partition(is_its);
        self.keeping = others;
        for plan in &mut plans {
            if let (Some(record), Some(provider)) =
                (clients.record(client), clients.provider_of(client))
            {
                plan.follow(record, provider);
            }
        }
        plans
    }
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
