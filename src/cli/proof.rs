//! `ostler proof`: what a script needs to use a token that is bound to a key (RFC 9449).

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::args::{Format, Proof};
use super::client::{Client, parse};
use super::console::Console;
use super::failure::Failure;
use super::token::{GRACE, WAIT, lasts};
use crate::api::SignProof;
use crate::model::Scopes;

/// The token where it was received, not a copy of it.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
    stale: bool,
    #[serde(borrow)]
    proof: Cow<'a, str>,
}

/// Prints both headers, one a line, as `curl --header @-` reads them.
pub(super) fn run(
    args: Proof,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let format = args.format();
    let patience = Duration::from_secs(args.timeout.unwrap_or(WAIT).into()) + GRACE;
    let scopes: Scopes = args.scopes.into_iter().collect();
    let request = SignProof {
        account: args.account,
        http_method: args.method,
        url: args.url,
        nonce: args.nonce,
        min_valid: args.min_valid,
        scopes: Some(scopes.clone()).filter(|scopes| !scopes.is_empty()),
        rejected: args.rejected,
        timeout_ms: args.timeout.map(|seconds| seconds * 1000),
        interactive: args.no_prompt.then_some(false),
    };
    let answer = match client.call_raw("SignProof", &request, patience) {
        Ok(answer) => answer,
        Err(failure) => return Err(failure.sharpen(&request.account, &scopes, client)),
    };
    let Answer { access_token, stale, proof } = parse(answer)?;
    lasts(stale, request.min_valid, request.account)?;
    match format {
        Format::Json => console.line(answer.get().as_bytes()),
        Format::Text => {
            let lines = format!("Authorization: DPoP {access_token}\nDPoP: {proof}");
            console.line(Zeroizing::new(lines).as_bytes())
        }
    }
}
