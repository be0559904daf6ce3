//! The rest of the kit: buses, the agent, the daemon's harness, and the provider that others wrote.

use std::time::Duration;

use serde_json::json;

use crate::client::{CHALLENGE, STATE, Tokens, VERIFIER, authorization, granted, refusal};
use crate::support::agent::{self, Ending};
use crate::support::bus::{Bus, BusKind};
use crate::support::daemon::{Binaries, Daemon, Home, StartError};
use crate::support::http::{Ask, HttpError, Reply};
use crate::support::op::{self, OpenIdProvider};
use crate::support::provider::{Config, Provider};
use crate::support::varlink::{CallError, Varlink};

/// Asks a bus for its id: the shortest proof that it serves clients.
async fn id_of(bus: &Bus) -> String {
    let connection =
        zbus::connection::Builder::address(bus.address()).build().await.expect("the bus listens");
    let bus = zbus::fdo::DBusProxy::new(&connection).await.unwrap();
    bus.get_id().await.unwrap().to_string()
}

#[tokio::test]
async fn both_private_buses_serve_clients() {
    let busd = Bus::busd().unwrap();
    assert_eq!(busd.kind(), BusKind::Busd);
    assert_eq!(id_of(&busd).await.len(), 32);
    let bus = Bus::start().unwrap();
    assert_ne!(id_of(&bus).await, id_of(&busd).await);
}

/// A page at a loopback address, for the end of one sign-in.
fn serve_one_callback() -> (String, std::thread::JoinHandle<()>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let redirect = format!("http://{}/cb", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 8192];
        assert!(stream.read(&mut request).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").unwrap();
    });
    (redirect, server)
}

#[test]
fn the_agent_ends_at_a_loopback_callback() {
    let provider = Provider::start(Config::standard());
    let (redirect, server) = serve_one_callback();
    let ending = agent::visit(&authorization(&provider, &[("redirect_uri", &redirect)])).unwrap();
    server.join().unwrap();
    let Ending::Callback { url, page } = ending else { panic!("{ending:?}") };
    assert!(url.as_str().starts_with(&redirect));
    assert_eq!((page.status, page.text()), (200, "done".to_owned()));
}

/// Signs in at the certified provider.
fn sign_in_at(op: &OpenIdProvider) -> Tokens {
    let (redirect, server) = serve_one_callback();
    let mut url: url::Url = op.url("/auth").parse().unwrap();
    url.query_pairs_mut().extend_pairs([
        ("client_id", "native"),
        ("response_type", "code"),
        ("redirect_uri", &redirect),
        ("scope", "openid offline_access email api:read"),
        ("prompt", "consent"),
        ("state", STATE),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let ending = agent::visit(url.as_str()).unwrap();
    server.join().unwrap();
    assert_eq!(ending.param("state").as_deref(), Some(STATE));
    assert_eq!(ending.param("iss").as_deref(), Some(op.issuer()));
    let code = ending.param("code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "native"),
        ("code", &code),
        ("redirect_uri", &redirect),
        ("code_verifier", VERIFIER),
    ];
    granted(&Ask::post(&op.url("/token"), &form).send().unwrap())
}

fn refresh_at(op: &OpenIdProvider, token: &str) -> Result<Reply, HttpError> {
    let form = [("grant_type", "refresh_token"), ("client_id", "native"), ("refresh_token", token)];
    Ask::post(&op.url("/token"), &form).send()
}

#[test]
fn the_certified_provider_signs_in_rotates_and_detects_reuse() {
    let op = OpenIdProvider::start(op::Options::default()).unwrap();
    let first = sign_in_at(&op);
    let second = granted(&refresh_at(&op, &first.refresh).unwrap());
    assert_ne!(first.refresh, second.refresh);
    assert_eq!(refusal(&refresh_at(&op, &first.refresh).unwrap()), "invalid_grant");
    assert_eq!(refusal(&refresh_at(&op, &second.refresh).unwrap()), "invalid_grant");
    let stats = op.stats().unwrap();
    assert_eq!(
        (&stats["token"], &stats["refresh"], &stats["reuse"]),
        (&json!(4), &json!(3), &json!(1))
    );
}

#[test]
fn the_certified_provider_loses_answers_on_order_and_forgives_with_grace() {
    let grace = Duration::from_mins(1);
    let op = OpenIdProvider::start(op::Options { grace, ..op::Options::default() }).unwrap();
    let tokens = sign_in_at(&op);
    for fault in ["lost_response", "reset_before"] {
        op.next(fault).unwrap();
        let lost = refresh_at(&op, &tokens.refresh);
        assert!(matches!(lost, Err(HttpError::Closed)), "{fault}: {lost:?}");
    }
    op.next("truncate").unwrap();
    let cut = refresh_at(&op, &tokens.refresh);
    assert!(matches!(cut, Err(HttpError::Cut(_))), "{cut:?}");
    op.next("token_type_lower").unwrap();
    let odd = refresh_at(&op, &tokens.refresh).unwrap();
    assert_eq!(odd.json()["token_type"], json!("bearer"));
    granted(&refresh_at(&op, &tokens.refresh).unwrap());
    assert_eq!(op.stats().unwrap()["reuse"], json!(0));
}

/// A service for one connection: it reads a frame and answers with those bytes.
fn answering(reply: &'static [u8]) -> (Varlink, std::thread::JoinHandle<Vec<u8>>) {
    use std::io::{Read, Write};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let service = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).unwrap();
        request.truncate(length);
        stream.write_all(reply).unwrap();
        request
    });
    (Varlink::connect(&path).unwrap(), service)
}

