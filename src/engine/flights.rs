//! Flights: from a durable intent to an interpreted answer.

use std::collections::HashMap;
use std::sync::Arc;

use super::certificate;
use super::context::Context;
use super::done::Done;
use super::dpop;
use super::flying::{Air, FLIGHT_MAX, Flying};
use super::identity::{Learned, Questions};
use super::proof;
use super::sign_ins::SignIns;
use crate::lifecycle::Event;
use crate::model::{
    AccountSeed, Boot, Failure, FailureClass, FlightId, Granted, Landing, Now, RawAnswer,
};
use crate::oauth::{Client, OauthError, Sent, Sketch, TokenRequest, read_answer, sketch};
use crate::store::{Begin, BeginKind, Command, Credentials, StoreError};

/// The flights under way.
#[derive(Default)]
pub(super) struct Flights {
    flying: HashMap<FlightId, Flying>,
}

/// What is to be done with a flight that is back.
pub(super) enum Next {
    /// Nothing yet: its answer is on the way to the disk, or it was given up before.
    Wait,
    /// Its answer is to be read.
    Read,
    /// It has failed.
    Settle(Failure),
}

/// An answer that was read.
pub(super) struct Read {
    /// Whose it is.
    pub(super) account: AccountSeed,
    pub(super) landing: Landing,
    /// What it looked like, if it brought no tokens and should have.
    pub(super) odd: Option<Sketch>,
}

impl Flights {
    pub(super) fn count(&self) -> usize {
        self.flying.len()
    }

    pub(super) fn get(&self, flight: FlightId) -> Option<&Flying> {
        self.flying.get(&flight)
    }

    /// Takes up a flight of an earlier run.
    pub(super) fn resume(&mut self, flight: FlightId, flying: Flying) {
        self.flying.insert(flight, flying);
    }

    /// Nothing of it is needed any more.
    pub(super) fn forget(&mut self, flight: FlightId) -> Option<Flying> {
        self.flying.remove(&flight)
    }

    /// Makes the intent to fly durable.
    pub(super) fn begin(
        &mut self,
        cx: &mut Context,
        flight: FlightId,
        flying: Flying,
        kind: BeginKind,
    ) {
        let sent = flying.sent.clone();
        self.flying.insert(flight, flying);
        cx.write(Command::Begin(Box::new(Begin { flight, sent, kind })));
    }

    /// The intent is durable, or cannot be made so.
    pub(super) fn begun(
        &mut self,
        cx: &mut Context,
        flight: FlightId,
        result: Result<Credentials, StoreError>,
    ) {
        let result = match (result, self.flying.get_mut(&flight)) {
            (Ok(credentials), Some(flying)) => {
                flying.credentials = Some(credentials);
                Ok(())
            }
            (Ok(_), None) => Err("the flight is gone".to_owned()),
            (Err(error), _) => {
                tracing::error!(flight = flight.0, %error, "intent not written down");
                self.flying.remove(&flight);
                Err(error.to_string())
            }
        };
        cx.tell(Event::Begun { flight, result });
    }

    /// Sends what has begun. Why not, if it cannot be sent.
    pub(super) fn launch(
        &mut self,
        cx: &mut Context,
        flight: FlightId,
        sign_ins: &mut SignIns,
    ) -> Result<(), Failure> {
        let Some(flying) = self.flying.get_mut(&flight) else { return Ok(()) };
        // lifetimes count from here: the intent may have waited for the disk
        flying.sent = cx.stamp();
        let Some(credentials) = flying.credentials.take() else { return Ok(()) };
        let request = request(flying, credentials, sign_ins)?;
        tracing::debug!(
            flight = flight.0,
            account = %flying.account.name,
            provider = %flying.provider.id,
            login = flying.request.is_some(),
            "sending"
        );
        let courier = cx.courier();
        let task = cx.spawn(async move {
            let result = match tokio::time::timeout(FLIGHT_MAX, courier.deliver(request)).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(error)) => Err(error.into_failure()),
                Err(_) => Err(overdue()),
            };
            Done::Landed { flight, result }
        });
        flying.air = Some(Air::since(flying.sent.at.boot, task));
        Ok(())
    }

    /// When the next flight has been on its way for too long.
    pub(super) fn overdue_at(&self) -> Option<Boot> {
        let limits = self.flying.values().filter_map(|flying| flying.air.as_ref());
        limits.map(Air::limit).min()
    }

    /// The flights that have been on their way for too long are given up.
    pub(super) fn end_overdue(&mut self, now: Boot) -> Vec<(FlightId, Failure)> {
        let mut over = Vec::new();
        for (flight, flying) in &mut self.flying {
            if flying.air.as_mut().is_some_and(|air| air.is_over(now)) {
                flying.air = None;
                over.push((*flight, overdue()));
            }
        }
        over
    }

    /// A flight is back. Its answer goes to the disk before anybody tries to understand it.
    pub(super) fn landed(
        &mut self,
        cx: &mut Context,
        flight: FlightId,
        result: Result<RawAnswer, Failure>,
    ) -> Next {
        // one that was given up in the same moment has landed already
        let Some(flying) = self.flying.get_mut(&flight).filter(|it| it.air.is_some()) else {
            return Next::Wait;
        };
        flying.air = None;
        let answer = match result {
            Ok(answer) => Arc::new(answer),
            Err(failure) => return Next::Settle(failure),
        };
        flying.answer = Some(Arc::clone(&answer));
        if flying.subject.is_some() {
            // it holds nothing that could not be had again, and must not be taken for a refresh's
            return Next::Read;
        }
        cx.write(Command::Answered { flight, answer });
        Next::Wait
    }

    /// Interprets an answer. It is on the disk by now; if the disk did not take it, the answer is
    /// used all the same, since it may hold the only copy of a refresh token.
    pub(super) fn read(&mut self, flight: FlightId, now: Now) -> Option<Read> {
        let flying = self.flying.get_mut(&flight)?;
        let answer = flying.answer.take()?;
        // nothing asks for them again
        let (refresh, secrets) = (flying.sent_refresh.take(), flying.sent_secrets.take());
        let sent = Sent { refresh: refresh.as_ref(), others: secrets.as_ref() };
        let mut landing = read_answer(&flying.provider, &answer, sent, now);
        let is_odd = matches!(&landing, Landing::Failed { failure, .. } if !is_pending(failure));
        let odd = is_odd.then(|| sketch(&answer, sent));
        if flying.subject.is_some() {
            landing = proof::exchanged(&flying.provider, &answer, landing);
        }
        if let Landing::Granted(granted) = &mut landing {
            granted.refresh = proof::renewal(flying, refresh, granted);
            certificate::note(flying, granted);
        }
        let landing = match landing {
            Landing::Granted(granted) => dpop::judge(flying, granted),
            failed @ Landing::Failed { .. } => failed,
        };
        Some(Read { account: flying.account.clone(), landing, odd })
    }

    /// Has all learnt of new tokens that has to be known before they are used. They come back at once if there is
    /// nothing to learn.
    pub(super) fn learn(
        &mut self,
        cx: &mut Context,
        flight: FlightId,
        granted: Granted,
    ) -> Option<Granted> {
        let flying = self.flying.get_mut(&flight)?;
        let Some(questions) = Questions::about(flying, &granted) else { return Some(granted) };
        let (http, now) = (cx.http(), cx.now());
        cx.spawn(async move {
            let learned: Learned = questions.ask(&http, &granted.access, now).await;
            Done::Known { flight, granted: Box::new(granted), learned }
        });
        None
    }

    /// A flight has come to its end. Gives whose it was.
    pub(super) fn settle(
        &mut self,
        cx: &mut Context,
        flight: FlightId,
        landing: Landing,
    ) -> Option<AccountSeed> {
        let flying = self.flying.get(&flight)?;
        let (account, sent) = (flying.account.clone(), flying.sent.clone());
        log(flying, flight, &landing, cx.now());
        if matches!(landing, Landing::Failed { rescued: None, .. }) {
            // with it goes the refresh token that was sent: the next try takes it from the disk
            self.flying.remove(&flight);
        }
        cx.tell(Event::Landed { flight, sent, landing });
        Some(account)
    }
}

