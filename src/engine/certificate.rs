//! What an account's programs and its user have to know of the certificate that its client shows.

use super::flying::Flying;
use crate::model::{CERTIFICATE_BOUND, CERTIFICATE_ENDS, ClientSecret, Granted, Values};
use crate::oauth::{Introspected, certificate_end, is_bound};

/// Notes with new tokens what is known at once: whether they say that they are bound to a certificate, or
/// the provider says it of all those of clients that show one (RFC 8705, 3); and when the certificate
/// ends.
pub(super) fn note(flying: &Flying, granted: &mut Granted) {
    let ends = flying.secret.as_ref().map(ClientSecret::expose).and_then(certificate_end);
    let by_rule = ends.is_some() && flying.provider.mtls.bound_tokens;
    let before = flying.account.values.is_certificate_bound();
    let mut news = Vec::new();
    if by_rule || is_bound(&granted.access) {
        news.push((CERTIFICATE_BOUND, "true".to_owned()));
    } else if before {
        news.push((CERTIFICATE_BOUND, "false".to_owned()));
    }
    news.extend(ends.map(|ends| (CERTIFICATE_ENDS, ends.to_string())));
    granted.values = granted.values.with(&news.into_iter().collect());
}

/// The same with what the provider said when it was asked.
pub(super) fn note_introspected(granted: &mut Granted, said: Introspected) {
    if said.is_bound {
        let news: Values = [(CERTIFICATE_BOUND, "true")].into_iter().collect();
        granted.values = granted.values.with(&news);
    }
}
