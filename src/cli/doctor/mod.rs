//! `ostler doctor`: looks everything over and says what to do. Works without a daemon, and says why
//! there is none.

mod files;
mod report;
mod unit;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::args::{Format, Plain};
use super::client::{self, Client, Nothing};
use super::console::Console;
use super::failure::{Failure, Unreachable};
use super::status::show;
use crate::api::{Area, DaemonInfo, Diagnosis, EXIT_PROBLEM, Finding, Level};
use crate::model::span;

/// How long the daemon may take: longer than it gives disk and providers together.
const PATIENCE: Duration = Duration::from_secs(40);

/// What was found, the worst first.
#[derive(Debug, Serialize)]
struct Report {
    problems: usize,
    warnings: usize,
    findings: Vec<Finding>,
    /// The daemon, if it could be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    daemon: Option<DaemonInfo>,
}

/// Looks everything over. The exit code says whether there is a problem.
pub(super) fn run(
    args: Plain,
    said: Option<PathBuf>,
    console: &mut Console<'_>,
) -> Result<u8, Failure> {
    let report = look(said, console);
    match args.format() {
        Format::Json => console.json(&report)?,
        Format::Text => {
            let text = report::draw(&report, (console.look)());
            show(console, &text)?;
        }
    }
    Ok(if report.problems > 0 { EXIT_PROBLEM } else { 0 })
}

fn look(said: Option<PathBuf>, console: &mut Console<'_>) -> Report {
    let (unit, start) = unit::look(console.variables);
    let mut findings: Vec<Finding> = unit.into_iter().collect();
    let mut daemon = None;
    match client::socket_path(said, console.variables) {
        Ok(path) => {
            findings.extend(files::socket(&path));
            match ask(&path, console) {
                Ok(Diagnosis { daemon: info, findings: found }) => {
                    findings.push(of_daemon(&info));
                    findings.extend(found);
                    daemon = Some(info);
                }
                Err(failure) => findings.push(unasked(&failure, &path, start)),
            }
        }
        Err(failure) => findings.push(
            Finding::problem(Area::Socket, "", failure.to_string())
                .hint("log in to a session, or run: export XDG_RUNTIME_DIR=/run/user/$(id -u)"),
        ),
    }
    findings.extend(files::kept(console.variables, daemon.as_ref()));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    Report { problems, warnings, findings, daemon }
}

/// Asks the daemon, and tells who watches that it takes its time.
fn ask(path: &Path, console: &mut Console<'_>) -> Result<Diagnosis, Failure> {
    let mut client = Client::connect(path)?;
    let watched = console.watched;
    let answer = client.call_patiently("Diagnose", &Nothing {}, PATIENCE, |seconds| {
        if watched {
            console.tell(&format!("\r\x1b[Kasking the daemon and providers: {seconds} s"));
        }
    });
    if watched {
        console.tell("\r\x1b[K");
    }
    let mut pieces = answer?.into_iter();
    let first: Option<Diagnosis> = pieces.next();
    let Some(mut all) = first else { return Err(Unreachable::Foreign("it says nothing").into()) };
    all.findings.extend(pieces.flat_map(|piece: Diagnosis| piece.findings));
    Ok(all)
}

fn of_daemon(daemon: &DaemonInfo) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    let bus = if daemon.bus { "on" } else { "not on" };
    let up = span(daemon.now - daemon.started_at);
    let message = format!(
        "ostlerd {} answers, process {}, up for {up}, {bus} the session bus",
        daemon.version, daemon.pid
    );
    if daemon.version == ours {
        return Finding::ok(Area::Daemon, "", message);
    }
    Finding::warning(Area::Daemon, "", format!("{message}; this is ostler {ours}"))
        .hint("run: systemctl --user restart ostler.service")
}

/// Why the daemon could not be asked, or could not say.
fn unasked(failure: &Failure, path: &Path, start: &str) -> Finding {
    let at = path.display().to_string();
    match failure {
        // it is there and cannot keep tokens
        Failure::Fault(fault) => {
            Finding::problem(Area::Daemon, "", fault.message.clone()).hint(fault.hint.clone())
        }
        Failure::Unreachable(Unreachable::NotRunning { .. }) => {
            Finding::problem(Area::Daemon, at, "nobody listens there").hint(format!("run: {start}"))
        }
        Failure::Unreachable(error) => {
            Finding::problem(Area::Daemon, at, error.to_string()).hint(error.hint())
        }
        Failure::Usage(_) | Failure::Output(_) => {
            Finding::problem(Area::Daemon, at, failure.to_string())
        }
    }
}
