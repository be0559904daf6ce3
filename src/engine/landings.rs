//! The way of a flight: its intent goes to the disk, its request to the provider, its answer to the disk; then the
//! answer is read, what else has to be known is asked for, and the lifecycle is told.

use std::sync::Arc;

use super::answers::Whose;
use super::flights::{Next, Read};
use super::flying::Flying;
use super::identity::{self, Learned};
use super::registrations;
use super::task::Engine;
use crate::lifecycle::{Event, Purpose};
use crate::model::{
    AccessToken, AccountSeed, Failure, FlightId, Generation, Granted, Landing, Portion, RawAnswer,
    SUBJECT,
};
use crate::store::{BeginKind, Exchange};

impl Engine {
    /// Makes the intent to fly durable.
    pub(super) fn begin(&mut self, flight: FlightId, account: AccountSeed, purpose: Purpose) {
        let begun = match purpose {
            Purpose::Refresh { generation, portion, subject } => {
                self.refreshing(account, generation, portion, subject)
            }
            Purpose::Exchange { request } => match self.sign_ins.get(&request) {
                Some(sign_in) => {
                    let exchange = Exchange {
                        key: sign_in.key.as_ref().map(|key| Arc::clone(key.key())),
                        seed: account.clone(),
                        client: sign_in.client.clone(),
                        secret: sign_in.secret.clone(),
                        registration: sign_in.registration.clone(),
                    };
                    let (provider, key) = (Arc::clone(&sign_in.provider), sign_in.key.clone());
                    let flying = Flying::new(account, provider, self.cx.stamp(), key);
                    let flying = Flying { request: Some(request), is_sign_in: true, ..flying };
                    Ok((flying, BeginKind::Exchange(Box::new(exchange))))
                }
                None => Err("the sign-in is gone"),
            },
        };
        match begun {
            Ok((flying, kind)) => self.flights.begin(&mut self.cx, flight, flying, kind),
            Err(why) => self.cx.tell(Event::Begun { flight, result: Err(why.to_owned()) }),
        }
    }

    /// A refresh, of all of a login or of a part.
    fn refreshing(
        &self,
        mut account: AccountSeed,
        generation: Generation,
        portion: Option<Arc<Portion>>,
        subject: Option<Arc<AccessToken>>,
    ) -> Result<(Flying, BeginKind), &'static str> {
        let provider = self.clients.provider_of(&account.client);
        let provider = provider.ok_or("the provider's definition is gone")?;
        let key = self.keys.of(&account.id).cloned();
        let mut narrowed = None;
        account.target = account.target.of_one();
        if let Some(portion) = &portion {
            account.target = portion.target.clone();
            if !portion.scopes.is_empty() {
                account.scopes = portion.scopes.clone();
                narrowed = Some(portion.scopes.clone());
            }
        }
        let portion = portion.map(Arc::unwrap_or_clone);
        let kind = BeginKind::Refresh { account: account.id.clone(), generation, portion };
        let flying = Flying::new(account, provider, self.cx.stamp(), key);
        Ok((Flying { narrowed, subject, ..flying }, kind))
    }

    /// Sends what has begun.
    pub(super) fn launch(&mut self, flight: FlightId) {
        if let Err(failure) = self.flights.launch(&mut self.cx, flight, &mut self.sign_ins) {
            self.fail(flight, failure);
        }
    }

    /// Gives up the flights that have been on their way for too long.
    pub(super) fn end_overdue(&mut self) {
        for (flight, failure) in self.flights.end_overdue(self.cx.now().boot) {
            self.fail(flight, failure);
        }
    }

    /// A flight is back.
    pub(super) fn landed(&mut self, flight: FlightId, result: Result<RawAnswer, Failure>) {
        match self.flights.landed(&mut self.cx, flight, result) {
            Next::Wait => {}
            Next::Read => self.interpret(flight),
            Next::Settle(failure) => self.fail(flight, failure),
        }
    }

    /// Interprets an answer.
    pub(super) fn interpret(&mut self, flight: FlightId) {
        let now = self.cx.now();
        let Some(Read { account, landing, odd }) = self.flights.read(flight, now) else { return };
        match landing {
            Landing::Granted(granted) => {
                if let Some(granted) = self.flights.learn(&mut self.cx, flight, granted) {
                    self.known(flight, granted, Learned::default());
                }
            }
            failed @ Landing::Failed { .. } => self.settle(flight, failed),
        }
        if let Some(sketch) = odd {
            let whose = match self.lifecycle.name_of(&account.id) {
                Some(_) => Whose::Account(account.id),
                None => Whose::SignIn(account.name),
            };
            self.doctor.answers.note(whose, sketch, now);
        }
    }

    /// As much is known of new tokens as can be.
    pub(super) fn known(&mut self, flight: FlightId, granted: Granted, learned: Learned) {
        let Some(flying) = self.flights.get(flight) else { return };
        let sign_in = flying.request.as_ref().and_then(|request| self.sign_ins.get(request));
        let nonce = sign_in.and_then(|sign_in| sign_in.nonce());
        let view = self.lifecycle.view_of(&flying.account.id);
        let subject = view.as_ref().and_then(|view| view.seed.values.get(SUBJECT));
        let now = self.cx.now();
        let landing = identity::judge(flying, granted, learned, (nonce, subject), now);
        self.settle(flight, landing);
    }

    fn fail(&mut self, flight: FlightId, failure: Failure) {
        self.settle(flight, Landing::Failed { failure, rescued: None });
    }

    fn settle(&mut self, flight: FlightId, landing: Landing) {
        if let Some(account) = self.flights.settle(&mut self.cx, flight, landing) {
            self.doctor.answers.forget(&account.id, &account.name);
        }
    }

    /// The grant of a flight is durable: the client that it belongs to is on record from now on.
    pub(super) fn granted(&mut self, flight: FlightId) {
        let Some(flying) = self.flights.forget(flight) else { return };
        if flying.is_sign_in {
            self.keys.keep(&flying.account.id, flying.key);
        }
        let sign_in = flying.request.as_ref().and_then(|request| self.sign_ins.get(request));
        if let Some(sign_in) = sign_in {
            self.clients.know(sign_in.client.clone());
        }
        registrations::watch(&mut self.cx, &self.clients, &flying.account.client);
    }
}
