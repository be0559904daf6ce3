//! Sandboxes: made by bubblewrap, as Flatpak makes them, with the file in them by which it says what runs there.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use super::daemon::Home;
use super::process::Kept;

/// A sandbox that programs can be started in.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// What is in it of the outside: `.flatpak-info`, the place of a filtered bus.
    dir: TempDir,
    vouches: bool,
}

impl Sandbox {
    /// Flatpak's, of an application with that id.
    pub(crate) fn flatpak(id: &str) -> io::Result<Self> {
        let dir = TempDir::new()?;
        let info = format!(
            "[Application]\nname={id}\nruntime=runtime/org.example.Platform/x86_64/1\n\n\
             [Instance]\ninstance-id=1\n"
        );
        fs::write(dir.path().join("info"), info)?;
        Ok(Self { dir, vouches: true })
    }

    /// Somebody's, of which Flatpak knows nothing: a container.
    pub(crate) fn container() -> io::Result<Self> {
        Ok(Self { dir: TempDir::new()?, vouches: false })
    }

    /// A program in it, in the environment of a home. It sees the system's programs, the home, and the
    /// directory that the program is in.
    pub(crate) fn program(&self, home: &Home, program: &Path) -> Command {
        self.program_seeing(home, &home.path(""), program)
    }

    /// The same, but of the home it sees a part alone.
    pub(crate) fn program_seeing(&self, home: &Home, part: &Path, program: &Path) -> Command {
        let mut command = home.in_environment(Path::new("bwrap"));
        for system in ["/usr", "/etc"] {
            command.args(["--ro-bind", system, system]);
        }
        for link in ["bin", "lib", "lib64", "sbin"] {
            command.arg("--symlink").arg(format!("usr/{link}")).arg(format!("/{link}"));
        }
        command.args(["--proc", "/proc", "--dev", "/dev"]);
        for shared in [part, self.dir.path()] {
            command.arg("--bind").arg(shared).arg(shared);
        }
        if let Some(place) = program.parent().filter(|place| place.is_absolute()) {
            command.arg("--ro-bind").arg(place).arg(place);
        }
        if self.vouches {
            command.arg("--ro-bind").arg(self.dir.path().join("info")).arg("/.flatpak-info");
        }
        command.args(["--die-with-parent", "--"]).arg(program);
        command
    }

    /// A bus for what is in the sandbox: xdg-dbus-proxy in front of another one, as Flatpak starts it, which
    /// lets programs talk to one name. The process that the bus knows is the proxy's.
    pub(crate) fn proxy(&self, home: &Home, bus: &str, name: &str) -> io::Result<Proxy> {
        let socket = self.dir.path().join("bus");
        // where the real bus is, must be seen in there
        let place = bus.strip_prefix("unix:path=").and_then(|path| Path::new(path).parent());
        let place = place.ok_or(io::ErrorKind::Unsupported)?;
        let mut command = self.program(home, &place.join("nothing"));
        let mut with_proxy = Command::new("bwrap");
        with_proxy
            .env_clear()
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let arguments: Vec<_> = command.get_args().collect();
        // all but the program itself
        with_proxy.args(&arguments[..arguments.len() - 1]);
        with_proxy.arg("xdg-dbus-proxy").arg(bus).arg(&socket);
        with_proxy.arg("--filter").arg(format!("--talk={name}"));
        command = with_proxy;
        // it writes a byte when it listens, and ends when nobody reads any more
        command.arg("--fd=1").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Kept::spawn(&mut command)?;
        let mut ready = process.stdout()?;
        ready.read_exact(&mut [0])?;
        Ok(Proxy { socket, _ready: ready, _process: process })
    }
}

/// A filtered bus, for as long as it is kept.
#[derive(Debug)]
pub(crate) struct Proxy {
    socket: PathBuf,
    _ready: ChildStdout,
    _process: Kept,
}

impl Proxy {
    /// Where to connect.
    pub(crate) fn address(&self) -> String {
        format!("unix:path={}", self.socket.display())
    }

    /// A connection that has got through the handshake but for its end, for clients that send all of it in one
    /// go and the first call with it, as zbus 6.2 does: xdg-dbus-proxy 0.1.4 takes that for nonsense.
    pub(crate) fn patient_address(&self) -> io::Result<String> {
        let path = self.socket.with_extension("patient");
        let listener = UnixListener::bind(&path)?;
        let upstream = self.socket.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // a client that fails is the test's to notice
                let _ = UnixStream::connect(&upstream).and_then(|proxy| relay(client, proxy));
            }
        });
        Ok(format!("unix:path={}", path.display()))
    }
}

/// Hands the lines of the handshake over one at a time, and then whatever comes, in both directions.
fn relay(client: UnixStream, proxy: UnixStream) -> io::Result<()> {
    let mut from_client = BufReader::new(client.try_clone()?);
    let mut from_proxy = BufReader::new(proxy.try_clone()?);
    let (mut to_client, mut to_proxy) = (client.try_clone()?, proxy.try_clone()?);
    loop {
        let mut line = Vec::new();
        from_client.read_until(b'\n', &mut line)?;
        to_proxy.write_all(&line)?;
        if line == b"BEGIN\r\n" || line.is_empty() {
            break;
        }
        let mut answer = Vec::new();
        from_proxy.read_until(b'\n', &mut answer)?;
        to_client.write_all(&answer)?;
    }
    thread::spawn(move || {
        let _ = io::copy(&mut from_proxy, &mut to_client);
        let _ = client.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_proxy);
        let _ = proxy.shutdown(Shutdown::Both);
    });
    Ok(())
}
