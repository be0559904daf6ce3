//! Who has signed in, and what else has to be known of new tokens: looked at before anything of a login
//! is kept.

use std::sync::Arc;
use std::time::Duration;

use super::certificate;
use super::dpop::is_bound;
use super::task::{Done, Engine};
use crate::model::{
    AccountName, Failure, FailureClass, FlightId, Granted, IDENTITY, Landing, SUBJECT, Values,
};
use crate::oauth::{
    Claim, Client, IdTokenError, Introspected, Keys, Person, fetch_keys, identity, introspect,
    userinfo,
};

/// How long a provider may take to tell more about its tokens. A refresh waits for it, and callers for
/// the refresh.
const LEARN_MAX: Duration = Duration::from_secs(8);

/// New tokens, with what was learnt about them.
pub(super) struct Known {
    flight: FlightId,
    granted: Granted,
    about: About,
}

/// What was learnt about tokens.
#[derive(Default)]
struct About {
    keys: Option<Keys>,
    introspected: Option<Introspected>,
    person: Option<Person>,
}

impl Engine {
    /// Takes a landing on, once it is known what it brings and whose. The keys are fetched for each
    /// login anew: logins are rare, and keys change.
    pub(super) fn vouch(&mut self, flight: FlightId, landing: Landing) {
        let Landing::Granted(granted) = landing else { return self.settle(flight, landing) };
        let Some(flying) = self.flying.get_mut(&flight) else { return };
        let provider = Arc::clone(&flying.provider);
        let named = granted.id_token.is_some() && flying.is_sign_in;
        let keys_at = provider.jwks_url.clone().filter(|_| named);
        let has_name = provider.userinfo_url.is_some() && named;
        let secret = flying.secret.take();
        let undated = granted.lifetime.is_none()
            && provider.default_lifetime.is_none()
            && provider.introspection_url.is_some()
            && secret.is_some();
        if keys_at.is_none() && !has_name && !undated {
            return self.known(Known { flight, granted, about: About::default() });
        }
        let client = flying.account.client.client.clone();
        let (http, now) = (self.http.clone(), self.clock.now());
        let prover = flying.key.clone().filter(|_| is_bound(granted.token_type.as_str()));
        self.tasks.spawn(async move {
            let mut about = About::default();
            let learning = async {
                if let Some(url) = &keys_at {
                    about.keys = fetch_keys(&http, url).await;
                }
                let (client, access) =
                    (Client { id: &client, secret: secret.as_ref() }, &granted.access);
                if undated {
                    about.introspected = introspect(&http, &provider, client, access, now).await;
                }
                if has_name {
                    let prover = prover.as_ref();
                    about.person = userinfo(&http, &provider, client, access, prover, now).await;
                }
            };
            // what is not known by then is done without
            let _ = tokio::time::timeout(LEARN_MAX, learning).await;
            Done::Known(Box::new(Known { flight, granted, about }))
        });
    }

    pub(super) fn known(&mut self, known: Known) {
        let Known { flight, mut granted, about } = known;
        let Some(flying) = self.flying.get(&flight) else { return };
        if let Some(said) = about.introspected {
            granted.lifetime = granted.lifetime.or(said.lifetime);
            certificate::note_introspected(&mut granted, said);
        }
        let Some(token) = granted.id_token.take() else {
            return self.settle(flight, Landing::Granted(granted));
        };
        let name = flying.account.name.clone();
        let is_refresh = !flying.is_sign_in;
        let sign_in = flying.request.as_ref().and_then(|request| self.sign_ins.get(request));
        let view = self.lifecycle.view(&name);
        let claim = Claim {
            client: &flying.account.client.client,
            nonce: sign_in.and_then(|sign_in| sign_in.nonce()),
            access: &granted.access,
            subject: view.as_ref().and_then(|view| view.seed.values.get(SUBJECT)),
            is_refresh,
        };
        let now = self.clock.now();
        let found = identity(&flying.provider, token.expose(), about.keys.as_ref(), claim, now);
        let landing = match found {
            Ok(values) => {
                let values = with_name(&values, about.person);
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

/// The values of an ID token, with a name for people where it has none. It is the same person's only if
/// the subject is the same (OpenID Connect Core, 5.3.2).
fn with_name(values: &Values, person: Option<Person>) -> Values {
    let subject = values.get(SUBJECT);
    match person {
        Some(person) if values.get(IDENTITY) == subject && subject == Some(&person.subject) => {
            values.with(&[(IDENTITY, person.shown)].into_iter().collect())
        }
        _ => values.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_from_the_same_person_alone_and_only_where_there_is_none() {
        let values = |identity: &str| -> Values {
            [(IDENTITY, identity), (SUBJECT, "1")].into_iter().collect()
        };
        let person = |subject: &str| {
            Some(Person { subject: subject.to_owned(), shown: "me@x.example".to_owned() })
        };
        let shown = |identity: &str, person| {
            with_name(&values(identity), person).get(IDENTITY).map(str::to_owned)
        };
        assert_eq!(shown("1", person("1")).as_deref(), Some("me@x.example"));
        assert_eq!(shown("1", person("2")).as_deref(), Some("1"));
        assert_eq!(shown("you@x.example", person("1")).as_deref(), Some("you@x.example"));
        assert_eq!(shown("1", None).as_deref(), Some("1"));
    }
}
