//! The commands against a scripted daemon on a real socket: what they print, and how they exit.

#![expect(clippy::needless_pass_by_value, reason = "`json!` reads better without a borrow")]

use std::ffi::OsString;
use std::io::{self, Cursor, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use clap::Parser;
use serde_json::{Value, json};

use super::args::Cli;
use super::console::{Colour, Console, Input, Lines, Look, OpenTerminal};
use crate::api::FaultKind;

mod certificate;
mod sign_in;

const TOKEN: &str = "fake-access-token";

/// What the scripted daemon does with a call.
enum Act {
    /// Answers with these frames.
    Say(Vec<Value>),
    /// Writes these bytes and hangs up.
    Garble(Vec<u8>),
    /// Says nothing for as long as the command lives.
    Hang,
}

struct Daemon {
    path: PathBuf,
    asked: Arc<Mutex<Vec<Value>>>,
    _dir: tempfile::TempDir,
}

impl Daemon {
    fn new(answer: impl Fn(&str, &Value) -> Act + Send + Sync + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (answer, log) = (Arc::new(answer), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                thread::spawn(move || serve(stream.unwrap(), &*answer, &log));
            }
        });
        Self { path, asked, _dir: dir }
    }

    /// One that gives every call the same answer.
    fn saying(parameters: Value) -> Self {
        Self::new(move |_, _| Act::Say(vec![json!({"parameters": parameters})]))
    }

    fn run(&self, line: &str) -> Outcome {
        run(&self.path, line, "")
    }

    fn asked(&self, method: &str) -> Vec<Value> {
        let all = self.asked.lock().unwrap();
        let name = format!("dev.ostler.Ostler1.{method}");
        all.iter().filter(|call| call["method"] == name).cloned().collect()
    }
}

fn serve(mut stream: UnixStream, answer: &dyn Fn(&str, &Value) -> Act, log: &Mutex<Vec<Value>>) {
    let mut frame = Vec::new();
    let mut byte = [0];
    while let Ok(1) = stream.read(&mut byte) {
        if byte[0] != 0 {
            frame.push(byte[0]);
            continue;
        }
        let call: Value = serde_json::from_slice(&frame).unwrap();
        frame.clear();
        log.lock().unwrap().push(call.clone());
        let method = call["method"].as_str().unwrap().strip_prefix("dev.ostler.Ostler1.").unwrap();
        match answer(method, &call["parameters"]) {
            Act::Say(answers) => {
                for answer in answers {
                    let frame = format!("{answer}\0");
                    // the command may have had enough
                    let _ = stream.write_all(frame.as_bytes());
                }
            }
            Act::Garble(bytes) => {
                let _ = stream.write_all(&bytes);
                return;
            }
            Act::Hang => loop {
                thread::park();
            },
        }
    }
}

#[derive(Debug)]
struct Outcome {
    code: u8,
    out: String,
    err: String,
}

