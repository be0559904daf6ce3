//! Errands: tokens of accounts that are gone are revoked at their provider, and clients that nobody uses
//! unregistered. What that takes is on disk from the moment the account goes, and is read for each try: the
//! first one has it from the erasing.

use std::sync::Arc;
use std::time::Duration;

use super::handle::Asker;
use super::task::{Done, Engine};
use crate::api::{LoggedOut, Response, Revocation as Told, Unrevoked};
use crate::lifecycle::{ErrandEffect, ErrandEvent, ErrandSeed, Event, may_pass};
use crate::model::{
    AccountId, AccountName, ClientKey, ErrandId, ErrandRecord, Failure, FailureClass, Now,
};
use crate::oauth::{Client, Http, OauthError, Revoked, revoke, unregister};
use crate::provider::Provider;
use crate::store::{Command, Erased, ErrandPart, Left, StoreError};

/// How long a try waits for the provider. The account is gone by then either way.
const REVOKE_MAX: Duration = Duration::from_secs(15);

/// An errand under way, or waiting.
pub(super) struct Errand {
    name: AccountName,
    client: ClientKey,
    /// The definition that was discovered for its account.
    pinned: Option<Arc<Provider>>,
    /// What it takes, as long as it need not be read.
    left: Option<Box<Left>>,
    /// Who logged out, and is to be told how it went.
    asker: Option<Asker>,
    /// How it went.
    told: Told,
    reason: Option<String>,
}

/// Whose tokens are to be revoked.
pub(super) struct Gone {
    pub(super) account: AccountId,
    pub(super) name: AccountName,
    /// How long its tokens live from now on, where that is known.
    pub(super) worth: Option<Duration>,
    /// Who waits.
    pub(super) asker: Option<Asker>,
}

/// A try, as its task tells it.
pub(super) struct Tried {
    errand: ErrandId,
    outcome: Outcome,
}

/// What a try brought.
struct Outcome {
    told: Told,
    reason: Option<String>,
    /// Whether the tokens are done with.
    tokens_over: bool,
    /// What keeps the rest from being done for now.
    failure: Option<Failure>,
}

impl Engine {
    /// An account is gone: what it left is done at once, and later if that fails.
    pub(super) fn owe(&mut self, gone: Gone, erased: Erased) {
        let Gone { account, name, worth, asker } = gone;
        let Erased { left, client, errand } = erased;
        let provider = self.provider_of(&client.key);
        let Some(id) = errand else {
            // nothing is to be done, or there is no room for it: then it is tried once
            return self.try_once(name, left, client.key, provider, asker);
        };
        let pinned = provider.filter(|_| client.discovered.is_some());
        let seed = ErrandSeed {
            errand: id,
            account,
            name: name.clone(),
            client: client.key.clone(),
            since: self.clock.now().boot,
            worth,
            registered: left.registration.is_some(),
        };
        let errand = Errand {
            name,
            client: client.key,
            pinned,
            left: Some(Box::new(left)),
            asker,
            told: Told::Queued,
            reason: None,
        };
        self.errands.insert(id, errand);
        self.tell(Event::Errand(ErrandEvent::New(seed)));
    }

    fn try_once(
        &mut self,
        name: AccountName,
        left: Left,
        client: ClientKey,
        provider: Option<Arc<Provider>>,
        asker: Option<Asker>,
    ) {
        let Some(asker) = asker else { return };
        let (http, now) = (self.http.clone(), self.clock.now());
        self.tasks.spawn(async move {
            let Outcome { told, reason, failure, .. } =
                attempt(&http, provider, &client, &left, now).await;
            let (revocation, reason) = match (told, failure) {
                (Told::Queued, failure) => (Told::Failed, failure.map(|it| it.to_string())),
                (told, _) => (told, reason),
            };
            let reply = LoggedOut { account: name, revocation, reason };
            Done::Answered { asker, result: Ok(Response::LoggedOut(reply)) }
        });
    }

