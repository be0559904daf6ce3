//! What can be asked of the store, and what it says when that is durable.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    AccessToken, AccountId, AccountRecord, AccountSeed, Adjustment, ChangeId, ClientKey,
    ClientRecord, ClientSecret, DeviceCode, ErrandId, ErrandRecord, FlightId, Generation,
    GrantChange, Kept, Portion, ProofKey, RawAnswer, RefreshToken, Registration, RequestId, Rule,
    RuleId, Stamp, Standing, Usage, Wall,
};

use super::error::StoreError;

/// One change, or the reading that goes with it. Each is atomic, and each is answered by one
/// [`Report`].
#[derive(Debug)]
pub enum Command {
    /// The intent: durable before the request leaves, so that a crash in between is known to have
    /// been ambiguous. Its report brings what the request has to be authenticated with.
    Begin(Box<Begin>),
    /// What came back, written down before anybody interprets it.
    Answered {
        /// The flight.
        flight: FlightId,
        /// The answer; it is sealed whole, status and headers with the body.
        answer: Arc<RawAnswer>,
    },
    /// The grant that a flight brought: tokens and generation, and the end of the attempt.
    Grant(Box<GrantChange>),
    /// The attempt ended without a grant.
    Abandon {
        /// The flight.
        flight: FlightId,
        /// Whose.
        account: AccountId,
        /// Where the account stands from now on, if that changed. An account that a failed sign-in
        /// did not get to create has no standing.
        standing: Option<Standing>,
    },
    /// An account stands elsewhere.
    Stand {
        /// Which.
        account: AccountId,
        /// Where.
        standing: Standing,
    },
    /// The user has changed something about an account.
    Adjust {
        /// The change.
        change: ChangeId,
        /// Which.
        account: AccountId,
        /// What.
        to: Adjustment,
    },
    /// The tokens of an account go, so that nothing of them stays in the file; it stands as said from then on.
    GiveBack {
        /// Which.
        account: AccountId,
        /// Where it stands.
        standing: Standing,
        /// What of it is to be revoked at the provider.
        owed: Owed,
    },
    /// A rule about which programs may have tokens is in force, in the place of the one with its number.
    SetRule(ChangeId, Box<Rule>),
    /// A rule is gone.
    DropRule(ChangeId, RuleId),
    /// A sign-in on another device is under way: it outlives a restart.
    PutDevice(Box<DeviceSignIn>),
    /// It is over.
    DropDevice(RequestId),
    /// What was used lately.
    Note(Box<Notes>),
    /// Everything about an account goes, so that nothing of it stays in the file; its client too if
    /// no other account uses it.
    Erase {
        /// Which.
        account: AccountId,
        /// What of it is to be revoked at the provider; nothing if absent. It becomes an errand in the same
        /// commit, so that a crash does not forget it.
        owed: Option<Owed>,
    },
    /// Gives what is kept of a client.
    OpenClient {
        /// Which.
        client: ClientKey,
        /// Who wants to know.
        by: Opener,
    },
    /// A registration is another one from now on.
    Renew(Box<Renewal>),
    /// Gives what an errand is run with.
    OpenErrand(ErrandId),
    /// An errand is over, or a part of it is.
    EndErrand {
        /// Which.
        errand: ErrandId,
        /// What of it.
        part: ErrandPart,
    },
}

/// Who wants to know what is kept of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opener {
    /// A login with it, which is told from others by its ticket.
    Login(u64),
    /// The renewal of its secret.
    Renewal,
}

/// What is kept of a client.
#[derive(Debug)]
pub struct OpenedClient {
    /// Its secret, if it has one.
    pub secret: Option<ClientSecret>,
    /// By what it is managed, if it registered itself.
    pub registration: Option<Registration>,
}

/// What a provider made of a registration.
#[derive(Debug)]
pub struct Renewal {
    /// The client, as it is from now on.
    pub client: ClientRecord,
    /// Its new secret; the old one stays if absent.
    pub secret: Option<ClientSecret>,
    /// By what it is managed from now on.
    pub registration: Registration,
}

/// How far an account that goes concerns its provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// When it goes.
    pub since: Stamp,
    /// How long its tokens live from then, where that is known.
    pub worth: Option<Duration>,
}

/// What of an errand is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrandPart {
    /// The tokens; the client is left to be unregistered.
    Tokens,
    /// All of it.
    Whole,
}

/// What was used lately: nothing that a login depends on.
#[derive(Debug, Default)]
pub struct Notes {
    /// The programs that came, each as it stands by now.
    pub usage: Vec<Usage>,
    /// The rules that decided something, and when they did last.
    pub rules: Vec<(RuleId, Wall)>,
}

