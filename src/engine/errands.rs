//! Errands: tokens of accounts that are gone are revoked at their provider, and clients that nobody uses
//! unregistered. What that takes is on disk from the moment the account goes, and is read for each try: the
//! first one has it from the erasing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::clients::Clients;
use super::context::Context;
use super::done::Done;
use super::handle::Asker;
use super::revoking::{Outcome, attempt};
use crate::api::{LoggedOut, Response, Revocation as Told, Unrevoked};
use crate::lifecycle::{ErrandEffect, ErrandEvent, ErrandSeed, ErrandView, Event};
use crate::model::{
    AccountId, AccountName, ClientKey, ErrandId, ErrandRecord, Failure, FailureClass, Now,
};
use crate::provider::Provider;
use crate::store::{Command, Erased, ErrandPart, Left, StoreError};

/// The errands under way, and those that wait.
#[derive(Default)]
pub(super) struct Errands {
    open: HashMap<ErrandId, Errand>,
}

/// An errand under way, or waiting.
struct Errand {
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

impl Errands {
    /// An account is gone: what it left is done at once, and later if that fails.
    pub(super) fn owe(&mut self, cx: &mut Context, clients: &Clients, gone: Gone, erased: Erased) {
        let Gone { account, name, worth, asker } = gone;
        let Erased { left, client, errand } = erased;
        let provider = clients.provider_of(&client.key);
        let Some(id) = errand else {
            // nothing is to be done, or there is no room for it: then it is tried once
            return try_once(cx, name, left, client.key, provider, asker);
        };
        let seed = ErrandSeed {
            errand: id,
            account,
            name: name.clone(),
            client: client.key.clone(),
            since: cx.now().boot,
            worth,
            registered: left.registration.is_some(),
        };
        let pinned = provider.filter(|_| client.discovered.is_some());
        let left = Some(Box::new(left));
        self.open.insert(id, Errand { left, asker, ..Errand::new(name, client.key, pinned) });
        cx.tell(Event::Errand(ErrandEvent::New(seed)));
    }

    /// Takes up the errands that earlier runs left.
    pub(super) fn resume(&mut self, cx: &mut Context, records: Vec<ErrandRecord>) {
        let now = cx.now();
        for record in records {
            let ErrandRecord { errand, account, name, client, since, worth, registered } = record;
            let since = since.on_boot_clock(cx.clock().boot_id(), now).unwrap_or(now.boot);
            let pinned = client.discovered.as_deref().and_then(|text| Provider::parse(text).ok());
            let client = client.key;
            let kept = Errand::new(name.clone(), client.clone(), pinned.map(Arc::new));
            self.open.insert(errand, kept);
            let seed = ErrandSeed { errand, account, name, client, since, worth, registered };
            cx.tell(Event::Errand(ErrandEvent::New(seed)));
        }
    }

    /// Does what the schedule wants.
    pub(super) fn heed(&mut self, cx: &mut Context, clients: &Clients, effect: ErrandEffect) {
        match effect {
            ErrandEffect::Run(id) => {
                let Some(errand) = self.open.get_mut(&id) else { return };
                match errand.left.take() {
                    Some(left) => errand.run(cx, clients, id, left),
                    None => cx.write(Command::OpenErrand(id)),
                }
            }
            ErrandEffect::Waits(id) => {
                if let Some(errand) = self.open.get_mut(&id) {
                    errand.answer(Told::Queued);
                }
            }
            ErrandEffect::Over(id) => {
                let Some(mut errand) = self.open.remove(&id) else { return };
                if errand.told == Told::Queued {
                    let reason = errand.reason.as_deref();
                    tracing::warn!(account = %errand.name, reason, "given up: tokens not revoked");
                    errand.answer(Told::Failed);
                } else {
                    errand.answer(errand.told);
                }
                cx.write(Command::EndErrand { errand: id, part: ErrandPart::Whole });
            }
        }
    }

    /// What an errand takes is read.
    pub(super) fn opened(
        &self,
        cx: &mut Context,
        clients: &Clients,
        id: ErrandId,
        result: Result<Box<Left>, StoreError>,
    ) {
        let failure = match result {
            Ok(left) => {
                if let Some(errand) = self.open.get(&id) {
                    errand.run(cx, clients, id, left);
                }
                return;
            }
            Err(StoreError::Refused(_)) => None,
            Err(error) => Some(Failure::new(FailureClass::NotSent, error.to_string())),
        };
        tracing::warn!(errand = id.0, ?failure, "a revocation cannot be read");
        let result = failure.map_or(Ok(()), Err);
        cx.tell(Event::Errand(ErrandEvent::Tried { errand: id, result }));
    }

    /// A try is over.
    pub(super) fn tried(&mut self, cx: &mut Context, id: ErrandId, outcome: Outcome) {
        let Some(errand) = self.open.get_mut(&id) else { return };
        let Outcome { told, reason, tokens_over, failure } = outcome;
        let why = failure.as_ref().map(ToString::to_string);
        tracing::info!(
            account = %errand.name, client = %errand.client.client, ?told, failure = why,
            "revocation tried"
        );
        errand.told = told;
        errand.reason = reason.or(why.filter(|_| told == Told::Queued));
        if tokens_over && failure.is_some() {
            cx.write(Command::EndErrand { errand: id, part: ErrandPart::Tokens });
        }
        let result = failure.map_or(Ok(()), Err);
        cx.tell(Event::Errand(ErrandEvent::Tried { errand: id, result }));
    }

    /// Tells those who still wait that what they asked for is done after the next start.
    pub(super) fn leave(&mut self) {
        for errand in self.open.values_mut() {
            errand.answer(Told::Queued);
        }
    }
}

impl Errand {
    /// One that has not been tried.
    fn new(name: AccountName, client: ClientKey, pinned: Option<Arc<Provider>>) -> Self {
        let told = Told::Queued;
        Self { name, client, pinned, left: None, asker: None, told, reason: None }
    }

    fn run(&self, cx: &mut Context, clients: &Clients, id: ErrandId, left: Box<Left>) {
        let client = self.client.clone();
        let provider = self.pinned.clone().or_else(|| clients.provider_of(&client));
        let is_promised = self.asker.is_none();
        let (http, now) = (cx.http(), cx.now());
        cx.spawn(async move {
            let outcome = match provider {
                // what was promised is kept until the definition is there again
                None if is_promised => {
                    let why = "the definition of the provider is gone";
                    Outcome::put_off(Failure::new(FailureClass::NotSent, why))
                }
                provider => attempt(&http, provider, &client, &left, now).await,
            };
            Done::Tried { errand: id, outcome }
        });
    }

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

/// Tries to revoke tokens of which nothing is on the disk any more.
fn try_once(
    cx: &mut Context,
    name: AccountName,
    left: Left,
    client: ClientKey,
    provider: Option<Arc<Provider>>,
    asker: Option<Asker>,
) {
    let Some(asker) = asker else { return };
    let (http, now) = (cx.http(), cx.now());
    cx.spawn(async move {
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

/// What waits to be revoked, for people.
pub(super) fn unrevoked<'a>(
    errands: impl Iterator<Item = ErrandView<'a>>,
    now: Now,
) -> Vec<Unrevoked> {
    let seconds = |at| now.wall_at(at).seconds();
    let shown = errands.map(|errand| Unrevoked {
        account: errand.name.clone(),
        provider: errand.client.provider.clone(),
        since: seconds(errand.since),
        next_try: errand.next.map(seconds),
        ends_at: seconds(errand.end),
        reason: errand.failure.map(ToString::to_string),
    });
    shown.collect()
}
