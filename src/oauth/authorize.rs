//! The authorization request (RFC 6749, 4.1.1), and what has to be remembered until its answer.

use url::Url;
use zeroize::Zeroizing;

use super::callback::{self, CallbackError, Expected};
use super::encode;
use super::error::OauthError;
use super::pkce;
use super::request::{add_query, targets};
use crate::model::{AuthorizationCode, ClientId, Lack, PkceVerifier, Scopes, Target, Values};
use crate::provider::{Pkce, Provider, Redirect, check_endpoint};

/// An authorization under way: what its callback is held against, and what redeems its code. Used
/// for one attempt only, and wiped with it.
pub struct Authorization {
    pub(super) state: Zeroizing<String>,
    nonce: Option<Zeroizing<String>>,
    verifier: Option<PkceVerifier>,
    redirect_uri: String,
    pub(super) expected: Expected,
    scopes: Scopes,
}

/// What else is asked of an authorization server.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who is likely to sign in (OpenID Connect Core, 3.1.2.1).
    pub login_hint: Option<&'a str>,
    /// How the user is to sign in, if any way does not do.
    pub lack: &'a Lack,
}

impl Authorization {
    /// Prepares an attempt: `state` and verifier of 256 random bits each, and the address for the
    /// browser. Without scopes the provider's defaults are asked for, and always the one that
    /// yields a refresh token.
    pub fn begin(
        provider: &Provider,
        client_id: &ClientId,
        redirect_uri: &str,
        scopes: &Scopes,
        target: &Target,
        more: Asked<'_>,
    ) -> Result<(Self, Url), OauthError> {
        check_endpoint(&provider.authorization_url)
            .map_err(|problem| OauthError::Endpoint { what: "authorization endpoint", problem })?;
        let redirect = check_redirect(provider, redirect_uri)?;
        let rules = &provider.scopes;
        let asked = if scopes.is_empty() { &rules.defaults } else { scopes };
        let scopes: Scopes = asked.iter().chain(&rules.offline_scope).cloned().collect();
        let state = Zeroizing::new(pkce::random_text()?);
        let verifier = match provider.pkce {
            Pkce::S256 | Pkce::S256Hex => Some(pkce::verifier()?),
            Pkce::Off => None,
        };

        let scope = scopes.join(&rules.separator);
        let challenge = verifier.as_ref().map(|it| pkce::challenge(it, provider.pkce));
        let mut params = vec![
            ("response_type", "code"),
            ("client_id", client_id.as_str()),
            ("redirect_uri", redirect_uri),
            ("state", state.as_str()),
        ];
        if !scope.is_empty() {
            params.push(("scope", &scope));
        }
        if let Some(challenge) = &challenge {
            params.push(("code_challenge", challenge));
            params.push(("code_challenge_method", "S256"));
        }
        // with an ID token comes the proof that it is the answer to this very request (OpenID Connect
        // Core, 3.1.2.1)
        let is_openid = scopes.iter().any(|scope| scope.as_str() == "openid");
        let nonce = if is_openid { Some(Zeroizing::new(pkce::random_text()?)) } else { None };
        if let Some(nonce) = &nonce {
            params.push(("nonce", nonce));
        }
        if let Some(hint) = more.login_hint {
            params.push(("login_hint", hint));
        }
        // RFC 9470, 4
        if let Some(contexts) = &more.lack.acr_values {
            params.push(("acr_values", contexts));
        }
        let max_age = more.lack.max_age.map(|age| age.to_string());
        if let Some(age) = &max_age {
            params.push(("max_age", age));
        }
        params.extend(targets(target));
        let more = provider.auth_params.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let more: Vec<_> =
            more.filter(|(name, _)| !params.iter().any(|(ours, _)| ours == name)).collect();
        let renamed = params.into_iter().map(|(name, value)| {
            (provider.param_names.get(name).map_or(name, String::as_str), value)
        });
        let mut url = provider.authorization_url.clone();
        add_query(&mut url, &encode::pairs(renamed.chain(more), encode::query));

        let expected = Expected {
            redirect,
            visit: provider.authorization_url.clone(),
            issuer: provider.issuer.clone(),
            issuer_promised: provider.iss_in_callback,
            capture: provider.capture.callback.clone(),
        };
        let redirect_uri = redirect_uri.to_owned();
        Ok((Self { state, nonce, verifier, redirect_uri, expected, scopes }, url))
    }

    /// Reads where the browser ended: the whole address as a user pasted it, or path and query as
    /// the loopback listener got them. [`CallbackError::ends_attempt`] says whether another may
    /// follow. Gives the code, and what else is kept of the callback.
    pub fn accept(&self, redirected: &str) -> Result<(AuthorizationCode, Values), CallbackError> {
        callback::read(redirected, &self.state, &self.expected)
    }

    /// Whether an address is the answer to this attempt, good or bad.
    #[must_use]
    pub fn is_its(&self, redirected: &str) -> bool {
        match callback::read(redirected, &self.state, &self.expected) {
            Ok(_) => true,
            Err(error) => error.ends_attempt(),
        }
    }

    /// The redirect URI, to be sent again with the code.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The verifier, to be sent with the code.
    #[must_use]
    pub fn verifier(&self) -> Option<&PkceVerifier> {
        self.verifier.as_ref()
    }

    /// What an ID token must repeat, if one was asked for.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_ref().map(|nonce| nonce.as_str())
    }

    /// What was asked for.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }
}

