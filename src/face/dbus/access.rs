//! `dev.ostler.Ostler1.AccessControl`: which programs use the accounts.

use std::collections::HashMap;
use std::sync::Arc;

use zbus::message::Header;
use zbus::{Connection, OwnedVariant, Variant, interface};

use super::context::Context;
use super::options::Options;
use super::paths;
use super::refusal::{Refusal, mismatch};
use crate::api::{ListUses, Request, Response, Use};

/// What the user can know of callers, at the root.
pub(super) struct AccessControl {
    context: Arc<Context>,
}

/// A program, in D-Bus's form.
type Entry = HashMap<&'static str, Variant<'static>>;

impl AccessControl {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    fn entry(&self, usage: Use) -> Entry {
        let Use { account, caller, tier, face, pid, first, last, count } = usage;
        let object = self.context.accounts.named(account.as_str());
        let mut entry = HashMap::from([
            ("alias", Variant::from(account.to_string())),
            ("caller", caller.into()),
            ("tier", tier.into()),
            ("face", face.into()),
            ("first", first.into()),
            ("last", last.into()),
            ("count", count.into()),
        ]);
        if let Some(account) = object {
            entry.insert("account", zbus::ObjectPath::from(paths::account(&account.id)).into());
        }
        if let Some(pid) = pid.and_then(|pid| u32::try_from(pid).ok()) {
            entry.insert("pid", pid.into());
        }
        entry
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
        let asker = self.context.callers.identify(connection, &header).await?;
        let mut options = Options::new(options);
        let named = options.text("account")?;
        options.finish()?;
        let account = match named {
            Some(name) => Some(self.context.accounts.resolve(&name)?),
            None => None,
        };
        match self.context.ask(asker.caller, Request::ListUses(ListUses { account })).await? {
            Response::Uses { uses } => Ok(uses.into_iter().map(|it| self.entry(it)).collect()),
            _ => Err(mismatch().into()),
        }
    }
}
