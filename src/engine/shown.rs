//! From what the lifecycle knows to what callers are shown.

use std::sync::Arc;

use crate::api::{Account, Gap, Instants, Listed, ProviderInfo, State, Token};
use crate::lifecycle::{Doing, HandOut, View};
use crate::model::{AccountName, AccountSeed, Mode, Now, Scopes, Values};
use crate::provider::{Entry, Provider, Redirect, Variable};

/// A token as handed out.
pub(super) fn token(account: AccountName, hand_out: &HandOut, now: Now) -> Token {
    let issued = &hand_out.issued;
    Token {
        account,
        access_token: Arc::clone(&hand_out.access),
        token_type: issued.token_type.as_str().to_owned(),
        expires_at: hand_out.expires.map(|at| now.wall_at(at).seconds()),
        scopes: issued.scopes.clone(),
        stale: hand_out.stale,
        certificate_bound: issued.values.is_certificate_bound(),
        values: issued.values.clone(),
    }
}

/// What is shown of an account, whenever it is asked for.
pub(super) fn listed(view: &View<'_>) -> Listed {
    let state = match view.doing {
        Doing::Ready => State::Ready,
        Doing::Refreshing => State::Refreshing,
        Doing::BackingOff => State::BackingOff,
        Doing::LoginRequired => State::LoginRequired,
        Doing::Held => State::Held,
        Doing::Disabled => State::Disabled,
    };
    let account = Account {
        detail: view.detail.clone(),
        scopes: view.scopes.clone(),
        last_failure: view.last_failure,
        failures: view.failures,
        mode: view.mode,
        certificate_ends_at: view.seed.values.certificate_ends(),
        certificate_bound: view.seed.values.is_certificate_bound(),
        values: view.seed.values.clone(),
        wanted: Some(view.wanted.clone()).filter(|wanted| !wanted.is_empty()),
        ..bare(view.seed, state)
    };
    let View { expires, sent, next, ends, warns, .. } = *view;
    Listed::new(account, Instants { expires, sent, next, ends, warns }).renewable(view.renewable)
}

/// An account, as it is shown now.
pub(super) fn account(view: &View<'_>, now: Now) -> Account {
    listed(view).at(now)
}

/// A sign-in, as the account that it will make.
pub(super) fn signing_in(seed: &AccountSeed) -> Listed {
    Listed::new(bare(seed, State::SigningIn), Instants::default())
}

/// What is known of an account without a login.
fn bare(seed: &AccountSeed, state: State) -> Account {
    Account {
        id: seed.id.clone(),
        name: seed.name.clone(),
        provider: seed.client.provider.clone(),
        client_id: seed.client.client.clone(),
        state,
        detail: None,
        scopes: Scopes::default(),
        expires_at: None,
        last_refresh: None,
        next_refresh: None,
        last_failure: None,
        failures: 0,
        mode: Mode::default(),
        login_ends_at: None,
        login_ends_soon: false,
        certificate_ends_at: None,
        certificate_bound: false,
        wanted: None,
        resource: seed.target.resources.iter().cloned().collect(),
        audience: seed.target.audience.clone(),
        values: Values::default(),
    }
}

/// How the redirect of a provider comes back by default.
fn redirect(provider: &Provider) -> &'static str {
    match provider.redirect {
        Redirect::HttpsOnly => "paste",
        Redirect::CustomScheme { .. } => "scheme",
        Redirect::LoopbackIp | Redirect::Localhost | Redirect::FixedPort { .. } => "loopback",
    }
}

/// A provider that can be named.
pub(super) fn provider(Entry { provider, file }: Entry<'_>) -> ProviderInfo {
    ProviderInfo {
        source: file.map_or_else(|| "preset".to_owned(), |path| path.display().to_string()),
        redirect: redirect(&provider).to_owned(),
        device: provider.device_url.is_some(),
        variables: provider.variables.iter().map(gap).collect(),
        verified: provider.verified,
        register_url: provider.register_url.map(Into::into),
        scopes: provider.scopes.defaults,
        id: provider.id,
        title: provider.title,
    }
}

fn gap(variable: &Variable) -> Gap {
    let Variable { name, title, kind: _, default, choices } = variable.clone();
    Gap { name, title, default, choices }
}
