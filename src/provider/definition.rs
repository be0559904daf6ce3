//! The fields of a provider's definition, and their defaults.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::model::{ProviderId, Scope, Scopes};

/// An authorization server and its dialect. Where a field is silent, the standard holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The name to say at login.
    pub id: ProviderId,
    /// Its name among people.
    pub title: String,
    /// The provider's own page that the facts are from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The date on which they were checked, or `unverified` and what is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<String>,
    /// The issuer identifier, compared with the `iss` of a callback (RFC 9207).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Whether the provider promises `iss` in each callback, so that a missing one is an attack.
    #[serde(default, skip_serializing_if = "is_false")]
    pub iss_in_callback: bool,
    /// The authorization endpoint (RFC 6749, 3.1).
    pub authorization_url: Url,
    /// The token endpoint (RFC 6749, 3.2).
    pub token_url: Url,
    /// Where to refresh, if not at the token endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_url: Option<Url>,
    /// How to revoke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Revocation>,
    /// The form of requests to the token endpoint.
    #[serde(default)]
    pub http: Http,
    /// How the client authenticates; `basic` with a secret and `none` without, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
    /// Renamed request parameters: the standard's name to the provider's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub param_names: BTreeMap<String, String>,
    /// Scopes.
    #[serde(default)]
    pub scopes: ScopeRules,
    /// Further parameters of the authorization request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub auth_params: BTreeMap<String, String>,
    /// Further parameters of the code exchange. One of the standard's names replaces what it would
    /// be, and an empty value leaves it out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub token_params: BTreeMap<String, String>,
    /// The same for the refresh.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refresh_params: BTreeMap<String, String>,
    /// PKCE.
    #[serde(default)]
    pub pkce: Pkce,
    /// Which redirect URIs the provider accepts.
    #[serde(default)]
    pub redirect: Redirect,
    /// The form of answers.
    #[serde(default)]
    pub answer: Answer,
    /// What a refresh does to the old refresh token; the careful assumption if absent.
    #[serde(default)]
    pub rotation: Rotation,
    /// Seconds that an access token is taken to live when the answer does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_lifetime: Option<u64>,
    /// Life of a refresh token, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rt_lifetime: Option<u64>,
    /// Seconds after which an unused refresh token dies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rt_idle: Option<u64>,
    /// Seconds after which the grant ends whatever is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rt_absolute: Option<u64>,
    /// What a refresh does to the access token before.
    #[serde(default)]
    pub at_dies_at_refresh: AtRefresh,
    /// Seconds before expiry: an earlier refresh is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_not_before: Option<u64>,
    /// The provider's throttle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_refreshes: Option<MaxRefreshes>,
}

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
    /// Id and secret as parameters.
    Post,
    /// The id as a parameter and no secret: a public client.
    None,
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
#[serde(rename_all = "lowercase")]
pub enum Pkce {
    /// Always, unless the provider is known to choke on it.
    #[default]
    S256,
    /// Left out.
    Off,
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
    },
    /// Only https pages registered in advance: the user pastes where the browser ended.
    HttpsOnly,
}

/// The form of answers of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// Where in the JSON the token object lies, with dots between levels, if not at the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Renamed fields: the provider's name (with dots between levels) to the standard's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// What makes an answer an error besides an `error` field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_when: Option<ErrorWhen>,
    /// The form of the expiry.
    pub expires: Expires,
    /// Token types of the provider's own that are to be presented as Bearer.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub bearer_types: BTreeSet<String>,
    /// Error codes of the provider's own, and what they mean in the standard's words.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, AnswerError>,
}

/// A field with a value that marks an error, such as `ok` = `false`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorWhen {
    /// The field, with dots between levels.
    pub field: String,
    /// Its value in an error, as text.
    pub equals: String,
}

/// What an error code of the provider's own means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerError {
    /// The grant is over.
    InvalidGrant,
    /// The client is rejected.
    InvalidClient,
    /// The form of the request is rejected.
    InvalidRequest,
    /// It will pass.
    Transient,
}

/// The form of the expiry in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expires {
    /// `expires_in`, seconds from now.
    #[default]
    In,
    /// `expires_at`, an instant.
    At,
    /// `expires_in` in milliseconds.
    Ms,
    /// Not at all.
    None,
    /// `expires_in`, where 0 means never.
    ZeroMeansNever,
}

/// What a refresh does to the refresh token that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Rotation {
    /// Dead at once; using it again may kill the grant. The careful assumption.
    #[default]
    Strict,
    /// Never replaced.
    Static,
    /// Replaced; the old one works for some seconds more.
    Timed {
        /// How many.
        seconds: u64,
    },
    /// Replaced; the old one works until the new one is first used.
    UntilConfirmed,
    /// Replaced; the old one is not ended by that.
    Overlapping,
    /// The answer may or may not bring a new one.
    Maybe,
}

/// What a refresh does to the access token before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum AtRefresh {
    /// Nothing: it lives until it expires.
    #[default]
    Lives,
    /// It dies at once.
    Dies,
    /// It dies some seconds later.
    DiesAfter {
        /// How many.
        seconds: u64,
    },
}

/// A throttle on refreshes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxRefreshes {
    /// So many refreshes
    pub count: u32,
    /// in so many seconds.
    pub window: u64,
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
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}
