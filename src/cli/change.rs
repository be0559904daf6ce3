//! `ostler refresh`, `rename`, `enable`, `disable` and `revoke`: what a user does with an account.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use super::args::{Named, Refresh, Rename};
use super::client::{Client, Nothing, PROMPT};
use super::console::Console;
use super::failure::Failure;
use super::list::{REVOCATION, revocation, unless_json};
use super::status::show;
use super::text::span;
use crate::api::{self, LoggedOut, Refreshed};
use crate::model::{AccountName, Scopes};

/// How long the daemon waits for a refresh unless told otherwise, and what its answer may take on top.
const REFRESH: Duration = Duration::from_secs(22);

/// Asks something of an account; a failure names the command that helps.
fn ask(
    method: &str,
    request: &impl Serialize,
    account: &AccountName,
    patience: Duration,
    client: &mut Client,
) -> Result<Box<RawValue>, Failure> {
    match client.call_raw(method, request, patience) {
        Ok(answer) => Ok(answer.to_owned()),
        Err(failure) => Err(failure.sharpen(account, &Scopes::default(), client)),
    }
}

pub(super) fn refresh(
    args: Refresh,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let format = args.format();
    let timeout_ms = args.timeout.map(|seconds| seconds * 1000);
    let patience =
        args.timeout.map_or(REFRESH, |seconds| Duration::from_secs(u64::from(seconds) + 2));
    let request = api::Refresh { account: args.account, timeout_ms };
    let answer = ask("Refresh", &request, &request.account, patience, client)?;
    let Some(Refreshed { account, expires_at }) = unless_json(Ok(&answer), format, console)? else {
        return Ok(());
    };
    let now = client.daemon(PROMPT).ok().map(|daemon| daemon.now);
    let valid =
        expires_at.zip(now).map(|(end, now)| format!(", token valid for {}", span(end - now)));
    show(console, &format!("refreshed: {account}{}\n", valid.unwrap_or_default()))
}

pub(super) fn rename(
    args: Rename,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let format = args.format();
    let request = api::Rename { account: args.account, name: args.name };
    let answer = ask("Rename", &request, &request.account, PROMPT, client)?;
    match unless_json::<Nothing>(Ok(&answer), format, console)? {
        Some(Nothing {}) => {
            show(console, &format!("{} is {} now\n", request.account, request.name))
        }
        None => Ok(()),
    }
}

pub(super) fn enable(
    args: Named,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    set_enabled(args, true, "in use: its tokens are handed out and kept fresh", client, console)
}

pub(super) fn disable(
    args: Named,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let words = "out of use: nobody is given its tokens, and its login is kept";
    set_enabled(args, false, words, client, console)
}

fn set_enabled(
    args: Named,
    enabled: bool,
    words: &str,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let format = args.format();
    let request = api::SetEnabled { account: args.account, enabled };
    let answer = ask("SetEnabled", &request, &request.account, PROMPT, client)?;
    match unless_json::<Nothing>(Ok(&answer), format, console)? {
        Some(Nothing {}) => show(console, &format!("{} is {words}\n", request.account)),
        None => Ok(()),
    }
}

pub(super) fn revoke(
    args: Named,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let format = args.format();
    let request = api::Revoke { account: args.account };
    let answer = ask("Revoke", &request, &request.account, REVOCATION, client)?;
    let Some(ended) = unless_json::<LoggedOut>(Ok(&answer), format, console)? else {
        return Ok(());
    };
    show(console, &format!("{} needs a login now; {}\n", ended.account, revocation(&ended)))
}
