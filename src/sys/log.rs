//! Where log records go: to the journal with their fields under systemd, else to standard error.
//!
//! `OSTLER_LOG` sets what is recorded, in the syntax of `tracing_subscriber`'s filters
//! (`debug`, `ostler::engine=trace`); without it, ostler's own records from a given level up and
//! warnings of libraries. The level can be changed while the daemon runs.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber, warn};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::{Context, Layered, SubscriberExt};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, registry, reload};

/// What `journalctl -t` finds the daemon by, and what `LogControl1` calls it.
pub const SYSLOG_IDENTIFIER: &str = "ostlerd";

/// The environment variable with the filter.
const VARIABLE: &str = "OSTLER_LOG";

/// Why logging cannot start or change.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// This process logs already.
    #[error("logging has been started before")]
    Started,
    /// The records' subscriber is gone.
    #[error("logging has ended")]
    Ended,
}

/// Where records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogTarget {
    /// To the journal.
    Journal,
    /// To standard error.
    Console,
}

/// Changes the level of a running log. Cheap to clone.
#[derive(Clone)]
pub struct LogControl {
    filter: reload::Handle<EnvFilter, Registry>,
    target: LogTarget,
}

/// Starts logging for the whole process. `level` applies to ostler's own records, unless
/// `OSTLER_LOG` says otherwise. A malformed `OSTLER_LOG` is reported and ignored: a typing error in
/// a unit's environment must not keep the daemon from starting.
pub fn start(level: Level) -> Result<LogControl, LogError> {
    let spec = std::env::var(VARIABLE).ok();
    let (filter, problem) = filter(spec.as_deref(), level);
    let (target, sink) = sink();
    let (subscriber, filter) = assemble(filter, sink);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Started)?;
    if let Some(problem) = problem {
        warn!(variable = VARIABLE, %problem, "malformed log filter ignored");
    }
    Ok(LogControl { filter, target })
}

impl LogControl {
    /// The most detailed level that is recorded.
    #[must_use]
    pub fn level(&self) -> LevelFilter {
        let hint = self.filter.with_current(Layer::<Registry>::max_level_hint);
        hint.ok().flatten().unwrap_or(LevelFilter::OFF)
    }

    /// Records ostler's own records from `level` up from now on, in place of any other filter.
    pub fn set_level(&self, level: LevelFilter) -> Result<(), LogError> {
        self.filter.reload(usual(level)).map_err(|_| LogError::Ended)
    }

    /// Where records go.
    #[must_use]
    pub fn target(&self) -> LogTarget {
        self.target
    }
}

/// The filter of `spec`; without one, or with one that makes no sense, the usual one.
fn filter(spec: Option<&str>, level: Level) -> (EnvFilter, Option<ParseError>) {
    let usual = || usual(LevelFilter::from_level(level));
    match spec.map(str::trim).filter(|spec| !spec.is_empty()).map(EnvFilter::try_new) {
        None => (usual(), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(problem)) => (usual(), Some(problem)),
    }
}

/// Ostler's own records from a level up; of libraries, warnings, or less if that is less.
fn usual(level: LevelFilter) -> EnvFilter {
    let foreign = level.min(LevelFilter::WARN);
    EnvFilter::new(format!("{foreign},ostler={level}"))
}

type Base = Layered<Clamp, Layered<reload::Layer<EnvFilter, Registry>, Registry>>;
type Sink = Box<dyn Layer<Base> + Send + Sync>;

fn assemble(
    filter: EnvFilter,
    sink: Sink,
) -> (impl Subscriber + Send + Sync, reload::Handle<EnvFilter, Registry>) {
    let (filter, handle) = reload::Layer::new(filter);
    (registry().with(filter).with(Clamp).with(sink), handle)
}

