//! A certified provider, a daemon, and short ways to ask either.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::agent::{self, Ending};
use crate::support::conversation::Conversation;
use crate::support::daemon::{Binaries, Daemon, Home};
use crate::support::http::Ask;
use crate::support::op::{OpenIdProvider, Options};
use crate::support::process::{self, Finished};
pub(crate) use crate::support::said::{fault, line};
use crate::support::secret;
use crate::support::varlink::Varlink;

/// The account's name.
pub(crate) const ACCOUNT: &str = "alice";
/// The public client of the provider.
pub(crate) const CLIENT: &str = "native";
/// The page that is registered for its confidential clients; nobody serves it.
pub(crate) const PAGE: &str = "https://app.example.test/cb";

/// How long a command may take. Only what is broken takes that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Everything that runs. The daemon goes first.
pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    pub(crate) op: OpenIdProvider,
}

impl Scene {
    /// A provider, and a daemon that has never heard of it.
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    /// The same with another provider.
    pub(crate) fn with(options: Options) -> Self {
        let op = OpenIdProvider::start(options).unwrap();
        Self { daemon: Daemon::start(home()).unwrap(), op }
    }

    /// A provider whose access tokens live so briefly that refreshes can follow each other closely,
    /// and an account there.
    pub(crate) fn brief(grace: Duration) -> Self {
        let scene = Self::with(Options {
            access_lifetime: Duration::from_secs(4),
            grace,
            ..Options::default()
        });
        scene.sign_in(ACCOUNT);
        scene
    }

    /// `ostler login ISSUER --as ACCOUNT`, with more arguments.
    pub(crate) fn login(&self, account: &str, more: &[&str]) -> Command {
        let mut command = self.daemon.command(&["login", self.op.issuer(), "--as", account]);
        command.arg("--no-browser").args(more);
        command
    }

    /// Signs in as the public client.
    pub(crate) fn sign_in(&self, account: &str) -> Finished {
        let (_, finished) = follow(&mut self.login(account, &["--client-id", CLIENT]), "");
        assert!(finished.status.success(), "{finished:?}\n{}", self.daemon.log());
        finished
    }

    /// The token that is handed out now.
    pub(crate) fn token(&self, account: &str) -> String {
        line(&self.daemon.run(&["token", account]).unwrap())
    }

    /// What `ostler token` says to somebody whose token was rejected.
    pub(crate) fn try_renew(&self, account: &str, old: &str, more: &[&str]) -> Finished {
        let fingerprint = secret::fingerprint(old);
        let mut arguments = vec!["token", account, "--rejected", &fingerprint];
        arguments.extend(more);
        self.daemon.run(&arguments).unwrap()
    }

    /// A caller whose token was rejected, and who has asked for another on a connection of its own.
    pub(crate) fn want(&self, account: &str, old: &str) -> Varlink {
        let mut caller = Varlink::connect(&self.daemon.socket_path()).unwrap();
        let parameters = json!({ "account": account, "rejected": secret::fingerprint(old) });
        let call = json!({ "method": "dev.ostler.Ostler1.GetToken", "parameters": parameters });
        caller.send(&call).unwrap();
        caller
    }

    /// The token that takes a rejected one's place.
    pub(crate) fn renew(&self, account: &str, old: &str) -> String {
        let new = line(&self.try_renew(account, old, &[]));
        assert_ne!(new, old);
        new
    }

    /// The account as `ostler status NAME --json` shows it.
    pub(crate) fn account(&self, name: &str) -> Value {
        let line = line(&self.daemon.run(&["status", name, "--json"]).unwrap());
        serde_json::from_str(&line).unwrap()
    }

    /// What the provider says of a token (RFC 7662).
    pub(crate) fn introspect(&self, token: &str) -> Value {
        let form = [("client_id", CLIENT), ("token", token)];
        Ask::post(&self.op.url("/token/introspection"), &form).send().unwrap().json()
    }

    /// Whether a token is good at the provider.
    pub(crate) fn is_active(&self, token: &str) -> bool {
        self.introspect(token)["active"] == json!(true)
    }

    /// A figure of the provider's.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.op.stats().unwrap()[name].as_u64().unwrap()
    }
}

/// An empty home.
pub(crate) fn home() -> Home {
    Home::new(Binaries::of_this_test()).unwrap()
}

/// Runs a login with a person who does what the provider and the command say.
pub(crate) fn follow(command: &mut Command, input: &str) -> (Ending, Finished) {
    let conversation = Conversation::begin(command, input).unwrap();
    let ending = agent::visit(conversation.url().as_str()).unwrap();
    let paste = match &ending {
        Ending::Callback { .. } => None,
        Ending::Foreign(url) => Some(url.as_str()),
    };
    let finished = conversation.finish(paste, PATIENCE).unwrap();
    (ending, finished)
}

/// Runs a login that is refused before it begins.
pub(crate) fn refused(command: &mut Command) -> Finished {
    process::run(command, "", PATIENCE).unwrap()
}
