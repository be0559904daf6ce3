//! Handing an access token out.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde::Serialize;
use zbus::{Type, Variant};

use super::accounts::seconds;
use super::context::Context;
use super::options::Options;
use super::paths;
use super::refusal::{Refusal, invalid, mismatch};
use crate::api::{Account, Fault, FaultKind, GetToken, Proof, Request, Response, SignProof, Token};
use crate::model::{AccessToken, AccountName, Caller, Values};
use crate::sys::handover::{HandOverError, hand_over};

/// How long the engine may try to refresh for a caller, in milliseconds: callers give up after 25
/// seconds, and a token that came late still serves the next one.
pub(super) const TIMEOUT_MS: u32 = 20_000;

/// What there is to say about a token that is handed out.
pub(super) type Details = HashMap<&'static str, Variant<'static>>;

/// A token on its way into a message, shared with the cache: the message is the only copy.
#[derive(Serialize, Type)]
#[zbus(signature = "s")]
#[serde(transparent)]
pub(super) struct TokenText(Arc<AccessToken>);

/// `GetAccessToken`: the token travels in the message, for whoever can see that.
pub(super) async fn hand_out(
    context: &Context,
    caller: Caller,
    account: AccountName,
    options: Options,
) -> Result<(TokenText, String, i64, Details), Refusal> {
    let (token, details) = ask(context, caller, account, options).await?;
    Ok((TokenText(token.access_token), token.token_type, seconds(token.expires_at), details))
}

/// `WriteAccessToken`: the token goes into a socket that the caller made, and nobody else sees it.
pub(super) async fn write(
    context: &Context,
    caller: Caller,
    account: AccountName,
    socket: OwnedFd,
    options: Options,
) -> Result<(i64, Details), Refusal> {
    let (token, mut details) = ask(context, caller, account.clone(), options).await?;
    hand_over(socket, token.access_token.expose().as_bytes()).map_err(|error| match error {
        HandOverError::Io(_) => Fault::new(FaultKind::Internal, error.to_string()).of(account),
        _ => invalid(error.to_string()),
    })?;
    details.insert("token_type", token.token_type.into());
    Ok((seconds(token.expires_at), details))
}

/// `SignProof`: a token that is bound to a key, and the proof of one request with it.
pub(super) async fn prove(
    context: &Context,
    caller: Caller,
    account: AccountName,
    (http_method, url): (String, String),
    mut options: Options,
) -> Result<(TokenText, String, i64, Details), Refusal> {
    let question = SignProof {
        account,
        http_method,
        url,
        nonce: options.text("nonce")?,
        min_valid: options.number("min_validity")?,
        scopes: options.scopes("scopes")?,
        rejected: options.parsed("rejected")?,
        timeout_ms: Some(TIMEOUT_MS),
        interactive: options.flag("interactive")?,
    };
    options.finish()?;
    let asked = context.ask(caller, Request::SignProof(Box::new(question))).await?;
    let Response::Proof(Proof { token, proof }) = asked else { return Err(mismatch().into()) };
    let details = details(context, &token).await?;
    Ok((TokenText(token.access_token), proof, seconds(token.expires_at), details))
}

/// Reads the options and asks for the token.
async fn ask(
    context: &Context,
    caller: Caller,
    account: AccountName,
    mut options: Options,
) -> Result<(Token, Details), Refusal> {
    let question = GetToken {
        account,
        min_valid: options.number("min_validity")?,
        scopes: options.scopes("scopes")?,
        resource: options.resources("resource")?,
        audience: options.parsed("audience")?,
        narrow: options.flag("narrow")?,
        challenge: options.text("challenge")?,
        rejected: options.parsed("rejected")?,
        timeout_ms: Some(TIMEOUT_MS),
        interactive: options.flag("interactive")?,
    };
    options.finish()?;
    let Response::Token(token) = context.ask(caller, Request::GetToken(question)).await? else {
        return Err(mismatch().into());
    };
    let details = details(context, &token).await?;
    Ok((token, details))
}

async fn details(context: &Context, token: &Token) -> Result<Details, Refusal> {
    let scopes: Vec<String> = token.scopes.iter().map(ToString::to_string).collect();
    let mut details =
        HashMap::from([("scopes", Variant::from(scopes)), ("stale", token.stale.into())]);
    if let Some(path) = account_path(context, &token.account).await? {
        details.insert("account", path.into());
    }
    if token.certificate_bound {
        details.insert("certificate_bound", true.into());
    }
    if !token.values.is_empty() {
        details.insert("values", values(&token.values).into());
    }
    Ok(details)
}

/// What APIs wanted and a login lacks, by the names of the parameters that ask for it.
pub(super) fn wanted(account: &Account) -> HashMap<String, String> {
    let Some(lack) = &account.wanted else { return HashMap::new() };
    let scopes = Some(lack.scopes.join(" ")).filter(|scopes| !scopes.is_empty());
    let age = lack.max_age.map(|age| age.to_string());
    [("scope", scopes), ("acr_values", lack.acr_values.clone()), ("max_age", age)]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// What a provider said besides tokens.
pub(super) fn values(values: &Values) -> HashMap<String, String> {
    values.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The object of an account that the engine has just spoken of, if it has one. If the account is so new that
/// its event is still on the way, the engine knows its id.
async fn account_path(
    context: &Context,
    name: &AccountName,
) -> Result<Option<zbus::ObjectPath<'static>>, Fault> {
    if let Some(account) = context.accounts.named(name.as_str()) {
        return Ok(Some(paths::account(&account.id).into()));
    }
    let Account { id, .. } = context.look_up(name.clone()).await?;
    Ok(context.accounts.has_room_for(&id).then(|| paths::account(&id).into()))
}
