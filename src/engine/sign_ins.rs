//! Interactive sign-ins: shown to the user, fed with the redirect, redeemed, ended.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::context::Context;
use super::done::Done;
use super::faults;
use super::handle::Asker;
use super::plan::{Plan, PortFreed};
use super::preparing::{Means, Way};
use super::proof::Proof;
use super::registering::Newcomer;
use super::sign_in::{Callback, Ended, Listener, SignIn, failed_page, page};
use crate::api::{Event as News, Fault, FaultKind, LoginEnded, LoginStarted, Response};
use crate::lifecycle::{Event, SignInEnd};
use crate::model::{AccountId, AccountName, AccountSeed, RequestId};
use crate::oauth::{CallbackPage, Loopback};
use crate::store::Command;

/// Sign-ins at the same time.
const OPEN_MAX: usize = 16;
/// How many ends are remembered for those who ask late.
const ENDED_MAX: usize = 32;
/// Those who may wait for the end of one sign-in.
const WATCHERS_MAX: usize = 16;
/// The longest redirect that is looked at, in bytes.
const REDIRECT_MAX: usize = 16 * 1024;

/// The sign-ins under way.
pub(super) struct SignIns {
    open: HashMap<RequestId, SignIn>,
    /// Sign-ins on their way to the disk, and who is shown them then.
    showing: HashMap<RequestId, (Asker, LoginStarted)>,
    /// Sign-ins whose listener or metadata is still awaited.
    preparing: usize,
    /// How the last sign-ins ended, for those who ask late.
    ended: VecDeque<Ended>,
    callbacks: mpsc::Sender<Callback>,
}

/// Why a redirect brought nothing.
pub(super) enum Unfit {
    /// It is not the sign-in's, which waits for the one that is.
    Passed(Fault),
    /// The sign-in is over with it.
    Over(Fault),
}

impl Unfit {
    pub(super) fn into_fault(self) -> Fault {
        match self {
            Self::Passed(fault) | Self::Over(fault) => fault,
        }
    }
}

/// A sign-in that is over.
pub(super) struct Over {
    pub(super) seed: AccountSeed,
    pub(super) result: Result<LoginEnded, Fault>,
    /// The client that registered itself for nothing.
    pub(super) newcomer: Option<Newcomer>,
}

impl SignIns {
    pub(super) fn new(callbacks: mpsc::Sender<Callback>) -> Self {
        let (open, showing, ended) = (HashMap::new(), HashMap::new(), VecDeque::new());
        Self { open, showing, preparing: 0, ended, callbacks }
    }

    pub(super) fn get(&self, request: &RequestId) -> Option<&SignIn> {
        self.open.get(request)
    }

    pub(super) fn get_mut(&mut self, request: &RequestId) -> Option<&mut SignIn> {
        self.open.get_mut(request)
    }

    /// Makes room for a sign-in that is prepared from now on.
    pub(super) fn reserve(&mut self) -> Result<(), Fault> {
        if self.open.len() + self.preparing >= OPEN_MAX {
            let message = format!("{OPEN_MAX} sign-ins are open already");
            return Err(Fault::new(FaultKind::RateLimited, message));
        }
        self.preparing += 1;
        Ok(())
    }

    /// A sign-in is prepared, or cannot be.
    pub(super) fn prepared(&mut self) {
        self.preparing -= 1;
    }

    /// Ends the sign-ins that wait for the browser on that port: the one that somebody wants now is
    /// the one that counts, and those before were abandoned, as a rule.
    pub(super) fn free(
        &mut self,
        cx: &mut Context,
        port: u16,
        is_redeeming: impl Fn(&AccountName) -> bool,
    ) -> PortFreed {
        let mut freed = PortFreed::new();
        for (request, sign_in) in &mut self.open {
            let Some(listener) = sign_in.listener.as_mut().filter(|it| it.port == port) else {
                continue;
            };
            if !is_redeeming(&sign_in.seed.name) {
                freed.extend(listener.gone.take());
                let why = SignInEnd::Cancelled;
                cx.tell(Event::EndSignIn { request: request.clone(), why });
            }
        }
        freed
    }

