//! Interactive sign-ins: prepared (metadata, listener), shown to the user, fed with the redirect,
//! redeemed, ended.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::faults;
use super::handle::Asker;
use super::plan::{Means, Plan, PortFreed, Prepared, Way};
use super::proof::Proof;
use super::recovery::rules;
use super::task::{Done, Engine};
use super::undo::Newcomer;
use crate::api::{Event as News, Fault, FaultKind, Login, LoginEnded, LoginStarted, Response};
use crate::lifecycle::{Event, SignInEnd, SignInSeed};
use crate::model::{
    AccountId, AccountSeed, Boot, ClientRecord, ClientSecret, Registration, RequestId, Values,
};
use crate::oauth::{CallbackPage, Loopback, Prover};
use crate::provider::Provider;
use crate::store::Command;

/// How long the user has.
const OPEN_FOR: Duration = Duration::from_mins(10);
/// Sign-ins at the same time.
const OPEN_MAX: usize = 16;
/// How many ends are remembered for those who ask late.
const ENDED_MAX: usize = 32;
/// Those who may wait for the end of one sign-in.
const WATCHERS_MAX: usize = 16;
/// The longest redirect that is looked at, in bytes.
const REDIRECT_MAX: usize = 16 * 1024;

/// A sign-in under way.
pub(super) struct SignIn {
    pub(super) seed: AccountSeed,
    pub(super) client: ClientRecord,
    pub(super) secret: Option<Arc<ClientSecret>>,
    /// By what the client is managed, if it has registered itself for this.
    pub(super) registration: Option<Arc<Registration>>,
    pub(super) provider: Arc<Provider>,
    /// The key that its tokens will be bound to, if they will be.
    pub(super) key: Option<Arc<Prover>>,
    pub(super) proof: Proof,
    pub(super) watchers: Vec<Asker>,
    /// The browser that waits to be told how it went.
    pub(super) browser: Option<oneshot::Sender<CallbackPage>>,
    pub(super) listener: Option<Listener>,
}

/// The task that waits for the browser.
pub(super) struct Listener {
    task: AbortHandle,
    port: u16,
    /// Ready, with an error, when the port is free again.
    gone: Option<oneshot::Receiver<Infallible>>,
}

/// How a sign-in ended.
pub(super) struct Ended {
    request: RequestId,
    result: Result<LoginEnded, Fault>,
}

/// The browser came back to the listener of a sign-in.
pub(super) struct Callback {
    request: RequestId,
    redirect: String,
    page: oneshot::Sender<CallbackPage>,
}

impl Engine {
    /// Starts a sign-in: finds out what is needed, then does what takes time in a task of its own.
    pub(super) fn login(&mut self, login: Login, asker: Asker) {
        if self.draining {
            return asker.answer(Err(faults::stopping()));
        }
        if self.sign_ins.len() + self.preparing >= OPEN_MAX {
            let message = format!("{OPEN_MAX} sign-ins are open already");
            asker.answer(Err(Fault::new(FaultKind::RateLimited, message)));
            return;
        }
        match self.plan(login) {
            Err(fault) => asker.answer(Err(*fault)),
            Ok(plan) => {
                let mut plan = plan(asker);
                if let Some(port) = plan.fixed_port() {
                    plan.port = self.free(port);
                }
                self.preparing += 1;
                self.fit(plan);
            }
        }
    }

    /// Does what takes time before a sign-in can be shown, in a task of its own.
    pub(super) fn prepare(&mut self, mut plan: Plan) {
        let (http, now) = (self.http.clone(), self.clock.now());
        self.tasks.spawn(async move {
            let result = plan.prepare(&http, now).await;
            Done::Prepared(Box::new(Prepared { plan, result }))
        });
    }

    /// Ends the sign-ins that wait for the browser on that port: the one that somebody wants now is
    /// the one that counts, and those before were abandoned, as a rule.
    fn free(&mut self, port: u16) -> PortFreed {
        let mut freed = PortFreed::new();
        let mut over = Vec::new();
        for (request, sign_in) in &mut self.sign_ins {
            let Some(listener) = sign_in.listener.as_mut().filter(|it| it.port == port) else {
                continue;
            };
            if !self.lifecycle.is_redeeming(&sign_in.seed.name) {
                freed.extend(listener.gone.take());
                over.push(request.clone());
            }
        }
        for request in over {
            self.tell(Event::EndSignIn { request, why: SignInEnd::Cancelled });
        }
        freed
    }

