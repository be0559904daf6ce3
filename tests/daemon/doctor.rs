//! `ostler doctor`, in sickness and in health.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use crate::database;
use crate::scene::{ACCOUNT, PROVIDER, Scene, ask, fault, fault_kind, file, home, renew, token_of};
use crate::support::daemon::{Daemon, Home};
use crate::support::process;
use crate::support::provider::{Config, Fault};
use crate::support::secret;

/// What the doctor says, and how the command ended.
#[track_caller]
pub(crate) fn report(home: &Home) -> (Value, i32) {
    let patience = std::time::Duration::from_mins(1);
    let finished = process::run(&mut home.command(&["doctor", "--json"]), "", patience).unwrap();
    assert_eq!(finished.stderr, "", "{finished:?}");
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    let levels: Vec<&str> =
        findings(&report).map(|found| found["level"].as_str().unwrap()).collect();
    let count = |level| levels.iter().filter(|known| **known == level).count();
    assert_eq!(report["problems"], json!(count("problem")), "{report}");
    assert_eq!(report["warnings"], json!(count("warning")), "{report}");
    let mut sorted = levels.clone();
    sorted
        .sort_by_key(|level| ["problem", "warning", "ok"].iter().position(|known| known == level));
    assert_eq!(levels, sorted, "the worst comes first");
    (report, finished.status.code().unwrap())
}

fn findings(report: &Value) -> impl Iterator<Item = &Value> {
    report["findings"].as_array().unwrap().iter()
}

/// The findings of an area that are not well.
fn ill<'a>(report: &'a Value, area: &str) -> Vec<&'a Value> {
    findings(report).filter(|found| found["area"] == area && found["level"] != "ok").collect()
}

/// The only finding that is not well.
#[track_caller]
fn only_ill(report: &Value) -> &Value {
    let ill: Vec<&Value> = findings(report).filter(|found| found["level"] != "ok").collect();
    assert_eq!(ill.len(), 1, "{report:#}");
    assert!(!ill[0]["hint"].as_str().unwrap().is_empty(), "it says what to do: {report:#}");
    ill[0]
}

fn text_of<'a>(finding: &'a Value, member: &str) -> &'a str {
    finding[member].as_str().unwrap_or_else(|| panic!("no {member}: {finding}"))
}

/// A daemon with an account that from now on refreshes elsewhere.
fn moved_to(scene: &mut Scene, base: &str) {
    let path = scene.daemon.home().path("config/ostler").join(file(PROVIDER));
    let definition = scene.provider.definition(PROVIDER);
    let here = format!("{}/oauth/v2/endpoints/token/", scene.provider.base());
    assert!(definition.contains(&here));
    fs::write(&path, definition.replace(&here, &format!("{base}/token"))).unwrap();
    scene.daemon.reload().unwrap();
}

/// A server that gives each visitor that answer, for as long as the test runs.
fn answering(text: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(text.as_bytes());
        }
    });
    base
}

#[test]
fn in_health_everything_is_looked_at_and_all_is_well() {
    let scene = Scene::signed_in(Config::parqex());
    let (report, code) = report(scene.daemon.home());
    assert_eq!(code, 0, "{report:#}");
    for area in ["daemon", "socket", "file", "key", "database", "provider", "account"] {
        assert!(findings(&report).any(|found| found["area"] == area), "{area}: {report:#}");
    }
    let shown = scene.daemon.run(&["doctor"]).unwrap();
    assert!(shown.status.success() && shown.stderr.is_empty(), "{shown:?}");
    assert!(shown.stdout.contains("ok       account door: ready, token good for "), "{shown:?}");
    assert!(shown.stdout.contains("\n\nall is well: "), "{shown:?}");
    // no colour, and no token request, for anybody to see
    assert!(!shown.stdout.contains('\x1b'), "{shown:?}");
    assert_eq!(scene.provider.log().refreshes().count(), 0);
}

#[test]
fn without_a_daemon_it_says_how_to_start_one() {
    let home = home();
    let (found, code) = report(&home);
    assert_eq!(code, 1);
    let finding = only_ill(&found);
    assert_eq!(finding["area"], "daemon");
    assert_eq!(text_of(finding, "message"), "nobody listens there");
    assert!(text_of(finding, "hint").starts_with("run: "), "{finding}");
    let (found, code) = report(&home.without("XDG_RUNTIME_DIR"));
    assert_eq!(code, 1);
    assert!(text_of(only_ill(&found), "message").contains("XDG_RUNTIME_DIR"));
}