/// The start of a flight.
#[derive(Debug)]
pub struct Begin {
    /// Its number.
    pub flight: FlightId,
    /// The moment that lifetimes in the answer will count from.
    pub sent: Stamp,
    /// What it is for.
    pub kind: BeginKind,
}

/// What a flight is for.
#[derive(Debug)]
pub enum BeginKind {
    /// The refresh token in force is exchanged for a new grant.
    Refresh {
        /// Whose.
        account: AccountId,
        /// The generation that the sender believes in force; another one is refused.
        generation: Generation,
        /// The part of the login that a token is wanted for, if not for all of it.
        portion: Option<Portion>,
    },
    /// A sign-in is completed: a code or device code is exchanged for a first grant.
    Exchange(Box<Exchange>),
}

/// What a sign-in will create or renew. It rides in the attempt and touches neither account nor
/// client before the grant.
#[derive(Debug)]
pub struct Exchange {
    /// The account.
    pub seed: AccountSeed,
    /// Its client.
    pub client: ClientRecord,
    /// The client's secret, if a new one was given; without it the stored one stays.
    pub secret: Option<Arc<ClientSecret>>,
    /// By what the client is managed, if it has just registered itself.
    pub registration: Option<Arc<Registration>>,
    /// The key that its tokens will be bound to, if they will be.
    pub key: Option<Arc<ProofKey>>,
}

/// A sign-in that waits for the user to agree on another device (RFC 8628).
#[derive(Debug)]
pub struct DeviceSignIn {
    /// Its id.
    pub request: RequestId,
    /// The account.
    pub seed: AccountSeed,
    /// Its client.
    pub client: ClientRecord,
    /// The client's secret, if a new one was given.
    pub secret: Option<Arc<ClientSecret>>,
    /// By what the client is managed, if it has just registered itself.
    pub registration: Option<Arc<Registration>>,
    /// The key that its tokens will be bound to, if they will be.
    pub key: Option<Arc<ProofKey>>,
    /// What the provider is asked with.
    pub code: Arc<DeviceCode>,
    /// What the user types in.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code in it.
    pub verification_uri_complete: Option<String>,
    /// The time between two questions.
    pub interval: Duration,
    /// When it began.
    pub began: Stamp,
    /// How long it has from then.
    pub lifetime: Duration,
}

/// The end of a command. What it reports is durable.
#[derive(Debug)]
pub enum Report {
    /// The files have been looked at, once, before the first command is taken up. If they are damaged none ever is.
    Checked {
        /// Whether they are sound.
        result: Result<(), StoreError>,
    },
    /// The request may leave.
    Begun {
        /// The flight.
        flight: FlightId,
        /// What to send.
        result: Result<Credentials, StoreError>,
    },
    /// The answer may be interpreted.
    Answered {
        /// The flight.
        flight: FlightId,
        /// Whether it is written down.
        result: Result<(), StoreError>,
    },
    /// The new tokens may be seen.
    Granted {
        /// The flight.
        flight: FlightId,
        /// The change comes back if it could not be written, for another try: it may hold the only
        /// copy of a refresh token.
        result: Result<Kept, (StoreError, Box<GrantChange>)>,
    },
    /// The attempt is over.
    Abandoned {
        /// The flight.
        flight: FlightId,
        /// Whether that is written down.
        result: Result<(), StoreError>,
    },
    /// The account stands where it was told to.
    Stood {
        /// Which.
        account: AccountId,
        /// Whether that is written down.
        result: Result<(), StoreError>,
    },
    /// A change of an account is in force.
    Adjusted {
        /// Which change.
        change: ChangeId,
        /// Whether it is written down.
        result: Result<(), StoreError>,
    },
    /// A change of the rules is in force.
    Ruled {
        /// Which change.
        change: ChangeId,
        /// Whether it is written down.
        result: Result<(), StoreError>,
    },
    /// A sign-in on another device is written down, or forgotten.
    Remembered {
        /// Which, if it is to be shown now.
        request: Option<RequestId>,
        /// Whether it is.
        result: Result<(), StoreError>,
    },
    /// What was used lately is noted.
    Noted {
        /// Whether it is written down.
        result: Result<(), StoreError>,
    },
    /// The account is gone, or its tokens are.
    Erased {
        /// Which.
        account: AccountId,
        /// What is left to be revoked at the provider.
        result: Result<Box<Erased>, StoreError>,
    },
    /// It is known what is kept of a client.
    ClientOpened {
        /// Which.
        client: ClientKey,
        /// Who wanted to know.
        by: Opener,
        /// What it is.
        result: Result<OpenedClient, StoreError>,
    },
    /// A renewed registration may be used.
    Renewed {
        /// Of which client.
        client: ClientKey,
        /// The client as it is now. The change comes back if it could not be written, for another try: it may hold the only copy of a secret.
        result: Result<ClientRecord, (StoreError, Box<Renewal>)>,
    },
    /// An errand can be run.
    ErrandOpened {
        /// Which.
        errand: ErrandId,
        /// With what.
        result: Result<Box<Left>, StoreError>,
    },
    /// An errand, or a part of it, is forgotten.
    ErrandEnded {
        /// Which.
        errand: ErrandId,
        /// Whether it is.
        result: Result<(), StoreError>,
    },
}