    /// A sign-in can be shown to the user.
    pub(super) fn prepared(&mut self, prepared: Prepared) {
        self.preparing -= 1;
        let Prepared { mut plan, result } = prepared;
        let _tie = plan.registering.end();
        let name = plan.name.clone();
        let shown = match result {
            Err(fault) => {
                if let Some(newcomer) = plan.registering.newcomer.take() {
                    self.undo(newcomer);
                }
                Some((plan.asker, Err(fault)))
            }
            Ok(way) => self.show(plan, way),
        };
        let Some((asker, started)) = shown else { return };
        if let Err(fault) = &started {
            tracing::warn!(account = %name, %fault, "login not started");
        }
        let started = started.map(Response::LoginStarted).map_err(|fault| fault.of(name));
        asker.answer(started);
    }

    /// Opens a sign-in. What to tell the one who asked, unless that waits for the disk.
    fn show(&mut self, plan: Plan, way: Way) -> Option<(Asker, Result<LoginStarted, Fault>)> {
        let Plan { name, secret, scopes, target, flow, grant, asker, .. } = plan;
        let Way { provider, client, registration, key, means } = way;
        let (request, id) = match (random(), random()) {
            (Ok(request), Ok(account)) => {
                (RequestId::from_random(request), AccountId::from_random(account))
            }
            (Err(error), _) | (_, Err(error)) => {
                let message = format!("no random numbers from the kernel: {error}");
                return Some((asker, Err(Fault::new(FaultKind::Internal, message))));
            }
        };
        let id = self.lifecycle.id_to_sign_in(&name).cloned().unwrap_or(id);
        let seed = AccountSeed {
            id,
            name: name.clone(),
            client: client.key.clone(),
            scopes: scopes.unwrap_or_default(),
            target,
            grant,
            values: Values::default(),
        };
        let now = self.clock.now();
        let mut deadline = now.boot + OPEN_FOR;
        let mut started = LoginStarted {
            request: request.clone(),
            account: name,
            flow,
            authorization_uri: String::new(),
            redirect_uri: String::new(),
            user_code: None,
            verification_uri: None,
            paste: false,
            expires_at: 0,
        };
        let mut sign_in = SignIn {
            seed,
            client,
            secret,
            registration,
            proof: Proof::Client,
            watchers: Vec::new(),
            browser: None,
            listener: None,
            provider,
            key,
        };
        let mut poll = None;
        let mut complete = false;
        match means {
            Means::Browser { loopback, redirect_uri, authorization, url } => {
                started.authorization_uri = url.into();
                started.redirect_uri = redirect_uri;
                started.paste = loopback.is_none();
                sign_in.listener = loopback.map(|loopback| self.listen(loopback, &request));
                sign_in.proof = Proof::Code { authorization, code: None };
            }
            Means::Device(device) => {
                deadline = now.boot + device.lifetime;
                poll = Some(device.interval);
                sign_in.proof = Proof::Device(Arc::new(device.device_code));
                started.user_code = Some(device.user_code);
                started.verification_uri = Some(device.verification_uri.to_string());
                let visit = device.verification_uri_complete.unwrap_or(device.verification_uri);
                started.authorization_uri = visit.into();
            }
            Means::Refresh(token) => {
                sign_in.proof = Proof::Refresh(token);
                complete = true;
            }
            Means::Client => complete = true,
        }
        started.expires_at = now.wall_at(deadline).seconds();
        self.open(request.clone(), sign_in, deadline, poll);
        if let Some(interval) = poll {
            self.remember(asker, started, now, deadline, interval);
            return None;
        }
        if complete {
            self.tell(Event::Redeem { request, values: Values::default() });
        }
        Some((asker, Ok(started)))
    }

    /// A sign-in is under way from now on.
    pub(super) fn open(
        &mut self,
        request: RequestId,
        sign_in: SignIn,
        deadline: Boot,
        poll: Option<Duration>,
    ) {
        let seed = sign_in.seed.clone();
        let rules = rules(&sign_in.provider);
        self.sign_ins.insert(request.clone(), sign_in);
        self.tell(Event::SignIn(SignInSeed { request, seed, rules, deadline, poll }));
    }

