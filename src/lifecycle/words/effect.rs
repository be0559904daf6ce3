//! What comes out of the lifecycle.

use std::sync::Arc;

use super::errand::ErrandEffect;
use super::event::{Parting, WaiterId};
use super::refusal::{Refusal, SignInEnd};
use super::ruling::RuleRefusal;
use crate::model::{
    AccessToken, AccountId, AccountName, AccountSeed, Adjustment, Boot, ChangeId, ClientKey,
    FlightId, Generation, GrantChange, Issued, Portion, QuestionId, RequestId, Rule, RuleId,
    Standing,
};
/// What is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Make the intent to fly durable, then say [`Event::Begun`](super::Event::Begun).
    Begin {
        /// The new flight.
        flight: FlightId,
        /// For which account.
        account: AccountSeed,
        /// What it sends.
        purpose: Purpose,
    },
    /// Send the request of a flight that has begun.
    Launch {
        /// Which.
        flight: FlightId,
    },
    /// Make a grant durable, then say [`Event::Saved`](super::Event::Saved).
    Save(Box<GrantChange>),
    /// Forget the attempt of a flight that brought no grant; write down where the account stands now.
    Abandon {
        /// Which.
        flight: FlightId,
        /// Whose.
        account: AccountId,
        /// The new standing, if it changed.
        standing: Option<Standing>,
    },
    /// Write down where an account stands.
    Stand {
        /// Which.
        account: AccountId,
        /// Where.
        standing: Standing,
    },
    /// Answer a question.
    Answer {
        /// Whose.
        waiter: WaiterId,
        /// The token or why there is none.
        result: Result<HandOut, Refusal>,
    },
    /// Tell all who watch that an account changed.
    Changed {
        /// Which.
        account: AccountName,
        /// Whether it has a new access token.
        new_token: bool,
    },
    /// Tell who waits for a sign-in that it ended.
    SignInEnded {
        /// Which.
        request: RequestId,
        /// The account that is signed in now, or why none is.
        result: Result<AccountId, SignInEnd>,
    },
    /// Erase an account that no flight touches any more, or its tokens; answer the one who asked for it, and
    /// say [`Event::Erased`](super::Event::Erased).
    Erase {
        /// Which.
        account: AccountId,
        /// Its name.
        name: AccountName,
        /// Which of the two.
        parting: Parting,
        /// When all its tokens are over, where that is known.
        ends: Option<Boot>,
        /// Who waits.
        waiter: WaiterId,
    },
    /// Something about an errand.
    Errand(ErrandEffect),
    /// Have a client's secret renewed, then say [`RegistrationEvent::Renewed`](super::RegistrationEvent::Renewed).
    Renew(ClientKey),
    /// Write down what the disk has refused of a registration, then say how that went.
    Keep(ClientKey),
    /// Somebody has an account's token renewed more often than can make sense. Said once until it
    /// has been quiet for a while.
    Storm {
        /// Which account's.
        account: AccountName,
    },
    /// What was asked for is done, or cannot be.
    Done {
        /// Who waits.
        waiter: WaiterId,
        /// Why not.
        result: Result<(), Refusal>,
    },
    /// Write down what an account is to be, then say [`Event::Adjusted`](super::Event::Adjusted).
    Adjust {
        /// Which change it is.
        change: ChangeId,
        /// Which.
        account: AccountId,
        /// What about it.
        to: Adjustment,
    },
    /// An account has another name.
    Renamed {
        /// The one it had.
        old: AccountName,
        /// The one it has.
        new: AccountName,
    },
    /// There is no such account to log out.
    NoSuchAccount {
        /// Who waits.
        waiter: WaiterId,
    },
    /// Write a rule down, then say [`Event::RuleStored`](super::Event::RuleStored); in one order with [`Effect::DropRule`].
    StoreRule(ChangeId, Box<Rule>),
    /// Forget a rule, then say [`Event::RuleStored`](super::Event::RuleStored).
    DropRule(ChangeId, RuleId),
    /// A change of the rules, or an answer of the user, is in force or is not.
    Ruled {
        /// Who waits.
        waiter: WaiterId,
        /// The rule that was changed, if one was.
        result: Result<Option<RuleId>, RuleRefusal>,
    },
    /// Ask the user, then say [`Event::Respond`](super::Event::Respond) or [`Event::Unasked`](super::Event::Unasked).
    Prompt {
        /// What.
        question: QuestionId,
    },
    /// Ask no more: it is answered, or its time is over.
    Unprompt {
        /// What.
        question: QuestionId,
    },
    /// Tell all who watch that providers can be reached, or not any more.
    Online(bool),
    /// Tell all who watch that the list of questions changed.
    Pending,
}

/// What a flight sends.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// The refresh token of a generation.
    Refresh {
        /// Which.
        generation: Generation,
        /// For a token that is good for a part of the login.
        portion: Option<Arc<Portion>>,
        /// A token for all of it that is exchanged for that one; else the refresh token brings it.
        subject: Option<Arc<AccessToken>>,
    },
    /// The authorization code of a sign-in.
    Exchange {
        /// Which.
        request: RequestId,
    },
}

/// A token as handed out.
#[derive(Debug, Clone)]
pub struct HandOut {
    /// The token.
    pub access: Arc<AccessToken>,
    /// What is known of it.
    pub issued: Arc<Issued>,
    /// When it expires, if that is known.
    pub expires: Option<Boot>,
    /// Whether it has less life left than was asked for.
    pub stale: bool,
}
