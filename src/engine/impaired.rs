//! A daemon that cannot keep tokens, and says so to everybody who asks: a broken database must not
//! look like a daemon that is not there, nor be restarted until the service manager gives up.

use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use super::handle::{EVENTS, Handle, MAILBOX};
use super::task::tick;
use crate::api::Fault;
use crate::sys::notify;

/// A handle behind which every request gets the same fault. Ends when `stop` is gone.
#[must_use]
pub fn impaired(fault: Fault, mut stop: mpsc::Receiver<()>) -> (Handle, JoinHandle<()>) {
    let (mail, mut mailbox) = mpsc::channel::<super::handle::Message>(MAILBOX);
    let (events, _) = broadcast::channel(EVENTS);
    let mut watchdog = notify::watchdog_interval().map(tokio::time::interval);
    let answering = tokio::spawn(async move {
        loop {
            // A stop does not wait behind callers; nor does the sign of life, without which the
            // service manager would restart, again and again, what a restart does not mend.
            tokio::select! {
                biased;
                _ = stop.recv() => return,
                () = tick(watchdog.as_mut()) => notify::watchdog(),
                message = mailbox.recv() => match message {
                    Some(message) => {
                        let _ = message.reply.send(Err(fault.clone()));
                    }
                    None => return,
                },
            }
        }
    });
    (Handle { mailbox: mail, events }, answering)
}
