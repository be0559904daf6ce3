//! The real daemon in a home of its own, and the real command line beside it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use tempfile::TempDir;

use super::bus::Bus;
use super::clock;
use super::manager::Manager;
use super::process::{self, Finished, Kept};

/// How long the daemon may take to be ready, or to end: longer than any answer it waits for.
const PATIENCE: Duration = Duration::from_secs(40);

/// Where the two programs are.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    /// The daemon.
    pub(crate) ostlerd: PathBuf,
    /// The command line.
    pub(crate) ostler: PathBuf,
}

impl Binaries {
    /// Those that cargo built for an integration test; an example has to build its own. Or those in
    /// the directory `OSTLER_TEST_BINARIES`, such as static ones.
    pub(crate) fn of_this_test() -> Self {
        let others = std::env::var_os("OSTLER_TEST_BINARIES").filter(|path| !path.is_empty());
        if let Some(directory) = others.map(PathBuf::from) {
            return Self { ostlerd: directory.join("ostlerd"), ostler: directory.join("ostler") };
        }
        let (Some(ostlerd), Some(ostler)) =
            (option_env!("CARGO_BIN_EXE_ostlerd"), option_env!("CARGO_BIN_EXE_ostler"))
        else {
            unreachable!("cargo builds both for an integration test")
        };
        Self { ostlerd: ostlerd.into(), ostler: ostler.into() }
    }
}

/// A home directory, with the environment of a login session in it.
#[derive(Debug)]
pub(crate) struct Home {
    dir: TempDir,
    binaries: Binaries,
    environment: Vec<(OsString, OsString)>,
    /// A command that runs the daemon, if it is not run by itself.
    runner: Vec<String>,
}

/// The daemon, running or not.
#[derive(Debug)]
pub(crate) struct Daemon {
    home: Home,
    notify: Manager,
    process: Option<Kept>,
    notices: Vec<String>,
}

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// It could not be run.
    #[error("the daemon cannot be run: {0}")]
    Io(#[from] io::Error),
    /// It ended before it was ready.
    #[error("the daemon ended with {status} before it was ready; its log:\n{log}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// What it logged.
        log: String,
    },
    /// It runs and does not get ready.
    #[error("the daemon is not ready after {PATIENCE:?}; its log:\n{0}")]
    Slow(String),
}

impl Home {
    /// An empty home, without a bus.
    pub(crate) fn new(binaries: Binaries) -> io::Result<Self> {
        // a short path: a socket's may have 107 bytes (unix(7))
        let dir = tempfile::Builder::new().prefix("ostler-").tempdir()?;
        for name in ["home", "run", "state", "config", "data", "cache"] {
            DirBuilder::new().mode(0o700).create(dir.path().join(name))?;
        }
        let mut home = Self { dir, binaries, environment: Vec::new(), runner: Vec::new() };
        for name in ["PATH", "LLVM_PROFILE_FILE", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
            if let Some(value) = std::env::var_os(name) {
                home.environment.push((name.into(), value));
            }
        }
        for (name, below) in [
            ("HOME", "home"),
            ("XDG_RUNTIME_DIR", "run"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CACHE_HOME", "cache"),
        ] {
            let path = home.path(below).into_os_string();
            home.environment.push((name.into(), path));
        }
        // what the machine that runs the tests tells of its sleep is none of their business
        let nowhere = format!("unix:path={}", home.path("run/no-system-bus").display());
        let home = home.env("DBUS_SYSTEM_BUS_ADDRESS", &nowhere);
        Ok(home.env("LANG", "C.UTF-8").env("OSTLER_LOG", "debug").env("RUST_BACKTRACE", "1"))
    }

    /// With a session bus.
    pub(crate) fn bus(self, bus: &Bus) -> Self {
        self.env("DBUS_SESSION_BUS_ADDRESS", bus.address())
    }

    /// With an environment variable, which replaces an earlier one of that name.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Without an environment variable.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    /// With a configuration file, by its path below `$XDG_CONFIG_HOME/ostler`.
    pub(crate) fn config(self, name: &str, text: &str) -> io::Result<Self> {
        let path = self.path("config/ostler").join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
        Ok(self)
    }

    /// A path in it: `run`, `state`, `config`, `data` and `cache` are the XDG directories.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// The command line, in this environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.in_environment(&self.binaries.ostler);
        command.args(arguments);
        command
    }

    /// The daemon, in this environment: for starts that are not to succeed, or not by itself.
    pub(crate) fn daemon_command(&self) -> Command {
        let Some((runner, arguments)) = self.runner.split_first() else {
            return self.in_environment(&self.binaries.ostlerd);
        };
        let mut command = self.in_environment(Path::new(runner));
        command.args(arguments).arg(&self.binaries.ostlerd);
        command
    }

    /// A program in this environment.
    pub(crate) fn in_environment(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.path("home"));
        command
    }
}

impl Daemon {
    /// Starts it in a home, and waits until it says that it is ready (`sd_notify(3)`).
    pub(crate) fn start(home: Home) -> Result<Self, StartError> {
        let mut daemon = Self::prepare(home)?;
        daemon.launch()?;
        Ok(daemon)
    }

