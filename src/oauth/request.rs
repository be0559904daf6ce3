//! Token requests (RFC 6749, 4.1.3 and 6), in each provider's dialect.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::time::Duration;

use reqwest::Method as HttpMethod;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    USER_AGENT,
};
use serde::Serialize;
use url::Url;
use zeroize::Zeroizing;

use super::assertion;
use super::certificate::{self, Certificate};
use super::client::{Client, authenticate, reach};
use super::dpop::Proving;
use super::encode;
use super::error::OauthError;
use crate::model::{
    AccessToken, AuthorizationCode, ClientSecret, DeviceCode, Now, PkceVerifier, RefreshToken,
    Scopes, Target,
};
use crate::provider::{Body, Method, Provider, Send, check_endpoint};

/// The grant by which an access token is exchanged for another one, and how that kind of token is called
/// (RFC 8693, 2.1 and 3).
pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A token request, built and ready to be sent once.
pub struct TokenRequest(pub(super) Outgoing, pub(super) SentSecrets);

/// The secrets of a request but for the refresh token: what an answer to it may repeat. Wiped when
/// dropped.
#[derive(Default)]
pub struct SentSecrets(Vec<Zeroizing<String>>);

impl SentSecrets {
    /// Takes note of a copy of each.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        Self(secrets.into_iter().map(|secret| Zeroizing::new(secret.to_owned())).collect())
    }

    /// The secrets of a request that was built for this client: its own, these, and the header that
    /// was made of them.
    fn of<'a>(
        outgoing: &'a Outgoing,
        client: Client<'a>,
        more: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let header = outgoing.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credentials = header.and_then(|value| value.split_once(' ')).map(|(_, value)| value);
        let secret = client.secret.map(ClientSecret::expose);
        Self::new(secret.into_iter().chain(credentials).chain(more))
    }

    /// These and those.
    pub(super) fn and(mut self, mut more: Self) -> Self {
        self.0.append(&mut more.0);
        self
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|secret| secret.as_str())
    }
}

#[cfg(test)]
impl TokenRequest {
    /// A parameter of the request as it travels in a form.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let body = self.0.body.as_deref()?;
        let mut pairs = url::form_urlencoded::parse(body);
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

impl fmt::Debug for SentSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SentSecrets(…)")
    }
}

/// A request that may hold secrets in its URL, its headers and its body.
pub(super) struct Outgoing {
    pub(super) method: HttpMethod,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Zeroizing<Vec<u8>>>,
    /// Under which names a new refresh token would come: an answer cut short behind one is worth
    /// reading.
    pub(super) refresh_fields: Vec<String>,
    /// How long all may take, to the last byte of the answer; as long as any request if absent.
    pub(super) patience: Option<Duration>,
    /// What the client shows on the connection.
    pub(super) certificate: Option<Certificate>,
    /// What it is proved with, if it is (RFC 9449).
    pub(super) proving: Option<Proving>,
    /// The same request made anew, in case that the server has a nonce for its proof first.
    pub(super) again: Option<Box<Self>>,
}

impl Outgoing {
    /// A request whose answer brings no refresh token, and that may take as long as any.
    pub(super) fn new(
        method: HttpMethod,
        url: Url,
        headers: HeaderMap,
        body: Option<Zeroizing<Vec<u8>>>,
    ) -> Self {
        Self {
            method,
            url,
            headers,
            body,
            refresh_fields: Vec::new(),
            patience: None,
            certificate: None,
            proving: None,
            again: None,
        }
    }

    /// The same from this client, on a connection with its certificate if it has one: without TLS there
    /// is nothing to show it on.
    pub(super) fn from(self, client: Client<'_>, now: Now) -> Result<Self, OauthError> {
        let certificate = certificate::shown(client, now)?;
        if certificate.is_some() && self.url.scheme() != "https" {
            let problem = "must be https, for the client shows a certificate";
            return Err(OauthError::Endpoint { what: "endpoint", problem });
        }
        Ok(Self { certificate, ..self })
    }
}