/// A redirect URI is an absolute https address, or http on this machine, without a fragment (RFC
/// 6749, 3.1.2; RFC 8252, 7.3), and of the kind that the provider takes.
fn check_redirect(provider: &Provider, text: &str) -> Result<Url, OauthError> {
    let unfit = |problem| Err(OauthError::RedirectUri { problem });
    let Ok(url) = Url::parse(text) else { return unfit("is not an address") };
    let here = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        _ if url.fragment().is_some() => unfit("must not have a fragment"),
        _ if !url.username().is_empty() || url.password().is_some() => {
            unfit("must not hold credentials")
        }
        "http" if provider.redirect == Redirect::HttpsOnly => {
            unfit("must be https: the provider takes nothing else")
        }
        "https" => Ok(url),
        _ if matches!(&provider.redirect, Redirect::CustomScheme { uri } if *uri == url) => Ok(url),
        "http" if here => Ok(url),
        _ => unfit("must be https, or http on this machine"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::preset;

    fn provider(id: &str) -> Provider {
        preset(&id.parse().unwrap()).unwrap()
    }

    fn begin(provider: &Provider, redirect: &str, scopes: &str) -> (Authorization, Url) {
        let id = "id 1".parse().unwrap();
        let scopes = Scopes::parse_lenient(scopes);
        Authorization::begin(
            provider,
            &id,
            redirect,
            &scopes,
            &Target::default(),
            Asked { login_hint: Some("me@x.example"), lack: &Lack::default() },
        )
        .unwrap()
    }

    fn param(url: &Url, name: &str) -> Option<String> {
        let mut found = url.query_pairs().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.into_owned());
        assert!(found.next().is_none(), "{name} is there twice");
        value
    }

    #[test]
    fn what_an_api_wants_of_the_sign_in_is_asked_for() {
        let lack =
            Lack { acr_values: Some("strong".to_owned()), max_age: Some(0), ..Lack::default() };
        let (_, url) = Authorization::begin(
            &provider("google"),
            &"id".parse().unwrap(),
            "http://127.0.0.1:9/callback",
            &Scopes::default(),
            &Target::default(),
            Asked { login_hint: None, lack: &lack },
        )
        .unwrap();
        assert_eq!(param(&url, "acr_values").as_deref(), Some("strong"));
        assert_eq!(param(&url, "max_age").as_deref(), Some("0"));
        let (_, plain) = begin(&provider("google"), "http://127.0.0.1:9/callback", "");
        assert!(param(&plain, "acr_values").is_none() && param(&plain, "max_age").is_none());
    }

    #[test]
    fn the_address_has_every_parameter_once() {
        let (attempt, url) = begin(&provider("google"), "http://127.0.0.1:9/callback", "");
        assert!(url.as_str().starts_with("https://accounts.google.com/o/oauth2/v2/auth?"));
        let verifier = attempt.verifier().unwrap();
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", "id 1"),
            ("redirect_uri", "http://127.0.0.1:9/callback"),
            ("scope", "email openid"),
            ("state", &attempt.state),
            ("code_challenge", &pkce::challenge(verifier, Pkce::S256)),
            ("code_challenge_method", "S256"),
            ("login_hint", "me@x.example"),
            ("access_type", "offline"),
            ("prompt", "consent"),
        ] {
            assert_eq!(param(&url, name).as_deref(), Some(value), "{name}");
        }
        assert!(!url.as_str().contains(verifier.expose()));
        assert!(url.as_str().contains("scope=email%20openid"), "no plus signs: {url}");
    }

    #[test]
    fn parqex_gets_commas_and_no_pkce() {
        let (attempt, url) = begin(&provider("parqex"), "https://dev.example/cb", "");
        assert_eq!(param(&url, "scope").unwrap(), "CLOSEDOOR,OPENDOOR");
        assert_eq!(param(&url, "code_challenge"), None);
        assert!(attempt.verifier().is_none());
    }

    #[test]
    fn the_scope_that_yields_a_refresh_token_is_always_asked_for() {
        let (attempt, url) =
            begin(&provider("microsoft"), "http://localhost:9/callback", "Mail.Read");
        assert_eq!(param(&url, "scope").unwrap(), "Mail.Read offline_access");
        assert_eq!(attempt.scopes().join(" "), "Mail.Read offline_access");
    }

    #[test]
    fn state_is_fresh_and_of_256_bits() {
        let (one, _) = begin(&provider("google"), "http://127.0.0.1:9/callback", "");
        let (two, _) = begin(&provider("google"), "http://127.0.0.1:9/callback", "");
        assert_eq!(one.state.len(), 43);
        assert_ne!(*one.state, *two.state);
    }

    #[test]
    fn a_redirect_uri_that_would_carry_the_code_elsewhere_is_refused() {
        let id = "id".parse().unwrap();
        for (provider_id, redirect) in [
            ("google", "http://x.example/cb"),
            ("google", "http://127.0.0.1.x.example/cb"),
            ("google", "https://x.example/cb#f"),
            ("google", "https://u:p@x.example/cb"),
            ("google", "javascript:alert(1)"),
            ("google", "/callback"),
            ("parqex", "http://127.0.0.1:9/callback"),
        ] {
            let provider = provider(provider_id);
            let begun = Authorization::begin(
                &provider,
                &id,
                redirect,
                &Scopes::default(),
                &Target::default(),
                Asked { login_hint: None, lack: &Lack::default() },
            );
            assert!(matches!(begun, Err(OauthError::RedirectUri { .. })), "{redirect}");
        }
    }
}
