//! `ostler token`: the command that scripts and other programs' helpers call.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::args::{Format, Token};
use super::client::{Client, parse};
use super::console::Console;
use super::failure::Failure;
use crate::api::{Fault, FaultKind, GetToken};
use crate::model::{AccountName, Scopes};

/// How long the daemon waits for a refresh unless told otherwise, in seconds.
pub(super) const WAIT: u32 = 20;

/// What an answer may take beyond that: the daemon's own deadline is the one that should be met.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// The token where it was received, not a copy of it.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
    stale: bool,
    #[serde(default)]
    certificate_bound: bool,
}

pub(super) fn run(
    args: Token,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let format = args.format();
    let patience = Duration::from_secs(args.timeout.unwrap_or(WAIT).into()) + GRACE;
    let scopes: Scopes = args.scopes.into_iter().collect();
    let request = GetToken {
        interactive: args.no_prompt.then_some(false),
        account: args.account,
        min_valid: args.min_valid,
        scopes: Some(scopes.clone()).filter(|scopes| !scopes.is_empty()),
        resource: Some(args.resources).filter(|resources| !resources.is_empty()),
        audience: args.audience,
        narrow: args.narrow.then_some(true),
        challenge: args.challenge,
        rejected: args.rejected,
        timeout_ms: args.timeout.map(|seconds| seconds * 1000),
    };
    let answer = match client.call_raw("GetToken", &request, patience) {
        Ok(answer) => answer,
        Err(failure) => return Err(failure.sharpen(&request.account, &scopes, client)),
    };
    let Answer { access_token, stale, certificate_bound } = parse(answer)?;
    lasts(stale, request.min_valid, request.account)?;
    // for people: a script that takes words on standard error for a failure has --json
    if certificate_bound && console.watched && matches!(format, Format::Text) {
        console.tell("this token works on a connection with the client's certificate alone\n");
    }
    match (format, access_token) {
        (Format::Json, _) => console.line(answer.get().as_bytes()),
        (Format::Text, Cow::Borrowed(token)) => console.line(token.as_bytes()),
        // it had escapes, as no known token has
        (Format::Text, Cow::Owned(token)) => console.line(Zeroizing::new(token).as_bytes()),
    }
}

/// Whoever says how long a token has to last would rather have none than one that dies in use.
pub(super) fn lasts(
    stale: bool,
    min_valid: Option<u32>,
    account: AccountName,
) -> Result<(), Failure> {
    let Some(seconds) = min_valid.filter(|_| stale) else { return Ok(()) };
    let message = format!("no token with {seconds} seconds left could be had");
    Err(Fault::new(FaultKind::ProviderError, message).of(account).into())
}
