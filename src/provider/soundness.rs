//! From text to a definition that can be relied on, and what it says beyond its fields.

use std::time::Duration;

use url::Url;

use super::definition::Provider;
use super::dialect::{Body, Capture, Method, Redirect};
use super::example::split_examples;
use super::life::Rotation;

/// The least time that an answer to a refresh is waited for.
const PATIENCE_MIN: Duration = Duration::from_secs(10);

/// Why a text is not a provider's definition.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// Not TOML, an unknown field, or a value of the wrong form; the message has line and column.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// Well-formed, but not sound.
    #[error("{field}: {problem}")]
    Unsound {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// An example is not one.
    #[error("{problem}")]
    Example {
        /// Where, counted from 1.
        line: Option<usize>,
        /// What is wrong with it.
        problem: String,
    },
    /// What a file says does not go together with the preset that it extends.
    #[error("{problem}")]
    Extending {
        /// The field of the file that does not.
        field: Option<String>,
        /// What is wrong.
        problem: String,
    },
}

impl DefinitionError {
    /// The line of `text`, counted from 1, where the definition stops making sense.
    #[must_use]
    pub fn line(&self, text: &str) -> Option<usize> {
        let place = match self {
            Self::Toml(error) => error.span()?.start,
            Self::Unsound { field, .. } => place_of(field, text)?,
            Self::Example { line, .. } => return *line,
            Self::Extending { field, .. } => place_of(field.as_deref()?, text)?,
        };
        Some(1 + text.as_bytes().iter().take(place).filter(|byte| **byte == b'\n').count())
    }

    /// The same error, in a text that begins behind `head`.
    pub(super) fn behind(self, head: &str) -> Self {
        let Self::Toml(error) = self else { return self };
        let before = head.matches('\n').count();
        let line = error.span().map(|span| span.start);
        // the span counts from where the text begins that was read
        Self::Example {
            line: line.map(|_| before + 1),
            problem: error.message().replace('\n', " "),
        }
    }

    /// What is wrong and what was expected, on one line and without the place.
    #[must_use]
    pub fn problem(&self) -> String {
        match self {
            Self::Toml(error) => error.message().replace('\n', " "),
            Self::Unsound { .. } | Self::Example { .. } | Self::Extending { .. } => {
                self.to_string()
            }
        }
    }
}

/// Parameters that no definition may set: they carry the protocol's own security.
const PROTECTED_PARAMS: [&str; 11] = [
    "client_id",
    "client_secret",
    "state",
    "redirect_uri",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "dpop_jkt",
    "refresh_token",
    "response_type",
];

/// Headers that no definition may set: they are the transport's, or carry secrets.
const PROTECTED_HEADERS: [&str; 8] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "dpop",
    "host",
    "proxy-authorization",
    "transfer-encoding",
];

impl Provider {
    /// Reads a definition and checks that it is sound.
    pub fn parse(text: &str) -> Result<Self, DefinitionError> {
        let (text, _) = split_examples(text);
        let provider: Self = toml::from_str(text)?;
        provider.check()?;
        Ok(provider)
    }

    /// The definition as TOML: [`Provider::parse`] gives the same provider back.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "it cannot: see the expectation")]
    pub fn to_toml(&self) -> String {
        toml::to_string(self)
            .expect("a definition is tables, strings and numbers: TOML has all of them")
    }

    /// The endpoint that refreshes.
    #[must_use]
    pub fn refresh_endpoint(&self) -> &Url {
        self.refresh_url.as_ref().unwrap_or(&self.token_url)
    }

