//! What packages hold, looked at with the tools of the distributions they are for. What needs a built
//! package is skipped, with a line that says so, where tests/run has built none.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod apt;
mod completions;
mod desktop;
mod formats;
mod manual;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::process::{self, Finished};

/// Longer than any of these programs takes.
const PATIENCE: Duration = Duration::from_mins(3);

/// The source tree.
fn source() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the source tree.
fn text(path: &str) -> String {
    fs::read_to_string(source().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a variable of tests/run names; `None`, and a line that says so, if it names nothing.
fn built(variable: &str) -> Option<PathBuf> {
    use std::io::Write;
    let path = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    if path.is_none() {
        // past the harness, which would keep it to itself
        let _ = writeln!(std::io::stderr(), "skipped: nothing in {variable}; tests/run builds it");
    }
    path
}

/// Runs a program of the system to its end.
#[track_caller]
fn run(program: &str, arguments: &[&str]) -> Finished {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C.UTF-8");
    process::run(&mut command, "", PATIENCE).unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// What a program said that went well.
#[track_caller]
fn said(program: &str, arguments: &[&str]) -> String {
    let finished = run(program, arguments);
    assert!(finished.status.success(), "{program} {arguments:?}: {finished:?}");
    finished.stdout
}

/// The files of a tree, by their paths below it, in order.
fn files(root: &Path) -> Vec<String> {
    fn walk(root: &Path, directory: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.push(format!("/{}", path.strip_prefix(root).unwrap().display()));
            }
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort();
    found
}
