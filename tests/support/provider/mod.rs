//! The project's own authorization server, in process, on a loopback port of its own. It speaks
//! `ParqEx`'s dialect and the standard one, keeps the rules of either strictly, and misbehaves on
//! order.
//!
//! It runs on a thread of its own, so that tests may block.

mod answer;
mod authorize;
mod config;
mod definition;
mod fault;
mod grants;
mod line;
mod log;
mod robot;
mod shared;
mod token;

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use serde_json::json;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::clock;
use line::{Exchange, Line};
pub(crate) use shared::NoRevocation;
use shared::Shared;

pub(crate) use config::{
    Auth, Client, Config, Dialect, OldAccess, Redirect, Rotation, Services, SignIn,
};
pub(crate) use fault::{Fault, Packing};
pub(crate) use log::{Grant, Log, Outcome, TokenRequest};
pub(crate) use robot::Robot;

/// How long a test waits for something to happen at the provider.
const PATIENCE: Duration = Duration::from_secs(30);

/// A provider that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Provider {
    shared: Arc<Shared>,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What was waited for did not happen.
#[derive(Debug, thiserror::Error)]
#[error("it did not happen at the provider; its log: {0:#?}")]
pub(crate) struct TooLate(Box<Log>);

impl Provider {
    /// Starts one.
    pub(crate) fn start(config: Config) -> Self {
        let (report, started) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("provider".to_owned())
            .spawn(move || {
                let runtime =
                    Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async move {
                    let (exchange, address) = Exchange::open().await.expect("a loopback port");
                    let shared = Arc::new(Shared::new(config, format!("http://{address}")));
                    let server = serve(exchange, Arc::clone(&shared));
                    report.send((shared, Handle::current())).expect("start waits for this");
                    tokio::select! {
                        biased; // to be dropped goes first: it is the only way to end
                        _ = stopped => {}
                        () = server => {}
                    }
                });
            })
            .expect("a thread");
        let (shared, runtime) = started.recv().expect("the provider starts");
        Self { shared, runtime, stop: Some(stop), thread: Some(thread) }
    }

    /// `http://127.0.0.1:PORT`, which also is the issuer.
    pub(crate) fn base(&self) -> &str {
        &self.shared.base
    }

    /// How it was made.
    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The authorization endpoint.
    pub(crate) fn authorization_url(&self) -> String {
        format!("{}{}", self.base(), self.config().authorization_path())
    }

    /// The token endpoint.
    pub(crate) fn token_url(&self) -> String {
        format!("{}{}", self.base(), self.config().token_path())
    }

    /// The protected resource: who asks with a good access token is told whose it is.
    pub(crate) fn resource_url(&self) -> String {
        format!("{}/api/me", self.base())
    }

    /// The revocation endpoint.
    pub(crate) fn revocation_url(&self) -> String {
        format!("{}/revoke", self.base())
    }

    /// A provider file for the daemon that describes this server.
    pub(crate) fn definition(&self, id: &str) -> String {
        definition::toml(self, id)
    }

    /// Orders a fault, once, behind those on order.
    pub(crate) fn next(&self, fault: Fault) {
        self.shared.orders().push(fault);
    }

    /// Orders a fault for all requests that no queued one is for.
    pub(crate) fn always(&self, fault: Fault) {
        self.shared.orders().stand(fault);
    }

    /// Orders a fault that swallows every request of one sign-in, which has that access token.
    pub(crate) fn afflict(&self, access_token: &str, fault: Fault) {
        let family = self.shared.grants().family_of_access(access_token);
        self.shared.orders().afflict(family.expect("a token that it issued"), fault);
    }

    /// Refuses revocations from now on, or takes them again.
    pub(crate) fn refuse_revocations(&self, how: Option<NoRevocation>) {
        *self.shared.no_revocation.lock().expect("nobody panics with it") = how;
    }

    /// Cancels all faults.
    pub(crate) fn behave(&self) {
        self.shared.orders().clear();
    }

    /// Lets go of the answers that [`Fault::Hold`] holds.
    pub(crate) fn release(&self) {
        self.shared.release.send_replace(());
    }

    /// What it has seen so far.
    pub(crate) fn log(&self) -> Log {
        self.shared.log.borrow().clone()
    }

    /// Waits until the log shows something.
    pub(crate) async fn wait_for(
        &self,
        predicate: impl FnMut(&Log) -> bool,
    ) -> Result<Log, TooLate> {
        let mut watch = self.shared.log.subscribe();
        match tokio::time::timeout(PATIENCE, watch.wait_for(predicate)).await {
            Ok(Ok(log)) => Ok(log.clone()),
            Ok(Err(_)) | Err(_) => Err(TooLate(Box::new(self.log()))),
        }
    }

    /// The same for a test without a runtime: it blocks the thread.
    pub(crate) fn wait(&self, predicate: impl FnMut(&Log) -> bool) -> Result<Log, TooLate> {
        self.runtime.block_on(self.wait_for(predicate))
    }

    /// Kills all that a user has, as the provider's own account page would; says how many sign-ins
    /// that were.
    pub(crate) fn revoke_family(&self, user: &str) -> usize {
        self.shared.grants().revoke_user(user)
    }

    /// Lets a user's access tokens be rejected from now on.
    pub(crate) fn expire_access_tokens(&self, user: &str) {
        self.shared.grants().expire_access(user, clock::now());
    }

    /// Whether the resource would take that token.
    pub(crate) fn is_access_token_valid(&self, token: &str) -> bool {
        self.shared.grants().owner(token, clock::now()).is_some()
    }

    /// How long the resource will go on taking that token.
    pub(crate) fn access_token_left(&self, token: &str) -> Duration {
        self.shared.grants().access_left(token, clock::now())
    }

    /// The refresh token that a user was given last, if it still works: to look for it where it must
    /// not be, or to use it as a second daemon would.
    pub(crate) fn newest_refresh_token(&self, user: &str) -> Option<String> {
        self.shared.grants().newest_refresh(user).map(str::to_owned)
    }

    /// The PKCE verifiers that came with codes: random, without a prefix to look for.
    pub(crate) fn verifiers(&self) -> Vec<String> {
        self.shared.verifiers().clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // it may have ended by itself
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(exchange: Exchange, shared: Arc<Shared>) {
    let mut routes = Router::new()
        .route(shared.config.authorization_path(), get(authorize::authorize))
        .route(shared.config.token_path(), any(token::token))
        .route("/decide", post(authorize::decide))
        .route("/api/me", get(resource))
        .route(answer::TRAP, any(trap));
    if shared.config.services == Services::Full {
        routes = routes
            .route("/revoke", post(token::revoke))
            .route("/.well-known/oauth-authorization-server", get(metadata));
    }
    let app = routes.with_state(shared).into_make_service_with_connect_info::<Line>();
    // it ends when the provider is dropped, and has no other reason to
    let _ = axum::serve(exchange, app).await;
}

/// A resource protected by access tokens (RFC 6750).
async fn resource(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let user = shared.grants().owner(token, clock::now()).map(str::to_owned);
    if let Some(user) = user {
        shared.log.send_modify(|log| log.admitted += 1);
        return answer::json(StatusCode::OK, &json!({ "user": user }));
    }
    shared.log.send_modify(|log| log.turned_away += 1);
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")])
        .into_response()
}

/// Where nobody should be: a client that follows redirects brings its secrets here.
async fn trap(State(shared): State<Arc<Shared>>) -> Response {
    shared.log.send_modify(|log| log.trapped += 1);
    answer::json(StatusCode::OK, &json!({ "access_token": "from-the-trap", "expires_in": 3600 }))
}

/// Metadata (RFC 8414).
async fn metadata(State(shared): State<Arc<Shared>>) -> Response {
    answer::json(StatusCode::OK, &definition::metadata(&shared))
}
