//! Writes the man pages into a directory: `cargo run --example pages -- DIRECTORY`.
//!
//! Those of the commands come from the definitions of the command lines and from the table of faults,
//! with what only prose can say from `packaging/man/COMMAND.roff`; those of the files are there whole.

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;
use ostler::api::{EXIT_PROBLEM, EXIT_UNAVAILABLE, EXIT_USAGE, FaultKind};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const MANUAL: &str = "ostler manual";

fn main() -> Outcome {
    let target = std::env::args_os().nth(1).map(PathBuf::from);
    let target = target.ok_or("usage: cargo run --example pages -- DIRECTORY")?;
    let prose = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/man");
    fs::create_dir_all(&target)?;

    let mut ostler = ostler::cli::command().disable_help_subcommand(true);
    ostler.build();
    write_all(&target, &prose, &ostler)?;
    let ostlerd = ostler::daemon::command();
    write(&target, &prose, Page { command: &ostlerd, file: "ostlerd", section: "8" })?;
    for entry in fs::read_dir(&prose)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("5")) {
            let page = fs::read_to_string(&path)?.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
            fs::write(target.join(path.file_name().ok_or("a page without a name")?), page)?;
        }
    }
    Ok(())
}

/// The page of a command of `ostler`, and those of the commands below it.
fn write_all(target: &Path, prose: &Path, command: &Command) -> Outcome {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let file = name.strip_prefix("ostler-").unwrap_or(name);
    write(target, prose, Page { command, file, section: "1" })?;
    command.get_subcommands().try_for_each(|command| write_all(target, prose, command))
}

/// The page of a command.
#[derive(Clone, Copy)]
struct Page<'a> {
    command: &'a Command,
    /// Where its prose is.
    file: &'a str,
    section: &'a str,
}

fn write(target: &Path, prose: &Path, page: Page<'_>) -> Outcome {
    let Page { command, file, section } = page;
    let path = prose.join(file).with_extension("roff");
    let prose =
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    // what stands before the first heading belongs to the description
    let (description, rest) = match prose.find(".SH ") {
        Some(at) => prose.split_at(at),
        None => (prose.as_str(), ""),
    };
    let root = command.get_subcommands().next().is_some();
    let man = Man::new(command.clone())
        .section(section)
        .manual(MANUAL)
        .source(concat!("ostler ", env!("CARGO_PKG_VERSION")));
    let mut title = Vec::new();
    man.render_title(&mut title)?;
    // a page without a date, so that each build makes the same: the empty argument is left out otherwise,
    // and those behind it move up
    let mut out = String::from_utf8(title)?.replacen("  \"", " \"\" \"", 1).into_bytes();
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    out.extend_from_slice(description.as_bytes());
    man.render_options_section(&mut out)?;
    if root {
        man.render_subcommands_section(&mut out)?;
    }
    out.extend_from_slice(rest.as_bytes());
    if section == "1" {
        out.extend_from_slice(exit_statuses(command).as_bytes());
    }
    out.extend_from_slice(see_also(command).as_bytes());
    let name = command.get_display_name().unwrap_or(command.get_name());
    fs::write(target.join(format!("{name}.{section}")), out)?;
    Ok(())
}

/// The exit statuses, from the table of faults.
fn exit_statuses(command: &Command) -> String {
    let mut rows = vec![(0, "success".to_owned()), (EXIT_USAGE, "called wrongly".to_owned())];
    if ["ostler", "doctor"].contains(&command.get_name()) {
        rows.push((EXIT_PROBLEM, "\\fBostler doctor\\fR found a problem".to_owned()));
    }
    let mut by_code = std::collections::BTreeMap::<u8, Vec<&str>>::new();
    by_code.entry(EXIT_UNAVAILABLE).or_default().push("no daemon");
    for kind in FaultKind::all() {
        by_code.entry(kind.exit_code()).or_default().push(kind.name());
    }
    for (code, names) in by_code {
        match rows.iter_mut().find(|row| row.0 == code) {
            Some(row) => row.1 = format!("{}; {}", row.1, names.join(", ")),
            None => rows.push((code, names.join(", "))),
        }
    }
    rows.sort();
    let rows = rows.iter().map(|(code, meaning)| format!(".TP\n{code}\n{meaning}\n"));
    format!(
        ".SH \"EXIT STATUS\"\nOn failure standard output is empty and one line on standard error says \
         what to do next; with \\fB\\-\\-json\\fR that is an object whose member \\fBfault\\fR is \
         one of these names.\n{}",
        rows.collect::<String>()
    )
}

fn see_also(command: &Command) -> String {
    let mut pages = vec!["ostler(1)", "ostlerd(8)", "ostler.toml(5)", "ostler\\-provider(5)"];
    pages.retain(|page| page.split('(').next() != Some(command.get_name()));
    let pages = pages.iter().map(|page| {
        let (name, section) = page.split_once('(').unwrap_or((page, ""));
        format!("\\fB{name}\\fR({section}")
    });
    format!(".SH \"SEE ALSO\"\n{}\n", pages.collect::<Vec<_>>().join(",\n"))
}
