//! `ostler access pending`, `approve` and `refuse`: the user's word where there is no desktop to give it on.

use serde::Deserialize;

use super::super::args::{Approve, Format, Plain, Refuse};
use super::super::client::{Client, Nothing, PROMPT};
use super::super::console::Console;
use super::super::failure::Failure;
use super::super::list::unless_json;
use super::super::status::show;
use super::super::text::{Cell, moment, table};
use super::{CLAIMED, tier};
use crate::api::{Pending, Respond, Verdict};
use crate::model::QuestionId;

/// What is said when there is nothing to list.
const NOBODY: &str = "no program waits for your word\n";

/// What to do about those listed.
const HOW: &str =
    "run: ostler access approve NUMBER (with --once for this time alone), or refuse NUMBER\n";

pub(super) fn pending(
    args: Plain,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Answer {
        pending: Vec<Pending>,
    }
    let answer = client.call_raw("ListPending", &Nothing {}, PROMPT);
    let Some(Answer { pending }) = unless_json(answer, args.format(), console)? else {
        return Ok(());
    };
    if pending.is_empty() {
        return show(console, NOBODY);
    }
    let rows: Vec<Vec<Cell>> = pending.iter().map(row).collect();
    let header = ["NUMBER", "ACCOUNT", "SINCE", "BY", "PID", "TIER", "PROGRAM", "SCOPES"];
    let mut text = table(&header, &rows, (console.look)());
    text.push('\n');
    text.push_str(HOW);
    if pending.iter().any(|question| question.tier == "claimed") {
        text.push_str(CLAIMED);
    }
    show(console, &text)
}

fn row(question: &Pending) -> Vec<Cell> {
    vec![
        question.id.to_string().into(),
        question.account.as_str().into(),
        moment(question.since).into(),
        question.face.as_str().into(),
        question.pid.map(|pid| pid.to_string()).unwrap_or_default().into(),
        tier(&question.tier),
        question.caller.as_str().into(),
        question.scopes.join(" ").into(),
    ]
}

pub(super) fn approve(
    args: &Approve,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let verdict = if args.once { Verdict::Once } else { Verdict::Allow };
    respond(args.question, verdict, args.format(), client, console)
}

pub(super) fn refuse(
    args: &Refuse,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    respond(args.question, Verdict::Deny, args.format(), client, console)
}

fn respond(
    question: QuestionId,
    verdict: Verdict,
    format: Format,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let answer = client.call_raw("Respond", &Respond { question, verdict }, PROMPT);
    let Some(Nothing {}) = unless_json(answer, format, console)? else { return Ok(()) };
    let outcome = match verdict {
        Verdict::Allow => "it may have tokens from now on; to take that back: ostler access list",
        Verdict::Once => "it may have one token",
        Verdict::Deny => {
            "it gets none, and is not asked about again for ten minutes; to make that last: \
                          ostler access deny"
        }
    };
    show(console, &format!("{question}: {outcome}\n"))
}