impl Outcome {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

fn run(path: &Path, line: &str, input: &str) -> Outcome {
    let mut out = Vec::new();
    let (code, err) = run_at(no_terminal, path, line, Cursor::new(input.to_owned()), &mut out);
    Outcome { code, out: String::from_utf8(out).unwrap(), err }
}

fn no_terminal() -> io::Result<Lines<Box<dyn Read + Send>>> {
    Err(io::ErrorKind::NotFound.into())
}

fn run_into(
    path: &Path,
    line: &str,
    input: impl Read + Send + 'static,
    out: &mut dyn Write,
) -> (u8, String) {
    run_at(no_terminal, path, line, input, out)
}

fn run_at(
    terminal: OpenTerminal,
    path: &Path,
    line: &str,
    input: impl Read + Send + 'static,
    out: &mut dyn Write,
) -> (u8, String) {
    let mut err = Vec::new();
    let variables =
        |name: &str| (name == "OSTLER_SOCKET").then(|| OsString::from(path.as_os_str()));
    let mut console = Console {
        out,
        err: &mut err,
        input: Some(Input {
            lines: Lines::new(Box::new(input) as Box<dyn Read + Send>),
            interactive: false,
        }),
        terminal,
        variables: &variables,
        look: &|| Look { width: Some(100), colour: Colour::Never },
        watched: false,
    };
    let cli = Cli::try_parse_from(line.split(' ')).unwrap();
    let code = super::run(cli, &mut console);
    (code, String::from_utf8(err).unwrap())
}

fn token() -> Value {
    json!({"account": "door", "access_token": TOKEN, "token_type": "Bearer",
           "expires_at": 1_800_000_000, "scopes": ["a"], "stale": false})
}

fn account(name: &str, state: &str) -> Value {
    json!({"id": "aaaaaaaaaaaaa", "name": name, "provider": "parqex", "client_id": "cli", "state": state,
           "scopes": ["OPENDOOR"], "expires_at": 1_800_003_480, "last_refresh": 1_799_999_000,
           "next_refresh": 1_800_002_700, "failures": 0, "mode": "always",
           "login_ends_soon": false})
}

fn status(accounts: Value) -> Value {
    json!({"daemon": {"version": "0.1.0", "pid": 42, "started_at": 1_799_992_500,
                      "now": 1_800_000_000, "database": "/home/u/ostler.db",
                      "protection": "a key file", "bus": true},
           "accounts": accounts})
}

fn error(kind: &str, account: Option<&str>, hint: &str) -> Value {
    json!({"error": format!("dev.ostler.Ostler1.{kind}"),
           "parameters": {"account": account, "message": "it went\nwrong", "hint": hint}})
}

#[test]
fn a_token_stands_alone_on_standard_output() {
    let daemon = Daemon::saying(token());
    let outcome = daemon.run("ostler token door --min-valid 300 --scope a --timeout 5");
    assert_eq!(
        (outcome.code, outcome.out.as_str(), outcome.err.as_str()),
        (0, "fake-access-token\n", "")
    );
    assert_eq!(
        daemon.asked("GetToken")[0]["parameters"],
        json!({"account": "door", "min_valid": 300, "scopes": ["a"], "timeout_ms": 5000})
    );
    assert_eq!(daemon.run("ostler token door --json").json(), token());
    let sparse = &daemon.asked("GetToken")[1]["parameters"];
    assert_eq!(*sparse, json!({"account": "door"}), "the daemon knows the defaults");
}

#[test]
fn whoever_says_how_long_a_token_must_last_gets_no_other() {
    let mut stale = token();
    stale["stale"] = true.into();
    let daemon = Daemon::saying(stale);
    assert_eq!(daemon.run("ostler token door").out, "fake-access-token\n");
    let outcome = daemon.run("ostler token door --min-valid 300");
    assert_eq!((outcome.code, outcome.out.as_str()), (75, ""));
    assert!(outcome.err.contains("no token with 300 seconds left"), "{}", outcome.err);
}

#[test]
fn each_fault_has_its_exit_code_and_one_line() {
    for kind in FaultKind::all() {
        let daemon =
            Daemon::new(move |_, _| Act::Say(vec![error(kind.name(), Some("door"), "do x")]));
        let outcome = daemon.run("ostler token door");
        assert_eq!(outcome.code, kind.exit_code(), "{kind:?}");
        assert_eq!(outcome.out, "");
        assert_eq!(outcome.err, "ostler: door: it went wrong; do x\n", "{kind:?}");

        let outcome = daemon.run("ostler token door --json");
        assert_eq!((outcome.code, outcome.out.as_str()), (kind.exit_code(), ""));
        assert_eq!(outcome.err.lines().count(), 1);
        let words: Value = serde_json::from_str(&outcome.err).unwrap();
        assert_eq!(words["fault"], kind.name());
        assert_eq!(words["account"], "door");
    }
}

#[test]
fn a_general_hint_becomes_the_command_to_run() {
    let cases = [
        (
            "LoginRequired",
            "run: ostler login",
            "door",
            "token door",
            "run: ostler login parqex --as door",
        ),
        (
            "LoginRequired",
            "run: ostler login",
            "parqex",
            "token parqex",
            "run: ostler login parqex",
        ),
        (
            "ScopeNotGranted",
            "sign in again with --scope",
            "door",
            "token door --scope B",
            "run: ostler login parqex --as door --scope B --scope OPENDOOR",
        ),
        (
            "NoSuchAccount",
            "run: ostler accounts",
            "dor",
            "token dor",
            "there is door, parqex; or run: ostler login",
        ),
        (
            "NoSuchAccount",
            "run: ostler accounts",
            "dor",
            "logout dor",
            "there is door, parqex; or run: ostler login",
        ),
        (
            "Offline",
            "check the network; ostler keeps trying",
            "door",
            "token door",
            "check the network; ostler keeps trying",
        ),
    ];
    for (kind, general, name, line, concrete) in cases {
        let daemon = Daemon::new(move |method, _| {
            Act::Say(vec![match method {
                "ListAccounts" => json!({"parameters": {"accounts":
                    [account("door", "login-required"), account("parqex", "login-required")]}}),
                _ => error(kind, Some(name), general),
            }])
        });
        let outcome = daemon.run(&format!("ostler {line}"));
        assert_eq!(outcome.err, format!("ostler: {name}: it went wrong; {concrete}\n"));
        assert_eq!(outcome.code, FaultKind::from_name(kind).unwrap().exit_code());
    }
}

#[test]
fn without_a_daemon_there_is_a_way_to_get_one() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    let left_behind = dir.path().join("left-behind");
    drop(UnixListener::bind(&left_behind).unwrap());
    for path in [nowhere, left_behind] {
        let outcome = run(&path, "ostler token door", "");
        assert_eq!((outcome.code, outcome.out.as_str()), (69, ""));
        assert_eq!(outcome.err.lines().count(), 1);
        assert!(
            outcome
                .err
                .ends_with("run: systemctl --user start ostler.socket (or ostlerd by hand)\n")
        );
        let outcome = run(&path, "ostler status --json", "");
        let words: Value = serde_json::from_str(&outcome.err).unwrap();
        assert_eq!(words["fault"], "Unavailable");
    }
    let file = dir.path().join("file").join("below");
    std::fs::write(dir.path().join("file"), "").unwrap();
    let outcome = run(&file, "ostler token door", "");
    assert_eq!(outcome.code, 69);
    assert!(outcome.err.starts_with("ostler: cannot connect to "), "{}", outcome.err);
}

