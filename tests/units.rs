//! The unit files and the activation file are ones that systemd and D-Bus take as they are meant.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const EXEC: &str = "/usr/libexec/ostlerd";

/// The least exposed that a unit can be without a user namespace, in tenths; the rest are the options
/// that the unit leaves out on purpose.
const EXPOSURE: &str = "64";

fn source(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The units in a directory of their own, with the daemon of this build: the installed one need not
/// be there.
fn units() -> (TempDir, [PathBuf; 2]) {
    let dir = tempfile::tempdir().expect("a directory for the units");
    let paths = ["ostler.service", "ostler.socket"].map(|name| {
        let unit = source(&format!("systemd/{name}")).replace(EXEC, env!("CARGO_BIN_EXE_ostlerd"));
        let path = dir.path().join(name);
        fs::write(&path, unit).expect("the unit is written");
        path
    });
    (dir, paths)
}

fn analyze(dir: &TempDir, arguments: &[&str]) -> Output {
    Command::new("systemd-analyze")
        .args(["--user", "--no-pager"])
        .args(arguments)
        // asked for although nothing is put there
        .env("XDG_RUNTIME_DIR", dir.path())
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("this test needs systemd-analyze (package systemd): {error}")
        })
}

fn all(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

#[test]
fn systemd_has_nothing_to_say_about_the_units() {
    let (dir, paths) = units();
    let [service, socket] = paths.each_ref().map(|path| path.to_str().unwrap());
    let output = analyze(&dir, &["verify", "--man=no", service, socket]);
    // its exit status is 0 even for options that it does not know
    assert_eq!(all(&output), "");
    assert!(output.status.success());
}

#[test]
fn what_systemd_says_about_a_wrong_unit_is_heard() {
    let (dir, [service, _]) = units();
    let wrong = fs::read_to_string(&service).unwrap().replace("Type=notify", "Type=notfy");
    fs::write(&service, wrong).unwrap();
    let output = analyze(&dir, &["verify", "--man=no", service.to_str().unwrap()]);
    assert!(all(&output).contains("notfy"), "{}", all(&output));
}

#[test]
fn the_service_is_as_little_exposed_as_it_can_be_without_a_namespace() {
    let (dir, [service, _]) = units();
    let threshold = format!("--threshold={EXPOSURE}");
    let service = service.to_str().unwrap();
    let output = analyze(&dir, &["security", "--offline=true", &threshold, service]);
    assert!(output.status.success(), "{}", all(&output));
}

#[test]
fn no_option_makes_a_namespace() {
    // those that need one, and those that imply PrivateUsers= in user units since systemd 254
    const NAMESPACED: [&str; 25] = [
        "PrivateUsers",
        "ProtectSystem",
        "ProtectHome",
        "PrivateTmp",
        "PrivateMounts",
        "PrivateDevices",
        "PrivateIPC",
        "PrivateNetwork",
        "ReadWritePaths",
        "ReadOnlyPaths",
        "InaccessiblePaths",
        "ExecPaths",
        "NoExecPaths",
        "BindPaths",
        "BindReadOnlyPaths",
        "TemporaryFileSystem",
        "RootDirectory",
        "ProtectHostname",
        "ProtectClock",
        "ProtectKernelTunables",
        "ProtectKernelModules",
        "ProtectKernelLogs",
        "ProtectControlGroups",
        "CapabilityBoundingSet",
        "DynamicUser",
    ];
    let unit = source("systemd/ostler.service");
    let settings = unit.lines().filter(|line| !line.starts_with('#'));
    for line in settings {
        let name = line.split('=').next().unwrap();
        assert!(!NAMESPACED.contains(&name), "{line}");
        assert!(!line.contains(" #"), "a comment that systemd would not take for one: {line}");
    }
}

#[test]
fn the_bus_starts_the_same_daemon_through_systemd() {
    let activation = source("dbus/dev.ostler.Ostler1.service");
    let unit = source("systemd/ostler.service");
    for line in ["[D-BUS Service]", "Name=dev.ostler.Ostler1", "SystemdService=ostler.service"] {
        assert!(activation.lines().any(|found| found == line), "{line}");
    }
    assert!(activation.lines().any(|line| line == format!("Exec={EXEC}")));
    assert!(unit.lines().any(|line| line == format!("ExecStart={EXEC}")));
    assert!(unit.lines().any(|line| line == "BusName=dev.ostler.Ostler1"));
}
