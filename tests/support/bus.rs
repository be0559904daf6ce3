//! A private D-Bus bus: the reference implementation where it is installed, else busd in process.

use std::future::{Future, poll_fn};
use std::io::{self, BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::pin::pin;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::task::Poll;
use std::thread::JoinHandle;

use tempfile::TempDir;
use tokio::sync::oneshot;

use super::daemon::Home;
use super::process::Kept;

/// A bus that ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Bus {
    address: String,
    kind: BusKind,
    broker: Broker,
    /// Where its socket is.
    dir: TempDir,
}

/// Which implementation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BusKind {
    /// `dbus-daemon` of the freedesktop.org project.
    Reference,
    /// `dbus-broker`, which several distributions have in its place.
    Broker,
    /// `busd`, a broker in Rust.
    Busd,
}

#[derive(Debug)]
enum Broker {
    Process(Kept),
    Thread { stop: Option<oneshot::Sender<()>>, thread: Option<JoinHandle<()>> },
}

impl Bus {
    /// Starts one: the reference implementation, or busd where there is none.
    pub(crate) fn start() -> io::Result<Self> {
        match Self::reference() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::busd(),
            result => result,
        }
    }

    /// Starts the one that desktops have: the reference implementation, or `dbus-broker` if
    /// `OSTLER_TEST_BUS` says so.
    pub(crate) fn desktop() -> io::Result<Self> {
        match std::env::var("OSTLER_TEST_BUS").as_deref() {
            Ok("dbus-broker") => Self::broker(),
            _ => Self::reference(),
        }
    }

    /// Starts `dbus-broker`. It wants a journal to write to and a socket that somebody else made, and ends
    /// with them.
    fn broker() -> io::Result<Self> {
        let dir = TempDir::new()?;
        std::fs::write(dir.path().join("bus.conf"), reference_config(dir.path(), ""))?;
        std::fs::create_dir(dir.path().join("journal"))?;
        let journal = UnixDatagram::bind(dir.path().join("journal/socket"))?;
        std::thread::spawn(move || while journal.recv(&mut [0; 4096]).is_ok() {});
        let address = format!("unix:path={}", dir.path().join("bus").display());
        let broker = Broker::Process(start_broker(dir.path(), &address)?);
        Ok(Self { address, kind: BusKind::Broker, broker, dir })
    }

    /// Starts the reference implementation; `NotFound` if it is not installed.
    pub(crate) fn reference() -> io::Result<Self> {
        Self::in_directory(TempDir::new()?, "", Command::new("dbus-daemon"))
    }

    /// Starts the reference implementation in the environment of a home, with a service file of that
    /// name by which it starts whoever is called and not there.
    pub(crate) fn activating(home: &Home, name: &str, file: &str) -> io::Result<Self> {
        let dir = TempDir::new()?;
        let services = dir.path().join("services");
        std::fs::create_dir(&services)?;
        std::fs::write(services.join(name), file)?;
        let line = format!("<servicedir>{}</servicedir>", services.display());
        Self::in_directory(dir, &line, home.in_environment(Path::new("dbus-daemon")))
    }

    fn in_directory(dir: TempDir, services: &str, mut program: Command) -> io::Result<Self> {
        std::fs::write(dir.path().join("bus.conf"), reference_config(dir.path(), services))?;
        let daemon = start_reference(&mut program, dir.path())?;
        // not as it is printed, with an id that is another one after a restart
        let address = format!("unix:path={}", dir.path().join("bus").display());
        Ok(Self { address, kind: BusKind::Reference, broker: Broker::Process(daemon), dir })
    }

    /// Kills a bus that is a process, as a crash would.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        match &mut self.broker {
            Broker::Process(daemon) => daemon.kill().map(drop),
            Broker::Thread { .. } => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Starts another one where it was.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        let bus = match self.kind {
            BusKind::Broker => {
                // the socket outlives the one who made it
                std::fs::remove_file(self.dir.path().join("bus"))?;
                start_broker(self.dir.path(), &self.address)?
            }
            _ => start_reference(&mut Command::new("dbus-daemon"), self.dir.path())?,
        };
        self.broker = Broker::Process(bus);
        Ok(())
    }

    /// Starts busd on a thread of its own.
    pub(crate) fn busd() -> io::Result<Self> {
        let dir = TempDir::new()?;
        let address = format!("unix:path={}", dir.path().join("bus").display());
        let (report, started) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("busd".to_owned())
            .spawn(move || zruntime::block_on(busd_until(stopped, address, report)))?;
        let address = started.recv().map_err(io::Error::other)?.map_err(io::Error::other)?;
        let broker = Broker::Thread { stop: Some(stop), thread: Some(thread) };
        Ok(Self { address, kind: BusKind::Busd, broker, dir })
    }

    /// Where to connect: what goes into `DBUS_SESSION_BUS_ADDRESS`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Which implementation it is.
    pub(crate) fn kind(&self) -> BusKind {
        self.kind
    }
}

