//! What a shell offers when the user presses the tab key: the shell runs `ostler` itself with `COMPLETE`
//! set, so the names of accounts and providers are those of this moment.

use std::ffi::OsString;
use std::time::Duration;

use clap_complete::CompletionCandidate;
use clap_complete::env::CompleteEnv;
use serde::Deserialize;

use super::args::command;
use super::client::{Client, Nothing, socket_path};
use crate::api::ProviderInfo;

/// The variable by which a shell says that it wants to complete, and which shell it is. Without
/// arguments it is told what to do at the tab key.
pub(super) const VARIABLE: &str = "COMPLETE";

/// How long a user who pressed the tab key waits for the daemon.
const PATIENCE: Duration = Duration::from_secs(1);

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
    let accounts = client().and_then(|mut client| client.accounts(PATIENCE).ok());
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
    let answer = client()
        .and_then(|mut client| client.call("ListProviders", &Nothing {}, PATIENCE).ok())
        .unwrap_or(Providers { providers: Vec::new() });
    let offer = |provider: ProviderInfo| {
        CompletionCandidate::new(provider.id.as_str()).help(Some(provider.title.into()))
    };
    answer.providers.into_iter().map(offer).collect()
}

fn client() -> Option<Client> {
    let path = socket_path(None, &|name| std::env::var_os(name)).ok()?;
    Client::connect(&path).ok()
}
