//! `ostler login`: sends a person to the provider and waits until the grant is stored.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::args::{Format, Login};
use super::client::{Client, Nothing, PROMPT};
use super::console::{Console, Input, Lines, OpenTerminal};
use super::failure::{Failure, Unreachable};
use super::hidden;
use super::text::{one_line, span};
use crate::api::{self, Fault, FaultKind, LoginEnded, LoginStarted, Redirect, RequestRef, Status};
use crate::model::{ClientSecret, Scopes};

/// How long the daemon may take to fetch an issuer's metadata.
const DISCOVERY: Duration = Duration::from_mins(1);

/// How long a person may take. The daemon's own limit is shorter.
const SIGN_IN: Duration = Duration::from_hours(1);

pub(super) fn run(args: Login, path: &Path, console: &mut Console<'_>) -> Result<(), Failure> {
    let format = args.format();
    // before anybody is asked for a secret in vain
    let mut client = Client::connect(path)?;
    let client_secret = client_secret(&args, console)?;
    let Some(provider) = args.provider.or(args.issuer) else {
        return Err(Failure::Usage(
            "whom to sign in to is not said; see: ostler login --help".into(),
        ));
    };
    let scopes: Scopes = args.scopes.into_iter().collect();
    let request = api::Login {
        provider: provider.clone(),
        account: args.account,
        client_id: args.client_id,
        client_secret,
        redirect_uri: args.redirect_uri,
        scopes: Some(scopes).filter(|scopes| !scopes.is_empty()),
        resource: Some(args.resources).filter(|resources| !resources.is_empty()),
        audience: args.audience,
        login_hint: args.suggested,
    };
    let started: LoginStarted = client.call("Login", &request, DISCOVERY)?;
    // the secret with it, and the connection, which would be idle for longer than the daemon allows
    drop((request, client));

    match format {
        Format::Json => console.json(&started)?,
        Format::Text => {
            console.tell(&format!("To sign in to {provider} as {}, visit\n", started.account));
            console.line(one_line(&started.authorization_uri).as_bytes())?;
        }
    }
    if !args.no_browser && has_browser(console.variables) {
        open_browser(&started.authorization_uri);
    }
    // the secret may have been all that was in the pipe
    let then = args.client_secret_stdin.then_some(console.terminal);
    let ended = finish(&started, path, console, then)?;
    match format {
        Format::Json => console.json(&ended),
        Format::Text => {
            let now = ask::<_, Status>(path, "Status", &Nothing {}).ok().map(|it| it.daemon.now);
            console.tell(&format!(
                "signed in: {} ({provider}), {}\n",
                ended.account,
                granted(&ended, now)
            ));
            Ok(())
        }
    }
}

fn granted(ended: &LoginEnded, now: Option<i64>) -> String {
    let mut parts = Vec::new();
    if !ended.scopes.is_empty() {
        parts.push(format!("scopes {}", ended.scopes.join(" ")));
    }
    if let (Some(expires_at), Some(now)) = (ended.expires_at, now) {
        parts.push(format!("token valid for {}", span(expires_at - now)));
    }
    parts.push(if ended.renewable {
        "renewable".to_owned()
    } else {
        "not renewable: sign in again when it expires".to_owned()
    });
    parts.join(", ")
}

fn client_secret(args: &Login, console: &mut Console<'_>) -> Result<Option<api::Secret>, Failure> {
    let line = if let Some(command) = &args.client_secret_command {
        secret_of_command(command)?
    } else if args.client_secret_stdin {
        let read = match &mut console.input {
            Some(input) if input.interactive => {
                hidden::line(io::stdin(), || console.tell("Client secret: "))
            }
            Some(input) => input.lines.next(),
            None => Ok(None),
        };
        read.map_err(|error| Failure::Usage(format!("cannot read standard input: {error}")))?
    } else {
        return Ok(None);
    };
    match line {
        Some(mut line) if !line.is_empty() => {
            Ok(Some(Arc::new(ClientSecret::new(std::mem::take(&mut *line)))))
        }
        _ => Err(Failure::Usage("the client secret is empty; see: ostler login --help".into())),
    }
}

fn secret_of_command(command: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::Usage(format!("the command for the client secret failed: {why}"))
    };
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    let line = child.stdout.take().map(|stdout| {
        let mut lines = Lines::new(stdout);
        let first = lines.next();
        // to the end, so that the command is not killed for saying more than was asked
        while let Ok(Some(_)) = lines.next() {}
        first
    });
    let status = child.wait().map_err(|error| failed(&error))?;
    if !status.success() {
        return Err(failed(&status));
    }
    line.transpose().map(Option::flatten).map_err(|error| failed(&error))
}

/// Whether there is a screen that this person looks at.
fn has_browser(variables: &dyn Fn(&str) -> Option<OsString>) -> bool {
    let set = |name| variables(name).is_some_and(|value| !value.is_empty());
    (set("DISPLAY") || set("WAYLAND_DISPLAY")) && !set("SSH_CONNECTION")
}

/// Opens the browser in a process group of its own: it outlives this command and its Ctrl-C. If that
/// fails, the URL is on the screen.
fn open_browser(uri: &str) {
    let _ = Command::new("xdg-open")
        .arg(uri)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
}

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
fn finish(
    started: &LoginStarted,
    path: &Path,
    console: &mut Console<'_>,
    then: Option<OpenTerminal>,
) -> Result<LoginEnded, Failure> {
    let (happened, happenings) = mpsc::sync_channel(1);
    let reference = RequestRef { request: started.request.clone() };
    await_end(reference.clone(), Client::connect(path)?, happened.clone());
    let interactive = console.input.as_ref().is_some_and(|input| input.interactive);
    if let Some(input) = console.input.take_if(|_| started.paste || interactive) {
        read_lines(input, then.filter(|_| !interactive), happened);
    } else {
        drop(happened);
    }
    console.tell(&match (started.paste, interactive) {
        (true, _) => format!(
            "There the browser ends at an address that begins with {}; the page may well be an \
             error.\nPaste that address here: ",
            one_line(&started.redirect_uri)
        ),
        (false, true) => "waiting for the browser (if it is on another machine, paste the address \
                          that it ends at) ...\n"
            .to_owned(),
        (false, false) => "waiting for the browser ...\n".to_owned(),
    });
    let mut submitted = false;
    for happening in happenings {
        match happening {
            Happening::Ended(ended) => {
                // the prompt is still open
                if started.paste && !submitted {
                    console.tell("\n");
                }
                return ended;
            }
            Happening::Line(line) if line.trim().is_empty() => {}
            Happening::Line(line) => {
                let uri = line.trim().to_owned();
                let redirect = Redirect { request: started.request.clone(), uri };
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
            Happening::InputOver if started.paste && !submitted => {
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
fn ask<P: Serialize, R: for<'a> Deserialize<'a>>(
    path: &Path,
    method: &str,
    parameters: &P,
) -> Result<R, Failure> {
    Client::connect(path)?.call(method, parameters, PROMPT)
}

fn await_end(reference: RequestRef, mut waiter: Client, happened: mpsc::SyncSender<Happening>) {
    thread::spawn(move || {
        let ended = waiter.call("AwaitLogin", &reference, SIGN_IN);
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
