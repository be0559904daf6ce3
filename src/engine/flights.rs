//! Flights: from a durable intent to an interpreted answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::certificate;
use super::dpop;
use super::proof;
use super::task::{Done, Engine};
use crate::crash::{self, Point};
use crate::lifecycle::{Event, Purpose, Unsaved};
use crate::model::{
    AccountSeed, Boot, ClientSecret, Failure, FailureClass, FlightId, Issued, Landing, RawAnswer,
    RefreshToken, RequestId, Scopes, Stamp,
};
use crate::oauth::{Client, Prover, Sent, SentSecrets, TokenRequest, read_answer, sketch};
use crate::provider::Provider;
use crate::store::{Begin, BeginKind, Command, Credentials, Exchange, Opener, Report, StoreError};

/// A flight that takes longer than this is given up, whatever its layers below think. The HTTP client has a shorter limit
/// of its own; this one holds if that should fail, and over a suspend, in which the clock of the layers below stands.
const FLIGHT_MAX: Duration = Duration::from_secs(45);

/// How long a flight that is found to take too long may take yet: after a suspend its answer may have come and not be read.
const LAST_CHANCE: Duration = Duration::from_secs(2);

/// What the engine knows about a flight under way.
pub(super) struct Flying {
    pub(super) account: AccountSeed,
    /// The scopes that are asked for, if not all that were granted.
    narrowed: Option<Scopes>,
    /// The token that is exchanged, if the refresh token is left alone.
    pub(super) subject: Option<Arc<Issued>>,
    pub(super) provider: Arc<Provider>,
    pub(super) sent: Stamp,
    /// For whose sign-in the code is redeemed, if it is not a refresh.
    pub(super) request: Option<RequestId>,
    /// Whether it is for a sign-in, of this run or an earlier one.
    pub(super) is_sign_in: bool,
    /// What the store gave for the request, until it is sent.
    credentials: Option<Credentials>,
    /// The refresh token that was sent: an answer that repeats it brings none.
    sent_refresh: Option<RefreshToken>,
    /// The key that its tokens are bound to, if they are.
    pub(super) key: Option<Arc<Prover>>,
    /// The client's secret, as long as the provider may be asked more.
    pub(super) secret: Option<ClientSecret>,
    /// What else was sent and must not show up in words. Not known of an earlier run's flight.
    sent_secrets: Option<SentSecrets>,
    /// What came back, on its way to the disk.
    pub(super) answer: Option<Arc<RawAnswer>>,
    /// The request, while it is on its way.
    air: Option<Air>,
}

/// A request on its way.
struct Air {
    task: AbortHandle,
    limit: Limit,
}

/// How long a request may be on its way.
#[derive(Debug, Clone, Copy)]
enum Limit {
    Ordinary(Boot),
    /// It took too long, and is given up if its answer is not there by then.
    Last(Boot),
}

impl Limit {
    fn at(self) -> Boot {
        match self {
            Self::Ordinary(at) | Self::Last(at) => at,
        }
    }
}

/// A flight's end, as its task tells it.
pub(super) struct Landed {
    flight: FlightId,
    result: Result<RawAnswer, Failure>,
}

impl Flying {
    /// A flight of an earlier run, of which the answer is on record.
    pub(super) fn resumed(
        account: AccountSeed,
        provider: Arc<Provider>,
        sent: Stamp,
        is_sign_in: bool,
        answer: RawAnswer,
    ) -> Self {
        Self {
            account,
            narrowed: None,
            subject: None,
            provider,
            sent,
            request: None,
            is_sign_in,
            credentials: None,
            sent_refresh: None,
            key: None,
            secret: None,
            sent_secrets: None,
            answer: Some(Arc::new(answer)),
            air: None,
        }
    }
}

impl Engine {
    /// Makes the intent to fly durable.
    pub(super) fn begin(&mut self, flight: FlightId, mut account: AccountSeed, purpose: Purpose) {
        let sent = self.clock.stamp();
        let (mut narrowed, mut subject) = (None, None);
        let mut key = self.keys.get(&account.id).cloned();
        let (provider, request, kind) = match purpose {
            Purpose::Refresh { generation, portion, subject: exchanged } => {
                subject = exchanged;
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
                (self.provider_of(&account.client), None, kind)
            }
            Purpose::Exchange { request } => match self.sign_ins.get(&request) {
                Some(sign_in) => {
                    key.clone_from(&sign_in.key);
                    let exchange = Exchange {
                        key: sign_in.key.as_ref().map(|key| Arc::clone(key.key())),
                        seed: account.clone(),
                        client: sign_in.client.clone(),
                        secret: sign_in.secret.clone(),
                        registration: sign_in.registration.clone(),
                    };
                    let provider = Some(Arc::clone(&sign_in.provider));
                    (provider, Some(request), BeginKind::Exchange(Box::new(exchange)))
                }
                None => return self.not_begun(flight, "the sign-in is gone"),
            },
        };
        let Some(provider) = provider else {
            return self.not_begun(flight, "the provider's definition is gone");
        };
        let flying = Flying {
            account,
            narrowed,
            subject,
            provider,
            sent: sent.clone(),
            is_sign_in: request.is_some(),
            request,
            credentials: None,
            sent_refresh: None,
            key,
            secret: None,
            sent_secrets: None,
            answer: None,
            air: None,
        };
        self.flying.insert(flight, flying);
        self.write(Command::Begin(Box::new(Begin { flight, sent, kind })));
    }

