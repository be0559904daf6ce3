//! `ostler monitor`: a line for each thing that happens.

use super::args::{Format, Plain};
use super::client::{Client, Nothing, parse};
use super::console::Console;
use super::failure::Failure;
use super::text::{moment, one_line};
use crate::api::{Account, Event};

/// Runs until the daemon stops, or until nobody reads any more.
pub(super) fn run(
    args: Plain,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    client.call_more("Monitor", &Nothing {})?;
    loop {
        let event = client.next()?;
        match args.format() {
            Format::Json => console.line(event.get().as_bytes())?,
            Format::Text => console.line(one_line(&describe(&parse(event)?)).as_bytes())?,
        }
    }
}

fn describe(event: &Event) -> String {
    match event {
        Event::Account { account, new_token } => describe_account(account, *new_token),
        Event::Removed { name, .. } => format!("{name}: removed"),
        Event::Login { ended: Some(ended), .. } => format!("{}: signed in", ended.account),
        Event::Login { fault: Some(fault), .. } => format!("sign-in failed: {fault}"),
        Event::Login { .. } => "sign-in over".to_owned(),
        Event::Online { online: true } => "providers can be reached".to_owned(),
        Event::Online { online: false } => "providers cannot be reached".to_owned(),
        Event::Pending { count: 0 } => "no program waits for your word".to_owned(),
        Event::Pending { count: 1 } => {
            "a program waits for your word; see: ostler access pending".to_owned()
        }
        Event::Pending { count } => {
            format!("{count} programs wait for your word; see: ostler access pending")
        }
        Event::Missed { count } => format!("missed {count} events; see: ostler status"),
    }
}

fn describe_account(account: &Account, new_token: bool) -> String {
    let Account { name, provider, state, detail, expires_at, .. } = account;
    let mut line = format!("{name}: {} at {provider}", state.as_str());
    if new_token {
        line.push_str(", new token");
    }
    if let Some(at) = expires_at {
        line.push_str(", token until ");
        line.push_str(&moment(*at));
    }
    if let Some(detail) = detail {
        line.push_str(", ");
        line.push_str(detail);
    }
    line
}