impl TokenRequest {
    /// The refresh of a grant, for what its tokens are for (RFC 8707, 2.2). Without scopes the grant's own
    /// stay in force (RFC 6749, 6); with some, the token is to be good for those alone.
    pub fn refresh(
        provider: &Provider,
        client: Client<'_>,
        token: &RefreshToken,
        scopes: Option<&Scopes>,
        target: &Target,
        now: Now,
    ) -> Result<Self, OauthError> {
        let provider = &*reach(provider, client);
        let mut params = Params::default();
        params.set("grant_type", "refresh_token");
        let usual = match provider.refresh.send {
            Send::RefreshToken => "refresh_token",
            Send::AccessToken => "access_token",
        };
        params.set(provider.refresh.parameter.as_deref().unwrap_or(usual), token.expose());
        params.aim(target);
        params.extend(&provider.refresh_params);
        if let Some(scopes) = scopes {
            params.set_scopes(provider, scopes);
        }
        let form = Form {
            endpoint: provider.refresh_endpoint(),
            method: provider.refresh_method(),
            body: provider.refresh_body(),
            client: provider.refresh.client.unwrap_or(true).then_some(client),
        };
        let mut outgoing = build(provider, form, params, now)?;
        outgoing.patience = provider.refresh_patience();
        let secrets = SentSecrets::of(&outgoing, client, []);
        Ok(Self(outgoing, secrets))
    }

    /// The exchange of an authorization code. `redirect_uri` is that of the authorization request,
    /// byte for byte (RFC 6749, 4.1.3).
    pub fn exchange(
        provider: &Provider,
        client: Client<'_>,
        code: &AuthorizationCode,
        verifier: Option<&PkceVerifier>,
        redirect_uri: &str,
        target: &Target,
        now: Now,
    ) -> Result<Self, OauthError> {
        let provider = &*reach(provider, client);
        let mut params = Params::default();
        params.set("grant_type", "authorization_code");
        params.set("code", code.expose());
        params.set("redirect_uri", redirect_uri);
        if let Some(verifier) = verifier {
            params.set("code_verifier", verifier.expose());
        }
        params.aim(target);
        params.extend(&provider.token_params);
        let outgoing = build(provider, Form::exchange(provider, client), params, now)?;
        let more = verifier.map(PkceVerifier::expose).into_iter().chain([code.expose()]);
        let secrets = SentSecrets::of(&outgoing, client, more);
        Ok(Self(outgoing, secrets))
    }

    /// A token that is good for less than another one (RFC 8693, 2.1).
    pub fn token_exchange(
        provider: &Provider,
        client: Client<'_>,
        subject: &AccessToken,
        scopes: Option<&Scopes>,
        target: &Target,
        now: Now,
    ) -> Result<Self, OauthError> {
        let mut params = Params::default();
        params.set("grant_type", TOKEN_EXCHANGE);
        params.set("subject_token", subject.expose());
        params.set("subject_token_type", ACCESS_TOKEN);
        if let Some(scopes) = scopes {
            params.set_scopes(provider, scopes);
        }
        params.aim(target);
        Self::made(provider, client, params, [subject.expose()], now)
    }