    /// Whether a refresh token that was used once may never be sent again on suspicion.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        matches!(self.rotation, Rotation::Strict)
    }

    /// Whether a token for a part of a login can be asked for: a refresh with fewer scopes or for fewer
    /// resources does no harm to the login and its other tokens.
    #[must_use]
    pub fn narrows(&self) -> bool {
        let harmless = self.at_dies_at_refresh != super::AtRefresh::Dies
            && self.refresh.send == super::Send::RefreshToken;
        self.refresh.narrow.unwrap_or(true) && harmless
    }

    /// How long after a lost answer the same refresh token still works; 30 s where nothing is
    /// known.
    #[must_use]
    pub fn grace(&self) -> Duration {
        match self.rotation {
            Rotation::Timed { seconds } => Duration::from_secs(seconds),
            _ => Duration::from_secs(30),
        }
    }

    /// How long an answer to a refresh is waited for, where that is less than for any request. A
    /// provider that forgives a second use for a while must be asked again within that while: half
    /// of it for the first answer leaves room for the second request. With any other, the answer is
    /// worth the wait: a strict one that is given up too early has spent the refresh token.
    #[must_use]
    pub fn refresh_patience(&self) -> Option<Duration> {
        match self.rotation {
            Rotation::Timed { .. } => Some((self.grace() / 2).max(PATIENCE_MIN)),
            _ => None,
        }
    }

    fn check(&self) -> Result<(), DefinitionError> {
        let unsound = |field, problem: String| Err(DefinitionError::Unsound { field, problem });
        let endpoints = [
            ("authorization_url", Some(&self.authorization_url)),
            ("token_url", Some(&self.token_url)),
            ("refresh_url", self.refresh_url.as_ref()),
            ("device_url", self.device_url.as_ref()),
            ("par_url", self.par_url.as_ref()),
            ("registration_url", self.registration_url.as_ref()),
            ("introspection_url", self.introspection_url.as_ref()),
            ("userinfo_url", self.userinfo_url.as_ref()),
            ("jwks_url", self.jwks_url.as_ref()),
            ("base_url", self.base_url.as_ref()),
            ("revocation.url", self.revocation.as_ref().map(|revocation| &revocation.url)),
        ];
        for (field, url) in endpoints.into_iter().chain(self.mtls.endpoints()) {
            if let Some(url) = url
                && let Err(problem) = check_endpoint(url)
            {
                return unsound(field, problem.to_owned());
            }
        }
        for origin in self.dpop.iter().flat_map(|dpop| &dpop.origins) {
            if let Err(problem) = check_endpoint(origin) {
                return unsound("dpop.origins", format!("{origin} {problem}"));
            }
        }
        for (field, params) in [
            ("auth_params", &self.auth_params),
            ("token_params", &self.token_params),
            ("refresh_params", &self.refresh_params),
        ] {
            if let Some(name) = params.keys().find(|name| PROTECTED_PARAMS.contains(&name.as_str()))
            {
                return unsound(field, format!("{name} cannot be overridden"));
            }
        }
        for (name, value) in &self.http.extra_headers {
            let is_token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
            let is_text = |c: char| c.is_ascii_graphic() || c == ' ';
            if name.is_empty() || !name.bytes().all(is_token) || !value.chars().all(is_text) {
                return unsound("http.extra_headers", format!("{name:?} is not a header"));
            }
            if PROTECTED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                return unsound("http.extra_headers", format!("{name} cannot be overridden"));
            }
        }
        if self.scopes.separator.is_empty() || self.scopes.separator.len() > 2 {
            return unsound("scopes.separator", "is one character, such as \" \" or \",\"".into());
        }
        if self.http.method == Method::Get && self.http.body != Body::Query {
            return unsound("http.body", "must be query when the method is get".into());
        }
        if self.refresh_method() == Method::Get && self.refresh_body() != Body::Query {
            return unsound("refresh.body", "must be query when the method is get".into());
        }
        match &self.redirect {
            Redirect::FixedPort { port: 0, .. } => {
                return unsound("redirect.port", "must not be 0".into());
            }
            Redirect::CustomScheme { uri } if !is_private_use(uri) => {
                let problem = "has a scheme of its own with a dot in it, such as com.example.app:/";
                return unsound("redirect.uri", problem.into());
            }
            _ => {}
        }
        if let Some(when) = &self.answer.error_when
            && when.equals.is_some() == when.differs.is_some()
        {
            return unsound(
                "answer.error_when",
                "says what it equals or what it differs from".into(),
            );
        }
        self.check_capture()
    }

    /// What is kept of an answer is shown to people and programs: no token may be among it.
    fn check_capture(&self) -> Result<(), DefinitionError> {
        let unsound = |field, problem: String| Err(DefinitionError::Unsound { field, problem });
        let Capture { answer, callback } = &self.capture;
        if answer.len() + callback.len() > CAPTURED_MAX {
            return unsound("capture", format!("takes {CAPTURED_MAX} values at most"));
        }
        for name in answer.iter().chain(callback) {
            let last = name.rsplit('.').next().unwrap_or("").to_ascii_lowercase();
            let is_secret = ["token", "secret", "password"].iter().any(|word| last.contains(word));
            if is_secret || ["", "code", "state", "assertion"].contains(&last.as_str()) {
                return unsound("capture", format!("{name:?} is not for keeping"));
            }
        }
        match &self.base_url_from {
            Some(name) if !answer.contains(name) && !callback.contains(name) => {
                unsound("base_url_from", format!("{name} is not captured"))
            }
            _ => Ok(()),
        }
    }

    /// The method of refreshes.
    #[must_use]
    pub fn refresh_method(&self) -> Method {
        self.refresh.method.unwrap_or(self.http.method)
    }

    /// Where the parameters of refreshes go.
    #[must_use]
    pub fn refresh_body(&self) -> Body {
        self.refresh.body.unwrap_or(self.http.body)
    }
}

/// The most values that are kept of answers and callbacks.
const CAPTURED_MAX: usize = 16;

/// Whether an address is of a scheme that belongs to its maker by a domain name (RFC 8252, 7.1).
fn is_private_use(uri: &Url) -> bool {
    uri.scheme().contains('.') && uri.fragment().is_none() && uri.query().is_none()
}