    /// What a prepared sign-in is shown as, and what it waits for.
    pub(super) fn start(
        &self,
        cx: &mut Context,
        request: &RequestId,
        account: AccountSeed,
        (plan, way): (&mut Plan, Way),
    ) -> (SignIn, LoginStarted) {
        let Way { provider, client, registration, key, means } = way;
        let mut started = LoginStarted {
            request: request.clone(),
            account: account.name.clone(),
            flow: plan.flow,
            authorization_uri: String::new(),
            redirect_uri: String::new(),
            user_code: None,
            verification_uri: None,
            paste: false,
            expires_at: 0,
        };
        let mut sign_in = SignIn {
            seed: account,
            client,
            secret: plan.secret.take(),
            registration,
            proof: Proof::Client,
            watchers: Vec::new(),
            browser: None,
            listener: None,
            provider,
            key,
        };
        match means {
            Means::Browser { loopback, redirect_uri, authorization, url } => {
                started.authorization_uri = url.into();
                started.redirect_uri = redirect_uri;
                started.paste = loopback.is_none();
                sign_in.listener = loopback.map(|loopback| self.listen(cx, loopback, request));
                sign_in.proof = Proof::Code { authorization, code: None };
            }
            Means::Device(device) => {
                sign_in.proof = Proof::Device(Arc::new(device.device_code));
                started.user_code = Some(device.user_code);
                started.verification_uri = Some(device.verification_uri.to_string());
                let visit = device.verification_uri_complete.unwrap_or(device.verification_uri);
                started.authorization_uri = visit.into();
            }
            Means::Refresh(token) => sign_in.proof = Proof::Refresh(token),
            Means::Client => {}
        }
        (sign_in, started)
    }

    /// A sign-in is under way from now on.
    pub(super) fn open(&mut self, request: RequestId, sign_in: SignIn) {
        self.open.insert(request, sign_in);
    }

    /// Who asked for a sign-in is shown it once it is on disk.
    pub(super) fn show_later(&mut self, asker: Asker, started: LoginStarted) {
        self.showing.insert(started.request.clone(), (asker, started));
    }

    /// A sign-in is on disk, or cannot be put there: then it works all the same, until the daemon ends.
    pub(super) fn show(&mut self, request: &RequestId) {
        if let Some((asker, started)) = self.showing.remove(request) {
            asker.answer(Ok(Response::LoginStarted(started)));
        }
    }

