//! How long tokens live, in all the ways in which providers say it.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use super::fields::Fields;
use crate::model::Now;
use crate::provider::{Expires, Provider};

/// The longest life that is believed: what is said to live longer, or for ever, lives that long.
pub(super) const LIFETIME_MAX: Duration = Duration::from_hours(87600);

/// The life of a token that is said to be over on arrival. It was issued a moment ago, so a clock
/// is wrong; trying it is better than asking again and again.
const LIFETIME_MIN: Duration = Duration::from_secs(30);

/// The longest wait that a provider may ask for.
const RETRY_MAX: Duration = Duration::from_hours(1);

/// The life of an access token from now; `None` if the answer does not say. `date` is the
/// provider's own clock (the `Date` of its answer): an absolute expiry is measured by it, so that a
/// wrong clock on either side does no harm.
pub(super) fn access(
    provider: &Provider,
    fields: &Fields,
    date: Option<&str>,
    now: Now,
) -> Option<Duration> {
    let number = |name| fields.value(provider, name).and_then(number);
    let until = |name| {
        let instant = instant(fields.value(provider, name)?)?;
        let here = date.and_then(http_date).unwrap_or(seconds(now));
        Some(span(instant - here).unwrap_or(LIFETIME_MIN))
    };
    let said = match provider.answer.expires {
        Expires::ZeroMeansNever if number("expires_in") == Some(0.0) => Some(LIFETIME_MAX),
        Expires::Ms => number("expires_in").and_then(|value| span(value / 1000.0)),
        Expires::At => until("expires_at"),
        Expires::In | Expires::ZeroMeansNever | Expires::None => None,
    };
    said.or_else(|| match provider.answer.expires {
        Expires::Ms => None,
        _ => number("expires_in").and_then(span),
    })
    .or_else(|| until("expires_at"))
    .or_else(|| number("expires").filter(|value| *value < EPOCH_MIN).and_then(span))
    .or_else(|| {
        // what the definition says is better than what an unverified token says of itself
        let silent =
            provider.default_lifetime.is_none() && provider.answer.expires != Expires::None;
        fields.text(provider, "access_token").filter(|_| silent).and_then(jwt_lifetime)
    })
}

/// The life of a refresh token from now, where the answer says it; 0 is for those that do not end.
pub(super) fn refresh(provider: &Provider, fields: &Fields) -> Option<Duration> {
    ["refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in"]
        .into_iter()
        .find_map(|name| span(number(fields.value(provider, name)?)?))
}

/// How long `Retry-After` asks to wait (RFC 9110, 10.2.3): seconds or a date, at most an hour.
pub(super) fn retry_after(text: &str, now: Now) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) if !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit()) => RETRY_MAX,
        Err(_) => span(http_date(text)? - seconds(now)).unwrap_or_default(),
    };
    Some(wait.min(RETRY_MAX))
}

/// Before this (2001) a number is a span and no instant.
const EPOCH_MIN: f64 = 1e9;

/// From here on an instant is in milliseconds: as seconds it would be in the year 5138.
const EPOCH_MILLIS: f64 = 1e11;

/// The beginning of the year 9999.
const LAST_YEAR: f64 = 253_370_764_800.0;

/// Seconds as a life, if they are a life at all.
fn span(seconds: f64) -> Option<Duration> {
    if seconds.is_nan() || seconds <= 0.0 {
        return None;
    }
    let capped = seconds.min(LIFETIME_MAX.as_secs_f64());
    Duration::try_from_secs_f64(capped).ok().filter(|span| !span.is_zero())
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|number: &f64| number.is_finite())
}

/// An instant in seconds since the epoch: a number of seconds or milliseconds, or ISO 8601, in UTC
/// where it has no offset.
fn instant(value: &Value) -> Option<f64> {
    if let Some(number) = number(value) {
        let seconds = if number >= EPOCH_MILLIS { number / 1000.0 } else { number };
        return (seconds >= EPOCH_MIN).then_some(seconds);
    }
    let text = value.as_str()?.trim();
    if text.starts_with("9999-") {
        // "never" as .NET writes it, a day later than the last day that a timestamp can be of
        return Some(LAST_YEAR);
    }
    let stamp = text.parse::<Timestamp>().ok().or_else(|| {
        let civil = text.parse::<DateTime>().ok()?;
        TimeZone::UTC.to_ambiguous_timestamp(civil).unambiguous().ok()
    })?;
    Some(stamp.as_duration().as_secs_f64())
}

fn http_date(text: &str) -> Option<f64> {
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    Some(date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "exact until the year 285,000")]
fn seconds(now: Now) -> f64 {
    now.wall.0 as f64 / 1000.0
}

/// `exp - iat` of a JWT: a hint for the schedule and for nothing else, for it is not verified.
fn jwt_lifetime(token: &str) -> Option<Duration> {
    let claims: Value = jwt_claims(token)?;
    span(claims.get("exp")?.as_f64()? - claims.get("iat")?.as_f64()?)
}

/// What a JWT says of itself, unverified.
pub(super) fn jwt_claims<T: DeserializeOwned>(token: &str) -> Option<T> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?);
    serde_json::from_slice(&bytes).ok()
}
