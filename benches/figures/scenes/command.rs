//! The command line from its start to its end, with its output thrown away.

use std::ffi::OsStr;
use std::path::Path;

use crate::Failure;
use crate::options::Options;
use crate::sheet::{Of, Series, Sheet};
use crate::stage::{ACCOUNT, Stage};
use crate::tools::read;

/// A program that is started again and again.
struct Subject<'a> {
    of: Of,
    time: Series,
    cpu: Series,
    command: Vec<&'a OsStr>,
}

fn subject<'a>(
    of: Of,
    [time, cpu]: [Series; 2],
    command: &[&'a (dyn AsRef<OsStr> + 'a)],
) -> Subject<'a> {
    Subject { of, time, cpu, command: command.iter().map(|word| (*word).as_ref()).collect() }
}

pub(crate) fn play(options: &Options, sheet: &mut Sheet) -> Result<(), Failure> {
    let _pin = options.pin()?;
    let stages = Stage::of_each(options)?;
    let socket = stages[0].daemon.socket_path();
    let client = options.tools.join("client");
    let static_client = options.tools.join("client-static");
    let has_static = static_client.exists();

    let mut subjects = Vec::new();
    for (at, build) in options.builds.iter().enumerate() {
        let of = Of::Build(at);
        let series = ["command.time", "command.cpu"];
        subjects.push(subject(of, series, &[&build.binaries.ostler, &"token", &ACCOUNT]));
        match &build.static_ostler {
            Some(ostler) => {
                let series = ["static.time", "static.cpu"];
                subjects.push(subject(of, series, &[ostler, &"token", &ACCOUNT]));
            }
            None => {
                for series in ["static.time", "static.cpu"] {
                    sheet.absent(series, "Rust's musl target or musl-gcc is not installed");
                }
            }
        }
    }
    subjects.push(subject(Of::Floor, ["true.time", "true.cpu"], &[&"/bin/true"]));
    let series = ["client.time", "client.cpu"];
    subjects.push(subject(Of::Floor, series, &[&client, &socket, &ACCOUNT]));
    let series = ["static-client.time", "static-client.cpu"];
    if has_static {
        subjects.push(subject(Of::Floor, series, &[&static_client, &socket, &ACCOUNT]));
    } else {
        for series in series {
            sheet.absent(series, "musl-gcc is not installed");
        }
    }

    let count = options.choose(100, 200).to_string();
    let meter = options.tools.join("spawn");
    for _ in 0..options.choose(7, 25) {
        for subject in &subjects {
            let stage = match subject.of {
                Of::Build(at) => &stages[at],
                Of::Floor => &stages[0],
            };
            let mut command = stage.daemon.home().in_environment(Path::new(&meter));
            let reading = read(command.arg(&count).args(&subject.command))?;
            sheet.add(subject.time, subject.of, reading.get("p50")?);
            sheet.add(subject.cpu, subject.of, reading.get("cpu")?);
        }
    }
    Ok(())
}
