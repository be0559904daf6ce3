//! Many accounts are due at once: how fast the daemon gets through, and how often it waits for the disk.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Failure;
use crate::bare;
use crate::issuer::{Issuer, provider};
use crate::options::{Build, Options};
use crate::sheet::{Of, Sheet};
use crate::stage::home;
use crate::support::daemon::Daemon;
use crate::support::{many, process};

/// How long tokens live once they are refreshed: none is due twice.
const LONG: Duration = Duration::from_hours(24);
/// How long they live before.
const OVER: Duration = Duration::from_secs(1);
/// At how many addresses the accounts of the great storm are, and how many they are.
const SPREAD: (usize, usize) = (240, 10_000);
/// Flights that one provider gets at once after a rest: the pace begins behind them.
const BURST: usize = 12;

/// A daemon that is not started yet, with so many accounts that are due.
fn due(build: &Build, issuer: &Issuer, origins: usize, count: usize) -> Result<Daemon, Failure> {
    let home = issuer.known_in(home(build)?)?;
    many::sign_in_at(&home, count, |number| (provider(number % origins), OVER))?;
    Ok(Daemon::prepare(home)?)
}

pub(crate) fn play(options: &Options, sheet: &mut Sheet) -> Result<(), Failure> {
    for _ in 0..options.choose(1, 3) {
        for at in 0..options.builds.len() {
            spread(options, at, sheet)?;
        }
        let (origins, count) = SPREAD;
        let issuer = Issuer::start(origins, LONG)?;
        let dir = tempfile::tempdir()?;
        bare::refresh_all(&issuer, origins, count, &dir.path().join("floor.db"))?;
        sheet.add("bare.spread", Of::Floor, issuer.rate(0, count));
    }
    let can_trace = process::run(
        Command::new("strace").args(["-o", "/dev/null", "true"]),
        "",
        Duration::from_secs(40),
    )
    .is_ok_and(|finished| finished.status.success());
    if !can_trace {
        sheet.absent("storm.syncs", "strace cannot watch here");
    }
    for at in 0..options.builds.len() {
        one(options, at, sheet)?;
        for _ in 0..options.choose(2, 5) {
            if can_trace {
                syncs(options, at, sheet)?;
            }
        }
    }
    Ok(())
}

fn spread(options: &Options, at: usize, sheet: &mut Sheet) -> Result<(), Failure> {
    let (origins, count) = SPREAD;
    let issuer = Issuer::start(origins, LONG)?;
    let mut daemon = due(&options.builds[at], &issuer, origins, count)?;
    daemon.restart()?;
    issuer.wait(count)?;
    sheet.add("storm.spread", Of::Build(at), issuer.rate(0, count));
    Ok(())
}

fn one(options: &Options, at: usize, sheet: &mut Sheet) -> Result<(), Failure> {
    let issuer = Issuer::start(1, LONG)?;
    let mut daemon = due(&options.builds[at], &issuer, 1, 1000)?;
    daemon.restart()?;
    let to = BURST + options.choose(20, 60);
    issuer.wait(to)?;
    sheet.add("storm.one", Of::Build(at), issuer.rate(BURST, to));
    Ok(())
}

/// A hundred providers, so that none of their paces holds the accounts apart.
fn syncs(options: &Options, at: usize, sheet: &mut Sheet) -> Result<(), Failure> {
    const COUNT: u16 = 100;
    let issuer = Issuer::start(COUNT.into(), LONG)?;
    let mut daemon = due(&options.builds[at], &issuer, COUNT.into(), COUNT.into())?;
    let trace = daemon.home().path("trace");
    let path = trace.to_str().ok_or("a path that is not UTF-8")?.to_owned();
    let calls = "trace=fdatasync,fsync";
    daemon.restart_under(&[
        "strace",
        "-D",
        "-f",
        "-y",
        "-e",
        calls,
        "-e",
        "signal=none",
        "-o",
        &path,
        "sh",
        "-c",
        "exec \"$0\" --debuggable",
    ])?;
    issuer.wait(COUNT.into())?;
    // a stop waits until all of them are on the disk
    daemon.terminate()?;
    sheet.add("storm.syncs", Of::Build(at), log_syncs(&trace)? / f64::from(COUNT));
    Ok(())
}

/// How often the write-ahead log was synced.
fn log_syncs(trace: &Path) -> Result<f64, Failure> {
    let text = String::from_utf8_lossy(&fs::read(trace)?).into_owned();
    let begins = |line: &&str| line.contains("sync(") && line.contains("-wal>");
    Ok(u32::try_from(text.lines().filter(begins).count())?.into())
}
