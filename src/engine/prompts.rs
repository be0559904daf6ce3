//! Questions on their way to the user: whoever shows them is handed each as a [`Prompt`], and tells the
//! answer by it. A prompt that is dropped was not answered; one whose question is settled otherwise is
//! withdrawn.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::task::{Done, Engine};
use crate::api::{Pending, Verdict};
use crate::lifecycle::{self, Event, Unasked};
use crate::model::{Now, QuestionId};

/// How many prompts may wait for being shown: more than there can be questions.
const PROMPTS: usize = 64;

/// Where questions to the user come out. Dropped when nobody can show them.
pub struct Prompts(mpsc::Receiver<Prompt>);

/// A question to be put to the user.
#[derive(Debug)]
pub struct Prompt {
    /// What is asked.
    pub question: Pending,
    answer: oneshot::Sender<Answered>,
}

/// What the user did.
#[derive(Debug)]
pub(super) enum Answered {
    /// Said something, by a program of that name.
    Said { verdict: Verdict, by: String },
    /// Did not want to say anything.
    Dismissed,
}

impl Prompts {
    /// The next question; `None` when the daemon stops.
    pub async fn next(&mut self) -> Option<Prompt> {
        self.0.recv().await
    }
}

impl Prompt {
    /// The user has answered, by a program of that name.
    pub fn answer(self, verdict: Verdict, by: String) {
        // settled otherwise in the same moment
        let _ = self.answer.send(Answered::Said { verdict, by });
    }

    /// The user has seen the question and does not want to answer.
    pub fn dismiss(self) {
        let _ = self.answer.send(Answered::Dismissed);
    }

    /// Returns when the question is settled, or its time is over: it need not be shown any more.
    pub async fn withdrawn(&mut self) {
        self.answer.closed().await;
    }
}

/// The engine's side.
pub(super) struct Asking {
    prompts: mpsc::Sender<Prompt>,
    /// The tasks that wait for answers.
    waits: HashMap<QuestionId, AbortHandle>,
}

impl Asking {
    pub(super) fn new() -> (Self, Prompts) {
        let (sender, prompts) = mpsc::channel(PROMPTS);
        (Self { prompts: sender, waits: HashMap::new() }, Prompts(prompts))
    }
}

impl Engine {
    /// Has a question put to the user.
    pub(super) fn prompt(&mut self, id: QuestionId) {
        let now = self.clock.now();
        let Some(view) = self.lifecycle.questions().find(|question| question.id == id) else {
            return;
        };
        let question = shown(&view, now);
        tracing::info!(
            account = %question.account, caller = question.caller, tier = question.tier,
            question = %id, "a program needs the user's word for tokens"
        );
        let (answer, told) = oneshot::channel();
        // what is to be shown is shown on a bus
        let shown = self.info.bus.load(Ordering::Relaxed)
            && self.asking.prompts.try_send(Prompt { question, answer }).is_ok();
        if !shown {
            self.tell(Event::Unasked { question: id, why: Unasked::NotShown });
            return;
        }
        let wait = self
            .tasks
            .spawn(async move { Done::Prompted { question: id, answer: told.await.ok() } });
        self.asking.waits.insert(id, wait);
    }

    /// A question need not be put any more.
    pub(super) fn unprompt(&mut self, id: QuestionId) {
        if let Some(wait) = self.asking.waits.remove(&id) {
            // with the task goes what the prompt watches
            wait.abort();
        }
    }

    /// A prompt has come to its end.
    pub(super) fn prompted(&mut self, id: QuestionId, answer: Option<Answered>) {
        // one that was taken back has told nothing
        if self.asking.waits.remove(&id).is_none() {
            return;
        }
        self.tell(match answer {
            Some(Answered::Said { verdict, by }) => {
                Event::Respond { question: id, verdict: verdict_of(verdict), by, waiter: None }
            }
            Some(Answered::Dismissed) => Event::Unasked { question: id, why: Unasked::Ignored },
            None => Event::Unasked { question: id, why: Unasked::NotShown },
        });
    }

    /// The questions that wait for an answer.
    pub(super) fn pending(&self) -> Vec<Pending> {
        let now = self.clock.now();
        self.lifecycle.questions().map(|view| shown(&view, now)).collect()
    }
}

/// A verdict in the lifecycle's words.
pub(super) fn verdict_of(verdict: Verdict) -> lifecycle::Verdict {
    match verdict {
        Verdict::Allow => lifecycle::Verdict::Allow,
        Verdict::Once => lifecycle::Verdict::Once,
        Verdict::Deny => lifecycle::Verdict::Deny,
    }
}

fn shown(view: &lifecycle::QuestionView<'_>, now: Now) -> Pending {
    let identity = &view.caller.identity;
    Pending {
        id: view.id,
        account: view.account.clone(),
        caller: identity.to_string(),
        tier: identity.tier().as_str().to_owned(),
        face: view.caller.face.as_str().to_owned(),
        pid: view.caller.pid,
        scopes: view.scopes.clone(),
        since: now.wall_at(view.since).seconds(),
    }
}

/// The number of the first question to the user. Another one at each start, so that an answer which comes
/// after a restart is to no other question.
pub(super) fn first_question() -> QuestionId {
    let mut bytes = [0; 2];
    // without randomness nothing else would work either
    let _ = getrandom::fill(&mut bytes);
    QuestionId(u16::from_ne_bytes(bytes).into())
}

#[cfg(test)]
impl Prompts {
    /// Questions that a test asks.
    pub(crate) fn for_tests() -> (mpsc::Sender<Prompt>, Self) {
        let (sender, prompts) = mpsc::channel(PROMPTS);
        (sender, Self(prompts))
    }
}

#[cfg(test)]
impl Prompt {
    /// A question, and what is heard of it: a verdict, or nothing if the user did not want to answer.
    pub(crate) fn for_tests(
        question: Pending,
    ) -> (Self, impl Future<Output = Result<Option<Verdict>, oneshot::error::RecvError>>) {
        let (answer, told) = oneshot::channel();
        let heard = async {
            Ok(match told.await? {
                Answered::Said { verdict, .. } => Some(verdict),
                Answered::Dismissed => None,
            })
        };
        (Self { question, answer }, heard)
    }
}
