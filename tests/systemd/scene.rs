//! A machine with the package installed, and a provider on it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::container::{Container, TESTER, User};
use crate::support::login::{Login, Session};
use crate::support::process::Finished;
use crate::support::provider::{Config, Provider};
use crate::support::secret;

/// The provider's name for the daemon.
pub(crate) const PROVIDER: &str = "test";
/// The account's name.
pub(crate) const ACCOUNT: &str = "door";
/// Who signs in.
pub(crate) const WHO: &str = "alice";
/// Where the package's file is put.
const PACKAGE: &str = "/root/ostler.deb";

/// A machine with the package on it. The provider goes first, since it is in the machine's network.
pub(crate) struct Scene {
    pub(crate) provider: Provider,
    pub(crate) machine: Container,
}

/// A user's session on it.
pub(crate) struct Seat<'a> {
    pub(crate) machine: &'a Container,
    pub(crate) user: User,
}

impl Session for Seat<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.machine.command_of(self.user, &["ostler"]);
        command.args(arguments);
        command
    }
}

/// A machine with nothing on it; `None`, and a line that says why, where there can be none.
pub(crate) fn machine() -> Option<Container> {
    if package("OSTLER_TEST_DEB").is_none() {
        return skip("no package in OSTLER_TEST_DEB: tests/run builds one");
    }
    match Container::boot() {
        Ok(machine) => Some(machine),
        // tests/run says so where this machine has all that is needed: then it is a failure
        Err(why) if std::env::var_os("OSTLER_TEST_SYSTEMD").is_some() => panic!("{why}"),
        Err(why) => skip(&why),
    }
}

fn skip<T>(why: &str) -> Option<T> {
    use std::io::Write;
    // past the harness, which would keep it to itself
    let _ = writeln!(std::io::stderr(), "skipped, since it needs systemd in a container: {why}");
    None
}

/// The package in the file that a variable names.
fn package(variable: &str) -> Option<Vec<u8>> {
    let path = PathBuf::from(std::env::var_os(variable).filter(|path| !path.is_empty())?);
    Some(fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Installs the package that a variable names, as an administrator does.
pub(crate) fn install(machine: &Container, variable: &str) {
    let package = package(variable).unwrap_or_else(|| panic!("no package in {variable}"));
    machine.write(PACKAGE, &package, User { name: "root", id: 0 });
    machine.said(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", PACKAGE]);
}

impl Scene {
    /// A machine with the package and a provider.
    pub(crate) fn installed(config: Config) -> Option<Self> {
        let machine = machine()?;
        install(&machine, "OSTLER_TEST_DEB");
        let provider = machine.in_network(|| Provider::start(config));
        let scene = Self { provider, machine };
        scene.describe_provider(TESTER);
        Some(scene)
    }

    /// The same with an account of the first user's.
    pub(crate) fn signed_in(config: Config) -> Option<Self> {
        let scene = Self::installed(config)?;
        scene.sign_in(TESTER);
        Some(scene)
    }

    /// Gives a user the definition of the provider.
    pub(crate) fn describe_provider(&self, user: User) {
        let directory = format!("/home/{}/.config/ostler/providers", user.name);
        self.machine.said_as(user, &["mkdir", "-p", "-m", "700", &directory]);
        let definition = self.provider.definition(PROVIDER);
        let path = format!("{directory}/{PROVIDER}.toml");
        self.machine.write(&path, definition.as_bytes(), user);
        self.systemctl(user, &["reload-or-restart", "ostler.service"]);
        // to this systemd a reload is done when the signal is sent
        let known = format!("until ostler providers | grep -q '^{PROVIDER} '; do :; done");
        self.machine.said_as(user, &["timeout", "60", "sh", "-c", &known]);
    }

    /// Signs a user's account in.
    pub(crate) fn sign_in(&self, user: User) {
        let seat = Seat { machine: &self.machine, user };
        let login = Login::new(PROVIDER, ACCOUNT);
        let finished = self.machine.in_network(|| login.run(&seat, &self.provider)).unwrap();
        assert!(finished.status.success(), "{finished:?}\n{}", self.journal("cat"));
    }

    /// A user's `systemctl --user`.
    #[track_caller]
    pub(crate) fn systemctl(&self, user: User, words: &[&str]) -> String {
        self.machine.said_as(user, &[&["systemctl", "--user", "--no-pager"], words].concat())
    }

    /// A property of the first user's unit.
    #[track_caller]
    pub(crate) fn property(&self, unit: &str, name: &str) -> String {
        self.systemctl(TESTER, &["show", "--value", "--property", name, unit])
    }

    /// Whether a unit of the first user's is active.
    pub(crate) fn is_active(&self, unit: &str) -> bool {
        self.property(unit, "ActiveState") == "active"
    }

    /// The first user's daemon, as it is called inside.
    #[track_caller]
    pub(crate) fn daemon(&self) -> String {
        self.property("ostler.service", "MainPID")
    }

    /// The first user's command line.
    #[track_caller]
    pub(crate) fn ostler(&self, words: &[&str]) -> Finished {
        self.machine.run_as(TESTER, &[&["ostler"], words].concat())
    }

    /// The first user's token.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        self.machine.said_as(TESTER, &["ostler", "token", ACCOUNT])
    }

    /// What becomes of a token that was rejected.
    #[track_caller]
    pub(crate) fn renew(&self, old: &str) -> String {
        let words = ["ostler", "token", ACCOUNT, "--rejected", &secret::fingerprint(old)];
        self.machine.said_as(TESTER, &words)
    }

    /// A call of a manager's method on the first user's bus: what busctl shows as JSON.
    #[track_caller]
    pub(crate) fn busctl(&self, words: &[&str]) -> Value {
        const HEAD: [&str; 7] = [
            "busctl",
            "--user",
            "--json=short",
            "call",
            "dev.ostler.Ostler1",
            "/dev/ostler/Ostler1",
            "dev.ostler.Ostler1.Manager",
        ];
        let said = self.machine.said_as(TESTER, &[&HEAD, words].concat());
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// What the daemons have written into the journal.
    #[track_caller]
    pub(crate) fn journal(&self, form: &str) -> String {
        self.machine.said(&["journalctl", "--sync"]);
        let form = format!("--output={form}");
        self.machine.said(&["journalctl", "--no-pager", &form, "_SYSTEMD_USER_UNIT=ostler.service"])
    }
}
