//! Interactive sign-ins, from the wish to the end: what a sign-in needs is found out, then it is shown to the user.

use std::time::Duration;

use super::done::Done;
use super::faults;
use super::fitting::Fit;
use super::handle::Asker;
use super::plan::Plan;
use super::preparing::{Means, Way};
use super::registering::Newcomer;
use super::sign_in::{Callback, SignIn};
use super::sign_ins::Unfit;
use super::task::Engine;
use crate::api::{Fault, FaultKind, Login, LoginEnded, LoginStarted, Response};
use crate::lifecycle::{Event, SignInEnd, SignInSeed};
use crate::model::{AccountId, AccountSeed, Boot, ClientKey, RequestId, Values};
use crate::oauth::{OauthError, Renewed};
use crate::store::{OpenedClient, StoreError};

/// How long the user has.
const OPEN_FOR: Duration = Duration::from_mins(10);

impl Engine {
    /// Starts a sign-in: finds out what is needed, then does what takes time in a task of its own.
    pub(super) fn login(&mut self, login: Login, asker: Asker) {
        if self.draining {
            return asker.answer(Err(faults::stopping()));
        }
        let plan = match self.plan(login) {
            Ok(plan) => plan,
            Err(fault) => return asker.answer(Err(*fault)),
        };
        if let Err(fault) = self.sign_ins.reserve() {
            return asker.answer(Err(fault));
        }
        let mut plan = plan(asker);
        if let Some(port) = plan.fixed_port() {
            let lifecycle = &self.lifecycle;
            plan.port = self.sign_ins.free(&mut self.cx, port, |name| lifecycle.is_redeeming(name));
        }
        let fit = self.fitting.fit(&mut self.cx, plan, &self.clients, &self.registrations);
        self.fit(fit);
    }

    /// Goes on with a login as far as its client lets it.
    fn fit(&mut self, fit: Fit) {
        match fit {
            Fit::Waits => {}
            Fit::Ready(plan) => self.prepare(plan),
            Fit::Refused(plan, fault) => self.prepared(plan, Err(fault)),
            Fit::Keep(client, renewed) => {
                if !self.registrations.keep(&mut self.cx, &self.clients, &client, renewed) {
                    self.go_on(&client);
                }
            }
        }
    }

    /// It is known what is kept of the client of a login.
    pub(super) fn client_read(
        &mut self,
        ticket: u64,
        client: &ClientKey,
        result: Result<OpenedClient, StoreError>,
    ) {
        let fit = self.fitting.client_read(&mut self.cx, ticket, client, result, &self.clients);
        self.fit(fit);
    }

    /// The client of a login is fit, or cannot be made to.
    pub(super) fn fitted(
        &mut self,
        mut plan: Box<Plan>,
        result: Result<Option<Renewed>, OauthError>,
    ) {
        // what is to be kept is waited for like a renewal
        let _tie = plan.registering.end();
        let fit = self.fitting.fitted(plan, result);
        self.fit(fit);
    }

    /// A registration is on disk, or cannot be put there: logins that waited for it go on.
    pub(super) fn go_on(&mut self, client: &ClientKey) {
        for plan in self.fitting.go_on(client, &self.clients) {
            self.prepare(Box::new(plan));
        }
    }

    /// Does what takes time before a sign-in can be shown, in a task of its own.
    fn prepare(&mut self, mut plan: Box<Plan>) {
        let (http, now) = (self.cx.http(), self.cx.now());
        self.cx.spawn(async move {
            let result = plan.prepare(&http, now).await.map(Box::new);
            Done::Prepared { plan, result }
        });
    }

    /// A sign-in can be shown to the user.
    pub(super) fn prepared(&mut self, mut plan: Box<Plan>, result: Result<Box<Way>, Fault>) {
        self.sign_ins.prepared();
        let _tie = plan.registering.end();
        let name = plan.name.clone();
        let shown = match result {
            Err(fault) => {
                if let Some(newcomer) = plan.registering.newcomer.take() {
                    self.undo(newcomer);
                }
                Some((plan.asker, Err(fault)))
            }
            Ok(way) => self.show(plan, *way),
        };
        let Some((asker, started)) = shown else { return };
        if let Err(fault) = &started {
            tracing::warn!(account = %name, %fault, "login not started");
        }
        let started = started.map(Response::LoginStarted).map_err(|fault| fault.of(name));
        asker.answer(started);
    }

