//! A client that shows a certificate (RFC 8705), from the login to the logout.

use std::fs;

use serde_json::{Value, json};

use crate::scene::{
    ACCOUNT, PROVIDER, Scene, ask, failed, fault, file, files, home, succeeded, token_of,
};
use crate::support::daemon::Daemon;
use crate::support::login::{Introduction, Login};
use crate::support::provider::{Config, Provider};
use crate::support::tls::{AUTHORITY, CLIENT, STRANGER, TlsServer, certificate, forward};

/// A provider whose token and revocation endpoints are behind a server that wants a certificate, at the
/// aliases; the browser's page is where it always is.
fn scene() -> (Scene, TlsServer) {
    let provider = Provider::start(Config::standard());
    let address = provider.base().strip_prefix("http://").unwrap().to_owned();
    let front =
        TlsServer::start(&[AUTHORITY], move |seen| forward(&address, seen).unwrap_or_default());
    let base = front.base();
    let definition = provider
        .definition(PROVIDER)
        .replace("client_auth = \"none\"", "client_auth = \"tls_client_auth\"");
    let definition = format!(
        "{definition}\n[mtls]\nbound_tokens = true\ntoken_url = \"{base}/token\"\n\
         revocation_url = \"{base}/revoke\"\n"
    );
    let home = home().config(&file(PROVIDER), &definition).unwrap();
    let authority = home.path("authority.pem");
    fs::write(&authority, AUTHORITY).unwrap();
    for (name, pem) in [("both.pem", CLIENT), ("stranger.pem", STRANGER)] {
        let (chain, key) = pem.split_at(pem.find("-----BEGIN PRIVATE").unwrap());
        fs::write(home.path(name), pem).unwrap();
        fs::write(home.path(&format!("chain-{name}")), chain).unwrap();
        fs::write(home.path(&format!("key-{name}")), key).unwrap();
    }
    let trusted = authority.to_str().unwrap();
    let home = home.env("SSL_CERT_FILE", trusted).without("SSL_CERT_DIR");
    (Scene::of(Daemon::start(home).unwrap(), provider), front)
}

fn path(scene: &Scene, name: &str) -> String {
    scene.daemon.home().path(name).to_str().unwrap().to_owned()
}

#[test]
fn a_client_is_known_by_its_certificate_from_the_login_to_the_logout() {
    let (scene, front) = scene();
    let (chain, key) = (path(&scene, "chain-both.pem"), path(&scene, "key-both.pem"));
    let mut login = Login::new(PROVIDER, ACCOUNT);
    login.arguments = vec!["--client-certificate", &chain, "--client-key", &key];
    scene.run_login(&login);
    let token = scene.token();
    assert!(scene.admits(&token_of(&scene.renew(&token).unwrap())));
    let status = succeeded(&scene.daemon.run(&["status", ACCOUNT]).unwrap()).to_owned();
    assert!(status.contains("certificate    2036-11-23"), "{status}");
    assert!(status.contains("token bound    to the client's certificate"), "{status}");
    // the doctor has none to show, and asks at the alias
    let (report, code) = crate::doctor::report(scene.daemon.home());
    let found = report["findings"].as_array().unwrap();
    let origin = found.iter().find(|finding| finding["subject"] == front.base()).unwrap();
    assert_eq!((code, &origin["level"]), (0, &json!("ok")), "{report}");
    assert!(origin["message"].as_str().unwrap().contains("without a certificate"), "{origin}");
    // everybody who is given the token is told what it is worth
    let answer = ask(&scene.daemon, "GetToken", &json!({ "account": ACCOUNT })).unwrap();
    assert_eq!(answer["certificate_bound"], true, "{answer}");
    assert_eq!(scene.account()["certificate_bound"], true);
    assert_eq!(scene.account()["certificate_ends_at"], 2_111_083_634);
    let said = scene.daemon.run(&["token", ACCOUNT]).unwrap();
    assert_eq!((said.stdout.lines().count(), said.stderr.as_str()), (1, ""), "for scripts");

    let finished = scene.daemon.run(&["logout", ACCOUNT, "--json"]).unwrap();
    let answer: Value = serde_json::from_str(succeeded(&finished)).unwrap();
    assert_eq!(answer["revocation"], json!("revoked"), "{answer}");
    let seen = front.seen();
    assert!(seen.len() >= 3, "{seen:?}");
    for seen in &seen {
        assert_eq!(seen.certificate, certificate(CLIENT));
        assert!(seen.request.contains(&format!("client_id={}", scene.provider.config().client.id)));
        for other in ["client_secret", "client_assertion", "uthorization:", "BEGIN"] {
            assert!(!seen.request.contains(other), "{other}: {}", seen.request);
        }
    }
    assert_eq!(scene.provider.log().requests.len(), 2, "nothing came but through the front");
    scene.assert_clean();
}

