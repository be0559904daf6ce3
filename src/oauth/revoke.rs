//! The end of tokens at the provider (RFC 7009), when an account is signed out.

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use url::Url;
use zeroize::Zeroizing;

use super::answer::read_failure;
use super::assertion;
use super::certificate;
use super::client::{Client, authenticate, basic, bearer, reach};
use super::encode;
use super::error::OauthError;
use super::http::Http;
use super::request::{
    Outgoing, Params, SentSecrets, add_query, form_body, json_body, plain_headers,
};
use crate::model::{AccessToken, ClientSecret, Now, RefreshToken};
use crate::provider::{Provider, RevocationStyle, check_endpoint};

/// What became of the tokens at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// The provider ended them, or did not know them.
    Confirmed,
    /// The provider has no way to end them: they last until they run out.
    Unsupported,
}

/// Revokes the refresh token first, then the access token, for revoking a grant's refresh token
/// ends the rest at most providers and the other way round at few. Doing it twice does no harm.
pub async fn revoke(
    http: &Http,
    provider: &Provider,
    client: Client<'_>,
    refresh: Option<&RefreshToken>,
    access: Option<&AccessToken>,
    now: Now,
) -> Result<Revoked, OauthError> {
    let provider = &*reach(provider, client);
    let Some(revocation) = &provider.revocation else { return Ok(Revoked::Unsupported) };
    check_endpoint(&revocation.url)
        .map_err(|problem| OauthError::Endpoint { what: "revocation endpoint", problem })?;
    // a login without a user has an empty one in its place
    let refresh = refresh.filter(|token| !token.is_unneeded());
    let refresh = refresh.map(|token| (token.expose(), "refresh_token"));
    let access = access.map(|token| (token.expose(), "access_token"));
    let mut outcome = Revoked::Unsupported;
    for (token, hint) in refresh.into_iter().chain(access) {
        let request = match revocation.style {
            RevocationStyle::Rfc7009 => {
                by_form(provider, &revocation.url, client, token, hint, now)?
            }
            RevocationStyle::Json => by_json(provider, &revocation.url, client, token, now)?,
            RevocationStyle::GetToken => by_query(&revocation.url, token),
            RevocationStyle::DeletePath => by_path(&revocation.url, token),
            // these two are about the access token, which takes the grant with it
            RevocationStyle::DeleteJson | RevocationStyle::Bearer if hint == "refresh_token" => {
                continue;
            }
            RevocationStyle::DeleteJson => by_delete(&revocation.url, client, token)?,
            RevocationStyle::Bearer => by_bearer(&revocation.url, token)?,
        };
        let request = request.from(client, now)?;
        let secret = client.secret.map(ClientSecret::expose);
        let sent = SentSecrets::new(secret.into_iter().chain([token]));
        if ended(http, provider, request, &sent, now).await? {
            outcome = Revoked::Confirmed;
        }
    }
    Ok(outcome)
}

/// Sends one revocation. False: this endpoint does not revoke tokens of that kind.
async fn ended(
    http: &Http,
    provider: &Provider,
    request: Outgoing,
    sent: &SentSecrets,
    now: Now,
) -> Result<bool, OauthError> {
    let is_delete = request.method == Method::DELETE;
    let result = http.carry(request).await;
    let answer = result.map_err(|error| OauthError::Revocation(error.into_failure()))?;
    match answer.status {
        200..=299 => return Ok(true),
        // GitHub's word for a token that it does not know
        404 if is_delete => return Ok(true),
        _ => {}
    }
    let failure = read_failure(provider, &answer, sent, now);
    match failure.code.as_deref() {
        Some("unsupported_token_type") => Ok(false),
        // Google's word for a token that it does not know, which RFC 7009 (2.2) calls a success
        Some("invalid_token") => Ok(true),
        _ => Err(OauthError::Revocation(failure)),
    }
}

fn by_form(
    provider: &Provider,
    url: &Url,
    client: Client<'_>,
    token: &str,
    hint: &str,
    now: Now,
) -> Result<Outgoing, OauthError> {
    let mut params = Params::default();
    params.set("token", token);
    params.set("token_type_hint", hint);
    let mut headers = plain_headers();
    authenticate(provider, client, &mut params, &mut headers, now)?;
    let body = Some(form_body(&params, provider, &mut headers));
    let url = url.clone();
    Ok(Outgoing::new(Method::POST, url, headers, body))
}

/// `POST` of a JSON object that has the token, and what of the client's authentication is not in a
/// header.
fn by_json(
    provider: &Provider,
    url: &Url,
    client: Client<'_>,
    token: &str,
    now: Now,
) -> Result<Outgoing, OauthError> {
    let mut params = Params::default();
    params.set("token", token);
    let mut headers = plain_headers();
    authenticate(provider, client, &mut params, &mut headers, now)?;
    let body = Some(json_body(&params, provider, &mut headers));
    Ok(Outgoing::new(Method::POST, url.clone(), headers, body))
}

/// `GET` with the token in the query.
fn by_query(url: &Url, token: &str) -> Outgoing {
    let mut url = url.clone();
    add_query(&mut url, &encode::pairs(std::iter::once(("token", token)), encode::query));
    Outgoing::new(Method::GET, url, plain_headers(), None)
}

/// `DELETE` with the token in the path.
fn by_path(url: &Url, token: &str) -> Outgoing {
    let mut url = url.clone();
    let path = Zeroizing::new(url.path().replace("%7Btoken%7D", &encode::query(token)));
    url.set_path(&path);
    Outgoing::new(Method::DELETE, url, plain_headers(), None)
}

/// `POST` with the access token where a call of the API has it.
fn by_bearer(url: &Url, token: &str) -> Result<Outgoing, OauthError> {
    let mut headers = plain_headers();
    headers.insert(AUTHORIZATION, bearer(token)?);
    Ok(Outgoing::new(Method::POST, url.clone(), headers, Some(Zeroizing::default())))
}

/// `DELETE` with the token in JSON, and id and secret as they are in Basic authentication.
fn by_delete(url: &Url, client: Client<'_>, token: &str) -> Result<Outgoing, OauthError> {
    let id = encode::query(client.id.as_str());
    let mut url = url.clone();
    // the URL parser encodes the braces of the placeholder
    let path = url.path().replace("%7Bclient_id%7D", &id);
    url.set_path(&path);
    let mut headers = plain_headers();
    let secret = client.secret.map_or("", ClientSecret::expose);
    if assertion::is_key(secret) || certificate::is_certificate(secret) {
        // neither is ever sent
        let problem = "takes a secret, and the client has a key";
        return Err(OauthError::Endpoint { what: "revocation endpoint", problem });
    }
    headers.insert(AUTHORIZATION, basic(client.id.as_str(), secret)?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = serde_json::to_vec(&serde_json::json!({ "access_token": token }))
        .expect("an object of one text has nothing that JSON cannot say");
    let body = Some(Zeroizing::new(body));
    Ok(Outgoing::new(Method::DELETE, url, headers, body))
}
