//! Handing an access token out.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use zbus::{Type, Variant};

use super::accounts::seconds;
use super::context::Context;
use super::options::Options;
use super::paths;
use super::refusal::{Refusal, mismatch};
use crate::api::{Fault, FaultKind, GetToken, Request, Response};
use crate::model::{AccessToken, AccountName, Caller};

/// How long the engine may try to refresh for a caller, in milliseconds: callers give up after 25
/// seconds, and a token that came late still serves the next one.
const TIMEOUT_MS: u32 = 20_000;

/// What there is to say about a token that is handed out.
pub(super) type Details = HashMap<&'static str, Variant<'static>>;

/// A token on its way into a message, shared with the cache: the message is the only copy.
#[derive(Serialize, Type)]
#[zbus(signature = "s")]
#[serde(transparent)]
pub(super) struct TokenText(Arc<AccessToken>);

/// Reads the options of `GetAccessToken`, and asks for the token.
pub(super) async fn hand_out(
    context: &Context,
    caller: Caller,
    account: AccountName,
    mut options: Options,
) -> Result<(TokenText, String, i64, Details), Refusal> {
    let question = GetToken {
        account,
        min_valid: options.number("min_validity")?,
        scopes: options.scopes("scopes")?,
        rejected: options.parsed("rejected")?,
        timeout_ms: Some(TIMEOUT_MS),
    };
    options.finish()?;
    let Response::Token(token) = context.ask(caller, Request::GetToken(question)).await? else {
        return Err(mismatch().into());
    };
    let scopes: Vec<String> = token.scopes.iter().map(ToString::to_string).collect();
    let details = HashMap::from([
        ("scopes", Variant::from(scopes)),
        ("stale", token.stale.into()),
        ("account", account_path(context, &token.account).await?.into()),
    ]);
    Ok((TokenText(token.access_token), token.token_type, seconds(token.expires_at), details))
}

/// The object of an account that the engine has just spoken of. If it is so new that its event is
/// still on the way, the engine knows its id.
async fn account_path(
    context: &Context,
    name: &AccountName,
) -> Result<zbus::ObjectPath<'static>, Fault> {
    if let Some(account) = context.accounts.named(name.as_str()) {
        return Ok(paths::account(&account.id).into());
    }
    let accounts = context.list_accounts().await?;
    let account = accounts.into_iter().find(|account| account.name == *name);
    let gone = || Fault::new(FaultKind::NoSuchAccount, "the account is gone").of(name.clone());
    Ok(paths::account(&account.ok_or_else(gone)?.id).into())
}
