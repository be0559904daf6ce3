//! A provider's recorded answers, read as they would be if they came now: whether a definition
//! understands its provider.

use zeroize::Zeroizing;

use super::answer::{Sent, read_answer};
use super::request::SentSecrets;
use crate::model::{Boot, Failure, Granted, Landing, Now, RawAnswer, Scopes, Wall};
use crate::provider::{Example, ExampleOf, Expectation, Provider};

/// When the answers come; what they say of instants is not compared.
const NOW: Now = Now { wall: Wall(1_795_000_000_000), boot: Boot(0) };

/// The answer of an example as it came.
#[must_use]
pub fn recorded(example: &Example) -> RawAnswer {
    RawAnswer {
        status: example.status,
        content_type: Some(example.content_type.clone()),
        retry_after: None,
        date: None,
        www_authenticate: None,
        body: Zeroizing::new(example.body.clone().into_bytes()),
    }
}

/// Reads an example by a definition. What differs from what it is to mean, in words.
pub fn replay(provider: &Provider, example: &Example) -> Result<(), String> {
    let secrets = SentSecrets::new([]);
    let sent = Sent { refresh: None, others: Some(&secrets) };
    expect(provider, example, &read_answer(provider, &recorded(example), sent, NOW))
}

/// Holds what was understood against what an example is to mean.
pub fn expect(provider: &Provider, example: &Example, landing: &Landing) -> Result<(), String> {
    let Expectation { outcome, .. } = &example.expect;
    match landing {
        Landing::Granted(granted) if outcome == "granted" => {
            expect_grant(provider, example, granted)
        }
        Landing::Granted(_) => Err(format!("expected {outcome}, and tokens were found")),
        Landing::Failed { failure, .. } => expect_failure(&example.expect, failure),
    }
}

fn expect_grant(provider: &Provider, example: &Example, granted: &Granted) -> Result<(), String> {
    let Expectation { lifetime, renewed, scopes, values, .. } = &example.expect;
    let found = granted.lifetime.map(|lifetime| lifetime.as_secs());
    if lifetime.is_some() && *lifetime != found {
        return Err(format!("expected a life of {lifetime:?} s, and found {found:?}"));
    }
    let is_renewed = granted.refresh.is_some();
    if renewed.is_some_and(|renewed| renewed != is_renewed) {
        return Err(format!("expected a refresh token: {renewed:?}, and found one: {is_renewed}"));
    }
    if let Some(scopes) = scopes {
        let wanted = Scopes::parse_lenient(&scopes.join(" "));
        if granted.scopes.as_ref() != Some(&wanted) {
            let found = granted.scopes.as_ref().map(|scopes| scopes.join(" "));
            return Err(format!("expected the scopes {}, and found {found:?}", wanted.join(" ")));
        }
    }
    for (name, value) in values {
        // a callback says what an answer does not
        let in_callback = provider.capture.callback.contains(name)
            && !provider.capture.answer.contains(name)
            && example.of == ExampleOf::Exchange;
        let found = granted.values.get(name);
        if found != Some(value) && !in_callback {
            return Err(format!("expected {name} to be {value}, and found {found:?}"));
        }
    }
    Ok(())
}

fn expect_failure(expect: &Expectation, failure: &Failure) -> Result<(), String> {
    let Expectation { outcome, code, .. } = expect;
    let found = failure.class.as_str();
    if found != outcome {
        return Err(format!("expected {outcome}, and found {found} ({failure})"));
    }
    if code.is_some() && *code != failure.code {
        return Err(format!("expected the code {code:?}, and found {:?}", failure.code));
    }
    Ok(())
}
