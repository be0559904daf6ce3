//! Issuers whose metadata must not be used, or is not there.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::scene::{CLIENT, Scene, fault, home, refused};
use crate::support::daemon::Daemon;

/// What `ostler login` says of an issuer, and its exit code.
fn refusal_of(daemon: &Daemon, issuer: &str) -> (Value, i32) {
    let mut command = daemon.command(&["login", issuer, "--as", "x", "--client-id", CLIENT]);
    let finished = refused(command.args(["--no-browser", "--json"]));
    assert_eq!(finished.stdout, "", "no URL to visit: {finished:?}");
    let accounts = daemon.run(&["accounts", "--json"]).unwrap().stdout;
    assert_eq!(accounts, "{\"accounts\":[]}\n");
    fault(&finished)
}

#[track_caller]
fn assert_refused((fault, code): &(Value, i32), kind: &str, exit: i32, word: &str) {
    assert_eq!((&fault["fault"], *code), (&json!(kind), exit), "{fault}");
    assert!(fault["message"].as_str().unwrap().contains(word), "{fault}");
    assert!(fault["hint"].as_str().unwrap().contains("issuer's address"), "{fault}");
}

/// RFC 8414, 3.3: the issuer in the metadata has to be the one that was asked for, letter by letter.
/// With a slash at its end the very same provider is another issuer.
#[test]
fn the_metadata_of_another_issuer_is_refused() {
    let scene = Scene::new();
    let refusal = refusal_of(&scene.daemon, &format!("{}/", scene.op.issuer()));
    assert_refused(&refusal, "InvalidOption", 64, "letter by letter");
    assert!(refusal.0["message"].as_str().unwrap().contains(scene.op.issuer()), "{refusal:?}");
}

#[test]
fn an_issuer_without_metadata_is_named_as_such() {
    let scene = Scene::new();
    let refusal = refusal_of(&scene.daemon, &scene.op.url("/realms/none"));
    assert_refused(&refusal, "InvalidOption", 64, "publishes no metadata (HTTP status 404)");
}

#[test]
fn a_web_page_is_no_metadata() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    // it serves until the test's process ends, which it does not hold up
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 14\r\n\
                  Connection: close\r\n\r\n<h1>Hello</h1>",
            );
        }
    });
    let daemon = Daemon::start(home()).unwrap();
    assert_refused(&refusal_of(&daemon, &issuer), "InvalidOption", 64, "publishes no metadata");
}

/// A client secret and codes would be readable on the way.
#[test]
fn plain_http_is_for_addresses_of_this_machine_alone() {
    let daemon = Daemon::start(home()).unwrap();
    for issuer in ["http://issuer.example", "http://192.0.2.1:8080/realm", "http://localhost:9"] {
        let refusal = refusal_of(&daemon, issuer);
        assert_refused(&refusal, "InvalidOption", 64, "must be https");
    }
    assert_refused(&refusal_of(&daemon, "https://x.example/?a=b"), "InvalidOption", 64, "query");
}
