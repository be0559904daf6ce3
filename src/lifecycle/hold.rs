//! Clients that a provider rejects, and those that work again: what is true of one account is true of
//! all that share its client. And accounts that the user wants tried again against all odds.

use super::account::{NOT_RENEWABLE, News};
use super::machine::Lifecycle;
use super::state::{State, Work};
use super::traffic::Urgency;
use super::words::{Effect, Refusal};
use crate::model::{AccountName, Boot, ClientKey, Now, Standing};

impl Lifecycle {
    /// Stops all accounts of a client that the provider rejects: one request has told enough.
    pub(super) fn hold_client(
        &mut self,
        client: &ClientKey,
        except: usize,
        until: Boot,
        why: &str,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        for slot in self.accounts.of_client(client) {
            let Some(account) = self.accounts.get(slot) else { continue };
            let concerned = match account.state {
                State::Good(_) | State::Held { .. } => {
                    account.login.is_renewable() && account.state.airborne().is_none()
                }
                State::NeedsLogin { .. } | State::Leaving { .. } | State::Erasing { .. } => false,
            };
            if slot == except || !concerned {
                continue;
            }
            self.unqueue(slot);
            let Some(account) = self.accounts.get_mut(slot) else { continue };
            let was = account.state.standing();
            let held = Standing::Held { why: why.to_owned() };
            account.state.stand(held.clone(), Work::Waiting(until));
            if was != held {
                let id = account.seed.id.clone();
                out.push(Effect::Stand { account: id, standing: held });
            }
            self.accounts.touch(slot, News::Changed);
            self.settle_waiters(slot, now, &Refusal::Held { why: why.to_owned() }, out);
            self.rearm(slot);
        }
    }

    /// Whether this account may find out if a client that was rejected works again. Another one may be at it already.
    pub(super) fn may_probe(&mut self, client: &ClientKey, slot: usize) -> bool {
        let other = self.accounts.clients.probe_of(client).filter(|probe| *probe != slot);
        let is_probing = other.and_then(|other| self.accounts.get(other)).is_some_and(|account| {
            account.state.is_held()
                && matches!(account.state.work(), Work::Queued(_) | Work::Airborne(_))
        });
        if !is_probing {
            self.accounts.clients.set_probe(client, slot);
        }
        !is_probing
    }

    /// A client that has just worked is worth a new try for the accounts it was held for.
    pub(super) fn retry_client(&mut self, client: &ClientKey, except: Option<usize>, now: Now) {
        for slot in self.accounts.of_client(client) {
            let Some(account) = self.accounts.get_mut(slot) else { continue };
            // one that flies or queues is being tried already
            if Some(slot) != except && account.state.is_held() && account.state.work().is_at_rest()
            {
                account.state.work_on(Work::Waiting(now.boot));
                self.rearm(slot);
            }
        }
    }

    /// Tries an account with the refresh token it has, because the user says so. It is in good standing
    /// until the provider says otherwise.
    pub(super) fn resume(
        &mut self,
        name: &AccountName,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let slot = self.accounts.named(name).ok_or(Refusal::NoSuchAccount)?;
        let account = self.accounts.get_mut(slot).ok_or(Refusal::NoSuchAccount)?;
        if account.state.is_leaving() {
            return Err(Refusal::NoSuchAccount);
        }
        if self.draining {
            return Err(Refusal::Stopping);
        }
        if !account.login.is_renewable() {
            return Err(Refusal::LoginRequired { why: NOT_RENEWABLE.into() });
        }
        if account.rules.is_none() {
            return Err(Refusal::Held { why: account.undefined() });
        }
        if account.is_busy() {
            // which is the try that is wanted
            return Ok(());
        }
        if account.state.standing() != Standing::Good {
            let (account, standing) = (account.seed.id.clone(), Standing::Good);
            out.push(Effect::Stand { account, standing });
        }
        account.state.begin_anew();
        account.login.streak.called_dead = false;
        self.accounts.touch(slot, News::Changed);
        self.want_refresh(slot, Urgency::Waited, now);
        Ok(())
    }
}
