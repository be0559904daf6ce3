//! Programs beside the daemon: those that take the time, floors and peers. All of them are C, so that none has a
//! runtime to pay for.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::Failure;
use crate::options::Options;
use crate::support::process::{self, Kept};

/// How long a meter may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// What a meter said, by name.
#[derive(Debug)]
pub(crate) struct Reading(BTreeMap<String, f64>);

impl Reading {
    /// One of its figures.
    pub(crate) fn get(&self, name: &str) -> Result<f64, Failure> {
        self.0.get(name).copied().ok_or_else(|| format!("the meter says nothing of {name}").into())
    }
}

/// Runs a meter to its end.
pub(crate) fn read(command: &mut Command) -> Result<Reading, Failure> {
    let finished = process::run(command, "", PATIENCE)?;
    if !finished.status.success() {
        return Err(format!("{command:?}: {} {}", finished.status, finished.stderr).into());
    }
    let figures = finished.stdout.lines().map(|line| {
        let (name, value) = line.split_once(' ').ok_or("a figure has a name and a value")?;
        Ok((name.to_owned(), value.parse()?))
    });
    Ok(Reading(figures.collect::<Result<_, Failure>>()?))
}

/// A server that is there until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Kept,
    /// What it listens on.
    pub(crate) path: PathBuf,
    _dir: TempDir,
}

impl Server {
    /// Starts a floor, and waits until it listens.
    pub(crate) fn floor(options: &Options, name: &str, length: usize) -> Result<Self, Failure> {
        let dir = TempDir::new()?;
        let path = dir.path().join("socket");
        let mut command = Command::new(options.tools.join(name));
        let process = until_ready(command.arg(&path).arg(length.to_string()))?;
        Ok(Self { process, path, _dir: dir })
    }

    /// Starts an ssh-agent with two keys; nothing if there is none here.
    pub(crate) fn ssh_agent() -> Result<Option<Self>, Failure> {
        let dir = TempDir::new()?;
        let path = dir.path().join("agent");
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&path).stdin(Stdio::null()).stdout(Stdio::piped());
        let Ok(mut process) = Kept::spawn(&mut command) else { return Ok(None) };
        // it tells its address once it listens
        BufReader::new(process.stdout()?).read_line(&mut String::new())?;
        for kind in ["ed25519", "ecdsa"] {
            let key = dir.path().join(kind);
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-N", "", "-t", kind, "-f"]).arg(&key);
            succeed(&mut command)?;
            succeed(Command::new("ssh-add").arg("-q").arg(&key).env("SSH_AUTH_SOCK", &path))?;
        }
        Ok(Some(Self { process, path, _dir: dir }))
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// Starts a program, and waits for the line by which it says that it is ready.
pub(crate) fn until_ready(command: &mut Command) -> Result<Kept, Failure> {
    let mut process = Kept::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let mut line = String::new();
    BufReader::new(process.stdout()?).read_line(&mut line)?;
    match line.as_str() {
        "ready\n" => Ok(process),
        _ => Err(format!("{command:?} is not ready").into()),
    }
}

fn succeed(command: &mut Command) -> Result<(), Failure> {
    let finished = process::run(command, "", PATIENCE)?;
    if !finished.status.success() {
        return Err(format!("{command:?}: {}", finished.stderr).into());
    }
    Ok(())
}

/// Asks a server by the meter for that.
pub(crate) fn ask(
    options: &Options,
    way: &str,
    socket: &Path,
    question: &Path,
    count: usize,
    clients: usize,
) -> Result<Reading, Failure> {
    let mut command = Command::new(options.tools.join("ask"));
    command.arg(way).arg(socket).arg(question);
    read(command.args([count.to_string(), clients.to_string()]))
}
