//! A look at the disk and at the way to providers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use url::Url;

use super::defined::Defined;
use super::roster::STRIDE;
use crate::api::Accounts;
use crate::model::{AccountName, ClientId, Now};
use crate::oauth::{Http, Probe, proxies, published};
use crate::store::{self, Checkup};
use crate::sys::clock::Clock;

/// How many providers are asked whether they are there: who has more sees the first.
const PROVIDERS_MAX: usize = 32;
/// How many of them at the same time.
const AT_ONCE: usize = 4;
/// How long the way to all providers may be looked at.
const NETWORK_MAX: Duration = Duration::from_secs(25);
/// How long the disk may be looked at.
const DISK_MAX: Duration = Duration::from_secs(15);

/// What is looked at.
pub(super) struct Look {
    pub(super) http: Http,
    pub(super) clock: Clock,
    pub(super) places: store::Places,
    /// Held while the disk is looked at; `None` if an earlier look is stuck in there.
    pub(super) permit: Option<OwnedSemaphorePermit>,
    /// The client that a document of the user's describes.
    pub(super) document: Option<ClientId>,
    pub(super) accounts: Accounts,
    pub(super) defined: Defined,
}

impl Look {
    /// Looks.
    pub(super) async fn examine(self) -> Examined {
        let Self { http, clock, places, permit, document, accounts, defined } = self;
        let mut providers = origins(accounts, &defined).await;
        let left_out = providers.len().saturating_sub(PROVIDERS_MAX);
        providers.truncate(PROVIDERS_MAX);
        let (disk, providers, document) = tokio::join!(
            look_at_disk(places, permit),
            ask_all(http.clone(), clock, providers),
            look_at_document(&http, document),
        );
        let proxies = proxies(|name| std::env::var(name).ok());
        Examined { disk, proxies, providers, left_out, document }
    }
}

/// What a task found.
pub(super) struct Examined {
    /// `None` if the disk did not let it come to an end.
    pub(super) disk: Option<Checkup>,
    /// The proxies that the environment names, by variable.
    pub(super) proxies: Vec<(&'static str, String)>,
    pub(super) providers: Vec<Asked>,
    /// How many providers were left out.
    pub(super) left_out: usize,
    /// The document of the user's own client, if there is one, and how it was found.
    pub(super) document: Option<(ClientId, Published)>,
}

/// What is wrong with a document; an error if it could not be had.
pub(super) type Published = Result<Result<(), String>, String>;

/// A provider that was asked whether it is there.
pub(super) struct Asked {
    /// Scheme, host and port.
    pub(super) origin: String,
    pub(super) url: Url,
    /// Who needs it.
    pub(super) accounts: Vec<AccountName>,
    /// `None` if there was no time left.
    pub(super) probe: Option<Probe>,
    /// When the question left and when the answer came.
    pub(super) times: Option<(Now, Now)>,
}

/// Where tokens of the accounts are asked for.
async fn origins(accounts: Accounts, defined: &Defined) -> Vec<Asked> {
    let mut origins: BTreeMap<String, Asked> = BTreeMap::new();
    for stride in accounts.pieces(STRIDE) {
        for listed in stride.listed() {
            let account = listed.timeless();
            let Some(provider) = defined.provider_of(&account.client()) else { continue };
            let url = if account.certificate_ends_at.is_some() {
                provider.for_certificates().refresh_endpoint().clone()
            } else {
                provider.refresh_endpoint().clone()
            };
            let origin = url.origin().ascii_serialization();
            let asked = origins.entry(origin.clone()).or_insert_with(|| Asked {
                origin,
                url,
                accounts: Vec::new(),
                probe: None,
                times: None,
            });
            asked.accounts.push(account.name.clone());
        }
        tokio::task::yield_now().await;
    }
    origins.into_values().collect()
}

/// Reads the database in a thread of its own. Nobody else does at the same time: a disk that is stuck
/// holds one thread and not one for each look.
async fn look_at_disk(
    places: store::Places,
    permit: Option<OwnedSemaphorePermit>,
) -> Option<Checkup> {
    let permit = permit?;
    let look = tokio::task::spawn_blocking(move || {
        let found = store::check(&places);
        drop(permit);
        found
    });
    tokio::time::timeout(DISK_MAX, look).await.ok()?.ok()
}

/// Fetches the document of the user's own client, as providers do.
async fn look_at_document(
    http: &Http,
    document: Option<ClientId>,
) -> Option<(ClientId, Published)> {
    let document = document?;
    let found = tokio::time::timeout(NETWORK_MAX, published(http, &document)).await;
    let found = found.unwrap_or_else(|_| Err("no answer in time".to_owned()));
    Some((document, found))
}

/// Asks providers whether they are there, some at a time.
async fn ask_all(http: Http, clock: Clock, mut providers: Vec<Asked>) -> Vec<Asked> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut asking = JoinSet::new();
    for (number, asked) in providers.iter().enumerate() {
        let (http, clock, places) = (http.clone(), clock.clone(), Arc::clone(&places));
        let url = asked.url.clone();
        asking.spawn(async move {
            let _place = places.acquire().await;
            let sent = clock.now();
            let probe = http.probe(&url).await;
            (number, probe, (sent, clock.now()))
        });
    }
    let all = async {
        while let Some(done) = asking.join_next().await {
            if let Ok((number, probe, times)) = done {
                providers[number].probe = Some(probe);
                providers[number].times = Some(times);
            }
        }
    };
    // who has not answered by then is told as one that was not asked to the end
    let _ = tokio::time::timeout(NETWORK_MAX, all).await;
    providers
}