    /// The question whether the user has agreed on another device (RFC 8628, 3.4).
    pub fn device(
        provider: &Provider,
        client: Client<'_>,
        code: &DeviceCode,
        now: Now,
    ) -> Result<Self, OauthError> {
        let mut params = Params::default();
        params.set("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
        params.set("device_code", code.expose());
        params.set("client_id", client.id.as_str());
        Self::made(provider, client, params, [code.expose()], now)
    }

    /// A token for the client itself (RFC 6749, 4.4.2).
    pub fn client_credentials(
        provider: &Provider,
        client: Client<'_>,
        scopes: &Scopes,
        target: &Target,
        now: Now,
    ) -> Result<Self, OauthError> {
        let mut params = Params::default();
        params.set("grant_type", "client_credentials");
        params.set_scopes(provider, scopes);
        params.aim(target);
        params.extend(&provider.token_params);
        Self::made(provider, client, params, [], now)
    }

    /// A token for whom the client's key speaks for (RFC 7523, 2.1). The assertion is all that says who
    /// asks.
    pub fn jwt_bearer(
        provider: &Provider,
        client: Client<'_>,
        subject: Option<&str>,
        scopes: &Scopes,
        target: &Target,
        now: Now,
    ) -> Result<Self, OauthError> {
        let key = client.secret.map_or("", ClientSecret::expose);
        let scope = scopes.join(" ");
        let assertion = assertion::grant(provider, client.id, key, subject, &scope, now)?;
        let mut params = Params::default();
        params.set("grant_type", assertion::JWT_BEARER);
        params.set("assertion", &assertion);
        // some take the scopes from the assertion, some from here
        params.set_scopes(provider, scopes);
        params.aim(target);
        params.extend(&provider.token_params);
        let form = Form { client: None, ..Form::exchange(provider, client) };
        let outgoing = build(provider, form, params, now)?;
        let secrets = SentSecrets::of(&outgoing, client, [assertion.as_str()]);
        Ok(Self(outgoing, secrets))
    }

    /// A request of the usual form, in which `more` is secret, too.
    fn made<'a>(
        provider: &Provider,
        client: Client<'_>,
        params: Params,
        more: impl IntoIterator<Item = &'a str>,
        now: Now,
    ) -> Result<Self, OauthError> {
        let provider = &*reach(provider, client);
        let outgoing = build(provider, Form::exchange(provider, client), params, now)?;
        let secrets = SentSecrets::new(more);
        let secrets = secrets.and(SentSecrets::of(&outgoing, client, []));
        Ok(Self(outgoing, secrets))
    }

    /// Hands over what the answer must be kept clear of.
    pub fn take_secrets(&mut self) -> SentSecrets {
        std::mem::take(&mut self.1)
    }
}

impl fmt::Debug for TokenRequest {
    /// Method and host: everything else may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenRequest({} {})", self.0.method, self.0.url.host_str().unwrap_or(""))
    }
}

/// Parameters in the order in which they were set, under the standard's names.
#[derive(Default)]
pub(super) struct Params(Vec<(String, Zeroizing<String>)>);

impl Params {
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), Zeroizing::new(value.to_owned())));
    }

    /// One more, whether there is one of that name or not.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), Zeroizing::new(value.to_owned())));
    }

    /// What tokens are to be for: one parameter for each resource (RFC 8707, 2).
    fn aim(&mut self, target: &Target) {
        for (name, value) in targets(target) {
            self.0.push((name.to_owned(), Zeroizing::new(value.to_owned())));
        }
    }

    /// The scopes that are asked for, if any are.
    fn set_scopes(&mut self, provider: &Provider, scopes: &Scopes) {
        if !scopes.is_empty() {
            self.set("scope", &scopes.join(&provider.scopes.separator));
        }
    }

    /// A definition's own parameters: they replace, and an empty value takes one away.
    fn extend<'a>(&mut self, more: impl IntoIterator<Item = (&'a String, &'a String)>) {
        for (name, value) in more {
            if value.is_empty() {
                self.0.retain(|(known, _)| known != name);
            } else {
                self.set(name, value);
            }
        }
    }

    fn named<'a>(&'a self, provider: &'a Provider) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().map(|(name, value)| {
            let theirs = provider.param_names.get(name).unwrap_or(name);
            (theirs.as_str(), value.as_str())
        })
    }
}

/// The headers that every request of this room has.
pub(super) fn plain_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers
}

/// A form as a body.
pub(super) fn form_body(
    params: &Params,
    provider: &Provider,
    headers: &mut HeaderMap,
) -> Zeroizing<Vec<u8>> {
    const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(CONTENT_TYPE, FORM);
    Zeroizing::new(encode::pairs(params.named(provider), encode::form).as_bytes().to_vec())
}

/// A JSON object as a body.
pub(super) fn json_body(
    params: &Params,
    provider: &Provider,
    headers: &mut HeaderMap,
) -> Zeroizing<Vec<u8>> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let json = serde_json::to_vec(&members(params.named(provider)))
        .expect("a map of texts has nothing that JSON cannot say");
    Zeroizing::new(json)
}