#[test]
fn the_key_is_kept_sealed_and_is_said_nowhere() {
    let (mut scene, front) = scene();
    let both = path(&scene, "both.pem");
    let mut login = Login::new(PROVIDER, ACCOUNT);
    login.arguments = vec!["--client-certificate", &both];
    scene.run_login(&login);
    scene.daemon.restart().unwrap();
    // the certificate is there still, and need not be given again
    let token = scene.token();
    assert!(scene.admits(&token_of(&scene.renew(&token).unwrap())));
    let again = Login { client: Introduction::Known, ..Login::new(PROVIDER, ACCOUNT) };
    scene.run_login(&again);
    assert!(front.seen().iter().all(|seen| seen.certificate == certificate(CLIENT)));
    let key = CLIENT.lines().skip_while(|line| !line.contains("BEGIN PRIVATE")).nth(1).unwrap();
    assert!(!scene.daemon.log().contains(key));
    for below in ["state", "data", "run", "cache", "config"] {
        for (name, bytes) in files(&scene.daemon.home().path(below)) {
            let found = bytes.windows(key.len()).any(|part| part == key.as_bytes());
            assert!(!found, "{name}");
        }
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_before_anybody_visits_a_page() {
    let (scene, front) = scene();
    let (chain, foreign) = (path(&scene, "chain-both.pem"), path(&scene, "key-stranger.pem"));
    let both = path(&scene, "both.pem");
    let login = |more: &[&str]| {
        let client = &scene.provider.config().client.id;
        let words = ["login", PROVIDER, "--no-browser", "--client-id", client];
        scene.daemon.run(&[&words[..], more].concat()).unwrap()
    };
    for (words, says) in [
        (vec!["--client-certificate", &chain], "has no key; give it with --client-key"),
        (vec!["--client-certificate", &both, "--client-key", &foreign], "has a key already"),
        (vec!["--client-certificate", &foreign], "there is no certificate in PEM"),
    ] {
        let refused = login(&words);
        assert!(failed(&refused, 64).contains(says), "{refused:?}");
    }
    let refused = login(&["--client-certificate", &chain, "--client-key", &foreign]);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(refused.stderr.contains("needs the private key that belongs to it"), "{refused:?}");
    assert_eq!(scene.provider.log().authorizations, 0);
    assert!(front.seen().is_empty());
}

#[test]
fn a_certificate_that_the_provider_does_not_know_holds_the_client_and_says_why() {
    let (scene, front) = scene();
    let both = path(&scene, "stranger.pem");
    let mut login = Login::new(PROVIDER, ACCOUNT);
    login.arguments = vec!["--client-certificate", &both];
    let refused = login.run(&scene.daemon, &scene.provider).unwrap();
    assert!(!refused.status.success(), "{refused:?}");
    assert!(refused.stderr.contains("does not take the client's certificate"), "{refused:?}");
    assert!(front.seen().is_empty());
    let (kind, _) = fault(ask(&scene.daemon, "GetToken", &json!({ "account": ACCOUNT })));
    assert_eq!(kind, "NoSuchAccount");
}
