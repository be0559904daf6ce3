//! A sign-in through the command line, as a person does it, with somebody in the person's place.

use std::io;
use std::process::Command;
use std::time::Duration;

use super::agent::{self, AgentError, Ending};
use super::conversation::Conversation;
use super::daemon::Daemon;
use super::process::Finished;
use super::provider::{Auth, Provider, Redirect};

/// How long the command may take to end once the person has been there.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a client is introduced to the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Introduction<'a> {
    /// By its id, and its secret on standard input if it has one.
    Stdin,
    /// By its id, and its secret by what a shell command prints.
    Command(&'a str),
    /// Not at all: the daemon knows it.
    Known,
}

/// A sign-in to be done.
#[derive(Debug)]
pub(crate) struct Login<'a> {
    /// The provider's name for the daemon.
    pub(crate) provider: &'a str,
    /// The account's name.
    pub(crate) account: &'a str,
    /// How the client is introduced.
    pub(crate) client: Introduction<'a>,
    /// Further arguments.
    pub(crate) arguments: Vec<&'a str>,
    /// How long the person may take.
    pub(crate) patience: Duration,
}

/// Where the command line can be run.
pub(crate) trait Session {
    /// The command line, in the environment of that session.
    fn command(&self, arguments: &[&str]) -> Command;
}

impl Session for Daemon {
    fn command(&self, arguments: &[&str]) -> Command {
        Daemon::command(self, arguments)
    }
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
        let client = Introduction::Stdin;
        Self { provider, account, client, arguments: Vec::new(), patience: PATIENCE }
    }

    /// Signs in with the headless agent.
    pub(crate) fn run(
        &self,
        session: &impl Session,
        server: &Provider,
    ) -> Result<Finished, LoginError> {
        self.run_with(session, server, |url| match agent::visit(url)? {
            Ending::Callback { .. } => Ok(None),
            Ending::Foreign(url) => Ok(Some(url.into())),
        })
    }

    /// Signs in with a visitor, who returns the URL to paste, if it comes to that.
    pub(crate) fn run_with(
        &self,
        session: &impl Session,
        server: &Provider,
        visit: impl FnOnce(&str) -> Result<Option<String>, LoginError>,
    ) -> Result<Finished, LoginError> {
        let client = &server.config().client;
        let mut command = session.command(&["login", self.provider, "--as", self.account]);
        command.arg("--no-browser");
        let mut input = String::new();
        if self.client != Introduction::Known {
            command.args(["--client-id", &client.id]);
            if let Redirect::Page(page) = &client.redirect {
                command.args(["--redirect-uri", page]);
            }
        }
        match self.client {
            Introduction::Stdin if client.auth != Auth::Public => {
                command.arg("--client-secret-stdin");
                input = format!("{}\n", client.secret);
            }
            Introduction::Command(shell) => {
                command.args(["--client-secret-command", shell]);
            }
            Introduction::Stdin | Introduction::Known => {}
        }
        let conversation = Conversation::begin(command.args(&self.arguments), &input)?;
        let paste = visit(conversation.url().as_str())?;
        conversation.finish(paste.as_deref(), self.patience)
    }
}