/// Whether secrets may be sent to an endpoint: https anywhere, plain http only to a loopback
/// literal (RFC 8252, 8.3), no credentials and no fragment in the URL.
pub fn check_endpoint(url: &Url) -> Result<(), &'static str> {
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("must hold neither credentials nor a fragment");
    }
    match url.scheme() {
        "https" if url.host().is_some() => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        _ => Err("must be https (plain http is allowed to 127.0.0.1 and [::1] alone)"),
    }
}

/// Whether the host is a literal address of this machine. A name is not, not even `localhost`: what
/// it resolves to is for others to say.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(_)) | None => false,
    }
}

/// Where a dotted field stands in a text: at its own key if it has a line, else at its table.
fn place_of(field: &str, text: &str) -> Option<usize> {
    let (table, key) = field.rsplit_once('.').map_or((None, field), |(t, k)| (Some(t), k));
    let mut at = 0;
    let mut found = None;
    for line in text.split_inclusive('\n') {
        let start = line.trim_start();
        let head = start.trim_start_matches('[').split(['=', ']', '.']).next().unwrap_or("").trim();
        if head == key {
            return Some(at);
        }
        if Some(head) == table && found.is_none() {
            found = Some(at);
        }
        at += line.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::noise;

    const BASE: &str = "id = \"x\"\ntitle = \"X\"\n\
                        authorization_url = \"https://x.example/a\"\n\
                        token_url = \"https://x.example/t\"\n";

    fn with(more: &str) -> Result<Provider, DefinitionError> {
        Provider::parse(&format!("{BASE}{more}"))
    }

    #[test]
    fn four_fields_are_enough() {
        let provider = with("").unwrap();
        assert_eq!(provider.rotation, Rotation::Strict);
        assert_eq!(provider.refresh_endpoint().as_str(), "https://x.example/t");
    }

    #[test]
    fn what_would_weaken_the_protocol_is_refused_at_its_line() {
        for (more, line, says) in [
            ("refresh_url = \"http://x.example/r\"", 5, "refresh_url: must be https"),
            ("refresh_url = \"https://u:p@x.example/\"", 5, "neither credentials"),
            ("\n[auth_params]\nstate = \"1\"", 6, "state cannot be overridden"),
            ("token_params = { code_verifier = \"1\" }", 5, "code_verifier cannot"),
            ("[refresh_params]\nclient_secret = \"1\"", 5, "client_secret cannot"),
            ("[http]\nextra_headers = { Authorization = \"x\" }", 6, "cannot be overridden"),
            ("[http]\nextra_headers = { \"a b\" = \"x\" }", 6, "is not a header"),
            ("[http]\nmethod = \"get\"", 5, "must be query"),
            ("[scopes]\nseparator = \"\"", 6, "is one character"),
            ("[redirect]\nkind = \"fixed_port\"\nport = 0", 7, "must not be 0"),
            ("surprise = 1", 5, "unknown field `surprise`, expected"),
            ("rt_idle = \"x\"", 5, "expected u64"),
            ("pkce = plain", 5, "expected"),
        ] {
            let text = format!("{BASE}{more}");
            let error = Provider::parse(&text).unwrap_err();
            assert!(error.problem().contains(says), "{more}: {}", error.problem());
            assert_eq!(error.line(&text), Some(line), "{more}");
        }
    }

    #[test]
    fn plain_http_goes_to_loopback_literals_alone() {
        for good in ["https://x.example/", "http://127.0.0.1:8/", "http://[::1]/t"] {
            assert!(check_endpoint(&Url::parse(good).unwrap()).is_ok(), "{good}");
        }
        for bad in ["http://x.example/", "http://localhost/", "http://10.0.0.1/", "ftp://x/"] {
            assert!(check_endpoint(&Url::parse(bad).unwrap()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_sound_definition_or_refused_at_a_line_of_it(
            text in prop_oneof![".{0,200}", noise::mutated_text(&SAMPLES)],
        ) {
            match Provider::parse(&text) {
                Ok(provider) => {
                    for url in [&provider.authorization_url, &provider.token_url] {
                        prop_assert!(check_endpoint(url).is_ok(), "{}", url);
                    }
                    let again = Provider::parse(&provider.to_toml());
                    prop_assert_eq!(&again.unwrap(), &provider);
                }
                Err(error) => {
                    let lines = text.split('\n').count();
                    prop_assert!(error.line(&text).is_none_or(|line| (1..=lines).contains(&line)));
                    prop_assert!(!error.problem().contains('\n'), "{}", error.problem());
                }
            }
        }
    }

    const SAMPLES: [&str; 6] = [
        include_str!("presets/parqex.toml"),
        include_str!("presets/google.toml"),
        include_str!("presets/microsoft.toml"),
        include_str!("presets/github.toml"),
        include_str!("presets/gitlab.toml"),
        "id = \"x\"\ntitle = \"X\"\nauthorization_url = \"http://127.0.0.1:1/a\"\n\
         token_url = \"https://x.example/t\"\n[redirect]\nkind = \"fixed_port\"\nport = 80\n",
    ];
}
