//! `ostler access`: which programs may have tokens, which were given some, and which wait for the user's word.

mod log;
mod questions;
mod rules;

use super::args::AccessCommand;
use super::client::Client;
use super::console::Console;
use super::failure::Failure;
use super::text::{Cell, Tone};
use crate::model::Decision;

pub(super) fn run(
    command: AccessCommand,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    match command {
        AccessCommand::List(args) => rules::list(args, client, console),
        AccessCommand::Allow(args) => rules::set(args, Decision::Allow, client, console),
        AccessCommand::Ask(args) => rules::set(args, Decision::Ask, client, console),
        AccessCommand::Deny(args) => rules::set(args, Decision::Deny, client, console),
        AccessCommand::Forget(args) => rules::forget(&args, client, console),
        AccessCommand::Log(args) => log::run(args, client, console),
        AccessCommand::Pending(args) => questions::pending(args, client, console),
        AccessCommand::Approve(args) => questions::approve(&args, client, console),
        AccessCommand::Refuse(args) => questions::refuse(&args, client, console),
    }
}

/// What the word in the column TIER is worth, for those who do not know.
const CLAIMED: &str = "claimed: any program of yours can make itself look like that\n";

/// A tier in its tone.
fn tier(word: &str) -> Cell {
    Cell::new(word, if word == "verified" { Tone::Good } else { Tone::Dim })
}
