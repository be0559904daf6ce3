//! The three ways to ask the daemon, each with a client that is not the daemon's own code.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use zbus::wire::Variant;

use crate::ACCOUNT;
use crate::support::daemon::Daemon;
use crate::support::secret;
use crate::support::varlink::Varlink;

/// A way to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// `ostler token`.
    CommandLine,
    /// Varlink.
    Socket,
    /// The bus.
    DBus,
}

impl fmt::Display for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::CommandLine => "command line",
            Self::Socket => "socket",
            Self::DBus => "D-Bus",
        })
    }
}

/// Where to ask.
#[derive(Debug)]
pub(crate) struct Faces {
    runtime: Runtime,
    /// The bus.
    pub(crate) address: String,
    /// The socket.
    pub(crate) socket: PathBuf,
}

impl Faces {
    pub(crate) fn new(address: &str, socket: PathBuf) -> Result<Self, Box<dyn Error>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, address: address.to_owned(), socket })
    }

    /// The token in each way.
    pub(crate) fn all(&self, daemon: &Daemon) -> Result<[(Face, String); 3], Box<dyn Error>> {
        let by_bus = self.runtime.block_on(async {
            let connection = connect(&self.address).await?;
            by_bus(&connection).await
        })?;
        let by_socket = by_socket(&mut Varlink::connect(&self.socket)?)?;
        let by_command = by_command(daemon)?;
        Ok([(Face::CommandLine, by_command), (Face::Socket, by_socket), (Face::DBus, by_bus)])
    }
}

/// The token by command line.
pub(crate) fn by_command(daemon: &Daemon) -> Result<String, Box<dyn Error>> {
    let finished = daemon.run(&["token", ACCOUNT])?;
    if !finished.status.success() {
        return Err(format!("ostler token: {} {}", finished.status, finished.stderr).into());
    }
    Ok(finished.stdout.trim_end_matches('\n').to_owned())
}

/// The token by socket.
pub(crate) fn by_socket(varlink: &mut Varlink) -> Result<String, Box<dyn Error>> {
    let reply = varlink.ask("GetToken", &json!({ "account": ACCOUNT }))?;
    Ok(reply["access_token"].as_str().ok_or("a reply without a token")?.to_owned())
}

/// A connection to the bus, as a program of its own would have.
pub(crate) async fn connect(address: &str) -> zbus::Result<zbus::Connection> {
    zbus::connection::Builder::address(address).build().await
}

/// The token by bus.
pub(crate) async fn by_bus(connection: &zbus::Connection) -> zbus::Result<String> {
    let reply = connection
        .call_method(
            Some("dev.ostler.Ostler1"),
            "/dev/ostler/Ostler1",
            Some("dev.ostler.Ostler1.Manager"),
            "GetAccessToken",
            &(ACCOUNT, HashMap::<&str, Variant<'_>>::new()),
        )
        .await?;
    let body = reply.body();
    let (token, _kind, _expires_at, _more): (
        String,
        String,
        i64,
        HashMap<String, zbus::wire::OwnedVariant>,
    ) = body.deserialize()?;
    Ok(token)
}

/// The account's state as `ostler status --json` has it.
pub(crate) fn standing(daemon: &Daemon) -> Result<String, Box<dyn Error>> {
    let finished = daemon.run(&["status", "--json"])?;
    let status: Value = serde_json::from_str(&finished.stdout)?;
    let accounts = status["accounts"].as_array().ok_or("a status without accounts")?;
    let account = accounts.iter().find(|account| account["name"] == json!(ACCOUNT));
    let account = account.ok_or("the account is gone")?;
    Ok(account["state"].as_str().unwrap_or_default().to_owned())
}

/// How many files are below a directory, and the kinds of secrets that they hold in clear.
pub(crate) fn secrets_below(dir: &Path) -> std::io::Result<(usize, Vec<&'static str>)> {
    let mut files = 0;
    let mut leaks = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            let (more, found) = secrets_below(&path)?;
            files += more;
            leaks.extend(found);
        } else {
            files += 1;
            leaks.extend(secret::leaks(&String::from_utf8_lossy(&std::fs::read(&path)?)));
        }
    }
    Ok((files, leaks))
}
