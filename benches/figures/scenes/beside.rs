//! What an ask takes while the daemon refreshes other accounts all the time, daemon and client on one core.

use std::time::Duration;

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
const ACCOUNTS: usize = ORIGINS * 40;
/// Shorter than it takes to refresh all of an origin: some are always due.
const SHORT: Duration = Duration::from_secs(4);
/// The account that is asked for is not among those that are refreshed.
const LONG: Duration = Duration::from_hours(24);

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
    let issuers = options.builds.iter().map(|_| Issuer::start(ORIGINS, SHORT));
    let issuers = issuers.collect::<Result<Vec<_>, _>>()?;
    let _pin = options.pin()?;
    let mut daemons = Vec::new();
    for (build, issuer) in options.builds.iter().zip(&issuers) {
        daemons.push((daemon(build, issuer, LONG)?, daemon(build, issuer, SHORT)?));
    }
    let asks = options.choose(20_000, 50_000);
    for _ in 0..options.choose(5, 15) {
        for (at, (quiet, busy)) in daemons.iter().enumerate() {
            let question = question(quiet, &many::name(0))?;
            let reading = ask(options, "open", &quiet.socket_path(), &question, asks, 1)?;
            sheet.add("ask.quiet.p99", Of::Build(at), reading.get("p99")?);
            sheet.add("ask.quiet.p999", Of::Build(at), reading.get("p999")?);
            // as many as leave at once after a rest have left
            issuers[at].wait(ORIGINS * 12)?;
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
