//! The end of an account: erased here, then revoked at the provider as far as it lets us
//! ([`super::errands`]).

use std::time::Duration;

use super::errands::Gone;
use super::task::{Engine, Waiting};
use crate::api::{Event as News, Fault, FaultKind, LoggedOut, Response, Revocation as Told};
use crate::crash::{self, Point};
use crate::lifecycle::{self, Parting, WaiterId};
use crate::model::{AccountId, AccountName, Boot, Stamp};
use crate::store::{Command, Erased, Owed, StoreError};

/// An account that is being erased.
pub(super) struct Leaving {
    waiter: WaiterId,
    name: AccountName,
    parting: Parting,
    /// How long its tokens live yet, where that is known.
    worth: Option<Duration>,
}

/// What somebody who logs out wants of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Revocation {
    Wanted,
    Unwanted,
}

impl Engine {
    /// Has an account erased, or its tokens.
    pub(super) fn erase(
        &mut self,
        account: AccountId,
        name: AccountName,
        parting: Parting,
        ends: Option<Boot>,
        waiter: WaiterId,
    ) {
        let now = self.clock.now();
        let worth = ends.map(|end| end.since(now.boot));
        let since = Stamp { at: now, boot_id: self.clock.boot_id().clone() };
        let wanted = self.revocations.get(&waiter) != Some(&Revocation::Unwanted);
        let owed = Owed { since, worth };
        self.leaving.insert(account.clone(), Leaving { waiter, name, parting, worth });
        self.write(match parting.standing() {
            None => Command::Erase { account, owed: wanted.then_some(owed) },
            Some(standing) => Command::GiveBack { account, standing, owed },
        });
    }

    /// The rows of an account are gone, and what they held has to be revoked.
    pub(super) fn erased(&mut self, id: &AccountId, result: Result<Box<Erased>, StoreError>) {
        let Some(Leaving { waiter, name, parting, worth }) = self.leaving.remove(id) else {
            return;
        };
        let asker = self.waiting.remove(&waiter).map(|Waiting { asker, .. }| asker);
        let wanted = self.revocations.remove(&waiter).unwrap_or(Revocation::Wanted);
        self.tell(lifecycle::Event::Erased {
            account: id.clone(),
            result: result.as_ref().map(drop).map_err(drop),
        });
        let erased = match result {
            Ok(erased) => *erased,
            Err(error) => {
                tracing::error!(account = %name, %error, "account not erased");
                if let Some(asker) = asker {
                    let message = format!("the account could not be erased and stays: {error}");
                    asker.answer(Err(Fault::new(FaultKind::Storage, message).of(name)));
                }
                return;
            }
        };
        crash::point(Point::AfterErase);
        self.line_is_old = true;
        // what its tokens were bound to is of no use any more
        self.keys.remove(id);
        if parting == Parting::Erase {
            self.announced.remove(&name);
            self.doctor.answers.forget(&name);
            self.uses.forget(id);
            let _ = self.events.send(News::Removed { id: id.clone(), name: name.clone() });
        }
        tracing::info!(account = %name, "logged out");
        let key = erased.client.key.clone();
        if wanted == Revocation::Wanted {
            self.owe(Gone { account: id.clone(), name, worth, asker }, erased);
        } else if let Some(asker) = asker {
            let reply = LoggedOut { account: name, revocation: Told::Nothing, reason: None };
            asker.answer(Ok(Response::LoggedOut(reply)));
        }
        if !self.lifecycle.has_client(&key) {
            self.clients.remove(&key);
            self.pinned.remove(&key);
            self.unkept.remove(&key);
            let gone = lifecycle::RegistrationEvent::Gone(key);
            self.tell(lifecycle::Event::Registration(gone));
        }
    }
}
