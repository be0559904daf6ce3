//! The authorization endpoint and the page that a person sees there.

use std::sync::Arc;

use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use url::Url;

use super::super::{clock, secret};
use super::config::{Dialect, SignIn};
use super::grants::Consent;
use super::shared::{Shared, Ticket};

/// Who signs in when the client suggests nobody.
const SOMEBODY: &str = "alice";

/// The parameters of an authorization request (RFC 6749, 4.1.1; RFC 7636, 4.3).
#[derive(Debug, Deserialize)]
pub(super) struct Ask {
    #[serde(default)]
    response_type: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    redirect_uri: String,
    scope: Option<String>,
    state: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    login_hint: Option<String>,
}

/// What the button of the page sends.
#[derive(Debug, Deserialize)]
pub(super) struct Decision {
    ticket: String,
    decision: String,
}

/// Starts a sign-in.
pub(super) async fn authorize(
    State(shared): State<Arc<Shared>>,
    Query(ask): Query<Ask>,
) -> Response {
    shared.log.send_modify(|log| log.authorizations += 1);
    // without a client and a redirect URI that are known, nobody may be redirected (RFC 6749,
    // 4.1.2.1)
    if ask.client_id != shared.config.client.id {
        return (StatusCode::BAD_REQUEST, "unknown client_id").into_response();
    }
    if !shared.config.allows_redirect(&ask.redirect_uri) {
        return (StatusCode::BAD_REQUEST, "this redirect_uri is not registered").into_response();
    }
    let state = ask.state.clone();
    let redirect_uri = ask.redirect_uri.clone();
    let consent = match check(&shared, ask) {
        Ok(consent) => consent,
        Err(error) => return denied(&shared, &redirect_uri, state.as_deref(), error, None),
    };
    match shared.config.sign_in {
        SignIn::Headless => allowed(&shared, consent, state.as_deref()),
        SignIn::Refused => denied(&shared, &redirect_uri, state.as_deref(), "access_denied", None),
        SignIn::RefusedWith(words) => {
            denied(&shared, &redirect_uri, state.as_deref(), "access_denied", Some(words))
        }
        SignIn::Page => {
            let id = secret::make("ticket-");
            let page = page(&consent, &id);
            shared.tickets().insert(id, Ticket { consent, state });
            Html(page).into_response()
        }
    }
}

/// Ends a sign-in that a person has decided on.
pub(super) async fn decide(
    State(shared): State<Arc<Shared>>,
    Form(decision): Form<Decision>,
) -> Response {
    let ticket = shared.tickets().remove(&decision.ticket);
    let Some(Ticket { consent, state }) = ticket else {
        return (StatusCode::BAD_REQUEST, "this sign-in is over").into_response();
    };
    if decision.decision == "allow" {
        allowed(&shared, consent, state.as_deref())
    } else {
        denied(&shared, &consent.redirect_uri, state.as_deref(), "access_denied", None)
    }
}

fn check(shared: &Shared, ask: Ask) -> Result<Consent, &'static str> {
    if ask.response_type != "code" {
        return Err("unsupported_response_type");
    }
    let scopes =
        shared.config.parse_scopes(ask.scope.as_deref()).map_err(|_unknown| "invalid_scope")?;
    if shared.config.dialect == Dialect::Standard
        && (ask.code_challenge.is_none() || ask.code_challenge_method.as_deref() != Some("S256"))
    {
        return Err("invalid_request");
    }
    Ok(Consent {
        user: ask.login_hint.unwrap_or_else(|| SOMEBODY.to_owned()),
        scopes,
        redirect_uri: ask.redirect_uri,
        challenge: ask.code_challenge,
    })
}

fn allowed(shared: &Shared, consent: Consent, state: Option<&str>) -> Response {
    let redirect_uri = consent.redirect_uri.clone();
    let code = shared.grants().authorize(consent, clock::now());
    redirect(shared, &redirect_uri, state, &[("code", &code)])
}

fn denied(
    shared: &Shared,
    redirect_uri: &str,
    state: Option<&str>,
    error: &str,
    description: Option<&str>,
) -> Response {
    let mut result = vec![("error", error)];
    result.extend(description.map(|words| ("error_description", words)));
    redirect(shared, redirect_uri, state, &result)
}

fn redirect(
    shared: &Shared,
    redirect_uri: &str,
    state: Option<&str>,
    result: &[(&str, &str)],
) -> Response {
    let Ok(mut url) = Url::parse(redirect_uri) else {
        return (StatusCode::BAD_REQUEST, "redirect_uri is no URL").into_response();
    };
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(result);
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        if shared.config.dialect == Dialect::Standard {
            query.append_pair("iss", &shared.base);
        }
    }
    (StatusCode::FOUND, [(LOCATION, url.as_str())]).into_response()
}

fn page(consent: &Consent, ticket: &str) -> String {
    let user = escape(&consent.user);
    let scopes = escape(&consent.scopes.join(", "));
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>Sign in</title>\
         <style>body{{font:18px/1.5 system-ui;max-width:26em;margin:15vh auto;padding:0 1em}}\
         button{{font:inherit;padding:.5em 1.2em;margin-right:.6em}}</style>\
         <h1>Test provider</h1><p>Signed in as <b>{user}</b>. The application asks for: \
         {scopes}</p><form method=post action=/decide>\
         <input type=hidden name=ticket value=\"{ticket}\">\
         <button name=decision value=allow autofocus>Allow</button>\
         <button name=decision value=deny>Deny</button></form></html>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