/// In which form a token request travels, and to where.
#[derive(Clone, Copy)]
struct Form<'a> {
    endpoint: &'a Url,
    method: Method,
    body: Body,
    /// Who asks, if that is said at all.
    client: Option<Client<'a>>,
}

impl<'a> Form<'a> {
    /// The form of all requests but refreshes.
    fn exchange(provider: &'a Provider, client: Client<'a>) -> Self {
        Self {
            endpoint: &provider.token_url,
            method: provider.http.method,
            body: provider.http.body,
            client: Some(client),
        }
    }
}

fn build(
    provider: &Provider,
    form: Form<'_>,
    mut params: Params,
    now: Now,
) -> Result<Outgoing, OauthError> {
    let Form { endpoint, method, body, client } = form;
    check_endpoint(endpoint)
        .map_err(|problem| OauthError::Endpoint { what: "token endpoint", problem })?;
    let mut headers = plain_headers();
    if let Some(client) = client {
        authenticate(provider, client, &mut params, &mut headers, now)?;
    }
    let mut url = endpoint.clone();
    let body = match (method, body) {
        (Method::Get, _) | (_, Body::Query) => {
            add_query(&mut url, &encode::pairs(params.named(provider), encode::query));
            // a POST says that it has no body: some servers ask for its length
            (method != Method::Get).then(Zeroizing::default)
        }
        (_, Body::Form) => Some(form_body(&params, provider, &mut headers)),
        (_, Body::Json) => Some(json_body(&params, provider, &mut headers)),
    };
    add_dialect(provider, &mut headers)?;
    let method = match method {
        Method::Post => HttpMethod::POST,
        Method::Get => HttpMethod::GET,
        Method::Put => HttpMethod::PUT,
    };
    let refresh_fields = refresh_fields(provider);
    let outgoing = Outgoing { refresh_fields, ..Outgoing::new(method, url, headers, body) };
    match client {
        Some(client) => outgoing.from(client, now),
        None => Ok(outgoing),
    }
}

/// The parameters by which tokens are asked for that are for something.
pub(super) fn targets(target: &Target) -> impl Iterator<Item = (&'static str, &str)> {
    let resources = target.resources.iter().map(|resource| ("resource", resource.as_str()));
    let audience = target.audience.iter().map(|audience| ("audience", audience.as_str()));
    resources.chain(audience)
}

/// A parameter in JSON: a text, or a list if there are several of that name.
#[derive(Serialize)]
#[serde(untagged)]
enum Member<'a> {
    One(&'a str),
    Many(Vec<&'a str>),
}

fn members<'a>(params: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<&'a str, Member<'a>> {
    let mut members = BTreeMap::new();
    for (name, value) in params {
        match members.entry(name) {
            Entry::Vacant(entry) => drop(entry.insert(Member::One(value))),
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Member::Many(values) => values.push(value),
                Member::One(first) => {
                    let both = vec![*first, value];
                    entry.insert(Member::Many(both));
                }
            },
        }
    }
    members
}

/// The headers that a definition adds or changes. Authorization is not among those it may.
fn add_dialect(provider: &Provider, headers: &mut HeaderMap) -> Result<(), OauthError> {
    let http = &provider.http;
    let own = [("accept", http.accept.as_ref()), (USER_AGENT.as_str(), http.user_agent.as_ref())];
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let extra = http.extra_headers.iter().map(|(name, value)| (name.as_str(), value));
    for (name, value) in own.chain(extra) {
        let unfit = || OauthError::Header { name: name.to_owned() };
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
        headers.insert(header, HeaderValue::from_str(value).map_err(|_| unfit())?);
    }
    Ok(())
}

/// Adds encoded parameters to what query the endpoint has itself.
pub(super) fn add_query(url: &mut Url, pairs: &str) {
    let query = match url.query().filter(|query| !query.is_empty()) {
        Some(own) => Zeroizing::new(format!("{own}&{pairs}")),
        None => Zeroizing::new(pairs.to_owned()),
    };
    url.set_query(Some(&query));
}

