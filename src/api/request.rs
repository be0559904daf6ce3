//! Requests.

use serde::{Deserialize, Serialize};

use super::access::{ListUses, RemoveGrant, Respond, SetGrant};
use super::proof::SignProof;
use super::provider::{CheckProvider, DraftProvider, ShowProvider};
use crate::model::{
    AccountName, Audience, ClientId, ClientSecret, Fingerprint, ProviderId, RefreshToken,
    RequestId, Resource, Scopes,
};

/// Everything a caller can ask.
#[derive(Debug)]
pub enum Request {
    /// A fresh access token of an account.
    GetToken(GetToken),
    /// The same of tokens that are bound to a key, with the proof for one request.
    SignProof(Box<SignProof>),
    /// The accounts, one line each.
    ListAccounts(Listing),
    /// The daemon and its accounts, in detail.
    Status(Listing),
    /// The providers that an account can be signed in to by name.
    ListProviders,
    /// Starts an interactive sign-in.
    Login(Box<Login>),
    /// Waits until a sign-in has ended.
    AwaitLogin(RequestRef),
    /// Feeds a sign-in the URL that the browser was redirected to.
    SubmitRedirect(Redirect),
    /// Ends a sign-in.
    Cancel(RequestRef),
    /// Forgets an account, and revokes its tokens where the provider can.
    Logout(Logout),
    /// A look at everything: key, database, providers, accounts.
    Diagnose,
    /// Tries an account again with the refresh token it has, although something speaks against that.
    Resume(Resume),
    /// Renews an access token before its time.
    Refresh(Refresh),
    /// Gives an account another name.
    Rename(Rename),
    /// Puts an account into use, or out of it.
    SetEnabled(SetEnabled),
    /// Revokes the tokens of an account where the provider can, and keeps the account.
    Revoke(Revoke),
    /// Who was given tokens.
    ListUses(ListUses),
    /// The rules about which programs may have tokens.
    ListGrants,
    /// Makes such a rule.
    SetGrant(Box<SetGrant>),
    /// Ends one.
    RemoveGrant(RemoveGrant),
    /// The questions that wait for the user.
    ListPending,
    /// Answers one of them.
    Respond(Respond),
    /// The definition of a provider.
    ShowProvider(ShowProvider),
    /// Whether a definition is sound, and understands its examples.
    CheckProvider(CheckProvider),
    /// A definition made from an issuer's metadata.
    DraftProvider(DraftProvider),
}

impl Request {
    /// The method names on the socket, in the order of the variants, with `Monitor`, which streams
    /// and is asked for by [`crate::engine`]'s handle alone.
    pub const METHODS: [&'static str; 26] = [
        "GetToken",
        "SignProof",
        "ListAccounts",
        "Status",
        "ListProviders",
        "Login",
        "AwaitLogin",
        "SubmitRedirect",
        "Cancel",
        "Logout",
        "Diagnose",
        "Resume",
        "Refresh",
        "Rename",
        "SetEnabled",
        "Revoke",
        "ListUses",
        "ListGrants",
        "SetGrant",
        "RemoveGrant",
        "ListPending",
        "Respond",
        "ShowProvider",
        "CheckProvider",
        "DraftProvider",
        "Monitor",
    ];
}

/// Which accounts are to be listed, in the order of their names; all of them if nothing is said.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// This one alone; an error if it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Those behind this name, whether or not there is an account of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<AccountName>,
    /// So many at most; the answer says in `next` behind which name there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl Listing {
    /// One account.
    #[must_use]
    pub fn of(account: AccountName) -> Self {
        Self { account: Some(account), ..Self::default() }
    }

    /// The first accounts.
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self { limit: Some(limit), ..Self::default() }
    }
}

