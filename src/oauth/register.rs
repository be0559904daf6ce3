//! Clients that register themselves (RFC 7591), and go again when nobody needs them (RFC 7592).

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use super::answer::read_failure;
use super::client::bearer;
use super::error::OauthError;
use super::http::Http;
use super::lifetime;
use super::request::{Outgoing, SentSecrets, plain_headers};
use crate::model::{
    ClientId, ClientSecret, Failure, FailureClass, Now, Registration, RegistrationToken, Scopes,
    Wall,
};
use crate::provider::{ClientAuth, Provider, check_endpoint};

/// The longest secret that is taken, in bytes.
const SECRET_MAX: usize = 8 * 1024;
/// How much is shown of the name of a method, in characters.
const METHOD_MAX: usize = 40;

/// A client as the provider registered it: what counts is what it says, not what was asked for.
#[derive(Debug)]
pub struct Registered {
    /// The id that it gave.
    pub client: ClientId,
    /// The secret that it gave.
    pub secret: Option<ClientSecret>,
    /// How the client has to authenticate itself.
    pub auth: Option<ClientAuth>,
    /// Whether it gives this client nothing but tokens that are bound to a key (RFC 9449, 5.2).
    pub bound: bool,
    /// By what the registration is managed, if it can be.
    pub registration: Option<Registration>,
    /// When the secret ends, if it does.
    pub ends: Option<Wall>,
}

/// The answer (RFC 7591, 3.2.1; RFC 7592, 3).
#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) client_id: String,
    client_secret: Option<ClientSecret>,
    client_secret_expires_at: Option<serde_json::Value>,
    pub(super) token_endpoint_auth_method: Option<String>,
    redirect_uris: Option<Vec<String>>,
    scope: Option<String>,
    #[serde(default)]
    dpop_bound_access_tokens: bool,
    registration_client_uri: Option<String>,
    registration_access_token: Option<RegistrationToken>,
}

/// What is kept of a registration, as one text that is sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) uri: Url,
    pub(super) token: RegistrationToken,
    #[serde(default)]
    pub(super) terms: Terms,
}

/// What a client is registered for, where that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Terms {
    /// Where browsers come back to.
    pub(super) redirects: Vec<String>,
    /// The scopes that it may ask for.
    pub(super) scope: Option<String>,
}

impl Terms {
    /// Whether a login with that redirect and those scopes is among them.
    pub(super) fn cover(&self, redirect: &str, scopes: &Scopes) -> bool {
        let scope = self.scope.as_deref();
        let redirects = &self.redirects;
        (redirects.is_empty() || redirects.iter().any(|it| it == redirect))
            && scope.is_none_or(|scope| Scopes::parse_lenient(scope).covers(scopes))
    }
}

impl Kept {
    /// The same, for what a client is registered for by now.
    pub(super) fn with(&self, terms: Terms) -> Self {
        let token = RegistrationToken::new(self.token.expose().to_owned());
        Self { uri: self.uri.clone(), token, terms }
    }

    /// As it is sealed.
    pub(super) fn sealed(&self) -> Registration {
        let text = serde_json::to_string(self);
        Registration::new(text.expect("an address and a text have nothing that JSON cannot say"))
    }
}

/// Something is wrong with a registration that no further try would mend.
pub(super) fn odd(what: &str) -> OauthError {
    OauthError::Registration(Failure::new(FailureClass::RequestBroken, what.to_owned()))
}