fn sink() -> (LogTarget, Sink) {
    if under_journald() {
        // If the journal's socket is missing all the same, standard error reaches the journal, too,
        // only without the fields.
        if let Ok(journal) = tracing_journald::layer() {
            return (LogTarget::Journal, Box::new(journal_layer(journal)));
        }
    }
    let stderr = io::stderr();
    let colours = stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    (
        LogTarget::Console,
        Box::new(fmt::layer().compact().with_ansi(colours).with_writer(io::stderr)),
    )
}

/// `journalctl OSTLER_ACCOUNT=parqex` finds the records of an account: a prefix of our own keeps our
/// fields apart from those that `systemd.journal-fields(7)` defines. Priorities are those of
/// syslog(3); the crate's own default would make notices of what is merely informational.
fn journal_layer(journal: tracing_journald::Layer) -> tracing_journald::Layer {
    journal
        .with_syslog_identifier(SYSLOG_IDENTIFIER.to_owned())
        .with_field_prefix(Some("OSTLER".to_owned()))
        .with_priority_mappings(PriorityMappings {
            error: Priority::Error,
            warn: Priority::Warning,
            info: Priority::Informational,
            debug: Priority::Debug,
            trace: Priority::Debug,
        })
}

/// Whether standard error is connected to the journal: `JOURNAL_STREAM` then holds its device and
/// inode (`systemd.exec(5)`). A mere presence of the variable proves nothing: it is inherited by
/// children whose standard error was redirected.
fn under_journald() -> bool {
    std::env::var("JOURNAL_STREAM").is_ok_and(|stream| names(&stream, io::stderr()))
}

/// Whether `stream` (`device:inode`, decimal) names the file.
fn names(stream: &str, file: impl AsFd) -> bool {
    let Some((device, inode)) = stream.split_once(':') else { return false };
    let (Ok(device), Ok(inode)) = (device.parse::<u64>(), inode.parse::<u64>()) else {
        return false;
    };
    rustix::fs::fstat(file).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (device, inode))
}

/// Keeps libraries at warnings whatever the filter says. An HTTP client's debug records hold URLs
/// with authorization codes and headers with tokens, a D-Bus library's hold whole messages: no
/// setting may put those into a log. Ostler's own records are written with that in mind.
struct Clamp;

impl Clamp {
    fn admits(metadata: &Metadata<'_>) -> bool {
        let krate = metadata.target().split("::").next().unwrap_or_default();
        matches!(krate, "ostler" | "ostlerd") || *metadata.level() <= Level::WARN
    }
}

impl<S: Subscriber> Layer<S> for Clamp {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::admits(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        Self::admits(metadata)
    }
}

