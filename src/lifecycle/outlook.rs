//! What accounts look like from outside, kept up by those who keep a list of it: which of them may look
//! different since they were asked last, and what a program may know of them.

use super::machine::Lifecycle;
use super::policy::{Matter, Policy};
use super::view::View;
use crate::model::{AccountId, AccountName, Caller, Decision, Identity, Now, Scopes, Wall};

/// How an account looks now.
#[derive(Debug)]
pub enum Outlook<'a> {
    /// Like that.
    Here(View<'a>),
    /// It is gone, or has another name, under which it comes later.
    Gone(AccountName),
}

impl Lifecycle {
    /// Tells of all accounts that may look different since this was called last, each once.
    pub fn look_around(&mut self, mut tell: impl FnMut(Outlook<'_>)) {
        for name in self.accounts.stirred.take_gone() {
            tell(Outlook::Gone(name));
        }
        let slots = self.accounts.stirred.take();
        for slot in &slots {
            if let Some(account) = self.accounts.get(*slot) {
                tell(Outlook::Here(account.view()));
            }
        }
        self.accounts.stirred.give_back(slots);
    }

    /// What a program may know of accounts, as things stand.
    #[must_use]
    pub fn judge(&self, caller: &Caller, now: Now) -> Judge {
        let rules = self.policy.rules().iter().filter(|rule| rule.who.matches(&caller.identity));
        let policy = Policy::of(rules.cloned().collect());
        Judge { policy, who: caller.identity.clone(), now: now.wall }
    }
}

/// Says which accounts a program may know of, without the lifecycle, by the rules of the moment at which it was made.
pub struct Judge {
    policy: Policy,
    who: Identity,
    now: Wall,
}

impl Judge {
    /// Whether the program was granted the tokens of an account that are good for those scopes.
    #[must_use]
    pub fn has(&self, account: &AccountId, scopes: &Scopes) -> bool {
        let matter = Matter { account, who: &self.who, scopes };
        self.policy.look(matter, self.now).decision == Decision::Allow
    }
}
