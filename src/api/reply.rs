//! Answers and events. Times are whole seconds since the Unix epoch; what is unknown is absent.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::access::{Grant, Pending, Use};
use super::accounts::Accounts;
use super::diagnosis::Diagnosis;
use super::fault::Fault;
use super::proof::Proof;
use super::provider::{Checked, Definition};
use super::request::Flow;
use crate::model::{
    AccessToken, AccountId, AccountName, Audience, ClientId, ClientKey, FailureClass, Lack, Mode,
    ProviderId, RequestId, Resource, RuleId, Scopes, Values,
};

/// What a [`super::Request`] is answered with when all went well.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// To `GetToken`.
    Token(Token),
    /// To `SignProof`.
    Proof(Proof),
    /// To `ListAccounts`.
    Accounts(Accounts),
    /// To `Status`.
    Status(Status),
    /// To `ListProviders`.
    Providers {
        /// By name.
        providers: Vec<ProviderInfo>,
    },
    /// To `Login`.
    LoginStarted(LoginStarted),
    /// To `AwaitLogin`.
    LoginEnded(LoginEnded),
    /// To `Logout` and `Revoke`.
    LoggedOut(LoggedOut),
    /// To `Refresh`.
    Refreshed(Refreshed),
    /// To whatever only has to be done.
    Done {},
    /// To `Diagnose`.
    Diagnosis(Arc<Diagnosis>),
    /// To `ListUses`.
    Uses {
        /// Whoever came last first.
        uses: Vec<Use>,
    },
    /// To `ListGrants`.
    Grants {
        /// In the order in which they are looked at: the first that fits decides.
        grants: Vec<Grant>,
    },
    /// To `SetGrant`.
    GrantSet {
        /// The rule's number.
        grant: RuleId,
    },
    /// To `ShowProvider` and `DraftProvider`.
    Definition(Definition),
    /// To `CheckProvider`.
    Checked(Checked),
    /// To `ListPending`.
    Pending {
        /// The oldest first.
        pending: Vec<Pending>,
    },
}

/// An access token, handed out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Token {
    /// Whose.
    pub account: AccountName,
    /// The token itself, shared with the cache.
    pub access_token: Arc<AccessToken>,
    /// How to present it: `Bearer` as a rule.
    pub token_type: String,
    /// When it expires; absent if the provider did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// What it is good for.
    pub scopes: Scopes,
    /// Whether it has less life left than was asked for, because no fresher one could be had.
    pub stale: bool,
    /// Whether it works on a connection with the client's certificate alone (RFC 8705, 3), as far as is
    /// known.
    #[serde(default)]
    pub certificate_bound: bool,
    /// What the provider said besides: a company's number, where the API begins (`base_url`).
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    pub values: Values,
}

/// What an account is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// No grant, and no sign-in under way.
    SignedOut,
    /// A sign-in is under way and there is no grant yet.
    SigningIn,
    /// There is a grant, and nothing to do for now.
    Ready,
    /// A flight is in progress.
    Refreshing,
    /// The last flight failed in a way that passes; the next one is scheduled.
    BackingOff,
    /// The provider ended the grant: the user must sign in again.
    LoginRequired,
    /// The provider rejects the client or the form of the request: the client or the preset must be
    /// mended.
    Held,
    /// The user has put it out of use.
    Disabled,
}

impl State {
    /// The name used on all faces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed-out",
            Self::SigningIn => "signing-in",
            Self::Ready => "ready",
            Self::Refreshing => "refreshing",
            Self::BackingOff => "backing-off",
            Self::LoginRequired => "login-required",
            Self::Held => "held",
            Self::Disabled => "disabled",
        }
    }
}

