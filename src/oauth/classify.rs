//! What a failed answer means for the grant.
//!
//! The order decides, from what is hard to fake to what is easy: the status, the kind of body, the
//! error that the provider's definition or the standard knows, the presence of a token. Only a
//! known OAuth error code may hold an account or end a grant. Everything else passes: firewalls,
//! gateways and captive portals answer with statuses of every kind.

use super::fields::Said;
use crate::model::{FailureClass, RawAnswer};
use crate::provider::{AnswerError, ClientAuth, Provider};

use FailureClass::{Captive, ClientBroken, DeadGrant, RequestBroken, Transient};

/// Error codes of token endpoints: those of RFC 6749 (5.2), RFC 8707 and OpenID Connect Core
/// (3.1.2.6), and those that big providers use in their place.
const CODES: [(&str, FailureClass); 36] = [
    ("invalid_grant", DeadGrant),
    // GitHub Apps
    ("bad_refresh_token", DeadGrant),
    ("bad_verification_code", DeadGrant),
    // Slack
    ("invalid_refresh_token", DeadGrant),
    ("token_expired", DeadGrant),
    ("token_revoked", DeadGrant),
    ("account_inactive", DeadGrant),
    ("invalid_code", DeadGrant),
    ("code_already_used", DeadGrant),
    // RFC 8628, and older servers for refresh tokens
    ("expired_token", DeadGrant),
    // the user has to be asked again; Entra says so at its token endpoint
    ("interaction_required", DeadGrant),
    ("login_required", DeadGrant),
    ("consent_required", DeadGrant),
    ("invalid_client", ClientBroken),
    ("unauthorized_client", ClientBroken),
    ("incorrect_client_credentials", ClientBroken),
    ("invalid_client_id", ClientBroken),
    ("bad_client_secret", ClientBroken),
    ("invalid_client_secret", ClientBroken),
    ("invalid_request", RequestBroken),
    ("unsupported_grant_type", RequestBroken),
    ("invalid_grant_type", RequestBroken),
    ("invalid_scope", RequestBroken),
    ("invalid_target", RequestBroken),
    ("invalid_authorization_details", RequestBroken),
    ("redirect_uri_mismatch", RequestBroken),
    ("bad_redirect_uri", RequestBroken),
    ("temporarily_unavailable", Transient),
    ("server_error", Transient),
    ("slow_down", Transient),
    ("ratelimited", Transient),
    ("rate_limited", Transient),
    ("rate_limit_exceeded", Transient),
    ("too_many_requests", Transient),
    ("internal_error", Transient),
    ("service_unavailable", Transient),
];

/// The class of an error code, if it is known: first by the provider's definition, then by the
/// table. Case does not count.
pub(super) fn code_class(provider: &Provider, code: &str) -> Option<FailureClass> {
    if let Some(meaning) = provider.answer.errors.get(code) {
        return Some(match meaning {
            AnswerError::InvalidGrant => DeadGrant,
            AnswerError::InvalidClient => ClientBroken,
            AnswerError::InvalidRequest => RequestBroken,
            AnswerError::Transient => Transient,
        });
    }
    CODES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, class)| *class)
}

/// What the status alone decides, whatever the body says.
///
/// A 5xx passes even with `invalid_grant` in it: servers in trouble say that of sound grants, and a
/// provider that means it says it with 400. Believing it would cost a sign-in; not believing it
/// costs some more tries, with the code shown all the while.
pub(super) fn status_class(status: u16) -> Option<FailureClass> {
    match status {
        // nothing that a token endpoint may answer; 511 is RFC 6585, 407 a proxy of ours
        300..=399 | 407 | 511 => Some(Captive),
        408 | 425 | 429 | 500..=u16::MAX => Some(Transient),
        _ => None,
    }
}

/// The class of an answer that brought no tokens and whose status does not decide.
pub(super) fn answer_class(
    provider: &Provider,
    answer: &RawAnswer,
    said: Option<&Said>,
) -> FailureClass {
    let code = said.and_then(|said| said.code.as_deref());
    if let Some(class) = code.and_then(|code| code_class(provider, code)) {
        return class;
    }
    if answer.status == 401 && rejects_basic(provider, answer) {
        return ClientBroken;
    }
    Transient
}

/// Whether a 401 is the answer to credentials in the header (RFC 6749, 5.2): the challenge has to
/// name the scheme that was used.
fn rejects_basic(provider: &Provider, answer: &RawAnswer) -> bool {
    let sent = matches!(
        provider.client_auth,
        None | Some(ClientAuth::Basic | ClientAuth::BasicAlways | ClientAuth::BasicRaw)
    );
    let challenge = answer.www_authenticate.as_deref().unwrap_or("").trim_start();
    let scheme = challenge.split([' ', ',']).next().unwrap_or("");
    sent && scheme.eq_ignore_ascii_case("basic")
}