    /// Takes up the errands that earlier runs left.
    pub(super) fn resume_errands(&mut self, records: Vec<ErrandRecord>) {
        let now = self.clock.now();
        for record in records {
            let ErrandRecord { errand, account, name, client, since, worth, registered } = record;
            let since = since.on_boot_clock(self.clock.boot_id(), now).unwrap_or(now.boot);
            let pinned = client.discovered.as_deref().and_then(|text| Provider::parse(text).ok());
            let kept = Errand {
                name: name.clone(),
                client: client.key.clone(),
                pinned: pinned.map(Arc::new),
                left: None,
                asker: None,
                told: Told::Queued,
                reason: None,
            };
            self.errands.insert(errand, kept);
            let client = client.key;
            let seed = ErrandSeed { errand, account, name, client, since, worth, registered };
            self.tell(Event::Errand(ErrandEvent::New(seed)));
        }
    }

    /// Does what the schedule wants of an errand.
    pub(super) fn errand(&mut self, effect: ErrandEffect) {
        match effect {
            ErrandEffect::Run(id) => {
                let Some(errand) = self.errands.get_mut(&id) else { return };
                match errand.left.take() {
                    Some(left) => self.run_errand(id, left),
                    None => self.write(Command::OpenErrand(id)),
                }
            }
            ErrandEffect::Waits(id) => {
                if let Some(errand) = self.errands.get_mut(&id) {
                    errand.answer(Told::Queued);
                }
            }
            ErrandEffect::Over(id) => {
                let Some(mut errand) = self.errands.remove(&id) else { return };
                if errand.told == Told::Queued {
                    let reason = errand.reason.as_deref();
                    tracing::warn!(account = %errand.name, reason, "given up: tokens not revoked");
                    errand.answer(Told::Failed);
                } else {
                    errand.answer(errand.told);
                }
                self.write(Command::EndErrand { errand: id, part: ErrandPart::Whole });
            }
        }
    }

    /// What an errand takes is read.
    pub(super) fn errand_opened(&mut self, id: ErrandId, result: Result<Box<Left>, StoreError>) {
        let failure = match result {
            Ok(left) => return self.run_errand(id, left),
            Err(StoreError::Refused(_)) => None,
            Err(error) => Some(Failure::new(FailureClass::NotSent, error.to_string())),
        };
        tracing::warn!(errand = id.0, ?failure, "a revocation cannot be read");
        let result = failure.map_or(Ok(()), Err);
        self.tell(Event::Errand(ErrandEvent::Tried { errand: id, result }));
    }

    fn run_errand(&mut self, id: ErrandId, left: Box<Left>) {
        let Some(errand) = self.errands.get(&id) else { return };
        let client = errand.client.clone();
        let provider = errand.pinned.clone().or_else(|| self.provider_of(&client));
        let is_promised = errand.asker.is_none();
        let (http, now) = (self.http.clone(), self.clock.now());
        self.tasks.spawn(async move {
            let outcome = match provider {
                // what was promised is kept until the definition is there again
                None if is_promised => {
                    let why = "the definition of the provider is gone";
                    Outcome::put_off(Failure::new(FailureClass::NotSent, why))
                }
                provider => attempt(&http, provider, &client, &left, now).await,
            };
            Done::Tried(Tried { errand: id, outcome })
        });
    }

    /// A try is over.
    pub(super) fn errand_tried(&mut self, tried: Tried) {
        let Tried { errand: id, outcome } = tried;
        let Some(errand) = self.errands.get_mut(&id) else { return };
        let Outcome { told, reason, tokens_over, failure } = outcome;
        let why = failure.as_ref().map(ToString::to_string);
        tracing::info!(
            account = %errand.name, client = %errand.client.client, ?told, failure = why,
            "revocation tried"
        );
        errand.told = told;
        errand.reason = reason.or(why.filter(|_| told == Told::Queued));
        if tokens_over && failure.is_some() {
            self.write(Command::EndErrand { errand: id, part: ErrandPart::Tokens });
        }
        let result = failure.map_or(Ok(()), Err);
        self.tell(Event::Errand(ErrandEvent::Tried { errand: id, result }));
    }

