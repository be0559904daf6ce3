//! A private D-Bus bus: the reference implementation where it is installed, else busd in process.

use std::future::{Future, poll_fn};
use std::io::{self, BufRead, BufReader};
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

    /// Kills a bus of the reference implementation, as a crash would.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        match &mut self.broker {
            Broker::Process(daemon) => daemon.kill().map(drop),
            Broker::Thread { .. } => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Starts another one where it was.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        let daemon = start_reference(&mut Command::new("dbus-daemon"), self.dir.path())?;
        self.broker = Broker::Process(daemon);
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