    fn listen(&mut self, loopback: Loopback, request: &RequestId) -> Listener {
        let callbacks = self.callbacks.clone();
        let request = request.clone();
        let port = loopback.port();
        let (here, gone) = oneshot::channel();
        let task = self.tasks.spawn(async move {
            // dropped last, behind the sockets
            let _here: oneshot::Sender<Infallible> = here;
            loopback
                .serve(|redirect| come_back(callbacks.clone(), request.clone(), redirect))
                .await;
            Done::Over
        });
        Listener { task, port, gone: Some(gone) }
    }

    /// The browser is back at the listener: its page waits until the sign-in has ended, which may be
    /// at once.
    pub(super) fn callback(&mut self, callback: Callback) {
        let Callback { request, redirect, page } = callback;
        let Some(sign_in) = self.sign_ins.get_mut(&request) else {
            let _ = page.send(failed_page(&self.no_such_request(&request)));
            return;
        };
        // before the redirect is looked at: an end without a browser ends the listener, too, and
        // with it the connection on which the page has to go out
        let before = sign_in.browser.replace(page);
        let Err(fault) = self.redirected(&request, &redirect) else { return };
        if let Some(sign_in) = self.sign_ins.get_mut(&request)
            && let Some(page) = std::mem::replace(&mut sign_in.browser, before)
        {
            let _ = page.send(CallbackPage::StillWaiting { message: fault.message });
        }
    }

    /// Looks at a redirect: a good one starts the exchange of its code; one that is not this
    /// sign-in's changes nothing; one that carries the provider's refusal ends the sign-in.
    pub(super) fn redirected(&mut self, request: &RequestId, redirect: &str) -> Result<(), Fault> {
        let Some(sign_in) = self.sign_ins.get_mut(request) else {
            return Err(self.no_such_request(request));
        };
        let name = sign_in.seed.name.clone();
        let still_open = |message: String| {
            Fault::new(FaultKind::InvalidOption, message)
                .of(name.clone())
                .hint("paste the whole address that the browser ended at")
        };
        if redirect.len() > REDIRECT_MAX {
            return Err(still_open(format!("a redirect has at most {REDIRECT_MAX} bytes")));
        }
        let Proof::Code { authorization, code: place } = &mut sign_in.proof else {
            return Err(still_open("no browser comes back to this sign-in".into()));
        };
        if place.is_some() || self.lifecycle.is_redeeming(&sign_in.seed.name) {
            return Err(still_open("this sign-in has had its redirect already".into()));
        }
        match authorization.accept(redirect) {
            Ok((code, values)) => {
                *place = Some(code);
                sign_in.seed.values = values.clone();
                self.tell(Event::Redeem { request: request.clone(), values });
                Ok(())
            }
            Err(error) if error.ends_attempt() => {
                let why = SignInEnd::Refused { why: error.to_string() };
                let fault = faults::sign_in_failed(name, &sign_in.client.key, why.clone());
                self.tell(Event::EndSignIn { request: request.clone(), why });
                Err(fault)
            }
            Err(error) => Err(still_open(error.to_string())),
        }
    }

    /// The same for a redirect that comes by itself: it belongs to the sign-in whose `state` it has.
    pub(super) fn redirected_by_state(&mut self, redirect: &str) -> Result<(), Fault> {
        let is_its = |sign_in: &SignIn| match &sign_in.proof {
            Proof::Code { authorization, .. } => authorization.is_its(redirect),
            Proof::Device(_) | Proof::Refresh(_) | Proof::Client => false,
        };
        let mut open = self.sign_ins.iter().filter(|(_, sign_in)| is_its(sign_in));
        let Some(request) = open.next().map(|(request, _)| request.clone()) else {
            let message = "the address belongs to no sign-in that is under way";
            return Err(Fault::new(FaultKind::NoSuchRequest, message));
        };
        self.redirected(&request, redirect)
    }

    pub(super) fn await_login(&mut self, request: &RequestId, asker: Asker) {
        if let Some(sign_in) = self.sign_ins.get_mut(request) {
            sign_in.watchers.retain(|watcher| !watcher.is_gone());
            if sign_in.watchers.len() < WATCHERS_MAX {
                sign_in.watchers.push(asker);
            } else {
                let message = "too many wait for this sign-in already";
                asker.answer(Err(Fault::new(FaultKind::RateLimited, message)));
            }
            return;
        }
        let ended = self.ended.iter().find(|ended| ended.request == *request);
        let result = match ended {
            Some(ended) => ended.result.clone().map(Response::LoginEnded),
            None => Err(self.no_such_request(request)),
        };
        asker.answer(result);
    }