/// An account, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its stable identity, which D-Bus object paths carry.
    pub id: AccountId,
    /// Its name.
    pub name: AccountName,
    /// Where it was signed in to.
    pub provider: ProviderId,
    /// As which client.
    pub client_id: ClientId,
    /// What it is doing.
    pub state: State,
    /// Why, when that needs saying: the provider's words in `LoginRequired` and `Held`, the last
    /// failure in `BackingOff`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The granted scopes.
    pub scopes: Scopes,
    /// When the current access token expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// When the current access token was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refresh: Option<i64>,
    /// When the next refresh is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_refresh: Option<i64>,
    /// The class of the last failure, until a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<FailureClass>,
    /// Failures in a row.
    pub failures: u32,
    /// When it is kept fresh.
    pub mode: Mode,
    /// When the refresh token ends, unless a refresh moves that on: then the user must sign in
    /// again. Absent where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_ends_at: Option<i64>,
    /// Whether that is so near that the user should know: in the last quarter of its life, and at
    /// most a week before.
    pub login_ends_soon: bool,
    /// When the client's certificate ends, if it shows one: a new one must be given before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_ends_at: Option<i64>,
    /// Whether the access token works on a connection with that certificate alone.
    #[serde(default)]
    pub certificate_bound: bool,
    /// The APIs that its tokens are for, where the login named some.
    #[serde(default)]
    pub resource: Vec<Resource>,
    /// The audience that they are for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
    /// What the provider said besides tokens.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    pub values: Values,
    /// What APIs wanted that refused its tokens, as programs told: another login has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Lack>,
}

#[cfg(test)]
impl Account {
    /// An account that is ready, and of which nothing else is known.
    pub(crate) fn for_tests(name: &str) -> Self {
        Self {
            id: AccountId::from_random([7; 8]),
            name: name.parse().expect("a name"),
            provider: "parqex".parse().expect("a provider"),
            client_id: "client".parse().expect("a client"),
            state: State::Ready,
            detail: None,
            scopes: Scopes::default(),
            expires_at: None,
            last_refresh: None,
            next_refresh: None,
            last_failure: None,
            failures: 0,
            mode: Mode::Always,
            login_ends_at: None,
            login_ends_soon: false,
            certificate_ends_at: None,
            certificate_bound: false,
            wanted: None,
            resource: Vec::new(),
            audience: None,
            values: Values::default(),
        }
    }
}

/// How long before the end of a client's certificate the user should know, in seconds.
const CERTIFICATE_WARNING: i64 = 14 * 24 * 3600;

impl Account {
    /// The client by which it was signed in.
    #[must_use]
    pub fn client(&self) -> ClientKey {
        ClientKey { provider: self.provider.clone(), client: self.client_id.clone() }
    }

    /// Whether the client's certificate is over, or so near its end that the user should know.
    #[must_use]
    pub fn certificate_ends_soon(&self, now: i64) -> bool {
        self.certificate_ends_at.is_some_and(|at| at - now < CERTIFICATE_WARNING)
    }
}

/// The daemon itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DaemonInfo {
    /// Its version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started_at: i64,
    /// What its clock shows: what the other times are to be compared with.
    pub now: i64,
    /// The database file.
    pub database: String,
    /// What protects the secrets at rest, in words.
    pub protection: String,
    /// Whether it is on the session bus.
    pub bus: bool,
    /// Whether the last request got through to its provider; true before the first.
    #[serde(default = "yes")]
    pub online: bool,
}

/// What an older daemon does not say.
fn yes() -> bool {
    true
}

/// The daemon and its accounts.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The daemon.
    pub daemon: DaemonInfo,
    /// The accounts by name.
    #[serde(flatten)]
    pub accounts: Accounts,
    /// What accounts that are gone left to be revoked, the oldest first.
    pub unrevoked: Vec<Unrevoked>,
}

