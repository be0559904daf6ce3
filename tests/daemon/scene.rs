//! A provider, a daemon that knows it, and short ways to ask.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::bus::Bus;
use crate::support::daemon::{Binaries, Daemon, Home};
use crate::support::http::Ask;
use crate::support::login::Login;
use crate::support::process::Finished;
use crate::support::provider::{Config, Fault, Provider};
use crate::support::secret;
use crate::support::varlink::{CallError, Varlink};

/// The provider's name for the daemon.
pub(crate) const PROVIDER: &str = "test";
/// The account's name.
pub(crate) const ACCOUNT: &str = "door";
/// Who signs in.
pub(crate) const USER: &str = "alice";

/// Everything that runs. The daemon goes first.
pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    pub(crate) provider: Provider,
    /// Kept for its end, which comes after the daemon's.
    _bus: Option<Bus>,
}

impl Scene {
    /// A provider, and a daemon that knows it and has no accounts.
    pub(crate) fn new(config: Config) -> Self {
        Self::at_home(config, |home| home)
    }

    /// The same on a bus.
    pub(crate) fn on_bus(config: Config, bus: Bus) -> Self {
        let scene = Self::at_home(config, |home| home.bus(&bus));
        Self { _bus: Some(bus), ..scene }
    }

    /// A provider, and a daemon with an account there.
    pub(crate) fn signed_in(config: Config) -> Self {
        let scene = Self::new(config);
        scene.sign_in(ACCOUNT);
        scene
    }

    /// A provider, and a daemon that was started otherwise.
    pub(crate) fn of(daemon: Daemon, provider: Provider) -> Self {
        Self { daemon, provider, _bus: None }
    }

    /// A provider, and a daemon in a home that is changed like that.
    pub(crate) fn at_home(config: Config, change: impl FnOnce(Home) -> Home) -> Self {
        let provider = Provider::start(config);
        let home = home().config(&file(PROVIDER), &provider.definition(PROVIDER)).unwrap();
        let daemon = Daemon::start(change(home)).unwrap();
        Self { daemon, provider, _bus: None }
    }

    /// Signs an account in.
    pub(crate) fn sign_in(&self, account: &str) -> Finished {
        self.run_login(&Login::new(PROVIDER, account))
    }

    /// Signs in as said.
    pub(crate) fn run_login(&self, login: &Login<'_>) -> Finished {
        let finished = login.run(&self.daemon, &self.provider).unwrap();
        assert!(finished.status.success(), "{finished:?}\n{}", self.daemon.log());
        finished
    }

    /// The token that is handed out now.
    pub(crate) fn token(&self) -> String {
        token_of(&ask(&self.daemon, "GetToken", &json!({ "account": ACCOUNT })).unwrap())
    }

    /// What a caller gets whose token was rejected.
    pub(crate) fn renew(&self, old: &str) -> Result<Value, CallError> {
        renew(&self.daemon, ACCOUNT, old)
    }

    /// A caller whose token was rejected, and who has asked for another on a connection of its own.
    pub(crate) fn want(&self, old: &str) -> Varlink {
        want(&self.daemon, ACCOUNT, old)
    }

    /// A caller who waits for a refresh: the provider has granted it and holds the answer back.
    pub(crate) fn refresh_under_way(&self) -> Varlink {
        let token = self.token();
        self.provider.next(Fault::Hold);
        let caller = self.want(&token);
        self.provider.wait(|log| log.granted_refreshes() == 1).unwrap();
        caller
    }

    /// The account as `Status` shows it.
    pub(crate) fn account(&self) -> Value {
        account(&self.daemon, ACCOUNT)
    }

    /// Whether the resource takes a token.
    pub(crate) fn admits(&self, token: &str) -> bool {
        owner(&self.provider, token).is_some()
    }

    /// That nothing happened at the provider which must never happen.
    pub(crate) fn assert_clean(&self) {
        let log = self.provider.log();
        assert_eq!(log.reuses, 0, "a refresh token was used twice: {log:#?}");
        assert!(log.most_in_flight <= 1, "two requests at once: {log:#?}");
        assert_eq!(log.trapped, 0, "a redirect was followed: {log:#?}");
    }
}

/// An empty home.
pub(crate) fn home() -> Home {
    Home::new(Binaries::of_this_test()).unwrap()
}

/// Where a provider's definition lies.
pub(crate) fn file(provider: &str) -> String {
    format!("providers/{provider}.toml")
}

/// A connection to the daemon's socket.
pub(crate) fn connect(daemon: &Daemon) -> Varlink {
    Varlink::connect(&daemon.socket_path()).unwrap()
}

/// Asks on a connection of its own.
pub(crate) fn ask(daemon: &Daemon, method: &str, parameters: &Value) -> Result<Value, CallError> {
    connect(daemon).ask(method, parameters)
}

/// What a caller gets whose token was rejected.
pub(crate) fn renew(daemon: &Daemon, account: &str, old: &str) -> Result<Value, CallError> {
    ask(daemon, "GetToken", &json!({ "account": account, "rejected": secret::fingerprint(old) }))
}

