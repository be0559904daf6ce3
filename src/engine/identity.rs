//! Who has signed in: looked at before anything of a login is kept.

use super::task::{Done, Engine};
use crate::model::{AccountName, Failure, FailureClass, FlightId, Granted, Landing, SUBJECT};
use crate::oauth::{Claim, IdTokenError, Keys, fetch_keys, identity};

/// Tokens that wait for the keys of their provider.
pub(super) struct Unvouched {
    flight: FlightId,
    granted: Granted,
    keys: Option<Keys>,
}

impl Engine {
    /// Takes a landing on, once it is known whose tokens it brings. The keys are fetched for each login
    /// anew: logins are rare, and keys change.
    pub(super) fn vouch(&mut self, flight: FlightId, landing: Landing) {
        let Some(flying) = self.flying.get(&flight) else { return };
        let granted = match landing {
            Landing::Granted(granted) if granted.id_token.is_some() => granted,
            landing => return self.settle(flight, landing),
        };
        match flying.provider.jwks_url.clone().filter(|_| flying.is_sign_in) {
            Some(url) => {
                let http = self.http.clone();
                self.tasks.spawn(async move {
                    let keys = fetch_keys(&http, &url).await;
                    Done::Keys(Box::new(Unvouched { flight, granted, keys }))
                });
            }
            None => self.keys_fetched(Unvouched { flight, granted, keys: None }),
        }
    }

    pub(super) fn keys_fetched(&mut self, unvouched: Unvouched) {
        let Unvouched { flight, mut granted, keys } = unvouched;
        let Some(flying) = self.flying.get(&flight) else { return };
        let Some(token) = granted.id_token.take() else { return };
        let name = flying.account.name.clone();
        let sign_in = flying.request.as_ref().and_then(|request| self.sign_ins.get(request));
        let view = self.lifecycle.view(&name);
        let claim = Claim {
            client: &flying.account.client.client,
            nonce: sign_in.and_then(|sign_in| sign_in.nonce()),
            access: &granted.access,
            subject: view.as_ref().and_then(|view| view.seed.values.get(SUBJECT)),
            is_refresh: !flying.is_sign_in,
        };
        let now = self.clock.now();
        let found = identity(&flying.provider, token.expose(), keys.as_ref(), claim, now);
        let is_refresh = !flying.is_sign_in;
        let landing = match found {
            Ok(values) => {
                granted.values = granted.values.with(&values);
                Landing::Granted(granted)
            }
            // what a refresh says of its user is not worth a login, unless it is somebody else
            Err(error) if is_refresh && !matters(&error) => {
                tracing::warn!(account = %name, %error, "an ID token is passed over");
                Landing::Granted(granted)
            }
            Err(error) => refused(&name, &error, granted, is_refresh),
        };
        self.settle(flight, landing);
    }
}

/// Whether tokens are somebody else's, or of somebody else's making (OpenID Connect Core, 12.2).
fn matters(error: &IdTokenError) -> bool {
    matches!(error, IdTokenError::Another { .. } | IdTokenError::Claim("iss" | "aud" | "azp"))
}

/// Tokens that are not handed out. Of a refresh the new refresh token is kept: the old one may be gone.
fn refused(
    name: &AccountName,
    error: &IdTokenError,
    granted: Granted,
    is_refresh: bool,
) -> Landing {
    tracing::error!(account = %name, %error, "the tokens are not taken");
    let mut words = error.to_string();
    if matches!(error, IdTokenError::Another { .. }) && !is_refresh {
        words.push_str("; sign in under another name, or log the account out first");
    }
    let failure = Failure::new(FailureClass::RequestBroken, words);
    Landing::Failed { failure, rescued: granted.refresh.filter(|_| is_refresh) }
}
