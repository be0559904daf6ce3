//! `dev.ostler.Ostler1.Account`: one object per account.

use std::collections::HashMap;
use std::sync::Arc;

use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedFd, OwnedObjectPath, OwnedVariant, interface};

use super::accounts::{detail, identity, publish, resources, scopes, seconds};
use super::context::Context;
use super::options::Options;
use super::refusal::{Refusal, invalid, mismatch};
use super::sign_in::{self, Terms};
use super::token::{self, Details, TIMEOUT_MS, TokenText, values, wanted};
use crate::api::{
    Account, Fault, FaultKind, Login, Logout, Refresh, Rename, Request, Response, Resume,
    Revocation, Revoke, SetEnabled, State,
};
use crate::model::{AccountId, Caller};

/// An account on the bus. Its state is in [`super::accounts`]; this knows only whose it is.
pub(super) struct AccountObject {
    context: Arc<Context>,
    id: AccountId,
}

impl AccountObject {
    pub(super) fn new(context: Arc<Context>, id: AccountId) -> Self {
        Self { context, id }
    }

    fn account(&self) -> Result<Arc<Account>, Refusal> {
        let gone = || Fault::new(FaultKind::NoSuchAccount, "the account is gone").into();
        self.context.accounts.find(&self.id).ok_or_else(gone)
    }

    async fn done(&self, caller: Caller, request: Request) -> Result<(), Refusal> {
        match self.context.ask(caller, request).await? {
            Response::Done {} => Ok(()),
            _ => Err(mismatch().into()),
        }
    }

    /// The account as a caller may see it. Without a header it is shown to everybody who may listen to
    /// signals.
    async fn shown(
        &self,
        header: Option<Header<'_>>,
        connection: &Connection,
    ) -> Result<Arc<Account>, Refusal> {
        if let Some(header) = header {
            let asker = self.context.callers.identify(connection, &header).await?;
            let name = self.account()?.name.clone();
            if !self.context.may_know(&asker.caller, name).await? {
                return Err(Fault::new(
                    FaultKind::Denied,
                    "the caller was not granted this account",
                )
                .hint("ask for a token of it: then the user is asked")
                .into());
            }
        }
        self.account()
    }
}

#[interface(name = "dev.ostler.Ostler1.Account", introspection_docs = false)]
impl AccountObject {
    #[zbus(out_args("token", "token_type", "expires_at", "details"))]
    async fn get_access_token(
        &self,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(TokenText, String, i64, Details), Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        let name = self.account()?.name.clone();
        token::hand_out(&self.context, asker.caller, name, Options::new(options)).await
    }

    #[zbus(out_args("expires_at", "details"))]
    async fn write_access_token(
        &self,
        socket: OwnedFd,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(i64, Details), Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        let name = self.account()?.name.clone();
        token::write(&self.context, asker.caller, name, socket.into(), Options::new(options)).await
    }

    #[zbus(out_args("token", "proof", "expires_at", "details"))]
    async fn sign_proof(
        &self,
        method: String,
        url: String,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(TokenText, String, i64, Details), Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        let name = self.account()?.name.clone();
        let request = (method, url);
        token::prove(&self.context, asker.caller, name, request, Options::new(options)).await
    }

    #[zbus(out_args("request"))]
    async fn reauthorize(
        &self,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<OwnedObjectPath, Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        let account = self.account()?;
        let mut options = Options::new(options);
        let terms = Terms::take(&mut options)?;
        let login = Login {
            account: Some(account.name.clone()),
            ..sign_in::login(account.provider.clone(), &mut options)?
        };
        options.finish()?;
        sign_in::start(&self.context, connection, asker, login, terms).await
    }

    // not the last of the methods: busctl of systemd 252 complains of a signal's arguments when the
    // argument before them was one of direction "in"
    async fn resume(
        &self,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        Options::new(options).finish()?;
        let account = self.account()?.name.clone();
        self.done(asker.caller, Request::Resume(Resume { account })).await
    }

    #[zbus(out_args("expires_at"))]
    async fn refresh(
        &self,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<i64, Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        Options::new(options).finish()?;
        let account = self.account()?.name.clone();
        let request = Request::Refresh(Refresh { account, timeout_ms: Some(TIMEOUT_MS) });
        match self.context.ask(asker.caller, request).await? {
            Response::Refreshed(refreshed) => Ok(seconds(refreshed.expires_at)),
            _ => Err(mismatch().into()),
        }
    }

    async fn set_alias(
        &self,
        alias: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        let name = alias.parse().map_err(|error| invalid(format!("alias: {error}")))?;
        let account = self.account()?.name.clone();
        self.done(asker.caller, Request::Rename(Rename { account, name })).await
    }

    async fn remove(
        &self,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        Options::new(options).finish()?;
        let account = self.account()?.name.clone();
        let request = Request::Logout(Logout { account, revoke: Some(false) });
        match self.context.ask(asker.caller, request).await? {
            Response::LoggedOut(_) => Ok(()),
            _ => Err(mismatch().into()),
        }
    }

