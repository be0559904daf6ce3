//! Registrations that go on: a client whose secret ends gets a new one (RFC 7592, 2.1 and 2.2).

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::answer::read_failure;
use super::client::bearer;
use super::error::OauthError;
use super::http::Http;
use super::register::{Answer, Kept, auth_of, odd};
use super::request::{Outgoing, SentSecrets, plain_headers};
use crate::model::{ClientId, ClientSecret, Failure, Now, RawAnswer, Registration, Scopes, Wall};
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

/// A registration that is to be looked at.
#[derive(Clone, Copy)]
pub struct Managed<'a> {
    /// The client.
    pub client: &'a ClientId,
    /// By what it is managed.
    pub registration: &'a Registration,
    /// When its secret ends, as far as is known.
    pub ends: Option<Wall>,
}

/// Renews the secret of a client that registered itself and whose secret ends. The provider is asked how
/// things stand, which may be enough, and then told to go on as they are.
pub async fn renew(
    http: &Http,
    provider: &Provider,
    managed: Managed<'_>,
    now: Now,
) -> Result<Renewed, OauthError> {
    let desk = Desk { http, provider, managed, now };
    let kept = kept(managed.registration)?;
    let (renewed, metadata) = desk.ask(&kept, None).await?;
    if renewed.ends.is_none() || renewed.ends > managed.ends {
        return Ok(renewed);
    }
    desk.update(renewed, &to_send(metadata)).await
}

/// Has a client that registered itself registered for one more redirect and more scopes, if a login needs that: the
/// same client, and no second one. `None` if it is fit as it is.
pub async fn adapt(
    http: &Http,
    provider: &Provider,
    managed: Managed<'_>,
    redirect: &str,
    scopes: &Scopes,
    now: Now,
) -> Result<Option<Renewed>, OauthError> {
    let before = kept(managed.registration)?;
    if before.terms.cover(redirect, scopes) {
        return Ok(None);
    }
    let desk = Desk { http, provider, managed, now };
    let (read, metadata) = desk.ask(&before, None).await?;
    let terms = kept(&read.registration)?.terms;
    if terms.cover(redirect, scopes) {
        return Ok(Some(read));
    }
    let mut metadata = to_send(metadata);
    let mut redirects = terms.redirects;
    if !redirects.iter().any(|it| it == redirect) {
        redirects.push(redirect.to_owned());
    }
    metadata.insert("redirect_uris".to_owned(), redirects.into());
    if let Some(scope) = terms.scope {
        let both: Scopes =
            Scopes::parse_lenient(&scope).iter().chain(scopes.iter()).cloned().collect();
        metadata.insert("scope".to_owned(), both.join(" ").into());
    }
    desk.update(read, &metadata).await.map(Some)
}

fn kept(registration: &Registration) -> Result<Kept, OauthError> {
    serde_json::from_str(registration.expose()).map_err(|_| odd("it cannot be read"))
}

/// What is sent of what was read: an update replaces all of it (RFC 7592, 2.2).
fn to_send(mut metadata: Map<String, Value>) -> Map<String, Value> {
    metadata.retain(|name, _| !NOT_SENT.contains(&name.as_str()));
    metadata
}

/// Where a registration is managed.
struct Desk<'a> {
    http: &'a Http,
    provider: &'a Provider,
    managed: Managed<'a>,
    now: Now,
}

impl Desk<'_> {
    /// Updates what was read. What the reading brought counts, whatever becomes of the update.
    async fn update(
        &self,
        mut read: Renewed,
        metadata: &Map<String, Value>,
    ) -> Result<Renewed, OauthError> {
        let before = kept(&read.registration)?;
        match self.ask(&before, Some(metadata)).await {
            Ok((updated, _)) => {
                let (secret, auth) = (updated.secret.or(read.secret), updated.auth.or(read.auth));
                Ok(Renewed { secret, auth, ..updated })
            }
            Err(OauthError::Registration(failure)) => {
                read.failure = Some(failure);
                Ok(read)
            }
            Err(error) => Err(error),
        }
    }

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
        let Some(mut said) = said else {
            let sent = SentSecrets::new([kept.token.expose()]);
            let failure = read_failure(self.provider, answer, &sent, self.now);
            return Err(OauthError::Registration(failure));
        };
        if said.client_id != self.managed.client.as_str() {
            return Err(odd("the provider speaks of another client"));
        }
        // not all servers repeat the secret
        let secret = said.take_secret();
        let auth = match said.token_endpoint_auth_method.as_deref() {
            None => None,
            method => Some(auth_of(method, true)?.unwrap_or(ClientAuth::None)),
        };
        let ends = said.secret_ends(self.managed.ends);
        let terms = said.terms(&kept.terms);
        let registration = match said.managed(&kept.uri, terms.clone()) {
            Some(kept) => kept.sealed(),
            None => kept.with(terms).sealed(),
        };
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
        let registration = Registration::new(String::new());
        let managed = Managed { client: &client, registration: &registration, ends: Some(Wall(7)) };
        let desk = Desk { http: &http, provider: &provider, managed, now: NOW };
        let kept = format!("{{\"uri\":\"{URI}\",\"token\":\"fake-old\"}}");
        let kept = serde_json::from_str(&kept).unwrap();
        desk.read(&raw(status, "application/json", body.as_bytes()), &kept)
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
        assert!(renewed.secret.is_none() && renewed.auth.is_none());
        assert_eq!(renewed.ends, Some(Wall(7)), "it is not said that it does not end");
        assert!(renewed.registration.expose().contains("fake-old"));
    }

    #[test]
    fn a_secret_that_is_not_repeated_is_still_there_and_one_without_end_has_none() {
        let basic = "{\"client_id\":\"c\",\"token_endpoint_auth_method\":\"client_secret_basic\",\
                      \"client_secret_expires_at\":0}";
        let (renewed, _) = read(200, basic).unwrap();
        assert_eq!((renewed.auth, renewed.ends), (Some(ClientAuth::Basic), None));
        assert!(renewed.secret.is_none());
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
