//! Effects: what the lifecycle wants done.

use super::faults;
use super::task::{Engine, Waiting};
use crate::api::{Event as News, Fault, Refreshed, Response, State};
use crate::lifecycle::{Effect, HandOut, Refusal, WaiterId};
use crate::model::AccountName;
use crate::store::Command;

impl Engine {
    /// Does one effect.
    pub(super) fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Begin { flight, account, purpose } => self.begin(flight, account, purpose),
            Effect::Launch { flight } => self.launch(flight),
            Effect::Save(change) => self.write(Command::Grant(change)),
            Effect::Abandon { flight, account, standing } => {
                self.flying.remove(&flight);
                self.write(Command::Abandon { flight, account, standing });
            }
            Effect::Stand { account, standing } => self.write(Command::Stand { account, standing }),
            Effect::Answer { waiter, result } => self.answer(waiter, result),
            Effect::Changed { account, new_token } => self.changed(&account, new_token),
            Effect::SignInEnded { request, result } => self.sign_in_ended(&request, result),
            Effect::Erase { account, name, parting, ends, waiter } => {
                self.erase(account, name, parting, ends, waiter);
            }
            Effect::Errand(effect) => self.errand(effect),
            Effect::Renew(client) => self.renew(client),
            Effect::Keep(client) => self.keep_again(&client),
            Effect::Adjust { change, account, to } => {
                self.write(Command::Adjust { change, account, to });
            }
            Effect::Renamed { old, new } => self.renamed(&old, &new),
            Effect::Storm { account } => tracing::warn!(
                %account,
                "its token is renewed more often than makes sense: some program reports every new one \
                 as rejected; from now on it is renewed every few minutes at most"
            ),
            Effect::Done { waiter, result } => self.done_for(waiter, result),
            Effect::StoreRule(change, rule) => self.write(Command::SetRule(change, rule)),
            Effect::DropRule(change, rule) => self.write(Command::DropRule(change, rule)),
            Effect::Ruled { waiter, result } => self.ruled(waiter, result),
            Effect::Prompt { question } => self.prompt(question),
            Effect::Unprompt { question } => self.unprompt(question),
            Effect::Pending => self.tell_pending(),
            Effect::Online(online) => {
                tracing::info!(online, "providers can be reached, or not any more");
                let _ = self.events.send(News::Online { online });
            }
            Effect::NoSuchAccount { waiter } => {
                self.revocations.remove(&waiter);
                if let Some(Waiting { asker, account, .. }) = self.waiting.remove(&waiter) {
                    asker.answer(Err(faults::no_such_account(account)));
                }
            }
        }
    }

    fn answer(&mut self, waiter: WaiterId, result: Result<HandOut, Refusal>) {
        let renews = self.renewals.remove(&waiter);
        let Some(waiting) = self.waiting.remove(&waiter) else { return };
        if result.is_ok() && !renews {
            self.note_use(&waiting);
        }
        let Waiting { asker, account, wish, .. } = waiting;
        let now = self.clock.now();
        let result = match result {
            Ok(hand_out) if renews => {
                let expires_at = hand_out.expires.map(|at| now.wall_at(at).seconds());
                Ok(Response::Refreshed(Refreshed { account, expires_at }))
            }
            Ok(hand_out) => {
                let token = super::shown::token(account, &hand_out, now);
                if let Some(wish) = wish {
                    return self.prove(asker, token, wish, now);
                }
                Ok(Response::Token(token))
            }
            Err(refusal) => Err(self.refused(account, refusal)),
        };
        asker.answer(result);
    }

    fn done_for(&mut self, waiter: WaiterId, result: Result<(), Refusal>) {
        let Some(Waiting { asker, account, .. }) = self.waiting.remove(&waiter) else { return };
        let refused = |refusal| self.refused(account, refusal);
        asker.answer(result.map(|()| Response::Done {}).map_err(refused));
    }

    /// An account has another name: what is kept by name goes along.
    fn renamed(&mut self, old: &AccountName, new: &AccountName) {
        if let Some(state) = self.announced.remove(old) {
            self.announced.insert(new.clone(), state);
        }
        self.doctor.answers.rename(old, new);
        tracing::info!(%old, %new, "renamed");
    }

    /// What the one who asked is told.
    fn refused(&self, account: AccountName, refusal: Refusal) -> Fault {
        let client = self.lifecycle.view(&account).map(|view| &view.seed.client);
        faults::refused(account, client, refusal, self.clock.now())
    }

    fn changed(&mut self, account: &AccountName, new_token: bool) {
        let now = self.clock.now();
        let Some(view) = self.lifecycle.view(account) else { return };
        let shown = super::shown::account(&view, now);
        self.line_is_old = true;
        // a refresh that goes well is not worth two lines
        if shown.state != State::Refreshing
            && self.announced.insert(account.clone(), shown.state) != Some(shown.state)
        {
            let detail = shown.detail.as_deref();
            let state = shown.state.as_str();
            tracing::info!(account = %account, state, detail, "account changed state");
        }
        let _ = self.events.send(News::Account { account: Box::new(shown), new_token });
    }
}