    #[zbus(out_args("revocation", "reason"))]
    async fn revoke(
        &self,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(&'static str, String), Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        Options::new(options).finish()?;
        let account = self.account()?.name.clone();
        match self.context.ask(asker.caller, Request::Revoke(Revoke { account })).await? {
            Response::LoggedOut(end) => {
                Ok((revocation(end.revocation), end.reason.unwrap_or_default()))
            }
            _ => Err(mismatch().into()),
        }
    }

    #[zbus(out_args("revocation", "reason"))]
    async fn logout(
        &self,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(&'static str, String), Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        Options::new(options).finish()?;
        let account = self.account()?.name.clone();
        match self
            .context
            .ask(asker.caller, Request::Logout(Logout { account, revoke: None }))
            .await?
        {
            Response::LoggedOut(end) => {
                Ok((revocation(end.revocation), end.reason.unwrap_or_default()))
            }
            _ => Err(mismatch().into()),
        }
    }

    #[zbus(property(emits_changed_signal = "const"))]
    async fn id(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Refusal> {
        Ok(self.shown(header, connection).await?.id.as_str().to_owned())
    }

    #[zbus(property)]
    async fn alias(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Refusal> {
        Ok(self.shown(header, connection).await?.name.to_string())
    }

    #[zbus(property(emits_changed_signal = "const"))]
    async fn provider(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Refusal> {
        Ok(self.shown(header, connection).await?.provider.to_string())
    }

    #[zbus(property)]
    async fn client_id(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Refusal> {
        Ok(self.shown(header, connection).await?.client_id.to_string())
    }

    #[zbus(property)]
    async fn scopes(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<String>, Refusal> {
        Ok(scopes(&*self.shown(header, connection).await?))
    }

    #[zbus(property)]
    async fn state(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Refusal> {
        Ok(self.shown(header, connection).await?.state.as_str().to_owned())
    }

    #[zbus(property)]
    async fn state_detail(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Refusal> {
        Ok(detail(&*self.shown(header, connection).await?))
    }

    #[zbus(property)]
    async fn expires_at(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<i64, Refusal> {
        Ok(seconds(self.shown(header, connection).await?.expires_at))
    }

    #[zbus(property)]
    async fn last_refresh(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<i64, Refusal> {
        Ok(seconds(self.shown(header, connection).await?.last_refresh))
    }

    #[zbus(property)]
    async fn next_refresh(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<i64, Refusal> {
        Ok(seconds(self.shown(header, connection).await?.next_refresh))
    }

    #[zbus(property)]
    async fn mode(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Refusal> {
        Ok(self.shown(header, connection).await?.mode.as_str().to_owned())
    }

    #[zbus(property)]
    async fn login_ends_at(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<i64, Refusal> {
        Ok(seconds(self.shown(header, connection).await?.login_ends_at))
    }

    #[zbus(property)]
    async fn login_ends_soon(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<bool, Refusal> {
        Ok(self.shown(header, connection).await?.login_ends_soon)
    }

    #[zbus(property)]
    async fn certificate_ends_at(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<i64, Refusal> {
        Ok(seconds(self.shown(header, connection).await?.certificate_ends_at))
    }

    #[zbus(property)]
    async fn certificate_bound(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<bool, Refusal> {
        Ok(self.shown(header, connection).await?.certificate_bound)
    }

    #[zbus(property)]
    async fn resources(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<String>, Refusal> {
        Ok(resources(&*self.shown(header, connection).await?))
    }

    #[zbus(property)]
    async fn audience(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Refusal> {
        let account = self.shown(header, connection).await?;
        Ok(account.audience.as_ref().map(ToString::to_string).unwrap_or_default())
    }

    #[zbus(property)]
    async fn identity(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Refusal> {
        Ok(identity(&*self.shown(header, connection).await?))
    }

    #[zbus(property)]
    async fn values(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<HashMap<String, String>, Refusal> {
        Ok(values(&self.shown(header, connection).await?.values))
    }

    #[zbus(property)]
    async fn wanted(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<HashMap<String, String>, Refusal> {
        Ok(wanted(&*self.shown(header, connection).await?))
    }

    #[zbus(property)]
    async fn enabled(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<bool, Refusal> {
        Ok(self.shown(header, connection).await?.state != State::Disabled)
    }

    /// It is told as a change when the engine tells it.
    #[zbus(property)]
    async fn set_enabled(
        &self,
        enabled: bool,
        #[zbus(header)] header: Option<Header<'_>>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Refusal> {
        let nobody = || Fault::new(FaultKind::Denied, "nobody asks");
        let header = header.ok_or_else(nobody)?;
        let asker = self.context.callers.identify(connection, &header).await?;
        let account = self.account()?.name.clone();
        self.done(asker.caller, Request::SetEnabled(SetEnabled { account, enabled })).await?;
        // zbus tells of the change next, by what is known here then
        let name = self.account()?.name.clone();
        publish(&self.context, connection, self.context.look_up(name).await?, false).await?;
        Ok(())
    }

    #[zbus(signal)]
    pub(super) async fn access_token_changed(
        emitter: &SignalEmitter<'_>,
        expires_at: i64,
    ) -> zbus::Result<()>;
}

fn revocation(outcome: Revocation) -> &'static str {
    match outcome {
        Revocation::Revoked => "revoked",
        Revocation::Queued => "queued",
        Revocation::Unsupported => "unsupported",
        Revocation::Nothing => "nothing",
        Revocation::Failed => "failed",
    }
}
