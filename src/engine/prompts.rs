//! Questions on their way to the user: whoever shows them is handed each as a [`Prompt`], and tells the
//! answer by it. A prompt that is dropped was not answered; one whose question is settled otherwise is
//! withdrawn.

use tokio::sync::{mpsc, oneshot};

use crate::api::{Pending, Verdict};

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

/// The way to whoever shows questions.
pub(super) fn channel() -> (mpsc::Sender<Prompt>, Prompts) {
    let (sender, prompts) = mpsc::channel(PROMPTS);
    (sender, Prompts(prompts))
}

impl Prompt {
    /// A question, and where its answer comes out.
    pub(super) fn new(question: Pending) -> (Self, oneshot::Receiver<Answered>) {
        let (answer, told) = oneshot::channel();
        (Self { question, answer }, told)
    }
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