    fn listen(&self, cx: &mut Context, loopback: Loopback, request: &RequestId) -> Listener {
        let callbacks = self.callbacks.clone();
        let request = request.clone();
        let port = loopback.port();
        let (here, gone) = oneshot::channel();
        let task = cx.spawn(async move {
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
    pub(super) fn called_back(
        &mut self,
        cx: &mut Context,
        callback: Callback,
        is_redeeming: impl Fn(&AccountName) -> bool,
    ) {
        let Callback { request, redirect, page } = callback;
        let Some(sign_in) = self.open.get_mut(&request) else {
            let _ = page.send(failed_page(&self.no_such_request(&request)));
            return;
        };
        // before the redirect is looked at: an end without a browser ends the listener, too, and
        // with it the connection on which the page has to go out
        let before = sign_in.browser.replace(page);
        let Err(Unfit::Passed(fault)) = self.redirected(cx, &request, &redirect, is_redeeming)
        else {
            return;
        };
        if let Some(sign_in) = self.open.get_mut(&request)
            && let Some(page) = std::mem::replace(&mut sign_in.browser, before)
        {
            let _ = page.send(CallbackPage::StillWaiting { message: fault.message });
        }
    }

    /// Looks at a redirect: a good one starts the exchange of its code; one that is not this
    /// sign-in's changes nothing; one that carries the provider's refusal ends the sign-in.
    pub(super) fn redirected(
        &mut self,
        cx: &mut Context,
        request: &RequestId,
        redirect: &str,
        is_redeeming: impl Fn(&AccountName) -> bool,
    ) -> Result<(), Unfit> {
        let Some(sign_in) = self.open.get_mut(request) else {
            return Err(Unfit::Passed(self.no_such_request(request)));
        };
        let name = sign_in.seed.name.clone();
        let passed = |message: String| {
            let fault = Fault::new(FaultKind::InvalidOption, message).of(name.clone());
            Unfit::Passed(fault.hint("paste the whole address that the browser ended at"))
        };
        if redirect.len() > REDIRECT_MAX {
            return Err(passed(format!("a redirect has at most {REDIRECT_MAX} bytes")));
        }
        let Proof::Code { authorization, code: place } = &mut sign_in.proof else {
            return Err(passed("no browser comes back to this sign-in".into()));
        };
        if place.is_some() || is_redeeming(&sign_in.seed.name) {
            return Err(passed("this sign-in has had its redirect already".into()));
        }
        match authorization.accept(redirect) {
            Ok((code, values)) => {
                *place = Some(code);
                sign_in.seed.values = values.clone();
                cx.tell(Event::Redeem { request: request.clone(), values });
                Ok(())
            }
            Err(error) if error.ends_attempt() => {
                let why = SignInEnd::Refused { why: error.to_string() };
                let fault = faults::sign_in_failed(name, &sign_in.client.key, why.clone());
                cx.tell(Event::EndSignIn { request: request.clone(), why });
                Err(Unfit::Over(fault))
            }
            Err(error) => Err(passed(error.to_string())),
        }
    }

    /// The sign-in that a redirect belongs to which comes by itself: the one whose `state` it has.
    pub(super) fn whose(&self, redirect: &str) -> Result<RequestId, Fault> {
        let is_its = |sign_in: &SignIn| match &sign_in.proof {
            Proof::Code { authorization, .. } => authorization.is_its(redirect),
            Proof::Device(_) | Proof::Refresh(_) | Proof::Client => false,
        };
        let mut its = self.open.iter().filter(|(_, sign_in)| is_its(sign_in));
        its.next().map(|(request, _)| request.clone()).ok_or_else(|| {
            let message = "the address belongs to no sign-in that is under way";
            Fault::new(FaultKind::NoSuchRequest, message)
        })
    }

    /// Somebody wants to know how a sign-in ends.
    pub(super) fn watch(&mut self, request: &RequestId, asker: Asker) {
        if let Some(sign_in) = self.open.get_mut(request) {
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

    /// The user does not want to go on.
    pub(super) fn cancel(
        &self,
        cx: &mut Context,
        request: &RequestId,
        is_redeeming: impl Fn(&AccountName) -> bool,
    ) -> Result<(), Fault> {
        let sign_in = self.open.get(request).ok_or_else(|| self.no_such_request(request))?;
        if is_redeeming(&sign_in.seed.name) {
            let message = "the sign-in is just being completed; log out to undo it";
            return Err(Fault::new(FaultKind::RateLimited, message).of(sign_in.seed.name.clone()));
        }
        cx.tell(Event::EndSignIn { request: request.clone(), why: SignInEnd::Cancelled });
        Ok(())
    }

    /// A sign-in is over: everybody who waits for it is told, the browser too. `signed_in` says what the account is
    /// that it ended in.
    pub(super) fn end(
        &mut self,
        cx: &mut Context,
        request: &RequestId,
        result: Result<AccountId, SignInEnd>,
        signed_in: impl FnOnce(AccountId, &AccountSeed) -> LoginEnded,
    ) -> Option<Over> {
        let sign_in = self.open.remove(request)?;
        // what waits for another device goes on when the daemon is there again
        let goes_on =
            matches!(sign_in.proof, Proof::Device(_)) && result == Err(SignInEnd::Stopping);
        if matches!(sign_in.proof, Proof::Device(_)) && !goes_on {
            cx.write(Command::DropDevice(request.clone()));
        }
        let SignIn { seed, client, registration, watchers, browser, listener, .. } = sign_in;
        // what could not be saved may be on record as an answer yet, which is read with the next start
        let may_be_on_record = goes_on || matches!(result, Ok(_) | Err(SignInEnd::NotSaved { .. }));
        let registration = registration.filter(|_| !may_be_on_record);
        let newcomer =
            registration.map(|registration| Newcomer { client: client.key.clone(), registration });
        let result = match result {
            Ok(id) => Ok(signed_in(id, &seed)),
            Err(why) => Err(faults::sign_in_failed(seed.name.clone(), &client.key, why)),
        };
        for watcher in watchers {
            watcher.answer(result.clone().map(Response::LoginEnded));
        }
        match (browser, listener) {
            // the listener goes by itself when it has served the page
            (Some(browser), _) => drop(browser.send(page(&result))),
            (None, Some(listener)) => listener.task.abort(),
            (None, None) => {}
        }
        cx.announce(News::Login {
            request: request.clone(),
            ended: result.as_ref().ok().cloned(),
            fault: result.as_ref().err().cloned(),
        });
        if self.ended.len() == ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(Ended { request: request.clone(), result: result.clone() });
        Some(Over { seed, result, newcomer })
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