/// The names under which this provider gives a refresh token; none if it lies deeper in the answer,
/// where a text search could take the wrong one.
pub(super) fn refresh_fields(provider: &Provider) -> Vec<String> {
    if provider.answer.root.is_some() {
        return Vec::new();
    }
    let renamed = provider.answer.names.iter().filter(|(_, ours)| *ours == "refresh_token");
    let mut names: Vec<String> = renamed.map(|(theirs, _)| theirs.clone()).collect();
    names.push("refresh_token".to_owned());
    names
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;
    use crate::model::{Boot, ClientId, Wall};

    const NOW: Now = Now { wall: Wall(1_000_000), boot: Boot(0) };

    fn provider(more: &str) -> Provider {
        Provider::parse(&format!(
            "id = \"x\"\ntitle = \"X\"\nauthorization_url = \"https://x.example/a\"\n\
             token_url = \"https://x.example/t?tenant=1\"\n{more}"
        ))
        .unwrap()
    }

    fn refresh(provider: &Provider, secret: Option<&str>) -> Outgoing {
        let id: ClientId = "id:1 %".parse().unwrap();
        let secret = secret.map(|text| ClientSecret::new(text.into()));
        let client = Client { id: &id, secret: secret.as_ref() };
        let token = RefreshToken::new("fake-refresh".into());
        TokenRequest::refresh(provider, client, &token, None, &Target::default(), NOW).unwrap().0
    }

    fn body(request: &Outgoing) -> &str {
        std::str::from_utf8(request.body.as_ref().unwrap()).unwrap()
    }

    fn credentials(request: &Outgoing) -> String {
        let value = request.headers[AUTHORIZATION].to_str().unwrap();
        let encoded = value.strip_prefix("Basic ").unwrap();
        String::from_utf8(BASE64.decode(encoded.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn basic_form_encodes_id_and_secret_first() {
        let request = refresh(&provider(""), Some("a:b%c+d e\u{e9}"));
        assert_eq!(credentials(&request), "id%3A1+%25:a%3Ab%25c%2Bd+e%C3%A9");
        assert_eq!(body(&request), "grant_type=refresh_token&refresh_token=fake-refresh");
        assert!(request.headers[AUTHORIZATION].is_sensitive());
        assert_eq!(request.headers[CACHE_CONTROL], "no-store");
        assert_eq!(request.url.query(), Some("tenant=1"));
    }

    #[test]
    fn basic_raw_leaves_them_as_they_are() {
        let request = refresh(&provider("client_auth = \"basic_raw\""), Some("a:b%c+d e\u{e9}"));
        assert_eq!(credentials(&request), "id:1 %:a:b%c+d e\u{e9}");
    }

    #[test]
    fn reddit_is_sent_an_empty_password_where_there_is_no_secret() {
        let reddit = crate::provider::preset(&"reddit".parse().unwrap()).unwrap();
        for (secret, said) in [(None, "id%3A1+%25:"), (Some("fake"), "id%3A1+%25:fake")] {
            let request = refresh(&reddit, secret);
            assert_eq!(credentials(&request), said);
            assert!(!body(&request).contains("client_"), "{}", body(&request));
        }
    }

    #[test]
    fn never_two_methods_at_once() {
        let post = refresh(&provider("client_auth = \"post\""), Some("fake-secret"));
        assert!(!post.headers.contains_key(AUTHORIZATION));
        assert!(body(&post).ends_with("&client_id=id%3A1+%25&client_secret=fake-secret"));

        let basic = refresh(&provider("client_auth = \"basic\""), Some("fake-secret"));
        assert!(!body(&basic).contains("client_"));

        for auth in ["basic", "basic_raw", "post", "none"] {
            let public = refresh(&provider(&format!("client_auth = \"{auth}\"")), None);
            assert!(!public.headers.contains_key(AUTHORIZATION), "{auth}");
            assert!(body(&public).ends_with("&client_id=id%3A1+%25"), "{auth}");
        }
        let withheld = refresh(&provider("client_auth = \"none\""), Some("fake-secret"));
        assert!(!body(&withheld).contains("fake-secret"));
    }

    #[test]
    fn parqex_gets_its_parameters_in_the_query() {
        let id = "parqex".parse().unwrap();
        let parqex = crate::provider::preset(&id).unwrap();
        let request = refresh(&parqex, Some("fake secret+"));
        assert_eq!(request.method, HttpMethod::GET);
        assert!(request.body.is_none());
        assert_eq!(
            request.url.query().unwrap(),
            "grant_type=refresh_token&refresh_token=fake-refresh&client_id=id%3A1%20%25\
             &client_secret=fake%20secret%2B"
        );
        assert_eq!(request.headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
        let shown = format!("{:?}", TokenRequest(request, SentSecrets::default()));
        assert_eq!(shown, "TokenRequest(GET api.parqex.com)");
    }

    #[test]
    fn a_dialect_renames_adds_and_leaves_out() {
        let provider = provider(
            "client_auth = \"post\"\nparam_names = { client_id = \"client_key\" }\n\
             refresh_params = { grant_type = \"\", expires_in = \"1800\" }\n\
             [http]\nbody = \"json\"\nmethod = \"put\"\nuser_agent = \"me/1\"\n\
             extra_headers = { \"X-Version\" = \"2\", Accept = \"text/plain\" }",
        );
        let request = refresh(&provider, Some("fake-secret"));
        assert_eq!(
            body(&request),
            "{\"client_key\":\"id:1 %\",\"client_secret\":\"fake-secret\",\
             \"expires_in\":\"1800\",\"refresh_token\":\"fake-refresh\"}"
        );
        assert_eq!(request.headers[CONTENT_TYPE], "application/json");
        assert_eq!(request.headers["x-version"], "2");
        assert_eq!(request.headers[ACCEPT], "text/plain");
        assert_eq!(request.headers[USER_AGENT], "me/1");
        assert_eq!(request.method, HttpMethod::PUT);
    }

    #[test]
    fn what_tokens_are_for_is_said_once_for_each() {
        let id: ClientId = "id".parse().unwrap();
        let client = Client { id: &id, secret: None };
        let token = RefreshToken::new("fake-refresh".into());
        let resources = ["https://b.example/", "https://a.example/?x=1"];
        let resources = resources.iter().map(|text| text.parse().unwrap()).collect();
        let target = Target::new(Some(resources), Some("front".parse().unwrap())).unwrap();
        let request =
            TokenRequest::refresh(&provider(""), client, &token, None, &target, NOW).unwrap().0;
        assert_eq!(
            body(&request),
            "grant_type=refresh_token&refresh_token=fake-refresh\
             &resource=https%3A%2F%2Fa.example%2F%3Fx%3D1&resource=https%3A%2F%2Fb.example%2F\
             &audience=front&client_id=id"
        );
        let json = provider("[http]\nbody = \"json\"");
        let request = TokenRequest::refresh(&json, client, &token, None, &target, NOW).unwrap().0;
        assert_eq!(
            body(&request),
            "{\"audience\":\"front\",\"client_id\":\"id\",\"grant_type\":\"refresh_token\",\
             \"refresh_token\":\"fake-refresh\",\
             \"resource\":[\"https://a.example/?x=1\",\"https://b.example/\"]}"
        );
    }

    #[test]
    fn an_exchange_sends_code_verifier_and_the_same_redirect_uri() {
        let provider = provider("token_params = { expiring = \"1\" }");
        let id: ClientId = "id".parse().unwrap();
        let request = TokenRequest::exchange(
            &provider,
            Client { id: &id, secret: None },
            &AuthorizationCode::new("fake/code".into()),
            Some(&PkceVerifier::new("fake-verifier".into())),
            "http://127.0.0.1:8/callback",
            &Target::default(),
            NOW,
        )
        .unwrap();
        assert_eq!(
            body(&request.0),
            "grant_type=authorization_code&code=fake%2Fcode\
             &redirect_uri=http%3A%2F%2F127.0.0.1%3A8%2Fcallback&code_verifier=fake-verifier\
             &expiring=1&client_id=id"
        );
    }
}
