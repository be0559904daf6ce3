//! Whether a provider is there: a question without credentials to the root of its address.
//!
//! The token endpoint is not asked. Some take their parameters from the query and count every
//! request, and an answer to a request that is none tells no more than the root's.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::Method;
use reqwest::header::{AGE, DATE, HeaderMap};
use url::Url;

use super::http::{Http, certificate_problem, certificate_refused, text_of, without_answer};
use super::request::{Outgoing, plain_headers};

/// How long a question may take, from the name to the answer's head.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a question went.
pub type Probe = Result<Reached, Unreached>;

/// A server that proved its name and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The HTTP status. None is wrong: the root of a token server may well be missing. Absent if it lets
    /// nobody in without a certificate (RFC 8705).
    pub status: Option<u16>,
    /// What its clock showed, in seconds since the epoch; `None` if it does not say, or if the answer
    /// comes from a cache.
    pub date: Option<i64>,
}

/// A server that could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreached {
    /// What was missing.
    pub missing: Missing,
    /// What happened, for people. No URL.
    pub detail: String,
}

/// The first thing that was missing on the way to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// An address for the name.
    Name,
    /// A connection, to the server or to the proxy.
    Connection,
    /// A certificate that proves the name.
    Proof,
    /// An answer.
    Answer,
}

impl Http {
    /// Asks whether anybody is there, at the root of the URL's origin. Nothing of the URL but scheme,
    /// host and port is sent.
    pub async fn probe(&self, url: &Url) -> Probe {
        let outgoing = Outgoing::new(Method::HEAD, root(url), plain_headers(), None);
        let request = self
            .prepare(outgoing)
            .map_err(|error| Unreached { missing: Missing::Connection, detail: error.detail })?
            .timeout(PATIENCE);
        match request.send().await {
            Ok(response) => {
                let status = Some(response.status().as_u16());
                Ok(Reached { status, date: date(response.headers()) })
            }
            Err(error) if certificate_refused(&error).is_some() => {
                Ok(Reached { status: None, date: None })
            }
            Err(error) => {
                let missing = missing(&error);
                Err(Unreached { missing, detail: without_answer(&error).detail })
            }
        }
    }
}

fn root(url: &Url) -> Url {
    let mut root = url.clone();
    root.set_path("/");
    root.set_query(None);
    root.set_fragment(None);
    root
}

fn missing(error: &reqwest::Error) -> Missing {
    if certificate_problem(error).is_some() {
        Missing::Proof
    } else if error.is_dns() {
        Missing::Name
    } else if error.is_connect() || error.is_builder() {
        Missing::Connection
    } else {
        Missing::Answer
    }
}

/// The clock of who answered. A cache gives the date of the first answer, and says so by an age
/// (RFC 9111, 5.1).
fn date(headers: &HeaderMap) -> Option<i64> {
    if headers.contains_key(AGE) {
        return None;
    }
    let date = httpdate::parse_http_date(&text_of(headers, &DATE)?).ok()?;
    i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// The proxies that the environment names, by variable, without the credentials in them. `variable`
/// reads the environment.
///
/// Which of them a request takes is the HTTP library's to say (lower case first, `NO_PROXY` for
/// exceptions); providers at literal addresses of this machine take none.
pub fn proxies(variable: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
    // as the HTTP library reads them for https
    ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
        .into_iter()
        .filter_map(|name| {
            let value = variable(name).filter(|value| !value.is_empty())?;
            Some((name, without_credentials(&value)))
        })
        .collect()
}

fn without_credentials(value: &str) -> String {
    // a bare host:port is an http proxy
    let text = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    match Url::parse(&text) {
        Ok(url) => match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{}://{host}:{port}", url.scheme()),
            (Some(host), None) => format!("{}://{host}", url.scheme()),
            (None, _) => "an address without a host".to_owned(),
        },
        Err(_) => "an address that cannot be read".to_owned(),
    }
}
