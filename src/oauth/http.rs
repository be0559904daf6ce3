//! One connection, one request, one answer.
//!
//! Nothing here sends twice: a token endpoint may be asked by GET, which every HTTP stack takes for
//! repeatable, and a rotated refresh token sent again ends the grant. So there is no pool (a
//! request is re-sent only on a reused connection), no redirect (a 307 would carry the secrets
//! elsewhere) and no retry policy. The one exception is a server that wants a nonce of its own in the
//! proof of a request (RFC 9449, 8), and says so instead of looking at the request.

use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue,
    RETRY_AFTER, WWW_AUTHENTICATE,
};
use reqwest::redirect::Policy;
use reqwest::tls::Version;
use rustls::AlertDescription;
use url::Url;
use zeroize::Zeroizing;

use super::certificate::{self, Certificate, Clients, Route};
use super::client::Client;
use super::coding::{self, End, Unpacked};
use super::dpop::{self, Nonces};
use super::error::OauthError;
use super::fields;
use super::request::{Outgoing, TokenRequest};
use super::scrub::plain;
use crate::crash::{self, Point};
use crate::model::{Failure, FailureClass, Now, RawAnswer};
use crate::provider::{check_endpoint, is_loopback};

/// The longest answer that is read, in bytes.
pub(super) const BODY_MAX: usize = 1024 * 1024;

/// The longest value that is kept of a header, in bytes. The head as a whole is capped by the HTTP
/// library, at 100 headers and about 400 KiB.
const HEADER_MAX: usize = 1024;

/// The longest text about a transport error, in characters.
const DETAIL_MAX: usize = 300;

/// How to reach providers.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// The `User-Agent` where a provider's definition names none.
    pub user_agent: String,
    /// How long name lookup, connection and TLS may take together.
    pub connect_timeout: Duration,
    /// How long all may take, to the last byte of the answer.
    pub total_timeout: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            user_agent: concat!("ostler/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(30),
        }
    }
}

/// The way to providers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Http {
    /// By the proxy that the environment names, if any; https alone.
    routed: reqwest::Client,
    /// To literal addresses of this machine, where no proxy has any business. Built when it is
    /// first needed: that reads the trust store once more, and providers here are for trying things
    /// out.
    direct: Arc<OnceLock<Option<reqwest::Client>>>,
    /// For clients that show certificates, one for each: no connection is shared.
    certified: Arc<Clients>,
    /// What servers want to see in proofs.
    nonces: Arc<Nonces>,
    options: Arc<HttpOptions>,
}

/// What takes a token request to its endpoint, once, and brings the answer back.
pub trait Courier: Send + Sync {
    /// Sends it and reads the answer whole.
    fn deliver(&self, request: TokenRequest) -> Delivery<'_>;
}

/// A request on its way.
pub type Delivery<'a> = Pin<Box<dyn Future<Output = Result<RawAnswer, SendError>> + Send + 'a>>;

impl Courier for Http {
    fn deliver(&self, request: TokenRequest) -> Delivery<'_> {
        Box::pin(self.send(request))
    }
}

/// A request that brought no answer, or none that could be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct SendError {
    /// How far the request got: [`FailureClass::NotSent`], [`FailureClass::Ambiguous`],
    /// [`FailureClass::Captive`] for a server that could not prove its name,
    /// [`FailureClass::ClientBroken`] for one that does not take the client's certificate, or
    /// [`FailureClass::Transient`] for a refusal that is too long.
    pub class: FailureClass,
    /// The status, if an answer began.
    pub status: Option<u16>,
    /// What happened, for people. No URL and no secret.
    pub detail: String,
}

impl SendError {
    /// The failure that this is for the grant.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        Failure { status: self.status, ..Failure::new(self.class, self.detail) }
    }
}

impl Http {
    /// Sets the clients up: rustls with the system's trust store, TLS 1.2 or later, HTTP/1.1.
    pub fn new(options: &HttpOptions) -> Result<Self, OauthError> {
        let routed = builder(options).https_only(true).build();
        let routed = routed.map_err(|error| OauthError::Setup { detail: innermost(&error) })?;
        Ok(Self {
            routed,
            direct: Arc::default(),
            certified: Arc::default(),
            nonces: Arc::default(),
            options: Arc::new(options.clone()),
        })
    }

