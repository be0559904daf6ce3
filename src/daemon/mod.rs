//! Floor 5: the daemon put together: parse, open, announce, serve, drain.

mod args;
mod bus;
mod files;
mod host;
mod open;
mod reload;
mod serve;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;

use self::args::Args;
pub use self::args::command;
use crate::api::{EXIT_UNAVAILABLE, EXIT_USAGE};
use crate::crash;
use crate::sys::places::{Places, PlacesError};
use crate::sys::{log, process};

/// Threads for what blocks: names are looked up in them, one for each flight, and files that may be on a mount that hangs
/// are read. More than that waits; the unit allows 64 tasks (`TasksMax`).
const BLOCKING_MAX: usize = 40;

/// Exit status of a daemon that cannot work where it was started (`EX_CONFIG`, sysexits.h).
const EXIT_CONFIG: u8 = 78;

/// Runs `ostlerd` with these arguments, the program's name first, until it is told to stop.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            let shown = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if shown { 0 } else { EXIT_USAGE });
        }
    };
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let control = match log::start(tracing::Level::INFO) {
        Ok(control) => control,
        Err(error) => {
            complain(&format!("no log: {error}"));
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    if !args.debuggable
        && let Err(error) = process::forbid_inspection()
    {
        tracing::warn!(%error, "other processes of this user can read this one's memory");
    }
    // after the above: what dies on order leaves no core behind either
    crash::arm();
    match run(&args, control) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "cannot run");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Why the daemon did not run.
#[derive(Debug, thiserror::Error)]
enum DaemonError {
    /// It does not know where its files are.
    #[error(transparent)]
    Places(#[from] PlacesError),
    /// It owns no state, and nobody gave it a socket to say so on.
    #[error(transparent)]
    Lock(#[from] crate::sys::lock::LockError),
    /// It has nothing to listen on.
    #[error(transparent)]
    Socket(#[from] crate::sys::socket::SocketError),
    /// The runtime, the clock or the signals could not be set up, or failed.
    #[error("{what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
}

impl DaemonError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Places(_) => EXIT_CONFIG,
            Self::Lock(_) | Self::Socket(_) => EXIT_UNAVAILABLE,
            Self::System { .. } => 71,
        }
    }

    fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

fn run(args: &Args, control: log::LogControl) -> Result<(), DaemonError> {
    let places = Places::from_env(|name| std::env::var_os(name).map(Into::into))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(BLOCKING_MAX)
        .enable_all()
        .build()
        .map_err(DaemonError::system("the runtime"))?;
    let served = runtime.block_on(serve::serve(args, &places, control));
    // a name lookup may be stuck in its thread for as long as the resolver likes
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

/// Says something before there is a log.
#[expect(clippy::print_stderr, reason = "there is no log yet")]
fn complain(text: &str) {
    eprintln!("ostlerd: {text}");
}
