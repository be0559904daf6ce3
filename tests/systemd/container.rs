//! A machine of its own: systemd as PID 1 of a container, with two users whose managers run.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use crate::support::clock;
use crate::support::manager::Manager;
use crate::support::process::{self, Finished, Kept};

/// Booting takes two seconds on an idle machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A container that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Container {
    /// `unshare`, whose child is PID 1 inside. Killed with it if it does not end by itself.
    process: Kept,
    /// PID 1, as it is called outside.
    init: u32,
    _cgroup: Cgroup,
    dir: TempDir,
}

/// Somebody who has an account on that machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: &'static str,
    pub(crate) id: u32,
}

/// The two users; `boot` makes them.
pub(crate) const TESTER: User = User { name: "tester", id: 4242 };
pub(crate) const OTHER: User = User { name: "other", id: 4243 };

impl Container {
    /// Boots one. `Err` with the reason where this machine cannot.
    pub(crate) fn boot() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("not root".to_owned());
        }
        let cgroup = Cgroup::make()?;
        let dir = tempfile::Builder::new().prefix("ostler-machine-").tempdir().map_err(said)?;
        let host = dir.path().join("host");
        fs::create_dir(&host).map_err(said)?;
        let mut manager = Manager::bind(&host.join("notify")).map_err(said)?;
        let console = File::create(dir.path().join("console")).map_err(said)?;
        let boot = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systemd/boot");
        let mut command = Command::new(boot);
        command
            .arg(dir.path())
            .arg(&cgroup.0)
            .stdin(Stdio::null())
            .stdout(console.try_clone().map_err(said)?)
            .stderr(console);
        let process = Kept::spawn(&mut command).map_err(said)?;
        let mut container = Self { process, init: 0, _cgroup: cgroup, dir };
        container.wait_up(&mut manager)?;
        Ok(container)
    }

    /// Waits until PID 1 says that it is up.
    fn wait_up(&mut self, manager: &mut Manager) -> Result<(), String> {
        let deadline = clock::now() + PATIENCE;
        let ended = self.process.pidfd().map_err(said)?;
        loop {
            if manager.collect().map_err(said)?.iter().any(|line| line == "READY=1") {
                break;
            }
            let mut watched =
                [PollFd::new(manager, PollFlags::IN), PollFd::new(&ended, PollFlags::IN)];
            let left = Timespec::try_from(clock::until(deadline)).map_err(io::Error::other);
            let ready = poll(&mut watched, Some(&left.map_err(said)?)).map_err(said)?;
            if ready == 0 || watched[0].revents().is_empty() {
                return Err(format!("systemd does not boot here; {}", self.console()));
            }
        }
        let pid = self.process.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.map_err(said)?;
        let child = children.split_whitespace().next().ok_or("unshare has no child")?;
        self.init = child.parse().map_err(said)?;
        Ok(())
    }

    /// What PID 1 and its kind have said.
    pub(crate) fn console(&self) -> String {
        fs::read_to_string(self.dir.path().join("console")).unwrap_or_default()
    }

    /// A command to be run inside, as root.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.init.to_string()])
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"])
            .args(words);
        command
    }

    /// A command to be run inside, in the session of a user.
    pub(crate) fn command_of(&self, user: User, words: &[&str]) -> Command {
        let User { name, id } = user;
        let mut command = self.command(&["setpriv", "--clear-groups", "--reset-env"]);
        command.args([&format!("--reuid={id}"), &format!("--regid={id}"), "env", "-i"]).args([
            format!("XDG_RUNTIME_DIR=/run/user/{id}"),
            format!("DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{id}/bus"),
            format!("HOME=/home/{name}"),
            format!("USER={name}"),
            "LANG=C.UTF-8".to_owned(),
            "PATH=/usr/local/bin:/usr/bin:/bin".to_owned(),
        ]);
        command.args(words);
        command
    }

    /// Runs a command inside as root, to its end.
    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> Finished {
        finish(&mut self.command(words), words)
    }

    /// The same as a user.
    #[track_caller]
    pub(crate) fn run_as(&self, user: User, words: &[&str]) -> Finished {
        finish(&mut self.command_of(user, words), words)
    }

    /// What a command of root's said that went well.
    #[track_caller]
    pub(crate) fn said(&self, words: &[&str]) -> String {
        well(&self.run(words), words)
    }

    /// What a command of a user's said that went well.
    #[track_caller]
    pub(crate) fn said_as(&self, user: User, words: &[&str]) -> String {
        well(&self.run_as(user, words), words)
    }

    /// Writes a file inside.
    pub(crate) fn write(&self, path: &str, contents: &[u8], owner: User) {
        let script = "install -D -m 600 -o \"$2\" -g \"$2\" /dev/stdin \"$1\"";
        let id = owner.id.to_string();
        let mut command = self.command(&["sh", "-c", script, "sh", path, &id]);
        let mut kept = Kept::spawn(command.stdin(Stdio::piped())).unwrap();
        kept.stdin().unwrap().write_all(contents).unwrap();
        assert!(kept.wait(PATIENCE).unwrap().success(), "{path} cannot be written");
    }

    /// Does something in the container's network, in which there is nobody but its own programs.
    pub(crate) fn in_network<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let network = File::open(format!("/proc/{}/ns/net", self.init)).unwrap();
        std::thread::scope(|scope| {
            let inside = scope.spawn(move || {
                let kind = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(std::os::fd::AsFd::as_fd(&network), kind).unwrap();
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.init != 0 {
            // systemd(1): power off at once; what is lost is on a tmpfs
            let pid = self.init.to_string();
            let _ = Command::new("kill").args(["-s", "RTMIN+14", &pid]).status();
            let _ = self.process.wait(Duration::from_secs(20));
        }
        // before the cgroup goes, which must be empty
        let _ = self.process.kill();
    }
}

/// The cgroup that the container's tree hangs below.
#[derive(Debug)]
struct Cgroup(PathBuf);

impl Cgroup {
    fn make() -> Result<Self, String> {
        let mut root = Path::new("/sys/fs/cgroup/unified");
        if !root.is_dir() {
            root = Path::new("/sys/fs/cgroup");
        }
        if !root.join("cgroup.procs").is_file() {
            return Err("no cgroup v2 tree".to_owned());
        }
        let prefix = format!("ostler-test-{}-", std::process::id());
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir_in(root).map_err(said)?;
        Ok(Self(dir.keep()))
    }
}

impl Drop for Cgroup {
    /// Removes it with those below, which are empty by now.
    fn drop(&mut self) {
        fn remove(path: &Path) {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    remove(&entry.path());
                }
            }
            let _ = fs::remove_dir(path);
        }
        remove(&self.0);
    }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[track_caller]
fn finish(command: &mut Command, words: &[&str]) -> Finished {
    process::run(command, "", PATIENCE).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

#[track_caller]
fn well(finished: &Finished, words: &[&str]) -> String {
    assert!(finished.status.success(), "{words:?}: {finished:?}");
    finished.stdout.trim_end().to_owned()
}
