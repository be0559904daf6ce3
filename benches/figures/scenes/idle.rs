//! How often a daemon runs that has nothing to do.

use std::fs;
use std::time::Duration;

use crate::Failure;
use crate::options::Options;
use crate::sheet::{Of, Sheet};
use crate::stage::Stage;
use crate::support::bus::Bus;

/// What a start has to do beside serving is over by then, and the threads that it took are gone: tokio keeps them for ten
/// seconds.
const SETTLED: Duration = Duration::from_secs(12);

pub(crate) fn play(options: &Options, sheet: &mut Sheet) -> Result<(), Failure> {
    let buses = options.builds.iter().map(|_| Bus::reference()).collect::<Result<Vec<_>, _>>()?;
    let stages = options.builds.iter().zip(&buses);
    let stages = stages.map(|(build, bus)| Stage::new(build, Some(bus)));
    let stages = stages.collect::<Result<Vec<_>, _>>()?;
    let pids = stages.iter().map(|stage| stage.daemon.pid().ok_or("it does not run"));
    let pids = pids.collect::<Result<Vec<_>, _>>()?;
    std::thread::sleep(SETTLED);
    let before = pids.iter().map(|pid| wakes(*pid)).collect::<Result<Vec<_>, _>>()?;
    let seconds = options.choose(15_u32, 60);
    std::thread::sleep(Duration::from_secs(seconds.into()));
    for ((at, pid), before) in pids.iter().enumerate().zip(before) {
        let woken = u32::try_from(wakes(*pid)? - before)?;
        sheet.add("idle.wakes", Of::Build(at), f64::from(woken) * 60.0 / f64::from(seconds));
    }
    Ok(())
}

/// How often the threads of a process gave their core back because they had to wait (proc(5)).
fn wakes(pid: u32) -> Result<u64, Failure> {
    let mut count = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count += line.ok_or("no such field")?.trim().parse::<u64>()?;
    }
    Ok(count)
}
