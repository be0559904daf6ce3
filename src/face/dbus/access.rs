//! `dev.ostler.Ostler1.AccessControl`: which programs may have tokens, which were given some, and what the
//! user is asked about them.

use std::collections::HashMap;
use std::sync::Arc;

use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, ObjectPath, OwnedVariant, Variant, interface};

use super::agent::Agent;
use super::context::Context;
use super::options::Options;
use super::paths;
use super::refusal::{Refusal, invalid, mismatch};
use crate::api::{
    Fault, FaultKind, Grant, ListUses, Pending, RemoveGrant, Request, Respond, Response, SetGrant,
    Use, Verdict,
};
use crate::model::AccountName;

/// How many uses are told in one message: a few megabytes.
const USES_MAX: usize = 16 * 1024;

/// What the user can know of callers, and decide about them, at the root.
pub(super) struct AccessControl {
    context: Arc<Context>,
}

/// A program, a rule or a question in D-Bus's form.
pub(super) type Entry = HashMap<&'static str, Variant<'static>>;

impl AccessControl {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    async fn ask(
        &self,
        request: Request,
        header: &Header<'_>,
        connection: &Connection,
    ) -> Result<Response, Refusal> {
        let asker = self.context.callers.identify(connection, header).await?;
        Ok(self.context.ask(asker.caller, request).await?)
    }

    /// The account that an option names.
    fn account(&self, options: &mut Options) -> Result<Option<AccountName>, Refusal> {
        match options.text("account")? {
            Some(name) => Ok(Some(self.context.accounts.resolve(&name)?)),
            None => Ok(None),
        }
    }
}

