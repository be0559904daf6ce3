//! Who has signed in, and what else has to be known of new tokens: looked at before anything of a login
//! is kept.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::certificate;
use super::dpop::is_bound;
use super::flying::Flying;
use crate::model::{
    AccessToken, AccountName, ClientId, ClientSecret, Failure, FailureClass, Granted, IDENTITY,
    Landing, Now, SUBJECT, Values,
};
use crate::oauth::{
    Claim, Client, Http, IdTokenError, Introspected, Keys, Person, Prover, fetch_keys, identity,
    introspect, userinfo,
};
use crate::provider::Provider;

/// How long a provider may take to tell more about its tokens. A refresh waits for it, and callers for
/// the refresh.
const LEARN_MAX: Duration = Duration::from_secs(8);

/// What was learnt about tokens.
#[derive(Default)]
pub(super) struct Learned {
    keys: Option<Keys>,
    introspected: Option<Introspected>,
    person: Option<Person>,
}

/// What the provider is asked about new tokens.
pub(super) struct Questions {
    provider: Arc<Provider>,
    client: ClientId,
    secret: Option<ClientSecret>,
    /// Where the keys of ID tokens are. They are fetched for each login anew: logins are rare, and keys change.
    keys_at: Option<Url>,
    /// Whether the user has a name that people know.
    has_name: bool,
    /// Whether nobody said how long the access token lives.
    undated: bool,
    /// The key that the access token is bound to.
    prover: Option<Arc<Prover>>,
}

impl Questions {
    /// What is to be asked, if anything is. The client's secret is of no use to a flight after that.
    pub(super) fn about(flying: &mut Flying, granted: &Granted) -> Option<Self> {
        let provider = Arc::clone(&flying.provider);
        let named = granted.id_token.is_some() && flying.is_sign_in;
        let keys_at = provider.jwks_url.clone().filter(|_| named);
        let has_name = provider.userinfo_url.is_some() && named;
        let secret = flying.secret.take();
        let undated = granted.lifetime.is_none()
            && provider.default_lifetime.is_none()
            && provider.introspection_url.is_some()
            && secret.is_some();
        let prover = flying.key.clone().filter(|_| is_bound(granted.token_type.as_str()));
        let client = flying.account.client.client.clone();
        let asks = keys_at.is_some() || has_name || undated;
        asks.then_some(Self { provider, client, secret, keys_at, has_name, undated, prover })
    }

    /// Asks. What is not known in time is done without.
    pub(super) async fn ask(self, http: &Http, access: &AccessToken, now: Now) -> Learned {
        let Self { provider, client, secret, keys_at, has_name, undated, prover } = self;
        let client = Client { id: &client, secret: secret.as_ref() };
        let mut learned = Learned::default();
        let learning = async {
            if let Some(url) = &keys_at {
                learned.keys = fetch_keys(http, url).await;
            }
            if undated {
                learned.introspected = introspect(http, &provider, client, access, now).await;
            }
            if has_name {
                let prover = prover.as_ref();
                learned.person = userinfo(http, &provider, client, access, prover, now).await;
            }
        };
        let _ = tokio::time::timeout(LEARN_MAX, learning).await;
        learned
    }
}

/// What new tokens are worth, now that it is known whose they are. `nonce` is what an ID token must repeat, `subject`
/// who the account's user is so far.
pub(super) fn judge(
    flying: &Flying,
    mut granted: Granted,
    learned: Learned,
    (nonce, subject): (Option<&str>, Option<&str>),
    now: Now,
) -> Landing {
    if let Some(said) = learned.introspected {
        granted.lifetime = granted.lifetime.or(said.lifetime);
        certificate::note_introspected(&mut granted, said);
    }
    let Some(token) = granted.id_token.take() else { return Landing::Granted(granted) };
    let name = &flying.account.name;
    let is_refresh = !flying.is_sign_in;
    let client = &flying.account.client.client;
    let claim = Claim { client, nonce, access: &granted.access, subject, is_refresh };
    let keys = learned.keys.as_ref();
    match identity(&flying.provider, token.expose(), keys, claim, now) {
        Ok(values) => {
            let values = with_name(&values, learned.person);
            granted.values = granted.values.with(&values);
            Landing::Granted(granted)
        }
        // what a refresh says of its user is not worth a login, unless it is somebody else
        Err(error) if is_refresh && !matters(&error) => {
            tracing::warn!(account = %name, %error, "an ID token is passed over");
            Landing::Granted(granted)
        }
        Err(error) => refused(name, &error, granted, is_refresh),
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
