//! A bus, a provider, a daemon on both, and short ways to ask.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use zbus::fdo::DBusProxy;
use zbus::names::BusName;
use zbus::{Connection, OwnedObjectPath};

use crate::DEADLINE;
use crate::client::next;
use crate::support::bus::Bus;
use crate::support::daemon::{Binaries, Daemon, Home};
use crate::support::login::Login;
use crate::support::process::{self, Finished};
use crate::support::provider::{Config, Provider};
use crate::support::secret;

/// The well-known name.
pub(crate) const NAME: &str = "dev.ostler.Ostler1";
/// The manager's object.
pub(crate) const ROOT: &str = "/dev/ostler/Ostler1";
/// The interfaces.
pub(crate) const MANAGER: &str = "dev.ostler.Ostler1.Manager";
pub(crate) const ACCOUNT_INTERFACE: &str = "dev.ostler.Ostler1.Account";
pub(crate) const REQUEST: &str = "dev.ostler.Ostler1.Request";

/// The provider's name for the daemon.
pub(crate) const PROVIDER: &str = "test";
/// The account's name: one that cannot be part of an object path as it is.
pub(crate) const ACCOUNT: &str = "work/mail";
/// Who signs in.
pub(crate) const USER: &str = "alice";

/// Everything that runs. The daemon goes first.
pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    pub(crate) provider: Provider,
    pub(crate) bus: Bus,
}

impl Scene {
    /// A provider, a bus, and a daemon without accounts.
    pub(crate) fn new(config: Config) -> Self {
        Self::in_home(config, home())
    }

    /// The same in a home that has something particular.
    pub(crate) fn in_home(config: Config, home: Home) -> Self {
        let bus = Bus::desktop().unwrap();
        let provider = Provider::start(config);
        let file = format!("providers/{PROVIDER}.toml");
        let home = home.bus(&bus).config(&file, &provider.definition(PROVIDER)).unwrap();
        Self { daemon: Daemon::start(home).unwrap(), provider, bus }
    }

    /// A provider, a bus, and a daemon with an account.
    pub(crate) fn signed_in(config: Config) -> Self {
        let scene = Self::new(config);
        scene.sign_in();
        scene
    }

    /// Signs the account in.
    pub(crate) fn sign_in(&self) {
        let finished = Login::new(PROVIDER, ACCOUNT).run(&self.daemon, &self.provider).unwrap();
        assert!(finished.status.success(), "{finished:?}\n{}", self.daemon.log());
    }

    /// A program that has nothing to do with the daemon.
    pub(crate) async fn client(&self) -> Connection {
        connect(&self.bus).await
    }

    /// The token that is handed out now.
    pub(crate) fn token(&self) -> String {
        said(&self.daemon.run(&["token", ACCOUNT]).unwrap()).to_owned()
    }

    /// What becomes of a rejected token.
    pub(crate) fn renew(&self, old: &str) -> Finished {
        let fingerprint = secret::fingerprint(old);
        self.daemon.run(&["token", ACCOUNT, "--rejected", &fingerprint]).unwrap()
    }

    /// The account as the command line shows it.
    pub(crate) fn account(&self) -> Value {
        parse(&self.daemon.run(&["status", ACCOUNT, "--json"]).unwrap())
    }

    /// The account's object.
    pub(crate) fn path(&self) -> OwnedObjectPath {
        let id = self.account()["id"].as_str().unwrap().to_owned();
        OwnedObjectPath::try_from(format!("{ROOT}/accounts/{id}")).unwrap()
    }

    /// Lets the provider end the login, and the daemon find out.
    pub(crate) fn end_login(&self) {
        let token = self.token();
        assert_eq!(self.provider.revoke_family(USER), 1);
        assert_eq!(self.renew(&token).status.code(), Some(77));
    }

    /// `busctl` on the bus.
    pub(crate) fn busctl(&self, arguments: &[&str]) -> Finished {
        let mut command = self.program("busctl");
        command.args(["--user", "--no-pager"]).args(arguments);
        run(&mut command)
    }

    /// `gdbus call` on the bus.
    pub(crate) fn gdbus_call(&self, object: &str, method: &str, arguments: &[&str]) -> Finished {
        let mut command = self.program("gdbus");
        command.args(["call", "--session", "--dest", NAME, "--object-path", object]);
        command.args(["--method", method]).args(arguments);
        run(&mut command)
    }

    /// A program of the system, in the session of the daemon.
    pub(crate) fn program(&self, name: &str) -> Command {
        self.daemon.home().in_environment(Path::new(name))
    }
}

/// An empty home.
pub(crate) fn home() -> Home {
    Home::new(Binaries::of_this_test()).unwrap()
}

/// A connection to a bus.
pub(crate) async fn connect(bus: &Bus) -> Connection {
    zbus::connection::Builder::address(bus.address()).build().await.unwrap()
}

/// Waits until the daemon's name has an owner that is not that process, and tells which it is.
pub(crate) async fn owner_besides(client: &Connection, other: Option<u32>) -> u32 {
    let bus = DBusProxy::new(client).await.unwrap();
    let mut changes = bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await.unwrap();
    loop {
        let name = BusName::try_from(NAME).unwrap();
        match bus.get_connection_unix_process_id(name).await {
            Ok(owner) if Some(owner) != other => return owner,
            _ => next(&mut changes).await,
        };
    }
}

/// Whether a daemon says that it is on the bus.
pub(crate) fn is_on_bus(daemon: &Daemon) -> bool {
    parse(&daemon.run(&["status", "--json"]).unwrap())["daemon"]["bus"] == json!(true)
}

/// Runs a command of the system to its end.
pub(crate) fn run(command: &mut Command) -> Finished {
    process::run(command, "", DEADLINE).unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// What a command said that went well.
#[track_caller]
pub(crate) fn said(finished: &Finished) -> &str {
    assert!(finished.status.success() && finished.stderr.is_empty(), "{finished:?}");
    finished.stdout.trim_end()
}

/// The same, if it said JSON.
#[track_caller]
pub(crate) fn parse(finished: &Finished) -> Value {
    serde_json::from_str(said(finished)).unwrap_or_else(|_| panic!("{finished:?}"))
}

/// What a command complained about that did not go well.
#[track_caller]
pub(crate) fn complained(finished: &Finished) -> &str {
    assert!(!finished.status.success() && finished.stdout.is_empty(), "{finished:?}");
    finished.stderr.trim_end()
}
