//! The page on this machine to which a provider sends the browser (RFC 8252, 7.3): as much of
//! HTTP/1.1 as one GET needs, and a place where nothing else can be had.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::error::OauthError;
use super::page::{self, CallbackPage, Page};
use crate::provider::{LoopbackHost, Redirect};

/// The path that is registered at providers.
const PATH: &str = "/callback";

/// The longest head of a request, in bytes.
const HEAD_MAX: usize = 8 * 1024;

/// How many connections are read at once. Browsers open some ahead of need; the others wait.
const CONNECTIONS_MAX: usize = 8;

/// How long a request may take to arrive, and its answer to leave.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long a connection is kept for what the browser still has to send, so that the answer is not
/// lost to a reset.
const LINGER: Duration = Duration::from_secs(1);

/// How often a free port is looked for that is free on both loopback addresses.
const PORT_TRIES: usize = 8;

/// A listener for one sign-in.
pub struct Loopback {
    first: TcpListener,
    /// The other address of `localhost`, which a browser may try first and another user might take.
    second: Option<TcpListener>,
    redirect_uri: String,
    port: u16,
}

impl Loopback {
    /// Listens as the provider's rule demands: on a free port or on the registered one, and never
    /// on another address than a loopback one.
    pub async fn bind(redirect: &Redirect) -> Result<Self, OauthError> {
        match redirect {
            Redirect::LoopbackIp => Self::on(Ipv4Addr::LOCALHOST.into(), 0, "127.0.0.1").await,
            Redirect::FixedPort { port, host: LoopbackHost::Ip } => {
                Self::on(Ipv4Addr::LOCALHOST.into(), *port, "127.0.0.1").await
            }
            Redirect::FixedPort { port, host: LoopbackHost::Ip6 } => {
                Self::on(Ipv6Addr::LOCALHOST.into(), *port, "[::1]").await
            }
            Redirect::FixedPort { port, host: LoopbackHost::Name } => {
                Self::on_localhost(*port).await
            }
            Redirect::Localhost => Self::on_localhost(0).await,
            Redirect::HttpsOnly | Redirect::CustomScheme { .. } => Err(OauthError::NoLoopback),
        }
    }

    /// What is registered of such an address: without a port, where any free one will do.
    #[must_use]
    pub fn registered_uri(redirect: &Redirect) -> Option<String> {
        let at = |host: &str, port: u16| Some(format!("http://{host}:{port}{PATH}"));
        match redirect {
            Redirect::LoopbackIp => Some(format!("http://127.0.0.1{PATH}")),
            Redirect::Localhost => Some(format!("http://localhost{PATH}")),
            Redirect::FixedPort { port, host: LoopbackHost::Ip } => at("127.0.0.1", *port),
            Redirect::FixedPort { port, host: LoopbackHost::Ip6 } => at("[::1]", *port),
            Redirect::FixedPort { port, host: LoopbackHost::Name } => at("localhost", *port),
            Redirect::HttpsOnly | Redirect::CustomScheme { .. } => None,
        }
    }

    /// The redirect URI, for the authorization request and the code exchange.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Serves until a page that is the last. `on_callback` gets path and query of each request for
    /// the registered path, one at a time.
    pub async fn serve<F, Fut>(self, mut on_callback: F)
    where
        F: FnMut(String) -> Fut,
        Fut: Future<Output = CallbackPage>,
    {
        let authorities: Arc<[String]> =
            ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{}", self.port)).into();
        let mut connections = JoinSet::new();
        loop {
            // what has arrived goes before what is arriving: the callback of the user before the
            // connections of whoever else knocks
            tokio::select! {
                biased;
                Some(read) = connections.join_next() => {
                    let Ok(Some((mut stream, target))) = read else { continue };
                    let page = on_callback(target).await;
                    answer(&mut stream, &page.render()).await;
                    if page.is_last() {
                        return;
                    }
                }
                accepted = self.accept(), if connections.len() < CONNECTIONS_MAX => {
                    match accepted {
                        Ok(stream) => {
                            connections.spawn(receive(stream, Arc::clone(&authorities)));
                        }
                        // out of descriptors, as a rule: others may give some back
                        Err(_) => sleep(Duration::from_millis(100)).await,
                    }
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        let Some(second) = &self.second else {
            return self.first.accept().await.map(|(stream, _)| stream);
        };
        // the first goes first, for it is the one that always is there; few connections come at all
        let accepted = tokio::select! {
            biased;
            accepted = self.first.accept() => accepted,
            accepted = second.accept() => accepted,
        };
        accepted.map(|(stream, _)| stream)
    }

    async fn on(address: IpAddr, port: u16, host: &str) -> Result<Self, OauthError> {
        let (first, port) = listen(SocketAddr::from((address, port))).await?;
        let redirect_uri = format!("http://{host}:{port}{PATH}");
        Ok(Self { first, second: None, redirect_uri, port })
    }

    /// On both addresses that a browser may take `localhost` for.
    async fn on_localhost(port: u16) -> Result<Self, OauthError> {
        let mut tries = 0;
        loop {
            let mut here = Self::on(Ipv4Addr::LOCALHOST.into(), port, "localhost").await?;
            match listen(SocketAddr::from((Ipv6Addr::LOCALHOST, here.port))).await {
                Ok((second, _)) => here.second = Some(second),
                Err(OauthError::Listen { source, .. })
                    if source.kind() == io::ErrorKind::AddrInUse
                        && port == 0
                        && tries < PORT_TRIES =>
                {
                    tries += 1;
                    continue;
                }
                Err(OauthError::Listen { source, .. })
                    if source.kind() == io::ErrorKind::AddrInUse =>
                {
                    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, here.port));
                    return Err(OauthError::Listen { address, source });
                }
                // a machine without IPv6
                Err(_) => {}
            }
            return Ok(here);
        }
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, u16), OauthError> {
    let failed = |source| OauthError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    Ok((listener, port))
}

/// Reads one request. What is not a callback is answered here; a callback is handed back with its
/// connection.
async fn receive(mut stream: TcpStream, authorities: Arc<[String]>) -> Option<(TcpStream, String)> {
    let asked = timeout(DEADLINE, read_head(&mut stream)).await.ok()?.ok()?;
    let asked = asked.and_then(|head| callback_of(&head, &authorities));
    match asked {
        Ok(target) => Some((stream, target)),
        Err(status) => {
            answer(&mut stream, &page::plain(status)).await;
            None
        }
    }
}

const BAD: &str = "400 Bad Request";

/// The head of a request, or the status that it deserves.
async fn read_head(stream: &mut TcpStream) -> io::Result<Result<Zeroizing<Vec<u8>>, &'static str>> {
    let mut head = Zeroizing::new(Vec::with_capacity(HEAD_MAX));
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let room = HEAD_MAX - head.len();
        if room == 0 {
            return Ok(Err("431 Request Header Fields Too Large"));
        }
        let read = (&mut *stream).take(room as u64).read_buf(&mut *head).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Ok(head))
}

