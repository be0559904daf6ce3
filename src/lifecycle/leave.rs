//! Logging out, and giving a login back: nobody waits any more, what is in the air lands first, then the
//! tokens go, and with a logout the account. If the disk does not let go of them, all is as it was.

use super::account::{Account, Login, Look, News, Phase};
use super::machine::Lifecycle;
use super::words::{Effect, Parting, Refusal, WaiterId};
use crate::model::{AccountId, AccountName, Boot, Standing};

/// How far a logout has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// It waits for the flights that touch the account.
    Landing(Parting, WaiterId),
    /// The account, or what it has, is being erased.
    Erasing(Parting),
}

impl Account {
    /// Whether it is as good as gone.
    pub(super) fn is_going(&self) -> bool {
        matches!(
            self.leaving,
            Some(Leaving::Landing(Parting::Erase, _) | Leaving::Erasing(Parting::Erase))
        )
    }
}

impl Lifecycle {
    pub(super) fn part(
        &mut self,
        name: &AccountName,
        parting: Parting,
        waiter: WaiterId,
        out: &mut Vec<Effect>,
    ) {
        let Some(&place) = self.places.get(name) else {
            out.push(Effect::NoSuchAccount { waiter });
            return;
        };
        match &mut self.accounts[place] {
            Some(account) if account.leaving.is_none() => {
                account.leaving = Some(Leaving::Landing(parting, waiter));
                let id = account.seed.id.clone();
                self.drop_questions(&id, out);
            }
            _ => {
                out.push(Effect::NoSuchAccount { waiter });
                return;
            }
        }
        self.take_waiters(place, out, |_, _| Some(Look::Refused(Refusal::LoggedOut)));
        self.cancel_open_sign_in(name, out);
        self.unqueue(place);
        self.leave_if_free(place, out);
    }

    /// Has the tokens erased of an account that is to be logged out, once no flight touches it: what a flight
    /// brings in the meantime is what has to be revoked.
    pub(super) fn leave_if_free(&mut self, place: usize, out: &mut Vec<Effect>) {
        let Some(account) = &mut self.accounts[place] else { return };
        if let Some(Leaving::Landing(parting, waiter)) = account.leaving
            && !account.is_busy()
            && account.exchange.is_none()
        {
            // a provider's definition that was mended meanwhile is worth a try, but not for this one
            self.unqueue(place);
            let Some(account) = &mut self.accounts[place] else { return };
            account.leaving = Some(Leaving::Erasing(parting));
            let (id, name) = (account.seed.id.clone(), account.seed.name.clone());
            let ends = account.tokens_end();
            out.push(Effect::Erase { account: id, name, parting, ends, waiter });
        }
        self.rearm(place);
    }

    /// The disk has let go of an account that leaves, or has not: then it stays, for it would come back
    /// at the next start all the same, with its refresh token.
    pub(super) fn erased(&mut self, id: &AccountId, result: Result<(), ()>) {
        let Some(place) = self.place_with_id(id) else { return };
        let Some(account) = &mut self.accounts[place] else { return };
        let Some(Leaving::Erasing(parting)) = account.leaving else { return };
        match (result, parting) {
            (Err(()), _) => account.leaving = None,
            (Ok(()), Parting::GiveBack) => {
                account.leaving = None;
                account.have_nothing();
            }
            (Ok(()), Parting::Erase) => {
                if let Some(wake) = account.wake.take() {
                    self.timers.remove(&(wake, place));
                }
                self.policy.forget(&account.seed.id);
                self.forget_failures(place);
                // which may be another one than when it was asked to go
                if let Some(gone) = self.accounts[place].take() {
                    self.places.remove(&gone.seed.name);
                    self.ids.remove(&gone.seed.id);
                }
                self.free.push(place);
                return;
            }
        }
        self.touch(place, News::Changed);
        self.rearm(place);
    }
}

impl Account {
    /// When the last of its tokens is over, where that is known: then there is nothing left to revoke.
    fn tokens_end(&self) -> Option<Boot> {
        let access = self.login.token.as_ref().and_then(|token| token.expires);
        let Some(term) = &self.login.term else { return access };
        let refresh = term.end(self.rules.as_ref()?)?;
        Some(access.map_or(refresh, |access| access.max(refresh)))
    }

    /// The login was given back: what is left is the account's name.
    fn have_nothing(&mut self) {
        self.standing = Standing::NeedsLogin { why: GIVEN_BACK.into() };
        self.login = Login::after(&self.login);
        self.phase = Phase::Idle;
    }
}

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
