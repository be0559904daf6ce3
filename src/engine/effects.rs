//! Effects: what the lifecycle wants done.

use std::sync::atomic::Ordering;

use super::faults;
use super::logouts::Leaving;
use super::shown;
use super::task::Engine;
use super::waiters::{Revocation, Waiter, Wish};
use crate::api::{Event as News, Fault, Refreshed, Response};
use crate::lifecycle::{Effect, HandOut, Parting, Refusal, WaiterId};
use crate::model::{AccountId, AccountName, Boot};
use crate::store::Command;

impl Engine {
    /// Does one effect.
    pub(super) fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Begin { flight, account, purpose } => self.begin(flight, account, purpose),
            Effect::Launch { flight } => self.launch(flight),
            Effect::Save(change) => self.cx.write(Command::Grant(change)),
            Effect::Abandon { flight, account, standing } => {
                self.flights.forget(flight);
                self.cx.write(Command::Abandon { flight, account, standing });
            }
            Effect::Stand { account, standing } => {
                self.cx.write(Command::Stand { account, standing });
            }
            Effect::Answer { waiter, result } => self.answer(waiter, result),
            Effect::Changed { account, new_token } => self.changed(&account, new_token),
            Effect::SignInEnded { request, result } => self.sign_in_ended(&request, result),
            Effect::Erase { account, name, parting, ends, waiter } => {
                self.erase(account, name, parting, ends, waiter);
            }
            Effect::Errand(effect) => self.errands.heed(&mut self.cx, &self.clients, effect),
            Effect::Renew(client) => self.registrations.renew(&mut self.cx, client),
            Effect::Keep(client) => self.registrations.keep_again(&mut self.cx, &client),
            Effect::Adjust { change, account, to } => {
                self.cx.write(Command::Adjust { change, account, to });
            }
            Effect::Renamed { old, new } => tracing::info!(%old, %new, "renamed"),
            Effect::Storm { account } => tracing::warn!(
                %account,
                "its token is renewed more often than makes sense: some program reports every new one \
                 as rejected; from now on it is renewed every few minutes at most"
            ),
            Effect::Done { waiter, result } => self.done_for(waiter, result),
            Effect::StoreRule(change, rule) => self.cx.write(Command::SetRule(change, rule)),
            Effect::DropRule(change, rule) => self.cx.write(Command::DropRule(change, rule)),
            Effect::Ruled { waiter, result } => self.ruled(waiter, result),
            Effect::Prompt { question } => {
                // what is to be shown is shown on a bus
                let has_bus = self.daemon.info.bus.load(Ordering::Relaxed);
                let mut questions = self.lifecycle.questions();
                if let Some(view) = questions.find(|view| view.id == question) {
                    self.asking.put(&mut self.cx, &view, has_bus);
                }
            }
            Effect::Unprompt { question } => self.asking.take_back(question),
            Effect::Pending => self.tell_pending(),
            Effect::Online(online) => {
                tracing::info!(online, "providers can be reached, or not any more");
                self.cx.announce(News::Online { online });
            }
            Effect::NoSuchAccount { waiter } => {
                if let Some(Waiter { asker, account, .. }) = self.waiters.leave(waiter) {
                    asker.answer(Err(faults::no_such_account(account)));
                }
            }
        }
    }

    fn answer(&mut self, waiter: WaiterId, result: Result<HandOut, Refusal>) {
        let Some(Waiter { asker, account, wish }) = self.waiters.leave(waiter) else { return };
        let hand_out = match result {
            Ok(hand_out) => hand_out,
            Err(refusal) => return asker.answer(Err(self.refused(account, refusal))),
        };
        let now = self.cx.now();
        let Wish::Token { caller, proof } = wish else {
            let expires_at = hand_out.expires.map(|at| now.wall_at(at).seconds());
            return asker.answer(Ok(Response::Refreshed(Refreshed { account, expires_at })));
        };
        if let Some(id) = self.lifecycle.id_of(&account) {
            self.uses.note(id, &caller, now);
        }
        let token = shown::token(account, &hand_out, now);
        let Some(request) = proof else { return asker.answer(Ok(Response::Token(token))) };
        let view = self.lifecycle.view(&token.account);
        let seed = view.map(|view| view.seed);
        let provider = seed.and_then(|seed| self.clients.provider_of(&seed.client));
        let proven = (token, *request);
        self.keys.prove(&mut self.cx, asker, proven, seed, provider.as_deref());
    }

    fn done_for(&mut self, waiter: WaiterId, result: Result<(), Refusal>) {
        let Some(Waiter { asker, account, .. }) = self.waiters.leave(waiter) else { return };
        let refused = |refusal| self.refused(account, refusal);
        asker.answer(result.map(|()| Response::Done {}).map_err(refused));
    }

    /// What the one who asked is told.
    fn refused(&self, account: AccountName, refusal: Refusal) -> Fault {
        let client = self.lifecycle.view(&account).map(|view| &view.seed.client);
        faults::refused(account, client, refusal, self.cx.now())
    }

    fn changed(&mut self, account: &AccountName, new_token: bool) {
        let Some(view) = self.lifecycle.view(account) else { return };
        let account = shown::account(&view, self.cx.now());
        self.told.changed(&account);
        self.cx.announce(News::Account { account: Box::new(account), new_token });
    }

    /// Has an account erased, or its tokens.
    fn erase(
        &mut self,
        account: AccountId,
        name: AccountName,
        parting: Parting,
        ends: Option<Boot>,
        waiter: WaiterId,
    ) {
        let worth = ends.map(|end| end.since(self.cx.now().boot));
        let (asker, revocation) = match self.waiters.leave(waiter) {
            Some(Waiter { asker, wish: Wish::Logout(revocation), .. }) => (Some(asker), revocation),
            Some(Waiter { asker, .. }) => (Some(asker), Revocation::Wanted),
            None => (None, Revocation::Wanted),
        };
        let leaving = Leaving { name, parting, worth, asker, revocation };
        self.logouts.erase(&mut self.cx, account, leaving);
    }
}
