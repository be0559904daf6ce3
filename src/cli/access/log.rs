//! `ostler access log`: which programs were given tokens.

use serde::Deserialize;

use super::super::args::{AccessLog, Format};
use super::super::client::{Client, PROMPT};
use super::super::console::Console;
use super::super::failure::Failure;
use super::super::status::show;
use super::super::stream;
use super::super::text::{Cell, Sheet, moment};
use super::{CLAIMED, tier};
use crate::api::{ListUses, Use};
use crate::model::Scopes;

/// What is said when there is nothing to list.
const NOBODY: &str = "no program was given a token\n";

#[derive(Deserialize)]
struct Answer {
    uses: Vec<Use>,
}

pub(super) fn run(
    args: AccessLog,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let format = args.format();
    let request = ListUses { account: args.account };
    let shown = print(&request, format, client, console);
    match &request.account {
        Some(account) => {
            shown.map_err(|failure| failure.sharpen(account, &Scopes::default(), client))
        }
        None => shown,
    }
}

fn print(
    request: &ListUses,
    format: Format,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let call = ("ListUses", request);
    if format == Format::Json {
        return stream::json(client, call, "uses", PROMPT, console);
    }
    let header = ["ACCOUNT", "TOKENS", "LAST", "FIRST", "BY", "PID", "TIER", "PROGRAM"];
    let mut sheet = Sheet::new(&header, (console.look)());
    let (mut is_first, mut is_claimed) = (true, false);
    stream::each(client, call, PROMPT, |Answer { uses }, after| {
        if std::mem::take(&mut is_first) && uses.is_empty() {
            return show(console, NOBODY);
        }
        is_claimed |= uses.iter().any(|usage| usage.tier == "claimed");
        show(console, &sheet.page(&uses.iter().map(row).collect::<Vec<_>>(), after))
    })?;
    if is_claimed { show(console, &format!("\n{CLAIMED}")) } else { Ok(()) }
}

fn row(usage: &Use) -> Vec<Cell> {
    vec![
        usage.account.as_str().into(),
        usage.count.to_string().into(),
        moment(usage.last).into(),
        moment(usage.first).into(),
        usage.face.as_str().into(),
        usage.pid.map(|pid| pid.to_string()).unwrap_or_default().into(),
        tier(&usage.tier),
        usage.caller.as_str().into(),
    ]
}