    /// One in a home that is not started yet.
    pub(crate) fn prepare(home: Home) -> io::Result<Self> {
        let notify = Manager::bind(&home.path("notify"))?;
        Ok(Self { home, notify, process: None, notices: Vec::new() })
    }

    /// Ends it if it runs, and starts it again in the same home.
    pub(crate) fn restart(&mut self) -> Result<(), StartError> {
        if self.process.is_some() {
            self.terminate()?;
        }
        self.launch()
    }

    /// Ends it if it runs, and starts it in the same home with one more environment variable, for
    /// this once. It need not get ready: a daemon that is to die may do so before.
    pub(crate) fn restart_with(&mut self, name: &str, value: &str) -> io::Result<()> {
        if self.process.is_some() {
            self.terminate()?;
        }
        self.spawn(|command| {
            command.env(name, value);
        })
    }

    /// Starts it in the same home once more, and does not wait until it is ready.
    pub(crate) fn begin_to_start(&mut self) -> io::Result<()> {
        self.spawn(|_| ())
    }

    /// Waits until it is ready.
    pub(crate) fn wait_ready(&mut self) -> Result<(), StartError> {
        self.wait_notice(|notice| notice == "READY=1")
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait_end(&mut self) -> io::Result<ExitStatus> {
        let mut process = self.process.take().ok_or(io::ErrorKind::NotConnected)?;
        process.wait(PATIENCE)
    }

    /// Ends it, and has it started again by a command that becomes it.
    pub(crate) fn restart_under(&mut self, runner: &[&str]) -> Result<(), StartError> {
        self.home.runner = runner.iter().map(|word| (*word).to_owned()).collect();
        self.restart()
    }

    /// Kills it, as a crash or a power cut would.
    pub(crate) fn kill9(&mut self) -> io::Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill().map(drop),
            None => Ok(()),
        }
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub(crate) fn terminate(&mut self) -> io::Result<ExitStatus> {
        // which makes room for what it says at the end
        self.collect_notices()?;
        let mut process = self.process.take().ok_or(io::ErrorKind::NotConnected)?;
        process.signal(Signal::TERM)?;
        process.wait(PATIENCE)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        self.process.as_ref().ok_or(io::ErrorKind::NotConnected)?.signal(signal)
    }

    /// Has it read its files anew (SIGHUP), and waits until it has.
    pub(crate) fn reload(&mut self) -> Result<(), StartError> {
        self.collect_notices()?;
        self.notices.clear();
        self.signal(Signal::HUP)?;
        self.wait_ready()
    }

    /// Its process id, if it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Kept::pid)
    }

    /// Its home.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Its socket.
    pub(crate) fn socket_path(&self) -> PathBuf {
        self.home.path("run/ostler/socket")
    }

    /// What it has logged since the first start.
    pub(crate) fn log(&self) -> String {
        fs::read(self.home.path("log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// What it has told the service manager since the last start, one `NAME=value` each.
    pub(crate) fn notices(&mut self) -> io::Result<&[String]> {
        self.collect_notices()?;
        Ok(&self.notices)
    }

    /// Waits until it tells the service manager something.
    pub(crate) fn wait_notice(&mut self, is_it: impl Fn(&str) -> bool) -> Result<(), StartError> {
        self.wait_notices(|notices| notices.iter().any(|notice| is_it(notice)))
    }

    /// Waits until what it has told the service manager since the last start is enough.
    pub(crate) fn wait_notices(
        &mut self,
        are_they: impl Fn(&[String]) -> bool,
    ) -> Result<(), StartError> {
        let deadline = clock::now() + PATIENCE;
        loop {
            self.collect_notices()?;
            if are_they(&self.notices) {
                return Ok(());
            }
            let process =
                self.process.as_mut().ok_or(io::Error::from(io::ErrorKind::NotConnected))?;
            let ended = process.pidfd()?;
            let mut watched =
                [PollFd::new(&self.notify, PollFlags::IN), PollFd::new(&ended, PollFlags::IN)];
            let patience = Timespec::try_from(clock::until(deadline)).map_err(io::Error::other)?;
            if poll(&mut watched, Some(&patience)).map_err(io::Error::from)? == 0 {
                return Err(StartError::Slow(self.log()));
            }
            if watched[0].revents().is_empty() {
                let status = process.wait(Duration::ZERO)?;
                self.process = None;
                return Err(StartError::Ended { status, log: self.log() });
            }
        }
    }

    /// The command line, in its environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.home.command(arguments)
    }

    /// Runs the command line to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> io::Result<Finished> {
        process::run(&mut self.command(arguments), "", PATIENCE)
    }

    fn launch(&mut self) -> Result<(), StartError> {
        self.begin_to_start()?;
        self.wait_ready()
    }

    fn spawn(&mut self, prepare: impl FnOnce(&mut Command)) -> io::Result<()> {
        self.collect_notices()?;
        self.notices.clear();
        let log = OpenOptions::new().create(true).append(true).open(self.home.path("log"))?;
        let mut command = self.home.daemon_command();
        command
            .env("NOTIFY_SOCKET", self.home.path("notify"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        prepare(&mut command);
        self.process = Some(Kept::spawn(&mut command)?);
        Ok(())
    }

    fn collect_notices(&mut self) -> io::Result<()> {
        self.notices.extend(self.notify.collect()?);
        Ok(())
    }
}
