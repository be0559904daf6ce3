//! A daemon with many accounts: how long until it hands a token out, what it takes of memory, and what lists cost.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, io};

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use super::memory::field;
use crate::Failure;
use crate::issuer::{Issuer, provider};
use crate::options::{Options, Pace};
use crate::sheet::{Of, Series, Sheet};
use crate::stage::{home, question};
use crate::support::daemon::Daemon;
use crate::support::varlink::Varlink;
use crate::support::{clock, many, secret};
use crate::tools::{ask, read};

/// Where the values of a number of accounts are.
struct Size {
    accounts: u32,
    start: Series,
    rows: Series,
    status: Series,
    list: Option<Series>,
    cpu: Series,
}

/// Where the accounts are: each lets some out at once after a rest.
const ORIGINS: usize = 100;
/// Nothing is due.
const LONG: Duration = Duration::from_hours(24);

const SIZES: [Size; 3] = [
    Size {
        accounts: 1_000,
        start: "start.1k",
        rows: "rows.1k",
        status: "status.1k",
        list: None,
        cpu: "refresh.cpu.1k",
    },
    Size {
        accounts: 10_000,
        start: "start.10k",
        rows: "rows.10k",
        status: "status.10k",
        list: Some("accounts.10k"),
        cpu: "refresh.cpu.10k",
    },
    Size {
        accounts: 100_000,
        start: "start.100k",
        rows: "rows.100k",
        status: "status.100k",
        list: Some("accounts.100k"),
        cpu: "refresh.cpu.100k",
    },
];

pub(crate) fn play(options: &Options, sheet: &mut Sheet) -> Result<(), Failure> {
    let issuer = Issuer::start(ORIGINS, LONG)?;
    let mut resident = Vec::new();
    for size in SIZES {
        if options.pace == Pace::Quick && size.accounts > 10_000 {
            for series in [Some(size.start), Some(size.status), size.list, Some(size.cpu)]
                .into_iter()
                .flatten()
            {
                sheet.absent(series, "not in a quick run");
            }
            continue;
        }
        resident.push(play_size(options, &size, &issuer, sheet)?);
    }
    // from the smallest to the next
    if let [few, more, ..] = resident.as_slice() {
        let between = f64::from(SIZES[1].accounts - SIZES[0].accounts);
        for (at, (few, more)) in few.iter().zip(more).enumerate() {
            for (few, more) in few.iter().zip(more) {
                let each = (more - few) / between - f64::from(u32::try_from(many::TOKEN_LENGTH)?);
                sheet.add("memory.account", Of::Build(at), each);
            }
        }
    }
    Ok(())
}

/// What was resident in each build, round by round.
fn play_size(
    options: &Options,
    size: &Size,
    issuer: &Issuer,
    sheet: &mut Sheet,
) -> Result<Vec<Vec<f64>>, Failure> {
    let mut daemons = Vec::new();
    for build in &options.builds {
        let home = issuer.known_in(home(build)?)?;
        let at = |number| (provider(number % ORIGINS), LONG);
        many::sign_in_at(&home, size.accounts as usize, at)?;
        daemons.push(Daemon::prepare(home)?);
    }
    let mut resident = vec![Vec::new(); daemons.len()];
    let rounds = if size.accounts > 10_000 { 3 } else { options.choose(3, 9) };
    for round in 0..rounds {
        for (at, daemon) in daemons.iter_mut().enumerate() {
            sheet.add(size.start, Of::Build(at), start(daemon, size)?);
            resident[at].push(settled(daemon)?);
            let series = [(Some(size.status), "status"), (size.list, "accounts")];
            for (series, command) in series.into_iter().filter_map(|(it, name)| Some((it?, name))) {
                sheet.add(series, Of::Build(at), list(options, daemon, command)?);
            }
            if size.accounts == 10_000 {
                beside(options, daemon, at, sheet)?;
            }
            sheet.add(size.cpu, Of::Build(at), refreshes(daemon, round)?);
            daemon.terminate()?;
        }
        let begun = clock::now();
        let rows = rows(&daemons[0].home().path("state/ostler/ostler.db"))?;
        sheet.add(size.rows, Of::Floor, clock::since(begun).as_secs_f64() * 1e9);
        if rows < size.accounts as usize {
            return Err("the database has too few rows".into());
        }
    }
    Ok(resident)
}

