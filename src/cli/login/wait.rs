//! Waiting for the end of a sign-in, and feeding it what the person pastes meanwhile.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::api::{Fault, FaultKind, Flow, LoginEnded, LoginStarted, Redirect, RequestRef};
use crate::cli::client::{Client, PROMPT};
use crate::cli::console::{Console, Input, OpenTerminal};
use crate::cli::failure::{Failure, Unreachable};
use crate::cli::text::one_line;

/// How long a person may take. The daemon's own limit is shorter.
const SIGN_IN: Duration = Duration::from_hours(1);

/// How often a daemon that went away is looked for, while a sign-in waits that outlives it.
const RETURNS: u32 = 60;

/// What can happen while a sign-in is under way.
enum Happening {
    /// A line was typed or pasted.
    Line(Zeroizing<String>),
    /// There will be no more lines.
    InputOver,
    /// The daemon says how it ended.
    Ended(Result<LoginEnded, Failure>),
}

/// Waits for the end, and feeds the daemon what the person pastes: always, if it cannot see the
/// redirect, and from a terminal in any case, because the browser may be on another machine. Where
/// standard input has nothing more, lines come from `then`.
pub(super) fn finish(
    started: &LoginStarted,
    path: &Path,
    console: &mut Console<'_>,
    then: Option<OpenTerminal>,
) -> Result<LoginEnded, Failure> {
    let (happened, happenings) = mpsc::sync_channel(1);
    let reference = RequestRef { request: started.request.clone() };
    let outlives = started.flow == Flow::Device;
    await_end(reference.clone(), path.to_owned(), outlives, happened.clone());
    // nobody pastes where no browser comes back
    let interactive = started.flow == Flow::Browser
        && console.input.as_ref().is_some_and(|input| input.interactive);
    if let Some(input) = console.input.take_if(|_| started.paste || interactive) {
        read_lines(input, then.filter(|_| !interactive), happened);
    } else {
        drop(happened);
    }
    // an address of a scheme of its own comes back by the desktop, as a rule
    let handed = started.paste && !started.redirect_uri.starts_with("http");
    console.tell(&match (started.paste, interactive) {
        (true, _) if handed => format!(
            "waiting for the browser (should it not come back by itself, paste the address that begins \
             with {}) ...\n",
            one_line(&started.redirect_uri)
        ),
        (true, _) => format!(
            "There the browser ends at an address that begins with {}; the page may well be an \
             error.\nPaste that address here: ",
            one_line(&started.redirect_uri)
        ),
        (false, true) => "waiting for the browser (if it is on another machine, paste the address \
                          that it ends at) ...\n"
            .to_owned(),
        (false, false) => match started.flow {
            Flow::Browser => "waiting for the browser ...\n".to_owned(),
            Flow::Device => "waiting until you have agreed there ...\n".to_owned(),
            Flow::ClientCredentials | Flow::JwtBearer | Flow::Import => {
                "asking the provider ...\n".to_owned()
            }
        },
    });
    let mut submitted = false;
    for happening in happenings {
        match happening {
            Happening::Ended(ended) => {
                // the prompt is still open
                if started.paste && !submitted && !handed {
                    console.tell("\n");
                }
                return ended;
            }
            Happening::Line(line) if line.trim().is_empty() => {}
            Happening::Line(line) => {
                let uri = line.trim().to_owned();
                let redirect = Redirect { request: Some(started.request.clone()), uri };
                let answer = ask::<_, IgnoredAny>(path, "SubmitRedirect", &redirect);
                drop(Zeroizing::new(redirect.uri));
                match answer {
                    Ok(_) => {
                        submitted = true;
                        console.tell("checking with the provider ...\n");
                    }
                    // the sign-in is still open
                    Err(Failure::Fault(fault)) if fault.kind == FaultKind::InvalidOption => {
                        let why = one_line(&fault.message);
                        console.tell(&format!("that is not it: {why}\nPaste the whole address: "));
                    }
                    // over already: how, is about to be said
                    Err(Failure::Fault(fault)) if fault.kind == FaultKind::NoSuchRequest => {}
                    Err(failure) => return Err(failure),
                }
            }
            Happening::InputOver if started.paste && !submitted && !handed => {
                console.tell("\n");
                ask::<_, IgnoredAny>(path, "Cancel", &reference)?;
                return Err(Fault::new(FaultKind::Cancelled, "no address was given")
                    .of(started.account.clone())
                    .into());
            }
            Happening::InputOver => {}
        }
    }
    // only if the thread that waits died
    Err(Unreachable::HungUp.into())
}

/// Asks on a connection of its own: a person may take longer than the daemon keeps an idle one.
pub(super) fn ask<P: Serialize, R: for<'a> Deserialize<'a>>(
    path: &Path,
    method: &str,
    parameters: &P,
) -> Result<R, Failure> {
    Client::connect(path)?.call(method, parameters, PROMPT)
}

/// Waits on a connection of its own. A sign-in on another device goes on when the daemon is there again
/// after a restart, so there the wait goes on, too: that it has not even begun when the daemon goes makes no
/// difference.
fn await_end(
    reference: RequestRef,
    path: PathBuf,
    outlives: bool,
    happened: mpsc::SyncSender<Happening>,
) {
    thread::spawn(move || {
        let wait = || {
            let waiter = Client::connect(&path).map_err(Failure::from);
            waiter.and_then(|mut waiter| waiter.call("AwaitLogin", &reference, SIGN_IN))
        };
        let mut ended = wait();
        let mut returns = 0;
        while let (true, Err(Failure::Unreachable(_))) = (outlives && returns < RETURNS, &ended) {
            returns += 1;
            thread::sleep(Duration::from_secs(1));
            ended = wait();
        }
        if let (true, Err(Failure::Fault(fault))) = (returns > 0, &mut ended)
            && fault.kind == FaultKind::NoSuchRequest
        {
            "the daemon was restarted meanwhile, and the sign-in is over"
                .clone_into(&mut fault.message);
            "run: ostler status, which shows whether you are signed in".clone_into(&mut fault.hint);
        }
        // nobody listens any more if the command is about to end
        let _ = happened.send(Happening::Ended(ended));
    });
}

fn read_lines(
    mut input: Input,
    mut then: Option<OpenTerminal>,
    happened: mpsc::SyncSender<Happening>,
) {
    thread::spawn(move || {
        loop {
            let mut line: io::Result<Option<_>> = input.lines.next();
            // only if not even one line was there
            if let Some(open) = then.take()
                && let Ok(None) = line
                && let Ok(lines) = open()
            {
                input.lines = lines;
                line = input.lines.next();
            }
            let Ok(Some(line)) = line else {
                let _ = happened.send(Happening::InputOver);
                return;
            };
            if happened.send(Happening::Line(line)).is_err() {
                return;
            }
        }
    });
}
