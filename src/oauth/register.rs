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
use super::request::{Outgoing, SentSecrets, plain_headers};
use crate::model::{
    ClientId, ClientSecret, Failure, FailureClass, Now, Registration, RegistrationToken, Scopes,
};
use crate::provider::{ClientAuth, Provider, check_endpoint};

/// The longest secret that is taken, in bytes.
const SECRET_MAX: usize = 8 * 1024;

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
}

/// The answer (RFC 7591, 3.2.1; RFC 7592, 3).
#[derive(Deserialize)]
struct Answer {
    client_id: String,
    client_secret: Option<ClientSecret>,
    token_endpoint_auth_method: Option<String>,
    redirect_uris: Option<Vec<String>>,
    #[serde(default)]
    dpop_bound_access_tokens: bool,
    registration_client_uri: Option<String>,
    registration_access_token: Option<RegistrationToken>,
}

/// What is kept of a registration, as one text that is sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    uri: Url,
    token: RegistrationToken,
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
        return said.check(redirect_uri, url);
    }
    let failure = read_failure(provider, &answer, &SentSecrets::new([]), now);
    Err(OauthError::Registration(failure))
}

impl Answer {
    fn check(self, redirect_uri: &str, endpoint: &Url) -> Result<Registered, OauthError> {
        let odd = |what: &str| {
            let failure = Failure::new(FailureClass::RequestBroken, what.to_owned());
            Err(OauthError::Registration(failure))
        };
        let Ok(client) = self.client_id.parse() else {
            return odd("the answer holds no client id");
        };
        if self.redirect_uris.is_some_and(|uris| !uris.iter().any(|uri| uri == redirect_uri)) {
            return odd("the provider has registered another redirect than was asked for");
        }
        let secret = self.client_secret;
        let secret = secret.filter(|it| (1..=SECRET_MAX).contains(&it.expose().len()));
        let auth = match (self.token_endpoint_auth_method.as_deref(), &secret) {
            (Some("client_secret_post"), Some(_)) => Some(ClientAuth::Post),
            (Some("client_secret_basic"), Some(_)) => Some(ClientAuth::Basic),
            (Some("client_secret_jwt"), Some(_)) => Some(ClientAuth::ClientSecretJwt),
            (None | Some("none"), _) => None,
            _ => {
                return odd(
                    "the provider wants the client to authenticate in a way that it cannot",
                );
            }
        };
        // a secret that is not used is not sent
        let secret = secret.filter(|_| auth.is_some());
        // where the registration is managed has to be where it was made
        let kept = self.registration_client_uri.zip(self.registration_access_token);
        let kept = kept.and_then(|(uri, token)| {
            let uri = Url::parse(&uri).ok().filter(|uri| check_endpoint(uri).is_ok())?;
            (uri.origin() == endpoint.origin()).then_some(Kept { uri, token })
        });
        let registration = kept.and_then(|kept| serde_json::to_string(&kept).ok());
        let bound = self.dpop_bound_access_tokens;
        let registration = registration.map(Registration::new);
        Ok(Registered { client, secret, auth, bound, registration })
    }
}

/// Ends a registration (RFC 7592, 2.3).
pub async fn unregister(http: &Http, registration: &Registration) -> Result<(), OauthError> {
    let odd = |what: &str| {
        OauthError::Registration(Failure::new(FailureClass::RequestBroken, what.to_owned()))
    };
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
        status => Err(odd(&format!("HTTP status {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Registered, OauthError> {
        let endpoint = Url::parse("https://as.example/register").unwrap();
        serde_json::from_str::<Answer>(json).unwrap().check("http://127.0.0.1/callback", &endpoint)
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