    /// Sends a token request and reads the answer whole.
    pub async fn send(&self, request: TokenRequest) -> Result<RawAnswer, SendError> {
        let mut request = request.0;
        let again = request.again.take();
        let nonce = self.nonces.of(&request.url);
        let answer = self.send_once(request).await?;
        match self.with_nonce(again, nonce.as_deref(), &answer) {
            Some(again) => self.send_once(*again).await,
            None => Ok(answer),
        }
    }

    async fn send_once(&self, request: Outgoing) -> Result<RawAnswer, SendError> {
        crash::point(Point::BeforeSend);
        let (response, refresh_fields) = self.ask(request).await?;
        crash::point(Point::AfterSend);
        let answer = read(response, &refresh_fields).await?;
        crash::point(Point::AfterRead);
        Ok(answer)
    }

    /// The same for what is no token request.
    pub(super) async fn carry(&self, mut request: Outgoing) -> Result<RawAnswer, SendError> {
        let again = request.again.take();
        let nonce = self.nonces.of(&request.url);
        let answer = self.carry_once(request).await?;
        match self.with_nonce(again, nonce.as_deref(), &answer) {
            Some(again) => self.carry_once(*again).await,
            None => Ok(answer),
        }
    }

    async fn carry_once(&self, request: Outgoing) -> Result<RawAnswer, SendError> {
        let (response, refresh_fields) = self.ask(request).await?;
        read(response, &refresh_fields).await
    }

    /// The second try of a request whose proof lacked the server's nonce. It is safe where no other one
    /// is: the server looks at the proof first and has refused the request before it did anything, so no
    /// code and no refresh token is spent. There is one such try, with a nonce that the first did not
    /// have, and it has no second try itself.
    fn with_nonce(
        &self,
        again: Option<Box<Outgoing>>,
        nonce: Option<&str>,
        answer: &RawAnswer,
    ) -> Option<Box<Outgoing>> {
        let again = again.filter(|_| dpop::wants_nonce(answer))?;
        let new = self.nonces.of(&again.url);
        (new.is_some() && new.as_deref() != nonce).then_some(again)
    }

    /// Sends a request and waits for the head of its answer. Gives it with the names under which a
    /// refresh token may come.
    async fn ask(
        &self,
        mut request: Outgoing,
    ) -> Result<(reqwest::Response, Vec<String>), SendError> {
        let refresh_fields = std::mem::take(&mut request.refresh_fields);
        let proved = request.proving.take().map(|proving| (proving, request.url.clone()));
        if let Some((proving, url)) = &proved {
            let proof = proving.header(&request.method, url, self.nonces.of(url).as_deref());
            request.headers.insert(dpop::PROOF, proof.map_err(|error| unsent(error.to_string()))?);
        }
        let response = self.prepare(request)?.send().await;
        let response = response.map_err(|error| without_answer(&error))?;
        if let Some((_, url)) = &proved {
            // servers hand out the next one with any answer, good or bad (RFC 9449, 8.2)
            self.nonces.learn(url, response.headers());
        }
        Ok((response, refresh_fields))
    }

