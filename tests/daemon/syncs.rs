//! What a refresh waits for on the disk, as the kernel sees it: `strace(1)` watches the real daemon.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::database::FILE;
use crate::scene::{Scene, ask, renew, token_of};
use crate::support::daemon::Daemon;
use crate::support::process;
use crate::support::provider::Config;

const PATIENCE: Duration = Duration::from_secs(40);
const CALLS: &str = "trace=fdatasync,fsync,write,writev,sendto,sendmsg,read,readv,recvfrom,recvmsg";
/// The daemon forbids to be looked into, even by who started it.
const DEBUGGABLE: &str = "exec \"$0\" --debuggable";
/// One refresh of each, which need not be some seconds apart.
const ACCOUNTS: [&str; 5] = ["door", "gate", "hatch", "lid", "valve"];

/// What happened, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A file has been synced by a call, which is back.
    Synced { call: String, path: String },
    /// A request to the provider begins to be written.
    Asked,
    /// The provider's answer has been read.
    Answered,
    /// A caller begins to be told the token.
    Told,
}

/// Whether a program can be watched here at all; a line says so if not.
fn can_watch() -> bool {
    let mut command = Command::new("strace");
    command.args(["-o", "/dev/null", "true"]);
    match process::run(&mut command, "", PATIENCE) {
        Ok(finished) if finished.status.success() => true,
        other => {
            let _ = writeln!(std::io::stderr(), "skipped: strace cannot watch here: {other:?}");
            false
        }
    }
}

/// The steps up to the one in which a caller is told `token`.
fn steps<'a>(lines: &mut impl Iterator<Item = &'a str>, token: &str) -> Vec<Step> {
    let mut syncing = HashMap::new();
    let mut steps = Vec::new();
    for line in lines {
        let (thread, rest) = line.split_once(' ').unwrap();
        let rest = rest.trim_start();
        let resumed = rest.strip_prefix("<... ");
        let call = resumed.unwrap_or(rest).split(['(', ' ']).next().unwrap();
        let writes = matches!(call, "write" | "writev" | "sendto" | "sendmsg");
        match call {
            "fdatasync" | "fsync" => {
                let path = match resumed {
                    Some(_) => syncing.remove(thread).unwrap(),
                    None => rest.split(['<', '>']).nth(1).unwrap().to_owned(),
                };
                if rest.ends_with("<unfinished ...>") {
                    syncing.insert(thread.to_owned(), path);
                } else {
                    assert!(rest.ends_with(" = 0"), "{line}");
                    steps.push(Step::Synced { call: call.to_owned(), path });
                }
            }
            // what is written is shown when the call begins, what is read when it is back
            _ if writes && resumed.is_none() && rest.contains("grant_type=refresh_token") => {
                steps.push(Step::Asked);
            }
            _ if writes && resumed.is_none() && rest.contains(token) => {
                steps.push(Step::Told);
                return steps;
            }
            _ if !writes && rest.contains(token) => steps.push(Step::Answered),
            _ => {}
        }
    }
    panic!("nobody was told: {steps:?}");
}

fn get(daemon: &Daemon, account: &str) -> Value {
    ask(daemon, "GetToken", &json!({ "account": account })).unwrap()
}

#[test]
fn a_refresh_waits_for_the_disk_before_it_asks_before_it_understands_and_before_it_tells() {
    if !can_watch() {
        return;
    }
    let mut scene = Scene::new(Config::parqex());
    for account in ACCOUNTS {
        scene.sign_in(account);
    }
    let trace = scene.daemon.home().path("trace");
    let trace_name = trace.to_str().unwrap().to_owned();
    let strace = ["strace", "-D", "-f", "-y", "-s", "100000", "-e", CALLS, "-e", "signal=none"];
    let daemon = ["-o", &trace_name, "sh", "-c", DEBUGGABLE];
    scene.daemon.restart_under(&[&strace[..], &daemon].concat()).unwrap();
    let old = ACCOUNTS.map(|account| token_of(&get(&scene.daemon, account)));
    let mut new = Vec::new();
    for (account, old) in ACCOUNTS.iter().zip(&old) {
        new.push(token_of(&renew(&scene.daemon, account, old).unwrap()));
    }
    assert!(scene.daemon.terminate().unwrap().success());

    let text = fs::read_to_string(trace).unwrap();
    let mut lines = text.lines();
    let log = Step::Synced {
        // fsync(2) would wait for the times of the file, too, which nobody needs
        call: "fdatasync".to_owned(),
        path: format!("{}-wal", scene.daemon.home().path(FILE).display()),
    };
    steps(&mut lines, &old[ACCOUNTS.len() - 1]);
    // the first commit of a new write-ahead log syncs its heading besides
    steps(&mut lines, &new[0]);
    for token in &new[1..] {
        let steps = steps(&mut lines, token);
        let wanted = [
            // the intent
            log.clone(),
            Step::Asked,
            Step::Answered,
            // the answer as it came, and what it means
            log.clone(),
            log.clone(),
            Step::Told,
        ];
        assert_eq!(steps, wanted);
    }
    scene.assert_clean();
}