#[test]
fn a_broken_answer_is_an_error_and_never_a_token() {
    let cut = format!("{}\0", json!({"parameters": token()}));
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "hung up"),
        (cut.as_bytes()[..40].to_vec(), "hung up"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n\0".to_vec(), "not a Varlink reply"),
        (b"{\"parameters\":{\"access_token\":7}}\0".to_vec(), "lacks what was asked for"),
        (b"{}\0".to_vec(), "lacks what was asked for"),
        (b"\xff\xfe\0".to_vec(), "not a Varlink reply"),
        (b"{\"error\":\"dev.ostler.Ostler1.Offline\"}\0".to_vec(), "an error without a message"),
        (b"{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"a.B\"}}\0".to_vec(),
         "does not know a.B"),
        (vec![b' '; 17 * 1024 * 1024], "it has no end"),
    ];
    for (bytes, why) in cases {
        let daemon = Daemon::new(move |_, _| Act::Garble(bytes.clone()));
        let outcome = daemon.run("ostler token door");
        assert_eq!((outcome.code, outcome.out.as_str()), (69, ""), "{why}");
        assert_eq!(outcome.err.lines().count(), 1, "{}", outcome.err);
        assert!(outcome.err.contains(why), "{} lacks {why}", outcome.err);
    }
}

#[test]
fn a_daemon_that_says_nothing_is_given_up_a_little_after_the_deadline() {
    let daemon = Daemon::new(|_, _| Act::Hang);
    let outcome = daemon.run("ostler token door --timeout 0");
    assert_eq!(outcome.code, 69);
    assert!(outcome.err.contains("did not answer in time"), "{}", outcome.err);
}

#[test]
fn being_turned_away_before_the_question_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let frame = format!("{}\0", error("Denied", None, "go"));
            stream.unwrap().write_all(frame.as_bytes()).unwrap();
        }
    });
    // connected, answered and closed before a word was said
    for _ in 0..20 {
        let outcome = run(&path, "ostler accounts", "");
        assert_eq!((outcome.code, outcome.err.as_str()), (77, "ostler: it went wrong; go\n"));
    }
}

#[test]
fn nobody_left_to_read_is_no_error_and_a_full_disk_is_one() {
    struct Broken(io::ErrorKind);
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let daemon = Daemon::saying(token());
    for (kind, code, lines) in
        [(io::ErrorKind::BrokenPipe, 0, 0), (io::ErrorKind::StorageFull, 74, 1)]
    {
        let (ended, err) =
            run_into(&daemon.path, "ostler token door", io::empty(), &mut Broken(kind));
        assert_eq!((ended, err.lines().count()), (code, lines), "{err}");
    }
}

#[test]
fn status_is_a_table_and_a_word_on_the_daemon() {
    let mut broken = account("work/mail", "backing-off");
    broken["detail"] = "connection refused".into();
    broken["failures"] = 3.into();
    broken["expires_at"] = 1_799_999_999.into();
    let mut gone = account("old", "login-required");
    for member in ["expires_at", "next_refresh", "last_refresh"] {
        gone.as_object_mut().unwrap().remove(member);
    }
    let daemon = Daemon::saying(status(json!([account("door", "ready"), gone, broken])));
    let outcome = daemon.run("ostler status");
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
    let (table, rest) = outcome.out.split_once("\n\n").unwrap();
    assert_eq!(
        table,
        "ACCOUNT    PROVIDER  STATE           TOKEN        NEXT REFRESH  LAST ERROR\n\
         door       parqex    ready           58 min left  in 45 min     -\n\
         old        parqex    login-required  -            -             -\n\
         work/mail  parqex    backing-off     expired      in 45 min     connection refused (3 times)"
    );
    assert!(rest.starts_with("old needs you: ostler login parqex --as old\n"), "{rest}");
    assert!(rest.contains("ostlerd 0.1.0, process 42, up 2 h 5 min since 20"), "{rest}");
    assert!(
        rest.ends_with("on D-Bus\ndatabase /home/u/ostler.db, protection: a key file\n"),
        "{rest}"
    );
    assert_eq!(daemon.run("ostler status --json").json()["daemon"]["pid"], 42);
}

