//! The daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    ostler::daemon::main(std::env::args_os())
}
