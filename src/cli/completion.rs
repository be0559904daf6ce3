//! What a shell offers when the user presses the tab key: the shell runs `ostler` itself with `COMPLETE`
//! set, so the names of accounts and providers are those of this moment.

use std::ffi::OsString;
use std::time::Duration;

use clap_complete::CompletionCandidate;
use clap_complete::env::CompleteEnv;
use serde::Deserialize;

use super::args::command;
use super::client::{Client, Nothing, socket_path};
use crate::api::{Grant, Listing, Pending, ProviderInfo, Use};

/// The variable by which a shell says that it wants to complete, and which shell it is. Without
/// arguments it is told what to do at the tab key.
pub(super) const VARIABLE: &str = "COMPLETE";

/// How long a user who pressed the tab key waits for the daemon.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many accounts are offered: who has more types on.
const OFFERED: u32 = 1000;

/// Answers the shell.
pub(super) fn run(args: impl IntoIterator<Item = OsString>) -> clap::error::Result<()> {
    let directory = std::env::current_dir().ok();
    CompleteEnv::with_factory(command)
        .var(VARIABLE)
        .completer("ostler")
        .try_complete(args, directory.as_deref())
        .map(|_| ())
}

/// The accounts; none if the daemon is not there.
pub(super) fn accounts() -> Vec<CompletionCandidate> {
    let accounts =
        client().and_then(|mut client| client.accounts(&Listing::first(OFFERED), PATIENCE).ok());
    let offer = |account: crate::api::Account| {
        let title = format!("{}, {}", account.provider, account.state.as_str());
        CompletionCandidate::new(account.name.as_str()).help(Some(title.into()))
    };
    accounts.unwrap_or_default().into_iter().map(offer).collect()
}

/// The providers that can be named; none if the daemon is not there.
pub(super) fn providers() -> Vec<CompletionCandidate> {
    #[derive(Deserialize)]
    struct Providers {
        providers: Vec<ProviderInfo>,
    }
    let Some(Providers { providers }) = ask("ListProviders") else { return Vec::new() };
    let offer = |provider: ProviderInfo| {
        CompletionCandidate::new(provider.id.as_str()).help(Some(provider.title.into()))
    };
    providers.into_iter().map(offer).collect()
}

/// The programs that were given tokens; none if the daemon is not there.
pub(super) fn programs() -> Vec<CompletionCandidate> {
    #[derive(Deserialize)]
    struct Uses {
        uses: Vec<Use>,
    }
    let Some(Uses { uses }) = ask("ListUses") else { return Vec::new() };
    let mut programs: Vec<String> = uses.into_iter().map(|usage| usage.caller).collect();
    programs.sort();
    programs.dedup();
    programs.into_iter().map(CompletionCandidate::new).collect()
}

/// The rules about programs; none if the daemon is not there.
pub(super) fn rules() -> Vec<CompletionCandidate> {
    #[derive(Deserialize)]
    struct Grants {
        grants: Vec<Grant>,
    }
    let Some(Grants { grants }) = ask("ListGrants") else { return Vec::new() };
    let offer = |grant: Grant| {
        let title = format!("{} {}", grant.decision.as_str(), grant.caller);
        CompletionCandidate::new(grant.id.to_string()).help(Some(title.into()))
    };
    grants.into_iter().map(offer).collect()
}

/// The questions that wait for the user; none if the daemon is not there.
pub(super) fn questions() -> Vec<CompletionCandidate> {
    #[derive(Deserialize)]
    struct Questions {
        pending: Vec<Pending>,
    }
    let Some(Questions { pending }) = ask("ListPending") else { return Vec::new() };
    let offer = |question: Pending| {
        let title = format!("{} for {}", question.caller, question.account);
        CompletionCandidate::new(question.id.to_string()).help(Some(title.into()))
    };
    pending.into_iter().map(offer).collect()
}

fn ask<R: for<'a> Deserialize<'a>>(method: &str) -> Option<R> {
    client()?.call(method, &Nothing {}, PATIENCE).ok()
}

fn client() -> Option<Client> {
    let path = socket_path(None, &|name| std::env::var_os(name)).ok()?;
    Client::connect(&path).ok()
}
