//! From what the lifecycle knows to what callers are shown.

use std::sync::Arc;

use super::task::Engine;
use crate::api::{Account, DaemonInfo, Gap, ProviderInfo, Response, State, Status, Token};
use crate::lifecycle::{Doing, HandOut, View};
use crate::model::{AccountName, AccountSeed, Caller, Decision, Mode, Now, Scopes, Values};
use crate::provider::{Entry, Provider, Redirect, Variable};

/// A token as handed out.
pub(super) fn token(account: AccountName, hand_out: &HandOut, now: Now) -> Token {
    let issued = &hand_out.issued;
    Token {
        account,
        access_token: Arc::clone(&issued.access),
        token_type: issued.token_type.as_str().to_owned(),
        expires_at: hand_out.expires.map(|at| now.wall_at(at).seconds()),
        scopes: issued.scopes.clone(),
        stale: hand_out.stale,
        certificate_bound: issued.values.is_certificate_bound(),
        values: issued.values.clone(),
    }
}

/// An account.
pub(super) fn account(view: &View<'_>, now: Now) -> Account {
    let seconds = |at: crate::model::Boot| now.wall_at(at).seconds();
    Account {
        id: view.seed.id.clone(),
        name: view.seed.name.clone(),
        provider: view.seed.client.provider.clone(),
        client_id: view.seed.client.client.clone(),
        state: match view.doing {
            Doing::Ready => State::Ready,
            Doing::Refreshing => State::Refreshing,
            Doing::BackingOff => State::BackingOff,
            Doing::LoginRequired => State::LoginRequired,
            Doing::Held => State::Held,
            Doing::Disabled => State::Disabled,
        },
        detail: view.detail.clone(),
        scopes: view.scopes.clone(),
        expires_at: view.expires.map(seconds),
        last_refresh: view.sent.map(seconds),
        next_refresh: view.next.map(seconds),
        last_failure: view.last_failure,
        failures: view.failures,
        mode: view.mode,
        login_ends_at: view.ends.map(seconds),
        login_ends_soon: view.warns.is_some_and(|from| from <= now.boot),
        certificate_ends_at: view.seed.values.certificate_ends(),
        certificate_bound: view.seed.values.is_certificate_bound(),
        resource: view.seed.target.resources.iter().cloned().collect(),
        audience: view.seed.target.audience.clone(),
        values: view.seed.values.clone(),
        wanted: Some(view.wanted.clone()).filter(|wanted| !wanted.is_empty()),
    }
}

/// How the redirect of a provider comes back by default.
pub(super) fn redirect(provider: &Provider) -> &'static str {
    match provider.redirect {
        Redirect::HttpsOnly => "paste",
        Redirect::CustomScheme { .. } => "scheme",
        Redirect::LoopbackIp | Redirect::Localhost | Redirect::FixedPort { .. } => "loopback",
    }
}

impl Engine {
    pub(super) fn accounts(&self) -> Vec<Account> {
        let now = self.clock.now();
        self.lifecycle.views().iter().map(|view| account(view, now)).collect()
    }

    /// The accounts that a caller may know of: one in a sandbox knows those whose tokens it was granted.
    pub(super) fn accounts_for(&self, caller: &Caller) -> Vec<Account> {
        let mut accounts = self.accounts();
        if caller.is_confined() {
            let now = self.clock.now();
            let granted = |name: &AccountName| {
                self.lifecycle.decision(name, caller, now) == Some(Decision::Allow)
            };
            accounts.retain(|account| granted(&account.name));
        }
        accounts
    }

    pub(super) fn daemon(&self) -> DaemonInfo {
        DaemonInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: self.started,
            now: self.clock.now().wall.seconds(),
            database: self.info.places.database.display().to_string(),
            protection: self.protection.clone(),
            bus: self.info.bus.load(std::sync::atomic::Ordering::Relaxed),
            online: self.lifecycle.is_online(),
        }
    }

    pub(super) fn status(&self) -> Response {
        let mut accounts = self.accounts();
        // a sign-in that will make an account is shown as one
        for (_, seed) in self.lifecycle.open_sign_ins() {
            if self.lifecycle.view(&seed.name).is_none() {
                accounts.push(signing_in(seed));
            }
        }
        accounts.sort_by(|a, b| a.name.cmp(&b.name));
        Response::Status(Status { daemon: self.daemon(), accounts, unrevoked: self.unrevoked() })
    }

    pub(super) fn providers(&self) -> Response {
        let providers = self.catalog.iter().map(|Entry { provider, file }| ProviderInfo {
            source: file.map_or_else(|| "preset".to_owned(), |path| path.display().to_string()),
            redirect: redirect(&provider).to_owned(),
            device: provider.device_url.is_some(),
            variables: provider.variables.iter().map(gap).collect(),
            verified: provider.verified,
            register_url: provider.register_url.map(Into::into),
            scopes: provider.scopes.defaults,
            id: provider.id,
            title: provider.title,
        });
        Response::Providers { providers: providers.collect() }
    }

    /// One line for `systemctl status`.
    pub(super) fn status_line(&self) -> String {
        let views = self.lifecycle.count();
        let accounts = match views.accounts {
            0 => "no accounts yet".to_owned(),
            1 => "1 account".to_owned(),
            many => format!("{many} accounts"),
        };
        let mut line = accounts;
        let parts = [
            (views.login_required, "login-required"),
            (views.held, "held"),
            (views.backing_off, "backing-off"),
        ];
        for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
            line = format!("{line}, {count} {what}");
        }
        line
    }
}

fn gap(variable: &Variable) -> Gap {
    let Variable { name, title, kind: _, default, choices } = variable.clone();
    Gap { name, title, default, choices }
}

fn signing_in(seed: &AccountSeed) -> Account {
    Account {
        id: seed.id.clone(),
        name: seed.name.clone(),
        provider: seed.client.provider.clone(),
        client_id: seed.client.client.clone(),
        state: State::SigningIn,
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
