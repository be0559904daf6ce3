//! `dev.ostler.Ostler1.Manager`: what concerns no account in particular, and the one call that
//! scripts need.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use zbus::message::Header;
use zbus::{Connection, OwnedObjectPath, OwnedVariant, Variant, interface};

use super::accounts::{OBJECTS_MAX, properties};
use super::context::Context;
use super::options::Options;
use super::paths;
use super::refusal::{Refusal, invalid, mismatch};
use super::sign_in::{self, Terms};
use super::token::{self, Details, TokenText};
use crate::api::{Account, Fault, FaultKind, Listing, Login, Request, Response};

/// Counts additions to the interfaces of major version 1.
const API_MINOR: u32 = 0;

/// How many accounts are on a page at most: some hundred kilobytes.
const PAGE_MAX: u32 = 256;

/// What callers may want to know before they call: sign-ins that are finished by pasting a redirect,
/// the option to name a rejected token, tokens written into a caller's socket, and agents that ask the user.
const FEATURES: [&str; 4] = ["agent", "paste", "rejected", "write"];

/// The object at the root.
pub(super) struct Manager {
    context: Arc<Context>,
}

impl Manager {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

#[interface(name = "dev.ostler.Ostler1.Manager", introspection_docs = false)]
#[expect(clippy::unused_self, reason = "a property is a method, also when its value is fixed")]
impl Manager {
    #[zbus(out_args("token", "token_type", "expires_at", "details"))]
    async fn get_access_token(
        &self,
        account: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(TokenText, String, i64, Details), Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        let name = self.context.accounts.resolve(account)?;
        token::hand_out(&self.context, asker.caller, name, Options::new(options)).await
    }

    #[zbus(out_args("account"))]
    async fn lookup_account(
        &self,
        account: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<OwnedObjectPath, Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        let none = || Fault::new(FaultKind::NoSuchAccount, "no account has that name");
        let name = self.context.accounts.resolve(account)?;
        if !self.context.may_know(&asker.caller, name.clone()).await? {
            return Err(none().into());
        }
        let Account { id, .. } = self.context.look_up(name).await.map_err(|_| none())?;
        if !self.context.accounts.has_room_for(&id) {
            let message = format!("the account has no object: {OBJECTS_MAX} others have one");
            let fault = Fault::new(FaultKind::TooLarge, message);
            return Err(fault.hint("ask for its token with Manager.GetAccessToken").into());
        }
        Ok(paths::account(&id))
    }

    #[zbus(out_args("accounts", "next"))]
    async fn list_accounts(
        &self,
        after: &str,
        limit: u32,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(Vec<HashMap<&'static str, Variant<'static>>>, String), Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        let wrong = |error| invalid(format!("after: {error}"));
        let after = (!after.is_empty()).then(|| after.parse().map_err(wrong)).transpose()?;
        let limit = if limit == 0 { PAGE_MAX } else { limit.min(PAGE_MAX) };
        let listing = Listing { account: None, after, limit: Some(limit) };
        let page = self.context.list(&asker.caller, listing).await?;
        let shown = page.iter().map(|account| properties(&account).into_iter().collect());
        Ok((shown.collect(), page.next().map(ToString::to_string).unwrap_or_default()))
    }

    #[zbus(out_args("request"))]
    async fn add_account(
        &self,
        provider: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<OwnedObjectPath, Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        let mut options = Options::new(options);
        let terms = Terms::take(&mut options)?;
        let provider = provider.parse().map_err(|error| invalid(format!("provider: {error}")))?;
        let login = Login {
            account: options.parsed("alias")?,
            client_id: options.parsed("client_id")?,
            ..sign_in::login(provider, &mut options)?
        };
        options.finish()?;
        sign_in::start(&self.context, connection, asker, login, terms).await
    }

    #[zbus(out_args("providers"))]
    async fn list_providers(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<HashMap<String, HashMap<&'static str, Variant<'static>>>, Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        let Response::Providers { providers } =
            self.context.ask(asker.caller, Request::ListProviders).await?
        else {
            return Err(mismatch().into());
        };
        let entry = |provider: crate::api::ProviderInfo| {
            let scopes: Vec<String> = provider.scopes.iter().map(ToString::to_string).collect();
            let gaps: Vec<String> = provider.variables.into_iter().map(|gap| gap.title).collect();
            let mut details = HashMap::from([
                ("title", Variant::from(provider.title)),
                ("source", provider.source.into()),
                ("scopes", scopes.into()),
                ("redirect", provider.redirect.into()),
                ("device", provider.device.into()),
                ("variables", gaps.into()),
            ]);
            for (name, text) in
                [("verified", provider.verified), ("register_url", provider.register_url)]
            {
                if let Some(text) = text {
                    details.insert(name, text.into());
                }
            }
            (provider.id.into(), details)
        };
        Ok(providers.into_iter().map(entry).collect())
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn api_minor(&self) -> u32 {
        API_MINOR
    }

    #[zbus(property)]
    fn online(&self) -> bool {
        self.context.online.load(Ordering::Relaxed)
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn locked(&self) -> bool {
        self.context.locked.load(Ordering::Relaxed)
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn features(&self) -> Vec<&'static str> {
        FEATURES.to_vec()
    }
}