    /// Opens a sign-in. What to tell the one who asked, unless that waits for the disk.
    fn show(
        &mut self,
        mut plan: Box<Plan>,
        way: Way,
    ) -> Option<(Asker, Result<LoginStarted, Fault>)> {
        let (request, id) = match (random(), random()) {
            (Ok(request), Ok(account)) => {
                (RequestId::from_random(request), AccountId::from_random(account))
            }
            (Err(error), _) | (_, Err(error)) => {
                let message = format!("no random numbers from the kernel: {error}");
                return Some((plan.asker, Err(Fault::new(FaultKind::Internal, message))));
            }
        };
        let id = self.lifecycle.id_to_sign_in(&plan.name).cloned().unwrap_or(id);
        let seed = AccountSeed {
            id,
            name: plan.name.clone(),
            client: way.client.key.clone(),
            scopes: plan.scopes.take().unwrap_or_default(),
            target: plan.target.clone(),
            grant: plan.grant.clone(),
            values: Values::default(),
        };
        let now = self.cx.now();
        let mut deadline = now.boot + OPEN_FOR;
        let mut poll = None;
        if let Means::Device(device) = &way.means {
            deadline = now.boot + device.lifetime;
            poll = Some(device.interval);
        }
        let is_complete = matches!(way.means, Means::Refresh(_) | Means::Client);
        let (sign_in, mut started) =
            self.sign_ins.start(&mut self.cx, &request, seed, (&mut plan, way));
        started.expires_at = now.wall_at(deadline).seconds();
        self.open(request.clone(), sign_in, deadline, poll);
        // what it takes the place of goes first
        self.take_turns();
        if let Some(interval) = poll {
            self.remember(plan.asker, started, now, deadline, interval);
            return None;
        }
        if is_complete {
            self.cx.tell(Event::Redeem { request, values: Values::default() });
        }
        Some((plan.asker, Ok(started)))
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
        let rules = super::rules::rules(&sign_in.provider);
        self.sign_ins.open(request.clone(), sign_in);
        self.cx.tell(Event::SignIn(SignInSeed { request, seed, rules, deadline, poll }));
    }

    /// The browser is back.
    pub(super) fn called_back(&mut self, callback: Callback) {
        let lifecycle = &self.lifecycle;
        self.sign_ins.called_back(&mut self.cx, callback, |name| lifecycle.is_redeeming(name));
    }

    /// The user gives the address at which the browser ended.
    pub(super) fn redirected(
        &mut self,
        request: Option<RequestId>,
        redirect: &str,
    ) -> Result<(), Fault> {
        let request = match request {
            Some(request) => request,
            None => self.sign_ins.whose(redirect)?,
        };
        let lifecycle = &self.lifecycle;
        let is_redeeming = |name: &_| lifecycle.is_redeeming(name);
        let taken = self.sign_ins.redirected(&mut self.cx, &request, redirect, is_redeeming);
        taken.map_err(Unfit::into_fault)
    }

    /// The user does not want to go on with a sign-in.
    pub(super) fn cancel(&mut self, request: &RequestId) -> Result<(), Fault> {
        let lifecycle = &self.lifecycle;
        self.sign_ins.cancel(&mut self.cx, request, |name| lifecycle.is_redeeming(name))
    }

    /// A sign-in is over.
    pub(super) fn sign_in_ended(
        &mut self,
        request: &RequestId,
        result: Result<AccountId, SignInEnd>,
    ) {
        let (lifecycle, now) = (&self.lifecycle, self.cx.now());
        let signed_in = |id, seed: &AccountSeed| {
            let view = lifecycle.view(&seed.name);
            let expires = view.as_ref().and_then(|view| view.expires);
            LoginEnded {
                id,
                scopes: view
                    .as_ref()
                    .map_or_else(|| seed.scopes.clone(), |view| view.scopes.clone()),
                expires_at: expires.map(|at| now.wall_at(at).seconds()),
                renewable: view.is_some_and(|view| view.renewable),
                account: seed.name.clone(),
            }
        };
        let over = self.sign_ins.end(&mut self.cx, request, result, signed_in);
        let Some(over) = over else { return };
        let (account, provider) = (&over.seed.name, &over.seed.client.provider);
        match &over.result {
            Ok(ended) => tracing::info!(
                %account, %provider, renewable = ended.renewable, outcome = "signed-in",
                "login ended"
            ),
            Err(fault) => tracing::warn!(
                %account, %provider, outcome = fault.kind.name(), %fault, "login ended"
            ),
        }
        if let Some(newcomer) = over.newcomer {
            self.undo(newcomer);
        }
    }

    /// Has a client unregistered that nobody will use.
    fn undo(&mut self, newcomer: Newcomer) {
        if self.clients.record(&newcomer.client).is_none() {
            self.registrations.undo(&mut self.cx, newcomer);
        }
    }
}

fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
