//! From what the user asked for to what a sign-in needs.

use super::handle::Asker;
use super::plan::{Plan, PortFreed, Source};
use super::registering::Registering;
use super::task::Engine;
use crate::api::{Fault, FaultKind, Flow, Imported, Login};
use crate::model::{AccountName, AccountSeed, ClientKey, GrantType, ProviderId, Target};
use crate::provider::Unresolved;

impl Engine {
    /// What a sign-in needs, but for the one who asks.
    pub(super) fn plan(
        &self,
        login: Login,
    ) -> Result<impl FnOnce(Asker) -> Plan + use<>, Box<Fault>> {
        let Login {
            provider,
            account,
            client_id,
            client_secret,
            redirect_uri,
            scopes,
            resource,
            audience,
            login_hint,
            flow,
            subject,
            dpop,
            refresh_token,
        } = login;
        let provider = self.clients.catalog().canonical(&provider);
        let name = match account {
            Some(name) => name,
            None => default_name(provider.as_str())?,
        };
        let target = Target::new(resource, audience).map_err(|error| {
            Box::new(Fault::new(FaultKind::InvalidOption, error.to_string()).of(name.clone()))
        })?;
        let known = self.lifecycle.view(&name).map(|view| view.seed.clone());
        let (flow, grant) = way_in(flow, subject, refresh_token.is_some(), known.as_ref())
            .map_err(|message| {
                Box::new(Fault::new(FaultKind::InvalidOption, message).of(name.clone()))
            })?;
        if let Some(known) = &known
            && known.client.provider != provider
        {
            let message = format!("that is an account at {}", known.client.provider);
            return Err(Box::new(Fault::new(FaultKind::AccountExists, message).of(name)));
        }
        // a login that works is worth more than one of which that is not known
        if flow == Flow::Import && known.is_some() {
            let message = "an account of that name is there";
            return Err(Box::new(Fault::new(FaultKind::AccountExists, message).of(name).hint(
                "take the login over under another name, with --as, or log the account out",
            )));
        }
        if self.lifecycle.is_redeeming(&name) {
            let message = "a sign-in of this account is just being completed";
            return Err(Box::new(Fault::new(FaultKind::RateLimited, message).of(name)));
        }
        let recorded = || {
            let known = known.as_ref().map(|known| known.client.client.clone());
            known.or_else(|| self.clients.only_client(&provider))
        };
        let client = client_id.or_else(|| {
            recorded().filter(|client| !self.clients.belongs_elsewhere(&provider, client))
        });
        let key = client.clone().map(|client| ClientKey { provider: provider.clone(), client });
        let recorded = key.as_ref().and_then(|key| self.clients.record(key));
        let definition = match &key {
            Some(key) => self.clients.provider_of(key),
            None => self.clients.catalog().find(&provider),
        };
        let source = match (definition, provider.as_str()) {
            (Some(provider), _) => Source::Known(provider),
            (None, issuer) if issuer.contains("://") => Source::Discover(issuer.to_owned()),
            (None, _) => return Err(Box::new(self.unresolved(&provider))),
        };
        let redirect_uri =
            redirect_uri.or_else(|| recorded.and_then(|client| client.redirect_uri.clone()));
        let discovered = recorded.and_then(|client| client.discovered.clone());
        let secret_ends = recorded.and_then(|client| client.secret_ends);
        // who signs in again and names nothing else wants what there was
        let before = known.as_ref().filter(|_| target.is_empty());
        let target = before.map_or(target, |known| known.target.clone());
        let was_bound = known.as_ref().is_some_and(|known| self.keys.of(&known.id).is_some());
        let wanted = self.lifecycle.view(&name).map(|view| view.wanted.clone()).unwrap_or_default();
        let scopes = scopes.or_else(|| {
            let had = known.map(|known| known.scopes)?;
            Some(had.iter().chain(wanted.scopes.iter()).cloned().collect())
        });
        // an import belongs to a client that is there already
        let document = self.clients.document().cloned().filter(|_| flow != Flow::Import);
        let registering = Registering::with(self.registrations.ties());
        Ok(move |asker| Plan {
            name,
            at: provider,
            client,
            document,
            redirect_uri,
            discovered,
            secret_ends,
            secret: client_secret,
            stored: None,
            scopes,
            target,
            login_hint,
            wanted,
            flow,
            grant,
            dpop,
            was_bound,
            imported: refresh_token.map(|Imported(token)| token),
            source,
            asker,
            port: PortFreed::new(),
            registering,
        })
    }

    /// Why a name leads to no provider, and what to do about it.
    fn unresolved(&self, provider: &ProviderId) -> Fault {
        let Err(error) = self.clients.catalog().resolve(provider) else {
            return Fault::new(FaultKind::Internal, "the provider was there a moment ago");
        };
        let message = error.to_string();
        match error {
            Unresolved::Unknown(_) => Fault::new(FaultKind::NoSuchProvider, message),
            Unresolved::Wanting { id, variable } => {
                let hint = format!("put it behind a colon: {id}:{}", variable.name.to_uppercase());
                Fault::new(FaultKind::InvalidOption, message).hint(hint)
            }
            Unresolved::Unfit { .. } => Fault::new(FaultKind::InvalidOption, message)
                .hint("see: ostler provider show, and the provider's name"),
        }
    }
}

/// The way in and the grant that it leads to: what is asked for, or what there was before.
fn way_in(
    flow: Option<Flow>,
    subject: Option<String>,
    imports: bool,
    known: Option<&AccountSeed>,
) -> Result<(Flow, GrantType), String> {
    let flow = match (flow, imports, known.map(|known| &known.grant)) {
        (Some(flow), ..) => flow,
        (None, true, _) => Flow::Import,
        (None, false, Some(GrantType::ClientCredentials)) => Flow::ClientCredentials,
        (None, false, Some(GrantType::JwtBearer { .. })) => Flow::JwtBearer,
        (None, false, _) => Flow::Browser,
    };
    if imports != (flow == Flow::Import) {
        return Err(format!("a refresh token and the way in {} do not go together", flow.as_str()));
    }
    if subject.is_some() && flow != Flow::JwtBearer {
        return Err("a subject is named in a login by the client's key alone".to_owned());
    }
    let grant = match flow {
        Flow::Browser | Flow::Device | Flow::Import => GrantType::Code,
        Flow::ClientCredentials => GrantType::ClientCredentials,
        Flow::JwtBearer => {
            let before = known.map(|known| known.grant.clone());
            match (subject, before) {
                (None, Some(grant @ GrantType::JwtBearer { .. })) => grant,
                (subject, _) => {
                    GrantType::jwt_bearer(subject).map_err(|error| error.to_string())?
                }
            }
        }
    };
    Ok((flow, grant))
}

/// The name of an account when the user gives none: the provider's, or its host's.
fn default_name(provider: &str) -> Result<AccountName, Box<Fault>> {
    let host = url::Url::parse(provider).ok().and_then(|url| url.host_str().map(str::to_owned));
    let name = host.unwrap_or_else(|| provider.replace(':', "/"));
    name.parse().map_err(|error| {
        let message = format!("the account needs a name: {error}");
        Box::new(Fault::new(FaultKind::InvalidOption, message).hint("give one with --as"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_after_its_provider_unless_the_user_says_otherwise() {
        assert_eq!(default_name("parqex").unwrap().as_str(), "parqex");
        assert_eq!(
            default_name("https://id.example.org/realm").unwrap().as_str(),
            "id.example.org"
        );
        assert_eq!(default_name("http://[::1]:9/").unwrap_err().kind, FaultKind::InvalidOption);
    }
}