    fn not_begun(&mut self, flight: FlightId, why: &str) {
        self.tell(Event::Begun { flight, result: Err(why.to_owned()) });
    }

    /// Sends what has begun.
    pub(super) fn launch(&mut self, flight: FlightId) {
        let Some(flying) = self.flying.get_mut(&flight) else { return };
        // lifetimes count from here: the intent may have waited for the disk
        flying.sent = self.clock.stamp();
        let Some(Credentials { refresh, secret }) = flying.credentials.take() else { return };
        let client = Client { id: &flying.account.client.client, secret: secret.as_ref() };
        let request = match (&refresh, &flying.request) {
            (Some(refresh), None) => {
                let (scopes, target) = (flying.narrowed.as_ref(), &flying.account.target);
                let (provider, now) = (&flying.provider, flying.sent.at);
                TokenRequest::bound(flying.key.as_ref(), now, || {
                    if let Some(subject) = &flying.subject {
                        let token = &subject.access;
                        TokenRequest::token_exchange(provider, client, token, scopes, target, now)
                    } else if flying.account.grant.renews_itself() {
                        proof::by_client(provider, client, &flying.account, now)
                    } else {
                        TokenRequest::refresh(provider, client, refresh, scopes, target, now)
                    }
                })
            }
            (_, Some(request)) => match self.sign_ins.get_mut(request) {
                Some(sign_in) => sign_in.token_request(client, flying.sent.at),
                None => return self.give_up(flight, "the sign-in is gone"),
            },
            (None, None) => return self.give_up(flight, "there is no refresh token"),
        };
        let imported = flying.request.as_ref().and_then(|it| self.sign_ins.get(it)?.imported());
        flying.sent_refresh = refresh.or(imported);
        let mut request = match request {
            Ok(request) => request,
            Err(error) => return self.not_made(flight, error.class(), &error.to_string()),
        };
        flying.sent_secrets = Some(request.take_secrets());
        flying.secret = secret;
        tracing::debug!(
            flight = flight.0,
            account = %flying.account.name,
            provider = %flying.provider.id,
            login = flying.request.is_some(),
            "sending"
        );
        let courier = Arc::clone(&self.courier);
        let limit = Limit::Ordinary(flying.sent.at.boot + FLIGHT_MAX);
        let task = self.tasks.spawn(async move {
            let result = match tokio::time::timeout(FLIGHT_MAX, courier.deliver(request)).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(error)) => Err(error.into_failure()),
                Err(_) => Err(overdue()),
            };
            Done::Landed(Landed { flight, result })
        });
        if let Some(flying) = self.flying.get_mut(&flight) {
            flying.air = Some(Air { task, limit });
        }
    }

    /// When the next flight has been on its way for too long.
    pub(super) fn overdue_at(&self) -> Option<Boot> {
        let limits = self.flying.values().filter_map(|flying| flying.air.as_ref());
        limits.map(|air| air.limit.at()).min()
    }

    /// Gives up the flights that have been on their way for too long.
    pub(super) fn end_overdue(&mut self) {
        let now = self.clock.now().boot;
        let mut over = Vec::new();
        for (flight, flying) in &mut self.flying {
            match &mut flying.air {
                Some(Air { limit: limit @ Limit::Ordinary(_), .. }) if limit.at() <= now => {
                    *limit = Limit::Last(now + LAST_CHANCE);
                }
                Some(Air { limit: Limit::Last(at), task }) if *at <= now => {
                    task.abort();
                    over.push(*flight);
                }
                _ => {}
            }
        }
        for flight in over {
            self.landed(Landed { flight, result: Err(overdue()) });
        }
    }

    /// A flight is back. Its answer goes to the disk before anybody tries to understand it.
    pub(super) fn landed(&mut self, landed: Landed) {
        let Landed { flight, result } = landed;
        // one that was given up in the same moment has landed already
        let Some(flying) = self.flying.get_mut(&flight).filter(|it| it.air.is_some()) else {
            return;
        };
        flying.air = None;
        match result {
            Ok(answer) => {
                let answer = Arc::new(answer);
                flying.answer = Some(Arc::clone(&answer));
                if flying.subject.is_some() {
                    // it holds nothing that could not be had again, and must not be taken for a refresh's
                    return self.interpret(flight);
                }
                self.write(Command::Answered { flight, answer });
            }
            Err(failure) => self.settle(flight, Landing::Failed { failure, rescued: None }),
        }
    }

    /// Interprets an answer. It is on the disk by now; if the disk did not take it, the answer is
    /// used all the same, since it may hold the only copy of a refresh token.
    pub(super) fn interpret(&mut self, flight: FlightId) {
        let now = self.clock.now();
        let Some(flying) = self.flying.get_mut(&flight) else { return };
        let Some(answer) = flying.answer.take() else { return };
        // nothing asks for them again
        let (refresh, secrets) = (flying.sent_refresh.take(), flying.sent_secrets.take());
        let sent = Sent { refresh: refresh.as_ref(), others: secrets.as_ref() };
        let mut landing = read_answer(&flying.provider, &answer, sent, now);
        let name = flying.account.name.clone();
        let is_odd = matches!(&landing, Landing::Failed { failure, .. } if !is_pending(failure));
        let shown = is_odd.then(|| sketch(&answer, sent));
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
        self.vouch(flight, landing);
        if let Some(shown) = shown {
            self.doctor.answers.note(name, shown, now);
        }
    }

    pub(super) fn settle(&mut self, flight: FlightId, landing: Landing) {
        let Some(flying) = self.flying.get(&flight) else { return };
        let sent = flying.sent.clone();
        let elapsed = self.clock.now().boot.since(sent.at.boot);
        let login = flying.request.is_some();
        let provider = flying.provider.id.clone();
        self.doctor.answers.forget(&flying.account.name);
        let elapsed_ms = elapsed.as_millis();
        match &landing {
            Landing::Granted(granted) => tracing::info!(
                account = %flying.account.name, %provider, flight = flight.0, login, elapsed_ms,
                rotated = granted.refresh.is_some(),
                lifetime_s = granted.lifetime.map(|span| span.as_secs()),
                outcome = "granted",
                "token issued"
            ),
            Landing::Failed { failure, .. } if is_pending(failure) => {
                tracing::debug!(account = %flying.account.name, %provider, "not yet agreed to");
            }
            Landing::Failed { failure, rescued } => tracing::warn!(
                account = %flying.account.name, %provider, flight = flight.0, login, elapsed_ms,
                outcome = failure.class.as_str(),
                rescued = rescued.is_some(),
                failure = %failure,
                "no token"
            ),
        }
        let over = matches!(landing, Landing::Failed { rescued: None, .. });
        self.tell(Event::Landed { flight, sent, landing });
        if over {
            // with it goes the refresh token that was sent: the next try takes it from the disk
            self.flying.remove(&flight);
        }
    }

    fn give_up(&mut self, flight: FlightId, why: &str) {
        self.not_made(flight, FailureClass::RequestBroken, why);
    }

    fn not_made(&mut self, flight: FlightId, class: FailureClass, why: &str) {
        let failure = Failure::new(class, format!("the request cannot be made: {why}"));
        self.settle(flight, Landing::Failed { failure, rescued: None });
    }

    /// Gives the store something to do.
    pub(super) fn write(&mut self, command: Command) {
        if let Err(command) = self.store.send(command) {
            let error = StoreError::from(crate::store::Unwritable::Gone);
            tracing::error!(%error, "a command of no avail");
            match command {
                Command::Begin(begin) => {
                    self.hear(Report::Begun { flight: begin.flight, result: Err(error) });
                }
                Command::Answered { flight, .. } => {
                    self.hear(Report::Answered { flight, result: Err(error) });
                }
                Command::Grant(change) => {
                    let flight = change.flight;
                    let result = Err((error, change));
                    self.hear(Report::Granted { flight, result });
                }
                Command::Adjust { change, .. } => {
                    self.hear(Report::Adjusted { change, result: Err(error) });
                }
                Command::Erase { account, .. } | Command::GiveBack { account, .. } => {
                    self.hear(Report::Erased { account, result: Err(error) });
                }
                Command::SetRule(change, _) | Command::DropRule(change, _) => {
                    self.hear(Report::Ruled { change, result: Err(error) });
                }
                Command::Abandon { .. }
                | Command::Stand { .. }
                | Command::Note(_)
                | Command::EndErrand { .. }
                | Command::DropDevice(_) => {}
                Command::OpenClient { client, by } => {
                    self.hear(Report::ClientOpened { client, by, result: Err(error) });
                }
                Command::Renew(renewal) => {
                    let client = renewal.client.key.clone();
                    self.hear(Report::Renewed { client, result: Err((error, renewal)) });
                }
                Command::OpenErrand(errand) => {
                    self.hear(Report::ErrandOpened { errand, result: Err(error) });
                }
                Command::PutDevice(device) => {
                    let request = Some(device.request);
                    self.hear(Report::Remembered { request, result: Err(error) });
                }
            }
        }
    }

    /// The store has done something.
    pub(super) fn reported(&mut self, report: Report) {
        match report {
            Report::Checked { result: Ok(()) } => self.tell(Event::Checked),
            Report::Checked { result: Err(error) } => self.damaged = Some(error),
            Report::Begun { flight, result } => {
                let result = match result {
                    Ok(credentials) => match self.flying.get_mut(&flight) {
                        Some(flying) => {
                            flying.credentials = Some(credentials);
                            Ok(())
                        }
                        None => Err("the flight is gone".to_owned()),
                    },
                    Err(error) => {
                        tracing::error!(flight = flight.0, %error, "intent not written down");
                        self.flying.remove(&flight);
                        Err(error.to_string())
                    }
                };
                self.tell(Event::Begun { flight, result });
            }
            Report::Answered { flight, result } => {
                if let Err(error) = result {
                    tracing::error!(flight = flight.0, %error, "answer not written down");
                }
                self.interpret(flight);
            }
            Report::Granted { flight, result } => {
                let result = match result {
                    Ok(kept) => {
                        crash::point(Point::BeforePublish);
                        self.granted(flight);
                        Ok(kept)
                    }
                    Err((error, change)) => {
                        let lasting = !error.may_pass();
                        tracing::error!(flight = flight.0, %error, lasting, "grant not written down");
                        Err(Unsaved { change, why: error.to_string(), lasting })
                    }
                };
                self.tell(Event::Saved { flight, result });
            }
            Report::Erased { account, result } => self.erased(&account, result),
            Report::ClientOpened { client, by: Opener::Renewal, result } => {
                self.client_opened(client, result);
            }
            Report::ClientOpened { client, by: Opener::Login(ticket), result } => {
                self.client_read(ticket, &client, result);
            }
            Report::Renewed { client, result } => self.registration_kept(client, result),
            Report::ErrandOpened { errand, result } => self.errand_opened(errand, result),
            Report::ErrandEnded { errand, result } => {
                if let Err(error) = result {
                    tracing::warn!(errand = errand.0, %error, "end of a revocation not written down");
                }
            }
            Report::Abandoned { flight, result } => {
                if let Err(error) = result {
                    tracing::warn!(flight = flight.0, %error, "end of a flight not written down");
                }
            }
            Report::Adjusted { change, result } => {
                let result = result.map_err(|error| {
                    tracing::error!(%error, "a change of an account not written down");
                    error.to_string()
                });
                self.tell(Event::Adjusted { change, result });
            }
            Report::Ruled { change, result } => {
                let result = result.map_err(|error| {
                    tracing::error!(%error, "a change of the rules about programs not written down");
                    error.to_string()
                });
                self.tell(Event::RuleStored { change, result });
            }
            Report::Noted { result } => {
                if let Err(error) = result {
                    tracing::warn!(%error, "the use of accounts not written down");
                }
            }
            Report::Remembered { request, result } => {
                if let Err(error) = result {
                    tracing::warn!(%error, "an open sign-in is not written down: it ends with this run");
                }
                if let Some(request) = request {
                    self.shown(&request);
                }
            }
            Report::Stood { account, result } => {
                if let Err(error) = result {
                    tracing::warn!(%account, %error, "standing not written down");
                }
            }
        }
    }

    /// The grant of a flight is durable: the client that it belongs to is on record from now on.
    fn granted(&mut self, flight: FlightId) {
        let Some(flying) = self.flying.remove(&flight) else { return };
        if flying.is_sign_in {
            self.keep_key(&flying.account.id, flying.key);
        }
        if let Some(request) = &flying.request
            && let Some(sign_in) = self.sign_ins.get(request)
        {
            self.know(sign_in.client.clone());
        }
        self.watch_registration(&flying.account.client);
    }
}

/// Whether the provider says that the user has not agreed yet (RFC 8628, 3.5): no failure at all.
fn is_pending(failure: &Failure) -> bool {
    matches!(failure.code.as_deref(), Some("authorization_pending" | "slow_down"))
}

fn overdue() -> Failure {
    Failure::new(FailureClass::Ambiguous, "no answer in time")
}
