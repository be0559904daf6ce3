//! The fields of a provider's definition, and their defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use super::answer::Answer;
use super::dialect::{
    Capture, ClientAuth, Dpop, Http, Pkce, Redirect, Refresh, Revocation, ScopeRules,
};
use super::life::{AtRefresh, MaxRefreshes, Rotation};
use super::mtls::Mtls;
use super::template::Variable;
use crate::model::ProviderId;

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
    /// Where a client is registered with the provider: a page for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register_url: Option<Url>,
    /// Where clients register themselves (RFC 7591).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_url: Option<Url>,
    /// Whether clients are taken whose id is the URL of a document about them
    /// (`client_id_metadata_document_supported`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub client_documents: bool,
    /// Whether access tokens are exchanged for such as are good for less (RFC 8693).
    #[serde(default, skip_serializing_if = "is_false")]
    pub token_exchange: bool,
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
    /// The device authorization endpoint (RFC 8628, 3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_url: Option<Url>,
    /// Where authorization requests are pushed to (RFC 9126): if it is there, all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub par_url: Option<Url>,
    /// The introspection endpoint (RFC 7662).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_url: Option<Url>,
    /// The user's own description (OpenID Connect Core, 5.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_url: Option<Url>,
    /// The keys that the provider signs with (RFC 7517).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<Url>,
    /// Where the API begins that the tokens are for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<Url>,
    /// Which captured value says that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url_from: Option<String>,
    /// How to revoke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Revocation>,
    /// The form of requests to the token endpoint.
    #[serde(default)]
    pub http: Http,
    /// How the client authenticates; `basic` with a secret and `none` without, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
    /// What is different for clients that show a certificate (RFC 8705).
    #[serde(default, skip_serializing_if = "Mtls::is_empty")]
    pub mtls: Mtls,
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
    /// Where a refresh differs from an exchange in more than its parameters.
    #[serde(default, skip_serializing_if = "Refresh::is_usual")]
    pub refresh: Refresh,
    /// PKCE.
    #[serde(default)]
    pub pkce: Pkce,
    /// Which redirect URIs the provider accepts.
    #[serde(default)]
    pub redirect: Redirect,
    /// Tokens that are bound to a key (RFC 9449); absent where the provider is not known to have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop: Option<Dpop>,
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
    /// What to keep of answers and callbacks besides tokens.
    #[serde(default, skip_serializing_if = "Capture::is_empty")]
    pub capture: Capture,
    /// What stands in braces in the definition and differs from one user to the next.
    #[serde(default, rename = "variable", skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variable>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
pub(super) fn is_false(value: &bool) -> bool {
    !value
}
