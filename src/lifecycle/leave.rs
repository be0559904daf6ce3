//! Logging out, and giving a login back: nobody waits any more, what is in the air lands first, then the
//! tokens go, and with a logout the account. If the disk does not let go of them, all is as it was.

use super::account::{Account, News};
use super::answering::Look;
use super::login::Login;
use super::machine::Lifecycle;
use super::state::{Airborne, State};
use super::words::{Effect, Parting, Refusal, WaiterId};
use crate::model::{AccountId, AccountName, Boot, Standing};

/// Why an account needs a login whose tokens were revoked.
const GIVEN_BACK: &str = "it was revoked at your word";

impl Parting {
    /// Where the account stands afterwards, if it stays.
    #[must_use]
    pub fn standing(self) -> Option<Standing> {
        match self {
            Self::Erase => None,
            Self::GiveBack => Some(Standing::NeedsLogin { why: GIVEN_BACK.to_owned() }),
        }
    }
}

impl Lifecycle {
    /// The user logs an account out, or gives its login back.
    pub(super) fn part(
        &mut self,
        name: &AccountName,
        parting: Parting,
        waiter: WaiterId,
        out: &mut Vec<Effect>,
    ) {
        let slot = self.accounts.named(name);
        let stays = |slot: &usize| {
            self.accounts.get(*slot).is_some_and(|account| !account.state.is_leaving())
        };
        let Some(slot) = slot.filter(stays) else {
            out.push(Effect::NoSuchAccount { waiter });
            return;
        };
        self.unqueue(slot);
        let Some(account) = self.accounts.get_mut(slot) else { return };
        let airborne = match account.state.airborne() {
            // an answer that nobody can read goes with the account
            Some(Airborne::Unread(_)) if account.rules.is_none() => None,
            airborne => airborne,
        };
        let standing = account.state.standing();
        account.state = State::Leaving { parting, waiter, standing, airborne };
        let id = account.seed.id.clone();
        self.questions.drop_those_about(&id, out);
        self.take_waiters(slot, out, |_, _| Some(Look::Refused(Refusal::LoggedOut)));
        self.sign_ins.cancel(&id, out);
        self.leave_if_free(slot, out);
    }

    /// Has the tokens erased of an account that is to be logged out, once no flight touches it: what a flight
    /// brings in the meantime is what has to be revoked.
    pub(super) fn leave_if_free(&mut self, slot: usize, out: &mut Vec<Effect>) {
        let Some(account) = self.accounts.get_mut(slot) else { return };
        if let State::Leaving { parting, waiter, standing, airborne: None } = &account.state
            && account.incoming.is_empty()
        {
            let (parting, waiter) = (*parting, *waiter);
            account.state = State::Erasing { parting, standing: standing.clone() };
            let (id, name) = (account.seed.id.clone(), account.seed.name.clone());
            let ends = account.tokens_end();
            out.push(Effect::Erase { account: id, name, parting, ends, waiter });
        }
        self.rearm(slot);
    }

    /// The disk has let go of an account that leaves, or has not: then it stays, for it would come back
    /// at the next start all the same, with its refresh token.
    pub(super) fn erased(&mut self, id: &AccountId, result: Result<(), ()>) {
        let Some(slot) = self.accounts.with_id(id) else { return };
        let Some(account) = self.accounts.get_mut(slot) else { return };
        let State::Erasing { parting, standing } = &account.state else { return };
        match (result, parting.standing()) {
            (Err(()), _) => account.state = State::at_rest(standing.clone()),
            (Ok(()), Some(standing)) => {
                account.login = Login::after(&account.login);
                account.state = State::at_rest(standing);
            }
            (Ok(()), None) => {
                self.policy.forget(id);
                self.forget_failures(slot);
                self.accounts.dismiss(slot);
                return;
            }
        }
        self.accounts.touch(slot, News::Changed);
        self.rearm(slot);
    }
}

impl Account {
    /// When the last of its tokens is over, where that is known: then there is nothing left to revoke.
    fn tokens_end(&self) -> Option<Boot> {
        let access = self.login.token().and_then(|token| token.expires);
        let Some(term) = &self.login.refresh else { return access };
        let refresh = term.end(self.rules.as_ref()?)?;
        Some(access.map_or(refresh, |access| access.max(refresh)))
    }
}
