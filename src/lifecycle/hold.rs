//! Clients that a provider rejects, and those that work again: what is true of one account is true of
//! all that share its client. And accounts that the user wants tried again against all odds.

use super::account::{NOT_RENEWABLE, News, Phase};
use super::machine::Lifecycle;
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
        for place in 0..self.accounts.len() {
            let Some(account) = &mut self.accounts[place] else { continue };
            let affected = account.seed.client == *client
                && !matches!(account.standing, Standing::NeedsLogin { .. })
                && account.login.renewable
                && account.leaving.is_none()
                && !account.is_busy();
            if place == except || !affected {
                continue;
            }
            self.unqueue(place);
            let Some(account) = &mut self.accounts[place] else { continue };
            let held = Standing::Held { why: why.to_owned() };
            let was = std::mem::replace(&mut account.standing, held.clone());
            account.phase = Phase::Waiting(until);
            if was != held {
                let id = account.seed.id.clone();
                out.push(Effect::Stand { account: id, standing: held });
            }
            self.touch(place, News::Changed);
            self.settle_waiters(place, now, &Refusal::Held { why: why.to_owned() }, out);
            self.rearm(place);
        }
    }

    /// Whether another account finds out already whether a client that was rejected works again. If not, this one does
    /// from now on.
    pub(super) fn is_probed(&mut self, client: &ClientKey, by: usize) -> bool {
        let is_probing = |place: usize| {
            self.accounts[place].as_ref().is_some_and(|account| {
                account.seed.client == *client
                    && matches!(account.standing, Standing::Held { .. })
                    && matches!(account.phase, Phase::Queued(_) | Phase::Flying | Phase::Saving(_))
            })
        };
        let probe = self.client_probes.get(client).copied();
        if probe.is_some_and(|probe| probe != by && is_probing(probe)) {
            return true;
        }
        self.client_probes.insert(client.clone(), by);
        false
    }

    /// A client that has just worked is worth a new try for the accounts it was held for.
    pub(super) fn retry_client(&mut self, client: &ClientKey, except: usize, now: Now) {
        for place in 0..self.accounts.len() {
            let Some(account) = &mut self.accounts[place] else { continue };
            let held = matches!(account.standing, Standing::Held { .. });
            // one that flies or queues is being tried already
            let rests = matches!(account.phase, Phase::Idle | Phase::Waiting(_));
            if place != except && held && account.seed.client == *client && rests {
                account.phase = Phase::Waiting(now.boot);
                self.rearm(place);
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
        let place = *self.places.get(name).ok_or(Refusal::NoSuchAccount)?;
        let account = self.accounts[place].as_mut().ok_or(Refusal::NoSuchAccount)?;
        if account.leaving.is_some() {
            return Err(Refusal::NoSuchAccount);
        }
        if self.draining {
            return Err(Refusal::Stopping);
        }
        if !account.login.renewable {
            return Err(Refusal::LoginRequired { why: NOT_RENEWABLE.into() });
        }
        if account.rules.is_none() {
            return Err(Refusal::Held { why: account.undefined() });
        }
        if account.is_busy() {
            // which is the try that is wanted
            return Ok(());
        }
        if account.standing != Standing::Good {
            account.standing = Standing::Good;
            let (account, standing) = (account.seed.id.clone(), Standing::Good);
            out.push(Effect::Stand { account, standing });
        }
        if let Phase::Waiting(_) = account.phase {
            account.phase = Phase::Idle;
        }
        account.login.streak.called_dead = false;
        self.touch(place, News::Changed);
        self.want_refresh(place, Urgency::Waited, now);
        Ok(())
    }
}