#[test]
fn a_provider_that_is_not_there_is_told_with_who_needs_it() {
    let mut scene = Scene::signed_in(Config::parqex());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    moved_to(&mut scene, &format!("http://{nobody}"));
    let (report, code) = report(scene.daemon.home());
    assert_eq!(code, 1);
    let finding = only_ill(&report);
    assert_eq!(text_of(finding, "subject"), format!("http://{nobody}"));
    let message = text_of(finding, "message");
    assert!(
        message.starts_with("no connection: ") && message.ends_with("needed by door"),
        "{message}"
    );
    assert!(text_of(finding, "hint").contains(&format!("curl -sSI http://{nobody}/")), "{finding}");
}

#[test]
fn a_server_that_cannot_prove_its_name_is_told_from_one_that_is_not_there() {
    const PEM: &[u8] = include_bytes!("../../src/oauth/tests/provider.pem");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(PEM).unwrap()],
            PrivateKeyDer::from_pem_slice(PEM).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            shake_hands(&config, &mut stream);
        }
    });
    let mut scene = Scene::signed_in(Config::parqex());
    let definition = scene.provider.definition(PROVIDER);
    moved_to(&mut scene, &format!("https://{address}"));
    let (report, code) = report(scene.daemon.home());
    assert_eq!(code, 1);
    let finding = only_ill(&report);
    assert!(text_of(finding, "message").starts_with("the server could not prove its name: "));
    let command = format!("openssl s_client -connect {address}");
    assert!(text_of(finding, "hint").contains(&command), "{finding}");
    // it was sent nothing, and the login is as good as before
    let token = scene.token();
    let (kind, parameters) = fault(scene.renew(&token));
    assert_eq!(kind, "Offline", "{parameters}");
    fs::write(scene.daemon.home().path("config/ostler").join(file(PROVIDER)), definition).unwrap();
    scene.daemon.reload().unwrap();
    assert!(scene.admits(&token_of(&scene.renew(&token).unwrap())));
}

fn shake_hands(config: &Arc<rustls::ServerConfig>, stream: &mut TcpStream) {
    let mut session = rustls::ServerConnection::new(Arc::clone(config)).unwrap();
    while session.is_handshaking() && session.complete_io(stream).is_ok() {}
}

#[test]
fn a_clock_that_is_far_from_the_providers_is_told_and_a_cached_date_is_not_one() {
    let mut scene = Scene::signed_in(Config::parqex());
    moved_to(
        &mut scene,
        &answering("HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"),
    );
    let (found, code) = report(scene.daemon.home());
    assert_eq!(code, 0, "a warning is no problem");
    let finding = only_ill(&found);
    let message = text_of(finding, "message");
    assert!(message.starts_with("this machine's clock is "), "{message}");
    assert!(message.ends_with("ahead of the provider's"), "{message}");
    moved_to(
        &mut scene,
        &answering("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nAge: 5\r\n\r\n"),
    );
    assert_eq!(report(scene.daemon.home()).0["warnings"], 0);
}

#[test]
fn a_damaged_page_is_told_while_the_daemon_goes_on() {
    let mut scene = Scene::signed_in(Config::parqex());
    // which moves everything into the one file
    scene.daemon.restart().unwrap();
    // which waits until the start has looked at each page: it would end the daemon's service
    scene.renew(&scene.token()).unwrap();
    let page = database::root_page(&scene.daemon, "account_client");
    let path = scene.daemon.home().path(database::FILE);
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start((page - 1) * 4096)).unwrap();
    file.write_all(&[0x55; 64]).unwrap();
    drop(file);
    let (report, code) = report(scene.daemon.home());
    assert_eq!(code, 1);
    let finding = ill(&report, "database")[0];
    assert!(text_of(finding, "message").starts_with("the database is damaged: "), "{finding}");
    assert!(text_of(finding, "hint").starts_with("keep a copy before anything else: "));
    assert!(!scene.token().is_empty());
}

#[test]
fn a_file_that_others_can_read_is_told_with_the_daemon_and_without() {
    let mut scene = Scene::signed_in(Config::parqex());
    let keys = scene.daemon.home().path("config/ostler/keys.toml");
    fs::set_permissions(&keys, Permissions::from_mode(0o644)).unwrap();
    let command = format!("run: chmod 600 '{}'", keys.display());
    let (found, code) = report(scene.daemon.home());
    assert_eq!(code, 1);
    assert_eq!(text_of(ill(&found, "file")[0], "hint"), command);
    // this daemon still serves; the next one does not, and says why
    scene.daemon.restart().unwrap();
    assert_eq!(fault_kind(ask(&scene.daemon, "ListAccounts", &json!({}))), "Storage");
    let (found, code) = report(scene.daemon.home());
    assert_eq!(code, 1);
    assert_eq!(text_of(ill(&found, "file")[0], "hint"), command);
    let told = ill(&found, "daemon")[0];
    assert!(text_of(told, "message").contains("is open to other users"), "{told}");
    assert!(text_of(told, "hint").contains("restart"), "{told}");
}

