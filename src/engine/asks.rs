//! Requests: from what a caller asked to what the lifecycle is told.

use std::time::Duration;

use tokio::sync::oneshot;

use super::handle::Message;
use super::task::{Engine, Reply};
use crate::api::{Fault, GetToken, Logout, Request, Response};
use crate::lifecycle::{Ask, Event};

/// The life that a token must have left when the caller does not say.
const MIN_VALID: u32 = 60;
/// How long a caller waits when it does not say.
const PATIENCE_MS: u32 = 20_000;
/// The longest that a caller can wait for a token.
const PATIENCE_MAX_MS: u32 = 60_000;

pub(super) type Asker = oneshot::Sender<Result<Response, Fault>>;

impl Engine {
    /// Takes a request up. Some are answered on the spot, the others when they are done.
    pub(super) fn ask(&mut self, message: Message) {
        let Message { caller, request, reply } = message;
        match request {
            Request::GetToken(get) => self.get_token(get, reply),
            Request::ListAccounts => {
                send(reply, Ok(Response::Accounts { accounts: self.accounts() }));
            }
            Request::Status => send(reply, Ok(self.status())),
            Request::ListProviders => send(reply, Ok(self.providers())),
            Request::Login(login) => {
                let face = caller.face.as_str();
                tracing::info!(provider = %login.provider, face, pid = caller.pid, "login asked for");
                self.login(*login, reply);
            }
            Request::AwaitLogin(which) => self.await_login(&which.request, reply),
            Request::SubmitRedirect(redirect) => {
                let result = self.redirected(&redirect.request, &redirect.uri);
                send(reply, result.map(|()| Response::Done {}));
            }
            Request::Cancel(which) => {
                let result = self.cancel(&which.request);
                send(reply, result.map(|()| Response::Done {}));
            }
            Request::Logout(Logout { account }) => {
                let face = caller.face.as_str();
                tracing::info!(%account, face, pid = caller.pid, "logout asked for");
                let waiter = self.new_waiter();
                self.waiting
                    .insert(waiter, Reply::Logout { asker: reply, account: account.clone() });
                self.tell(Event::Logout { account, waiter });
            }
        }
    }

    fn get_token(&mut self, get: GetToken, asker: Asker) {
        let waiter = self.new_waiter();
        let patience = get.timeout_ms.unwrap_or(PATIENCE_MS).min(PATIENCE_MAX_MS);
        let deadline = self.clock.now().boot + Duration::from_millis(u64::from(patience));
        let min_valid = Duration::from_secs(u64::from(get.min_valid.unwrap_or(MIN_VALID)));
        self.waiting.insert(waiter, Reply::Token { asker, account: get.account.clone() });
        self.tell(Event::Ask(Ask {
            waiter,
            account: get.account,
            min_valid,
            scopes: get.scopes.unwrap_or_default(),
            rejected: get.rejected,
            deadline,
        }));
    }
}

fn send(asker: Asker, result: Result<Response, Fault>) {
    // who does not wait any more does not mind
    let _ = asker.send(result);
}
