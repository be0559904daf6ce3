//! The keys that the tokens of accounts are bound to (RFC 9449). They stay in memory, unlike refresh tokens: programs
//! want proofs at any moment. Who gets a token that is bound can use it with a proof for each request, and the key
//! stays here. Whoever gets no token gets no proof, either: what is signed is what the lifecycle hands out.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::context::Context;
use super::done::Done;
use super::dpop::{is_bound, opened};
use super::handle::Asker;
use super::signing::{ProofRequest, Range};
use crate::api::{Fault, FaultKind, Proof, Response, Token, login_command};
use crate::model::{AccountId, AccountSeed, BASE_URL, FlightId, Resource};
use crate::oauth::{Demand, Prover};
use crate::provider::Provider;
use crate::store::ProofKeys;

/// Proofs that are made at the same time. One takes a fraction of a millisecond.
const SIGNING_MAX: usize = 64;

/// The keys of accounts.
pub(super) struct Keys {
    of: HashMap<AccountId, Arc<Prover>>,
    /// How many proofs can be in the making.
    signing: Arc<Semaphore>,
}

impl Keys {
    /// Takes up the keys on record; those of exchanges that were under way are given back.
    pub(super) fn take_up(keys: ProofKeys) -> (Self, HashMap<FlightId, Arc<Prover>>) {
        let accounts = keys.accounts.into_iter();
        let of = accounts.filter_map(|(id, key)| Some((id, opened(key)?))).collect();
        let flights = keys.flights.into_iter();
        let flights = flights.filter_map(|(flight, key)| Some((flight, opened(key)?))).collect();
        (Self { of, signing: Arc::new(Semaphore::new(SIGNING_MAX)) }, flights)
    }

    pub(super) fn of(&self, account: &AccountId) -> Option<&Arc<Prover>> {
        self.of.get(account)
    }

    /// A login is durable: its key, if it has one, is the account's from now on.
    pub(super) fn keep(&mut self, account: &AccountId, key: Option<Arc<Prover>>) {
        match key {
            Some(key) => drop(self.of.insert(account.clone(), key)),
            None => self.forget(account),
        }
    }

    /// The tokens that were bound to it are gone.
    pub(super) fn forget(&mut self, account: &AccountId) {
        self.of.remove(account);
    }

    /// Signs for a token that is handed out, of an account that speaks with `provider`. That is done in a task of its
    /// own: the engine's loop has no cryptography.
    pub(super) fn prove(
        &self,
        cx: &mut Context,
        asker: Asker,
        (token, request): (Token, ProofRequest),
        account: Option<&AccountSeed>,
        provider: Option<&Provider>,
    ) {
        let (key, permit) = match self.signer(&token, &request, account, provider) {
            Ok(signer) => signer,
            Err(fault) => return asker.answer(Err(fault.of(token.account))),
        };
        let now = cx.now();
        cx.spawn(async move {
            let ProofRequest { method, url, nonce } = request;
            let (nonce, access) = (nonce.as_deref(), Some(&*token.access_token));
            let made = key.prove(Demand { method: &method, url: &url, nonce, access }, now);
            drop(permit);
            let result = match made {
                Ok(proof) => Ok(Response::Proof(Proof { token, proof })),
                Err(error) => {
                    Err(Fault::new(FaultKind::Internal, error.to_string()).of(token.account))
                }
            };
            Done::Answered { asker, result }
        });
    }

    /// The key for a token, and the leave to sign with it.
    fn signer(
        &self,
        token: &Token,
        request: &ProofRequest,
        account: Option<&AccountSeed>,
        provider: Option<&Provider>,
    ) -> Result<(Arc<Prover>, OwnedSemaphorePermit), Fault> {
        if !is_bound(&token.token_type) {
            let message = "its token is bound to no key, and is used without a proof";
            let hint = format!("run: ostler token {}", token.account);
            return Err(Fault::new(FaultKind::InvalidOption, message).hint(hint));
        }
        let gone = || Fault::new(FaultKind::NoSuchAccount, "there is no such account");
        let account = account.ok_or_else(gone)?;
        let Some(key) = self.of.get(&account.id) else {
            let message = "the key that its tokens are bound to is lost, and the login with it";
            let login = login_command(&account.client.provider, &token.account);
            let hint = format!("run: {login}");
            return Err(Fault::new(FaultKind::LoginRequired, message).hint(hint));
        };
        let targets = account.target.resources.iter().map(Resource::as_str);
        let known = targets.chain(token.values.get(BASE_URL));
        Range::of(provider, known).check(&request.url)?;
        let permit = Arc::clone(&self.signing).try_acquire_owned().map_err(|_| {
            Fault::new(FaultKind::RateLimited, "too many proofs are wanted at the same time")
        })?;
        Ok((Arc::clone(key), permit))
    }
}
