//! Lists of accounts: answered with a copy of the roster, which costs the same however many there are.

use std::sync::Arc;

use super::faults;
use super::handle::Asker;
use super::shown::signing_in;
use super::task::{Done, Engine};
use crate::api::{Account, Accounts, ByName, Fault, Listing, Response, Status};
use crate::lifecycle::Judge;
use crate::model::{Caller, Now};

/// How many accounts are looked at before others have their turn.
pub(super) const STRIDE: usize = 256;

impl Engine {
    /// The accounts that a caller may know of: one in a sandbox knows those whose tokens it was granted.
    pub(super) fn list_accounts(&mut self, listing: Listing, caller: &Caller, asker: Asker) {
        let now = self.clock.now();
        let accounts = self.roster.accounts(now);
        if !caller.is_confined() {
            return asker.answer(part(accounts, listing).map(Response::Accounts));
        }
        let judge = self.lifecycle.judge(caller, now);
        // what is not granted is as if it were not there
        let wanted = match &listing.account {
            Some(name) => accounts.only(name).unwrap_or_else(|| accounts.page(None, Some(0))),
            None => accounts,
        };
        // all accounts may have to be looked at: that is done beside what else there is to do
        self.tasks.spawn(async move {
            let known = known_to(&judge, wanted, now).await;
            Done::Answered { asker, result: part(known, listing).map(Response::Accounts) }
        });
    }

    /// The daemon and its accounts. A sign-in that will make an account is shown as one.
    pub(super) fn status(&self, listing: Listing) -> Result<Response, Fault> {
        let seeds = self.lifecycle.open_sign_ins().map(|(_, seed)| signing_in(seed));
        let accounts = part(self.roster.accounts_and(seeds, self.clock.now()), listing)?;
        Ok(Response::Status(Status {
            daemon: self.daemon(),
            accounts,
            unrevoked: self.unrevoked(),
        }))
    }
}

/// Those that were asked for.
fn part(accounts: Accounts, listing: Listing) -> Result<Accounts, Fault> {
    let Listing { account, after, limit } = listing;
    match account {
        None => Ok(accounts.page(after, limit.and_then(|limit| usize::try_from(limit).ok()))),
        Some(name) => accounts.only(&name).ok_or_else(|| faults::no_such_account(name)),
    }
}

/// Those among them whose tokens a program was granted.
async fn known_to(judge: &Judge, accounts: Accounts, now: Now) -> Accounts {
    let mut known = ByName::default();
    for stride in accounts.pieces(STRIDE) {
        for listed in stride.listed() {
            let Account { id, name, scopes, .. } = listed.timeless();
            if judge.has(id, scopes) {
                known.insert_mut(name.clone(), Arc::clone(listed));
            }
        }
        tokio::task::yield_now().await;
    }
    Accounts::new(known, now)
}