#[test]
fn status_of_one_account_says_all_there_is_to_say() {
    let daemon = Daemon::saying(status(json!([account("door", "ready")])));
    let outcome = daemon.run("ostler status door");
    for line in ["account        door", "state          ready", "scopes         OPENDOOR"] {
        assert!(outcome.out.lines().any(|shown| shown == line), "{}", outcome.out);
    }
    assert!(outcome.out.contains("(58 min left)") && outcome.out.contains("(16 min ago)"));
    assert_eq!(daemon.run("ostler status door --json").json()["name"], "door");
    assert_eq!(daemon.run("ostler status nope").code, 67);
}

#[test]
fn with_no_account_there_is_a_way_to_get_one() {
    let daemon = Daemon::saying(status(json!([])));
    for line in ["ostler status", "ostler accounts"] {
        assert!(
            daemon.run(line).out.starts_with("no accounts yet; `ostler providers` lists"),
            "{line}"
        );
    }
}

#[test]
fn accounts_providers_logout_and_another_try_are_shown() {
    let daemon = Daemon::new(|method, _| {
        Act::Say(vec![json!({"parameters": match method {
            "ListAccounts" => json!({"accounts": [account("door", "held")]}),
            "ListProviders" => json!({"providers": [{"id": "parqex", "title": "ParqEx",
                "source": "preset", "scopes": [], "redirect": "paste"}]}),
            "Resume" => json!({}),
            _ => json!({"account": "door", "revocation": "failed", "reason": "HTTP status 503"}),
        }})])
    });
    assert_eq!(
        daemon.run("ostler accounts").out,
        "ACCOUNT  PROVIDER  STATE  CLIENT  SCOPES\ndoor     parqex    held   cli     OPENDOOR\n"
    );
    assert_eq!(
        daemon.run("ostler providers").out,
        "PROVIDER  NAME    REDIRECT  SOURCE\nparqex    ParqEx  paste     preset\n"
    );
    assert_eq!(
        daemon.run("ostler logout door").out,
        "signed out: door; the provider did not revoke its tokens, so they are good until they \
         expire (HTTP status 503)\n"
    );
    assert_eq!(
        daemon.run("ostler resume door").out,
        "trying again: door; see: ostler status door\n"
    );
    assert_eq!(daemon.run("ostler resume door --json").json(), json!({}));
    assert_eq!(daemon.run("ostler logout door --json").json()["revocation"], "failed");
    assert_eq!(daemon.run("ostler accounts --json").json()["accounts"][0]["name"], "door");
}

#[test]
fn monitor_shows_a_line_for_each_event_until_the_daemon_stops() {
    let daemon = Daemon::new(|_, _| {
        let event = |parameters: Value| json!({"parameters": parameters, "continues": true});
        let mut signed_out = account("old", "signed-out");
        signed_out.as_object_mut().unwrap().remove("expires_at");
        Act::Say(vec![
            event(json!({"event": "account", "account": signed_out, "new_token": false})),
            event(
                json!({"event": "account", "account": account("door", "ready"), "new_token": true}),
            ),
            event(json!({"event": "removed", "id": "aaaaaaaaaaaaa", "name": "door"})),
            event(json!({"event": "missed", "count": 3})),
            event(json!({"event": "login", "request": "raaaaaaaaaaaaaaaa", "fault":
                {"fault": "LoginFailed", "account": "door", "message": "access denied", "hint": "again"}})),
            error("ShuttingDown", None, "later"),
        ])
    });
    let outcome = daemon.run("ostler monitor");
    let lines: Vec<&str> = outcome.out.lines().collect();
    assert_eq!(lines[0], "old: signed-out at parqex");
    assert!(
        lines[1].starts_with("door: ready at parqex, new token, token until 2027-01-"),
        "{}",
        lines[1]
    );
    assert_eq!(lines[2], "door: removed");
    assert_eq!(lines[3], "missed 3 events; see: ostler status");
    assert_eq!(lines[4], "sign-in failed: door: access denied; again");
    assert_eq!((outcome.code, outcome.err.as_str()), (69, "ostler: it went wrong; later\n"));
    assert_eq!(daemon.asked("Monitor")[0]["more"], true);

    let outcome = daemon.run("ostler monitor --json");
    assert_eq!(outcome.out.lines().count(), 5);
    for line in outcome.out.lines() {
        assert!(serde_json::from_str::<Value>(line).unwrap()["event"].is_string());
    }
}
