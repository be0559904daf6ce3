//! The fields about what goes to a provider: requests, client authentication, scopes, redirects.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use url::Url;

use super::definition::is_false;
use crate::model::{Scope, Scopes};

/// The form of requests to the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// The method.
    pub method: Method,
    /// Where the parameters go.
    pub body: Body,
    /// The media type to ask for; `application/json` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// A `User-Agent` of the provider's liking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Further headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_headers: BTreeMap<String, String>,
}

/// The method of token requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// As the standard says.
    #[default]
    Post,
    /// The parameters travel in the URL, which then is a secret.
    Get,
    /// Seldom.
    Put,
}

/// Where the parameters of a token request go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// `application/x-www-form-urlencoded`, as the standard says.
    #[default]
    Form,
    /// A JSON object.
    Json,
    /// The URL's query.
    Query,
}

/// Client authentication at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// HTTP Basic with id and secret form-encoded first (RFC 6749, 2.3.1).
    Basic,
    /// HTTP Basic without that encoding, for servers that do not decode.
    BasicRaw,
    /// HTTP Basic as in `basic`, and from a client without a secret, too: its password is empty.
    BasicAlways,
    /// Id and secret as parameters.
    Post,
    /// The secret as a bearer token, the id as a parameter.
    BearerSecret,
    /// A JWT signed with the secret (OpenID Connect Core, 9).
    ClientSecretJwt,
    /// A JWT signed with a key of the client's own (RFC 7523).
    PrivateKeyJwt,
    /// A certificate on the connection that an authority known to the provider signed, and the id as a
    /// parameter (RFC 8705, 2.1).
    TlsClientAuth,
    /// The same with one that the client signed itself and the provider has been told of (RFC 8705, 2.2).
    SelfSignedTlsClientAuth,
    /// The id as a parameter and no secret: a public client.
    None,
}

/// Where a refresh differs from an exchange in more than its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Refresh {
    /// What is sent to get a new access token.
    pub send: Send,
    /// Under which name, if it is not that of the token itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// The method, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Where the parameters go, if that is elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// Whether the client says who it is; yes if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<bool>,
    /// Whether a refresh may ask for fewer scopes or resources than were granted; yes if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub narrow: Option<bool>,
}

impl Refresh {
    pub(super) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// What is sent to get a new access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Send {
    /// The refresh token, as the standard says.
    #[default]
    RefreshToken,
    /// The access token, which is its own refresh token.
    AccessToken,
}

/// What to keep of answers and callbacks besides tokens, to be handed out with them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capture {
    /// Fields of the token endpoint's answers, with dots between levels.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub answer: BTreeSet<String>,
    /// Parameters of the callback.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub callback: BTreeSet<String>,
}

impl Capture {
    pub(super) fn is_empty(&self) -> bool {
        self.answer.is_empty() && self.callback.is_empty()
    }
}

/// How scopes are written and which are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScopeRules {
    /// What stands between two.
    pub separator: String,
    /// Whether they are compared without case.
    #[serde(skip_serializing_if = "is_false")]
    pub case_insensitive: bool,
    /// Asked for when the user names none.
    pub defaults: Scopes,
    /// Those that the provider documents, for help and completion.
    #[serde(skip_serializing_if = "Scopes::is_empty")]
    pub known: Scopes,
    /// The one that yields a refresh token; always asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline_scope: Option<Scope>,
}

impl Default for ScopeRules {
    fn default() -> Self {
        Self {
            separator: " ".into(),
            case_insensitive: false,
            defaults: Scopes::default(),
            known: Scopes::default(),
            offline_scope: None,
        }
    }
}

/// PKCE (RFC 7636). `plain` is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pkce {
    /// Always, unless the provider is known to choke on it.
    #[default]
    S256,
    /// The same with the challenge in hexadecimal digits (`TikTok`).
    S256Hex,
    /// Left out.
    Off,
}

/// Tokens that are bound to a key (RFC 9449).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dpop {
    /// Which logins have such tokens.
    pub when: DpopUse,
    /// The APIs that the tokens are for, as far as no login and no answer says: the addresses where they
    /// begin, of which scheme, host and port count. Proofs are made for them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub origins: BTreeSet<Url>,
}

/// Which logins have tokens that are bound to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DpopUse {
    /// All.
    #[default]
    Always,
    /// Those that are told to.
    Asked,
}

/// Which redirect URIs a provider accepts (RFC 8252, 7).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Redirect {
    /// `http://127.0.0.1:PORT/` and a path, on any free port.
    #[default]
    LoopbackIp,
    /// The same with the name `localhost`, for providers that refuse literals.
    Localhost,
    /// A loopback address on the one port that is registered.
    FixedPort {
        /// The port.
        port: u16,
        /// How this machine is called in the registered address.
        #[serde(default)]
        host: LoopbackHost,
    },
    /// Only https pages registered in advance: the user pastes where the browser ended.
    HttpsOnly,
    /// An address of a scheme that this machine hands to ostler (RFC 8252, 7.1).
    CustomScheme {
        /// The address.
        uri: Url,
    },
}

/// How this machine is called in a redirect URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LoopbackHost {
    /// By its address.
    #[default]
    #[serde(rename = "127.0.0.1")]
    Ip,
    /// By its address in IPv6.
    #[serde(rename = "[::1]")]
    Ip6,
    /// By its name.
    #[serde(rename = "localhost")]
    Name,
}

/// How to revoke tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Where.
    pub url: Url,
    /// In which form.
    #[serde(default)]
    pub style: RevocationStyle,
}

/// The form of a revocation request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationStyle {
    /// RFC 7009.
    #[default]
    Rfc7009,
    /// `DELETE url` with Basic authentication and the access token in JSON; `{client_id}` in the
    /// URL stands for the client's (GitHub).
    DeleteJson,
    /// `GET url?token=...`.
    GetToken,
    /// `POST` with the token and the client's authentication in JSON.
    Json,
    /// `DELETE url`, where `{token}` in the URL stands for the token.
    DeletePath,
    /// `POST url` with the access token as the bearer token.
    Bearer,
}
