//! What providers answered last where they gave no tokens.

use std::collections::VecDeque;

use crate::api::Answer;
use crate::model::{AccountId, AccountName, Now};
use crate::oauth::Sketch;

/// How many are kept, the newest of an account each.
const ANSWERS_MAX: usize = 64;

/// Answers without tokens, the newest last.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers(VecDeque<(Whose, Answer)>);

/// To whom an answer was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// To an account, whatever its name is by now.
    Account(AccountId),
    /// To a sign-in, which has made no account of that name.
    SignIn(AccountName),
}

impl Answers {
    /// Keeps the last answer to somebody.
    pub(super) fn note(&mut self, whose: Whose, sketch: Sketch, now: Now) {
        self.0.retain(|(known, _)| *known != whose);
        if self.0.len() == ANSWERS_MAX {
            self.0.pop_front();
        }
        let Sketch { status, media_type, bytes, text } = sketch;
        let bytes = bytes as u64;
        let at = now.wall.seconds();
        self.0.push_back((whose, Answer { at, status, media_type, bytes, text }));
    }

    /// Forgets them: there is something newer to say of an account, or nothing.
    pub(super) fn forget(&mut self, account: &AccountId, name: &AccountName) {
        self.0.retain(|(whose, _)| match whose {
            Whose::Account(id) => id != account,
            Whose::SignIn(known) => known != name,
        });
    }

    /// The one to an account.
    pub(super) fn to_account(&self, account: &AccountId) -> Option<&Answer> {
        self.0.iter().find_map(|(whose, answer)| match whose {
            Whose::Account(id) if id == account => Some(answer),
            Whose::Account(_) | Whose::SignIn(_) => None,
        })
    }

    /// Those to sign-ins.
    pub(super) fn to_sign_ins(&self) -> impl Iterator<Item = (&AccountName, &Answer)> {
        self.0.iter().filter_map(|(whose, answer)| match whose {
            Whose::SignIn(name) => Some((name, answer)),
            Whose::Account(_) => None,
        })
    }
}