/// From the start of the process to the first token, in nanoseconds.
fn start(daemon: &mut Daemon, size: &Size) -> Result<f64, Failure> {
    let begun = clock::now();
    daemon.restart()?;
    let mut varlink = Varlink::connect(&daemon.socket_path())?;
    let account = many::name(size.accounts as usize / 2);
    varlink.ask("GetToken", &json!({ "account": account }))?;
    Ok(clock::since(begun).as_secs_f64() * 1e9)
}

/// What is resident when the look at each page, which goes on beside the start, is over: a write waits for that.
fn settled(daemon: &Daemon) -> Result<f64, Failure> {
    let mut varlink = Varlink::connect(&daemon.socket_path())?;
    let account = many::name(0);
    for enabled in [false, true] {
        varlink.ask("SetEnabled", &json!({ "account": account, "enabled": enabled }))?;
    }
    field(daemon.pid().ok_or("it does not run")?, "status", "VmRSS:")
}

/// What a refresh takes of the processor, with an ask before it, in nanoseconds: one at each address, of accounts that had none before.
fn refreshes(daemon: &Daemon, round: usize) -> Result<f64, Failure> {
    let pid = daemon.pid().ok_or("it does not run")?;
    let mut varlink = Varlink::connect(&daemon.socket_path())?;
    let before = processor(pid)?;
    for number in round * ORIGINS..(round + 1) * ORIGINS {
        let account = many::name(number);
        let answer = varlink.ask("GetToken", &json!({ "account": account }))?;
        let token = answer["access_token"].as_str().ok_or("an answer without a token")?;
        let question = json!({ "account": account, "rejected": secret::fingerprint(token) });
        varlink.ask("GetToken", &question)?;
    }
    let used = processor(pid)?.saturating_sub(before);
    Ok(used.as_secs_f64() * 1e9 / f64::from(u32::try_from(ORIGINS)?))
}

/// How long a process has run, with the threads that it has no more (proc(5)): in ticks, of which Linux shows a hundred
/// a second.
fn processor(pid: u32) -> Result<Duration, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // behind the name, which may hold anything, comes the third field
    let (_, fields) = stat.rsplit_once(") ").ok_or("no such field")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    let ticks = ticks.sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// How long a command takes that lists all accounts, in nanoseconds.
fn list(options: &Options, daemon: &Daemon, command: &str) -> Result<f64, Failure> {
    let ostler = daemon.command(&[]).get_program().to_owned();
    let mut meter: Command = daemon.home().in_environment(&options.tools.join("spawn"));
    read(meter.arg("1").arg(ostler).args([command, "--json"]))?.get("p50")
}

/// Asks alone, and beside somebody who reads lists one after the other.
fn beside(options: &Options, daemon: &Daemon, at: usize, sheet: &mut Sheet) -> Result<(), Failure> {
    let question = question(daemon, &many::name(1))?;
    let socket = daemon.socket_path();
    let asks = |count| ask(options, "open", &socket, &question, count, 1);
    let alone = asks(5000)?.get("p99")?;
    let over = AtomicBool::new(false);
    let beside = std::thread::scope(|scope| {
        let reader = scope.spawn(|| -> io::Result<()> {
            while !over.load(Ordering::Relaxed) {
                read_list(&socket)?;
            }
            Ok(())
        });
        let beside = asks(5000).and_then(|reading| reading.get("p99"));
        over.store(true, Ordering::Relaxed);
        reader.join().map_err(|_| "the reader failed")??;
        beside
    })?;
    sheet.add("ask.without_list.p99", Of::Build(at), alone);
    sheet.add("ask.beside_list.p99", Of::Build(at), beside);
    Ok(())
}

/// Reads a list to its end.
fn read_list(path: &Path) -> io::Result<()> {
    let mut varlink = Varlink::connect(path)?;
    let call = json!({ "method": "dev.ostler.Ostler1.Status", "parameters": {}, "more": true });
    varlink.send(&call)?;
    loop {
        let reply = varlink.receive()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if !reply.ends_with(b"\"continues\":true}") {
            return Ok(());
        }
    }
}

/// Reads each value of each row of a database; how many rows that were.
fn rows(path: &Path) -> rusqlite::Result<usize> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let tables: Vec<String> =
        tables.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let (mut count, mut bytes) = (0, 0);
    for table in tables {
        let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\""))?;
        let columns = statement.column_count();
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                bytes += row.get_ref(column)?.as_bytes().map_or(8, <[u8]>::len);
            }
            count += 1;
        }
    }
    std::hint::black_box(bytes);
    Ok(count)
}