/// Path and query of a request that is a callback, or the status that it deserves.
fn callback_of(head: &[u8], authorities: &[String]) -> Result<String, &'static str> {
    let head = std::str::from_utf8(head).map_err(|_| BAD)?;
    let mut lines = head.split("\r\n");
    let mut request = lines.next().unwrap_or("").split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (request.next(), request.next(), request.next(), request.next())
    else {
        return Err(BAD);
    };
    if !version.starts_with("HTTP/1.") || !target.bytes().all(|c| c.is_ascii_graphic()) {
        return Err(BAD);
    }
    // A name that somebody else made resolve to this machine is not ours: a page from there would
    // be of the same origin as this one (DNS rebinding).
    let mut hosts = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| value.trim().to_ascii_lowercase())
    });
    let is_ours = hosts.next().is_some_and(|host| authorities.contains(&host));
    if !is_ours || hosts.next().is_some() {
        return Err("421 Misdirected Request");
    }
    if target.split('?').next() != Some(PATH) {
        return Err("404 Not Found");
    }
    if method != "GET" {
        return Err("405 Method Not Allowed");
    }
    Ok(target.to_owned())
}

/// Sends a page and closes the connection. A browser that does not take it has only itself to
/// blame.
async fn answer(stream: &mut TcpStream, page: &Page) {
    let text = format!(
        "HTTP/1.1 {}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: {}\r\nAllow: GET\r\nConnection: close\r\n\r\n{}",
        page.status,
        page.html.len(),
        page::content_security_policy(),
        page.html
    );
    let send = async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await
    };
    if let Ok(Ok(())) = timeout(DEADLINE, send).await {
        let mut rest = stream.take(HEAD_MAX as u64);
        let _ = timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Scopes, noise};
    use tokio::sync::mpsc;

    #[test]
    fn the_document_of_a_client_names_what_browsers_come_back_to() {
        let registered = Loopback::registered_uri(&Redirect::LoopbackIp);
        assert_eq!(registered.as_deref(), Some(crate::model::DOCUMENT_REDIRECTS[0]));
    }

    fn page_for(target: &str) -> CallbackPage {
        if target.contains("state=right") {
            let account = "a".parse().unwrap();
            return CallbackPage::SignedIn { account, scopes: Scopes::default() };
        }
        CallbackPage::StillWaiting { message: "<another>".into() }
    }

    /// A listener that serves, its port, and the callbacks that it gets.
    async fn start(
        redirect: Redirect,
    ) -> (tokio::task::JoinHandle<()>, u16, mpsc::Receiver<String>) {
        let loopback = Loopback::bind(&redirect).await.unwrap();
        let port = loopback.port;
        let (seen, callbacks) = mpsc::channel(16);
        let served = tokio::spawn(loopback.serve(move |target| {
            let seen = seen.clone();
            async move {
                let page = page_for(&target);
                seen.send(target).await.unwrap();
                page
            }
        }));
        (served, port, callbacks)
    }

    async fn ask(port: u16, request: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn it_waits_through_strangers_and_ends_with_the_right_one() {
        let (served, port, mut callbacks) = start(Redirect::LoopbackIp).await;
        let host = format!("Host: 127.0.0.1:{port}\r\n");
        for (request, status) in [
            (format!("POST /callback HTTP/1.1\r\n{host}\r\n"), "405"),
            (format!("HEAD /callback HTTP/1.1\r\n{host}\r\n"), "405"),
            (format!("GET / HTTP/1.1\r\n{host}\r\n"), "404"),
            (format!("GET /callback/x HTTP/1.1\r\n{host}\r\n"), "404"),
            (format!("GET /favicon.ico HTTP/1.1\r\n{host}\r\n"), "404"),
            (format!("GET http://127.0.0.1:{port}/callback HTTP/1.1\r\n{host}\r\n"), "404"),
            (format!("GET /callback HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n"), "421"),
            ("GET /callback HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".into(), "421"),
            ("GET /callback HTTP/1.1\r\n\r\n".into(), "421"),
            (format!("GET /callback HTTP/1.1\r\n{host}{host}\r\n"), "421"),
            (format!("GET /callback SPDY/1\r\n{host}\r\n"), "400"),
            ("nonsense\r\n\r\n".into(), "400"),
            (format!("GET /callback?{} HTTP/1.1\r\n", "x".repeat(HEAD_MAX)), "431"),
            (format!("GET /callback?state=wrong HTTP/1.1\r\n{host}\r\n"), "400"),
        ] {
            let answer = ask(port, &request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
            assert!(answer.contains("Content-Security-Policy: default-src 'none'"), "{answer}");
            assert!(answer.contains("Cache-Control: no-store\r\n"), "{answer}");
            assert!(answer.contains("Referrer-Policy: no-referrer\r\n"), "{answer}");
        }
        assert_eq!(callbacks.recv().await.unwrap(), "/callback?state=wrong");

        let host = format!("Host: LOCALHOST:{port}\r\n");
        let answer = ask(port, &format!("GET /callback?state=right HTTP/1.1\r\n{host}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(callbacks.recv().await.unwrap(), "/callback?state=right");
        served.await.unwrap();
        assert!(callbacks.recv().await.is_none(), "strangers were no callbacks");
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err(), "still listening");
    }

    #[tokio::test]
    async fn connections_that_say_nothing_do_not_keep_the_browser_out() {
        let (served, port, _callbacks) = start(Redirect::LoopbackIp).await;
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS_MAX - 1 {
            idle.push(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap());
        }
        let request =
            format!("GET /callback?state=right HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
        assert!(ask(port, &request).await.starts_with("HTTP/1.1 200 "));
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_is_closed_after_the_deadline() {
        let (served, port, _callbacks) = start(Redirect::LoopbackIp).await;
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        stream.write_all(b"GET /call").await.unwrap();
        let mut rest = Vec::new();
        // nothing is read but the end: the clock is the test's own and runs while all wait
        assert_eq!(stream.read_to_end(&mut rest).await.unwrap_or(0), 0);
        served.abort();
    }

    #[tokio::test]
    async fn localhost_is_both_addresses_of_it() {
        let loopback = Loopback::bind(&Redirect::Localhost).await.unwrap();
        assert_eq!(loopback.redirect_uri(), format!("http://localhost:{}/callback", loopback.port));
        if let Some(second) = &loopback.second {
            let wanted = SocketAddr::from((Ipv6Addr::LOCALHOST, loopback.port));
            assert_eq!(second.local_addr().unwrap(), wanted);
        }
        assert!(loopback.first.local_addr().unwrap().ip().is_loopback());
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = Loopback::bind(&Redirect::FixedPort { port, host: LoopbackHost::Ip })
            .await
            .err()
            .unwrap();
        assert!(error.to_string().starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")));
        let error = Loopback::bind(&Redirect::HttpsOnly).await.err().unwrap();
        assert!(matches!(error, OauthError::NoLoopback));
    }

    const SAMPLES: [&str; 4] = [
        "GET /callback?code=fake&state=x HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: */*\r\n\r\n",
        "GET /callback HTTP/1.0\r\nhost:localhost:8080\r\n\r\n",
        "POST /callback?x HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: 5\r\n\r\nhello",
        "GET http://127.0.0.1:8080/callback HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ];

    proptest! {
        #[test]
        fn any_head_is_a_callback_for_us_or_gets_its_status(
            head in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300),
                noise::mutated(&SAMPLES),
            ],
        ) {
            let ours = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:8080"));
            match callback_of(&head, &ours) {
                Ok(target) => {
                    prop_assert!(target == PATH || target.starts_with("/callback?"), "{}", target);
                    prop_assert!(target.bytes().all(|c| c.is_ascii_graphic()));
                    let text = String::from_utf8(head).unwrap().to_ascii_lowercase();
                    prop_assert!(ours.iter().any(|host| text.contains(host)), "{}", text);
                }
                Err(status) => prop_assert!(status.starts_with('4'), "{}", status),
            }
        }
    }
}
