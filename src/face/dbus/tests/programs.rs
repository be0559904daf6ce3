//! The programs that people use: busctl (on sd-bus) and gdbus (on `GLib`).

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use super::super::paths;
use super::play::{Play, TOKEN, account};
use super::{DEADLINE, Stage};
use crate::api::{Fault, FaultKind, State};

/// Runs a program on the bus. Its own time limit keeps a hang from becoming ours.
async fn run(stage: &Stage, program: &'static str, arguments: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.arg(DEADLINE.as_secs().to_string()).arg(program).args(arguments);
    command.env("DBUS_SESSION_BUS_ADDRESS", stage.bus.address()).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert_ne!(output.status.code(), Some(127), "this test needs {program}");
    output
}

async fn busctl(stage: &Stage, arguments: &[&str]) -> Output {
    let mut all = vec!["--user", "--no-pager"];
    all.extend(arguments);
    run(stage, "busctl", &all).await
}

async fn gdbus_call(stage: &Stage, object: &str, method: &str, arguments: &[&str]) -> Output {
    let mut all = vec!["call", "--session", "--dest", paths::BUS_NAME, "--object-path", object];
    all.extend(["--method", method]);
    all.extend(arguments);
    run(stage, "gdbus", &all).await
}

fn said(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(error));
    String::from_utf8(out.clone()).unwrap().trim_end().to_owned()
}

fn complained(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn busctl_gets_a_token_properties_and_the_tree() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let root = [paths::BUS_NAME, paths::ROOT, "dev.ostler.Ostler1.Manager"];
    let call = [&["call"], &root[..], &["GetAccessToken", "sa{sv}", "parqex"]].concat();
    let answer =
        said(&busctl(&stage, &[&call[..], &["1", "min_validity", "u", "60"]].concat()).await);
    let path = paths::account(&account("parqex").id);
    assert!(
        answer.starts_with(&format!("ssxa{{sv}} \"{TOKEN}-parqex\" \"Bearer\" 1900000000 3 ")),
        "{answer}"
    );
    assert!(answer.contains(&format!("\"account\" o \"{}\"", path.as_str())), "{answer}");

    let object = [paths::BUS_NAME, path.as_str(), "dev.ostler.Ostler1.Account"];
    let both = [&["get-property"], &object[..], &["State", "ExpiresAt"]].concat();
    assert_eq!(said(&busctl(&stage, &both).await), "s \"ready\"\nx 1900000000");
    let tree = said(&busctl(&stage, &["tree", "--list", paths::BUS_NAME]).await);
    assert!(tree.lines().any(|line| line == path.as_str()), "{tree}");
    let shown = said(&busctl(&stage, &["introspect", paths::BUS_NAME, path.as_str()]).await);
    for line in
        [".GetAccessToken", ".Reauthorize", ".Logout", ".AccessTokenChanged", ".NextRefresh"]
    {
        assert!(shown.contains(line), "{line} in\n{shown}");
    }

    stage.play.refuse(Fault::new(FaultKind::LoginRequired, "the provider ended the login"));
    let text = complained(&busctl(&stage, &[&call[..], &["0"]].concat()).await);
    assert_eq!(text.trim(), "Call failed: the provider ended the login; run: ostler login");
}

#[tokio::test]
async fn gdbus_gets_a_token_typed_errors_and_sees_the_interface() {
    const METHOD: &str = "dev.ostler.Ostler1.Manager.GetAccessToken";
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let answer = said(&gdbus_call(&stage, paths::ROOT, METHOD, &["parqex", "{}"]).await);
    assert!(
        answer.starts_with(&format!("('{TOKEN}-parqex', 'Bearer', int64 1900000000, {{")),
        "{answer}"
    );
    let text = complained(&gdbus_call(&stage, paths::ROOT, METHOD, &["other", "{}"]).await);
    let expected = "GDBus.Error:dev.ostler.Ostler1.Error.NoSuchAccount: ";
    assert!(text.contains(expected), "{text}");
    let options = "{'min_validity': <'soon'>}";
    let text = complained(&gdbus_call(&stage, paths::ROOT, METHOD, &["parqex", options]).await);
    assert!(text.contains("Error.InvalidOption: option min_validity must be"), "{text}");

    let arguments = ["introspect", "--session", "--dest", paths::BUS_NAME];
    let arguments = [&arguments[..], &["--object-path", paths::ROOT]].concat();
    let shown = said(&run(&stage, "gdbus", &arguments).await);
    assert!(shown.contains("interface dev.ostler.Ostler1.Manager {"), "{shown}");
    assert!(shown.contains("interface org.freedesktop.DBus.ObjectManager {"), "{shown}");
    assert!(shown.contains(&format!("readonly s Version = '{}'", env!("CARGO_PKG_VERSION"))));
}

/// A program that prints every message on the bus, ended with this value. gdbus would do as well, but
/// says that it listens before it does.
struct Eavesdropper(Child);

impl Eavesdropper {
    /// Starts one, and waits until it listens. Gives the lines that it prints.
    fn start(address: &str) -> (Self, impl BufRead + use<>) {
        let mut child = Command::new("timeout")
            .args([&DEADLINE.as_secs().to_string(), "busctl", "--user", "--json=short", "monitor"])
            .env("DBUS_SESSION_BUS_ADDRESS", address)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut words = BufReader::new(child.stderr.take().unwrap());
        skip_to(&mut words, "Monitoring bus message stream");
        let lines = BufReader::new(child.stdout.take().unwrap());
        (Self(child), lines)
    }
}

impl Drop for Eavesdropper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads to the first line that holds a text.
fn skip_to(lines: &mut impl BufRead, text: &str) -> String {
    loop {
        let mut line = String::new();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "ended before {text:?}");
        if line.contains(text) {
            return line;
        }
    }
}

#[tokio::test]
async fn busctl_hears_what_changes() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let address = stage.bus.address();
    let listening = move || Eavesdropper::start(&address);
    let (eavesdropper, mut lines) = tokio::task::spawn_blocking(listening).await.unwrap();
    let mut parqex = account("parqex");
    (parqex.state, parqex.expires_at) = (State::Refreshing, Some(1_900_000_077));
    stage.play.change(parqex.clone(), true);
    let reading = move || {
        ["PropertiesChanged", "AccessTokenChanged"].map(|member| skip_to(&mut lines, member))
    };
    let [properties, token] = tokio::task::spawn_blocking(reading).await.unwrap();
    drop(eavesdropper);
    let properties: serde_json::Value = serde_json::from_str(&properties).unwrap();
    assert_eq!(properties["path"], paths::account(&parqex.id).as_str());
    assert_eq!(properties["destination"], serde_json::Value::Null, "a broadcast");
    let body = &properties["payload"]["data"];
    assert_eq!(body[0], "dev.ostler.Ostler1.Account");
    assert_eq!(body[1].as_object().unwrap().len(), 2);
    assert_eq!(body[1]["State"]["data"], "refreshing");
    assert_eq!(body[1]["ExpiresAt"]["data"], 1_900_000_077);
    let token: serde_json::Value = serde_json::from_str(&token).unwrap();
    assert_eq!(token["interface"], "dev.ostler.Ostler1.Account");
    assert_eq!(token["payload"]["data"][0], 1_900_000_077);
}
