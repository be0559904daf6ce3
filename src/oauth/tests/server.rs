//! Providers on this machine, scripted: real sockets, and a record of all that arrived.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::model::{ClientId, ClientSecret, RefreshToken, Target};
use crate::oauth::{Client, Http, HttpOptions, TokenRequest};
use crate::provider::Provider;

pub(super) const SECRET: &str = "fake-client-secret";
pub(super) const REFRESH: &str = "fake-refresh-token";

/// A server that does the same with each connection.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// One that does as the script says. The script's text is what it saw of the request.
    pub(super) async fn scripted<F, Fut>(script: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = String> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let record = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let saw = script(stream).await;
                record.lock().unwrap().push(saw);
            }
        });
        Self { address, seen, task }
    }

    /// One that answers each request, as a function of it, and leaves the connection open.
    pub(super) async fn answering<F>(answer: F) -> Self
    where
        F: Fn(&str) -> String + Send + Sync + 'static,
    {
        let answer = Arc::new(answer);
        Self::scripted(move |mut stream| {
            let answer = Arc::clone(&answer);
            async move {
                let request = read_request(&mut stream).await;
                let text = answer(&request);
                let _ = stream.write_all(text.as_bytes()).await;
                // a client may send more on it, which then would be seen
                tokio::spawn(async move { stream.read_u8().await });
                request
            }
        })
        .await
    }

    /// What each connection brought.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// How many connections there were, after a client that wanted another has had its chance.
    pub(super) async fn settled(&self) -> usize {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        self.seen().len()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A provider whose endpoints are here.
    pub(super) fn provider(&self, more: &str) -> Provider {
        provider_at(&self.url("/token"), more)
    }
}

pub(super) fn provider_at(token_url: &str, more: &str) -> Provider {
    Provider::parse(&format!(
        "id = \"x\"\ntitle = \"X\"\nauthorization_url = \"https://x.example/a\"\n\
         token_url = \"{token_url}\"\nclient_auth = \"post\"\n{more}"
    ))
    .unwrap()
}

/// ParqEx's way to ask: everything in the URL.
pub(super) const BY_GET: &str = "http = { method = \"get\", body = \"query\" }";

/// One for all tests: to set one up takes longer than most of them.
pub(super) fn http() -> Http {
    static HTTP: LazyLock<Http> = LazyLock::new(|| Http::new(&HttpOptions::default()).unwrap());
    HTTP.clone()
}

pub(super) fn client_id() -> ClientId {
    "fake-client".parse().unwrap()
}

pub(super) fn client_secret() -> ClientSecret {
    ClientSecret::new(SECRET.into())
}

pub(super) fn refresh(provider: &Provider) -> TokenRequest {
    let (id, secret) = (client_id(), client_secret());
    let client = Client { id: &id, secret: Some(&secret) };
    TokenRequest::refresh(
        provider,
        client,
        &RefreshToken::new(REFRESH.into()),
        None,
        &Target::default(),
        super::NOW,
    )
    .unwrap()
}

/// Reads a request, head and body.
pub(super) async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.trim().parse().unwrap()) {
                return String::from_utf8(request).unwrap();
            }
        }
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return String::from_utf8(request).unwrap();
        }
    }
}

/// An answer with a body.
pub(super) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

pub(super) fn json(body: &str) -> String {
    answer("200 OK", "Content-Type: application/json\r\n", body)
}
