//! A look at everything: the disk and the way to providers are looked at in a task; what the engine
//! knows itself is added when that is done ([`super::diagnosis`]).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use url::Url;

use super::diagnosis::{Known, Secret};
use super::handle::Asker;
use super::lists::STRIDE;
use super::task::{Done, Engine};
use crate::api::{Accounts, Answer, Fault, FaultKind, Response};
use crate::model::{AccountName, ClientId, ClientKey, Now};
use crate::oauth::{Http, Probe, Sketch, proxies, published};
use crate::provider::Provider;
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
/// How many may wait for the same look.
const WAITING_MAX: usize = 64;
/// How many answers without tokens are kept, the newest of an account each.
const ANSWERS_MAX: usize = 64;

/// What is kept for looks.
pub(super) struct Doctor {
    /// Who waits for the look that is under way.
    waiting: Vec<Asker>,
    /// Whether one is under way.
    looking: bool,
    /// What providers answered last where they gave no tokens.
    pub(super) answers: Answers,
    /// Held by who looks at the disk, also after everybody has stopped to wait for that.
    disk: Arc<Semaphore>,
}

impl Default for Doctor {
    fn default() -> Self {
        let disk = Arc::new(Semaphore::new(1));
        Self { waiting: Vec::new(), looking: false, answers: Answers::default(), disk }
    }
}

/// Answers without tokens, by account, the newest last.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers(VecDeque<(AccountName, Answer)>);

impl Answers {
    /// Keeps the last answer of an account's provider.
    pub(super) fn note(&mut self, account: AccountName, sketch: Sketch, now: Now) {
        self.forget(&account);
        if self.0.len() == ANSWERS_MAX {
            self.0.pop_front();
        }
        let Sketch { status, media_type, bytes, text } = sketch;
        let bytes = bytes as u64;
        let at = now.wall.seconds();
        self.0.push_back((account, Answer { at, status, media_type, bytes, text }));
    }

    /// Forgets it: there is something newer to say, or nothing.
    pub(super) fn forget(&mut self, account: &AccountName) {
        self.0.retain(|(name, _)| name != account);
    }

    /// The account has another name.
    pub(super) fn rename(&mut self, old: &AccountName, new: &AccountName) {
        for (name, _) in self.0.iter_mut().filter(|(name, _)| name == old) {
            *name = new.clone();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&AccountName, &Answer)> {
        self.0.iter().map(|(name, answer)| (name, answer))
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

impl Engine {
    /// Looks everything over. Who asks while a look is under way gets the same answer.
    pub(super) fn diagnose(&mut self, asker: Asker) {
        self.doctor.waiting.retain(|waiting| !waiting.is_gone());
        if self.doctor.waiting.len() >= WAITING_MAX {
            let message = "too many wait for the same look already";
            return asker.answer(Err(Fault::new(FaultKind::RateLimited, message)));
        }
        self.doctor.waiting.push(asker);
        if std::mem::replace(&mut self.doctor.looking, true) {
            return;
        }
        let (http, clock) = (self.http.clone(), self.clock.clone());
        let places = self.info.places.clone();
        let permit = Arc::clone(&self.doctor.disk).try_acquire_owned().ok();
        let document = self.document.clone();
        let (accounts, defined) = (self.roster.accounts(clock.now()), self.defined());
        self.tasks.spawn(async move {
            let mut providers = origins(accounts, &defined).await;
            let left_out = providers.len().saturating_sub(PROVIDERS_MAX);
            providers.truncate(PROVIDERS_MAX);
            let (disk, providers, document) = tokio::join!(
                look_at_disk(places, permit),
                ask_all(http.clone(), clock, providers),
                look_at_document(&http, document),
            );
            let proxies = proxies(|name| std::env::var(name).ok());
            Done::Examined(Box::new(Examined { disk, proxies, providers, left_out, document }))
        });
    }

    /// The look is over: what the engine knows itself is added, beside what else there is to do.
    pub(super) fn examined(&mut self, examined: Box<Examined>) {
        self.doctor.looking = false;
        let now = self.clock.now();
        let secrets = self.lifecycle.registrations().map(|it| Secret {
            client: it.client.clone(),
            ends: it.ends,
            next: it.next,
            failure: it.failure.cloned(),
        });
        let known = Known {
            now,
            daemon: self.daemon(),
            places: self.info.places.clone(),
            accounts: self.roster.accounts(now),
            answers: self.doctor.answers.clone(),
            secrets: secrets.collect(),
            unrevoked: self.unrevoked(),
            defined: self.defined(),
        };
        let waiting = std::mem::take(&mut self.doctor.waiting);
        self.tasks.spawn(async move {
            let diagnosis = Arc::new(known.diagnose(&examined).await);
            for asker in waiting {
                asker.answer(Ok(Response::Diagnosis(Arc::clone(&diagnosis))));
            }
            Done::Over
        });
    }

    /// The definitions at hand, by the clients that speak by them.
    fn defined(&self) -> Defined {
        let defined =
            self.clients.keys().filter_map(|key| Some((key.clone(), self.provider_of(key)?)));
        defined.collect()
    }
}

/// Definitions, by the clients that speak by them.
pub(super) type Defined = HashMap<ClientKey, Arc<Provider>>;

/// Where tokens of the accounts are asked for.
async fn origins(accounts: Accounts, defined: &Defined) -> Vec<Asked> {
    let mut origins: BTreeMap<String, Asked> = BTreeMap::new();
    for stride in accounts.pieces(STRIDE) {
        for listed in stride.listed() {
            let account = listed.timeless();
            let Some(provider) = defined.get(&account.client()) else { continue };
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
