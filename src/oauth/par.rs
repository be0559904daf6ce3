//! Pushed authorization requests (RFC 9126): the browser carries a reference, and the parameters go
//! straight to the provider, from a client that has shown who it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Method;
use serde::Deserialize;
use url::Url;

use super::answer::read_failure;
use super::client::{Client, authenticate, reach};
use super::dpop::{Prover, proved};
use super::encode;
use super::error::OauthError;
use super::http::Http;
use super::request::{Outgoing, Params, SentSecrets, add_query, form_body, plain_headers};
use crate::model::{ClientSecret, Failure, FailureClass, Now};
use crate::provider::{Provider, check_endpoint};

/// The longest reference that goes into an address, in bytes.
const REFERENCE_MAX: usize = 2048;

#[derive(Deserialize)]
struct Answer {
    request_uri: String,
}

/// Pushes the parameters of an authorization request, and gives the address for the browser: the client
/// and the reference (RFC 9126, 4). With a key it proves that it has that (RFC 9449, 10.1). Where the provider takes no such requests it is the one that was
/// given.
pub async fn push(
    http: &Http,
    provider: &Provider,
    client: Client<'_>,
    url: Url,
    prover: Option<&Arc<Prover>>,
    now: Now,
) -> Result<Url, OauthError> {
    let provider = &*reach(provider, client);
    let Some(endpoint) = &provider.par_url else { return Ok(url) };
    check_endpoint(endpoint).map_err(|problem| OauthError::Endpoint {
        what: "pushed authorization request endpoint",
        problem,
    })?;
    let request = || {
        let mut params = Params::default();
        let own = provider.authorization_url.query_pairs().count();
        for (name, value) in url.query_pairs().skip(own) {
            params.add(&name, &value);
        }
        let mut headers = plain_headers();
        authenticate(provider, client, &mut params, &mut headers, now)?;
        params.set("client_id", client.id.as_str());
        // the address has the provider's own names already
        let unnamed = Provider { param_names: BTreeMap::new(), ..provider.clone() };
        let body = Some(form_body(&params, &unnamed, &mut headers));
        Outgoing::new(Method::POST, endpoint.clone(), headers, body).from(client, now)
    };
    let answer = http.carry(proved(prover, None, now, request)?).await;
    let answer = answer.map_err(|error| OauthError::Pushed(error.into_failure()))?;
    let fits = |text: &str| {
        (1..=REFERENCE_MAX).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic())
    };
    if (200..300).contains(&answer.status) {
        let said = serde_json::from_slice::<Answer>(&answer.body);
        let Some(said) = said.ok().filter(|said| fits(&said.request_uri)) else {
            let what = "the answer holds no reference";
            let failure = Failure::new(FailureClass::RequestBroken, what.to_owned());
            return Err(OauthError::Pushed(failure));
        };
        let mut url = provider.authorization_url.clone();
        let pairs = [("client_id", client.id.as_str()), ("request_uri", &said.request_uri)];
        add_query(&mut url, &encode::pairs(pairs.into_iter(), encode::query));
        return Ok(url);
    }
    let secret = client.secret.map(ClientSecret::expose);
    let sent = SentSecrets::new(secret);
    Err(OauthError::Pushed(read_failure(provider, &answer, &sent, now)))
}
