//! A client with a secret signs in again, at a provider that wants to know who asks before the user is shown
//! anything: the secret is on disk, and need not be given again.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use serde_json::json;

use crate::database::FILE;
use crate::scene::{ACCOUNT, PROVIDER, Scene, ask, fault, file};
use crate::support::provider::{Auth, Config};

const DEVICE: &str = r#"{"device_code":"fake-device","user_code":"AB-CD","expires_in":600,
    "verification_uri":"https://provider.invalid/device"}"#;
const PUSHED: &str = r#"{"request_uri":"urn:x:1","expires_in":60}"#;

/// A server that answers everything with that. It gives its address and what it has seen.
fn server(body: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let record = Arc::clone(&seen);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut chunk = [0; 4096];
            // as long as the client sends: what it sends is small, and it waits then
            while !is_whole(&request) {
                match stream.read(&mut chunk) {
                    Ok(count) if count > 0 => request.extend_from_slice(&chunk[..count]),
                    _ => break,
                }
            }
            record.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            );
        }
    });
    (base, seen)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.trim().parse().unwrap())
}

/// An account whose client has a secret; its provider has one more endpoint from then on.
fn signed_in(endpoint: &str) -> Scene {
    let mut scene = Scene::signed_in(Config::standard().auth(Auth::Post));
    let mut definition = scene.provider.definition(PROVIDER);
    definition.insert_str(0, &format!("{endpoint}\n"));
    fs::write(scene.daemon.home().path("config/ostler").join(file(PROVIDER)), definition).unwrap();
    scene.daemon.reload().unwrap();
    scene
}

#[test]
fn a_code_for_another_device_is_asked_for_with_the_secret_that_is_on_disk() {
    let (base, seen) = server(DEVICE);
    let scene = signed_in(&format!("device_url = \"{base}/device\""));
    let login = json!({ "provider": PROVIDER, "account": ACCOUNT, "flow": "device" });
    let started = ask(&scene.daemon, "Login", &login).unwrap();
    assert_eq!(started["user_code"], "AB-CD", "{started}");
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 1, "{seen:?}");
    let secret = format!("client_secret={}", scene.provider.config().client.secret);
    assert!(seen[0].contains(&secret), "{seen:?}");
    assert!(!scene.daemon.log().contains(&scene.provider.config().client.secret));
    // a login under another name is one of the same client
    let login = json!({ "provider": PROVIDER, "account": "other", "flow": "device" });
    ask(&scene.daemon, "Login", &login).unwrap();
}

#[test]
fn a_request_is_pushed_with_the_secret_that_is_on_disk() {
    let (base, seen) = server(PUSHED);
    let scene = signed_in(&format!("par_url = \"{base}/par\""));
    let login = json!({ "provider": PROVIDER, "account": ACCOUNT, "flow": "browser" });
    let started = ask(&scene.daemon, "Login", &login).unwrap();
    let uri = started["authorization_uri"].as_str().unwrap();
    assert!(uri.contains("request_uri=urn%3Ax%3A1"), "{started}");
    let secret = &scene.provider.config().client.secret;
    assert!(!uri.contains(secret.as_str()), "{started}");
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].contains(&format!("client_secret={secret}")), "{seen:?}");
}

#[test]
fn a_secret_that_is_given_takes_the_place_of_the_one_on_disk() {
    let (base, seen) = server(DEVICE);
    let scene = signed_in(&format!("device_url = \"{base}/device\""));
    let login = json!({
        "provider": PROVIDER, "account": ACCOUNT, "flow": "device", "client_secret": "fake-newer",
    });
    ask(&scene.daemon, "Login", &login).unwrap();
    let seen = seen.lock().unwrap().clone();
    assert!(seen[0].contains("client_secret=fake-newer"), "{seen:?}");
    // a client that nobody knows has none on disk
    let login = json!({
        "provider": PROVIDER, "account": "other", "client_id": "stranger", "flow": "device",
    });
    ask(&scene.daemon, "Login", &login).unwrap();
}

#[test]
fn a_secret_that_cannot_be_read_is_no_reason_to_ask_without_one() {
    let (base, seen) = server(DEVICE);
    let scene = signed_in(&format!("device_url = \"{base}/device\""));
    let database = Connection::open(scene.daemon.home().path(FILE)).unwrap();
    database.execute("UPDATE client SET secret = zeroblob(64)", []).unwrap();
    let login = json!({ "provider": PROVIDER, "account": ACCOUNT, "flow": "device" });
    let (kind, parameters) = fault(ask(&scene.daemon, "Login", &login));
    assert_eq!(kind, "Storage", "{parameters}");
    assert!(
        parameters["message"].as_str().unwrap().contains("secret cannot be read"),
        "{parameters}"
    );
    assert!(seen.lock().unwrap().is_empty());
}
