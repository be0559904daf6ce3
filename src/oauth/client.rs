//! Client authentication (RFC 6749, 2.3; RFC 7523; RFC 8705; OpenID Connect Core, 9).

use std::borrow::Cow;

use data_encoding::BASE64;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use super::assertion;
use super::certificate;
use super::encode;
use super::error::OauthError;
use super::request::Params;
use crate::model::{ClientId, ClientSecret, Now, is_document};
use crate::provider::{ClientAuth, Provider};

/// Who asks: a client registration, for as long as it takes to build a request.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    /// Its identifier.
    pub id: &'a ClientId,
    /// Its secret, its key, or its certificate with the key; a public client has none.
    pub secret: Option<&'a ClientSecret>,
}

/// How this client authenticates: a definition's choice holds for clients that have a secret, but for the
/// methods that are all that a provider takes.
pub(super) fn authentication(provider: &Provider, client: Client<'_>) -> ClientAuth {
    match client.secret {
        None => match provider.client_auth {
            Some(
                method @ (ClientAuth::BasicAlways
                | ClientAuth::TlsClientAuth
                | ClientAuth::SelfSignedTlsClientAuth),
            ) => method,
            _ => ClientAuth::None,
        },
        // on the wire it makes no difference who signed it
        Some(secret) if certificate::is_certificate(secret.expose()) => ClientAuth::TlsClientAuth,
        // a key is never sent: it can only be signed with
        Some(secret) if assertion::is_key(secret.expose()) => ClientAuth::PrivateKeyJwt,
        Some(_) => provider.client_auth.unwrap_or(ClientAuth::Basic),
    }
}

/// The provider as it is for this client: one that shows a certificate goes to the aliases of the
/// endpoints (RFC 8705, 5).
pub(super) fn reach<'a>(provider: &'a Provider, client: Client<'_>) -> Cow<'a, Provider> {
    match client.secret {
        Some(secret) if certificate::is_certificate(secret.expose()) => {
            Cow::Owned(provider.for_certificates())
        }
        _ => Cow::Borrowed(provider),
    }
}

/// Adds the client's authentication, by one method and never two (RFC 6749, 2.3): as a header, or
/// among the parameters. A certificate is shown by the connection, and the id says whose it is (RFC 8705,
/// 2).
pub(super) fn authenticate(
    provider: &Provider,
    client: Client<'_>,
    params: &mut Params,
    headers: &mut HeaderMap,
    now: Now,
) -> Result<(), OauthError> {
    let secret = client.secret.map_or("", ClientSecret::expose);
    let method = authentication(provider, client);
    if is_document(client.id) && !matches!(method, ClientAuth::None | ClientAuth::PrivateKeyJwt) {
        return Err(OauthError::DocumentSecret);
    }
    match method {
        ClientAuth::Basic | ClientAuth::BasicAlways => {
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
        ClientAuth::TlsClientAuth | ClientAuth::SelfSignedTlsClientAuth => {
            if !certificate::is_certificate(secret) {
                let problem = "is missing, and the provider takes nothing else".to_owned();
                return Err(OauthError::Certificate { problem });
            }
            params.set("client_id", client.id.as_str());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::tests::{NOW, provider};

    #[test]
    fn a_client_that_a_document_describes_never_sends_a_secret() {
        let id = "https://me.example/ostler.json".parse().unwrap();
        let secret = ClientSecret::new("fake-secret".into());
        for (method, with_secret, fits) in [
            ("basic", true, false),
            ("post", true, false),
            ("client_secret_jwt", true, false),
            ("bearer_secret", true, false),
            ("basic", false, true),
            ("none", true, true),
        ] {
            let provider = provider(&format!("client_auth = \"{method}\""));
            let client = Client { id: &id, secret: Some(&secret).filter(|_| with_secret) };
            let (mut params, mut headers) = (Params::default(), HeaderMap::new());
            let done = authenticate(&provider, client, &mut params, &mut headers, NOW);
            assert_eq!(done.is_ok(), fits, "{method} {with_secret}");
            assert!(headers.is_empty(), "{method}");
        }
    }
}
