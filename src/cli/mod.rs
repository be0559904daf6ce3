//! Floor 5: the command line, a blocking client of the socket. It links no runtime, TLS, database
//! or D-Bus, and `token` is one connect, one write and one read: scripts call it in loops.
//!
//! On success the answer is on standard output and nothing on standard error. On failure standard
//! output is empty, and standard error has one line that says what to do next (one JSON object with
//! `--json`). Exit codes are those of sysexits.h, by fault. `doctor` and `provider check` alone
//! succeed in telling what is wrong: the report is on standard output, and the exit code is 1 if there is
//! a problem.
//!
//! | file | does |
//! |---|---|
//! | `args` | what can be said: gives help, errors, man page and completions; `args/plain.rs` reads `token` without it |
//! | `client` | asks the daemon |
//! | `completion` | what a shell offers at the tab key |
//! | `console` | where output goes and input comes from |
//! | `failure` | why a command failed: exit code and last words |
//! | `hidden` | a line that is typed and not shown |
//! | `import` | logins that other programs keep |
//! | `provider` | definitions of providers: shown, checked, drafted |
//! | `token`, `proof`, `login`, `status`, `list`, `change`, `access`, `monitor`, `doctor` | the commands |
//! | `text` | durations, times and tables |

mod access;
mod args;
mod change;
mod client;
mod completion;
mod console;
mod doctor;
mod failure;
mod hidden;
mod import;
mod list;
mod login;
mod monitor;
mod proof;
mod provider;
mod status;
mod stream;
#[cfg(test)]
mod tests;
mod text;
mod token;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use args::command;
use args::{Cli, Command};
use client::Client;
use console::Console;
use failure::Failure;

use crate::api::EXIT_USAGE;

/// Runs a command line, program name first, and says how it ended.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    if std::env::var_os(completion::VARIABLE).is_some_and(|shell| !shell.is_empty()) {
        return completion::run(args).map_or_else(|error| told(&error), |()| ExitCode::SUCCESS);
    }
    let line: Vec<OsString> = args.into_iter().collect();
    match args::read_plain(&line).map_or_else(|| Cli::try_parse_from(line), Ok) {
        Ok(cli) => ExitCode::from(run(cli, &mut Console::of_process())),
        Err(error) => told(&error),
    }
}

/// Prints help, or what is wrong with a command line.
fn told(error: &clap::Error) -> ExitCode {
    // nobody is left to be told that telling failed
    let _ = error.print();
    if error.use_stderr() { EXIT_USAGE.into() } else { ExitCode::SUCCESS }
}

/// Runs a command to its exit code.
fn run(cli: Cli, console: &mut Console<'_>) -> u8 {
    let format = cli.command.format();
    match dispatch(cli, console) {
        Ok(code) => code,
        Err(failure) => failure.report(format, console),
    }
}

fn dispatch(cli: Cli, console: &mut Console<'_>) -> Result<u8, Failure> {
    let Cli { socket, command } = cli;
    let variables = console.variables;
    let path = || client::socket_path(socket.clone(), variables);
    let connect = || Client::connect(&path()?).map_err(Failure::from);
    match command {
        Command::Token(args) => token::run(args, &mut connect()?, console),
        Command::Proof(args) => proof::run(args, &mut connect()?, console),
        Command::Login(args) => login::run(&args, &path()?, console),
        Command::Callback(args) => login::callback(args, &mut connect()?, console),
        Command::Import(args) => import::run(&args, &path()?, console),
        Command::Provider(command) => {
            return provider::run(command, connect, console);
        }
        Command::Status(args) => status::run(args, &mut connect()?, console),
        Command::Accounts(args) => list::accounts(args, &mut connect()?, console),
        Command::Logout(args) => list::logout(args, &mut connect()?, console),
        Command::Resume(args) => list::resume(args, &mut connect()?, console),
        Command::Refresh(args) => change::refresh(args, &mut connect()?, console),
        Command::Rename(args) => change::rename(args, &mut connect()?, console),
        Command::Enable(args) => change::enable(args, &mut connect()?, console),
        Command::Disable(args) => change::disable(args, &mut connect()?, console),
        Command::Revoke(args) => change::revoke(args, &mut connect()?, console),
        Command::Providers(args) => list::providers(args, &mut connect()?, console),
        Command::Monitor(args) => monitor::run(args, &mut connect()?, console),
        Command::Access(command) => access::run(command, &mut connect()?, console),
        Command::Doctor(args) => return doctor::run(args, socket, console),
    }
    .map(|()| 0)
}
