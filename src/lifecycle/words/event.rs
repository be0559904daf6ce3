//! What goes into the lifecycle.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::errand::ErrandEvent;
use super::refusal::SignInEnd;
use super::registration::RegistrationEvent;
use super::rules::Rules;
use super::ruling::{RuleDraft, Unasked, Verdict};
use crate::model::{
    AccountId, AccountName, AccountSeed, Adjustment, Boot, Caller, ChangeId, ClientKey,
    Fingerprint, FlightId, GrantChange, Kept, Lack, Landing, Modes, Portion, QuestionId, RequestId,
    RuleId, Scopes, Stamp, Target, Values,
};
/// Names one question, so that its answer finds back. Chosen by the engine, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub u64);

/// A question for an access token.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Who waits for the answer.
    pub waiter: WaiterId,
    /// Whose token.
    pub account: AccountName,
    /// Who asks.
    pub caller: Caller,
    /// Whether the user may be asked whether they may have it.
    pub interactive: bool,
    /// How long it must still be valid; `None` if the caller does not mind, which is a minute, or
    /// what can be had of tokens that do not live that long.
    pub min_valid: Option<Duration>,
    /// The scopes it must have; empty means any.
    pub scopes: Scopes,
    /// What it must be for; nothing means anything.
    pub target: Target,
    /// What it must be good for and nothing else; `None` if it may be good for all that its login is.
    pub portion: Option<Arc<Portion>>,
    /// What an API wanted that refused a token.
    pub wanted: Lack,
    /// A token that an API rejected: not to be handed out again.
    pub rejected: Option<Fingerprint>,
    /// Whether the token at hand is not to be handed out, whichever that is.
    pub renew: bool,
    /// When the caller stops waiting.
    pub deadline: Boot,
}

/// What can happen.
#[derive(Debug)]
pub enum Event {
    /// A caller asks for a token.
    Ask(Ask),
    /// Time has passed: what is due by now is done. Every other event does that, too.
    Alarm,
    /// The intent to fly is durable, or cannot be made so.
    Begun {
        /// Which flight.
        flight: FlightId,
        /// Why not.
        result: Result<(), String>,
    },
    /// A flight ended; its raw answer, if there was one, is durable.
    Landed {
        /// Which.
        flight: FlightId,
        /// When its request was sent: lifetimes count from there.
        sent: Stamp,
        /// How it ended.
        landing: Landing,
    },
    /// A grant is durable, or is not and comes back to be saved again.
    Saved {
        /// The flight that brought it.
        flight: FlightId,
        /// What became of it, or what could not be saved.
        result: Result<Kept, Unsaved>,
    },
    /// A sign-in starts. An open one for the same account ends.
    SignIn(SignInSeed),
    /// The browser came back with a code that was checked: it can be redeemed.
    Redeem {
        /// Which sign-in.
        request: RequestId,
        /// What the callback said besides.
        values: Values,
    },
    /// A sign-in ends without a code.
    EndSignIn {
        /// Which.
        request: RequestId,
        /// Why.
        why: SignInEnd,
    },
    /// An account is to be forgotten, or its login to be given back.
    Part {
        /// Which.
        account: AccountName,
        /// Which of the two.
        parting: Parting,
        /// Who waits for it.
        waiter: WaiterId,
    },
    /// An account is to be another.
    Adjust {
        /// Which.
        account: AccountName,
        /// What about it.
        to: Adjustment,
        /// Who waits for it.
        waiter: WaiterId,
    },
    /// A change of an account is on record, or cannot be written down.
    Adjusted {
        /// Which.
        change: ChangeId,
        /// Why not.
        result: Result<(), String>,
    },
    /// News of an errand.
    Errand(ErrandEvent),
    /// News of a registration.
    Registration(RegistrationEvent),
    /// What was to be erased is gone from the disk, or cannot be erased: then it stays.
    Erased {
        /// Which.
        account: AccountId,
        /// Whether it is gone; why not is for the one who asked, not for the schedule.
        result: Result<(), ()>,
    },
    /// The user wants an account tried again, whatever speaks against it.
    Resume {
        /// Which.
        account: AccountName,
        /// Who waits for the word that it will be.
        waiter: WaiterId,
    },
    /// A rule about which programs may have tokens is to be made.
    SetRule {
        /// About which account; about all of them if absent.
        account: Option<AccountName>,
        /// The rest of it.
        draft: RuleDraft,
        /// Who waits for it.
        waiter: WaiterId,
    },
    /// A rule is to go.
    RemoveRule {
        /// Which.
        rule: RuleId,
        /// Who waits for it.
        waiter: WaiterId,
    },
    /// A change of the rules is on record, or cannot be written down.
    RuleStored {
        /// Which.
        change: ChangeId,
        /// Why not.
        result: Result<(), String>,
    },
    /// The user has answered a question.
    Respond {
        /// Which.
        question: QuestionId,
        /// The answer.
        verdict: Verdict,
        /// The program by which the user gave it.
        by: String,
        /// Who waits for it to be heard.
        waiter: Option<WaiterId>,
    },
    /// The user cannot be asked, or does not answer.
    Unasked {
        /// What.
        question: QuestionId,
        /// Which of the two.
        why: Unasked,
    },
    /// Definitions of providers were read anew: the rules of these clients, or `None` where the definition is gone. A
    /// client that has a definition of its own is not among them.
    Rules(HashMap<ClientKey, Option<Rules>>),
    /// The user has set which accounts are kept fresh ahead of time.
    Modes(Modes),
    /// The daemon stops: flights end, none starts.
    Drain,
    /// The database is not checked yet: none starts.
    Checking,
    /// The database is sound.
    Checked,
    /// The machine is about to sleep or to shut down: flights end, none starts.
    Rest,
    /// It woke, or does not sleep after all.
    Wake,
    /// A hint: the way to providers may be open again.
    NetworkUp,
    /// The wall clock was set.
    ClockSet,
}

/// What is to become of an account whose tokens go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// It goes with them.
    Erase,
    /// It stays, and needs a login.
    GiveBack,
}

/// A grant that is not on the disk.
#[derive(Debug)]
pub struct Unsaved {
    /// The grant, to be saved again.
    pub change: Box<GrantChange>,
    /// Why it is not saved.
    pub why: String,
    /// Whether another try would end the same way.
    pub lasting: bool,
}

/// An interactive sign-in, as the lifecycle needs to know it.
#[derive(Debug, Clone)]
pub struct SignInSeed {
    /// Its id.
    pub request: RequestId,
    /// The account to make or to renew.
    pub seed: AccountSeed,
    /// The provider's rules.
    pub rules: Rules,
    /// When it expires.
    pub deadline: Boot,
    /// How often the provider may be asked whether the user has agreed, where that is the way to find
    /// out (RFC 8628, 3.5).
    pub poll: Option<Duration>,
}
