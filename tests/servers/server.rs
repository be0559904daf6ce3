//! An authorization server as a process of the test's own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

use crate::support::process::{self, Kept};

/// How long it may take to listen: two seconds, as a rule.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is started: a port that was free may be taken by the time it binds it.
const STARTS: usize = 3;

/// Which server, and how its helpers are run.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    /// The directory with its scripts, below `tests/servers`.
    name: &'static str,
    python: OsString,
}

/// The server, which ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    kind: Kind,
    issuer: String,
    _process: Kept,
    _dir: TempDir,
}

/// What is set where this machine is to do without a server, and is not to fail for that.
const ABSENT: &str = "no";

impl Kind {
    /// glewlwyd; `None`, and a line that says so, where tests/run could not install it.
    pub(crate) fn glewlwyd() -> Option<Self> {
        let name = "glewlwyd";
        if std::env::var_os("OSTLER_TEST_GLEWLWYD").is_some_and(|value| value == ABSENT) {
            return skip(name);
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let there = std::env::split_paths(&path).any(|place| place.join(name).is_file());
        assert!(there, "glewlwyd is not installed: run tests/run, which installs it");
        Some(Self { name, python: "python3".into() })
    }

    /// django-oauth-toolkit; `None`, and a line that says so, where tests/run could not install it.
    pub(crate) fn django() -> Option<Self> {
        let name = "django";
        let venv = directory(name).join("venv/bin/python");
        let python = std::env::var_os("OSTLER_TEST_DJANGO").filter(|path| !path.is_empty());
        let python = python.unwrap_or_else(|| venv.into_os_string());
        if python == ABSENT {
            return skip(name);
        }
        assert!(
            Path::new(&python).is_file(),
            "django-oauth-toolkit is not installed: run tests/run, which installs it"
        );
        Some(Self { name, python })
    }

    /// One of its scripts.
    fn script(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        // nothing is to be left in the repository
        command.arg("-B").arg(directory(self.name).join(script)).stdin(Stdio::null());
        command
    }
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(name)
}

fn skip<T>(name: &str) -> Option<T> {
    use std::io::Write;
    // past the harness, which would keep it to itself
    let _ = writeln!(std::io::stderr(), "skipped, since this machine has no {name}");
    None
}

impl Server {
    /// Starts one on a free port, with these in its environment.
    pub(crate) fn start(kind: &Kind, environment: &[(&str, &str)]) -> Self {
        let mut said = Vec::new();
        for _ in 0..STARTS {
            match Self::start_once(kind, environment) {
                Ok(server) => return server,
                Err(error) => said.push(error),
            }
        }
        panic!("{} does not start: {said:?}", kind.name);
    }

    fn start_once(kind: &Kind, environment: &[(&str, &str)]) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("ostler-server-").tempdir()?;
        let stderr = dir.path().join("stderr");
        let mut process = Kept::spawn(
            kind.script("server.py")
                .arg(dir.path().join("state"))
                .arg("0")
                .envs(environment.iter().copied())
                .stdout(Stdio::piped())
                .stderr(File::create(&stderr)?),
        )?;
        let stdout = process.stdout()?;
        let patience = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
        if poll(&mut [PollFd::new(&stdout, PollFlags::IN)], Some(&patience))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // it prints one line when it listens, and closes the pipe if it cannot
        let ready = BufReader::new(stdout).lines().next().transpose()?.unwrap_or_default();
        let Some(issuer) = ready.strip_prefix("ready ").map(str::to_owned) else {
            return Err(io::Error::other(ready + &fs::read_to_string(stderr)?));
        };
        Ok(Self { kind: kind.clone(), issuer, _process: process, _dir: dir })
    }

    /// Its issuer identifier.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// One of its URLs, by what follows the issuer.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// Has one of its helpers do something, and gives what it printed.
    #[track_caller]
    pub(crate) fn has(&self, script: &str, arguments: &[&str]) -> String {
        let mut command = self.kind.script(script);
        let finished = process::run(command.args(arguments), "", PATIENCE).unwrap();
        assert!(finished.status.success(), "{script}: {finished:?}");
        finished.stdout.trim().to_owned()
    }

    /// Whether one of its helpers is refused something.
    pub(crate) fn refuses(&self, script: &str, arguments: &[&str]) -> String {
        let mut command = self.kind.script(script);
        let finished = process::run(command.args(arguments), "", PATIENCE).unwrap();
        assert!(!finished.status.success(), "{script}: {finished:?}");
        finished.stderr
    }
}
