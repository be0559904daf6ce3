//! A server with a proxy before its token endpoint, a daemon, and short ways to ask.

use std::process::Command;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use url::Url;

use crate::proxy::Proxy;
use crate::server::Server;
use crate::support::conversation::Conversation;
use crate::support::daemon::{Binaries, Daemon, Home};
use crate::support::http::Ask;
use crate::support::process::Finished;
use crate::support::said::line;
use crate::support::secret;
use crate::support::varlink::Varlink;

/// The account's name.
pub(crate) const ACCOUNT: &str = "alice";
/// The provider's name for the daemon, where it is described by a file.
pub(crate) const PROVIDER: &str = "described";
/// The public client of either server.
pub(crate) const CLIENT: &str = "native";
/// The secret of its confidential clients.
pub(crate) const SECRET: &str = "cs-canary-of-a-server";

/// How long a command may take. Only what is broken takes that long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Everything that runs. The daemon goes first.
pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    pub(crate) proxy: Proxy,
    pub(crate) server: Server,
}

impl Scene {
    /// A daemon that knows the server by a file, which `describe` writes: given the server, and the
    /// token endpoint's URL, which is the proxy's.
    pub(crate) fn new(
        server: Server,
        token_path: &str,
        describe: impl FnOnce(&Server, &str) -> String,
    ) -> Self {
        let issuer: Url = server.issuer().parse().unwrap();
        let proxy = Proxy::start(issuer.socket_addrs(|| None).unwrap()[0]);
        let token_url = proxy.url(&format!("{}{token_path}", issuer.path().trim_end_matches('/')));
        let file = describe(&server, &token_url);
        let home = Home::new(Binaries::of_this_test()).unwrap();
        let home = home.config(&format!("providers/{PROVIDER}.toml"), &file).unwrap();
        Self { daemon: Daemon::start(home).unwrap(), proxy, server }
    }

    /// `ostler login`, with the browser left alone.
    pub(crate) fn login(&self, arguments: &[&str]) -> Command {
        let mut command = self.daemon.command(&["login", "--as", ACCOUNT, "--no-browser"]);
        command.args(arguments);
        command
    }

    /// The same with the issuer's own metadata, without the proxy.
    pub(crate) fn login_by_discovery(&self, more: &[&str]) -> Command {
        let mut command = self.login(&["--issuer", self.server.issuer()]);
        command.args(more);
        command
    }

    /// Signs in by the browser: `consent` gives where it is sent to.
    pub(crate) fn sign_in(
        &self,
        command: &mut Command,
        input: &str,
        consent: impl FnOnce(&str) -> String,
    ) -> Finished {
        let conversation = Conversation::begin(command, input).unwrap();
        let callback = consent(conversation.url().as_str());
        let page = Ask::get(&callback).send().unwrap();
        assert!(page.text().contains("<b>alice</b> is ready"), "{callback} {}", page.text());
        let finished = conversation.finish(None, PATIENCE).unwrap();
        assert!(finished.status.success(), "{finished:?}\n{}", self.daemon.log());
        assert!(finished.stderr.ends_with(", renewable\n"), "{finished:?}");
        finished
    }

    /// The token that is handed out now.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        line(&self.daemon.run(&["token", ACCOUNT]).unwrap())
    }

    /// What `ostler token` says to somebody whose token was rejected.
    pub(crate) fn try_renew(&self, old: &str, more: &[&str]) -> Finished {
        let fingerprint = secret::fingerprint(old);
        let mut arguments = vec!["token", ACCOUNT, "--rejected", &fingerprint];
        arguments.extend(more);
        self.daemon.run(&arguments).unwrap()
    }

    /// The token that takes a rejected one's place.
    #[track_caller]
    pub(crate) fn renew(&self, old: &str) -> String {
        let new = line(&self.try_renew(old, &[]));
        assert_ne!(new, old);
        new
    }

    /// A caller whose token was rejected, and who has asked for another on a connection of its own.
    pub(crate) fn want(&self, old: &str) -> Varlink {
        let mut caller = Varlink::connect(&self.daemon.socket_path()).unwrap();
        let parameters = json!({ "account": ACCOUNT, "rejected": secret::fingerprint(old) });
        let call = json!({ "method": "dev.ostler.Ostler1.GetToken", "parameters": parameters });
        caller.send(&call).unwrap();
        caller
    }

    /// The account as `ostler status NAME --json` shows it.
    pub(crate) fn account(&self) -> Value {
        let line = line(&self.daemon.run(&["status", ACCOUNT, "--json"]).unwrap());
        serde_json::from_str(&line).unwrap()
    }

    /// Who has signed in, as the ID token says.
    pub(crate) fn subject(&self) -> String {
        self.account()["values"]["subject"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the account is shown like that.
    pub(crate) fn wait(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut monitor = Varlink::connect(&self.daemon.socket_path()).unwrap();
        let events = monitor.call_more("dev.ostler.Ostler1.Monitor", &json!({})).unwrap();
        let accounts = events.map(|event| event.unwrap()["account"].take());
        let mut found =
            accounts.filter(|account| account["name"] == json!(ACCOUNT) && is_it(account));
        found.next().unwrap()
    }

    /// How many refresh tokens are on record, each sealed.
    pub(crate) fn refresh_tokens(&self) -> i64 {
        let path = self.daemon.home().path("state/ostler/ostler.db");
        let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let query = "SELECT count(*) FROM refresh_token WHERE length(token) > 40";
        database.query_row(query, [], |row| row.get(0)).unwrap()
    }

    /// Whether the server's userinfo endpoint takes a token.
    pub(crate) fn admits(&self, path: &str, token: &str) -> bool {
        let reply = Ask::get(&self.server.url(path)).bearer(token).send().unwrap();
        assert!(matches!(reply.status, 200 | 401), "{}", reply.status);
        reply.status == 200
    }
}

/// HTTP Basic of a confidential client.
pub(crate) fn basic(client: &str) -> String {
    let pair = format!("{client}:{SECRET}");
    format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()))
}
