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

use super::process::Kept;

/// A bus that ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Bus {
    address: String,
    kind: BusKind,
    broker: Broker,
    /// Where its socket is.
    _dir: TempDir,
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
    Process { _daemon: Kept },
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
        let dir = TempDir::new()?;
        let config = dir.path().join("bus.conf");
        std::fs::write(&config, reference_config(dir.path()))?;
        let mut daemon = Kept::spawn(
            Command::new("dbus-daemon")
                .arg("--config-file")
                .arg(&config)
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
        Ok(Self {
            address: address.trim().to_owned(),
            kind: BusKind::Reference,
            broker: Broker::Process { _daemon: daemon },
            _dir: dir,
        })
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
        Ok(Self { address, kind: BusKind::Busd, broker, _dir: dir })
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

/// A session bus of its own: no service files, so that nothing of the machine can be activated.
fn reference_config(dir: &Path) -> String {
    format!(
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
         \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
         <busconfig><type>session</type><listen>unix:path={}/bus</listen><auth>EXTERNAL</auth>\
         <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
         <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>\n",
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