#[test]
fn the_varlink_client_frames_calls_and_takes_replies_apart() {
    let (mut varlink, service) =
        answering(b"{\"parameters\":{\"n\":1},\"continues\":true}\0{\"parameters\":{\"n\":2}}\0");
    let replies: Vec<_> =
        varlink.call_more("org.example.Count", &json!({})).unwrap().map(Result::unwrap).collect();
    assert_eq!(replies, [json!({ "n": 1 }), json!({ "n": 2 })]);
    let request = service.join().unwrap();
    assert_eq!(request.last(), Some(&0));
    let request: serde_json::Value = serde_json::from_slice(&request[..request.len() - 1]).unwrap();
    assert_eq!(request["method"], json!("org.example.Count"));
    assert_eq!(request["more"], json!(true));

    let (mut varlink, _service) =
        answering(b"{\"error\":\"org.example.Bad\",\"parameters\":{\"why\":\"x\"}}\0");
    let error = varlink.call("org.example.Try", &json!({})).unwrap_err();
    assert_eq!(error.name(), Some("org.example.Bad"));
    assert!(matches!(
        varlink.call("org.example.Try", &json!({})),
        Err(CallError::HungUp | CallError::Io(_))
    ));

    let (mut varlink, _service) = answering(b"{\"parameters\":");
    let cut = varlink.call("org.example.Try", &json!({}));
    assert!(matches!(cut, Err(CallError::Io(_))), "{cut:?}");
}

#[test]
fn a_daemon_that_ends_before_it_is_ready_is_reported_with_its_log() {
    let binaries = Binaries { ostlerd: "/bin/false".into(), ostler: "/bin/true".into() };
    let started = Daemon::start(Home::new(binaries).unwrap());
    let Err(StartError::Ended { status, log }) = started else { panic!("{started:?}") };
    assert_eq!((status.code(), &*log), (Some(1), ""));
}

/// A stand-in that says it is ready the way a service does, and then sleeps.
const READY: &str =
    "#!/bin/sh\necho started >&2\nsystemd-notify --ready --status=idle\nexec sleep 600\n";

#[test]
fn a_daemon_that_is_ready_can_be_killed_ended_and_started_again() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("daemon");
    std::fs::write(&script, READY).unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let binaries = Binaries { ostlerd: script, ostler: "/usr/bin/env".into() };
    let home = Home::new(binaries).unwrap().config("providers/x.toml", "id = 1").unwrap();
    let mut daemon = Daemon::start(home.env("COLOUR", "green")).unwrap();
    assert!(daemon.notices().unwrap().contains(&"STATUS=idle".to_owned()));
    daemon.kill9().unwrap();
    daemon.restart().unwrap();
    assert_eq!(daemon.log(), "started\nstarted\n");
    assert!(!daemon.terminate().unwrap().success());
    assert_eq!(daemon.pid(), None);

    let environment = daemon.run(&[]).unwrap();
    assert!(environment.status.success());
    assert!(environment.stdout.contains("COLOUR=green\n"), "{}", environment.stdout);
    assert!(!environment.stdout.contains("CARGO"), "nothing of the test's own session leaks in");
    let file = daemon.home().path("config/ostler/providers/x.toml");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "id = 1");
}
