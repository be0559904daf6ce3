//! Whether a provider is there: against servers that are, that are rude, and that are not.

use super::server::{Server, answer, http};
use crate::oauth::{Missing, Probe, Reached, proxies};

async fn probe_of(headers: &'static str) -> (Probe, String) {
    let server = Server::answering(move |_| answer("404 Not Found", headers, "")).await;
    let url = format!("http://{}/token?client_secret=fake#x", server.address);
    let probe = http().probe(&url.parse().unwrap()).await;
    (probe, server.seen().remove(0))
}

#[tokio::test]
async fn the_root_is_asked_without_anything_of_the_endpoint() {
    let (probe, request) = probe_of("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n").await;
    assert_eq!(probe, Ok(Reached { status: Some(404), date: Some(784_111_777) }));
    assert!(request.starts_with("HEAD / HTTP/1.1\r\n"), "{request}");
    for word in ["token", "fake", "secret", "authorization", "cookie"] {
        assert!(!request.to_ascii_lowercase().contains(word), "{request}");
    }
}

#[tokio::test]
async fn the_date_of_a_cached_answer_is_no_clock() {
    for headers in ["Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nAge: 7\r\n", "Date: soon\r\n", ""] {
        assert_eq!(probe_of(headers).await.0, Ok(Reached { status: Some(404), date: None }));
    }
}

#[tokio::test]
async fn nobody_there_is_a_missing_connection_and_silence_a_missing_answer() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}/").parse().unwrap();
    assert_eq!(http().probe(&url).await.unwrap_err().missing, Missing::Connection);
    let rude = Server::scripted(|_| async { String::new() }).await;
    let url = rude.url("/").parse().unwrap();
    assert_eq!(http().probe(&url).await.unwrap_err().missing, Missing::Answer);
}

#[test]
fn a_proxy_is_named_without_its_password() {
    let variable = |name: &str| {
        let value = match name {
            "https_proxy" => "http://user:fake-password@proxy.example:3128/path",
            "HTTPS_PROXY" => "proxy.example:8080",
            "ALL_PROXY" => "socks5://:::",
            _ => "",
        };
        Some(value.to_owned())
    };
    let named = proxies(variable);
    assert_eq!(
        named,
        [
            ("https_proxy", "http://proxy.example:3128".to_owned()),
            ("HTTPS_PROXY", "http://proxy.example:8080".to_owned()),
            ("ALL_PROXY", "an address that cannot be read".to_owned()),
        ]
    );
}
