//! One connection, one request: against servers that misbehave.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::read;
use super::server::{
    BY_GET, REFRESH, SECRET, Server, answer, http, json, provider_at, read_request, refresh,
};
use crate::model::{FailureClass, Landing};
use crate::oauth::{Http, HttpOptions, SendError};

/// What failed, and proof that nothing secret is in it.
fn failure<T: std::fmt::Debug>(result: Result<T, SendError>) -> SendError {
    let error = result.unwrap_err();
    let shown = format!("{error} {error:?}");
    for secret in [SECRET, REFRESH, "http://", "https://", "token?"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    error
}

#[tokio::test]
async fn an_answer_is_taken_as_it_came() {
    let headers = "Content-Type: application/json\r\nRetry-After: 7\r\n\
                   Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nWWW-Authenticate: Basic realm=x\r\n";
    let text = answer("401 Unauthorized", headers, "{}");
    let server = Server::answering(move |_| text.clone()).await;
    let answer = http().send(refresh(&server.provider(""))).await.unwrap();
    assert_eq!(answer.status, 401);
    assert_eq!(answer.content_type.as_deref(), Some("application/json"));
    assert_eq!(answer.retry_after.as_deref(), Some("7"));
    assert_eq!(answer.date.as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_eq!(answer.www_authenticate.as_deref(), Some("Basic realm=x"));
    assert_eq!(answer.body.as_slice(), b"{}");

    let request = server.seen().remove(0).to_ascii_lowercase();
    assert!(request.starts_with("post /token http/1.1\r\n"), "{request}");
    for header in [
        "accept: application/json",
        "accept-encoding: identity",
        "cache-control: no-store",
        "user-agent: ostler/",
    ] {
        assert!(request.contains(header), "{request}");
    }
    for header in ["referer", "cookie", "authorization"] {
        assert!(!request.contains(&format!("{header}:")), "{request}");
    }
}

/// A 307 would have the client send its secrets again, to wherever it says (RFC 9700, 4.12).
#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = Arc::new(Server::answering(|_| json("{}")).await);
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let location = format!("Location: {}\r\n", elsewhere.url("/token"));
        let text = answer(status, &location, "");
        let server = Server::answering(move |_| text.clone()).await;
        for more in ["", BY_GET] {
            let answer = http().send(refresh(&server.provider(more))).await.unwrap();
            assert_eq!(answer.status.to_string(), status[..3]);
        }
        assert_eq!(server.settled().await, 2);
    }
    assert_eq!(elsewhere.settled().await, 0);
}

#[tokio::test]
async fn each_request_has_a_connection_of_its_own() {
    let server = Server::answering(|_| json("{}")).await;
    let (http, provider) = (http(), server.provider(""));
    for _ in 0..3 {
        http.send(refresh(&provider)).await.unwrap();
    }
    assert_eq!(server.settled().await, 3);
}

/// A server may have rotated the token before it went away: sending again is not for HTTP to
/// decide.
#[tokio::test]
async fn a_request_without_an_answer_is_sent_once_and_is_ambiguous() {
    async fn close_at_once(_: TcpStream) -> String {
        String::new()
    }
    async fn close_after_the_line(mut stream: TcpStream) -> String {
        let mut line = String::new();
        while !line.ends_with("\r\n") {
            line.push(char::from(stream.read_u8().await.unwrap()));
        }
        line
    }
    async fn close_after_the_request(mut stream: TcpStream) -> String {
        let request = read_request(&mut stream).await;
        stream.shutdown().await.unwrap();
        request
    }
    async fn reset_after_the_request(mut stream: TcpStream) -> String {
        let request = read_request(&mut stream).await;
        stream.set_zero_linger().unwrap();
        request
    }
    async fn answer_nonsense(mut stream: TcpStream) -> String {
        let request = read_request(&mut stream).await;
        stream.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
        request
    }
    async fn answer_half_a_head(mut stream: TcpStream) -> String {
        let request = read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Ty").await.unwrap();
        request
    }
    async fn answer_with_a_head_without_end(mut stream: TcpStream) -> String {
        let request = read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        let line = format!("X: {}\r\n", "x".repeat(1000));
        while stream.write_all(line.as_bytes()).await.is_ok() {}
        request
    }
    for server in [
        Server::scripted(close_at_once).await,
        Server::scripted(close_after_the_line).await,
        Server::scripted(close_after_the_request).await,
        Server::scripted(reset_after_the_request).await,
        Server::scripted(answer_nonsense).await,
        Server::scripted(answer_half_a_head).await,
        Server::scripted(answer_with_a_head_without_end).await,
    ] {
        for (count, more) in ["", BY_GET].into_iter().enumerate() {
            let error = failure(http().send(refresh(&server.provider(more))).await);
            assert_eq!(error.class, FailureClass::Ambiguous, "{error:?}");
            assert_eq!(server.settled().await, count + 1, "sent again: {:?}", server.seen());
        }
    }
}

