//! Registrations that go on: a client whose secret ends gets a new one (RFC 7592, 2.1 and 2.2).

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::answer::read_failure;
use super::client::bearer;
use super::error::OauthError;
use super::http::Http;
use super::register::{Answer, Kept, Registered, odd};
use super::request::{Outgoing, SentSecrets, plain_headers};
use crate::model::{ClientId, ClientSecret, Failure, Now, RawAnswer, Registration, Wall};
use crate::provider::{ClientAuth, Provider};

/// What the provider alone sets: it may not be in an update (RFC 7592, 2.2).
const NOT_SENT: [&str; 5] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
    // one that is not sent is not asked to be kept
    "client_secret",
];

/// A registration as it is from now on. It has to be kept before it is used: what it was before may be of no
/// use any more.
#[derive(Debug)]
pub struct Renewed {
    /// The new secret; the old one goes on if absent.
    pub secret: Option<ClientSecret>,
    /// When the secret ends, if it does.
    pub ends: Option<Wall>,
    /// How the client has to authenticate itself; as before if absent.
    pub auth: Option<ClientAuth>,
    /// By what the registration is managed from now on.
    pub registration: Registration,
    /// Why the secret is not renewed, although something else may have changed.
    pub failure: Option<Failure>,
}

/// Renews the secret of a client that registered itself and whose secret ends at `ends`. The provider is asked how
/// things stand, which may be enough, and then told to go on as they are.
pub async fn renew(
    http: &Http,
    provider: &Provider,
    client: &ClientId,
    registration: &Registration,
    ends: Wall,
    now: Now,
) -> Result<Renewed, OauthError> {
    let kept: Kept =
        serde_json::from_str(registration.expose()).map_err(|_| odd("it cannot be read"))?;
    let manager = Manager { http, provider, client, now };
    let (mut renewed, metadata) = manager.ask(&kept, None).await?;
    if renewed.ends.is_none_or(|found| found > ends) {
        return Ok(renewed);
    }
    let metadata: Map<String, Value> =
        metadata.into_iter().filter(|(name, _)| !NOT_SENT.contains(&name.as_str())).collect();
    // what the reading brought counts, whatever becomes of the update
    let kept: Kept = serde_json::from_str(renewed.registration.expose())
        .map_err(|_| odd("it cannot be read"))?;
    match manager.ask(&kept, Some(&metadata)).await {
        Ok((updated, _)) => {
            let secret = updated.secret.or(renewed.secret);
            Ok(Renewed { secret, auth: updated.auth.or(renewed.auth), ..updated })
        }
        Err(OauthError::Registration(failure)) => {
            renewed.failure = Some(failure);
            Ok(renewed)
        }
        Err(error) => Err(error),
    }
}

/// Who manages which registration where.
struct Manager<'a> {
    http: &'a Http,
    provider: &'a Provider,
    client: &'a ClientId,
    now: Now,
}

