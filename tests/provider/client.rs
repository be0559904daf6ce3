//! A client of the test provider that does what it is told and nothing more.

use crate::support::http::{Ask, Reply};
use crate::support::provider::{Auth, Dialect, Provider, Redirect};

/// The verifier and its S256 challenge of RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// A state with every character that `ParqEx` warns of.
pub(crate) const STATE: &str = "a=b+c/d--e";
pub(crate) const CALLBACK: &str = "http://127.0.0.1:9/cb";

/// Tokens of a sign-in.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// The tokens of an answer, which must have been a success.
pub(crate) fn granted(reply: &Reply) -> Tokens {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = reply.json();
    let field = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    Tokens { access: field("access_token"), refresh: field("refresh_token") }
}

pub(crate) fn authorization(provider: &Provider, extra: &[(&str, &str)]) -> String {
    let redirect = match &provider.config().client.redirect {
        Redirect::Page(page) => page,
        Redirect::Loopback => CALLBACK,
    };
    let mut query = vec![
        ("response_type", "code"),
        ("client_id", &provider.config().client.id),
        ("redirect_uri", redirect),
        ("state", STATE),
    ];
    if provider.config().dialect == Dialect::Standard {
        query.extend([("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]);
    }
    query.retain(|(name, _)| !extra.iter().any(|(other, _)| other == name));
    query.extend(extra.iter().filter(|(_, value)| !value.is_empty()));
    let mut url: url::Url = provider.authorization_url().parse().unwrap();
    url.query_pairs_mut().extend_pairs(query);
    url.into()
}

/// Where the authorization endpoint sends a browser, which need not be there.
pub(crate) fn redirected(provider: &Provider, extra: &[(&str, &str)]) -> url::Url {
    let page = Ask::get(&authorization(provider, extra)).send().unwrap();
    assert_eq!(page.status, 302, "{}", page.text());
    page.header("Location").unwrap().parse().unwrap()
}

pub(crate) fn param(url: &url::Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

pub(crate) fn token_request(provider: &Provider, params: &[(&str, &str)]) -> Ask {
    let client = &provider.config().client;
    let mut all = params.to_vec();
    if client.auth != Auth::Basic {
        all.push(("client_id", &client.id));
    }
    if client.auth == Auth::Post {
        all.push(("client_secret", &client.secret));
    }
    let ask = match provider.config().dialect {
        Dialect::ParqEx => Ask::get(&provider.token_url())
            .query(&all)
            .header("Content-Type", "application/x-www-form-urlencoded"),
        Dialect::Standard => Ask::post(&provider.token_url(), &all),
    };
    if client.auth != Auth::Basic {
        return ask;
    }
    let credentials = format!("{}:{}", client.id, client.secret);
    let encoded = data_encoding::BASE64.encode(credentials.as_bytes());
    ask.header("Authorization", &format!("Basic {encoded}"))
}

pub(crate) fn sign_in(provider: &Provider) -> Tokens {
    let callback = redirected(provider, &[]);
    let code = param(&callback, "code").unwrap();
    granted(&exchange(provider, &code).send().unwrap())
}

pub(crate) fn exchange(provider: &Provider, code: &str) -> Ask {
    let redirect = match &provider.config().client.redirect {
        Redirect::Page(page) => page,
        Redirect::Loopback => CALLBACK,
    };
    let mut params =
        vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect)];
    if provider.config().dialect == Dialect::Standard {
        params.push(("code_verifier", VERIFIER));
    }
    token_request(provider, &params)
}

pub(crate) fn refresh(provider: &Provider, token: &str) -> Ask {
    token_request(provider, &[("grant_type", "refresh_token"), ("refresh_token", token)])
}

pub(crate) fn refusal(reply: &Reply) -> String {
    assert!(matches!(reply.status, 400 | 401), "{}", reply.text());
    reply.json()["error"].as_str().unwrap_or_default().to_owned()
}
