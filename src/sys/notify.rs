//! Words for the service manager (`sd_notify(3)`). All are silent where nobody listens, that is
//! without `NOTIFY_SOCKET`: in a terminal, in a container, under another init.
//!
//! A manager that does not read its socket must not hold up those who wait for tokens: what can be
//! said again later is said at once or not at all, and the rest soon or not at all.

use std::ffi::OsStr;
use std::fmt::Write;
use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// How long to wait for room in the manager's socket with what is said only once.
const PATIENCE: Duration = Duration::from_secs(1);

/// Start-up or a reload is finished.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// How things stand: shown by `systemctl status`. Says whether it could be told; if not, it is worth
/// another try later.
#[must_use]
pub fn status(status: &str) -> bool {
    match send(&[NotifyState::Status(&one_line(status))], None) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        // trying again would not help
        result => {
            heed(result);
            true
        }
    }
}

/// Settings are being read again; [`ready`] follows. The time on the monotonic clock goes with it,
/// by which `Type=notify-reload` tells this reload from an older one (`systemd.service(5)`).
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "the monotonic clock cannot be read"),
    }
}

/// The daemon is on its way out.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// A sign of life, due at least once in [`watchdog_interval`].
pub fn watchdog() {
    heed(send(&[NotifyState::Watchdog], None));
}

/// How often to give a sign of life: half of what the unit allows, as `sd_watchdog_enabled(3)`
/// advises; `None` if the unit has no `WatchdogSec=`.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()).map(|limit| limit / 2)
}

fn tell(states: &[NotifyState<'_>]) {
    heed(send(states, Some(PATIENCE)));
}

fn heed(result: io::Result<()>) {
    // The service manager decides what a missing word means; the daemon goes on.
    if let Err(error) = result {
        warn!(%error, "the service manager cannot be told");
    }
}

/// Sends one datagram, waiting for room no longer than that. `sd_notify::notify` would wait for ever.
fn send(states: &[NotifyState<'_>], patience: Option<Duration>) -> io::Result<()> {
    let Some(place) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let mut message = String::new();
    for state in states {
        // a String takes everything
        let _ = writeln!(message, "{state}");
    }
    let socket = UnixDatagram::unbound()?;
    match patience {
        Some(patience) => socket.set_write_timeout(Some(patience))?,
        None => socket.set_nonblocking(true)?,
    }
    socket.send_to_addr(message.as_bytes(), &address(&place)?).map(drop)
}

/// A path, or a name in the abstract namespace behind an `@` (unix(7)).
fn address(place: &OsStr) -> io::Result<SocketAddr> {
    match place.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(place),
    }
}

/// A line feed would end the assignment and begin another one.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::process::{Command, Stdio};

    use super::*;

    /// Not a test of its own: what the child of the tests below says. The environment of a process
    /// cannot be changed safely while it has threads, so another process is given one.
    #[test]
    #[ignore = "runs as the child of the other tests"]
    fn child() {
        ready();
        let told = status("3 accounts\nMAINPID=1");
        assert_eq!(told, std::env::var_os("DEAF").is_none());
        reloading();
        if let Some(interval) = watchdog_interval() {
            assert!(status(&format!("every {} ms", interval.as_millis())));
            watchdog();
        }
        stopping();
    }

    fn run_child(configure: impl FnOnce(&mut Command)) {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--ignored", "--exact", "sys::notify::tests::child"]);
        child.env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
        configure(&mut child);
        let output = child.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }

    #[test]
    fn each_word_is_one_datagram_in_the_form_of_sd_notify() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        run_child(|child| {
            child.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "60000000");
        });
        let mut heard = Vec::new();
        let mut buffer = [0; 512];
        while let Ok(length) = socket.recv(&mut buffer) {
            heard.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        assert_eq!(heard[0], "READY=1\n");
        assert_eq!(heard[1], "STATUS=3 accounts MAINPID=1\n", "one line stays one line");
        let (reloading, usec) = heard[2].split_once('\n').unwrap();
        assert_eq!(reloading, "RELOADING=1");
        let usec = usec.trim_end().strip_prefix("MONOTONIC_USEC=").unwrap();
        assert!(usec.parse::<u64>().unwrap() > 0);
        assert_eq!(heard[3..], ["STATUS=every 30000 ms\n", "WATCHDOG=1\n", "STOPPING=1\n"]);
    }

    #[test]
    fn without_a_service_manager_nothing_happens() {
        run_child(|_| {});
    }

    #[test]
    fn a_service_manager_with_a_name_in_place_of_a_path_is_told_too() {
        let name = format!("ostler-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        run_child(|child| {
            child.env("NOTIFY_SOCKET", format!("@{name}"));
        });
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1\n");
    }

    #[test]
    fn a_service_manager_that_does_not_read_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let _unread = UnixDatagram::bind(&path).unwrap();
        let filler = UnixDatagram::unbound().unwrap();
        filler.set_nonblocking(true).unwrap();
        while filler.send_to(b"X=1", &path).is_ok() {}
        run_child(|child| {
            child.env("NOTIFY_SOCKET", &path).env("DEAF", "1");
        });
    }

    #[test]
    fn a_watchdog_meant_for_another_process_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        run_child(|child| {
            child.env("NOTIFY_SOCKET", &path);
            child.env("WATCHDOG_USEC", "60000000").env("WATCHDOG_PID", "1");
        });
        let mut buffer = [0; 512];
        while let Ok(length) = socket.recv(&mut buffer) {
            assert!(!buffer[..length].starts_with(b"WATCHDOG"));
        }
    }
}