#[interface(name = "dev.ostler.Ostler1.AccessControl", introspection_docs = false)]
impl AccessControl {
    #[zbus(out_args("uses"))]
    async fn list_uses(
        &self,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<Entry>, Refusal> {
        let mut options = Options::new(options);
        let account = self.account(&mut options)?;
        options.finish()?;
        let request = Request::ListUses(ListUses { account });
        match self.ask(request, &header, connection).await? {
            Response::Uses { uses } if uses.len() > USES_MAX => {
                let message = format!("more than {USES_MAX} programs were given tokens");
                let fault = Fault::new(FaultKind::TooLarge, message);
                Err(fault.hint("name an account, or run: ostler access log").into())
            }
            Response::Uses { uses } => {
                Ok(uses.into_iter().map(|it| usage(&self.context, it)).collect())
            }
            _ => Err(mismatch().into()),
        }
    }

    #[zbus(out_args("grants"))]
    async fn list_grants(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<Entry>, Refusal> {
        match self.ask(Request::ListGrants, &header, connection).await? {
            Response::Grants { grants } => {
                Ok(grants.into_iter().map(|it| grant(&self.context, it)).collect())
            }
            _ => Err(mismatch().into()),
        }
    }

    #[zbus(out_args("grant"))]
    async fn set_grant(
        &self,
        grant: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Refusal> {
        let mut options = Options::new(grant);
        let needed = |name: &str| invalid(format!("{name} is missing"));
        let set = SetGrant {
            account: self.account(&mut options)?,
            caller: options.parsed("caller")?.ok_or_else(|| needed("caller"))?,
            scopes: options.scopes("scopes")?,
            decision: options.parsed("decision")?.ok_or_else(|| needed("decision"))?,
            expires_at: options.time("expires_at")?,
        };
        options.finish()?;
        match self.ask(Request::SetGrant(Box::new(set)), &header, connection).await? {
            Response::GrantSet { grant } => Ok(grant.to_string()),
            _ => Err(mismatch().into()),
        }
    }

    async fn remove_grant(
        &self,
        grant: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Refusal> {
        let grant = grant.parse().map_err(|error| invalid(format!("grant: {error}")))?;
        match self.ask(Request::RemoveGrant(RemoveGrant { grant }), &header, connection).await? {
            Response::Done {} => Ok(()),
            _ => Err(mismatch().into()),
        }
    }

    async fn respond(
        &self,
        question: &str,
        decision: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Refusal> {
        Options::new(options).finish()?;
        let question = question.parse().map_err(|error| invalid(format!("question: {error}")))?;
        let verdict = Verdict::from_word(decision)
            .ok_or_else(|| invalid("decision is allow, once or deny"))?;
        let request = Request::Respond(Respond { question, verdict });
        match self.ask(request, &header, connection).await? {
            Response::Done {} => Ok(()),
            _ => Err(mismatch().into()),
        }
    }

    async fn register_agent(
        &self,
        agent: ObjectPath<'_>,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        Options::new(options).finish()?;
        // who may not answer questions is not asked any
        self.context.ask(asker.caller.clone(), Request::ListPending).await?;
        let path = agent.to_owned().into();
        self.context.agents.register(Agent { name: asker.name, path, caller: asker.caller })?;
        Ok(())
    }

    async fn unregister_agent(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        self.context.agents.forget(&asker.name);
        Ok(())
    }

    // not before the two above: busctl of systemd 252 complains of a signal's arguments when the argument
    // before them was one of direction "in"
    #[zbus(out_args("questions"))]
    async fn list_pending(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<Entry>, Refusal> {
        match self.ask(Request::ListPending, &header, connection).await? {
            Response::Pending { pending } => {
                Ok(pending.into_iter().map(|it| question(&self.context, it)).collect())
            }
            _ => Err(mismatch().into()),
        }
    }

    #[zbus(signal)]
    pub(super) async fn pending_changed(
        emitter: &SignalEmitter<'_>,
        count: u32,
    ) -> zbus::Result<()>;
}

fn usage(context: &Context, usage: Use) -> Entry {
    let Use { account, caller, tier, face, pid, first, last, count } = usage;
    let mut entry = HashMap::from([
        ("caller", Variant::from(caller)),
        ("tier", tier.into()),
        ("face", face.into()),
        ("first", first.into()),
        ("last", last.into()),
        ("count", count.into()),
    ]);
    put_account(&mut entry, context, &account);
    put_pid(&mut entry, pid);
    entry
}

fn grant(context: &Context, grant: Grant) -> Entry {
    let mut entry = HashMap::from([
        ("id", Variant::from(grant.id.to_string())),
        ("caller", grant.caller.to_string().into()),
        ("tier", grant.tier.into()),
        ("scopes", grant.scopes.iter().map(ToString::to_string).collect::<Vec<_>>().into()),
        ("decision", grant.decision.as_str().into()),
        ("expires_at", grant.expires_at.unwrap_or(0).into()),
        ("created_at", grant.created_at.into()),
        ("created_by", grant.created_by.into()),
        ("last_used", grant.last_used.unwrap_or(0).into()),
    ]);
    if let Some(account) = &grant.account {
        put_account(&mut entry, context, account);
    }
    entry
}

/// A question to the user, as lists and agents are told it.
pub(super) fn question(context: &Context, question: Pending) -> Entry {
    let Pending { id, account, caller, tier, face, pid, scopes, since } = question;
    let mut entry = HashMap::from([
        ("id", Variant::from(id.to_string())),
        ("caller", caller.into()),
        ("tier", tier.into()),
        ("face", face.into()),
        ("scopes", scopes.iter().map(ToString::to_string).collect::<Vec<_>>().into()),
        ("since", since.into()),
    ]);
    put_account(&mut entry, context, &account);
    put_pid(&mut entry, pid);
    entry
}

fn put_account(entry: &mut Entry, context: &Context, name: &AccountName) {
    entry.insert("alias", name.to_string().into());
    if let Some(account) = context.accounts.named(name.as_str()) {
        entry.insert("account", ObjectPath::from(paths::account(&account.id)).into());
    }
}

fn put_pid(entry: &mut Entry, pid: Option<i32>) {
    if let Some(pid) = pid.and_then(|pid| u32::try_from(pid).ok()) {
        entry.insert("pid", pid.into());
    }
}
