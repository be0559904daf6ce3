//! Requests: from what a caller asked to what the lifecycle is told.

use std::sync::Arc;
use std::time::Duration;

use super::access;
use super::asking::shown;
use super::handle::{Asker, Message};
use super::signing::ProofRequest;
use super::task::Engine;
use super::waiters::{Revocation, Wish};
use crate::api::{
    Fault, FaultKind, GetToken, Logout, Refresh, Rename, Request, Response, Resume, Revoke,
    SetEnabled, SignProof,
};
use crate::lifecycle::{Ask, Event, Parting};
use crate::model::{AccountName, Adjustment, Caller, Lack, Portion, Target};

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
            Request::GetToken(get) => {
                let wish = Wish::Token { caller: caller.clone(), proof: None };
                self.get_token(get, wish, caller, asker);
            }
            Request::SignProof(sign) => self.sign_proof(*sign, caller, asker),
            Request::ListAccounts(listing) => self.list_accounts(listing, &caller, asker),
            Request::Status(listing) => asker.answer(self.status(listing)),
            Request::ListProviders => asker.answer(Ok(self.providers())),
            Request::Diagnose => self.diagnose(asker),
            Request::Login(login) => {
                let face = caller.face.as_str();
                tracing::info!(provider = %login.provider, face, pid = caller.pid, "login asked for");
                self.login(*login, asker);
            }
            Request::AwaitLogin(which) => self.sign_ins.watch(&which.request, asker),
            Request::SubmitRedirect(redirect) => {
                let result = self.redirected(redirect.request, &redirect.uri);
                asker.answer(result.map(|()| Response::Done {}));
            }
            Request::Cancel(which) => {
                let result = self.cancel(&which.request);
                asker.answer(result.map(|()| Response::Done {}));
            }
            Request::Logout(Logout { account, revoke }) => {
                let revocation =
                    if revoke.unwrap_or(true) { Revocation::Wanted } else { Revocation::Unwanted };
                self.part(account, Parting::Erase, revocation, &caller, asker);
            }
            Request::Revoke(Revoke { account }) => {
                self.part(account, Parting::GiveBack, Revocation::Wanted, &caller, asker);
            }
            Request::Refresh(Refresh { account, timeout_ms }) => {
                let get = GetToken {
                    account,
                    min_valid: None,
                    scopes: None,
                    resource: None,
                    audience: None,
                    narrow: None,
                    challenge: None,
                    rejected: None,
                    timeout_ms,
                    interactive: None,
                };
                self.get_token(get, Wish::Renewal, caller, asker);
            }
            Request::Rename(Rename { account, name }) => {
                tracing::info!(%account, %name, by = %caller.identity, "another name asked for");
                self.adjust(account, Adjustment::Rename(name), asker);
            }
            Request::SetEnabled(SetEnabled { account, enabled }) => {
                tracing::info!(%account, enabled, by = %caller.identity, "put into use or out of it");
                self.adjust(account, Adjustment::Enable(enabled), asker);
            }
            Request::Resume(Resume { account }) => {
                let face = caller.face.as_str();
                tracing::info!(%account, face, pid = caller.pid, "another try asked for");
                let waiter = self.waiters.enter(asker, account.clone(), Wish::Change);
                self.cx.tell(Event::Resume { account, waiter });
            }
            Request::ListUses(which) => self.list_uses(&which, asker),
            Request::ListGrants => asker.answer(Ok(self.grants())),
            Request::SetGrant(set) => self.set_grant(*set, &caller, asker),
            Request::RemoveGrant(which) => self.remove_grant(&which, &caller, asker),
            Request::ListPending => {
                let now = self.cx.now();
                let pending = self.lifecycle.questions().map(|view| shown(&view, now)).collect();
                asker.answer(Ok(Response::Pending { pending }));
            }
            Request::Respond(respond) => self.respond(&respond, &caller, asker),
            Request::ShowProvider(show) => asker.answer(self.show_provider(&show.provider)),
            Request::CheckProvider(file) => asker.answer(Ok(Self::check_provider(&file.text))),
            Request::DraftProvider(draft) => self.draft_provider(draft.issuer, asker),
        }
    }

    fn adjust(&mut self, account: AccountName, to: Adjustment, asker: Asker) {
        let waiter = self.waiters.enter(asker, account.clone(), Wish::Change);
        self.cx.tell(Event::Adjust { account, to, waiter });
    }

    fn part(
        &mut self,
        account: AccountName,
        parting: Parting,
        revocation: Revocation,
        caller: &Caller,
        asker: Asker,
    ) {
        let face = caller.face.as_str();
        tracing::info!(%account, ?parting, ?revocation, face, pid = caller.pid, "logout asked for");
        let waiter = self.waiters.enter(asker, account.clone(), Wish::Logout(revocation));
        self.cx.tell(Event::Part { account, parting, waiter });
    }

    fn sign_proof(&mut self, sign: SignProof, caller: Caller, asker: Asker) {
        let SignProof { account, http_method, url, nonce, .. } = sign;
        let proof = match ProofRequest::read(http_method, &url, nonce) {
            Ok(request) => Some(Box::new(request)),
            Err(fault) => return asker.answer(Err(fault.of(account))),
        };
        let get = GetToken {
            account,
            min_valid: sign.min_valid,
            scopes: sign.scopes,
            resource: None,
            audience: None,
            narrow: None,
            challenge: None,
            rejected: sign.rejected,
            timeout_ms: sign.timeout_ms,
            interactive: sign.interactive,
        };
        self.get_token(get, Wish::Token { caller: caller.clone(), proof }, caller, asker);
    }

    fn get_token(&mut self, get: GetToken, wish: Wish, caller: Caller, asker: Asker) {
        let lack = get.challenge.as_deref().map_or(Ok(Lack::default()), Lack::read);
        let target = Target::new(get.resource, get.audience);
        let (target, lack) = match target.and_then(|target| Ok((target, lack?))) {
            Ok(both) => both,
            Err(error) => {
                let fault = Fault::new(FaultKind::InvalidOption, error.to_string());
                return asker.answer(Err(fault.of(get.account)));
            }
        };
        let scopes = get.scopes.unwrap_or_default();
        let narrow = get.narrow.unwrap_or(false);
        let portion = narrow.then(|| Portion { scopes: scopes.clone(), target: target.clone() });
        let renew = matches!(wish, Wish::Renewal);
        let waiter = self.waiters.enter(asker, get.account.clone(), wish);
        let patience = get.timeout_ms.unwrap_or(PATIENCE_MS).min(PATIENCE_MAX_MS);
        let deadline = self.cx.now().boot + Duration::from_millis(u64::from(patience));
        let min_valid = get.min_valid.map(|seconds| Duration::from_secs(seconds.into()));
        self.cx.tell(Event::Ask(Ask {
            waiter,
            account: get.account,
            caller,
            interactive: get.interactive.unwrap_or(true),
            min_valid,
            scopes,
            target,
            portion: portion.map(Arc::new),
            wanted: lack,
            rejected: get.rejected,
            renew,
            deadline,
        }));
    }
}
