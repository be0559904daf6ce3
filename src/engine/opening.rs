//! Secrets that are on disk already and that a sign-in needs before the user is shown anything: a provider
//! that gives a code to type in, or takes a request before the browser does, wants to know who asks.

use std::collections::HashMap;

use super::plan::{Plan, Prepared};
use super::task::{Done, Engine};
use crate::api::{Fault, FaultKind};
use crate::model::ClientSecret;
use crate::store::{Command, StoreError};

/// Sign-ins that wait for a secret, by number.
#[derive(Default)]
pub(super) struct Opening {
    next: u64,
    waiting: HashMap<u64, Plan>,
}

impl Engine {
    /// Finds out what a sign-in needs, once its client's secret is there.
    pub(super) fn prepare(&mut self, plan: Plan) {
        self.preparing += 1;
        let Some(client) = plan.wants_secret_of() else { return self.find_out(plan) };
        let number = self.opening.next;
        self.opening.next += 1;
        self.opening.waiting.insert(number, plan);
        self.write(Command::OpenSecret { number, client });
    }

    /// The store has opened a secret, if there is one.
    pub(super) fn opened(&mut self, number: u64, result: Result<Option<ClientSecret>, StoreError>) {
        let Some(mut plan) = self.opening.waiting.remove(&number) else { return };
        match result {
            Ok(secret) => {
                plan.kept = secret;
                self.find_out(plan);
            }
            Err(error) => {
                let message = format!("the client's secret cannot be read: {error}");
                let result = Err(Fault::new(FaultKind::Storage, message));
                self.prepared(Prepared { plan, result });
            }
        }
    }

    /// The rest takes time, and a task of its own.
    fn find_out(&mut self, mut plan: Plan) {
        let (http, now) = (self.http.clone(), self.clock.now());
        self.tasks.spawn(async move {
            let result = plan.prepare(&http, now).await;
            plan.kept = None;
            Done::Prepared(Box::new(Prepared { plan, result }))
        });
    }
}