impl Manager<'_> {
    /// Reads a registration, or updates it, and gives what the provider says of it.
    async fn ask(
        &self,
        kept: &Kept,
        update: Option<&Map<String, Value>>,
    ) -> Result<(Renewed, Map<String, Value>), OauthError> {
        let mut headers = plain_headers();
        headers.insert(AUTHORIZATION, bearer(kept.token.expose())?);
        let method = if update.is_some() { Method::PUT } else { Method::GET };
        let body = update.map(|metadata| {
            let text = serde_json::to_vec(metadata);
            Zeroizing::new(text.expect("an object of JSON has nothing that JSON cannot say"))
        });
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let request = Outgoing::new(method, kept.uri.clone(), headers, body);
        let answer = self.http.carry(request).await;
        let answer = answer.map_err(|error| OauthError::Registration(error.into_failure()))?;
        self.read(&answer, kept)
    }

    fn read(
        &self,
        answer: &RawAnswer,
        kept: &Kept,
    ) -> Result<(Renewed, Map<String, Value>), OauthError> {
        let succeeded = (200..300).contains(&answer.status);
        let said = serde_json::from_slice::<Answer>(&answer.body).ok().filter(|_| succeeded);
        let Some(said) = said else {
            let sent = SentSecrets::new([kept.token.expose()]);
            let failure = read_failure(self.provider, answer, &sent, self.now);
            return Err(OauthError::Registration(failure));
        };
        if said.client_id != self.client.as_str() {
            return Err(odd("the provider speaks of another client"));
        }
        let names_auth = said.token_endpoint_auth_method.is_some();
        let redirects = said.redirect_uris.clone().unwrap_or_default();
        // those that it has are those that were asked for: that was looked at when it was made
        let redirect = redirects.first().map_or("", String::as_str);
        let Registered { secret, auth, registration, ends, .. } =
            said.check(redirect, &kept.uri)?;
        let registration = match registration {
            Some(registration) => registration,
            None => kept.sealed(),
        };
        let auth = names_auth.then(|| auth.unwrap_or(ClientAuth::None));
        let metadata = serde_json::from_slice(&answer.body).unwrap_or_default();
        Ok((Renewed { secret, ends, auth, registration, failure: None }, metadata))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FailureClass;
    use crate::oauth::tests::{NOW, provider, raw};

    const URI: &str = "https://as.example/register/c";

    fn read(status: u16, body: &str) -> Result<(Renewed, Map<String, Value>), OauthError> {
        let http = Http::new(&crate::oauth::HttpOptions::default()).unwrap();
        let (provider, client) = (provider(""), "c".parse().unwrap());
        let manager = Manager { http: &http, provider: &provider, client: &client, now: NOW };
        let kept = format!("{{\"uri\":\"{URI}\",\"token\":\"fake-old\"}}");
        let kept = serde_json::from_str(&kept).unwrap();
        manager.read(&raw(status, "application/json", body.as_bytes()), &kept)
    }

    #[test]
    fn what_the_provider_returned_is_what_goes_on() {
        let (renewed, metadata) = read(
            200,
            "{\"client_id\":\"c\",\"client_secret\":\"fake-new\",\"client_secret_expires_at\":2000000000,\
             \"token_endpoint_auth_method\":\"client_secret_basic\",\"client_name\":\"ostler\",\
             \"registration_client_uri\":\"https://as.example/register/moved\",\
             \"registration_access_token\":\"fake-rotated\"}",
        )
        .unwrap();
        assert_eq!(renewed.secret.unwrap().expose(), "fake-new");
        assert_eq!(renewed.ends, Some(Wall(2_000_000_000_000)));
        assert_eq!(renewed.auth, Some(ClientAuth::Basic));
        let kept = renewed.registration.expose();
        assert!(kept.contains("register/moved") && kept.contains("fake-rotated"), "{kept}");
        assert_eq!(metadata["client_name"], "ostler");
    }

    #[test]
    fn what_the_provider_does_not_repeat_stays_as_it_was() {
        let (renewed, _) = read(200, "{\"client_id\":\"c\"}").unwrap();
        assert!(renewed.secret.is_none() && renewed.auth.is_none() && renewed.ends.is_none());
        assert!(renewed.registration.expose().contains("fake-old"));
    }

    #[test]
    fn another_client_another_server_and_a_refusal_are_not_taken() {
        assert!(read(200, "{\"client_id\":\"d\"}").is_err());
        let (moved, _) = read(
            200,
            "{\"client_id\":\"c\",\"registration_client_uri\":\"https://evil.example/c\",\
             \"registration_access_token\":\"fake-new\"}",
        )
        .unwrap();
        assert!(moved.registration.expose().contains("fake-old"), "it does not go elsewhere");
        let Err(OauthError::Registration(failure)) =
            read(401, "{\"error\":\"invalid_token\",\"error_description\":\"fake-old is over\"}")
        else {
            panic!("taken")
        };
        assert_eq!(failure.class, FailureClass::Transient);
        assert!(!failure.to_string().contains("fake-old"), "{failure}");
    }
}
