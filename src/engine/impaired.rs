//! A daemon that cannot keep tokens, and says so to everybody who asks: a broken database must not
//! look like a daemon that is not there, nor be restarted until the service manager gives up.

use tokio::sync::{broadcast, mpsc};

use super::control::{Control, tick};
use super::handle::{EVENTS, Handle, MAILBOX, Message};
use crate::api::Fault;
use crate::sys::notify;

/// A handle behind which every request gets the same fault, and what answers it. That takes the place
/// of an engine: it ends when `control` says so or is gone.
pub fn impaired(
    fault: Fault,
    control: mpsc::Receiver<Control>,
) -> (Handle, impl Future<Output = ()> + Send) {
    let (mail, mailbox) = mpsc::channel::<Message>(MAILBOX);
    let (events, _) = broadcast::channel(EVENTS);
    let answering = async move { refuse(&fault, mailbox, control).await };
    (Handle { mailbox: mail, events }, answering)
}

/// Gives everybody the same fault, until `control` says so or is gone.
pub(super) async fn refuse(
    fault: &Fault,
    mut mailbox: mpsc::Receiver<Message>,
    mut control: mpsc::Receiver<Control>,
) {
    let mut watchdog = notify::watchdog_interval().map(tokio::time::interval);
    loop {
        // A stop does not wait behind callers; nor does the sign of life, without which the
        // service manager would restart, again and again, what a restart does not mend.
        tokio::select! {
            biased;
            order = control.recv() => match order {
                Some(Control::Drain) | None => return,
                // nothing of it mends what is wrong
                Some(_) => {}
            },
            () = tick(watchdog.as_mut()) => notify::watchdog(),
            message = mailbox.recv() => match message {
                Some(message) => message.asker.answer(Err(fault.clone())),
                None => return,
            },
        }
    }
}
