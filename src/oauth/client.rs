//! Client authentication (RFC 6749, 2.3; RFC 7523; OpenID Connect Core, 9).

use data_encoding::BASE64;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use super::assertion;
use super::encode;
use super::error::OauthError;
use super::request::Params;
use crate::model::{ClientId, ClientSecret, Now};
use crate::provider::{ClientAuth, Provider};

/// Who asks: a client registration, for as long as it takes to build a request.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    /// Its identifier.
    pub id: &'a ClientId,
    /// Its secret; a public client has none.
    pub secret: Option<&'a ClientSecret>,
}

/// How this client authenticates: a definition's choice holds for clients that have a secret.
pub(super) fn authentication(provider: &Provider, client: Client<'_>) -> ClientAuth {
    match client.secret {
        None => ClientAuth::None,
        // a key is never sent: it can only be signed with
        Some(secret) if assertion::is_key(secret.expose()) => ClientAuth::PrivateKeyJwt,
        Some(_) => provider.client_auth.unwrap_or(ClientAuth::Basic),
    }
}

/// Adds the client's authentication, by one method and never two (RFC 6749, 2.3): as a header, or
/// among the parameters.
pub(super) fn authenticate(
    provider: &Provider,
    client: Client<'_>,
    params: &mut Params,
    headers: &mut HeaderMap,
    now: Now,
) -> Result<(), OauthError> {
    let secret = client.secret.map_or("", ClientSecret::expose);
    match authentication(provider, client) {
        ClientAuth::Basic => {
            // RFC 6749, 2.3.1: both are form-encoded before they are put together
            let (id, secret) = (encode::form(client.id.as_str()), encode::form(secret));
            headers.insert(AUTHORIZATION, basic(&id, &secret)?);
        }
        ClientAuth::BasicRaw => {
            headers.insert(AUTHORIZATION, basic(client.id.as_str(), secret)?);
        }
        ClientAuth::Post => {
            params.set("client_id", client.id.as_str());
            params.set("client_secret", secret);
        }
        ClientAuth::BearerSecret => {
            params.set("client_id", client.id.as_str());
            headers.insert(AUTHORIZATION, bearer(secret)?);
        }
        method @ (ClientAuth::ClientSecretJwt | ClientAuth::PrivateKeyJwt) => {
            params.set("client_id", client.id.as_str());
            params.set("client_assertion_type", assertion::CLIENT_ASSERTION);
            let jwt = assertion::of_client(provider, client.id, secret, method, now)?;
            params.set("client_assertion", &jwt);
        }
        ClientAuth::None => params.set("client_id", client.id.as_str()),
    }
    Ok(())
}

/// The value of `Authorization: Bearer` (RFC 6750, 2.1).
pub(super) fn bearer(token: &str) -> Result<HeaderValue, OauthError> {
    presented("Bearer", token)
}

/// The value of `Authorization` for a token of some type.
pub(super) fn presented(scheme: &str, token: &str) -> Result<HeaderValue, OauthError> {
    let text = Zeroizing::new(format!("{scheme} {token}"));
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| OauthError::Header { name: AUTHORIZATION.to_string() })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The value of `Authorization: Basic` (RFC 7617).
pub(super) fn basic(id: &str, secret: &str) -> Result<HeaderValue, OauthError> {
    let pair = Zeroizing::new(format!("{id}:{secret}"));
    let text = Zeroizing::new(format!("Basic {}", BASE64.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| OauthError::Header { name: AUTHORIZATION.to_string() })?;
    value.set_sensitive(true);
    Ok(value)
}