    /// What waits to be revoked, for people.
    pub(super) fn unrevoked(&self) -> Vec<Unrevoked> {
        let now = self.clock.now();
        let seconds = |at| now.wall_at(at).seconds();
        let shown = self.lifecycle.errands().map(|errand| Unrevoked {
            account: errand.name.clone(),
            provider: errand.client.provider.clone(),
            since: seconds(errand.since),
            next_try: errand.next.map(seconds),
            ends_at: seconds(errand.end),
            reason: errand.failure.map(ToString::to_string),
        });
        shown.collect()
    }

    /// Tells those who still wait that what they asked for is done after the next start.
    pub(super) fn leave_errands(&mut self) {
        for errand in self.errands.values_mut() {
            errand.answer(Told::Queued);
        }
    }
}

impl Errand {
    /// Answers who logged out, once.
    fn answer(&mut self, revocation: Told) {
        if let Some(asker) = self.asker.take() {
            // what is done by now is said, also where the client is left to be unregistered
            let is_open = self.told == Told::Queued;
            let revocation = if is_open { revocation } else { self.told };
            let reply =
                LoggedOut { account: self.name.clone(), revocation, reason: self.reason.clone() };
            asker.answer(Ok(Response::LoggedOut(reply)));
        }
    }
}

impl Outcome {
    /// Nothing is done yet.
    fn put_off(failure: Failure) -> Self {
        Self { told: Told::Queued, reason: None, tokens_over: false, failure: Some(failure) }
    }
}

/// Revokes tokens, and then unregisters the client: without it nothing could be revoked any more.
async fn attempt(
    http: &Http,
    provider: Option<Arc<Provider>>,
    client: &ClientKey,
    left: &Left,
    now: Now,
) -> Outcome {
    let (told, reason) = match provider {
        _ if !left.has_tokens() => (Told::Nothing, None),
        None => (Told::Unsupported, None),
        Some(provider) => {
            let client = Client { id: &client.client, secret: left.secret.as_ref() };
            let (refresh, access) = (left.refresh.as_ref(), left.access.as_deref());
            let revoking = revoke(http, &provider, client, refresh, access, now);
            match within(revoking).await {
                Ok(Revoked::Confirmed) => (Told::Revoked, None),
                Ok(Revoked::Unsupported) => (Told::Unsupported, None),
                Err(failure) if may_pass(&failure) => return Outcome::put_off(failure),
                Err(failure) => (Told::Failed, Some(failure.to_string())),
            }
        }
    };
    http.forget_certificate(Client { id: &client.client, secret: left.secret.as_ref() });
    let mut outcome = Outcome { told, reason, tokens_over: true, failure: None };
    if let Some(registration) = &left.registration {
        match within(unregister(http, registration, now)).await {
            Ok(()) => tracing::info!(client = %client.client, "client unregistered"),
            Err(failure) => {
                tracing::warn!(client = %client.client, %failure, "client not unregistered");
                outcome.failure = Some(failure).filter(may_pass);
            }
        }
    }
    outcome
}

/// Waits a bounded time for a provider.
async fn within<T>(asked: impl Future<Output = Result<T, OauthError>>) -> Result<T, Failure> {
    match tokio::time::timeout(REVOKE_MAX, asked).await {
        Ok(Ok(done)) => Ok(done),
        // what it was about is said already
        Ok(Err(OauthError::Revocation(failure) | OauthError::Registration(failure))) => {
            Err(failure)
        }
        Ok(Err(error)) => Err(Failure::new(FailureClass::RequestBroken, error.to_string())),
        Err(_) => Err(Failure::new(FailureClass::Ambiguous, "no answer in time")),
    }
}
