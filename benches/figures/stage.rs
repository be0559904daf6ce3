//! The daemon of a build, in a home of its own, with somebody signed in.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::Failure;
use crate::options::{Build, Options};
use crate::support::bus::Bus;
use crate::support::daemon::{Daemon, Home};
use crate::support::login::Login;
use crate::support::provider::{Config, Provider};

/// The account that is asked for.
pub(crate) const ACCOUNT: &str = "door";

/// The daemon forbids to be looked into, even by who started it.
const DEBUGGABLE: [&str; 3] = ["sh", "-c", "exec \"$0\" --debuggable"];

/// A daemon at work.
#[derive(Debug)]
pub(crate) struct Stage {
    /// It, with [`ACCOUNT`] signed in.
    pub(crate) daemon: Daemon,
    /// Where.
    pub(crate) provider: Provider,
}

/// A home for a build, in which as much is logged as users have it.
pub(crate) fn home(build: &Build) -> Result<Home, Failure> {
    Ok(Home::new(build.binaries.clone())?.env("OSTLER_LOG", "info"))
}

impl Stage {
    /// One of each build, without a bus.
    pub(crate) fn of_each(options: &Options) -> Result<Vec<Self>, Failure> {
        options.builds.iter().map(|build| Self::new(build, None)).collect()
    }

    /// One whose daemon was started anew after the sign-in, by whoever is pinned.
    pub(crate) fn new(build: &Build, bus: Option<&Bus>) -> Result<Self, Failure> {
        let provider = Provider::start(Config::parqex().access_lifetime(Duration::from_hours(24)));
        let mut home =
            home(build)?.config("providers/bench.toml", &provider.definition("bench"))?;
        if let Some(bus) = bus {
            // logind is not on it; without any the daemon would go on looking for one
            home = home.bus(bus).env("DBUS_SYSTEM_BUS_ADDRESS", bus.address());
        }
        let mut stage = Self { daemon: Daemon::start(home)?, provider };
        stage.sign_in(ACCOUNT)?;
        stage.daemon.restart_under(&DEBUGGABLE)?;
        Ok(stage)
    }

    /// Signs in once more.
    pub(crate) fn sign_in(&self, account: &str) -> Result<(), Failure> {
        let login = Login::new("bench", account).run(&self.daemon, &self.provider)?;
        if login.status.success() { Ok(()) } else { Err(login.stderr.into()) }
    }

    /// A file with the question for the token.
    pub(crate) fn question(&self) -> Result<PathBuf, Failure> {
        question(&self.daemon, ACCOUNT)
    }

    /// How many bytes the answer to it has, with the NUL.
    pub(crate) fn answer_length(&self) -> Result<usize, Failure> {
        let mut stream = UnixStream::connect(self.daemon.socket_path())?;
        stream.write_all(&fs::read(self.question()?)?)?;
        let mut answer = Vec::new();
        Ok(BufReader::new(stream).read_until(0, &mut answer)?)
    }
}

/// A file with the question for an account's token.
pub(crate) fn question(daemon: &Daemon, account: &str) -> Result<PathBuf, Failure> {
    let path = daemon.home().path("question");
    let text = format!(
        "{{\"method\":\"dev.ostler.Ostler1.GetToken\",\"parameters\":{{\"account\":\"{account}\"}}}}\0"
    );
    fs::write(&path, text)?;
    Ok(path)
}
