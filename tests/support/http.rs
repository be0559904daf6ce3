//! A plain HTTP/1.1 client that shows what was on the wire: it can tell a connection that closed
//! without an answer from an answer that was cut, which clients made for use cannot.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use url::Url;

/// How long a read may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much of an answer is read.
const LIMIT: usize = 1 << 20;

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status code.
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// The body, decoded if it came in chunks.
    pub(crate) body: Vec<u8>,
}

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// There is nobody to talk to.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// The connection closed before the first byte of an answer.
    #[error("the connection closed without an answer")]
    Closed,
    /// The connection closed in the middle of one.
    #[error("the answer was cut after {0} bytes")]
    Cut(usize),
    /// Nothing came for too long.
    #[error("no answer in time")]
    Silent,
    /// There was no end to it.
    #[error("the answer is larger than {LIMIT} bytes")]
    Endless,
    /// It is not HTTP/1.1.
    #[error("not an HTTP answer: {0}")]
    Malformed(&'static str),
}

/// A request under construction.
#[derive(Debug)]
pub(crate) struct Ask {
    method: &'static str,
    url: Url,
    headers: Vec<(String, String)>,
    body: String,
    patience: Duration,
}

impl Ask {
    /// A GET of a URL.
    pub(crate) fn get(url: &str) -> Self {
        Self {
            method: "GET",
            url: url.parse().expect("tests make well-formed URLs"),
            headers: Vec::new(),
            body: String::new(),
            patience: PATIENCE,
        }
    }

    /// A POST of form parameters to a URL.
    pub(crate) fn post(url: &str, form: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        Self { method: "POST", body, ..Self::get(url) }
            .header("Content-Type", "application/x-www-form-urlencoded")
    }

    /// A POST of JSON to a URL.
    pub(crate) fn post_json(url: &str, json: &serde_json::Value) -> Self {
        Self { method: "POST", body: json.to_string(), ..Self::get(url) }
            .header("Content-Type", "application/json")
    }

    /// With query parameters appended.
    pub(crate) fn query(mut self, query: &[(&str, &str)]) -> Self {
        self.url.query_pairs_mut().extend_pairs(query);
        self
    }

    /// With a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With an access token (RFC 6750, 2.1).
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// With less patience than usual.
    pub(crate) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends it on a connection of its own and reads the answer.
    pub(crate) fn send(&self) -> Result<Reply, HttpError> {
        let addresses = self.url.socket_addrs(|| None).map_err(HttpError::Connect)?;
        let mut stream = TcpStream::connect(&*addresses).map_err(HttpError::Connect)?;
        stream.set_read_timeout(Some(self.patience)).map_err(HttpError::Connect)?;
        stream.set_nodelay(true).map_err(HttpError::Connect)?;
        // a server that hangs up early is judged by what it answered, not by what it did not read
        let _ = stream.write_all(self.wire().as_bytes());
        read_reply(&mut stream)
    }

    fn wire(&self) -> String {
        let target = &self.url[url::Position::BeforePath..url::Position::AfterQuery];
        let authority = &self.url[url::Position::BeforeHost..url::Position::AfterPort];
        let mut wire = vec![
            format!("{} {target} HTTP/1.1", self.method),
            format!("Host: {authority}"),
            "Connection: close".to_owned(),
        ];
        wire.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        if self.method == "POST" {
            wire.push(format!("Content-Length: {}", self.body.len()));
        }
        format!("{}\r\n\r\n{}", wire.join("\r\n"), self.body)
    }
}

impl Reply {
    /// The first header of a name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All headers of a name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null if it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

fn read_reply(stream: &mut TcpStream) -> Result<Reply, HttpError> {
    let mut wire = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        if let Some(reply) = parse(&wire, false)? {
            return Ok(reply);
        }
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => wire.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(HttpError::Silent);
            }
            Err(_) => break,
        }
        if wire.len() > LIMIT {
            return Err(HttpError::Endless);
        }
    }
    match parse(&wire, true)? {
        Some(reply) => Ok(reply),
        None if wire.is_empty() => Err(HttpError::Closed),
        None => Err(HttpError::Cut(wire.len())),
    }
}

/// The answer in what has been read, if it is whole. Without a length, it ends with the connection
/// (RFC 9112, 6.3).
fn parse(wire: &[u8], ended: bool) -> Result<Option<Reply>, HttpError> {
    let Some(end) = find(wire, b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&wire[..end]).map_err(|_| HttpError::Malformed("head"))?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|line| line.get(..3)?.parse().ok())
        .ok_or(HttpError::Malformed("status line"))?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut reply = Reply { status, headers, body: Vec::new() };
    let rest = &wire[end + 4..];
    if reply.header("Transfer-Encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    {
        let Some(body) = unchunk(rest)? else { return Ok(None) };
        reply.body = body;
    } else if let Some(length) = reply.header("Content-Length") {
        let length: usize = length.parse().map_err(|_| HttpError::Malformed("length"))?;
        let Some(body) = rest.get(..length) else { return Ok(None) };
        reply.body.extend_from_slice(body);
    } else if ended || matches!(status, 204 | 304) {
        reply.body.extend_from_slice(rest);
    } else {
        return Ok(None);
    }
    Ok(Some(reply))
}

/// Decodes chunks (RFC 9112, 7.1); nothing if the last one is missing.
fn unchunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, HttpError> {
    let mut body = Vec::new();
    loop {
        let Some(end) = find(rest, b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&rest[..end])
            .ok()
            .and_then(|size| usize::from_str_radix(size.split(';').next()?, 16).ok())
            .ok_or(HttpError::Malformed("chunk"))?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Ok(Some(body));
        }
        let Some(chunk) = rest.get(..size) else { return Ok(None) };
        body.extend_from_slice(chunk);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