/// The request of a flight. What it takes is forgotten here, but for what the answer is compared with.
fn request(
    flying: &mut Flying,
    credentials: Credentials,
    sign_ins: &mut SignIns,
) -> Result<TokenRequest, Failure> {
    let Credentials { refresh, secret } = credentials;
    let client = Client { id: &flying.account.client.client, secret: secret.as_ref() };
    let sign_in = flying.request.as_ref().map(|request| sign_ins.get_mut(request));
    let (made, imported) = match (&refresh, sign_in) {
        (_, Some(Some(sign_in))) => {
            (sign_in.token_request(client, flying.sent.at), sign_in.imported())
        }
        (_, Some(None)) => return Err(unmade(FailureClass::RequestBroken, "the sign-in is gone")),
        (Some(refresh), None) => {
            let (scopes, target) = (flying.narrowed.as_ref(), &flying.account.target);
            let (provider, now) = (&flying.provider, flying.sent.at);
            let made = TokenRequest::bound(flying.key.as_ref(), now, || {
                if let Some(token) = &flying.subject {
                    TokenRequest::token_exchange(provider, client, token, scopes, target, now)
                } else if flying.account.grant.renews_itself() {
                    proof::by_client(provider, client, &flying.account, now)
                } else {
                    TokenRequest::refresh(provider, client, refresh, scopes, target, now)
                }
            });
            (made, None)
        }
        (None, None) => {
            return Err(unmade(FailureClass::RequestBroken, "there is no refresh token"));
        }
    };
    let made = made.map_err(|error: OauthError| unmade(error.class(), &error.to_string()));
    flying.sent_refresh = refresh.or(imported);
    let mut request = made?;
    flying.sent_secrets = Some(request.take_secrets());
    flying.secret = secret;
    Ok(request)
}

fn log(flying: &Flying, flight: FlightId, landing: &Landing, now: Now) {
    let (account, provider) = (&flying.account.name, &flying.provider.id);
    let login = flying.request.is_some();
    let elapsed_ms = now.boot.since(flying.sent.at.boot).as_millis();
    match landing {
        Landing::Granted(granted) => tracing::info!(
            %account, %provider, flight = flight.0, login, elapsed_ms,
            rotated = granted.refresh.is_some(),
            lifetime_s = granted.lifetime.map(|span| span.as_secs()),
            outcome = "granted",
            "token issued"
        ),
        Landing::Failed { failure, .. } if is_pending(failure) => {
            tracing::debug!(%account, %provider, "not yet agreed to");
        }
        Landing::Failed { failure, rescued } => tracing::warn!(
            %account, %provider, flight = flight.0, login, elapsed_ms,
            outcome = failure.class.as_str(),
            rescued = rescued.is_some(),
            failure = %failure,
            "no token"
        ),
    }
}

/// Whether the provider says that the user has not agreed yet
/// ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628#section-3.5)): no failure at all.
fn is_pending(failure: &Failure) -> bool {
    matches!(failure.code.as_deref(), Some("authorization_pending" | "slow_down"))
}

fn overdue() -> Failure {
    Failure::new(FailureClass::Ambiguous, "no answer in time")
}

fn unmade(class: FailureClass, why: &str) -> Failure {
    Failure::new(class, format!("the request cannot be made: {why}"))
}
