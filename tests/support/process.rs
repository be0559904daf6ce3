//! Processes that do not outlive their test.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// A child that is killed and reaped when it is dropped.
#[derive(Debug)]
pub(crate) struct Kept(Child);

/// A process that somebody else started, and that is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Adopted(OwnedFd);

/// A command that has run to its end.
#[derive(Debug)]
pub(crate) struct Finished {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// What it said.
    pub(crate) stdout: String,
    /// What it complained about.
    pub(crate) stderr: String,
}

impl Kept {
    /// Starts a child.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        command.spawn().map(Self)
    }

    /// Its standard input, if it is a pipe and was not taken before.
    pub(crate) fn stdin(&mut self) -> io::Result<ChildStdin> {
        self.0.stdin.take().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// Its standard output, if it is a pipe and was not taken before.
    pub(crate) fn stdout(&mut self) -> io::Result<ChildStdout> {
        self.0.stdout.take().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// Its standard error, if it is a pipe and was not taken before.
    pub(crate) fn stderr(&mut self) -> io::Result<ChildStderr> {
        self.0.stderr.take().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.0), signal)?)
    }

    /// Kills it and waits for its end.
    pub(crate) fn kill(&mut self) -> io::Result<ExitStatus> {
        self.0.kill()?;
        self.0.wait()
    }

    /// A descriptor that is readable once it has ended (`pidfd_open(2)`).
    pub(crate) fn pidfd(&self) -> io::Result<OwnedFd> {
        Ok(pidfd_open(Pid::from_child(&self.0), PidfdFlags::empty())?)
    }

    /// Waits for its end; an error of kind `TimedOut` if it does not come.
    pub(crate) fn wait(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        let ended = self.pidfd()?;
        let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&patience))? {
            0 => Err(io::ErrorKind::TimedOut.into()),
            _ => self.0.wait(),
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // both fail only if it has ended and been waited for
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Adopted {
    /// Takes a process over that is there now.
    pub(crate) fn new(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.0, signal)?)
    }

    /// Waits for its end; an error of kind `TimedOut` if it does not come.
    pub(crate) fn wait(&self, patience: Duration) -> io::Result<()> {
        let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&patience))? {
            0 => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        // fails only if it has ended
        let _ = self.signal(Signal::KILL);
    }
}

/// Runs a command to its end with that on its standard input, within a time.
pub(crate) fn run(command: &mut Command, input: &str, patience: Duration) -> io::Result<Finished> {
    let stdout = tempfile::tempfile()?;
    let stderr = tempfile::tempfile()?;
    command.stdin(Stdio::piped()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    let mut kept = Kept::spawn(command)?;
    match kept.stdin()?.write_all(input.as_bytes()) {
        // a command may end without reading its input
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
        _ => {}
    }
    let status = kept.wait(patience)?;
    Ok(Finished { status, stdout: text(stdout)?, stderr: text(stderr)? })
}

/// All that was written to a file.
pub(crate) fn text(mut file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