#[tokio::test]
async fn an_answer_without_end_is_read_to_the_cap() {
    static WRITTEN: AtomicUsize = AtomicUsize::new(0);
    async fn flood(mut stream: TcpStream) -> String {
        let request = read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await;
        let chunk = vec![b' '; 1024 * 1024];
        for _ in 0..100 {
            if stream.write_all(&chunk).await.is_err() {
                break;
            }
            WRITTEN.fetch_add(chunk.len(), Ordering::Relaxed);
        }
        request
    }
    let server = Server::scripted(flood).await;
    let error = failure(http().send(refresh(&server.provider(""))).await);
    assert_eq!((error.class, error.status), (FailureClass::Ambiguous, Some(200)));
    assert!(error.detail.contains("longer than 1048576 bytes"), "{error}");
    server.settled().await;
    let written = WRITTEN.load(Ordering::Relaxed);
    assert!(written < 32 * 1024 * 1024, "{written} bytes were taken off the server's hands");

    let announced = "HTTP/1.1 500 Oops\r\nContent-Length: 104857600\r\n\r\n";
    let server = Server::answering(move |_| announced.to_owned()).await;
    let error = failure(http().send(refresh(&server.provider(""))).await);
    assert_eq!(error.class, FailureClass::Transient, "an announced one is not even begun");
}

#[tokio::test]
async fn a_server_that_drips_meets_the_deadline() {
    async fn drip(mut stream: TcpStream, start: &str) -> String {
        let request = read_request(&mut stream).await;
        let _ = stream.write_all(start.as_bytes()).await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        request
    }
    let total_timeout = Duration::from_millis(150);
    let options = HttpOptions { total_timeout, ..HttpOptions::default() };
    let http = Http::new(&options).unwrap();
    let head = Server::scripted(|stream| drip(stream, "HTTP/1.1 200 OK\r\nX: ")).await;
    let error = failure(http.send(refresh(&head.provider(""))).await);
    assert_eq!(error.class, FailureClass::Ambiguous);
    assert_eq!(error.detail, "no answer in time");

    let body = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    let body = Server::scripted(move |stream| drip(stream, body)).await;
    let error = failure(http.send(refresh(&body.provider(""))).await);
    assert_eq!((error.class, error.status), (FailureClass::Ambiguous, Some(200)));
    assert!(error.detail.starts_with("the answer stopped coming after"), "{error}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_ambiguous() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"access_token\":\"fake\"",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"refresh_token\":\"fake-ne",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nrefresh_token=fake-new",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{\"access_token\":",
    ] {
        let server = Server::scripted(move |mut stream| async move {
            let request = read_request(&mut stream).await;
            stream.write_all(text.as_bytes()).await.unwrap();
            request
        })
        .await;
        let error = failure(http().send(refresh(&server.provider(""))).await);
        assert_eq!((error.class, error.status), (FailureClass::Ambiguous, Some(200)), "{text}");
        assert!(error.detail.starts_with("the answer broke off after"), "{error}");
    }
}

