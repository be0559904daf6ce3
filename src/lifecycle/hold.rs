//! Clients that a provider rejects, and those that work again: what is true of one account is true of
//! all that share its client.

use super::account::{News, Phase};
use super::machine::Lifecycle;
use super::words::{Effect, Refusal};
use crate::model::{Boot, ClientKey, Now, Standing};

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
                && account.standing == Standing::Good
                && account.renewable
                && !account.is_busy();
            if place == except || !affected {
                continue;
            }
            self.unqueue(place);
            let Some(account) = &mut self.accounts[place] else { continue };
            account.standing = Standing::Held { why: why.to_owned() };
            account.phase = Phase::Waiting(until);
            let (id, standing) = (account.seed.id.clone(), account.standing.clone());
            out.push(Effect::Stand { account: id, standing });
            self.touch(place, News::Changed);
            self.settle_waiters(place, now, &Refusal::Held { why: why.to_owned() }, out);
            self.rearm(place);
        }
    }

    /// A client that has just worked is worth a new try for the accounts it was held for.
    pub(super) fn retry_client(&mut self, client: &ClientKey, except: usize, now: Now) {
        for place in 0..self.accounts.len() {
            let Some(account) = &mut self.accounts[place] else { continue };
            let held = matches!(account.standing, Standing::Held { .. });
            if place != except && held && account.seed.client == *client && !account.is_busy() {
                account.phase = Phase::Waiting(now.boot);
                self.rearm(place);
            }
        }
    }
}