/// Asks on a connection of its own, as somebody whose token was rejected, and does not wait.
pub(crate) fn want(daemon: &Daemon, account: &str, old: &str) -> Varlink {
    let mut caller = connect(daemon);
    let parameters = json!({ "account": account, "rejected": secret::fingerprint(old) });
    let call = json!({ "method": "dev.ostler.Ostler1.GetToken", "parameters": parameters });
    caller.send(&call).unwrap();
    caller
}

/// An account as `Status` shows it.
pub(crate) fn account(daemon: &Daemon, name: &str) -> Value {
    let status = ask(daemon, "Status", &json!({})).unwrap();
    let accounts = status["accounts"].as_array().unwrap();
    let found = accounts.iter().find(|account| account["name"] == json!(name));
    found.unwrap_or_else(|| panic!("no account {name}: {status}")).clone()
}

/// Waits until an account has nothing to do.
pub(crate) fn ready(daemon: &Daemon, name: &str) {
    let is_it = |account: &Value| account["name"] == json!(name) && account["state"] == "ready";
    Watch::start(daemon).until(is_it);
}

/// The token in an answer.
pub(crate) fn token_of(answer: &Value) -> String {
    answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
}

/// Whom the resource takes the bearer of a token for.
pub(crate) fn owner(provider: &Provider, token: &str) -> Option<String> {
    let reply = Ask::get(&provider.resource_url()).bearer(token).send().unwrap();
    (reply.status == 200).then(|| reply.json()["user"].as_str().unwrap().to_owned())
}

/// The name and the parameters of the fault that a call ended with.
#[track_caller]
pub(crate) fn fault(result: Result<Value, CallError>) -> (String, Value) {
    match result {
        Err(CallError::Answered { name, parameters }) => {
            let short = name.strip_prefix("dev.ostler.Ostler1.").unwrap_or(&name).to_owned();
            (short, parameters)
        }
        other => panic!("not a fault: {other:?}"),
    }
}

/// The kind of the fault that a call ended with; its parameters are complete.
#[track_caller]
pub(crate) fn fault_kind(result: Result<Value, CallError>) -> String {
    let (kind, parameters) = fault(result);
    for field in ["message", "hint"] {
        assert!(parameters[field].as_str().is_some_and(|text| !text.is_empty()), "{parameters}");
    }
    kind
}

/// That a command did as it says for failures: nothing on standard output, one line on standard
/// error, and the exit status. Gives the line.
#[track_caller]
pub(crate) fn failed(finished: &Finished, code: i32) -> &str {
    assert_eq!(finished.status.code(), Some(code), "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
    let line = finished.stderr.strip_suffix('\n').unwrap_or_else(|| panic!("{finished:?}"));
    assert!(line.starts_with("ostler: ") && !line.contains('\n'), "{finished:?}");
    line
}

/// That a command succeeded without a word on standard error. Gives standard output.
#[track_caller]
pub(crate) fn succeeded(finished: &Finished) -> &str {
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(finished.stderr, "", "{finished:?}");
    &finished.stdout
}

/// What happens at the daemon, as `Monitor` tells it.
pub(crate) struct Watch(Varlink);

impl Watch {
    /// Everything from now on, after the accounts as they are.
    pub(crate) fn start(daemon: &Daemon) -> Self {
        let mut varlink = connect(daemon);
        varlink.send(&json!({ "method": "dev.ostler.Ostler1.Monitor", "more": true })).unwrap();
        Self(varlink)
    }

    /// The next event.
    pub(crate) fn next(&mut self) -> Value {
        let frame = self.0.receive().unwrap().expect("the daemon goes on");
        let mut message: Value = serde_json::from_slice(&frame).unwrap();
        assert!(message.get("error").is_none(), "{message}");
        message["parameters"].take()
    }

    /// The account in the next event that shows an account like that.
    pub(crate) fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let mut event = self.next();
            if event["event"] == json!("account") && is_it(&event["account"]) {
                return event["account"].take();
            }
        }
    }

    /// An event that has been told and not been looked at.
    pub(crate) fn next_if_any(&mut self) -> Option<Value> {
        self.0.has_answer().unwrap().then(|| self.next())
    }

    /// The states of accounts that have been told and not been looked at.
    pub(crate) fn states(&mut self, daemon: &Daemon) -> Vec<String> {
        settle(daemon);
        let mut states = Vec::new();
        while let Some(event) = self.next_if_any() {
            if let Some(state) = event["account"]["state"].as_str() {
                states.push(state.to_owned());
            }
        }
        states
    }
}

/// Returns once the daemon has taken up what was sent to it before on other connections: it takes
/// up what has arrived in the order of its arrival. What it had to say by then, it has said.
pub(crate) fn settle(daemon: &Daemon) {
    // the first question may overtake one that arrived in the same instant, the others do not
    for _ in 0..3 {
        ask(daemon, "Status", &json!({})).unwrap();
    }
}

/// Every file below a directory, with its contents.
pub(crate) fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut entries: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}
