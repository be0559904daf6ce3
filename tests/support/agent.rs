//! A headless user agent: follows an authorization URL by hand to where a browser would end. It
//! blocks, so a test whose own runtime serves the callback calls it from a thread of its own.

use url::Url;

use super::http::{Ask, HttpError, Reply};

/// How many redirects a sign-in may take; `oidc-provider` needs five.
const HOPS: usize = 12;

/// Where a sign-in ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// At a page on a loopback address other than the provider's: the client's callback.
    Callback {
        /// Its URL, with code and state.
        url: Url,
        /// What was shown.
        page: Reply,
    },
    /// At an address that nobody serves: the user would copy it from the address bar.
    Foreign(Url),
}

/// Why a sign-in went nowhere.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// A page of the provider's own that is no redirect.
    #[error("stuck at the provider with status {status}: {page}")]
    Stuck {
        /// Its status.
        status: u16,
        /// Its text.
        page: String,
    },
    /// A redirect without an address, or with one that is none.
    #[error("a redirect leads nowhere")]
    Nowhere,
    /// More redirects than any provider needs.
    #[error("{HOPS} redirects and no end")]
    Loop,
    /// A server did not answer.
    #[error(transparent)]
    Http(#[from] HttpError),
}

impl Ending {
    /// The URL that the browser ended at.
    pub(crate) fn url(&self) -> &Url {
        match self {
            Self::Callback { url, .. } | Self::Foreign(url) => url,
        }
    }

    /// A parameter that the provider put into that URL, decoded.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        self.url().query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// Visits an authorization URL as a browser would.
pub(crate) fn visit(authorization_url: &str) -> Result<Ending, AgentError> {
    let home: Url = authorization_url.parse().map_err(|_| AgentError::Nowhere)?;
    let mut url = home.clone();
    let mut cookies = Vec::<(String, String)>::new();
    for _ in 0..HOPS {
        if url.origin() != home.origin() && !is_loopback(&url) {
            return Ok(Ending::Foreign(url));
        }
        let mut ask = Ask::get(url.as_str()).header("Accept", "text/html");
        if url.origin() == home.origin() && !cookies.is_empty() {
            let pairs: Vec<_> =
                cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            ask = ask.header("Cookie", &pairs.join("; "));
        }
        let page = ask.send()?;
        if !matches!(page.status, 301 | 302 | 303 | 307 | 308) {
            return if url.origin() == home.origin() {
                Err(AgentError::Stuck { status: page.status, page: page.text() })
            } else {
                Ok(Ending::Callback { url, page })
            };
        }
        for cookie in page.all("Set-Cookie") {
            remember(&mut cookies, cookie);
        }
        let location = page.header("Location").ok_or(AgentError::Nowhere)?;
        url = url.join(location).map_err(|_| AgentError::Nowhere)?;
    }
    Err(AgentError::Loop)
}

fn is_loopback(url: &Url) -> bool {
    url.scheme() == "http"
        && match url.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        }
}

/// Keeps a cookie by its name; paths do not matter to a visit this short.
fn remember(cookies: &mut Vec<(String, String)>, line: &str) {
    let pair = line.split(';').next().unwrap_or_default();
    if let Some((name, value)) = pair.split_once('=') {
        cookies.retain(|(known, _)| known != name);
        if !value.is_empty() {
            cookies.push((name.to_owned(), value.to_owned()));
        }
    }
}
