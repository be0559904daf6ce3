//! What goes into the lifecycle and what comes out of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::errands::{ErrandEffect, ErrandEvent};
use super::registrations::RegistrationEvent;
use super::rulings::{RuleDraft, RuleRefusal, Unasked, Verdict};
use crate::model::{
    AccountId, AccountName, AccountSeed, Adjustment, Boot, Caller, ChangeId, ClientKey, Failure,
    Fingerprint, FlightId, Generation, GrantChange, Issued, Lack, Landing, Modes, Portion,
    QuestionId, RequestId, Rule, RuleId, Scopes, Stamp, Standing, Target, Values,
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
        /// What could not be saved.
        result: Result<(), Unsaved>,
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
    /// News of a registration whose secret ends.
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

/// What is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Make the intent to fly durable, then say [`Event::Begun`].
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
    /// Make a grant durable, then say [`Event::Saved`].
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
    /// say [`Event::Erased`].
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
    /// Have a client's secret renewed, then say [`RegistrationEvent::Renewed`].
    Renew(ClientKey),
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
    /// Write down what an account is to be, then say [`Event::Adjusted`].
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
    /// Write a rule down, then say [`Event::RuleStored`]; in one order with [`Effect::DropRule`].
    StoreRule(ChangeId, Box<Rule>),
    /// Forget a rule, then say [`Event::RuleStored`].
    DropRule(ChangeId, RuleId),
    /// A change of the rules, or an answer of the user, is in force or is not.
    Ruled {
        /// Who waits.
        waiter: WaiterId,
        /// The rule that was changed, if one was.
        result: Result<Option<RuleId>, RuleRefusal>,
    },
    /// Ask the user, then say [`Event::Respond`] or [`Event::Unasked`].
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
        subject: Option<Arc<Issued>>,
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
    pub issued: Arc<Issued>,
    /// When it expires, if that is known.
    pub expires: Option<Boot>,
    /// Whether it has less life left than was asked for.
    pub stale: bool,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No account has that name.
    NoSuchAccount,
    /// The user must sign in again.
    LoginRequired {
        /// Why, in the provider's words where it gave some.
        why: String,
    },
    /// The grant does not cover these.
    ScopeNotGranted {
        /// The scopes that are missing.
        missing: Scopes,
    },
    /// The login is not for these.
    NotForThat {
        /// The resources and audiences that are missing.
        missing: Vec<String>,
    },
    /// An API wants the user to show anew, or better, who they are (RFC 9470).
    StepUp,
    /// The provider gives no token that is good for that part of the login alone.
    NotNarrowed {
        /// Why.
        why: String,
    },
    /// The provider rejects the client or the form of the request.
    Held {
        /// What it said.
        why: String,
    },
    /// The provider cannot be reached or is in trouble.
    Unavailable {
        /// The last failure.
        failure: Failure,
        /// When the next try is made.
        retry_at: Option<Boot>,
    },
    /// It was renewed a moment ago, and the next refresh has to wait.
    TooSoon {
        /// When the next one can be made.
        retry_at: Option<Boot>,
    },
    /// The user has put the account out of use.
    Disabled,
    /// Another account has that name.
    NameTaken,
    /// A sign-in of the account is under way.
    SigningIn,
    /// The caller's deadline passed first.
    TimedOut,
    /// What must be durable first cannot be written down.
    NotSaved {
        /// Why.
        why: String,
    },
    /// Too many callers wait already.
    TooMany,
    /// The user has to say whether the caller may have it.
    ApprovalRequired {
        /// What the user is to answer.
        question: QuestionId,
    },
    /// The caller may not have it.
    Denied {
        /// The rule that says so; the user just said so if there is none.
        rule: Option<RuleId>,
    },
    /// The account was logged out while the caller waited.
    LoggedOut,
    /// The daemon is about to stop.
    Stopping,
}

/// Why a sign-in ended without an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInEnd {
    /// The user, or another sign-in of the same account, cancelled it.
    Cancelled,
    /// The user did not come back in time.
    Expired,
    /// The provider sent the user back with an error.
    Refused {
        /// What it said.
        why: String,
    },
    /// The exchange of the code failed.
    Failed(Failure),
    /// The intent could not be written down, so the code was not sent.
    NotSaved {
        /// Why.
        why: String,
    },
    /// The daemon is about to stop.
    Stopping,
}

/// Scheme, host and port of a token endpoint: the pace, and the pauses that a server asks for, hold for all its accounts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(pub String);

/// Where refreshes go. One origin may have many: a realm, a tenant or a customer each has its own, and one that is
/// down says nothing about the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenEndpoint {
    /// Its origin.
    pub origin: Origin,
    /// Its path and query, which tell it from the others there.
    pub path: String,
}

/// What the schedule needs to know about a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "facts about a provider, each by itself")]
pub struct Rules {
    /// Where refreshes go.
    pub endpoint: TokenEndpoint,
    /// Life of an access token when the answer does not say.
    pub default_lifetime: Option<Duration>,
    /// Whether a refresh token that was used once must not be tried again on suspicion.
    pub strict: bool,
    /// How long after a lost answer the same refresh token still works.
    pub grace: Duration,
    /// A refresh earlier than this before expiry is refused.
    pub not_before: Option<Duration>,
    /// Whether a refresh ends the access token before, so that it is best done late.
    pub refresh_late: bool,
    /// The least time between two refreshes that the provider's throttle allows.
    pub throttle: Option<Duration>,
    /// Life of a refresh token when the answer does not say.
    pub refresh_lifetime: Option<Duration>,
    /// How long a refresh token lives unused.
    pub refresh_idle: Option<Duration>,
    /// How long a login lasts, whatever is done.
    pub grant_lifetime: Option<Duration>,
    /// Whether it gives tokens that are good for a part of their login.
    pub narrows: bool,
    /// Whether it gives them in exchange for another access token.
    pub exchanges: bool,
    /// Whether scopes are compared without case.
    pub case_insensitive: bool,
}
