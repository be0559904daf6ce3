//! What an ask takes while the daemon refreshes other accounts all the time, daemon and client on one core.

use std::time::Duration;

use rustix::process::Signal;

use crate::Failure;
use crate::issuer::{Issuer, provider};
use crate::options::{Build, Options};
use crate::sheet::{Of, Sheet};
use crate::stage::{home, question};
use crate::support::clock;
use crate::support::daemon::Daemon;
use crate::support::many;
use crate::tools::ask;

/// Each lets out five a second.
const ORIGINS: usize = 28;
/// As many as take a minute at that pace.
const ACCOUNTS: usize = ORIGINS * 300;
/// The life of tokens that are due at once.
const OVER: Duration = Duration::from_secs(1);
/// That of all others: the account that is asked for has one, and so has each that was refreshed.
const LONG: Duration = Duration::from_hours(24);
/// What leaves at once after a rest.
const BURST: usize = ORIGINS * 12;
/// The same after it stood still while the other daemon was asked.
const MISSED: usize = ORIGINS * 4;
/// More than what leaves in a round, of all builds.
const ROUND: usize = ORIGINS * 60;

/// A daemon whose accounts have such a life, but for the first.
fn daemon(build: &Build, issuer: &Issuer, life: Duration) -> Result<Daemon, Failure> {
    let home = issuer.known_in(home(build)?)?;
    many::sign_in_at(&home, ACCOUNTS, |number| match number {
        0 => (provider(0), LONG),
        _ => (provider(number % ORIGINS), life),
    })?;
    Ok(Daemon::start(home)?)
}

pub(crate) fn play(options: &Options, sheet: &mut Sheet) -> Result<(), Failure> {
    let issuers = options.builds.iter().map(|_| Issuer::start(ORIGINS, LONG));
    let issuers = issuers.collect::<Result<Vec<_>, _>>()?;
    let _pin = options.pin()?;
    let mut daemons = Vec::new();
    for (build, issuer) in options.builds.iter().zip(&issuers) {
        daemons.push((daemon(build, issuer, LONG)?, daemon(build, issuer, OVER)?));
    }
    for issuer in &issuers {
        issuer.wait(BURST)?;
    }
    let asks = options.choose(20_000, 50_000);
    for _ in 0..options.choose(5, 15) {
        // enough for a round has to be due, or there is nothing to be beside
        if issuers.iter().any(|issuer| issuer.count() + ROUND > ACCOUNTS) {
            break;
        }
        for (at, (quiet, busy)) in daemons.iter().enumerate() {
            let question = question(quiet, &many::name(0))?;
            // both are on this core
            busy.signal(Signal::STOP)?;
            let reading = ask(options, "open", &quiet.socket_path(), &question, asks, 1);
            busy.signal(Signal::CONT)?;
            let reading = reading?;
            sheet.add("ask.quiet.p99", Of::Build(at), reading.get("p99")?);
            sheet.add("ask.quiet.p999", Of::Build(at), reading.get("p999")?);
            // what it has missed leaves at once
            issuers[at].wait(issuers[at].count() + MISSED)?;
            let (before, begun) = (issuers[at].count(), clock::now());
            let reading = ask(options, "open", &busy.socket_path(), &question, asks, 1)?;
            let refreshes = u32::try_from(issuers[at].count() - before)?;
            let rate = f64::from(refreshes) / clock::since(begun).as_secs_f64();
            sheet.add("beside.rate", Of::Build(at), rate);
            sheet.add("ask.beside.p99", Of::Build(at), reading.get("p99")?);
            sheet.add("ask.beside.p999", Of::Build(at), reading.get("p999")?);
        }
    }
    Ok(())
}