/// Asks for an access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetToken {
    /// Which account's.
    pub account: AccountName,
    /// How long it must still be valid, in seconds; 60 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_valid: Option<u32>,
    /// Scopes it must have; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
    /// APIs that it must be for, by their addresses (RFC 8707); any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Vec<Resource>>,
    /// The audience that it must be for; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
    /// Whether it must have those scopes, and be for those APIs, and nothing else; no if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrow: Option<bool>,
    /// The token that an API rejected, by its SHA-256: if it is still the current one, it is
    /// replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Fingerprint>,
    /// What the API said that refused a token (`WWW-Authenticate`): if it wants more than the login
    /// has, the user is to sign in again (RFC 6750, 3.1; RFC 9470).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
    /// How long the caller is willing to wait, in milliseconds; 20 000 if absent, at most 60 000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    /// Whether the user may be asked whether the caller may have it; yes if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interactive: Option<bool>,
}

/// Starts a sign-in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// With whom: the name of a preset or of a user's file, or the URL of an issuer whose metadata
    /// is fetched (RFC 8414, OpenID Connect Discovery).
    pub provider: ProviderId,
    /// The account's name; the provider's if absent. An existing account of the same provider is
    /// signed in anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// The client id. May be absent when the account or the provider has been signed in to before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// The client's secret, if it has one; or a private key, or a certificate chain with its key, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// The redirect URI registered with the provider, for clients whose redirect is not a loopback
    /// address. The user pastes what the browser was sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// The scopes to ask for; the provider's defaults if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
    /// The APIs that tokens are to be for, by their addresses (RFC 8707); as before, or as the provider
    /// thinks fit, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Vec<Resource>>,
    /// The audience that tokens are to be for, for providers that ask for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
    /// Whom the provider should suggest (OpenID Connect Core, 3.1.2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    /// The way in; by the browser if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
    /// For whom tokens are asked, in a login by the client's key; the client itself if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Whether tokens are to be bound to a key (RFC 9449), so that nobody can use them without a proof
    /// that the daemon makes; as before, or as the provider's definition says, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop: Option<bool>,
    /// The refresh token of a login that another program kept until now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Imported>,
}

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// The browser goes to a page of the provider and comes back with a code (RFC 6749, 4.1).
    #[default]
    Browser,
    /// The user types a code in, on another device (RFC 8628).
    Device,
    /// The client's own credentials; no user is asked (RFC 6749, 4.4).
    ClientCredentials,
    /// The client's key; no user is asked (RFC 7523).
    JwtBearer,
    /// A refresh token that there is already.
    Import,
}

impl Flow {
    /// The name used on all faces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Device => "device",
            Self::ClientCredentials => "client-credentials",
            Self::JwtBearer => "jwt-bearer",
            Self::Import => "import",
        }
    }
}

/// A refresh token on its way in, and never out: shared, so that a request can be cloned, and still
/// wiped.
#[derive(Debug, Clone)]
pub struct Imported(pub std::sync::Arc<RefreshToken>);

impl<'de> Deserialize<'de> for Imported {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(std::sync::Arc::new(RefreshToken::new(text))))
    }
}

impl Serialize for Imported {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

/// A client secret on its way in: shared, so that a request can be cloned, and still wiped.
pub type Secret = std::sync::Arc<ClientSecret>;

/// Names a sign-in under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRef {
    /// The id that [`super::LoginStarted`] gave.
    pub request: RequestId,
}

/// A redirect for a sign-in under way.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// The id that [`super::LoginStarted`] gave; the sign-in that the URL belongs to if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// The whole URL, with its query.
    pub uri: String,
}

impl std::fmt::Debug for Redirect {
    /// Without the URL: it holds the authorization code.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redirect").field("request", &self.request).finish_non_exhaustive()
    }
}

/// Forgets an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logout {
    /// Which.
    pub account: AccountName,
    /// Whether its tokens are revoked where the provider can; yes if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke: Option<bool>,
}

/// Renews an access token before its time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// Whose.
    pub account: AccountName,
    /// How long the caller is willing to wait, in milliseconds; 20 000 if absent, at most 60 000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
}

/// Gives an account another name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// Which.
    pub account: AccountName,
    /// The name that it has from then on.
    pub name: AccountName,
}

/// Puts an account into use, or out of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetEnabled {
    /// Which.
    pub account: AccountName,
    /// Whether its tokens are handed out and kept fresh.
    pub enabled: bool,
}

/// Revokes the tokens of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// Which.
    pub account: AccountName,
}

/// Tries an account again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// Which.
    pub account: AccountName,
}