    /// The request, ready to be sent on the way that leads to its address.
    pub(super) fn prepare(&self, request: Outgoing) -> Result<reqwest::RequestBuilder, SendError> {
        let Outgoing { method, url, headers, body, patience, certificate, .. } = request;
        if let Err(problem) = check_endpoint(&url) {
            return Err(unsent(format!("the endpoint {problem}")));
        }
        let client = self.client(&url, certificate.as_ref())?;
        let mut request = client.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.body(body.to_vec());
        }
        if let Some(patience) = patience {
            request = request.timeout(patience.min(self.options.total_timeout));
        }
        Ok(request)
    }

    /// Forgets the certificate of a client, and with it the key.
    pub fn forget_certificate(&self, client: Client<'_>) {
        if let Some(secret) = client.secret {
            self.certified.forget(secret.expose());
        }
    }

    /// The client for an address, or for an address and what is shown there.
    fn client(
        &self,
        url: &Url,
        certificate: Option<&Certificate>,
    ) -> Result<Cow<'_, reqwest::Client>, SendError> {
        let is_here = is_loopback(url);
        let Some(certificate) = certificate else {
            return Ok(Cow::Borrowed(if is_here { self.direct()? } else { &self.routed }));
        };
        let client = if is_here {
            self.certified.showing(certificate, Route::Direct, builder(&self.options).no_proxy())
        } else {
            let builder = builder(&self.options).https_only(true);
            self.certified.showing(certificate, Route::Routed, builder)
        };
        client.map(Cow::Owned).map_err(|error| SendError {
            class: error.class(),
            status: None,
            detail: error.to_string(),
        })
    }

    /// Whether a client's secret is a certificate that can be shown now, with its key; fine as well if it
    /// is none at all.
    pub fn check_certificate(&self, client: Client<'_>, now: Now) -> Result<(), OauthError> {
        match certificate::shown(client, now)? {
            Some(certificate) => self
                .certified
                .showing(&certificate, Route::Routed, builder(&self.options).https_only(true))
                .map(drop),
            None => Ok(()),
        }
    }

    fn direct(&self) -> Result<&reqwest::Client, SendError> {
        let client = self.direct.get_or_init(|| builder(&self.options).no_proxy().build().ok());
        client.as_ref().ok_or_else(|| unsent("the HTTP client could not be set up".to_owned()))
    }
}

fn builder(options: &HttpOptions) -> reqwest::ClientBuilder {
    // answers are small; what is packed all the same is unpacked
    let plain = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    reqwest::Client::builder()
        .default_headers(plain)
        .user_agent(&options.user_agent)
        .connect_timeout(options.connect_timeout)
        .timeout(options.total_timeout)
        .tls_version_min(Version::TLS_1_2)
        .http1_only()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .referer(false)
}

/// Reads an answer to its end, and unpacks it. One that breaks off is ambiguous, as is one that succeeded and is too
/// long, packed or unpacked, unless a new refresh token came before the break: then the request is known to have been
/// served, and what came is handed on, for the token in it is the only one that still works.
async fn read(
    mut response: reqwest::Response,
    refresh_fields: &[String],
) -> Result<RawAnswer, SendError> {
    let status = response.status().as_u16();
    let succeeded = response.status().is_success();
    let announced = response.content_length().unwrap_or(0);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > BODY_MAX && !succeeded {
        return Err(too_long(status));
    }
    let header = |name: HeaderName| text_of(response.headers(), &name);
    // a list may come in several lines (RFC 9110, 5.3)
    let codings = response.headers().get_all(CONTENT_ENCODING).into_iter();
    let codings: Vec<_> =
        codings.map(|coding| String::from_utf8_lossy(coding.as_bytes())).collect();
    let coding = codings.join(",");
    let mut answer = RawAnswer {
        status,
        content_type: header(CONTENT_TYPE),
        retry_after: header(RETRY_AFTER),
        date: header(DATE),
        www_authenticate: header(WWW_AUTHENTICATE),
        body: Zeroizing::default(),
    };
    let mut body = Buffer::new(announced.min(BODY_MAX));
    let broken = loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.0.len() + chunk.len() > BODY_MAX => {
                body.push(&chunk[..BODY_MAX - body.0.len()]);
                break Some(too_long(status));
            }
            Ok(Some(chunk)) => body.push(&chunk),
            Ok(None) => break None,
            Err(error) => {
                let why = if error.is_timeout() { "stopped coming" } else { "broke off" };
                break Some(SendError {
                    class: FailureClass::Ambiguous,
                    status: Some(status),
                    detail: format!("the answer {why} after {} bytes", body.0.len()),
                });
            }
        }
    };
    let Unpacked { bytes, end } = coding::unpack(&coding, body.0, BODY_MAX);
    answer.body = bytes;
    let broken = broken.or_else(|| match end {
        End::Whole => None,
        End::Longer => Some(too_long(status)),
        End::Damaged => Some(SendError {
            class: FailureClass::Ambiguous,
            status: Some(status),
            detail: "the answer cannot be unpacked".to_owned(),
        }),
    });
    match broken {
        // a refusal brings no token that could be lost
        Some(error) if error.class != FailureClass::Ambiguous => Err(error),
        Some(error) if fields::salvage(&answer.body, refresh_fields).is_none() => Err(error),
        Some(_) | None => Ok(answer),
    }
}

