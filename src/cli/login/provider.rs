//! Whom to sign in to: what a provider's name leaves open is asked for.

use crate::api::{Gap, ProviderInfo};
use crate::cli::client::{Client, Nothing, PROMPT};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::text::one_line;
use crate::model::ProviderId;

#[derive(serde::Deserialize)]
struct Providers {
    providers: Vec<ProviderInfo>,
}

/// The provider's whole name, and what is known of it. A person at a terminal is asked for what the
/// name has to say and does not; others are told so by the daemon.
pub(super) fn settle(
    id: ProviderId,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(ProviderId, Option<ProviderInfo>), Failure> {
    let (name, values) = id.parts();
    if name.contains("://") {
        return Ok((id, None));
    }
    let Providers { providers } = client.call("ListProviders", &Nothing {}, PROMPT)?;
    let Some(info) = providers.into_iter().find(|info| info.id.as_str() == name) else {
        return Ok((id, None));
    };
    let wanting = values.is_none() && info.variables.iter().any(|gap| gap.default.is_none());
    let person = console.input.as_ref().is_some_and(|input| input.interactive);
    if !wanting || !person {
        return Ok((id, Some(info)));
    }
    let mut whole = name.to_owned();
    for gap in &info.variables {
        whole.push(':');
        whole.push_str(&ask(gap, console)?);
    }
    let id = whole.parse().map_err(|error| Failure::Usage(format!("{error}")))?;
    Ok((id, Some(info)))
}

fn ask(gap: &Gap, console: &mut Console<'_>) -> Result<String, Failure> {
    let mut question = one_line(&gap.title);
    if !gap.choices.is_empty() {
        question = format!("{question} ({})", one_line(&gap.choices.join(", ")));
    }
    if let Some(usual) = &gap.default {
        question = format!("{question} [{}]", one_line(usual));
    }
    console.tell(&format!("{question}: "));
    let line = match &mut console.input {
        Some(input) => input.lines.next(),
        None => Ok(None),
    };
    let line = line.map_err(|error| Failure::Usage(format!("cannot read: {error}")))?;
    let given = line.as_ref().map_or("", |line| line.trim());
    match (given, &gap.default) {
        ("", Some(usual)) => Ok(usual.clone()),
        ("", None) => Err(Failure::Usage(format!("{} was not given", gap.name))),
        (given, _) => Ok(given.to_owned()),
    }
}
