//! Clients that show a certificate (RFC 8705), at a provider that knows how to look at one.

use std::fs;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::scene::{ACCOUNT, Scene, follow, home, line};
use crate::support::daemon::Daemon;
use crate::support::op::{OpenIdProvider, Options};
use crate::support::tls::{AUTHORITY, CLIENT, STRANGER, TlsServer, certificate, forward};

const API: &str = "https://api.example.test/v1";

/// A provider with a server in front of it that looks at certificates, and a daemon that knows both.
fn scene() -> (Scene, TlsServer) {
    let op = OpenIdProvider::start(Options::default()).unwrap();
    let address = op.issuer().strip_prefix("http://").unwrap().to_owned();
    let front = TlsServer::start(&[AUTHORITY, STRANGER], move |seen| {
        forward(&address, seen).unwrap_or_default()
    });
    let home = home();
    let authority = home.path("authority.pem");
    fs::write(&authority, AUTHORITY).unwrap();
    fs::write(home.path("client.pem"), CLIENT).unwrap();
    fs::write(home.path("stranger.pem"), STRANGER).unwrap();
    let home = home.env("SSL_CERT_FILE", authority.to_str().unwrap()).without("SSL_CERT_DIR");
    let mut daemon = Daemon::start(home).unwrap();
    let drafted = daemon.run(&["provider", "new", "--issuer", op.issuer(), "certified"]).unwrap();
    assert!(drafted.status.success(), "{drafted:?}");
    let base = front.base();
    let tables = drafted.stdout.replace("bound_tokens = true\n", "");
    let aliases = format!(
        "token_url = \"{base}/token\"\nuserinfo_url = \"{base}/me\"\n\
         revocation_url = \"{base}/token/revocation\"\n\
         introspection_url = \"{base}/token/introspection\"\n"
    );
    assert!(tables.contains("[mtls]\n"), "what the metadata says of bound tokens: {tables}");
    let text = tables.replace("[mtls]\n", &format!("[mtls]\n{aliases}"));
    fs::create_dir_all(daemon.home().path("config/ostler/providers")).unwrap();
    fs::write(daemon.home().path("config/ostler/providers/certified.toml"), text).unwrap();
    daemon.reload().unwrap();
    (Scene { daemon, op }, front)
}

fn sign_in(scene: &Scene, client: &str, file: &str, more: &[&str]) {
    let path = scene.daemon.home().path(file);
    let words = ["login", "certified", "--as", ACCOUNT, "--no-browser", "--client-id", client];
    let certificate = ["--client-certificate", path.to_str().unwrap(), "--scope", "openid"];
    let mut command = scene.daemon.command(&[&words[..], &certificate, more].concat());
    let (_, finished) = follow(&mut command, "");
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
}

#[test]
fn a_client_that_an_authority_vouches_for_signs_in_refreshes_and_signs_out() {
    let (mut scene, front) = scene();
    sign_in(&scene, "certified", "client.pem", &["--scope", "offline_access", "--scope", "email"]);
    let first = scene.token(ACCOUNT);
    scene.daemon.restart().unwrap();
    let second = scene.renew(ACCOUNT, &first);
    let outcome = line(&scene.daemon.run(&["logout", ACCOUNT, "--json"]).unwrap());
    assert_eq!(outcome, "{\"account\":\"alice\",\"revocation\":\"revoked\"}");
    assert!(!scene.is_active(&second));
    for seen in front.seen() {
        assert_eq!(seen.certificate, certificate(CLIENT));
        assert!(!seen.request.contains("client_secret"), "{}", seen.request);
    }
    assert_eq!(scene.count("reuse"), 0);
}

#[test]
fn a_token_that_says_that_it_is_bound_is_handed_out_with_a_note() {
    let (scene, front) = scene();
    let api = ["--scope", "offline_access", "--scope", "api:read", "--resource", API];
    sign_in(&scene, "self-signed", "stranger.pem", &api);
    let said = scene.daemon.run(&["token", ACCOUNT, "--json"]).unwrap();
    let said: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(said["certificate_bound"], json!(true), "{said}");
    let token = said["access_token"].as_str().unwrap();
    let payload = BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    let print = BASE64URL_NOPAD.encode(&Sha256::digest(certificate(STRANGER)));
    assert_eq!(claims["cnf"]["x5t#S256"], json!(print), "{claims}");
    scene.renew(ACCOUNT, token);
    assert_eq!(scene.account(ACCOUNT)["certificate_bound"], json!(true));
    assert!(front.seen().iter().all(|seen| seen.certificate == certificate(STRANGER)));
    // an ordinary client's tokens are as they were
    let (_, finished) = follow(&mut scene.login("plain", &["--client-id", "native"]), "");
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(scene.account("plain")["certificate_bound"], json!(false));
}
