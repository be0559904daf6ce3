//! `oidc-provider` of npm, a certified `OpenID` provider, as a server that was not written by us.

use std::env;
use std::io::{self, BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::http::{Ask, HttpError};
use super::process::Kept;

/// The secret of its confidential clients.
pub(crate) const SECRET: &str = "cs-canary-of-the-test-op";

/// The server, which ends when it is dropped.
#[derive(Debug)]
pub(crate) struct OpenIdProvider {
    issuer: String,
    node: Kept,
    said: Lines<BufReader<ChildStdout>>,
}

/// How it behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// Life of access tokens.
    pub(crate) access_lifetime: Duration,
    /// How long after its first use a replaced refresh token may be used again.
    pub(crate) grace: Duration,
    /// Life of the secrets of clients that register themselves; they get none if absent.
    pub(crate) secret_lifetime: Option<Duration>,
    /// How often devices are to ask whether the user has agreed; it is not said if absent.
    pub(crate) device_interval: Option<Duration>,
}

impl Default for Options {
    /// Access tokens of a minute, and no grace.
    fn default() -> Self {
        Self {
            access_lifetime: Duration::from_mins(1),
            grace: Duration::ZERO,
            secret_lifetime: None,
            device_interval: None,
        }
    }
}

/// How long it may take to listen: a second, as a rule.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is started: node has been seen to hang in a lock of its own before it had said anything.
const STARTS: usize = 3;

impl OpenIdProvider {
    /// Starts it on a free port.
    ///
    /// # Panics
    ///
    /// If its packages are not installed: a test that needs it must not pass without it.
    pub(crate) fn start(options: Options) -> io::Result<Self> {
        for _ in 0..STARTS {
            match Self::start_once(options) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                result => return result,
            }
        }
        Err(io::Error::other("tests/op/server.mjs hangs before it listens"))
    }

    fn start_once(options: Options) -> io::Result<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/op");
        assert!(
            dir.join("node_modules/oidc-provider").is_dir(),
            "the npm packages of tests/op are not installed: run tests/run, which installs them"
        );
        // set by tests/run where the system's node is too old
        let node = env::var_os("OSTLER_TEST_NODE").unwrap_or_else(|| "node".into());
        let seconds =
            |time: Option<Duration>| time.map_or(String::new(), |it| it.as_secs().to_string());
        let mut node = Kept::spawn(
            Command::new(node)
                .arg("server.mjs")
                .current_dir(&dir)
                .env("PORT", "0")
                .env("ACCESS_TTL", options.access_lifetime.as_secs().to_string())
                .env("GRACE", options.grace.as_secs().to_string())
                .env("SECRET_TTL", seconds(options.secret_lifetime))
                .env("DEVICE_INTERVAL", seconds(options.device_interval))
                .env("CLIENT_SECRET", SECRET)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
        )?;
        let stdout = node.stdout()?;
        let patience = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
        if poll(&mut [PollFd::new(&stdout, PollFlags::IN)], Some(&patience))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut lines = BufReader::new(stdout).lines();
        // it prints one line when it listens, and closes the pipe if it cannot
        let ready = lines.next().transpose()?.unwrap_or_default();
        let issuer = ready
            .strip_prefix("ready ")
            .ok_or_else(|| io::Error::other(format!("tests/op/server.mjs did not start: {ready}")))?
            .to_owned();
        Ok(Self { issuer, node, said: lines })
    }

    /// Takes it off the network: connections are refused, and what it knows is kept.
    pub(crate) fn go_down(&mut self) {
        self.toggle("down");
    }

    /// Brings it back.
    pub(crate) fn come_up(&mut self) {
        self.toggle("up");
    }

    fn toggle(&mut self, to: &str) {
        self.node.signal(Signal::USR2).expect("it runs");
        let said = self.said.next().transpose().expect("it says so");
        assert_eq!(said.as_deref(), Some(to));
    }

    /// Its issuer identifier: `http://127.0.0.1:PORT`.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Orders a fault, once; `tests/op/faults.mjs` has their names.
    pub(crate) fn next(&self, fault: &str) -> Result<(), HttpError> {
        let reply = Ask::post_json(&self.url("/_faults"), &json!({ "fault": fault })).send()?;
        assert_eq!(reply.status, 204, "tests/op does not know the fault {fault}");
        Ok(())
    }

    /// Waits until it holds a request, as the faults `hang` and `hold` have it do.
    pub(crate) fn wait_held(&self) -> Result<(), HttpError> {
        let reply = Ask::get(&self.url("/_held")).send()?;
        assert_eq!(reply.status, 204);
        Ok(())
    }

    /// Revokes tokens from now on, as it does at first; or answers each such request with 503.
    pub(crate) fn revokes(&self, revokes: bool) -> Result<(), HttpError> {
        let reply =
            Ask::post_json(&self.url("/_revocations"), &json!({ "revokes": revokes })).send()?;
        assert_eq!(reply.status, 204);
        Ok(())
    }

    /// Lets go of the requests that it holds.
    pub(crate) fn release(&self) -> Result<(), HttpError> {
        let reply = Ask::post_json(&self.url("/_release"), &json!({})).send()?;
        assert_eq!(reply.status, 204);
        Ok(())
    }

    /// What its token endpoint saw (`token`, `refresh`, `reuse` of refresh tokens, codes that were `spent`
    /// already, and the `log` of requests), `revocations`, and how many refresh tokens are `alive`.
    pub(crate) fn stats(&self) -> Result<Value, HttpError> {
        Ok(Ask::get(&self.url("/_stats")).send()?.json())
    }

    /// One of its URLs.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }
}
