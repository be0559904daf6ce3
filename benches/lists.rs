//! What lists cost a daemon with many accounts: how much memory it takes, how long it starts, how fast a list is read,
//! and how much longer a hand-out takes while ten clients read lists. The last is a ratio of one run.
//!
//! ```text
//! cargo bench --bench lists                  # 1000, 10 000 and 100 000 accounts
//! cargo bench --bench lists -- 100000
//! ```
#![expect(clippy::print_stdout, reason = "the figures are the point")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use support::clock;
use support::daemon::{Binaries, Daemon, Home};
use support::many;
use support::process;
use support::provider::{Config, Provider};
use support::varlink::Varlink;

const PROVIDER: &str = "bench";
const READERS: usize = 10;
const ASKS: usize = 2000;
/// How long the command line may take.
const PATIENCE: Duration = Duration::from_mins(2);

fn main() -> Result<(), Box<dyn Error>> {
    let said: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let counts = if said.is_empty() { vec![1_000, 10_000, 100_000] } else { said };
    println!(
        "accounts  start  memory: at rest, at most  status: stream, command  hand-out: alone, beside lists"
    );
    for count in counts {
        measure(count)?;
    }
    Ok(())
}

fn measure(count: usize) -> Result<(), Box<dyn Error>> {
    let provider = Provider::start(Config::parqex().access_lifetime(Duration::from_hours(24)));
    let home = Home::new(Binaries::of_this_test())?
        .env("OSTLER_LOG", "info")
        .config("providers/bench.toml", &provider.definition(PROVIDER))?;
    many::sign_in(&home, PROVIDER, count)?;
    let begun = clock::now();
    let daemon = Daemon::start(home)?;
    let start = clock::since(begun);
    let at_rest = memory(&daemon, "VmRSS:")?;

    let begun = clock::now();
    if read_list(&daemon.socket_path())? != count {
        return Err("the list is not complete".into());
    }
    let stream = clock::since(begun);
    let begun = clock::now();
    let finished = process::run(&mut daemon.command(&["status", "--json"]), "", PATIENCE)?;
    let command = clock::since(begun);
    if finished.stdout.matches("\"name\":").count() != count {
        return Err("the command's list is not complete".into());
    }

    let alone = hand_outs(&daemon, count)?;
    let (over, lists) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (over, lists, path) = (Arc::clone(&over), Arc::clone(&lists), daemon.socket_path());
            std::thread::spawn(move || -> io::Result<()> {
                while !over.load(Ordering::Relaxed) {
                    read_list(&path)?;
                    lists.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        })
        .collect();
    let beside = hand_outs(&daemon, count)?;
    over.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().map_err(|_| "a reader failed")??;
    }
    let most = memory(&daemon, "VmHWM:")?;
    let mib = |kib: u64| kib / 1024;
    let micros = |span: Duration| span.as_secs_f64() * 1e6;
    println!(
        "{count:8}  {:3.1} s  {} MiB, {} MiB  {:.2} s, {:.2} s  p50 {:.0} us, {:.0} us ({:.1} times); p99 {:.0} us, {:.0} us ({:.1} times); {} lists read",
        start.as_secs_f64(),
        mib(at_rest),
        mib(most),
        stream.as_secs_f64(),
        command.as_secs_f64(),
        micros(alone.0),
        micros(beside.0),
        beside.0.as_secs_f64() / alone.0.as_secs_f64(),
        micros(alone.1),
        micros(beside.1),
        beside.1.as_secs_f64() / alone.1.as_secs_f64(),
        lists.load(Ordering::Relaxed),
    );
    Ok(())
}

/// Reads a list to its end; how many accounts are on it.
fn read_list(path: &Path) -> io::Result<usize> {
    let mut varlink = Varlink::connect(path)?;
    let call = json!({ "method": "dev.ostler.Ostler1.Status", "parameters": {}, "more": true });
    varlink.send(&call)?;
    let mut count = 0;
    loop {
        let reply = varlink.receive()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        count += reply.windows(7).filter(|bytes| bytes == b"\"name\":").count();
        if !reply.ends_with(b"\"continues\":true}") {
            return Ok(count);
        }
    }
}

/// Asks for the tokens of one account after the other: the middle of the times, and what one in a hundred exceeds.
fn hand_outs(daemon: &Daemon, count: usize) -> Result<(Duration, Duration), Box<dyn Error>> {
    let mut varlink = Varlink::connect(&daemon.socket_path())?;
    let mut times = Vec::with_capacity(ASKS);
    for number in 0..ASKS {
        let parameters = json!({ "account": many::name(number * 7919 % count) });
        let begun = clock::now();
        varlink.ask("GetToken", &parameters)?;
        times.push(clock::since(begun));
    }
    times.sort_unstable();
    Ok((times[ASKS / 2], times[ASKS * 99 / 100]))
}

/// What the daemon has in memory, or had at most (proc(5)), in KiB.
fn memory(daemon: &Daemon, field: &str) -> Result<u64, Box<dyn Error>> {
    let pid = daemon.pid().ok_or("it does not run")?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no such field")?;
    Ok(kib.parse()?)
}