/// An answer that succeeded may have rotated the token: what came of it may hold the new one.
fn too_long(status: u16) -> SendError {
    let class = if (200..300).contains(&status) {
        FailureClass::Ambiguous
    } else {
        FailureClass::Transient
    };
    let detail = format!("the answer is longer than {BODY_MAX} bytes");
    SendError { class, status: Some(status), detail }
}

/// Bytes that leave no copy behind when they need more room.
struct Buffer(Zeroizing<Vec<u8>>);

impl Buffer {
    fn new(announced: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(announced.max(4096))))
    }

    fn push(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * self.0.capacity())));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }
}

pub(super) fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let bytes = headers.get(name)?.as_bytes();
    Some(String::from_utf8_lossy(&bytes[..bytes.len().min(HEADER_MAX)]).into_owned())
}

/// How far a request got that has no answer. Only what failed before there was a connection is
/// known not to have been sent.
pub(super) fn without_answer(error: &reqwest::Error) -> SendError {
    // said in the handshake, or behind it, but before anything is read (RFC 8446, 4.4.2.4)
    if let Some(problem) = certificate_refused(error) {
        let class = FailureClass::ClientBroken;
        let detail = format!("the server does not take the client's certificate: {problem}");
        return SendError { class, status: None, detail };
    }
    if !error.is_connect() && !error.is_builder() {
        let detail = if error.is_timeout() {
            "no answer in time".to_owned()
        } else {
            format!("no answer: {}", innermost(error))
        };
        return SendError { class: FailureClass::Ambiguous, status: None, detail };
    }
    if let Some(problem) = certificate_problem(error) {
        let class = FailureClass::Captive;
        let detail = format!("the server could not prove its name: {problem}");
        return SendError { class, status: None, detail };
    }
    unsent(if error.is_dns() {
        format!("the provider's name was not found: {}", innermost(error))
    } else if error.is_timeout() {
        "no connection in time".to_owned()
    } else {
        format!("no connection: {}", innermost(error))
    })
}

fn unsent(detail: String) -> SendError {
    SendError { class: FailureClass::NotSent, status: None, detail }
}

pub(super) fn certificate_problem(error: &reqwest::Error) -> Option<String> {
    causes(error).find_map(|cause| match cause.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(problem) => Some(fit(&problem.to_string())),
        _ => None,
    })
}

/// What a server says that wants another certificate of the client, or one at all.
pub(super) fn certificate_refused(error: &reqwest::Error) -> Option<&'static str> {
    causes(error).find_map(|cause| match cause.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => Some("it wants one"),
            AlertDescription::CertificateExpired => Some("it ended"),
            AlertDescription::CertificateRevoked => Some("it was revoked"),
            AlertDescription::UnknownCA => Some("nobody known to it signed it"),
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown => Some("no reason is given"),
            _ => None,
        },
        _ => None,
    })
}

/// What the innermost cause says. The outer ones repeat the URL.
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error)
        .last()
        .map_or_else(|| "no cause given".to_owned(), |cause| fit(&cause.to_string()))
}

fn fit(text: &str) -> String {
    plain(text).trim().chars().take(DETAIL_MAX).collect()
}

/// The causes of an error, from the outside in and without itself. An [`io::Error`] is opened: its
/// `source` skips the very error that it holds.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(cause(error), |error| cause(*error))
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match held {
        Some(held) => Some(held),
        None => error.source(),
    }
}