/// A log that nobody reads, and what keeps it alive.
#[cfg(test)]
pub(crate) fn for_tests(level: LevelFilter) -> (LogControl, impl Subscriber + Send + Sync) {
    let (subscriber, filter) = assemble(usual(level), Box::new(fmt::layer()));
    (LogControl { filter, target: LogTarget::Console }, subscriber)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};
    use std::sync::{Arc, Mutex};

    use tracing::{debug, info, info_span, trace};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged by `acts` under a filter; `acts` can change the level.
    fn logged(spec: Option<&str>, acts: impl FnOnce(&LogControl)) -> String {
        let page = Page::default();
        let writer = page.clone();
        let sink = fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let (subscriber, filter) = assemble(filter(spec, Level::INFO).0, Box::new(sink));
        let control = LogControl { filter, target: LogTarget::Console };
        tracing::subscriber::with_default(subscriber, || acts(&control));
        page.text()
    }

    fn speak() {
        debug!(target: "ostler::engine", "own-debug");
        info!(target: "ostler::engine", account = "parqex", "own-info");
        info!(target: "other", "other-info");
        warn!(target: "other", "other-warning");
    }

    #[test]
    fn by_default_ostler_speaks_from_info_and_libraries_from_warnings() {
        let text = logged(None, |_| speak());
        assert!(text.contains("own-info") && text.contains("account=\"parqex\""), "{text}");
        assert!(text.contains("other-warning"), "{text}");
        assert!(!text.contains("own-debug") && !text.contains("other-info"), "{text}");
    }

    #[test]
    fn no_filter_makes_a_library_say_more_than_warnings() {
        macro_rules! leak {
            ($($target:literal),*) => {$(
                trace!(target: $target, "GET /callback?code=fake-leak");
                debug!(target: concat!($target, "::client"), "token=fake-leak");
                info!(target: concat!($target, "::client"), "token=fake-leak");
                let _span = info_span!(target: $target, "call", url = "fake-leak").entered();
                info!(target: "ostler::oauth", "within");
                warn!(target: $target, "a warning of {}", $target);
            )*};
        }
        let spec = "trace,hyper=trace,hyper_util=trace,hyper::client=trace,reqwest=trace,\
                    h2=trace,rustls=trace,zbus=trace,[call{url}]=trace";
        let text = logged(Some(spec), |_| {
            leak!("hyper", "hyper_util", "reqwest", "h2", "rustls", "zbus", "ostlerish");
            trace!(target: "ostler::oauth", "own-trace");
        });
        assert!(!text.contains("fake-leak"), "{text}");
        assert!(text.contains("own-trace"), "{text}");
        for library in ["hyper", "hyper_util", "reqwest", "h2", "rustls", "zbus"] {
            assert!(text.contains(&format!("a warning of {library}\n")), "{text}");
        }
    }

    #[test]
    fn the_level_changes_while_running() {
        let text = logged(None, |control| {
            assert_eq!(control.level(), LevelFilter::INFO);
            debug!(target: "ostler::engine", "before");
            control.set_level(LevelFilter::DEBUG).unwrap();
            assert_eq!(control.level(), LevelFilter::DEBUG);
            debug!(target: "ostler::engine", "during");
            control.set_level(LevelFilter::ERROR).unwrap();
            assert_eq!(control.level(), LevelFilter::ERROR);
            warn!(target: "ostler::engine", "after");
        });
        assert!(text.contains("during"), "{text}");
        assert!(!text.contains("before") && !text.contains("after"), "{text}");
    }

    #[test]
    fn a_malformed_filter_is_reported_and_the_usual_one_serves() {
        let (filter, problem) = filter(Some("ostler=loud"), Level::INFO);
        assert!(problem.is_some());
        assert_eq!(filter.to_string(), usual(LevelFilter::INFO).to_string());
    }

    #[test]
    fn a_journal_stream_is_known_by_device_and_inode() {
        let file = tempfile::tempfile().unwrap();
        let stat = rustix::fs::fstat(&file).unwrap();
        let right = format!("{}:{}", stat.st_dev, stat.st_ino);
        assert!(names(&right, &file));
        assert!(!names(&right, tempfile::tempfile().unwrap()), "another file, same device");
        for wrong in ["", ":", "1", "a:b", "-1:2", "99999999999999999999999:1"] {
            assert!(!names(wrong, &file), "{wrong}");
        }
    }

    /// Not a test of its own: the child of the one below.
    #[test]
    #[ignore = "runs as the child of another test"]
    fn child() {
        let control = start(Level::INFO).unwrap();
        assert_eq!(control.target(), LogTarget::Console);
        assert!(matches!(start(Level::INFO), Err(LogError::Started)));
        debug!(target: "ostler::engine", "own-debug");
        debug!(target: "hyper", "fake-leak");
    }

    #[test]
    fn a_process_without_a_journal_logs_to_standard_error() {
        // a stream that is not standard error's: inherited from a parent, and to be ignored
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "sys::log::tests::child"])
            .env(VARIABLE, "debug")
            .env("JOURNAL_STREAM", "1:1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{text}");
        assert!(text.contains("own-debug"), "{text}");
        assert!(!text.contains("fake-leak") && !text.contains('\u{1b}'), "{text}");
    }
}
