//! Every preset against a server that speaks its dialect: what is asked of it, and how its recorded
//! answers are understood.

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::BASE64;

use super::NOW;
use super::server::{Server, answer, http};
use crate::model::{
    AuthorizationCode, ClientId, ClientSecret, Lack, Landing, PkceVerifier, RefreshToken, Scopes,
    Target,
};
use crate::oauth::{Asked, Authorization, Client, Sent, TokenRequest, expect, read_answer, replay};
use crate::provider::{
    Body, ClientAuth, Example, ExampleOf, Expires, Method, Pkce, Provider, Redirect, Send,
    examples, preset_text, presets,
};

const ID: &str = "fake client:1";
const SECRET: &str = "fake+secret/1 %";

#[test]
fn each_preset_understands_what_its_provider_says() {
    let mut wrong = Vec::new();
    for provider in presets() {
        for example in examples(preset_text(&provider.id).unwrap()).unwrap() {
            if let Err(problem) = replay(&provider, &example) {
                wrong.push(format!("{}: {}: {problem}", provider.id, example.says));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn each_preset_asks_in_its_providers_dialect_and_reads_the_answer_off_the_wire() {
    for preset in presets() {
        for example in examples(preset_text(&preset.id).unwrap()).unwrap() {
            let what = format!("{}: {}", preset.id, example.says);
            let (status, body) = (example.status, example.body.clone());
            let headers = format!("Content-Type: {}\r\n", example.content_type);
            let said = answer(&format!("{status} Whatever"), &headers, &body);
            let server = Server::answering(move |_| said.clone()).await;
            let provider = at(&preset, &server.url(""));
            let mut request = request(&provider, &example);
            let secrets = request.take_secrets();
            let came = http().send(request).await.unwrap();
            let heard = Heard::read(&server.seen()[0]);
            check_request(&provider, &example, &heard, &what);
            let sent = Sent { refresh: None, others: Some(&secrets) };
            let landing = read_answer(&provider, &came, sent, NOW);
            let understood = expect(&provider, &example, &landing);
            assert_eq!(understood, Ok(()), "{what}");
        }
    }
}

#[test]
fn each_preset_sends_the_browser_to_its_page_with_all_that_protects_the_way_back() {
    let id: ClientId = ID.parse().unwrap();
    for provider in presets() {
        let redirect = match &provider.redirect {
            Redirect::HttpsOnly => "https://dev.example/cb".to_owned(),
            Redirect::CustomScheme { uri } => uri.to_string(),
            _ => "http://127.0.0.1:8477/callback".to_owned(),
        };
        let (none, lack) = (Scopes::default(), Lack::default());
        let asked = Asked { login_hint: None, lack: &lack };
        let (attempt, url) =
            Authorization::begin(&provider, &id, &redirect, &none, &Target::default(), asked)
                .unwrap();
        let pairs: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let named = |name: &str| pairs.get(provider.param_names.get(name).map_or(name, |it| it));
        assert_eq!(url.host(), provider.authorization_url.host(), "{}", provider.id);
        assert_eq!(named("client_id").unwrap(), ID, "{}", provider.id);
        assert_eq!(named("redirect_uri").unwrap(), &redirect, "{}", provider.id);
        assert!(named("state").is_some_and(|state| state.len() == 43), "{}", provider.id);
        assert_eq!(named("code_challenge").is_some(), provider.pkce != Pkce::Off);
        assert_eq!(attempt.verifier().is_some(), provider.pkce != Pkce::Off);
        for scope in provider.scopes.defaults.iter() {
            let asked = named("scope").unwrap();
            let parts: Vec<&str> = asked.split(&*provider.scopes.separator).collect();
            assert!(parts.contains(&scope.as_str()), "{}: {asked}", provider.id);
        }
    }
}

/// A preset says what is usual. Providers change that for some of their clients, and then the answer says so.
#[test]
fn an_answer_s_own_life_and_refresh_token_win_over_what_a_preset_says() {
    for provider in presets() {
        let (life, seconds) = match provider.answer.expires {
            Expires::Ms => ("28800000", 28_800),
            _ => ("28800", 28_800),
        };
        let body = format!(
            r#"{{"access_token":"fake-access","token_type":"bearer","expires_in":{life},"refresh_token":"fake-refresh-2"}}"#
        );
        let answer = super::raw(200, super::JSON, body.as_bytes());
        let Landing::Granted(granted) = super::read(&provider, &answer) else {
            panic!("{}: it is a good answer", provider.id)
        };
        assert_eq!(granted.lifetime, Some(Duration::from_secs(seconds)), "{}", provider.id);
        // what is renewed by its access token has no use for another
        if provider.refresh.send == Send::RefreshToken {
            let refresh = granted.refresh.as_ref().map(RefreshToken::expose);
            assert_eq!(refresh, Some("fake-refresh-2"), "{}", provider.id);
        }
    }
}

/// A request as it arrived.
struct Heard {
    method: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Heard {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let line = lines.next().unwrap();
        let mut words = line.split(' ');
        let method = words.next().unwrap().to_owned();
        let query = words.next().unwrap().split_once('?').map_or("", |(_, query)| query);
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Self {
            method,
            query: query.to_owned(),
            headers: lines.map(header).collect(),
            body: body.to_owned(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice");
        value
    }

    fn params(&self, in_query: bool, json: bool) -> Vec<(String, String)> {
        if json {
            let object: BTreeMap<String, String> = serde_json::from_str(&self.body).unwrap();
            return object.into_iter().collect();
        }
        let text = if in_query { &self.query } else { &self.body };
        url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
    }
}

/// The preset, with its token endpoint here.
fn at(preset: &Provider, base: &str) -> Provider {
    let mut provider = preset.clone();
    let moved = |url: &url::Url| format!("{base}{}", &url[url::Position::BeforePath..]);
    provider.token_url = moved(&preset.token_url).parse().unwrap();
    provider.refresh_url = preset.refresh_url.as_ref().map(|url| moved(url).parse().unwrap());
    provider
}

fn request(provider: &Provider, example: &Example) -> TokenRequest {
    let id: ClientId = ID.parse().unwrap();
    let secret = ClientSecret::new(SECRET.into());
    let client = Client { id: &id, secret: Some(&secret) };
    let target = Target::default();
    match example.of {
        ExampleOf::Exchange => {
            let code = AuthorizationCode::new("fake-code".into());
            let verifier = PkceVerifier::new("fake-verifier".into());
            let verifier = (provider.pkce != Pkce::Off).then_some(&verifier);
            let uri = "https://dev.example/cb";
            TokenRequest::exchange(provider, client, &code, verifier, uri, &target, NOW)
        }
        ExampleOf::Refresh => {
            let token = RefreshToken::new("fake-refresh".into());
            TokenRequest::refresh(provider, client, &token, None, &target, NOW)
        }
    }
    .unwrap()
}

/// What the definition promises about requests has to be what arrived, each thing once.
fn check_request(provider: &Provider, example: &Example, heard: &Heard, what: &str) {
    let refreshes = example.of == ExampleOf::Refresh;
    let (method, body) = if refreshes {
        (provider.refresh_method(), provider.refresh_body())
    } else {
        (provider.http.method, provider.http.body)
    };
    let sent_as = match method {
        Method::Post => "POST",
        Method::Get => "GET",
        Method::Put => "PUT",
    };
    assert_eq!(heard.method, sent_as, "{what}");
    let params = heard.params(method == Method::Get || body == Body::Query, body == Body::Json);
    let named = |name: &str| {
        let theirs = provider.param_names.get(name).map_or(name, String::as_str);
        let mut found = params.iter().filter(|(known, _)| known == theirs);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{what}: {name} twice");
        value
    };
    let expected = |name: &str, usual: &str| {
        let own = if refreshes { &provider.refresh_params } else { &provider.token_params };
        match own.get(name) {
            Some(text) if text.is_empty() => None,
            Some(text) => Some(text.clone()),
            None => Some(usual.to_owned()),
        }
    };
    if refreshes {
        assert_eq!(named("grant_type").map(str::to_owned), expected("grant_type", "refresh_token"));
        let usual = match provider.refresh.send {
            Send::RefreshToken => "refresh_token",
            Send::AccessToken => "access_token",
        };
        let name = provider.refresh.parameter.as_deref().unwrap_or(usual);
        assert_eq!(named(name), Some("fake-refresh"), "{what}");
        assert_eq!(named("code"), None, "{what}");
    } else {
        let grant = expected("grant_type", "authorization_code");
        assert_eq!(named("grant_type").map(str::to_owned), grant, "{what}");
        assert_eq!(named("code"), Some("fake-code"), "{what}");
        assert_eq!(named("redirect_uri"), Some("https://dev.example/cb"), "{what}");
        let verifier = (provider.pkce != Pkce::Off).then_some("fake-verifier");
        assert_eq!(named("code_verifier"), verifier, "{what}");
        assert_eq!(named("refresh_token"), None, "{what}");
    }
    for (name, value) in &provider.http.extra_headers {
        assert_eq!(heard.header(name), Some(value.as_str()), "{what}");
    }
    if let Some(agent) = &provider.http.user_agent {
        assert_eq!(heard.header("user-agent"), Some(agent.as_str()), "{what}");
    }
    let accept = provider.http.accept.as_deref().unwrap_or("application/json");
    assert_eq!(heard.header("accept"), Some(accept), "{what}");
    check_client(provider, refreshes, heard, named, what);
}

fn check_client<'a>(
    provider: &Provider,
    refreshes: bool,
    heard: &Heard,
    named: impl Fn(&str) -> Option<&'a str>,
    what: &str,
) {
    let credentials = heard.header("authorization");
    if refreshes && provider.refresh.client == Some(false) {
        assert_eq!((credentials, named("client_id")), (None, None), "{what}");
        return;
    }
    let basic = |pair: String| format!("Basic {}", BASE64.encode(pair.as_bytes()));
    match provider.client_auth.unwrap_or(ClientAuth::Basic) {
        ClientAuth::Basic | ClientAuth::BasicAlways => {
            let pair = "fake+client%3A1:fake%2Bsecret%2F1+%25".to_owned();
            assert_eq!(credentials, Some(basic(pair).as_str()), "{what}");
            assert_eq!((named("client_secret"), named("client_id")), (None, None), "{what}");
        }
        ClientAuth::BasicRaw => {
            assert_eq!(credentials, Some(basic(format!("{ID}:{SECRET}")).as_str()), "{what}");
            assert_eq!(named("client_secret"), None, "{what}");
        }
        ClientAuth::Post => {
            assert_eq!(credentials, None, "{what}");
            assert_eq!(named("client_id"), Some(ID), "{what}");
            assert_eq!(named("client_secret"), Some(SECRET), "{what}");
        }
        ClientAuth::None => {
            assert_eq!((credentials, named("client_id")), (None, Some(ID)), "{what}");
            assert_eq!(named("client_secret"), None, "{what}");
        }
        other => panic!("{what}: no preset should need {other:?}"),
    }
}
