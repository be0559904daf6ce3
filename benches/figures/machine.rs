//! What kind of machine measured, when, and which version.

use std::fs;
use std::process::Command;

use serde::Serialize;

/// A machine at a moment.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// The day, as ISO 8601 has it.
    pub(crate) date: String,
    /// The version that was measured, with the commit.
    pub(crate) version: String,
    /// How many cores it has, and whether they are its own.
    pub(crate) kind: String,
    /// The processor, as it names itself.
    pub(crate) processor: String,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// How many wanted a core while it was measured, over the last five minutes of it (`proc_loadavg(5)`).
    pub(crate) load: String,
}

impl Machine {
    /// This one, now. What it does not tell is left empty: it is for people, who know theirs.
    pub(crate) fn here() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(": ")).map_or("", |(_, value)| value)
        };
        let cores = info.lines().filter(|line| line.starts_with("processor")).count();
        let virt = said("systemd-detect-virt", &["--vm"]);
        let kind = match virt.as_str() {
            "" | "none" => format!("{cores} cores"),
            guest => format!("{cores} shared cores, {guest} guest"),
        };
        let version = env!("CARGO_PKG_VERSION");
        let commit = said("git", &["describe", "--always", "--dirty"]);
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            date: said("date", &["-u", "+%Y-%m-%d"]),
            version: format!("{version} ({commit})"),
            kind,
            processor: field("model name").to_owned(),
            kernel: said("uname", &["-r"]),
            load: load.split(' ').nth(1).unwrap_or_default().to_owned(),
        }
    }
}

/// What a command says; nothing if it cannot be run.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or(String::new(), |it| String::from_utf8_lossy(&it.stdout).trim().to_owned())
}