    pub(super) fn cancel(&mut self, request: &RequestId) -> Result<(), Fault> {
        let Some(sign_in) = self.sign_ins.get(request) else {
            return Err(self.no_such_request(request));
        };
        if self.lifecycle.is_redeeming(&sign_in.seed.name) {
            let message = "the sign-in is just being completed; log out to undo it";
            return Err(Fault::new(FaultKind::RateLimited, message).of(sign_in.seed.name.clone()));
        }
        let why = SignInEnd::Cancelled;
        self.tell(Event::EndSignIn { request: request.clone(), why });
        Ok(())
    }

    /// A sign-in is over: everybody who waits for it is told, the browser too.
    pub(super) fn sign_in_ended(
        &mut self,
        request: &RequestId,
        result: Result<AccountId, SignInEnd>,
    ) {
        let Some(sign_in) = self.sign_ins.remove(request) else { return };
        // what waits for another device goes on when the daemon is there again
        let goes_on =
            matches!(sign_in.proof, Proof::Device(_)) && result == Err(SignInEnd::Stopping);
        if matches!(sign_in.proof, Proof::Device(_)) && !goes_on {
            self.write(Command::DropDevice(request.clone()));
        }
        let SignIn { seed, client, registration, watchers, browser, listener, .. } = sign_in;
        // what could not be saved may be on record as an answer yet, which is read with the next start
        let may_be_on_record = goes_on || matches!(result, Ok(_) | Err(SignInEnd::NotSaved { .. }));
        if let Some(registration) = registration.filter(|_| !may_be_on_record) {
            self.undo(Newcomer { client: client.key.clone(), registration });
        }
        let result = match result {
            Ok(id) => {
                let view = self.lifecycle.view(&seed.name);
                let now = self.clock.now();
                Ok(LoginEnded {
                    id,
                    scopes: view.as_ref().map_or(seed.scopes, |view| view.scopes.clone()),
                    expires_at: view
                        .as_ref()
                        .and_then(|view| view.expires)
                        .map(|at| now.wall_at(at).seconds()),
                    renewable: view.is_some_and(|view| view.renewable),
                    account: seed.name.clone(),
                })
            }
            Err(why) => Err(faults::sign_in_failed(seed.name.clone(), &client.key, why)),
        };
        match &result {
            Ok(ended) => tracing::info!(
                account = %seed.name, provider = %client.key.provider,
                renewable = ended.renewable, outcome = "signed-in", "login ended"
            ),
            Err(fault) => tracing::warn!(
                account = %seed.name, provider = %client.key.provider,
                outcome = fault.kind.name(), %fault, "login ended"
            ),
        }
        for watcher in watchers {
            watcher.answer(result.clone().map(Response::LoginEnded));
        }
        match browser {
            // the listener goes by itself when it has served the page
            Some(browser) => {
                let _ = browser.send(match &result {
                    Ok(ended) => CallbackPage::SignedIn {
                        account: ended.account.clone(),
                        scopes: ended.scopes.clone(),
                    },
                    Err(fault) => failed_page(fault),
                });
            }
            None => {
                if let Some(listener) = listener {
                    listener.task.abort();
                }
            }
        }
        let _ = self.events.send(News::Login {
            request: request.clone(),
            ended: result.as_ref().ok().cloned(),
            fault: result.as_ref().err().cloned(),
        });
        if self.ended.len() == ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(Ended { request: request.clone(), result });
    }

    fn no_such_request(&self, request: &RequestId) -> Fault {
        let over = self.ended.iter().any(|ended| ended.request == *request);
        let message = if over { "this sign-in is over" } else { "there is no such sign-in" };
        Fault::new(FaultKind::NoSuchRequest, message)
    }
}

/// Hands a callback to the engine and waits for the page to show.
async fn come_back(
    callbacks: mpsc::Sender<Callback>,
    request: RequestId,
    redirect: String,
) -> CallbackPage {
    let (page, shown) = oneshot::channel();
    let sent = callbacks.send(Callback { request, redirect, page }).await;
    match (sent, shown.await) {
        (Ok(()), Ok(page)) => page,
        _ => failed_page(&faults::stopping()),
    }
}

fn failed_page(fault: &Fault) -> CallbackPage {
    CallbackPage::Failed { message: fault.message.clone(), hint: fault.hint.clone() }
}

fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
