//! What is written down: the words that the lifecycle, the store and the engine hand to each other.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::grant::GrantType;
use super::landing::TokenType;
use super::names::{AccountId, AccountName, ClientKey, FlightId, Generation};
use super::scope::Scopes;
use super::secret::{AccessToken, RefreshToken};
use super::target::Target;
use super::time::{Stamp, Wall};
use super::values::Values;

/// A client registration as stored: everything a token request needs but the secret, which stays
/// sealed until a flight needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRecord {
    /// Where and as what it is registered.
    pub key: ClientKey,
    /// The redirect URI registered in advance, if it is not a loopback one.
    pub redirect_uri: Option<String>,
    /// The provider's definition as TOML, where it is neither preset nor file but was discovered:
    /// pinned, so that moved endpoints never get a stored secret (RFC 8414; oauth.md, DI-2).
    pub discovered: Option<String>,
    /// When its secret ends, where it registered itself and the provider said so.
    pub secret_ends: Option<Wall>,
}

/// An account that a sign-in is about to create or renew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSeed {
    /// Its identity: new, or that of the account signed in again.
    pub id: AccountId,
    /// Its name.
    pub name: AccountName,
    /// Its client.
    pub client: ClientKey,
    /// The scopes asked for.
    pub scopes: Scopes,
    /// What its tokens are for.
    pub target: Target,
    /// What brings them.
    pub grant: GrantType,
    /// What answers and callbacks said besides tokens.
    pub values: Values,
}

/// How the reason begins why an account needs the user's word although its login may be good: its
/// refresh token comes from an older copy of the database.
pub const OLDER_COPY: &str = "an older copy of the database was found";

/// Where an account stands, as far as a restart must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The grant is good as far as is known.
    Good,
    /// The provider ended the grant; the user must sign in again. The refresh token is kept, sealed.
    NeedsLogin {
        /// What the provider said, or what begins with [`OLDER_COPY`].
        why: String,
    },
    /// The provider rejects the client or the form of the request; the grant may be fine.
    Held {
        /// What the provider said.
        why: String,
    },
}

/// An account as loaded at start.
#[derive(Debug)]
pub struct AccountRecord {
    /// Identity, name, client and the scopes asked for.
    pub seed: AccountSeed,
    /// Where it stands.
    pub standing: Standing,
    /// The generation of its current refresh token; 0 if it never had one.
    pub generation: Generation,
    /// The refresh token in force, if there is one: some providers give only access tokens.
    pub refresh: Option<RefreshRecord>,
    /// When the user signed in; not known of accounts from before that was written down.
    pub signed_in: Option<Wall>,
    /// The last access token.
    pub issued: Option<Arc<Issued>>,
    /// Whether the user wants it used.
    pub enabled: bool,
}

/// A change that the user made, on its way to the disk. Each has a number of its own, for two that are under way at once
/// need not end in the order in which they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ChangeId(pub u64);

impl ChangeId {
    /// Gives out the next number.
    #[must_use]
    pub fn take(&mut self) -> Self {
        self.0 += 1;
        *self
    }
}

/// What the user can change about an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adjustment {
    /// Its name.
    Rename(AccountName),
    /// Whether it is in use.
    Enable(bool),
}

/// What is on record of a refresh token, but for the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshRecord {
    /// When the request was sent that brought it.
    pub sent: Stamp,
    /// Its life from then, where the provider said.
    pub lifetime: Option<Duration>,
}

/// An access token that is opened when somebody wants it: a start decrypts none.
#[derive(Debug)]
pub struct LazyToken(LazyLock<Option<Arc<AccessToken>>, Opener>);

/// What opens a token, and is forgotten with what it holds once that is done.
type Opener = Box<dyn FnOnce() -> Option<Arc<AccessToken>> + Send>;

impl LazyToken {
    /// One that is sealed. `open` gives nothing if what it opens is damaged.
    pub fn sealed(open: impl FnOnce() -> Option<AccessToken> + Send + 'static) -> Self {
        Self(LazyLock::new(Box::new(move || open().map(Arc::new))))
    }

    /// The token, shared with the answers that carry it. `None` if it is damaged, which is the same as none at all: a
    /// refresh brings another.
    pub fn open(&self) -> Option<&Arc<AccessToken>> {
        self.0.as_ref()
    }
}

impl From<AccessToken> for LazyToken {
    fn from(token: AccessToken) -> Self {
        let token = Self::sealed(move || Some(token));
        LazyLock::force(&token.0);
        token
    }
}

/// An access token as issued. Shared by reference: a hand-out copies a pointer.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub access: LazyToken,
    /// How to present it.
    pub token_type: TokenType,
    /// What it is good for.
    pub scopes: Scopes,
    /// When the request that brought it was sent.
    pub sent: Stamp,
    /// Its life from then; `None` if the provider did not say.
    pub lifetime: Option<Duration>,
    /// What is known besides.
    pub values: Values,
}

/// What became of a grant that was to be made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is in force, as that generation.
    InForce(Generation),
    /// Another login was in force already: what a refresh of the one before it brought is of no use any more.
    Superseded,
}

/// The outcome of a flight that has to be durable before anybody sees it. Which generation it becomes is for the store
/// to say: a refresh follows the generation that it was made with, and a login follows whatever is there.
#[derive(Debug)]
pub struct GrantChange {
    /// The flight that brought it; its attempt ends in the same commit.
    pub flight: FlightId,
    /// Whose.
    pub account: AccountId,
    /// The new refresh token, if there is one: it begins the account's next generation.
    pub refresh: Option<RefreshToken>,
    /// The access token, unless only a refresh token could be rescued from the answer.
    pub issued: Option<Arc<Issued>>,
    /// When the refresh token runs out, where the provider says: life from the sending.
    pub refresh_lifetime: Option<Duration>,
}
