//! The end of an engine: it has drained, or its database turned out to be damaged.

use tokio::sync::mpsc;

use super::control::Control;
use super::faults;
use super::handle::Message;
use super::impaired::refuse;
use super::task::Engine;
use crate::api::Fault;
use crate::store::{Store, StoreError};
use crate::sys::notify;

impl Engine {
    /// Answers who still waits, and whoever came too late.
    pub(super) fn stop(self) -> Store {
        let fault = faults::stopping();
        let (store, mut mailbox) = self.let_go(&fault);
        mailbox.close();
        while let Ok(message) = mailbox.try_recv() {
            message.asker.answer(Err(fault.clone()));
        }
        store
    }

    /// Serves nothing but that the database is damaged, until a stop.
    pub(super) async fn serve_fault(
        self,
        error: &StoreError,
        control: mpsc::Receiver<Control>,
    ) -> Store {
        tracing::error!(%error, "serving nothing but this error");
        // the log has it too
        let _ = notify::status(&format!("cannot keep tokens: {error}"));
        let (stops, fault) = (self.draining, faults::unkept(error));
        let (store, mailbox) = self.let_go(&fault);
        if !stops {
            refuse(&fault, mailbox, control).await;
        }
        store
    }

    /// Tells who still waits why, and lets go of everything but the store and whoever comes next.
    fn let_go(mut self, fault: &Fault) -> (Store, mpsc::Receiver<Message>) {
        self.write_uses();
        self.errands.leave();
        self.logouts.leave(fault);
        for (asker, account) in self.waiters.leave_all() {
            let fault = fault.clone();
            asker.answer(Err(match account {
                Some(account) => fault.of(account),
                None => fault,
            }));
        }
        (self.cx.into_store(), self.inputs.mailbox)
    }
}
