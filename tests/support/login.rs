//! A sign-in through the command line, as a person does it, with somebody in the person's place.

use std::io::{self, BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::agent::{self, AgentError, Ending};
use super::daemon::Daemon;
use super::process::{Finished, Kept, text};
use super::provider::{Auth, Provider, Redirect};

/// How long the command may take to say where to sign in, and to end after that.
const PATIENCE: Duration = Duration::from_secs(30);

/// A sign-in to be done.
#[derive(Debug)]
pub(crate) struct Login<'a> {
    /// The provider's name for the daemon.
    pub(crate) provider: &'a str,
    /// The account's name.
    pub(crate) account: &'a str,
    /// Further arguments.
    pub(crate) arguments: Vec<&'a str>,
    /// How long the person may take.
    pub(crate) patience: Duration,
}

/// Why a sign-in did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// The command could not be run, or did not end.
    #[error("ostler login: {0}")]
    Io(#[from] io::Error),
    /// It said nowhere where to sign in.
    #[error("ostler login printed no URL; it said:\n{0}")]
    NoUrl(String),
    /// The visitor got lost.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

impl<'a> Login<'a> {
    /// A sign-in to a provider under a name.
    pub(crate) fn new(provider: &'a str, account: &'a str) -> Self {
        Self { provider, account, arguments: Vec::new(), patience: PATIENCE }
    }

    /// Signs in with the headless agent.
    pub(crate) fn run(&self, daemon: &Daemon, server: &Provider) -> Result<Finished, LoginError> {
        self.run_with(daemon, server, |url| match agent::visit(url)? {
            Ending::Callback { .. } => Ok(None),
            Ending::Foreign(url) => Ok(Some(url.into())),
        })
    }

    /// Signs in with a visitor, who returns the URL to paste, if it comes to that.
    pub(crate) fn run_with(
        &self,
        daemon: &Daemon,
        server: &Provider,
        visit: impl FnOnce(&str) -> Result<Option<String>, LoginError>,
    ) -> Result<Finished, LoginError> {
        let client = &server.config().client;
        let mut command = daemon.command(&["login", self.provider, "--as", self.account]);
        command.args(["--no-browser", "--client-id", &client.id]);
        let mut input = String::new();
        if client.auth != Auth::Public {
            command.arg("--client-secret-stdin");
            input = format!("{}\n", client.secret);
        }
        if let Redirect::Page(page) = &client.redirect {
            command.args(["--redirect-uri", page]);
        }
        let stderr = tempfile::tempfile()?;
        command
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr.try_clone()?);
        let mut process = Kept::spawn(&mut command)?;
        let mut stdin = process.stdin()?;
        let stdout = process.stdout()?;
        stdin.write_all(input.as_bytes())?;

        let lines = read_lines(stdout);
        let mut said = String::new();
        let url = loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    said.push_str(&line);
                    said.push('\n');
                    if line.starts_with("http") && line.parse::<url::Url>().is_ok() {
                        break line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(LoginError::NoUrl(said + &text(stderr)?));
                }
            }
        };
        if let Some(paste) = visit(&url)? {
            stdin.write_all(format!("{paste}\n").as_bytes())?;
        }
        drop(stdin);
        let status = process.wait(self.patience)?;
        for line in lines {
            said.push_str(&line);
            said.push('\n');
        }
        Ok(Finished { status, stdout: said, stderr: text(stderr)? })
    }
}

/// The lines of a pipe as they come, so that waiting for one can have an end.
fn read_lines(pipe: impl io::Read + Send + 'static) -> mpsc::Receiver<String> {
    // more lines than a sign-in has
    let (send, lines) = mpsc::sync_channel(256);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if send.send(line.trim().to_owned()).is_err() {
                break;
            }
        }
    });
    lines
}