/// What a token request is made with.
#[derive(Debug)]
pub struct Credentials {
    /// The refresh token in force; `None` for an exchange.
    pub refresh: Option<RefreshToken>,
    /// The client's secret, if it has one.
    pub secret: Option<ClientSecret>,
}

/// What an account left behind.
#[derive(Debug)]
pub struct Erased {
    /// What of it concerns the provider.
    pub left: Left,
    /// The client that the tokens were issued to.
    pub client: ClientRecord,
    /// The errand that it became. `None` if nothing is to be done, or if too many errands wait already.
    pub errand: Option<ErrandId>,
}

/// What is to be revoked at a provider (RFC 7009), and what that takes. What could no longer be opened is
/// missing here.
#[derive(Debug, Default)]
pub struct Left {
    /// The refresh token that was in force.
    pub refresh: Option<RefreshToken>,
    /// The last access token.
    pub access: Option<Arc<AccessToken>>,
    /// The secret of their client.
    pub secret: Option<ClientSecret>,
    /// By what the client is managed, if it registered itself and nobody uses it any more.
    pub registration: Option<Registration>,
}

impl Left {
    /// Whether there is nothing to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.has_tokens() && self.registration.is_none()
    }

    /// Whether there are tokens to be revoked. A login without a user has an empty one in the place of a
    /// refresh token.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        self.access.is_some() || self.refresh.as_ref().is_some_and(|token| !token.is_unneeded())
    }
}

/// Everything that a start needs to know.
#[derive(Debug)]
pub struct Loaded {
    /// The accounts, in the order of their creation. Their refresh tokens stay sealed.
    pub accounts: Vec<AccountRecord>,
    /// The clients.
    pub clients: Vec<ClientRecord>,
    /// Flights that were under way when the last run ended, in the order of their numbers.
    pub attempts: Vec<Attempt>,
    /// Sign-ins on another device that the last run left open.
    pub devices: Vec<DeviceSignIn>,
    /// What accounts that are gone left to be done.
    pub errands: Vec<ErrandRecord>,
    /// The keys that tokens are bound to.
    pub keys: ProofKeys,
    /// The first flight number that was never used.
    pub next_flight: FlightId,
    /// The rules about which programs may have tokens, by number.
    pub rules: Vec<Rule>,
    /// The first number that no rule ever had.
    pub next_rule: RuleId,
    /// The programs that were given tokens; who came last, last.
    pub usage: Vec<Usage>,
    /// What the protection of the secrets is worth, in words for people.
    pub protection: String,
}

/// The keys that tokens are bound to (RFC 9449), but for those of sign-ins on another device.
#[derive(Debug, Default)]
pub struct ProofKeys {
    /// Those of grants.
    pub accounts: Vec<(AccountId, Arc<ProofKey>)>,
    /// Those of exchanges that were under way when the last run ended.
    pub flights: Vec<(FlightId, Arc<ProofKey>)>,
}

/// A flight that was under way when the last run ended.
#[derive(Debug)]
pub struct Attempt {
    /// Its number.
    pub flight: FlightId,
    /// What it was for.
    pub kind: AttemptKind,
    /// When it was to leave.
    pub sent: Stamp,
    /// What came back, if anything did: then it only has to be interpreted. Without it nobody knows
    /// whether the request arrived.
    pub answer: Option<RawAnswer>,
}

/// What an unfinished flight was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptKind {
    /// A refresh.
    Refresh {
        /// Whose.
        account: AccountId,
        /// With the token of which generation.
        generation: Generation,
        /// For which part of the login, if not for all of it.
        portion: Option<Portion>,
    },
    /// The end of a sign-in.
    Exchange {
        /// The account it was to create or renew.
        seed: Box<AccountSeed>,
        /// The client; its secret, if one was given, stays in the attempt.
        client: ClientRecord,
    },
}
