//! One client and one server on one core: what an answer takes, on an open connection and on a new one.

use std::fs;

use crate::Failure;
use crate::options::Options;
use crate::sheet::{Of, Sheet};
use crate::stage::Stage;
use crate::tools::{Server, ask};

/// A request for the list of keys (draft-ietf-sshm-ssh-agent, 3.5), behind its length.
const REQUEST_IDENTITIES: [u8; 5] = [0, 0, 0, 1, 11];

pub(crate) fn play(options: &Options, sheet: &mut Sheet) -> Result<(), Failure> {
    let _pin = options.pin()?;
    let stages = Stage::of_each(options)?;
    let question = stages[0].question()?;
    let length = stages[0].answer_length()?;
    let echo = Server::floor(options, "echo", length)?;
    let iterative = Server::floor(options, "iterative", length)?;
    let agent = Server::ssh_agent()?;
    let identities = stages[0].daemon.home().path("request-identities");
    fs::write(&identities, REQUEST_IDENTITIES)?;
    if agent.is_none() {
        sheet.absent("ssh-agent.open.p50", "ssh-agent is not installed");
    }

    let (opens, connects) = options.choose((1000, 200), (3000, 600));
    for _ in 0..options.choose(15, 40) {
        for (at, stage) in stages.iter().enumerate() {
            let socket = stage.daemon.socket_path();
            let open = ask(options, "open", &socket, &question, opens, 1)?;
            sheet.add("ask.open.p50", Of::Build(at), open.get("p50")?);
            sheet.add("ask.open.p99", Of::Build(at), open.get("p99")?);
        }
        let open = ask(options, "open", &echo.path, &question, opens, 1)?;
        sheet.add("echo.open.p50", Of::Floor, open.get("p50")?);
        sheet.add("echo.open.p99", Of::Floor, open.get("p99")?);
        if let Some(agent) = &agent {
            let open = ask(options, "open", &agent.path, &identities, opens, 1)?;
            sheet.add("ssh-agent.open.p50", Of::Floor, open.get("p50")?);
        }
        for (at, stage) in stages.iter().enumerate() {
            let socket = stage.daemon.socket_path();
            let connect = ask(options, "connect", &socket, &question, connects, 1)?;
            sheet.add("ask.connect.p50", Of::Build(at), connect.get("p50")?);
        }
        let connect = ask(options, "connect", &iterative.path, &question, connects, 1)?;
        sheet.add("iterative.connect.p50", Of::Floor, connect.get("p50")?);
    }
    Ok(())
}
