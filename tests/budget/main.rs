//! What things may cost, in counts: `budget.toml` has a budget for each.
//!
//! Takes three seconds.
#![expect(clippy::unwrap_used, reason = "a test may fail where it prepares what it measures")]

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use support::daemon::{Binaries, Daemon, Home};
use support::login::Login;
use support::provider::{Config, Provider};
use support::varlink::Varlink;
use support::{many, process, secret};

const PATIENCE: Duration = Duration::from_mins(2);
/// The daemon forbids to be looked into, even by who started it.
const DEBUGGABLE: &str = "exec \"$0\" --debuggable";
/// One refresh of each, which need not be some seconds apart.
const ACCOUNTS: [&str; 7] = ["door", "flap", "gate", "hatch", "lid", "port", "valve"];
/// How often each thing is done whose system calls are counted.
const TIMES: usize = 21;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    system_calls: SystemCalls,
    allocations: Allocations,
    syncs: Syncs,
    memory: Memory,
    crates: Crates,
    instructions: Instructions,
    bytes: Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SystemCalls {
    ask: usize,
    connection: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allocations {
    ask: usize,
    connection: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Syncs {
    refresh: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    account: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Crates {
    tree: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Instructions {
    token: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bytes {
    ostler: usize,
    ostlerd: usize,
}

fn budget() -> Budget {
    toml::from_str(include_str!("budget.toml")).expect("the budget is well-formed")
}

/// That something costs its budget, or up to a fifth less.
#[track_caller]
fn holds(what: &str, cost: usize, budget: usize) {
    let _ = writeln!(std::io::stderr(), "{what}: {cost} of {budget}");
    assert!(cost <= budget, "{what} costs {cost}, and its budget is {budget}: see budget.toml");
    assert!(
        cost * 5 >= budget * 4,
        "{what} costs {cost} by now: please lower its budget of {budget} in budget.toml"
    );
}

/// Says that something is not looked at here.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// Whether a command succeeds here.
fn can(program: &str, arguments: &[&str]) -> bool {
    process::run(Command::new(program).args(arguments), "", PATIENCE)
        .is_ok_and(|finished| finished.status.success())
}

/// The release build that the packages are made of, if there is one.
fn release() -> Option<Binaries> {
    let tree = std::env::var_os("OSTLER_TEST_TREE").map(PathBuf::from)?;
    let ostlerd = tree.join("usr/libexec/ostlerd");
    Some(Binaries { ostlerd, ostler: tree.join("usr/bin/ostler") })
}

/// A daemon with accounts that a provider signed in.
fn signed_in(binaries: Binaries, accounts: &[&str]) -> (Provider, Daemon) {
    let provider = Provider::start(Config::parqex().access_lifetime(Duration::from_hours(24)));
    let home = Home::new(binaries).unwrap().env("OSTLER_LOG", "info");
    let home = home.config("providers/test.toml", &provider.definition("test")).unwrap();
    let daemon = Daemon::start(home).unwrap();
    for account in accounts {
        let finished = Login::new("test", account).run(&daemon, &provider).unwrap();
        assert!(finished.status.success(), "{finished:?}");
    }
    (provider, daemon)
}

fn token(connection: &mut Varlink, account: &str) -> String {
    let answer = connection.ask("GetToken", &json!({ "account": account })).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

/// The lines of a trace in pieces: each from a line that holds `mark` to the next of those.
fn pieces<'a>(lines: &[&'a str], mark: &str) -> Vec<Vec<&'a str>> {
    let marks: Vec<_> = (0..lines.len()).filter(|at| lines[*at].contains(mark)).collect();
    marks.windows(2).map(|ends| lines[ends[0]..ends[1]].to_vec()).collect()
}

/// What most of them are at most: one that something else fell into does not count.
fn middle(mut counts: Vec<usize>) -> usize {
    assert!(!counts.is_empty(), "nothing was seen");
    counts.sort_unstable();
    counts[counts.len() / 2]
}

/// How many calls begin in some lines: one that is interrupted by another thread's is on two.
fn calls(lines: &[&str]) -> usize {
    lines.iter().filter(|line| !line.contains("<... ") && !line.contains(" +++ ")).count()
}

fn syncs(lines: &[&str]) -> usize {
    let sync = |line: &&&str| line.contains(" fdatasync(") || line.contains(" fsync(");
    lines.iter().filter(sync).count()
}

#[test]
fn asks_connections_and_refreshes_cost_no_more_of_the_kernel_than_their_budget() {
    if !can("strace", &["-o", "/dev/null", "true"]) {
        return skipped("strace cannot watch here");
    }
    let (_provider, mut daemon) = signed_in(Binaries::of_this_test(), &ACCOUNTS);
    let trace = daemon.home().path("trace");
    let path = trace.to_str().unwrap();
    let watched = [
        "strace",
        "-D",
        "-f",
        "-s",
        "200",
        "-e",
        "signal=none",
        "-o",
        path,
        "sh",
        "-c",
        DEBUGGABLE,
    ];
    daemon.restart_under(&watched).unwrap();

    let mut connection = Varlink::connect(&daemon.socket_path()).unwrap();
    // each has an answer in memory from here on
    let old = ACCOUNTS.map(|account| token(&mut connection, account));
    for _ in 0..=TIMES {
        connection.ask("GetToken", &json!({ "account": "door", "min_valid": 61 })).unwrap();
    }
    for _ in 0..=TIMES {
        let mut once = Varlink::connect(&daemon.socket_path()).unwrap();
        once.ask("GetToken", &json!({ "account": "door", "min_valid": 62 })).unwrap();
        // the daemon has closed its end as well once it has seen this one closed
        once.finish().unwrap();
        assert_eq!(once.receive().unwrap(), None);
    }
    for (account, old) in ACCOUNTS.iter().zip(&old) {
        let rejected = secret::fingerprint(old);
        let question = json!({ "account": account, "rejected": rejected });
        connection.ask("GetToken", &question).unwrap();
    }
    assert!(daemon.terminate().unwrap().success());

    let text = String::from_utf8_lossy(&fs::read(&trace).unwrap()).into_owned();
    let lines: Vec<_> = text.lines().collect();
    let budget = budget();
    let counted = |mark| pieces(&lines, mark).iter().map(|piece| calls(piece)).collect();
    holds("system calls of an ask", middle(counted("min_valid\\\":61")), budget.system_calls.ask);
    let connection = middle(counted("min_valid\\\":62"));
    holds("system calls of a connection", connection, budget.system_calls.connection);
    let refreshes = pieces(&lines, "rejected\\\":").iter().map(|piece| syncs(piece)).collect();
    holds("syncs of a refresh", middle(refreshes), budget.syncs.refresh);
}

/// The library that counts, compiled.
fn counter(home: &Home) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/budget/allocations.c");
    let library = home.path("allocations.so");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O2", "-o"]).args([&library, &source]);
    let compiled = process::run(&mut compile, "", PATIENCE).unwrap();
    assert!(compiled.status.success(), "{compiled:?}");
    library
}

/// What each turn of something allocates.
fn allocations(counted: &Path, turn: impl FnMut()) -> Vec<usize> {
    let count = || {
        let bytes = fs::read(counted).unwrap();
        usize::from_ne_bytes(bytes.try_into().unwrap())
    };
    let mut counts = vec![count()];
    for () in std::iter::repeat_with(turn).take(TIMES) {
        counts.push(count());
    }
    counts.windows(2).map(|ends| ends[1] - ends[0]).collect()
}

#[test]
fn asks_and_connections_allocate_no_more_than_their_budget() {
    let (_provider, mut daemon) = signed_in(Binaries::of_this_test(), &ACCOUNTS[..1]);
    let counted = daemon.home().path("allocations");
    let library = counter(daemon.home());
    let preload = format!("LD_PRELOAD={}", library.display());
    let file = format!("ALLOCATIONS={}", counted.display());
    daemon.restart_under(&["env", &preload, &file]).unwrap();
    let mut connection = Varlink::connect(&daemon.socket_path()).unwrap();
    let account = ACCOUNTS[0];
    token(&mut connection, account);
    if !counted.exists() {
        return skipped("a static program takes no library in front of its own");
    }
    let asks = allocations(&counted, || drop(token(&mut connection, account)));
    let connections = allocations(&counted, || {
        let mut once = Varlink::connect(&daemon.socket_path()).unwrap();
        token(&mut once, account);
        once.finish().unwrap();
        assert_eq!(once.receive().unwrap(), None);
    });
    let budget = budget().allocations;
    holds("allocations of an ask", middle(asks), budget.ask);
    holds("allocations of a connection", middle(connections), budget.connection);
}

/// What a daemon has resident (proc(5)), in bytes.
fn resident(daemon: &Daemon) -> usize {
    let pid = daemon.pid().unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn an_account_costs_no_more_memory_than_its_budget() {
    const MANY: usize = 1000;
    // where an allocator puts things differs a little from run to run
    const RUNS: usize = 5;
    let run = |count| {
        let provider = Provider::start(Config::parqex());
        let home = Home::new(Binaries::of_this_test()).unwrap().env("OSTLER_LOG", "info");
        let home = home.config("providers/test.toml", &provider.definition("test")).unwrap();
        many::sign_in(&home, "test", count).unwrap();
        let daemon = Daemon::start(home).unwrap();
        // what is written waits until each page has been looked at, which takes memory, too
        let finished = daemon.run(&["rename", &many::name(0), "first"]).unwrap();
        assert!(finished.status.success(), "{finished:?}");
        resident(&daemon)
    };
    let [one, many] = [1, MANY + 1].map(|count| {
        let mut runs = [0; RUNS].map(|_| run(count));
        runs.sort_unstable();
        runs[RUNS / 2]
    });
    holds("bytes of an account", (many - one) / MANY, budget().memory.account);
}

#[test]
fn the_tree_has_no_more_crates_than_its_budget() {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none"]);
    command.args(["--format", "{p}"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let finished = process::run(&mut command, "", PATIENCE).unwrap();
    assert!(finished.status.success(), "{}", finished.stderr);
    let mut crates: Vec<_> =
        finished.stdout.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    crates.sort_unstable();
    crates.dedup();
    holds("crates in the tree", crates.len(), budget().crates.tree);
}

#[test]
fn the_programs_have_no_more_bytes_than_their_budget() {
    let Some(release) = release() else { return skipped("no release build: tests/run makes one") };
    let length = |path: &Path| usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
    let budget = budget().bytes;
    holds("bytes of ostler", length(&release.ostler), budget.ostler);
    holds("bytes of ostlerd", length(&release.ostlerd), budget.ostlerd);
}

#[test]
fn a_token_takes_no_more_instructions_than_its_budget() {
    let Some(release) = release() else { return skipped("no release build: tests/run makes one") };
    if !can("valgrind", &["--tool=callgrind", "--callgrind-out-file=/dev/null", "/bin/true"]) {
        return skipped("valgrind cannot count here");
    }
    let (_provider, daemon) = signed_in(release.clone(), &ACCOUNTS[..1]);
    let mut command = daemon.home().in_environment(Path::new("valgrind"));
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(&release.ostler);
    let finished = process::run(command.args(["token", ACCOUNTS[0]]), "", PATIENCE).unwrap();
    assert!(finished.status.success(), "{}", finished.stderr);
    let collected = finished.stderr.lines().find_map(|line| line.split_once("Collected : "));
    let instructions: usize = collected.unwrap().1.trim().parse().unwrap();
    holds(
        "thousands of instructions of ostler token",
        instructions / 1000,
        budget().instructions.token,
    );
}
