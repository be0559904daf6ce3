//! The service manager's view: whether the units are installed, and whether they have failed.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::api::{Area, Finding};

/// How long the service manager may take.
const PATIENCE: Duration = Duration::from_secs(3);

const BY_HAND: &str = "ostlerd &";
const BY_MANAGER: &str = "systemctl --user start ostler.socket";

/// What the service manager says, if there is one, and the command that starts the daemon.
pub(super) fn look(
    variables: &dyn Fn(&str) -> Option<OsString>,
) -> (Option<Finding>, &'static str) {
    let runtime = variables("XDG_RUNTIME_DIR").filter(|value| !value.is_empty());
    // where it listens; without it, systemctl would only complain
    let is_there = runtime.is_some_and(|dir| Path::new(&dir).join("systemd/private").exists());
    if !is_there {
        return (None, BY_HAND);
    }
    if let Some(text) = ask() {
        return read(&text);
    }
    let finding = Finding::warning(Area::Service, "", "the service manager does not answer");
    (Some(finding.hint("run: systemctl --user status")), BY_HAND)
}

fn ask() -> Option<String> {
    let mut child = Command::new("systemctl")
        .args(["--user", "--no-pager", "show", "--property=Id,LoadState,ActiveState,Result"])
        .args(["ostler.socket", "ostler.service"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut stdout = child.stdout.take()?;
    let (sender, said) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        // who has waited long enough does not wait for it
        let _ = sender.send(stdout.read_to_string(&mut text).ok().map(|_| text));
    });
    let text = said.recv_timeout(PATIENCE).ok().flatten();
    // it has ended, or is to end; either way it is waited for
    let _ = child.kill();
    let _ = child.wait();
    let _ = reader.join();
    text
}

/// A unit as `systemctl show` tells it.
#[derive(Debug, Default)]
struct Unit<'a> {
    id: &'a str,
    load: &'a str,
    active: &'a str,
    result: &'a str,
}

fn read(text: &str) -> (Option<Finding>, &'static str) {
    let units: Vec<Unit<'_>> =
        text.split("\n\n").map(unit).filter(|unit| !unit.id.is_empty()).collect();
    let installed: Vec<&Unit<'_>> = units.iter().filter(|unit| unit.load == "loaded").collect();
    if installed.is_empty() {
        let message = "no unit is installed: the daemon is started by hand";
        return (Some(Finding::ok(Area::Service, "", message)), BY_HAND);
    }
    if let Some(failed) = installed.iter().find(|unit| unit.active == "failed") {
        let message = format!("has failed ({})", failed.result);
        let hint = format!(
            "look why: journalctl --user -e -u {0}; then run: systemctl --user restart {0}",
            failed.id
        );
        let finding = Finding::problem(Area::Service, failed.id, message).hint(hint);
        return (Some(finding), BY_MANAGER);
    }
    let states: Vec<String> =
        installed.iter().map(|unit| format!("{} is {}", unit.id, unit.active)).collect();
    let message = states.join(", ");
    let finding = if installed.iter().any(|unit| unit.active == "active") {
        Finding::ok(Area::Service, "", message)
    } else {
        Finding::warning(Area::Service, "", message)
            .hint("run: systemctl --user enable --now ostler.socket")
    };
    (Some(finding), BY_MANAGER)
}

fn unit(block: &str) -> Unit<'_> {
    let mut unit = Unit::default();
    for (name, value) in block.lines().filter_map(|line| line.split_once('=')) {
        match name {
            "Id" => unit.id = value,
            "LoadState" => unit.load = value,
            "ActiveState" => unit.active = value,
            "Result" => unit.result = value,
            _ => {}
        }
    }
    unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Level;

    fn told(load: &str, socket: &str, service: &str) -> (Finding, &'static str) {
        let block = |id, active| {
            format!("Result=exit-code\nId={id}\nLoadState={load}\nActiveState={active}\n")
        };
        let text = [block("ostler.socket", socket), block("ostler.service", service)].join("\n");
        let (finding, start) = read(&text);
        (finding.unwrap(), start)
    }

    #[test]
    fn a_failed_unit_is_a_problem_and_a_missing_one_is_none() {
        let (finding, start) = told("loaded", "active", "failed");
        assert_eq!((finding.level, start), (Level::Problem, BY_MANAGER));
        assert_eq!(
            (&*finding.subject, &*finding.message),
            ("ostler.service", "has failed (exit-code)")
        );
        let (finding, start) = told("not-found", "inactive", "inactive");
        assert_eq!((finding.level, start), (Level::Ok, BY_HAND));
        let (finding, _) = told("loaded", "active", "inactive");
        assert_eq!(finding.message, "ostler.socket is active, ostler.service is inactive");
        assert_eq!(finding.level, Level::Ok);
        assert_eq!(told("loaded", "inactive", "inactive").0.level, Level::Warning);
    }

    #[test]
    fn without_a_service_manager_nothing_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().as_os_str().to_owned();
        let (finding, start) = look(&|_| Some(path.clone()));
        assert!(finding.is_none());
        assert_eq!(start, BY_HAND);
    }
}
