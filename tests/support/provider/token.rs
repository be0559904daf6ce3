//! The token endpoint, and revocation.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::super::{clock, secret};
use super::answer;
use super::config::{Auth, Dialect};
use super::grants::{Issued, Refusal};
use super::line::Line;
use super::log::{Grant, Outcome};
use super::shared::{Flight, NoRevocation, Shared};

/// More than any request needs.
const MAX_BODY: usize = 64 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";

/// Codes and refresh tokens for access tokens.
pub(super) async fn token(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let ask = Ask::read(request, &shared).await;
    let grant = Grant::from(ask.param("grant_type").unwrap_or_default());
    let refresh = ask.param("refresh_token").map(secret::fingerprint);
    if let Some(verifier) = ask.param("code_verifier") {
        shared.verifiers().push(verifier.to_owned());
    }
    // before the log shows the request: who releases it then is heard
    let released = shared.release.subscribe();
    let flight = Flight::begin(&shared, line.number, grant.clone(), refresh);

    let family =
        ask.param("refresh_token").and_then(|token| shared.grants().family_of_refresh(token));
    let own = family.and_then(|family| shared.orders().of_family(family));
    let swallowing = own.or_else(|| shared.orders().before());
    if let Some(fault) = swallowing {
        flight.settle(Outcome::Swallowed, Some(fault.clone()));
        return answer::swallow(fault, &line, &ask.query, &ask.params, released).await;
    }
    match act(&shared, &ask, &grant) {
        Ok(issued) => {
            let fault = shared.orders().after();
            flight.settle(Outcome::Granted, fault.clone());
            let sent = ask.param("refresh_token").unwrap_or_default();
            answer::give(fault, success(&shared, issued), sent, &line, released).await
        }
        Err(refusal) => {
            let code = match refusal {
                Refusal::Plain(code) => code,
                Refusal::Reuse => "invalid_grant",
            };
            flight.settle(Outcome::Refused(code), None);
            refused(&shared, refusal)
        }
    }
}

/// Revocation (RFC 7009): 200 for every token, known or not.
pub(super) async fn revoke(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let ask = Ask::read(request, &shared).await;
    let refusal = *shared.no_revocation.lock().expect("nobody panics with it");
    if let Some(NoRevocation { status, retry_after }) = refusal {
        shared.log.send_modify(|log| log.revocations_refused += 1);
        let status = StatusCode::from_u16(status).expect("a status");
        return (status, [(RETRY_AFTER, retry_after.to_string())]).into_response();
    }
    if let Err(refusal) = ask.authenticate(&shared) {
        return refused(&shared, refusal);
    }
    shared.grants().revoke_token(ask.param("token").unwrap_or_default());
    shared.log.send_modify(|log| log.revocations += 1);
    StatusCode::OK.into_response()
}

/// A request of a client: its parameters wherever the dialect has them.
struct Ask {
    parts: Parts,
    /// The raw query.
    query: String,
    params: Vec<(String, String)>,
}

impl Ask {
    async fn read(request: Request, shared: &Shared) -> Self {
        let (parts, body) = request.into_parts();
        // a body cut short has no parameters, and is refused for that
        let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let params = match shared.config.dialect {
            Dialect::ParqEx => pairs(query.as_bytes()),
            Dialect::Standard => pairs(&body),
        };
        Self { parts, query, params }
    }

    fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that has to be there.
    fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.param(name).ok_or(Refusal::Plain("invalid_request"))
    }

    /// Whether the request has the form that the dialect wants.
    fn check_form(&self, dialect: Dialect) -> Result<(), Refusal> {
        let method = match dialect {
            Dialect::ParqEx => Method::GET,
            Dialect::Standard => Method::POST,
        };
        let is_form = self
            .parts
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(FORM.as_bytes()));
        // RFC 6749, 3.2: a parameter may not come twice
        let repeated = self
            .params
            .iter()
            .enumerate()
            .any(|(i, (name, _))| self.params[..i].iter().any(|(earlier, _)| earlier == name));
        // RFC 6749, 2.3.1: credentials may not travel in the URL, where the dialect knows better
        let exposed = dialect == Dialect::Standard && !self.query.is_empty();
        if self.parts.method != method || !is_form || repeated || exposed {
            return Err(Refusal::Plain("invalid_request"));
        }
        Ok(())
    }

    /// Whether it is the registered client that asks, in the registered way.
    fn authenticate(&self, shared: &Shared) -> Result<(), Refusal> {
        let client = &shared.config.client;
        let (id, secret) = match client.auth {
            Auth::Basic => self.basic().ok_or(Refusal::Plain("invalid_client"))?,
            Auth::Post => (
                self.param("client_id").unwrap_or_default().to_owned(),
                self.param("client_secret").unwrap_or_default().to_owned(),
            ),
            Auth::Public => {
                (self.param("client_id").unwrap_or_default().to_owned(), client.secret.clone())
            }
        };
        if id != client.id || secret != client.secret {
            return Err(Refusal::Plain("invalid_client"));
        }
        Ok(())
    }

    /// Id and secret from the Basic header, form-decoded (RFC 6749, 2.3.1).
    fn basic(&self) -> Option<(String, String)> {
        let header = self.parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
        let bytes = data_encoding::BASE64.decode(header.strip_prefix("Basic ")?.as_bytes()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (id, secret) = text.split_once(':')?;
        let decode = |text: &str| pairs(text.as_bytes()).into_iter().next().map(|(name, _)| name);
        Some((decode(id)?, decode(secret)?))
    }
}

fn act(shared: &Shared, ask: &Ask, grant: &Grant) -> Result<Issued, Refusal> {
    ask.check_form(shared.config.dialect)?;
    // an assertion says who asks
    if *grant != Grant::Assertion {
        ask.authenticate(shared)?;
    }
    let now = clock::now();
    let issued = match grant {
        Grant::Code => {
            let code = ask.need("code")?;
            let verifier = ask.param("code_verifier");
            shared.grants().exchange(code, ask.param("redirect_uri"), verifier, now)
        }
        Grant::Refresh => {
            let token = ask.need("refresh_token")?;
            let scopes = match ask.param("scope") {
                Some(text) => shared.config.parse_scopes(Some(text)).map(Some),
                None => Ok(None),
            };
            let scopes = scopes.map_err(|_| Refusal::Plain("invalid_scope"))?;
            shared.grants().refresh(token, scopes, now)
        }
        Grant::Assertion => {
            let robot = shared.config.robot.as_ref();
            let robot = robot.ok_or(Refusal::Plain("unsupported_grant_type"))?;
            let token_url = format!("{}{}", shared.base, shared.config.token_path());
            let read = robot.read(ask.need("assertion")?, &token_url);
            let assertion = read.ok_or(Refusal::Plain("invalid_grant"))?;
            let scopes = shared.config.parse_scopes(ask.param("scope"));
            let scopes = scopes.map_err(|_| Refusal::Plain("invalid_scope"))?;
            shared.grants().assert(assertion, scopes, now)
        }
        Grant::Other(name) if name.is_empty() => Err(Refusal::Plain("invalid_request")),
        Grant::Other(_) => Err(Refusal::Plain("unsupported_grant_type")),
    };
    if issued.as_ref().is_err_and(|refusal| *refusal == Refusal::Reuse) {
        shared.log.send_modify(|log| log.reuses += 1);
    }
    issued
}

/// A token answer. `ParqEx` documents three fields, so its dialect has no more.
fn success(shared: &Shared, issued: Issued) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("access_token".into(), issued.access.into());
    answer.insert("expires_in".into(), shared.config.access_lifetime.as_secs().into());
    if let Some(refresh) = issued.refresh {
        answer.insert("refresh_token".into(), refresh.into());
    }
    if shared.config.dialect == Dialect::Standard {
        answer.insert("token_type".into(), "Bearer".into());
        answer.insert("scope".into(), shared.config.join_scopes(&issued.scopes).into());
    }
    answer
}

fn refused(shared: &Shared, refusal: Refusal) -> Response {
    let (code, description) = match refusal {
        Refusal::Plain(code) => (code, "refused by the test provider"),
        Refusal::Reuse => ("invalid_grant", "used before: everything of this sign-in is revoked"),
    };
    let body = json!({ "error": code, "error_description": description });
    if code != "invalid_client" {
        return answer::json(StatusCode::BAD_REQUEST, &body);
    }
    let mut response = answer::json(StatusCode::UNAUTHORIZED, &body);
    if shared.config.client.auth == Auth::Basic {
        let challenge = "Basic realm=\"token\"".parse().expect("a header value in ASCII");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

fn pairs(form: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(form).into_owned().collect()
}
