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

/// A browser, with the cookies that it has: a provider knows who comes back, and may take a later login for
/// one with an earlier.
#[derive(Debug, Default)]
pub(crate) struct Browser {
    cookies: Vec<(String, String)>,
}

/// Agrees in a browser of its own; see [`Browser::agree`].
pub(crate) fn agree(verification_uri: &str, yes: bool) -> Result<Reply, AgentError> {
    Browser::default().agree(verification_uri, yes)
}

/// Visits an authorization URL with a browser of its own.
pub(crate) fn visit(authorization_url: &str) -> Result<Ending, AgentError> {
    Browser::default().visit(authorization_url)
}

impl Browser {
    /// Agrees, at the address with the code in it, to what a device asked for: submits each form of the
    /// provider's as it stands, with the button pressed that says yes, or else the one that says no. Gives
    /// the last page.
    pub(crate) fn agree(&mut self, verification_uri: &str, yes: bool) -> Result<Reply, AgentError> {
        let mut url: Url = verification_uri.parse().map_err(|_| AgentError::Nowhere)?;
        let cookies = &mut self.cookies;
        let mut form: Option<Vec<(String, String)>> = None;
        let mut said_no = false;
        for _ in 0..2 * HOPS {
            let fields: Vec<(&str, &str)> = form
                .iter()
                .flatten()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let ask = match form {
                Some(_) => Ask::post(url.as_str(), &fields),
                None => Ask::get(url.as_str()),
            };
            let page = with_cookies(ask.header("Accept", "text/html"), cookies).send()?;
            for cookie in page.all("Set-Cookie") {
                remember(cookies, cookie);
            }
            form = None;
            if matches!(page.status, 301 | 302 | 303 | 307 | 308) {
                let location = page.header("Location").ok_or(AgentError::Nowhere)?;
                url = url.join(location).map_err(|_| AgentError::Nowhere)?;
                continue;
            }
            let text = page.text();
            let Some(action) = attribute(&text, "<form", "action") else { return Ok(page) };
            url = url.join(&action).map_err(|_| AgentError::Nowhere)?;
            let inputs = text.split("<input").skip(1).filter_map(|input| {
                let input = format!("<input{}", input.split('>').next().unwrap_or_default());
                Some((attribute(&input, "<input", "name")?, attribute(&input, "<input", "value")?))
            });
            let mut fields: Vec<_> = inputs.collect();
            if said_no {
                return Ok(page);
            }
            if !yes && fields.iter().any(|(name, _)| name == "confirm") {
                fields.retain(|(name, _)| name != "confirm");
                fields.push(("abort".to_owned(), "yes".to_owned()));
                said_no = true;
            }
            form = Some(fields);
        }
        Err(AgentError::Loop)
    }

    /// Visits an authorization URL as a browser would.
    pub(crate) fn visit(&mut self, authorization_url: &str) -> Result<Ending, AgentError> {
        let home: Url = authorization_url.parse().map_err(|_| AgentError::Nowhere)?;
        let mut url = home.clone();
        let cookies = &mut self.cookies;
        for _ in 0..HOPS {
            if url.origin() != home.origin() && !is_loopback(&url) {
                return Ok(Ending::Foreign(url));
            }
            let mut ask = Ask::get(url.as_str()).header("Accept", "text/html");
            if url.origin() == home.origin() {
                ask = with_cookies(ask, cookies);
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
                remember(cookies, cookie);
            }
            let location = page.header("Location").ok_or(AgentError::Nowhere)?;
            url = url.join(location).map_err(|_| AgentError::Nowhere)?;
        }
        Err(AgentError::Loop)
    }
}

/// An attribute of the first tag of a kind.
fn attribute(html: &str, tag: &str, name: &str) -> Option<String> {
    let tag = html.split_once(tag)?.1.split('>').next()?;
    let value = tag.split_once(&format!("{name}=\""))?.1.split('"').next()?;
    Some(value.replace("&amp;", "&"))
}

fn with_cookies(ask: Ask, cookies: &[(String, String)]) -> Ask {
    if cookies.is_empty() {
        return ask;
    }
    let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    ask.header("Cookie", &pairs.join("; "))
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