impl std::fmt::Display for BusKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reference => "dbus-daemon",
            Self::Broker => "dbus-broker",
            Self::Busd => "busd in process",
        })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Self::Thread { stop, thread } = self {
            if let Some(stop) = stop.take() {
                // it may have ended by itself
                let _ = stop.send(());
            }
            if let Some(thread) = thread.take() {
                let _ = thread.join();
            }
        }
    }
}

/// Starts `dbus-daemon` with the configuration in a directory, and waits until it listens.
fn start_reference(program: &mut Command, dir: &Path) -> io::Result<Kept> {
    let mut daemon = Kept::spawn(
        program
            .arg("--config-file")
            .arg(dir.join("bus.conf"))
            .args(["--nofork", "--nopidfile", "--nosyslog", "--print-address"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null()),
    )?;
    let stdout = daemon.stdout()?;
    let mut address = String::new();
    // it prints the address when it listens, and closes the pipe if it cannot
    BufReader::new(stdout).read_line(&mut address)?;
    if address.trim().is_empty() {
        return Err(io::Error::other("dbus-daemon ended before it listened"));
    }
    Ok(daemon)
}

/// Starts `dbus-broker` with the configuration in a directory, and waits until it listens.
fn start_broker(dir: &Path, address: &str) -> io::Result<Kept> {
    let mut command = Command::new("bwrap");
    command.args(["--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--tmpfs", "/run"]);
    command.arg("--bind").arg(dir.join("journal")).arg("/run/systemd/journal");
    command.args(["--die-with-parent", "systemd-socket-activate", "--listen"]).arg(dir.join("bus"));
    // it asks its own bus for a service manager, to start whoever is called and not there
    command.arg(format!("--setenv=DBUS_SESSION_BUS_ADDRESS={address}"));
    command.args(["dbus-broker-launch", "--scope", "user", "--config-file"]);
    command.arg(dir.join("bus.conf")).stdin(Stdio::null()).stdout(Stdio::null());
    let mut broker = Kept::spawn(command.stderr(Stdio::piped()))?;
    let mut lines = BufReader::new(broker.stderr()?).lines().map_while(Result::ok);
    if !lines.any(|line| line.contains("Listening on")) {
        return Err(io::Error::other("dbus-broker ended before it listened"));
    }
    // it says more, and must be able to
    std::thread::spawn(move || lines.for_each(drop));
    Ok(broker)
}

/// A session bus of its own, with no service files but those that are named, so that nothing of the
/// machine can be activated. The limit is that of session buses.
fn reference_config(dir: &Path, services: &str) -> String {
    format!(
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
         \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
         <busconfig><type>session</type><listen>unix:path={}/bus</listen><auth>EXTERNAL</auth>\
         {services}<policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
         <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy>\
         <limit name=\"max_replies_per_connection\">50000</limit></busconfig>\n",
        dir.display()
    )
}

/// Runs busd, which wants zruntime around it, until it is told to stop.
async fn busd_until(
    stopped: oneshot::Receiver<()>,
    address: String,
    report: mpsc::SyncSender<Result<String, String>>,
) {
    let mut bus = match busd::bus::Bus::for_address(Some(&address)).await {
        Ok(bus) => bus,
        Err(error) => {
            // start waits for this
            let _ = report.send(Err(format!("{error:#}")));
            return;
        }
    };
    let _ = report.send(Ok(bus.address().to_string()));
    {
        let mut stopped = pin!(stopped);
        let mut running = pin!(bus.run());
        // to be dropped goes first: it is the only proper way to end
        poll_fn(|context| match stopped.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => running.as_mut().poll(context).map(drop),
        })
        .await;
    }
    // its socket goes with the directory in any case
    let _ = bus.cleanup().await;
}