/// An account whose provider answered a refresh with that; gives what the doctor says of it, as JSON
/// and on paper.
fn after_answer(fault: Fault) -> (Value, String) {
    let scene = Scene::signed_in(Config::parqex());
    let old = scene.token();
    scene.provider.always(fault);
    let question =
        json!({ "account": ACCOUNT, "rejected": secret::fingerprint(&old), "timeout_ms": 3000 });
    ask(&scene.daemon, "GetToken", &question).unwrap_err();
    let (report, _) = report(scene.daemon.home());
    let paper = scene.daemon.run(&["doctor"]).unwrap();
    let log = scene.daemon.log();
    for text in [&report.to_string(), &paper.stdout, &paper.stderr, &log] {
        assert!(secret::leaks(text).is_empty(), "{text}");
    }
    (ill(&report, "account")[0].clone(), paper.stdout)
}

#[test]
fn a_page_in_place_of_tokens_is_shown_by_its_words_and_never_by_its_tokens() {
    let body = format!(
        "<html><head><title>Bad Gateway</title><script>var t='{}'</script></head><body \
         data-t=\"{}\"><h1>502 Bad Gateway</h1><p>Your token is {} and the rest is {}</body></html>",
        secret::make(secret::ACCESS),
        secret::make(secret::REFRESH),
        secret::make(secret::REFRESH),
        secret::make(secret::CODE),
    );
    let bytes = body.len();
    let headers = vec![("content-type", "text/html; charset=utf-8".to_owned())];
    let (finding, paper) = after_answer(Fault::Status { code: 502, headers, body });
    let answer = &finding["answer"];
    assert_eq!((&answer["status"], &answer["bytes"]), (&json!(502), &json!(bytes)));
    assert_eq!(answer["media_type"], "text/html");
    let words = "a page: Bad Gateway 502 Bad Gateway Your token is … and the rest is …";
    assert_eq!(answer["text"], words);
    assert!(paper.contains("HTTP status 502, text/html"), "{paper}");
}

#[test]
fn json_with_tokens_in_it_is_shown_by_its_structure() {
    let token = || secret::make(secret::ACCESS);
    let body = json!({
        "status": "failed",
        "debug": { "access_token": token(), "sent": [token(), 1], "client_secret": "hunter2" },
        (token()): token(),
    });
    let headers = vec![("content-type", "application/json".to_owned())];
    let body = body.to_string();
    let (finding, paper) = after_answer(Fault::Status { code: 400, headers, body });
    let text = text_of(&finding["answer"], "text");
    assert!(text.contains("\"access_token\": text of 32"), "{text}");
    assert!(text.contains("\"…\": text of 32") && text.contains("\"status\": text of 6"), "{text}");
    assert!(!paper.contains("hunter2") && !finding.to_string().contains("hunter2"), "{paper}");
}

#[test]
fn the_words_of_an_answer_that_repeats_what_was_sent_hold_none_of_it() {
    for code in ["temporarily_unavailable", "invalid_client"] {
        let (finding, _) = after_answer(Fault::Echo(code));
        assert_eq!(finding["answer"]["status"], 400, "{finding}");
    }
}

#[test]
fn a_login_that_is_over_is_told_with_the_command_that_mends_it_and_forgotten_when_it_is_mended() {
    let scene = Scene::signed_in(Config::parqex());
    scene.provider.revoke_family("alice");
    assert_eq!(fault_kind(renew(&scene.daemon, ACCOUNT, &scene.token())), "LoginRequired");
    let (found, code) = report(scene.daemon.home());
    assert_eq!(code, 1);
    let finding = only_ill(&found);
    assert!(text_of(finding, "message").contains("invalid_grant"), "{finding}");
    assert_eq!(text_of(finding, "hint"), "run: ostler login test --as door");
    assert_eq!(finding["answer"]["status"], 400);
    scene.sign_in(ACCOUNT);
    let (found, code) = report(scene.daemon.home());
    assert_eq!(code, 0, "{found:#}");
    assert!(!found.to_string().contains("\"answer\""), "{found:#}");
}

#[test]
fn many_who_ask_at_once_get_one_look() {
    let scene = Scene::signed_in(Config::parqex());
    let daemon: &Daemon = &scene.daemon;
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let answer = ask(daemon, "Diagnose", &json!({})).unwrap();
                assert!(answer["findings"].as_array().unwrap().len() >= 4, "{answer}");
            });
        }
    });
}
