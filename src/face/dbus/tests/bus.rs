//! A private session bus.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use zbus::Connection;
use zbus::connection::Builder;

/// A `dbus-daemon` of our own, which ends with this value.
pub(super) struct Bus {
    daemon: Child,
    address: String,
    _dir: TempDir,
}

impl Bus {
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address=1"])
            .arg(format!("--address=unix:path={}", dir.path().join("bus").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // it complains of limits that it may not raise
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("these tests need dbus-daemon (package dbus): {error}"));
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        assert!(address.starts_with("unix:path="), "dbus-daemon did not start: {address:?}");
        Self { daemon, address, _dir: dir }
    }

    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    /// A connection that has nothing to do with the service.
    pub(super) async fn client(&self) -> Connection {
        Builder::address(self.address.as_str()).build().await.unwrap()
    }

    /// The bus dies.
    pub(super) fn kill(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
