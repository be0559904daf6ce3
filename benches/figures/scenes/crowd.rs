//! Many clients on one core: how many answers a second they have of one server.

use crate::Failure;
use crate::options::Options;
use crate::sheet::{Of, Series, Sheet};
use crate::stage::Stage;
use crate::tools::{Server, ask};

/// How many clients, where the daemon's values are, and where those of the floor.
const CROWDS: [(usize, Series, Series); 2] =
    [(8, "crowd.8", "events.8"), (64, "crowd.64", "events.64")];

pub(crate) fn play(options: &Options, sheet: &mut Sheet) -> Result<(), Failure> {
    let _pin = options.pin()?;
    let stages = Stage::of_each(options)?;
    let question = stages[0].question()?;
    let events = Server::floor(options, "events", stages[0].answer_length()?)?;
    let asks = options.choose(8_000, 32_000);
    for _ in 0..options.choose(5, 15) {
        for (clients, series, floor) in CROWDS {
            let each = asks / clients;
            for (at, stage) in stages.iter().enumerate() {
                let socket = stage.daemon.socket_path();
                let reading = ask(options, "open", &socket, &question, each, clients)?;
                sheet.add(series, Of::Build(at), reading.get("a_second")?);
                if clients == 64 {
                    let spread = reading.get("p99")? / reading.get("p50")?;
                    sheet.add("crowd.64.spread", Of::Build(at), spread);
                }
            }
            let reading = ask(options, "open", &events.path, &question, each, clients)?;
            sheet.add(floor, Of::Floor, reading.get("a_second")?);
        }
    }
    Ok(())
}
