//! What kind of provider a test wants.

use std::time::Duration;

use super::super::secret;
use super::robot::Robot;

/// A provider's dialect, its one client and its habits.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The form of requests and answers.
    pub(crate) dialect: Dialect,
    /// The client that is registered.
    pub(crate) client: Client,
    /// Another one that has tokens for what it signs, if there is one.
    pub(crate) robot: Option<Robot>,
    /// The scopes that exist.
    pub(crate) scopes: Vec<String>,
    /// How the user signs in.
    pub(crate) sign_in: SignIn,
    /// How long an access token lives.
    pub(crate) access_lifetime: Duration,
    /// What a refresh does to the refresh token that was used.
    pub(crate) rotation: Rotation,
    /// What a refresh does to the access token before.
    pub(crate) old_access: OldAccess,
    /// Further services.
    pub(crate) services: Services,
}

/// The form of requests and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// GET token endpoint with everything in the query and a Content-Type header all the same,
    /// scopes with commas between them and without regard to case, no PKCE, no `iss`.
    ParqEx,
    /// RFC 6749 as RFC 9700 wants it today: POST, scopes with spaces, PKCE with S256 required, `iss`
    /// in the callback (RFC 9207), loopback redirects on any port (RFC 8252, 7.3).
    Standard,
}

/// A registered client.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Its id.
    pub(crate) id: String,
    /// Its secret; unused by a public client.
    pub(crate) secret: String,
    /// How it authenticates at the token endpoint.
    pub(crate) auth: Auth,
    /// Its redirect URI.
    pub(crate) redirect: Redirect,
}

/// Client authentication (RFC 6749, 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    /// HTTP Basic.
    Basic,
    /// Id and secret as parameters.
    Post,
    /// The id alone.
    Public,
}

/// A registered redirect URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// A page on the web, exactly; nobody serves it.
    Page(String),
    /// `127.0.0.1` or `[::1]` with any port and path.
    Loopback,
}

/// How the user signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignIn {
    /// At once, without a page: for a headless agent.
    Headless,
    /// On a page with a button: for a person.
    Page,
    /// The user says no.
    Refused,
    /// The user says no, and the provider something about it.
    RefusedWith(&'static str),
}

/// What a refresh does to the refresh token that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// Replaced. Using it again kills the family: every token that came of the sign-in (RFC 9700,
    /// 4.14.2).
    Strict,
    /// The same, but it may be used again for a while after its first use.
    Grace(Duration),
    /// Never replaced: a refresh brings no refresh token.
    Off,
}

/// What a refresh does to the access token before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OldAccess {
    /// It lives until it expires.
    Lives,
    /// It dies at once.
    Dies,
}

/// Services besides authorization and tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Services {
    /// None.
    Bare,
    /// Revocation (RFC 7009) and metadata (RFC 8414).
    Full,
}

impl Config {
    /// `ParqEx`: a confidential client whose redirect URI is a page that nobody serves.
    pub(crate) fn parqex() -> Self {
        Self {
            dialect: Dialect::ParqEx,
            client: Client {
                id: "042.api.parqex.test".to_owned(),
                secret: secret::make(secret::CLIENT),
                auth: Auth::Post,
                redirect: Redirect::Page("https://door.example.test/parqex/done".to_owned()),
            },
            robot: None,
            scopes: vec!["OPENDOOR".to_owned(), "CLOSEDOOR".to_owned()],
            sign_in: SignIn::Headless,
            access_lifetime: Duration::from_hours(1),
            rotation: Rotation::Strict,
            old_access: OldAccess::Lives,
            services: Services::Bare,
        }
    }

    /// The standard, with a public native client.
    pub(crate) fn standard() -> Self {
        Self {
            dialect: Dialect::Standard,
            client: Client {
                id: "native-app".to_owned(),
                secret: secret::make(secret::CLIENT),
                auth: Auth::Public,
                redirect: Redirect::Loopback,
            },
            scopes: vec!["api:read".to_owned(), "api:write".to_owned()],
            services: Services::Full,
            ..Self::parqex()
        }
    }

    /// With another life of access tokens.
    pub(crate) fn access_lifetime(mut self, lifetime: Duration) -> Self {
        self.access_lifetime = lifetime;
        self
    }

    /// With another rotation.
    pub(crate) fn rotation(mut self, rotation: Rotation) -> Self {
        self.rotation = rotation;
        self
    }

    /// With another way to sign in.
    pub(crate) fn sign_in(mut self, sign_in: SignIn) -> Self {
        self.sign_in = sign_in;
        self
    }

    /// With another client authentication.
    pub(crate) fn auth(mut self, auth: Auth) -> Self {
        self.client.auth = auth;
        self
    }

    /// With a client that has tokens for what it signs.
    pub(crate) fn robot(mut self, robot: Robot) -> Self {
        self.robot = Some(robot);
        self
    }

    /// With another redirect URI.
    pub(crate) fn redirect(mut self, redirect: Redirect) -> Self {
        self.client.redirect = redirect;
        self
    }

    /// With another fate of access tokens at a refresh.
    pub(crate) fn old_access(mut self, old_access: OldAccess) -> Self {
        self.old_access = old_access;
        self
    }

    /// Where authorization requests go.
    pub(super) fn authorization_path(&self) -> &'static str {
        match self.dialect {
            Dialect::ParqEx => "/oauth/v2/endpoints/authorization/",
            Dialect::Standard => "/authorize",
        }
    }

    /// Where token requests go.
    pub(super) fn token_path(&self) -> &'static str {
        match self.dialect {
            Dialect::ParqEx => "/oauth/v2/endpoints/token/",
            Dialect::Standard => "/token",
        }
    }

    /// Reads a list of scopes, each in its registered spelling; the unknown one is the error. None
    /// given means all.
    pub(super) fn parse_scopes(&self, text: Option<&str>) -> Result<Vec<String>, String> {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Ok(self.scopes.clone());
        };
        let (separator, same): (char, fn(&str, &str) -> bool) = match self.dialect {
            Dialect::ParqEx => (',', |a, b| a.eq_ignore_ascii_case(b)),
            Dialect::Standard => (' ', |a, b| a == b),
        };
        text.split(separator)
            .map(|asked| {
                let known = self.scopes.iter().find(|scope| same(scope, asked.trim()));
                known.cloned().ok_or_else(|| asked.to_owned())
            })
            .collect()
    }

    /// Writes a list of scopes.
    pub(super) fn join_scopes(&self, scopes: &[String]) -> String {
        scopes.join(match self.dialect {
            Dialect::ParqEx => ",",
            Dialect::Standard => " ",
        })
    }

    /// Whether an authorization request may end at that URI.
    pub(super) fn allows_redirect(&self, uri: &str) -> bool {
        match &self.client.redirect {
            Redirect::Page(page) => page == uri,
            Redirect::Loopback => url::Url::parse(uri).is_ok_and(|uri| {
                uri.scheme() == "http"
                    && match uri.host() {
                        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
                        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
                        _ => false,
                    }
            }),
        }
    }
}
