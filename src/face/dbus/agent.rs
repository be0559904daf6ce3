//! A program of the user's desktop that puts questions to the user in the daemon's place: it registers, and is
//! asked over `dev.ostler.Ostler1.Agent` at its own object.

use std::sync::{Arc, Mutex};

use tracing::debug;
use zbus::names::{OwnedUniqueName, UniqueName};
use zbus::{Connection, OwnedObjectPath};

use super::access::question;
use super::context::{Context, locked};
use crate::api::{Fault, FaultKind, Verdict};
use crate::engine::Prompt;
use crate::model::Caller;

/// The interface that an agent has.
const INTERFACE: &str = "dev.ostler.Ostler1.Agent";

/// An agent.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    pub(super) name: OwnedUniqueName,
    pub(super) path: OwnedObjectPath,
    pub(super) caller: Caller,
}

/// The agent that is there, if one is: one user has one desktop.
#[derive(Debug, Default)]
pub(super) struct Agents(Mutex<Option<Agent>>);

impl Agents {
    pub(super) fn register(&self, agent: Agent) -> Result<(), Fault> {
        let mut current = locked(&self.0);
        if current.as_ref().is_some_and(|other| other.name != agent.name) {
            return Err(Fault::new(FaultKind::RateLimited, "another agent is registered already")
                .hint("wait until it has left the bus"));
        }
        debug!(caller = %agent.caller.identity, "an agent asks the user from now on");
        *current = Some(agent);
        Ok(())
    }

    pub(super) fn current(&self) -> Option<Agent> {
        locked(&self.0).clone()
    }

    /// A connection is gone, or does not want to be asked any more.
    pub(super) fn forget(&self, name: &UniqueName<'_>) {
        let mut current = locked(&self.0);
        if current.as_ref().is_some_and(|agent| agent.name.as_str() == name.as_str()) {
            *current = None;
        }
    }
}

/// What became of a question that an agent was asked.
pub(super) enum Put {
    /// It is settled, one way or the other.
    Settled,
    /// The agent is of no use: somebody else has to ask.
    Failed(Prompt),
}

/// Has an agent ask the user.
pub(super) async fn put(
    agent: &Agent,
    context: &Arc<Context>,
    connection: &Connection,
    mut prompt: Prompt,
) -> Put {
    let id = prompt.question.id.to_string();
    let details = question(context, prompt.question.clone());
    let to = Some(agent.name.as_str());
    let body = (&id, details);
    let asking = connection.call_method(to, &agent.path, Some(INTERFACE), "Ask", &body);
    let answer = tokio::select! {
        biased;
        () = prompt.withdrawn() => {
            let cancel = connection.call_method(to, &agent.path, Some(INTERFACE), "Cancel", &id);
            if let Err(error) = cancel.await {
                debug!(%error, "the agent did not take the question back");
            }
            return Put::Settled;
        }
        answer = asking => answer,
    };
    let word = answer.and_then(|reply| reply.body().deserialize::<String>());
    match word.as_deref().map(Verdict::from_word) {
        Ok(Some(verdict)) => {
            prompt.answer(verdict, agent.caller.identity.to_string());
            Put::Settled
        }
        Ok(None) => {
            prompt.dismiss();
            Put::Settled
        }
        Err(error) => {
            debug!(%error, "the agent did not ask the user");
            Put::Failed(prompt)
        }
    }
}
