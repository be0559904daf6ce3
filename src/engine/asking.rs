//! Questions to the user: put to whoever shows them, and taken back when they are settled otherwise.

use std::collections::HashMap;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::context::Context;
use super::done::Done;
use super::prompts::{self, Answered, Prompt, Prompts};
use crate::api::{Pending, Verdict};
use crate::lifecycle::{self, Event, QuestionView, Unasked};
use crate::model::{Now, QuestionId};

/// The questions that are put to the user.
pub(super) struct Asking {
    prompts: mpsc::Sender<Prompt>,
    /// The tasks that wait for answers.
    waits: HashMap<QuestionId, AbortHandle>,
}

impl Asking {
    pub(super) fn new() -> (Self, Prompts) {
        let (sender, prompts) = prompts::channel();
        (Self { prompts: sender, waits: HashMap::new() }, prompts)
    }

    /// Has a question put to the user, if there is a bus on which it can be shown.
    pub(super) fn put(&mut self, cx: &mut Context, view: &QuestionView<'_>, has_bus: bool) {
        let (id, question) = (view.id, shown(view, cx.now()));
        tracing::info!(
            account = %question.account, caller = question.caller, tier = question.tier,
            question = %id, "a program needs the user's word for tokens"
        );
        let (prompt, told) = Prompt::new(question);
        if !(has_bus && self.prompts.try_send(prompt).is_ok()) {
            cx.tell(Event::Unasked { question: id, why: Unasked::NotShown });
            return;
        }
        let wait =
            cx.spawn(async move { Done::Prompted { question: id, answer: told.await.ok() } });
        self.waits.insert(id, wait);
    }

    /// A question need not be put any more.
    pub(super) fn take_back(&mut self, id: QuestionId) {
        if let Some(wait) = self.waits.remove(&id) {
            // with the task goes what the prompt watches
            wait.abort();
        }
    }

    /// A question has come to its end.
    pub(super) fn answered(&mut self, cx: &mut Context, id: QuestionId, answer: Option<Answered>) {
        // one that was taken back has told nothing
        if self.waits.remove(&id).is_none() {
            return;
        }
        cx.tell(match answer {
            Some(Answered::Said { verdict, by }) => {
                Event::Respond { question: id, verdict: verdict_of(verdict), by, waiter: None }
            }
            Some(Answered::Dismissed) => Event::Unasked { question: id, why: Unasked::Ignored },
            None => Event::Unasked { question: id, why: Unasked::NotShown },
        });
    }
}

/// A question, as it is shown.
pub(super) fn shown(view: &QuestionView<'_>, now: Now) -> Pending {
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

/// A verdict in the lifecycle's words.
pub(super) fn verdict_of(verdict: Verdict) -> lifecycle::Verdict {
    match verdict {
        Verdict::Allow => lifecycle::Verdict::Allow,
        Verdict::Once => lifecycle::Verdict::Once,
        Verdict::Deny => lifecycle::Verdict::Deny,
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
