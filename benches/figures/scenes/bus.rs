//! One client and one service on a bus, all three on one core.

use std::process::Command;

use crate::Failure;
use crate::options::Options;
use crate::sheet::{Of, Sheet};
use crate::stage::{ACCOUNT, Stage};
use crate::support::bus::Bus;
use crate::support::process::Kept;
use crate::tools::{Reading, read, until_ready};

/// The bytes around a token in an answer on the socket; that much more or less is not seen in a call's time.
const AROUND: usize = 100;

/// Somebody who answers on a bus.
struct Service {
    bus: Bus,
    name: &'static str,
    path: &'static str,
}

impl Service {
    fn ask(&self, options: &Options, way: &str, count: usize) -> Result<Reading, Failure> {
        let mut command = Command::new(options.tools.join("bus_ask"));
        command.args([way, self.name, self.path, ACCOUNT, &count.to_string()]);
        read(command.env("DBUS_SESSION_BUS_ADDRESS", self.bus.address()))
    }
}

fn daemon(options: &Options, at: usize) -> Result<(Stage, Service), Failure> {
    let bus = Bus::reference()?;
    let stage = Stage::new(&options.builds[at], Some(&bus))?;
    Ok((stage, Service { bus, name: "dev.ostler.Ostler1", path: "/dev/ostler/Ostler1" }))
}

fn smallest(options: &Options, length: usize) -> Result<(Kept, Service), Failure> {
    let bus = Bus::reference()?;
    let mut command = Command::new(options.tools.join("bus_server"));
    command.arg(length.to_string()).env("DBUS_SESSION_BUS_ADDRESS", bus.address());
    let process = until_ready(&mut command)?;
    Ok((process, Service { bus, name: "test.Floor", path: "/floor" }))
}

pub(crate) fn play(options: &Options, sheet: &mut Sheet) -> Result<(), Failure> {
    let _pin = options.pin()?;
    let daemons =
        (0..options.builds.len()).map(|at| daemon(options, at)).collect::<Result<Vec<_>, _>>()?;
    let length = daemons[0].0.answer_length()?.saturating_sub(AROUND);
    let (_server, floor) = smallest(options, length)?;
    let (opens, connects) = options.choose((500, 100), (2000, 400));
    for _ in 0..options.choose(7, 25) {
        for (at, (_, service)) in daemons.iter().enumerate() {
            let open = service.ask(options, "open", opens)?;
            sheet.add("bus.open.p50", Of::Build(at), open.get("p50")?);
        }
        sheet.add("sd-bus.open.p50", Of::Floor, floor.ask(options, "open", opens)?.get("p50")?);
        for (at, (_, service)) in daemons.iter().enumerate() {
            let connect = service.ask(options, "connect", connects)?;
            sheet.add("bus.connect.p50", Of::Build(at), connect.get("p50")?);
        }
        let connect = floor.ask(options, "connect", connects)?;
        sheet.add("sd-bus.connect.p50", Of::Floor, connect.get("p50")?);
    }
    Ok(())
}
