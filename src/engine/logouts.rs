//! Accounts that are being erased, or whose login is given back, until the disk has done it.

use std::collections::HashMap;
use std::time::Duration;

use super::context::Context;
use super::handle::Asker;
use super::waiters::Revocation;
use crate::api::Fault;
use crate::lifecycle::Parting;
use crate::model::{AccountId, AccountName};
use crate::store::{Command, Owed};

/// The accounts on their way out.
#[derive(Default)]
pub(super) struct Logouts {
    leaving: HashMap<AccountId, Leaving>,
}

/// An account that is being erased.
pub(super) struct Leaving {
    pub(super) name: AccountName,
    pub(super) parting: Parting,
    /// How long its tokens live yet, where that is known.
    pub(super) worth: Option<Duration>,
    /// Who logs out, and what they want of the provider.
    pub(super) asker: Option<Asker>,
    pub(super) revocation: Revocation,
}

impl Logouts {
    pub(super) fn are_over(&self) -> bool {
        self.leaving.is_empty()
    }

    /// Has an account erased, or its tokens.
    pub(super) fn erase(&mut self, cx: &mut Context, account: AccountId, leaving: Leaving) {
        let Leaving { parting, worth, revocation, .. } = leaving;
        self.leaving.insert(account.clone(), leaving);
        let owed = Owed { since: cx.stamp(), worth };
        cx.write(match parting.standing() {
            None => {
                let is_owed = revocation == Revocation::Wanted;
                Command::Erase { account, owed: is_owed.then_some(owed) }
            }
            Some(standing) => Command::GiveBack { account, standing, owed },
        });
    }

    /// The disk has done it, or has not.
    pub(super) fn erased(&mut self, account: &AccountId) -> Option<Leaving> {
        self.leaving.remove(account)
    }

    /// Tells those who still wait.
    pub(super) fn leave(&mut self, fault: &Fault) {
        for (_, Leaving { asker, name, .. }) in self.leaving.drain() {
            if let Some(asker) = asker {
                asker.answer(Err(fault.clone().of(name)));
            }
        }
    }
}
