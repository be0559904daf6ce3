//! What the daemon and the command line cost: each figure beside the least that the same could cost, taken in turns
//! in one run, so that only their ratio counts. `benches/run` builds all that this needs and starts it.
//!
//! | file | does |
//! |---|---|
//! | `options` | what `benches/run` wants measured |
//! | `rows` | the rows of the table: what is measured, against what, and the goal |
//! | `scenes` | each measures some rows, round by round |
//! | `sheet` | where they write down what they measured |
//! | `issuer`, `bare` | a token endpoint at many addresses, and the least client that it can have |
//! | `stage`, `tools` | the daemon in a home, floors and peers, and the programs that take the time |
//! | `summary`, `table`, `chart` | what comes of it: JSON, Markdown, SVG |
#![expect(clippy::print_stderr, reason = "it says how far it is")]

#[path = "../../tests/support/mod.rs"]
mod support;

mod bare;
mod chart;
mod issuer;
mod machine;
mod options;
mod rows;
mod scenes;
mod sheet;
mod stage;
mod summary;
mod table;
mod tools;

use std::error::Error;
use std::fs;
use std::process::ExitCode;

use options::Options;
use sheet::Sheet;
use summary::Summary;

/// Why something could not be measured.
pub(crate) type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("benches: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Failure> {
    let options = Options::parse(std::env::args_os().skip(1))?;
    let mut sheet = Sheet::default();
    let mut code = ExitCode::SUCCESS;
    for scene in scenes::all().filter(|scene| options.wants(scene.name)) {
        eprintln!("benches: {}", scene.name);
        if let Err(error) = (scene.play)(&options, &mut sheet) {
            eprintln!("benches: {}: {error}", scene.name);
            sheet.failed(scene.name, &error.to_string());
            code = ExitCode::FAILURE;
        }
    }
    let summary = Summary::of(&options, &sheet);
    fs::create_dir_all(&options.out)?;
    fs::write(options.out.join("figures.json"), serde_json::to_vec_pretty(&summary)?)?;
    fs::write(options.out.join("table.md"), table::markdown(&summary))?;
    chart::draw(&summary, &options.out.join("chart.svg"))?;
    eprint!("{}", table::markdown(&summary));
    eprintln!("benches: written to {}", options.out.display());
    Ok(code)
}
