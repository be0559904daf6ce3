//! `ostler login`: sends a person to the provider and waits until the grant is stored.

mod provider;
mod secret;
mod show;
mod wait;

pub(super) use secret::secret_of;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::args::{Callback, Format, Login};
use super::client::{Client, PROMPT};
use super::console::Console;
use super::failure::Failure;
use super::list::unless_json;
use super::status::show as show_line;
use super::text::{one_line, span};
use crate::api::{self, FaultKind, Flow, LoginEnded, LoginStarted};
use crate::model::Scopes;

/// How long the daemon may take to fetch an issuer's metadata.
const DISCOVERY: Duration = Duration::from_mins(1);

pub(super) fn run(args: &Login, path: &Path, console: &mut Console<'_>) -> Result<(), Failure> {
    let format = args.format();
    // before anybody is asked for a secret in vain
    let mut client = Client::connect(path)?;
    let Some(provider) = args.provider.clone().or(args.issuer.clone()) else {
        return Err(Failure::Usage(
            "whom to sign in to is not said; see: ostler login --help".into(),
        ));
    };
    let (provider, info) = provider::settle(provider, &mut client, console)?;
    let client_secret = secret::client_secret(args, console)?;
    let scopes: Scopes = args.scopes.iter().cloned().collect();
    let browser = has_browser(console.variables);
    // without a browser here, the one of another device is better than pasting an address
    let by_itself = !browser && !args.no_browser && args.redirect_uri.is_none();
    let device_is_there = info.as_ref().is_some_and(|info| info.device);
    let mut request = api::Login {
        provider: provider.clone(),
        account: args.account.clone(),
        client_id: args.client_id.clone(),
        client_secret,
        redirect_uri: args.redirect_uri.clone(),
        scopes: Some(scopes).filter(|scopes| !scopes.is_empty()),
        resource: Some(args.resources.clone()).filter(|resources| !resources.is_empty()),
        audience: args.audience.clone(),
        login_hint: args.suggested.clone(),
        flow: args.flow().or((by_itself && device_is_there).then_some(Flow::Device)),
        subject: args.subject.clone(),
        dpop: args.dpop.then_some(true),
        refresh_token: None,
    };
    let mut started: Result<LoginStarted, Failure> = client.call("Login", &request, DISCOVERY);
    if let Err(Failure::Fault(fault)) = &started
        && request.flow == Some(Flow::Device)
        && args.flow().is_none()
        && matches!(fault.kind, FaultKind::ClientRejected | FaultKind::InvalidOption)
    {
        // many clients are registered for the browser alone
        console.tell(&format!(
            "no code to type in ({}); by the browser then\n",
            one_line(&fault.message)
        ));
        request.flow = Some(Flow::Browser);
        started = client.call("Login", &request, DISCOVERY);
    }
    let started = started?;
    // the secret with it, and the connection, which would be idle for longer than the daemon allows
    drop((request, client));

    match format {
        Format::Json => console.json(&started)?,
        Format::Text => show::started(&started, &provider, console)?,
    }
    if !args.no_browser && browser && !started.authorization_uri.is_empty() {
        open_browser(&started.authorization_uri);
    }
    // the secret may have been all that was in the pipe
    let then = args.client_secret_stdin.then_some(console.terminal);
    let ended = wait::finish(&started, path, console, then)?;
    match format {
        Format::Json => console.json(&ended),
        Format::Text => {
            let now = Client::connect(path).ok().and_then(|mut client| client.daemon(PROMPT).ok());
            let now = now.map(|daemon| daemon.now);
            console.tell(&format!(
                "signed in: {} ({provider}), {}\n",
                ended.account,
                granted(&ended, now)
            ));
            Ok(())
        }
    }
}

/// Hands an address to the sign-in that it belongs to.
pub(super) fn callback(
    args: Callback,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let format = args.format();
    let redirect = api::Redirect { request: None, uri: args.uri };
    let answer = client.call_raw("SubmitRedirect", &redirect, PROMPT);
    drop(Zeroizing::new(redirect.uri));
    let Some(IgnoredAny) = unless_json(answer, format, console)? else { return Ok(()) };
    show_line(console, "checking with the provider: how it ends is said where the sign-in began\n")
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
