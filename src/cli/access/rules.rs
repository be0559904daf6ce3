//! `ostler access list`, `allow`, `ask`, `deny` and `forget`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::super::args::{Format, Plain, Rule, Rules};
use super::super::client::{Client, Nothing, PROMPT};
use super::super::console::Console;
use super::super::failure::Failure;
use super::super::list::unless_json;
use super::super::status::show;
use super::super::text::{Cell, Tone, moment, table};
use super::{CLAIMED, tier};
use crate::api::{Grant, RemoveGrant, SetGrant};
use crate::model::{Decision, RuleId, Scopes};

/// What holds where no rule fits.
const DEFAULTS: &str =
    "where no rule fits: claimed programs are given tokens, you are asked about others\n";

pub(super) fn list(
    args: Plain,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Answer {
        grants: Vec<Grant>,
    }
    let answer = client.call_raw("ListGrants", &Nothing {}, PROMPT);
    let Some(Answer { grants }) = unless_json(answer, args.format(), console)? else {
        return Ok(());
    };
    if grants.is_empty() {
        return show(console, &format!("there are no rules\n\n{DEFAULTS}{CLAIMED}"));
    }
    let rows: Vec<Vec<Cell>> = grants.iter().map(row).collect();
    let header =
        ["RULE", "GETS", "ACCOUNT", "SCOPES", "TIER", "UNTIL", "USED", "MADE", "BY", "PROGRAM"];
    let mut text = table(&header, &rows, (console.look)());
    text.push_str("\nthe first rule that fits decides\n");
    text.push_str(DEFAULTS);
    text.push_str(CLAIMED);
    show(console, &text)
}

fn row(grant: &Grant) -> Vec<Cell> {
    let tone = match grant.decision {
        Decision::Allow => Tone::Good,
        Decision::Ask => Tone::Warning,
        Decision::Deny => Tone::Bad,
    };
    vec![
        grant.id.to_string().into(),
        Cell::new(grant.decision.as_str(), tone),
        grant.account.as_ref().map_or("*", |name| name.as_str()).into(),
        grant.scopes.join(" ").into(),
        tier(&grant.tier),
        grant.expires_at.map(moment).unwrap_or_default().into(),
        grant.last_used.map(moment).unwrap_or_default().into(),
        moment(grant.created_at).into(),
        Cell::new(&grant.created_by, Tone::Dim),
        grant.caller.to_string().into(),
    ]
}

pub(super) fn set(
    args: Rule,
    decision: Decision,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Answer {
        grant: RuleId,
    }
    let format = args.format();
    let scopes: Scopes = args.scopes.iter().cloned().collect();
    let request = SetGrant {
        account: args.account,
        caller: args.program,
        scopes: (!scopes.is_empty()).then_some(scopes.clone()),
        decision,
        expires_at: match &args.lasting {
            Some(span) => Some(end_of(span, now(client)?)?),
            None => None,
        },
    };
    let answer = match (client.call_raw("SetGrant", &request, PROMPT), &request.account) {
        (Ok(answer), _) => answer,
        (Err(failure), Some(account)) => {
            return Err(failure.sharpen(account, &Scopes::default(), client));
        }
        (Err(failure), None) => return Err(failure),
    };
    let Some(Answer { grant }) = unless_json(Ok(answer), format, console)? else {
        return Ok(());
    };
    let gets = match decision {
        Decision::Allow => "may have tokens",
        Decision::Ask => "has to be granted tokens by you",
        Decision::Deny => "gets no tokens",
    };
    let account =
        request.account.map_or("all accounts".to_owned(), |account| format!("account {account}"));
    let narrowed = if scopes.is_empty() {
        String::new()
    } else {
        format!(" that are good for {}", scopes.join(" "))
    };
    let until = request.expires_at.map(|end| format!(" until {}", moment(end)));
    let until = until.unwrap_or_default();
    show(console, &format!("{grant}: {} {gets} of {account}{narrowed}{until}\n", request.caller))
}

/// What the daemon's clock shows: that is the one by which rules end.
fn now(client: &mut Client) -> Result<i64, Failure> {
    client.daemon(PROMPT).map(|daemon| daemon.now)
}

/// The end of a span that begins now, as `8h`, `30 days` or `P1W`.
fn end_of(span: &str, now: i64) -> Result<i64, Failure> {
    let wrong = |error: jiff::Error| {
        Failure::Usage(format!("--for takes a span such as 8h or 30days: {error}"))
    };
    let span: jiff::Span = span.parse().map_err(wrong)?;
    let now = Timestamp::from_second(now).map_err(wrong)?;
    let end = now.to_zoned_datetime(TimeZone::system()).checked_add(span).map_err(wrong)?;
    if end.timestamp() <= now {
        return Err(Failure::Usage("--for takes a span to come, such as 8h".to_owned()));
    }
    Ok(end.timestamp().as_second())
}

pub(super) fn forget(
    args: &Rules,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    for rule in &args.rules {
        let request = RemoveGrant { grant: *rule };
        let answer = client.call_raw("RemoveGrant", &request, PROMPT);
        let forgotten = unless_json::<Nothing>(answer, args.format(), console)?;
        if args.format() == Format::Text && forgotten.is_some() {
            show(console, &format!("{rule}: forgotten\n"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_lasts_from_now_on() {
        let now = 1_800_000_000;
        for (span, seconds) in [("8h", 28_800), ("90 minutes", 5_400), ("PT1H", 3_600)] {
            assert_eq!(end_of(span, now).unwrap(), now + seconds, "{span}");
        }
        assert!(end_of("2 weeks", now).unwrap() > now + 13 * 86_400);
        for wrong in ["", "8", "soon", "-8h", "0h"] {
            assert!(matches!(end_of(wrong, now), Err(Failure::Usage(_))), "{wrong}");
        }
    }
}
