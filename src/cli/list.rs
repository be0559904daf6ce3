//! `ostler accounts`, `ostler providers`, `ostler logout` and `ostler resume`: a question each, and its
//! answer.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::args::{Format, Logout, Plain, Resume};
use super::client::{Client, Nothing, PROMPT, parse};
use super::console::Console;
use super::failure::Failure;
use super::status::{NO_ACCOUNTS, show, state};
use super::stream;
use super::text::{Cell, Sheet, one_line, table};
use crate::api::{self, Account, LoggedOut, ProviderInfo, Revocation};
use crate::model::Scopes;

/// How long revocation may take: the daemon asks the provider.
pub(super) const REVOCATION: Duration = Duration::from_mins(1);

pub(super) fn accounts(
    args: Plain,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Answer {
        accounts: Vec<Account>,
    }
    let call = ("ListAccounts", &Nothing {});
    if args.format() == Format::Json {
        return stream::json(client, call, "accounts", PROMPT, console);
    }
    let header = ["ACCOUNT", "PROVIDER", "STATE", "CLIENT", "SCOPES"];
    let mut sheet = Sheet::new(&header, (console.look)());
    let mut is_first = true;
    stream::each(client, call, PROMPT, |Answer { accounts }, after| {
        if std::mem::take(&mut is_first) && accounts.is_empty() {
            return show(console, NO_ACCOUNTS);
        }
        let row = |account: &Account| {
            vec![
                account.name.as_str().into(),
                account.provider.as_str().into(),
                state(account),
                account.client_id.as_str().into(),
                account.scopes.join(" ").into(),
            ]
        };
        show(console, &sheet.page(&accounts.iter().map(row).collect::<Vec<_>>(), after))
    })
}

pub(super) fn providers(
    args: Plain,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Answer {
        providers: Vec<ProviderInfo>,
    }
    let answer = client.call_raw("ListProviders", &Nothing {}, PROMPT);
    let Some(Answer { providers }) = unless_json(answer, args.format(), console)? else {
        return Ok(());
    };
    let rows: Vec<Vec<Cell>> = providers
        .iter()
        .map(|provider| {
            vec![
                provider.id.as_str().into(),
                provider.title.as_str().into(),
                provider.redirect.as_str().into(),
                provider.source.as_str().into(),
                provider.scopes.join(" ").into(),
            ]
        })
        .collect();
    let header = ["PROVIDER", "NAME", "REDIRECT", "SOURCE", "SCOPES"];
    show(console, &table(&header, &rows, (console.look)()))
}

pub(super) fn logout(
    args: Logout,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let format = args.format();
    let revoke = args.keep_tokens.then_some(false);
    let request = api::Logout { account: args.account, revoke };
    let answer = match client.call_raw("Logout", &request, REVOCATION) {
        Ok(answer) => answer,
        Err(failure) => {
            return Err(failure.sharpen(&request.account, &Scopes::default(), client));
        }
    };
    let Some(ended) = unless_json::<LoggedOut>(Ok(answer), format, console)? else {
        return Ok(());
    };
    let outcome = match revoke {
        Some(false) => "its tokens are left to the provider".to_owned(),
        _ => revocation(&ended),
    };
    show(console, &format!("signed out: {}; {outcome}\n", ended.account))
}

/// What became of tokens at the provider, in words.
pub(super) fn revocation(ended: &LoggedOut) -> String {
    let outcome = match ended.revocation {
        Revocation::Revoked => "its tokens are revoked",
        Revocation::Queued => "its tokens will be revoked as soon as the provider can be reached",
        Revocation::Nothing => "it had no tokens",
        Revocation::Unsupported => {
            "the provider cannot revoke tokens, so they are good until they expire"
        }
        Revocation::Failed => {
            "the provider did not revoke its tokens, so they are good until they expire"
        }
    };
    let reason = ended.reason.as_ref().map(|reason| format!(" ({})", one_line(reason)));
    format!("{outcome}{}", reason.unwrap_or_default())
}

pub(super) fn resume(
    args: Resume,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let format = args.format();
    let request = api::Resume { account: args.account };
    let answer = match client.call_raw("Resume", &request, PROMPT) {
        Ok(answer) => answer,
        Err(failure) => {
            return Err(failure.sharpen(&request.account, &Scopes::default(), client));
        }
    };
    match unless_json::<Nothing>(Ok(answer), format, console)? {
        Some(Nothing {}) => {
            let account = request.account;
            show(console, &format!("trying again: {account}; see: ostler status {account}\n"))
        }
        None => Ok(()),
    }
}

/// The answer to be shown in words; with `--json` its own text is printed, and nothing is left to show.
pub(super) fn unless_json<T: for<'a> Deserialize<'a>>(
    answer: Result<&RawValue, Failure>,
    format: Format,
    console: &mut Console<'_>,
) -> Result<Option<T>, Failure> {
    let answer = answer?;
    match format {
        Format::Json => console.line(answer.get().as_bytes()).map(|()| None),
        Format::Text => parse(answer).map(Some),
    }
}
