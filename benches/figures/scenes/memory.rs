//! What a daemon of one user takes of memory.

use std::fs;

use serde_json::json;

use crate::Failure;
use crate::options::Options;
use crate::sheet::{Of, Sheet};
use crate::stage::{ACCOUNT, Stage};
use crate::support::secret;
use crate::support::varlink::Varlink;
use crate::tools::Server;

/// One refresh of each: those of one account have to be some seconds apart.
const MORE: [&str; 7] = ["flap", "gate", "hatch", "lid", "port", "shutter", "valve"];

pub(crate) fn play(options: &Options, sheet: &mut Sheet) -> Result<(), Failure> {
    for _ in 0..options.choose(3, 9) {
        for at in 0..options.builds.len() {
            daemon(options, at, sheet)?;
        }
        match Server::ssh_agent()? {
            Some(agent) => {
                let resident = field(agent.pid(), "status", "VmRSS:")?;
                sheet.add("ssh-agent.resident", Of::Floor, resident);
                match field(agent.pid(), "smaps_rollup", "Private_Dirty:") {
                    Ok(dirty) => sheet.add("ssh-agent.dirty", Of::Floor, dirty),
                    Err(error) => sheet.absent("ssh-agent.dirty", &error.to_string()),
                }
            }
            None => {
                for series in ["ssh-agent.resident", "ssh-agent.dirty"] {
                    sheet.absent(series, "ssh-agent is not installed");
                }
            }
        }
    }
    Ok(())
}

fn daemon(options: &Options, at: usize, sheet: &mut Sheet) -> Result<(), Failure> {
    let mut stage = Stage::new(&options.builds[at], None)?;
    for account in MORE {
        stage.sign_in(account)?;
    }
    stage.daemon.restart()?;
    let pid = stage.daemon.pid().ok_or("it does not run")?;
    sheet.add("memory.idle", Of::Build(at), field(pid, "status", "VmRSS:")?);
    sheet.add("memory.dirty", Of::Build(at), field(pid, "smaps_rollup", "Private_Dirty:")?);
    let mut varlink = Varlink::connect(&stage.daemon.socket_path())?;
    let mut tokens = Vec::new();
    for account in [ACCOUNT].iter().chain(&MORE) {
        let answer = varlink.ask("GetToken", &json!({ "account": account }))?;
        let token = answer["access_token"].as_str().ok_or("an answer without a token")?;
        tokens.push((account, secret::fingerprint(token)));
    }
    for (account, rejected) in tokens {
        varlink.ask("GetToken", &json!({ "account": account, "rejected": rejected }))?;
    }
    sheet.add("memory.after", Of::Build(at), field(pid, "status", "VmRSS:")?);
    Ok(())
}

/// A field of a file of a process that is given in kB (proc(5)), in bytes.
pub(crate) fn field(pid: u32, file: &str, name: &str) -> Result<f64, Failure> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no such field")?;
    Ok(kib.parse::<f64>()? * 1024.0)
}
