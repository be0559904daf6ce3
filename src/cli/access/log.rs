//! `ostler access log`: which programs were given tokens.

use serde::Deserialize;

use super::super::args::AccessLog;
use super::super::client::{Client, PROMPT};
use super::super::console::Console;
use super::super::failure::Failure;
use super::super::list::unless_json;
use super::super::status::show;
use super::super::text::{Cell, moment, table};
use super::{CLAIMED, tier};
use crate::api::{ListUses, Use};
use crate::model::Scopes;

/// What is said when there is nothing to list.
const NOBODY: &str = "no program was given a token\n";

pub(super) fn run(
    args: AccessLog,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Answer {
        uses: Vec<Use>,
    }
    let format = args.format();
    let request = ListUses { account: args.account };
    let answer = match (client.call_raw("ListUses", &request, PROMPT), &request.account) {
        (Ok(answer), _) => answer,
        (Err(failure), Some(account)) => {
            return Err(failure.sharpen(account, &Scopes::default(), client));
        }
        (Err(failure), None) => return Err(failure),
    };
    let Some(Answer { uses }) = unless_json(Ok(answer), format, console)? else {
        return Ok(());
    };
    if uses.is_empty() {
        return show(console, NOBODY);
    }
    let rows: Vec<Vec<Cell>> = uses.iter().map(row).collect();
    let header = ["ACCOUNT", "TOKENS", "LAST", "FIRST", "BY", "PID", "TIER", "PROGRAM"];
    let mut text = table(&header, &rows, (console.look)());
    if uses.iter().any(|usage| usage.tier == "claimed") {
        text.push('\n');
        text.push_str(CLAIMED);
    }
    show(console, &text)
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