/// The old token is spent then, and the new one is nowhere else.
#[tokio::test]
async fn a_new_refresh_token_before_the_break_is_saved() {
    let server = Server::scripted(|mut stream| async move {
        let request = read_request(&mut stream).await;
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n\
                    {\"refresh_token\":\"fake-new\",\"access_token\":\"fa";
        stream.write_all(text.as_bytes()).await.unwrap();
        request
    })
    .await;
    let provider = server.provider("");
    let answer = http().send(refresh(&provider)).await.unwrap();
    let landing = read(&provider, &answer);
    let Landing::Failed { failure, rescued } = landing else { panic!("{landing:?}") };
    assert_eq!(rescued.unwrap().expose(), "fake-new");
    assert_eq!(failure.class, FailureClass::Ambiguous);
}

#[tokio::test]
async fn a_new_refresh_token_in_an_answer_that_is_too_long_is_saved() {
    for (status, saved) in [("200 OK", true), ("400 Bad Request", false)] {
        let filler = "\u{e9}".repeat(1024 * 1024);
        let body = format!("{{\"refresh_token\":\"fake-new\",\"more\":\"{filler}\"}}");
        let text = answer(status, "Content-Type: application/json\r\n", &body);
        let server = Server::answering(move |_| text.clone()).await;
        let provider = server.provider("");
        let result = http().send(refresh(&provider)).await;
        if saved {
            let landing = read(&provider, &result.unwrap());
            let Landing::Failed { failure, rescued } = landing else { panic!("{landing:?}") };
            assert_eq!(rescued.unwrap().expose(), "fake-new");
            assert_eq!(failure.class, FailureClass::Ambiguous);
        } else {
            assert_eq!(failure(result).class, FailureClass::Transient);
        }
    }
}

#[tokio::test]
async fn what_has_no_connection_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error =
        failure(http().send(refresh(&provider_at(&format!("http://{address}/"), ""))).await);
    assert_eq!(error.class, FailureClass::NotSent);
    assert!(error.detail.contains("refused"), "{error}");

    // a server that speaks no TLS, and one that says nothing at all
    let server = Server::scripted(|mut stream| async move {
        stream.write_all(answer("400 Bad Request", "", "").as_bytes()).await.unwrap();
        stream.read_u8().await.map(|byte| byte.to_string()).unwrap_or_default()
    })
    .await;
    let provider = provider_at(&format!("https://{}/token", server.address), "");
    let error = failure(http().send(refresh(&provider)).await);
    assert_eq!(error.class, FailureClass::NotSent, "{error}");

    let server = Server::answering(|_| json("{}")).await;
    let provider = provider_at(&format!("https://{}/token", server.address), "");
    let connect_timeout = Duration::from_millis(100);
    let hasty = Http::new(&HttpOptions { connect_timeout, ..HttpOptions::default() }).unwrap();
    let error = failure(hasty.send(refresh(&provider)).await);
    assert_eq!(error.class, FailureClass::NotSent);
    assert_eq!(error.detail, "no connection in time");

    let text = error.clone().into_failure();
    assert_eq!((text.class, text.detail), (error.class, error.detail));
}

#[tokio::test]
async fn a_secret_is_not_sent_in_the_clear_but_to_this_machine() {
    let mut request = refresh(&provider_at("http://127.0.0.1:1/token", ""));
    request.0.url.set_host(Some("192.0.2.1")).unwrap();
    let error = failure(http().send(request).await);
    assert_eq!(error.class, FailureClass::NotSent);
    assert!(error.detail.contains("must be https"), "{error}");
}

#[tokio::test]
async fn a_server_that_cannot_prove_its_name_is_somebody_else() {
    const PEM: &[u8] = include_bytes!("provider.pem");
    let key = PrivateKeyDer::from_pem_slice(PEM).unwrap();
    let certificate = CertificateDer::from_pem_slice(PEM).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        while session.is_handshaking() {
            if session.complete_io(&mut stream).is_err() {
                return false;
            }
        }
        true
    });
    let provider = provider_at(&format!("https://{address}/token"), BY_GET);
    let error = failure(http().send(refresh(&provider)).await);
    assert_eq!(error.class, FailureClass::Captive, "{error}");
    assert!(error.detail.starts_with("the server could not prove its name: "), "{error}");
    assert!(!served.join().unwrap(), "the handshake came to its end");
}

/// Runs [`with_a_proxy_in_the_environment`] in a process of its own: only there can the environment
/// be set.
#[tokio::test]
async fn a_proxy_is_used_but_never_for_this_machine() {
    let provider = Server::answering(|_| json("{}")).await;
    let proxy = Server::answering(|_| answer("403 Forbidden", "", "")).await;
    let url = proxy.url("");
    let endpoint = provider.url("/token");
    let run = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let test = "oauth::tests::wire::with_a_proxy_in_the_environment";
        command.args(["--exact", test, "--ignored"]).env("OSTLER_TEST_ENDPOINT", endpoint);
        for name in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env(name, &url).env(name.to_uppercase(), &url);
        }
        command.env_remove("no_proxy").env_remove("NO_PROXY").env_remove("REQUEST_METHOD");
        command.output().unwrap()
    });
    let output = run.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(provider.settled().await, 1);
    let seen = proxy.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].starts_with("CONNECT provider.invalid:443 HTTP/1.1\r\n"), "{seen:?}");
}

#[tokio::test]
#[ignore = "run by a_proxy_is_used_but_never_for_this_machine"]
async fn with_a_proxy_in_the_environment() {
    let endpoint = std::env::var("OSTLER_TEST_ENDPOINT").unwrap();
    let http = http();
    let answer = http.send(refresh(&provider_at(&endpoint, ""))).await.unwrap();
    assert_eq!(answer.status, 200);
    let elsewhere = provider_at("https://provider.invalid/token", BY_GET);
    assert_eq!(failure(http.send(refresh(&elsewhere)).await).class, FailureClass::NotSent);
}
