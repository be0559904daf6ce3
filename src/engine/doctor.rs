//! A look at everything: the disk and the way to providers are looked at in a task; what the engine
//! knows itself is added when that is done ([`super::diagnosis`]).

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::answers::Answers;
use super::clients::Clients;
use super::context::Context;
use super::diagnosis::Known;
use super::done::Done;
use super::handle::Asker;
use super::looking::{Examined, Look};
use crate::api::{Accounts, Fault, FaultKind, Response};
use crate::store::Places;

/// How many may wait for the same look.
const WAITING_MAX: usize = 64;

/// What is kept for looks.
pub(super) struct Doctor {
    /// Who waits for the look that is under way.
    waiting: Vec<Asker>,
    /// Whether one is under way.
    looking: bool,
    /// What providers answered last where they gave no tokens.
    pub(super) answers: Answers,
    /// Held by who looks at the disk, also after everybody has stopped to wait for that.
    disk: Arc<Semaphore>,
}

impl Default for Doctor {
    fn default() -> Self {
        let disk = Arc::new(Semaphore::new(1));
        Self { waiting: Vec::new(), looking: false, answers: Answers::default(), disk }
    }
}

impl Doctor {
    /// Looks everything over. Who asks while a look is under way gets the same answer.
    pub(super) fn diagnose(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        places: Places,
        accounts: Accounts,
        clients: &Clients,
    ) {
        self.waiting.retain(|waiting| !waiting.is_gone());
        if self.waiting.len() >= WAITING_MAX {
            let message = "too many wait for the same look already";
            return asker.answer(Err(Fault::new(FaultKind::RateLimited, message)));
        }
        self.waiting.push(asker);
        if std::mem::replace(&mut self.looking, true) {
            return;
        }
        let look = Look {
            http: cx.http(),
            clock: cx.clock().clone(),
            places,
            permit: Arc::clone(&self.disk).try_acquire_owned().ok(),
            document: clients.document().cloned(),
            accounts,
            defined: clients.defined(),
        };
        cx.spawn(async move { Done::Examined(Box::new(look.examine().await)) });
    }

    /// The look is over: what the engine knows itself is added, beside what else there is to do.
    pub(super) fn examined(&mut self, cx: &mut Context, examined: Box<Examined>, known: Known) {
        self.looking = false;
        let waiting = std::mem::take(&mut self.waiting);
        cx.spawn(async move {
            let diagnosis = Arc::new(known.diagnose(&examined).await);
            for asker in waiting {
                asker.answer(Ok(Response::Diagnosis(Arc::clone(&diagnosis))));
            }
            Done::Over
        });
    }
}