/// Registers a public client for native programs. `redirect_uri` is how the browser will come back: a
/// loopback address without a port, for that is chosen at each login (RFC 8252, 7.3).
pub async fn register(
    http: &Http,
    provider: &Provider,
    redirect_uri: &str,
    scopes: &Scopes,
    now: Now,
) -> Result<Registered, OauthError> {
    let Some(url) = &provider.registration_url else { return Err(OauthError::NoRegistration) };
    check_endpoint(url)
        .map_err(|problem| OauthError::Endpoint { what: "registration endpoint", problem })?;
    let mut grants = vec!["authorization_code", "refresh_token"];
    if provider.device_url.is_some() {
        grants.push("urn:ietf:params:oauth:grant-type:device_code");
    }
    let mut metadata = json!({
        "client_name": "ostler",
        "application_type": "native",
        "redirect_uris": [redirect_uri],
        "grant_types": grants,
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    if !scopes.is_empty() {
        metadata["scope"] = scopes.join(" ").into();
    }
    let mut headers = plain_headers();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = Some(Zeroizing::new(metadata.to_string().into_bytes()));
    let request = Outgoing::new(Method::POST, url.clone(), headers, body);
    let answer = http.carry(request).await;
    let answer = answer.map_err(|error| OauthError::Registration(error.into_failure()))?;
    if (200..300).contains(&answer.status)
        && let Ok(said) = serde_json::from_slice::<Answer>(&answer.body)
    {
        let scope = (!scopes.is_empty()).then(|| scopes.join(" "));
        let asked = Terms { redirects: vec![redirect_uri.to_owned()], scope };
        return said.check(&asked, url);
    }
    let failure = read_failure(provider, &answer, &SentSecrets::new([]), now);
    Err(OauthError::Registration(failure))
}

impl Answer {
    /// What it means, if it can be relied on. The client was to be registered for `asked`, and is managed where
    /// `endpoint` is.
    fn check(mut self, asked: &Terms, endpoint: &Url) -> Result<Registered, OauthError> {
        let Ok(client) = self.client_id.parse() else {
            return Err(odd("the answer holds no client id"));
        };
        let terms = self.terms(asked);
        if let Some(lacking) = asked.redirects.iter().find(|uri| !terms.redirects.contains(uri)) {
            return Err(odd(&format!(
                "the provider has registered another redirect than {lacking}, which was asked for"
            )));
        }
        let secret = self.take_secret();
        let auth = auth_of(self.token_endpoint_auth_method.as_deref(), secret.is_some())?;
        // a secret that is not used is not sent
        let secret = secret.filter(|_| auth.is_some());
        let ends = if secret.is_some() { self.secret_ends(None) } else { None };
        let registration = self.managed(endpoint, terms).map(|kept| kept.sealed());
        let bound = self.dpop_bound_access_tokens;
        Ok(Registered { client, secret, auth, bound, registration, ends })
    }

    /// What the client is registered for: what the provider says, and else what was asked for.
    pub(super) fn terms(&self, asked: &Terms) -> Terms {
        let said = self.redirect_uris.clone().filter(|uris| !uris.is_empty());
        Terms {
            redirects: said.unwrap_or_else(|| asked.redirects.clone()),
            scope: self.scope.clone().or_else(|| asked.scope.clone()),
        }
    }

    /// The secret, if there is one that can be used.
    pub(super) fn take_secret(&mut self) -> Option<ClientSecret> {
        let secret = self.client_secret.take();
        secret.filter(|it| (1..=SECRET_MAX).contains(&it.expose().len()))
    }

    /// When the secret ends, if it does: as `before` where that is not said.
    pub(super) fn secret_ends(&self, before: Option<Wall>) -> Option<Wall> {
        let said = self.client_secret_expires_at.as_ref().and_then(serde_json::Value::as_i64);
        said.map_or(before, instant)
    }

    /// By what the registration is managed from now on: where that is has to be where it was made.
    pub(super) fn managed(&mut self, endpoint: &Url, terms: Terms) -> Option<Kept> {
        let said = self.registration_client_uri.take().zip(self.registration_access_token.take());
        let (uri, token) = said?;
        let uri = Url::parse(&uri).ok().filter(|uri| check_endpoint(uri).is_ok())?;
        (uri.origin() == endpoint.origin()).then_some(Kept { uri, token, terms })
    }
}

/// How a client has to authenticate itself; `None` if it is public.
pub(super) fn auth_of(
    method: Option<&str>,
    has_secret: bool,
) -> Result<Option<ClientAuth>, OauthError> {
    match method {
        Some("client_secret_post") if has_secret => Ok(Some(ClientAuth::Post)),
        Some("client_secret_basic") if has_secret => Ok(Some(ClientAuth::Basic)),
        Some("client_secret_jwt") if has_secret => Ok(Some(ClientAuth::ClientSecretJwt)),
        None | Some("none") => Ok(None),
        Some(method) => {
            let method: String =
                method.chars().filter(char::is_ascii_graphic).take(METHOD_MAX).collect();
            let without = if has_secret { "" } else { ", and gave it no secret" };
            Err(odd(&format!(
                "the provider wants the client to authenticate by {method}{without}, which it cannot"
            )))
        }
    }
}

/// The instant of a number of seconds; 0 means that there is no end (RFC 7591, 3.2.1).
fn instant(seconds: i64) -> Option<Wall> {
    (seconds > 0).then(|| Wall(seconds.saturating_mul(1000)))
}

/// Ends a registration (RFC 7592, 2.3).
pub async fn unregister(
    http: &Http,
    registration: &Registration,
    now: Now,
) -> Result<(), OauthError> {
    let kept: Kept =
        serde_json::from_str(registration.expose()).map_err(|_| odd("it cannot be read"))?;
    let mut headers = plain_headers();
    headers.insert(AUTHORIZATION, bearer(kept.token.expose())?);
    let request = Outgoing::new(Method::DELETE, kept.uri, headers, None);
    let answer = http.carry(request).await;
    let answer = answer.map_err(|error| OauthError::Registration(error.into_failure()))?;
    match answer.status {
        // 401 is for a token that is not known any more: so is the client
        200..=299 | 401 | 404 => Ok(()),
        status => {
            let asked = answer.retry_after.as_deref();
            let failure = Failure {
                status: Some(status),
                retry_after: asked.and_then(|text| lifetime::retry_after(text, now)),
                ..Failure::new(FailureClass::Transient, "")
            };
            Err(OauthError::Registration(failure))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Registered, OauthError> {
        let endpoint = Url::parse("https://as.example/register").unwrap();
        let redirects = vec!["http://127.0.0.1/callback".to_owned()];
        let asked = Terms { redirects, scope: Some("read".to_owned()) };
        serde_json::from_str::<Answer>(json).unwrap().check(&asked, &endpoint)
    }

    #[test]
    fn what_the_provider_says_counts() {
        let read = read(
            "{\"client_id\":\"c\",\"client_secret\":\"fake-secret\",\
             \"token_endpoint_auth_method\":\"client_secret_post\",\
             \"registration_client_uri\":\"https://as.example/register/c\",\
             \"registration_access_token\":\"fake-registration\",\"client_secret_expires_at\":0}",
        )
        .unwrap();
        assert_eq!((read.client.as_str(), read.auth), ("c", Some(ClientAuth::Post)));
        assert!(read.secret.is_some() && read.registration.is_some());
        assert!(!format!("{read:?}").contains("fake-"), "{read:?}");
        assert_eq!(read.ends, None, "0 is no end");
    }

    #[test]
    fn the_end_of_a_secret_that_is_used_is_known() {
        let ends = |method: &str| {
            let answer = format!(
                "{{\"client_id\":\"c\",\"client_secret\":\"s\",\"client_secret_expires_at\":1900000000,\
                 \"token_endpoint_auth_method\":\"{method}\"}}"
            );
            read(&answer).unwrap().ends
        };
        assert_eq!(ends("client_secret_basic"), Some(Wall(1_900_000_000_000)));
        assert_eq!(ends("none"), None);
    }

    #[test]
    fn what_the_client_is_registered_for_is_what_the_provider_said() {
        let managed = "\"registration_client_uri\":\"https://as.example/register/c\",\
                       \"registration_access_token\":\"fake-registration\"";
        let terms = |more: &str| {
            let registration = read(&format!("{{\"client_id\":\"c\",{managed}{more}}}"));
            let kept = registration.unwrap().registration.unwrap();
            serde_json::from_str::<Kept>(kept.expose()).unwrap().terms
        };
        let scopes = Scopes::parse_lenient;
        let (here, there) = ("http://127.0.0.1/callback", "https://a.example/back");
        let silent = terms("");
        assert!(silent.cover(here, &scopes("read")) && !silent.cover(there, &scopes("read")));
        assert!(!silent.cover(here, &scopes("read write")));
        let said =
            terms(&format!(",\"scope\":\"read write\",\"redirect_uris\":[\"{here}\",\"{there}\"]"));
        assert!(said.cover(here, &scopes("read write")) && said.cover(there, &scopes("write")));
    }

    #[test]
    fn a_refusal_names_what_was_altered() {
        let said = |answer: &str| read(answer).unwrap_err().to_string();
        let elsewhere = said("{\"client_id\":\"c\",\"redirect_uris\":[\"https://evil.example/\"]}");
        assert!(
            elsewhere.contains("another redirect than http://127.0.0.1/callback"),
            "{elsewhere}"
        );
        let method =
            said("{\"client_id\":\"c\",\"token_endpoint_auth_method\":\"tls_client_auth\"}");
        assert!(method.contains("by tls_client_auth, and gave it no secret"), "{method}");
    }

    #[test]
    fn what_would_lead_elsewhere_is_not_taken() {
        let elsewhere = "{\"client_id\":\"c\",\"redirect_uris\":[\"https://evil.example/\"]}";
        assert!(read(elsewhere).is_err());
        assert!(read("{\"client_id\":\"\"}").is_err());
        assert!(
            read("{\"client_id\":\"c\",\"token_endpoint_auth_method\":\"tls_client_auth\"}")
                .is_err()
        );
        let managed = read(
            "{\"client_id\":\"c\",\"registration_client_uri\":\"https://evil.example/c\",\
             \"registration_access_token\":\"fake-registration\"}",
        );
        assert!(managed.unwrap().registration.is_none());
        // public: a secret that came all the same is not for sending
        let public =
            "{\"client_id\":\"c\",\"client_secret\":\"s\",\"token_endpoint_auth_method\":\"none\"}";
        assert!(read(public).unwrap().secret.is_none());
    }
}