/// The tokens of an account that was logged out, or its client, as long as the provider could not be told. It is
/// tried again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrevoked {
    /// The name that the account had.
    pub account: AccountName,
    /// Where it was signed in to.
    pub provider: ProviderId,
    /// When it was logged out.
    pub since: i64,
    /// When the next try is made; absent while one is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<i64>,
    /// When it is given up.
    pub ends_at: i64,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A provider that can be signed in to by name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProviderInfo {
    /// The name to say at login.
    pub id: ProviderId,
    /// Its name among people.
    pub title: String,
    /// `preset`, or the path of the user's file.
    pub source: String,
    /// The scopes asked for when none are named.
    pub scopes: Scopes,
    /// How a redirect comes back: `loopback`, `paste` or `scheme`.
    pub redirect: String,
    /// Whether it can be signed in to by a code that is typed in on another device (RFC 8628).
    #[serde(default)]
    pub device: bool,
    /// What a name has to say behind colons: a tenant, a subdomain.
    #[serde(default)]
    pub variables: Vec<Gap>,
    /// When its facts were checked, and which were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<String>,
    /// Where a client is registered with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register_url: Option<String>,
}

/// Something that differs from one user of a provider to the next.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Gap {
    /// What it is called.
    pub name: String,
    /// What to ask the user.
    pub title: String,
    /// Its value when none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// All its values, if they are few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

/// A sign-in has started: the user has to visit a URL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoginStarted {
    /// The id to wait with, feed and cancel.
    pub request: RequestId,
    /// The account that will be signed in.
    pub account: AccountName,
    /// The way in.
    #[serde(default)]
    pub flow: Flow,
    /// Where to send the user's browser; empty if no user is asked.
    pub authorization_uri: String,
    /// Where the provider will send the browser back to; empty if it does not.
    pub redirect_uri: String,
    /// What the user types in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_code: Option<String>,
    /// Where, as short as it can be typed; `authorization_uri` may have the code in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_uri: Option<String>,
    /// Whether the daemon cannot see that redirect, so that the user must paste it.
    pub paste: bool,
    /// When the sign-in expires.
    pub expires_at: i64,
}

/// A sign-in ended well: the grant is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoginEnded {
    /// The account.
    pub account: AccountName,
    /// Its id.
    pub id: AccountId,
    /// What was granted.
    pub scopes: Scopes,
    /// When the first access token expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// Whether the provider gave a refresh token; without one the login ends with the access token.
    pub renewable: bool,
}

/// An access token was renewed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refreshed {
    /// Whose.
    pub account: AccountName,
    /// When the new one expires; absent if the provider did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// An account is gone from the database, or its tokens are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoggedOut {
    /// Which.
    pub account: AccountName,
    /// What became of its tokens at the provider.
    pub revocation: Revocation,
    /// Why, if that did not work, or not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What became of tokens at the provider (RFC 7009).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revocation {
    /// The provider confirmed.
    Revoked,
    /// The provider could not be reached, or was in trouble: it is told as soon as that can be done.
    Queued,
    /// The provider has no revocation endpoint; tokens live on until they expire.
    Unsupported,
    /// There was nothing to revoke.
    Nothing,
    /// It did not work; tokens live on until they expire.
    Failed,
}

/// Something happened: what `Monitor` streams and D-Bus signals say.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// An account is new, or something about it changed.
    Account {
        /// The account as it is now.
        account: Box<Account>,
        /// Whether its access token is a new one.
        new_token: bool,
    },
    /// An account is gone.
    Removed {
        /// Its id.
        id: AccountId,
        /// Its name.
        name: AccountName,
    },
    /// A sign-in ended.
    Login {
        /// Which.
        request: RequestId,
        /// Well, and then how.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended: Option<LoginEnded>,
        /// Or not, and then why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<Fault>,
    },
    /// Providers can be reached, or not any more, as far as the last request tells.
    Online {
        /// Whether they can.
        online: bool,
    },
    /// The questions to the user are others: `ListPending` has them.
    Pending {
        /// How many there are.
        count: u64,
    },
    /// The listener was too slow and missed this many events; `ListAccounts` tells how things stand.
    Missed {
        /// How many.
        count: u64,
    },
}
