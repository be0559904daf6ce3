//! What the process at the other end of a connection is known by. Everything here but a sandbox's word can
//! be forged by any program of the user; what it is worth is [`Identity::tier`]'s to say.
//!
//! A process id can be given to another process at any moment, a pidfd cannot: what was read about the id
//! counts only if the process behind the pidfd is still there afterwards.

mod sandbox;
mod unit;

use std::fs;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use self::sandbox::{Place, Word};
use self::unit::Named;
use super::mount::Readers;
use crate::model::{Identity, IdentityKind};

/// A process that is to be recognised.
#[derive(Debug)]
pub struct Peer {
    pid: i32,
    pidfd: OwnedFd,
}

impl Peer {
    /// The process that connected a socket (`SO_PEERPIDFD`, Linux 6.5). Older kernels only have its id:
    /// then another process may have it by now, for the claimed tier is not worth more than that.
    #[must_use]
    pub fn of_socket(socket: BorrowedFd<'_>, pid: i32) -> Option<Self> {
        match getsockopt(&socket, sockopt::PeerPidfd) {
            Ok(pidfd) => Some(Self { pid, pidfd }),
            Err(_) => Self::of_pid(pid),
        }
    }

    /// A process by a pidfd that somebody trustworthy has.
    #[must_use]
    pub fn of_pidfd(pidfd: OwnedFd, pid: i32) -> Self {
        Self { pid, pidfd }
    }

    /// The process that has that id now.
    #[must_use]
    pub fn of_pid(pid: i32) -> Option<Self> {
        let pidfd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        Some(Self { pid, pidfd })
    }

    /// What it is known by; unknown if it is gone.
    pub async fn identify(self) -> Identity {
        let proc = Path::new("/proc").join(self.pid.to_string());
        let found = match sandbox::place(&proc) {
            Place::Vouched(identity) => identity,
            Place::Here => unsandboxed(&proc).await,
            Place::Elsewhere => match sandbox::ask(&proc).await {
                Word::Name(identity) => identity,
                Word::NotOurs => elsewhere(&proc).await,
                Word::Unclear => Identity::default(),
            },
            Place::Hidden => Identity::default(),
        };
        if self.is_there() { found } else { Identity::default() }
    }

    /// Whether it has not ended, so that its id is its own (`pidfd_open(2)`).
    fn is_there(&self) -> bool {
        let mut ended = [PollFd::new(&self.pidfd, PollFlags::IN)];
        poll(&mut ended, Some(&Timespec::default())).is_ok_and(|ready| ready == 0)
    }
}

/// Programs that run others: their own name says nothing. `ostler` is what scripts ask with.
const INTERPRETERS: [&str; 18] = [
    "sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "busybox", "python", "perl", "ruby",
    "node", "lua", "java", "php", "guile", "env", "ostler",
];

/// The best name of a program that is in no sandbox.
async fn unsandboxed(proc: &Path) -> Identity {
    if let Some(identity) = by_unit(proc).await {
        return identity;
    }
    match exe(proc) {
        Some(exe) if !is_interpreter(&exe) => Identity::new(IdentityKind::Exe, &exe),
        _ => terminal(proc).unwrap_or_else(Identity::host),
    }
}

/// The best name of a program in a file tree of its own that no sandbox vouches for: the user's service
/// that it is, or the file that it is over there.
async fn elsewhere(proc: &Path) -> Identity {
    let exe = || Some(Identity::new(IdentityKind::Container, &exe(proc)?));
    by_unit(proc).await.or_else(exe).unwrap_or_default()
}

async fn by_unit(proc: &Path) -> Option<Identity> {
    let cgroup = read(&proc.join("cgroup"))?;
    Some(match unit::named(&cgroup)? {
        Named::App { id, .. } if has_desktop_file(&id).await => {
            Identity::new(IdentityKind::App, &id)
        }
        Named::App { unit, .. } | Named::Service(unit) => Identity::new(IdentityKind::Unit, &unit),
    })
}

/// Its file. Not to be read of programs that do not let themselves be traced (`proc_pid_exe(5)`).
fn exe(proc: &Path) -> Option<String> {
    let exe = fs::read_link(proc.join("exe")).ok()?;
    let exe = exe.to_str()?;
    Some(exe.strip_suffix(" (deleted)").unwrap_or(exe).to_owned())
}

fn is_interpreter(exe: &str) -> bool {
    let name = exe.rsplit('/').next().unwrap_or(exe);
    // python3.11, lua5.4, perl5.36
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    INTERPRETERS.contains(&name)
}

/// Whether a desktop file makes it an application. Where that cannot be told in time it is known by its unit: then the
/// user's rules for the application do not fit, and the user is asked.
async fn has_desktop_file(id: &str) -> bool {
    static READERS: Readers = Readers::new(1, Duration::from_secs(1));
    let id = id.to_owned();
    READERS.read(move || is_installed(&id)).await.unwrap_or(false)
}

/// Whether there is a desktop file (XDG Base Directory Specification).
fn is_installed(id: &str) -> bool {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let home = variable("XDG_DATA_HOME")
        .or_else(|| variable("HOME").map(|home| format!("{home}/.local/share")));
    let shared = variable("XDG_DATA_DIRS").unwrap_or("/usr/local/share:/usr/share".to_owned());
    home.into_iter()
        .chain(shared.split(':').map(str::to_owned))
        .any(|data| Path::new(&data).join("applications").join(format!("{id}.desktop")).is_file())
}

/// The terminal session that it belongs to: the leader's id, and when that was started, since ids come
/// round again.
fn terminal(proc: &Path) -> Option<Identity> {
    let fields = stat(proc)?;
    let (session, terminal) = (fields.get(3)?, fields.get(4)?);
    if terminal == "0" {
        return None;
    }
    let leader = stat(&Path::new("/proc").join(session))?;
    Some(Identity::new(IdentityKind::Tty, &format!("{session}@{}", leader.get(19)?)))
}

/// The fields of `/proc/PID/stat` behind the name, which may hold anything (`proc_pid_stat(5)`).
fn stat(proc: &Path) -> Option<Vec<String>> {
    let text = read(&proc.join("stat"))?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// A file of procfs, up to what any of them is long.
fn read(path: &Path) -> Option<String> {
    use std::io::Read;
    let mut text = String::new();
    fs::File::open(path).ok()?.take(16 * 1024).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn interpreters_are_told_from_programs() {
        for exe in ["/usr/bin/python3.11", "/bin/bash", "/usr/bin/perl", "/nix/store/x/bin/lua5.4"]
        {
            assert!(is_interpreter(exe), "{exe}");
        }
        for exe in ["/usr/bin/curl", "/opt/bashful/bin/mail", "/usr/bin/offlineimap3"] {
            assert!(!is_interpreter(exe), "{exe}");
        }
    }

    #[tokio::test]
    async fn the_other_end_of_a_socket_is_recognised() {
        let (mine, _its) = UnixStream::pair().unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        let identity = Peer::of_socket(mine.as_fd(), pid).unwrap().identify().await;
        // a test run from a unit is that unit, else this file
        let exe = std::env::current_exe().unwrap();
        let found = identity.to_string();
        assert!(found == format!("exe:{}", exe.display()) || found.starts_with("unit:"), "{found}");
    }

    #[tokio::test]
    async fn a_process_that_is_gone_is_nobody() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let peer = Peer::of_pid(i32::try_from(child.id()).unwrap()).unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(peer.identify().await, Identity::default());
        assert!(Peer::of_pid(0).is_none());
    }
}
