//! Lists: of accounts, answered with a copy of the roster, which costs the same however many there are; of
//! providers, of uses, of what is wrong.

use std::sync::Arc;

use super::diagnosis::{Known, Secret};
use super::done::Done;
use super::errands::unrevoked;
use super::faults;
use super::handle::Asker;
use super::looking::Examined;
use super::roster::STRIDE;
use super::shown::{self, signing_in};
use super::task::Engine;
use super::uses;
use crate::api::{
    Account, Accounts, ByName, DaemonInfo, Fault, ListUses, Listing, Response, Status,
};
use crate::lifecycle::Judge;
use crate::model::{Caller, Now};
use crate::store::{Command, Notes};

impl Engine {
    /// The accounts that a caller may know of: one in a sandbox knows those whose tokens it was granted.
    pub(super) fn list_accounts(&mut self, listing: Listing, caller: &Caller, asker: Asker) {
        let now = self.cx.now();
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
        self.cx.spawn(async move {
            let known = known_to(&judge, wanted, now).await;
            Done::Answered { asker, result: part(known, listing).map(Response::Accounts) }
        });
    }

    /// The daemon and its accounts. A sign-in that will make an account is shown as one.
    pub(super) fn status(&self, listing: Listing) -> Result<Response, Fault> {
        let seeds = self.lifecycle.open_sign_ins().map(|(_, seed)| signing_in(seed));
        let accounts = part(self.roster.accounts_and(seeds, self.cx.now()), listing)?;
        Ok(Response::Status(Status {
            daemon: self.daemon(),
            accounts,
            unrevoked: unrevoked(self.lifecycle.errands(), self.cx.now()),
        }))
    }
    fn daemon(&self) -> DaemonInfo {
        DaemonInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: self.daemon.started,
            now: self.cx.now().wall.seconds(),
            database: self.daemon.info.places.database.display().to_string(),
            protection: self.daemon.protection.clone(),
            bus: self.daemon.info.bus.load(std::sync::atomic::Ordering::Relaxed),
            online: self.lifecycle.is_online(),
        }
    }

    /// The providers that can be named.
    pub(super) fn providers(&self) -> Response {
        Response::Providers {
            providers: self.clients.catalog().iter().map(shown::provider).collect(),
        }
    }

    /// Looks everything over.
    pub(super) fn diagnose(&mut self, asker: Asker) {
        let accounts = self.roster.accounts(self.cx.now());
        let places = self.daemon.info.places.clone();
        self.doctor.diagnose(&mut self.cx, asker, places, accounts, &self.clients);
    }

    /// The look is over: what the engine knows itself is added.
    pub(super) fn examined(&mut self, examined: Box<Examined>) {
        let now = self.cx.now();
        let secrets = self.lifecycle.registrations().map(|it| Secret {
            client: it.client.clone(),
            ends: it.ends,
            next: it.next,
            failure: it.failure.cloned(),
        });
        let known = Known {
            now,
            daemon: self.daemon(),
            places: self.daemon.info.places.clone(),
            accounts: self.roster.accounts(now),
            answers: self.doctor.answers.clone(),
            secrets: secrets.collect(),
            unrevoked: unrevoked(self.lifecycle.errands(), now),
            defined: self.clients.defined(),
        };
        self.doctor.examined(&mut self.cx, examined, known);
    }

    /// Answers who was given tokens.
    pub(super) fn list_uses(&mut self, which: &ListUses, asker: Asker) {
        if let Some(name) = &which.account {
            let id = self.lifecycle.id_of(name);
            let uses = id.map(|id| self.uses.of(id, name));
            let uses = uses.ok_or_else(|| faults::no_such_account(name.clone()));
            return asker.answer(uses.map(|uses| Response::Uses { uses }));
        }
        let (programs, turn) = self.uses.all();
        let accounts = self.roster.accounts(self.cx.now());
        self.cx.spawn(async move {
            let uses = uses::list_all(programs, accounts, turn).await;
            Done::Answered { asker, result: uses.map(|uses| Response::Uses { uses }) }
        });
    }

    /// Writes down who used what, if it is time to.
    pub(super) fn write_uses_if_due(&mut self) {
        if self.uses.due().is_some_and(|due| due <= self.cx.now().boot) {
            self.write_uses();
        }
    }

    /// Writes down who used what since that was done last.
    pub(super) fn write_uses(&mut self) {
        let (usage, rules) = (self.uses.take_new(), self.lifecycle.rules_used());
        if !(usage.is_empty() && rules.is_empty()) {
            self.cx.write(Command::Note(Box::new(Notes { usage, rules })));
        }
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
