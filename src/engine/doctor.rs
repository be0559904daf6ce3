//! A look at everything: the disk and the way to providers are looked at in a task; what the engine
//! knows itself is added when that is done.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use url::Url;

use super::findings::{self, Renewal};
use super::handle::Asker;
use super::task::{Done, Engine};
use crate::api::{Answer, Diagnosis, Fault, FaultKind, Finding, Response};
use crate::model::{AccountName, ClientId, ClientKey, Now};
use crate::oauth::{Http, Probe, Sketch, proxies, published};
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
#[derive(Default)]
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

    pub(super) fn of(&self, account: &AccountName) -> Option<&Answer> {
        self.0.iter().find(|(name, _)| name == account).map(|(_, answer)| answer)
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
        let mut providers = self.origins();
        let left_out = providers.len().saturating_sub(PROVIDERS_MAX);
        providers.truncate(PROVIDERS_MAX);
        let (http, clock) = (self.http.clone(), self.clock.clone());
        let places = self.info.places.clone();
        let permit = Arc::clone(&self.doctor.disk).try_acquire_owned().ok();
        let document = self.document.clone();
        self.tasks.spawn(async move {
            let (disk, providers, document) = tokio::join!(
                look_at_disk(places, permit),
                ask_all(http.clone(), clock, providers),
                look_at_document(&http, document),
            );
            let proxies = proxies(|name| std::env::var(name).ok());
            Done::Examined(Box::new(Examined { disk, proxies, providers, left_out, document }))
        });
    }

    /// The look is over.
    pub(super) fn examined(&mut self, examined: &Examined) {
        self.doctor.looking = false;
        let now = self.clock.now();
        let mut found = findings::of_disk(examined, &self.info.places);
        found.extend(findings::of_network(examined));
        found
            .extend(examined.document.iter().map(|(url, found)| findings::of_document(url, found)));
        let renewal = |name: &AccountName| match self.lifecycle.view(name) {
            Some(view) if view.renewable => Renewal::Possible,
            _ => Renewal::Impossible,
        };
        let accounts = self.accounts();
        for account in &accounts {
            let answer = self.doctor.answers.of(&account.name).cloned();
            let finding = findings::of_account(account, renewal(&account.name), now);
            found.push(finding.answer(answer));
        }
        for (name, answer) in self.doctor.answers.iter() {
            if !accounts.iter().any(|account| account.name == *name) {
                found.push(findings::of_sign_in(name, answer));
            }
        }
        found.extend(self.secrets(now));
        found.extend(self.unrevoked().iter().map(|left| findings::unrevoked(left, now)));
        for view in self.lifecycle.views() {
            if self.provider_of(&view.seed.client).is_none() {
                found.push(findings::undefined(view.seed));
            }
        }
        let diagnosis = Diagnosis { daemon: self.daemon(), findings: found };
        for asker in self.doctor.waiting.drain(..) {
            asker.answer(Ok(Response::Diagnosis(diagnosis.clone())));
        }
    }

    /// Clients whose secret is over, or will be and could not be renewed.
    fn secrets(&self, now: Now) -> Vec<Finding> {
        let views = self.lifecycle.views();
        let users = |client: &ClientKey| {
            let users = views.iter().filter(|view| view.seed.client == *client);
            users.map(|view| view.seed.name.clone()).collect::<Vec<_>>()
        };
        let found = self.lifecycle.registrations();
        found.filter_map(|it| findings::of_secret(&it, &users(it.client), now)).collect()
    }

    /// Where tokens of the accounts are asked for.
    fn origins(&self) -> Vec<Asked> {
        let mut origins: BTreeMap<String, Asked> = BTreeMap::new();
        for view in self.lifecycle.views() {
            let Some(provider) = self.provider_of(&view.seed.client) else { continue };
            let has_certificate = view.seed.values.certificate_ends().is_some();
            let provider =
                if has_certificate { provider.for_certificates().into() } else { provider };
            let url = provider.refresh_endpoint();
            let origin = url.origin().ascii_serialization();
            let asked = origins.entry(origin.clone()).or_insert_with(|| Asked {
                origin,
                url: url.clone(),
                accounts: Vec::new(),
                probe: None,
                times: None,
            });
            asked.accounts.push(view.seed.name.clone());
        }
        origins.into_values().collect()
    }
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
