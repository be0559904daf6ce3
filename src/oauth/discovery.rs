//! From an issuer to a provider's definition (RFC 8414; OpenID Connect Discovery 1.0).

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use url::Url;

use super::http::{Http, SendError};
use super::request::{Outgoing, TOKEN_EXCHANGE, plain_headers};
use super::scrub::Scrub;
use crate::model::{ProviderId, RawAnswer, Scope, Scopes};
use crate::provider::{
    Answer, AtRefresh, Capture, ClientAuth, Dpop, DpopUse, Http as HttpDialect, Mtls, Pkce,
    Provider, Redirect, Refresh, Revocation, RevocationStyle, Rotation, ScopeRules, check_endpoint,
    is_loopback,
};

/// Why an issuer's metadata could not be had or not be used.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// Not an issuer identifier (RFC 8414, 2): https, no query, no fragment.
    #[error("the issuer {problem}")]
    NotAnIssuer {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The issuer could not be asked.
    #[error("the issuer cannot be reached: {0}")]
    Unreachable(SendError),
    /// None of the well-known places has metadata.
    #[error("the issuer publishes no metadata (HTTP status {status})")]
    NoMetadata {
        /// What the last place answered.
        status: u16,
    },
    /// The metadata names another issuer, which must not be (RFC 8414, 3.3): a mistyped address, or
    /// somebody who speaks in another's name.
    #[error("the metadata is that of {found:?}: issuers are compared letter by letter")]
    AnotherIssuer {
        /// Whom it names.
        found: String,
    },
    /// A field is missing, or cannot be used.
    #[error("the metadata's {field} {problem}")]
    Unusable {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The client could only authenticate by methods that are not built.
    #[error("the issuer takes none of the client authentications that ostler has")]
    Authentication,
}

/// Finds out about an issuer. Tried in this order: RFC 8414 with the well-known part before the
/// path, OpenID Connect with it before the path, and with it behind the path.
///
/// Nothing is known of rotation then, so the definition is careful.
pub async fn discover(http: &Http, issuer: &str) -> Result<Provider, DiscoveryError> {
    let places = places(issuer)?;
    let mut status = 404;
    for url in places {
        let request = Outgoing::new(Method::GET, url, plain_headers(), None);
        let answer = http.carry(request).await.map_err(DiscoveryError::Unreachable)?;
        match metadata(&answer) {
            Some(metadata) => return metadata.into_provider(issuer),
            None => status = answer.status,
        }
    }
    Err(DiscoveryError::NoMetadata { status })
}

/// Authorization server metadata, as far as it is used (RFC 8414, 2; RFC 9207, 3; RFC 8705, 3.3 and 5).
#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the names are the standards'")]
struct Metadata {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
    pushed_authorization_request_endpoint: Option<String>,
    #[serde(default)]
    require_pushed_authorization_requests: bool,
    registration_endpoint: Option<String>,
    introspection_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    jwks_uri: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    scopes_supported: Option<Vec<String>>,
    dpop_signing_alg_values_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    client_id_metadata_document_supported: bool,
    #[serde(default)]
    grant_types_supported: Vec<String>,
    #[serde(default)]
    tls_client_certificate_bound_access_tokens: bool,
    #[serde(default)]
    mtls_endpoint_aliases: Aliases,
}

/// Where clients go that show a certificate (RFC 8705, 5).
#[derive(Default, Deserialize)]
struct Aliases {
    #[serde(rename = "token_endpoint")]
    token: Option<String>,
    #[serde(rename = "revocation_endpoint")]
    revocation: Option<String>,
    #[serde(rename = "device_authorization_endpoint")]
    device: Option<String>,
    #[serde(rename = "pushed_authorization_request_endpoint")]
    par: Option<String>,
    #[serde(rename = "introspection_endpoint")]
    introspection: Option<String>,
    #[serde(rename = "userinfo_endpoint")]
    userinfo: Option<String>,
}

/// The metadata in an answer. A page, another kind of JSON, or an error is none.
fn metadata(answer: &RawAnswer) -> Option<Metadata> {
    (answer.status == 200).then(|| serde_json::from_slice(&answer.body).ok())?
}

impl Metadata {
    fn into_provider(self, issuer: &str) -> Result<Provider, DiscoveryError> {
        if self.issuer != issuer {
            let found = Scrub::new(Vec::new(), Vec::new()).detail(&self.issuer);
            return Err(DiscoveryError::AnotherIssuer { found });
        }
        let id: ProviderId = issuer
            .parse()
            .map_err(|_| DiscoveryError::NotAnIssuer { problem: "has an unusual form" })?;
        let missing = |field| DiscoveryError::Unusable { field, problem: "is missing" };
        let authorization = self
            .authorization_endpoint
            .as_deref()
            .ok_or_else(|| missing("authorization_endpoint"))?;
        let token = self.token_endpoint.as_deref().ok_or_else(|| missing("token_endpoint"))?;
        let revocation = match self.revocation_endpoint.as_deref() {
            Some(text) => Some(Revocation {
                url: endpoint(issuer, "revocation_endpoint", text)?,
                style: RevocationStyle::Rfc7009,
            }),
            None => None,
        };
        let optional = |field, text: Option<&String>| {
            text.map(|text| endpoint(issuer, field, text)).transpose()
        };
        let device_url = self.device_authorization_endpoint.as_ref();
        // where it is not asked for, not every client may use it
        let par_url = self
            .pushed_authorization_request_endpoint
            .as_ref()
            .filter(|_| self.require_pushed_authorization_requests);
        let mtls = self
            .mtls_endpoint_aliases
            .into_mtls(issuer, self.tls_client_certificate_bound_access_tokens)?;
        let scopes = scope_rules(self.scopes_supported.as_deref().unwrap_or_default());
        Ok(Provider {
            title: issuer.to_owned(),
            source: None,
            verified: None,
            issuer: Some(self.issuer),
            iss_in_callback: self.authorization_response_iss_parameter_supported,
            authorization_url: endpoint(issuer, "authorization_endpoint", authorization)?,
            token_url: endpoint(issuer, "token_endpoint", token)?,
            refresh_url: None,
            client_documents: self.client_id_metadata_document_supported,
            token_exchange: self.grant_types_supported.iter().any(|it| it == TOKEN_EXCHANGE),
            register_url: None,
            registration_url: optional(
                "registration_endpoint",
                self.registration_endpoint.as_ref(),
            )?,
            device_url: optional("device_authorization_endpoint", device_url)?,
            par_url: optional("pushed_authorization_request_endpoint", par_url)?,
            introspection_url: optional(
                "introspection_endpoint",
                self.introspection_endpoint.as_ref(),
            )?,
            userinfo_url: optional("userinfo_endpoint", self.userinfo_endpoint.as_ref())?,
            jwks_url: optional("jwks_uri", self.jwks_uri.as_ref())?,
            base_url: None,
            base_url_from: None,
            revocation,
            http: HttpDialect::default(),
            client_auth: client_auth(self.token_endpoint_auth_methods_supported.as_deref())?,
            mtls,
            param_names: BTreeMap::new(),
            auth_params: auth_params(&scopes),
            scopes,
            token_params: BTreeMap::new(),
            refresh_params: BTreeMap::new(),
            refresh: Refresh::default(),
            // whatever the metadata says, lest it turn the protection off; who does not know PKCE
            // must ignore it (RFC 6749, 3.1)
            pkce: Pkce::S256,
            redirect: Redirect::LoopbackIp,
            dpop: dpop(self.dpop_signing_alg_values_supported.as_deref()),
            answer: Answer::default(),
            rotation: Rotation::Strict,
            default_lifetime: None,
            rt_lifetime: None,
            rt_idle: None,
            rt_absolute: None,
            at_dies_at_refresh: AtRefresh::Lives,
            refresh_not_before: None,
            max_refreshes: None,
            capture: Capture::default(),
            variables: Vec::new(),
            id,
        })
    }
}

impl Aliases {
    fn into_mtls(self, issuer: &str, bound_tokens: bool) -> Result<Mtls, DiscoveryError> {
        let alias = |text: Option<String>| {
            text.map(|text| endpoint(issuer, "mtls_endpoint_aliases", &text)).transpose()
        };
        Ok(Mtls {
            bound_tokens,
            token_url: alias(self.token)?,
            refresh_url: None,
            device_url: alias(self.device)?,
            par_url: alias(self.par)?,
            introspection_url: alias(self.introspection)?,
            userinfo_url: alias(self.userinfo)?,
            revocation_url: alias(self.revocation)?,
        })
    }
}

/// Where an issuer's metadata may be.
fn places(issuer: &str) -> Result<Vec<Url>, DiscoveryError> {
    let unfit = |problem| DiscoveryError::NotAnIssuer { problem };
    let url = Url::parse(issuer).map_err(|_| unfit("is not an address"))?;
    check_endpoint(&url).map_err(unfit)?;
    if url.query().is_some() {
        return Err(unfit("must not have a query"));
    }
    let path = url.path().trim_end_matches('/');
    let mut places = Vec::new();
    for path in [
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
        format!("{path}/.well-known/openid-configuration"),
    ] {
        let mut place = url.clone();
        place.set_path(&path);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    Ok(places)
}

/// An endpoint of the metadata. Plain http is for issuers of this machine: another one has no
/// business in naming a port here, to which codes and secrets would go.
fn endpoint(issuer: &str, field: &'static str, text: &str) -> Result<Url, DiscoveryError> {
    let unusable = |problem| DiscoveryError::Unusable { field, problem };
    let url = Url::parse(text).map_err(|_| unusable("is not an address"))?;
    check_endpoint(&url).map_err(unusable)?;
    let issuer_is_here = Url::parse(issuer).is_ok_and(|issuer| is_loopback(&issuer));
    if url.scheme() != "https" && !issuer_is_here {
        return Err(unusable("must be https, for the issuer is not on this machine"));
    }
    Ok(url)
}

/// The method for a client that has a secret: Basic where it is offered or nothing is said (RFC
/// 8414, 2), else the secret in the body, else none at all.
fn client_auth(methods: Option<&[String]>) -> Result<Option<ClientAuth>, DiscoveryError> {
    let Some(methods) = methods else { return Ok(None) };
    let offers = |name: &str| methods.iter().any(|method| method == name);
    if offers("client_secret_basic") {
        Ok(None)
    } else if offers("client_secret_post") {
        Ok(Some(ClientAuth::Post))
    } else if offers("none") {
        Ok(Some(ClientAuth::None))
    } else if offers("private_key_jwt") {
        Ok(Some(ClientAuth::PrivateKeyJwt))
    } else if offers("client_secret_jwt") {
        Ok(Some(ClientAuth::ClientSecretJwt))
    } else if offers("tls_client_auth") {
        Ok(Some(ClientAuth::TlsClientAuth))
    } else if offers("self_signed_tls_client_auth") {
        Ok(Some(ClientAuth::SelfSignedTlsClientAuth))
    } else {
        Err(DiscoveryError::Authentication)
    }
}

/// Where a provider takes proofs that we can make (RFC 9449, 5.1), tokens are bound on request: what
/// uses them has to be able to present them.
fn dpop(algorithms: Option<&[String]>) -> Option<Dpop> {
    let takes_ours = algorithms?.iter().any(|algorithm| algorithm == "ES256");
    takes_ours.then(|| Dpop { when: DpopUse::Asked, ..Dpop::default() })
}

/// OpenID providers ignore `offline_access` unless they may ask the user for consent (OpenID Connect
/// Core, 11): without this a login would end with its first access token.
fn auth_params(scopes: &ScopeRules) -> BTreeMap<String, String> {
    let offline = scopes.offline_scope.as_ref().map(Scope::as_str);
    let prompt = || ("prompt".to_owned(), "consent".to_owned());
    (offline == Some("offline_access")).then(prompt).into_iter().collect()
}

fn scope_rules(supported: &[String]) -> ScopeRules {
    let known: Scopes = supported.iter().filter_map(|scope| scope.parse().ok()).collect();
    let is_known = |name: &str| supported.iter().any(|scope| scope == name);
    let offline_scope: Option<Scope> = ["offline_access", "offline"]
        .into_iter()
        .find(|name| is_known(name))
        .and_then(|name| name.parse().ok());
    let openid: Option<Scope> = "openid".parse().ok().filter(|_| is_known("openid"));
    let defaults = openid.into_iter().chain(offline_scope.clone()).collect();
    ScopeRules { defaults, known, offline_scope, ..ScopeRules::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_issuer_of_this_machine_may_name_a_port_of_it() {
        let provider = |issuer: &str, token: &str| {
            let metadata = serde_json::json!({
                "issuer": issuer,
                "authorization_endpoint": "https://as.example/authorize",
                "token_endpoint": token,
            });
            let metadata: Metadata = serde_json::from_value(metadata).unwrap();
            metadata.into_provider(issuer)
        };
        let here = "http://127.0.0.1:8080/token";
        let error = provider("https://as.example", here).unwrap_err();
        assert!(matches!(error, DiscoveryError::Unusable { field: "token_endpoint", .. }));
        assert!(provider("https://as.example", "https://as.example/token").is_ok());
        assert!(provider("http://127.0.0.1:8080", here).is_ok());
    }

    #[test]
    fn a_long_list_of_scopes_is_cut_and_still_searched() {
        let mut supported: Vec<String> = (0..2000).map(|n| format!("s{n}")).collect();
        supported.push("offline_access".to_owned());
        let rules = scope_rules(&supported);
        assert_eq!(rules.known.iter().count(), 512);
        assert_eq!(rules.offline_scope.unwrap().as_str(), "offline_access");
    }
}
