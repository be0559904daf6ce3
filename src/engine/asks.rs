//! Requests: from what a caller asked to what the lifecycle is told.

use std::time::Duration;

use super::access;
use super::handle::{Asker, Message};
use super::task::Engine;
use crate::api::{GetToken, Logout, Request, Response, Resume};
use crate::lifecycle::{Ask, Event};
use crate::model::Caller;

/// How long a caller waits when it does not say.
const PATIENCE_MS: u32 = 20_000;
/// The longest that a caller can wait for a token.
const PATIENCE_MAX_MS: u32 = 60_000;

impl Engine {
    /// Takes a request up. Some are answered on the spot, the others when they are done.
    pub(super) fn ask(&mut self, message: Message) {
        let Message { caller, request, asker } = message;
        if let Err(fault) = access::admit(&caller, &request) {
            asker.answer(Err(fault));
            return;
        }
        match request {
            Request::GetToken(get) => self.get_token(get, caller, asker),
            Request::ListAccounts => {
                asker.answer(Ok(Response::Accounts { accounts: self.accounts_for(&caller) }));
            }
            Request::Status => asker.answer(Ok(self.status())),
            Request::ListProviders => asker.answer(Ok(self.providers())),
            Request::Diagnose => self.diagnose(asker),
            Request::Login(login) => {
                let face = caller.face.as_str();
                tracing::info!(provider = %login.provider, face, pid = caller.pid, "login asked for");
                self.login(*login, asker);
            }
            Request::AwaitLogin(which) => self.await_login(&which.request, asker),
            Request::SubmitRedirect(redirect) => {
                let result = self.redirected(&redirect.request, &redirect.uri);
                asker.answer(result.map(|()| Response::Done {}));
            }
            Request::Cancel(which) => {
                let result = self.cancel(&which.request);
                asker.answer(result.map(|()| Response::Done {}));
            }
            Request::Logout(Logout { account }) => {
                let face = caller.face.as_str();
                tracing::info!(%account, face, pid = caller.pid, "logout asked for");
                let waiter = self.wait(asker, caller, &account);
                self.tell(Event::Logout { account, waiter });
            }
            Request::Resume(Resume { account }) => {
                let face = caller.face.as_str();
                tracing::info!(%account, face, pid = caller.pid, "another try asked for");
                let waiter = self.wait(asker, caller, &account);
                self.tell(Event::Resume { account, waiter });
            }
            Request::ListUses(which) => self.list_uses(&which, asker),
            Request::ListGrants => asker.answer(Ok(self.grants())),
            Request::SetGrant(set) => self.set_grant(*set, &caller, asker),
            Request::RemoveGrant(which) => self.remove_grant(&which, &caller, asker),
            Request::ListPending => {
                asker.answer(Ok(Response::Pending { pending: self.pending() }));
            }
            Request::Respond(respond) => self.respond(&respond, &caller, asker),
        }
    }

    fn get_token(&mut self, get: GetToken, caller: Caller, asker: Asker) {
        let waiter = self.wait(asker, caller.clone(), &get.account);
        let patience = get.timeout_ms.unwrap_or(PATIENCE_MS).min(PATIENCE_MAX_MS);
        let deadline = self.clock.now().boot + Duration::from_millis(u64::from(patience));
        let min_valid = get.min_valid.map(|seconds| Duration::from_secs(seconds.into()));
        self.tell(Event::Ask(Ask {
            waiter,
            account: get.account,
            caller,
            interactive: get.interactive.unwrap_or(true),
            min_valid,
            scopes: get.scopes.unwrap_or_default(),
            rejected: get.rejected,
            deadline,
        }));
    }
}
