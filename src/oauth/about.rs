//! What can be learnt about new tokens beside what came with them: how long they live (RFC 7662), and
//! what their user is called (OpenID Connect Core, 5.3). None of it is needed: what cannot be had is
//! done without.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde::Deserialize;

use super::client::{Client, authenticate, bearer, presented, reach};
use super::dpop::{Prover, proved};
use super::http::Http;
use super::lifetime::{LIFETIME_MAX, jwt_claims};
use super::request::{Outgoing, Params, form_body, plain_headers};
use super::scrub::plain;
use crate::model::{AccessToken, Now};
use crate::provider::{Provider, check_endpoint};

/// Who a provider says its user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name that never changes.
    pub subject: String,
    /// What to show.
    pub shown: String,
}

/// What a provider says of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Introspected {
    /// How long it lives from now.
    pub lifetime: Option<Duration>,
    /// Whether it is bound to a certificate (RFC 8705, 3.2).
    pub is_bound: bool,
}

#[derive(Deserialize)]
struct Introspection {
    active: bool,
    exp: Option<f64>,
    cnf: Option<Confirmation>,
}

/// By what the owner of a token shows that it is his (RFC 7800, 3.1).
#[derive(Deserialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    certificate: Option<String>,
}

#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    email: Option<String>,
    preferred_username: Option<String>,
    name: Option<String>,
}

/// Asks how long an access token lives, and what it is bound to. The provider wants to know who asks, so a client
/// without a secret does not (RFC 7662, 2.1).
pub async fn introspect(
    http: &Http,
    provider: &Provider,
    client: Client<'_>,
    access: &AccessToken,
    now: Now,
) -> Option<Introspected> {
    let provider = &*reach(provider, client);
    let url = provider.introspection_url.as_ref().filter(|_| client.secret.is_some())?;
    check_endpoint(url).ok()?;
    let mut params = Params::default();
    params.set("token", access.expose());
    params.set("token_type_hint", "access_token");
    let mut headers = plain_headers();
    authenticate(provider, client, &mut params, &mut headers, now).ok()?;
    let body = Some(form_body(&params, provider, &mut headers));
    let request = Outgoing::new(Method::POST, url.clone(), headers, body).from(client, now).ok()?;
    let said: Introspection = answer(http, request).await?;
    let is_bound = said.active && is_confirmed(said.cnf.as_ref());
    Some(Introspected { lifetime: lifetime(&said, now), is_bound })
}

fn is_confirmed(cnf: Option<&Confirmation>) -> bool {
    cnf.is_some_and(|cnf| cnf.certificate.is_some())
}

/// Whether an access token says of itself that it is bound to a certificate (RFC 8705, 3.1). That is not
/// verified: it is for people and programs to know, and nothing depends on it.
#[must_use]
pub fn is_bound(access: &AccessToken) -> bool {
    #[derive(Deserialize)]
    struct Claims {
        cnf: Confirmation,
    }
    jwt_claims::<Claims>(access.expose()).is_some_and(|claims| is_confirmed(Some(&claims.cnf)))
}

fn lifetime(said: &Introspection, now: Now) -> Option<Duration> {
    // whole seconds of a clock that is not ours
    #[expect(clippy::cast_precision_loss, reason = "exact until the year 285,000")]
    let left = said.exp.filter(|_| said.active)? - now.wall.seconds() as f64;
    let left = Duration::try_from_secs_f64(left).ok()?;
    (!left.is_zero()).then(|| left.min(LIFETIME_MAX))
}

/// Asks what the user is called. A token that is bound to a key comes with what proves that.
pub async fn userinfo(
    http: &Http,
    provider: &Provider,
    client: Client<'_>,
    access: &AccessToken,
    prover: Option<&Arc<Prover>>,
    now: Now,
) -> Option<Person> {
    let provider = &*reach(provider, client);
    let url = provider.userinfo_url.as_ref()?;
    check_endpoint(url).ok()?;
    let request = || {
        let mut headers = plain_headers();
        let presented = match prover {
            Some(_) => presented("DPoP", access.expose())?,
            None => bearer(access.expose())?,
        };
        headers.insert(AUTHORIZATION, presented);
        // a token may be bound to the certificate
        Outgoing::new(Method::GET, url.clone(), headers, None).from(client, now)
    };
    let said: UserInfo = answer(http, proved(prover, Some(access), now, request).ok()?).await?;
    person(said)
}

fn person(said: UserInfo) -> Option<Person> {
    let shown = [said.email, said.preferred_username, said.name];
    let shown = shown.into_iter().flatten().find(|text| !text.is_empty())?;
    Some(Person { subject: said.sub, shown: plain(&shown) })
}

async fn answer<T: for<'a> Deserialize<'a>>(http: &Http, request: Outgoing) -> Option<T> {
    let answer = http.carry(request).await.ok()?;
    (answer.status == 200).then(|| serde_json::from_slice(&answer.body).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Boot, Wall};

    const NOW: Now = Now { wall: Wall(1_795_000_000_000), boot: Boot(0) };

    #[test]
    fn a_life_is_what_is_left_of_an_active_token() {
        let read = |json: &str| lifetime(&serde_json::from_str(json).unwrap(), NOW);
        assert_eq!(read("{\"active\":true,\"exp\":1795003600}"), Some(Duration::from_hours(1)));
        assert_eq!(read("{\"active\":true,\"exp\":9e99}"), None);
        for none in [
            "{\"active\":false,\"exp\":1795003600}",
            "{\"active\":true}",
            "{\"active\":true,\"exp\":1795000000}",
            "{\"active\":true,\"exp\":-5}",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn a_token_that_is_bound_to_a_certificate_says_so_in_its_own_words_or_the_providers() {
        let token = |claims: &str| {
            let claims = data_encoding::BASE64URL_NOPAD.encode(claims.as_bytes());
            is_bound(&AccessToken::new(format!("e30.{claims}.c2ln")))
        };
        assert!(token("{\"cnf\":{\"x5t#S256\":\"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2\"}}"));
        assert!(!token("{\"cnf\":{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}}"));
        assert!(!token("{\"cnf\":{\"x5t#S256\":5}}"));
        assert!(!token("{}"));
        assert!(!is_bound(&AccessToken::new("fake-access".into())));
        let said = |json: &str| {
            let said: Introspection = serde_json::from_str(json).unwrap();
            is_confirmed(said.cnf.as_ref())
        };
        assert!(said("{\"active\":true,\"cnf\":{\"x5t#S256\":\"bwcK\"}}"));
        assert!(!said("{\"active\":true}"));
    }

    #[test]
    fn a_person_without_any_name_is_nobody_to_show() {
        let read = |json: &str| person(serde_json::from_str(json).unwrap());
        let found = read("{\"sub\":\"1\",\"name\":\"Me\",\"email\":\"me@x.example\"}").unwrap();
        assert_eq!((found.subject.as_str(), found.shown.as_str()), ("1", "me@x.example"));
        assert_eq!(read("{\"sub\":\"1\"}"), None);
        assert_eq!(read("{\"sub\":\"1\",\"email\":\"\"}"), None);
    }
}
