//! `org.freedesktop.DBus.ObjectManager` at the root: the accounts that the caller may know of.
//!
//! zbus has one of its own, which shows everything to everybody. Its signals come from there all the same:
//! it sends them wherever an interface of this name is served.

use std::collections::HashMap;
use std::sync::Arc;

use zbus::message::Header;
use zbus::object_server::{Interface, SignalEmitter};
use zbus::{Connection, ObjectPath, OwnedObjectPath, Variant, interface};

use super::account::AccountObject;
use super::accounts::{OBJECTS_MAX, Shown, properties};
use super::context::Context;
use super::paths;
use super::refusal::Refusal;
use crate::api::{Fault, FaultKind, Listing};

/// What there is below the root.
pub(super) struct Objects {
    context: Arc<Context>,
}

/// An object's interfaces with their properties.
type Interfaces = HashMap<String, HashMap<&'static str, Variant<'static>>>;

impl Objects {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

fn too_many() -> Fault {
    let message = format!("there are more than {OBJECTS_MAX} accounts, and not all have an object");
    Fault::new(FaultKind::TooLarge, message)
        .hint("list them with dev.ostler.Ostler1.Manager.ListAccounts")
}

#[interface(name = "org.freedesktop.DBus.ObjectManager", introspection_docs = false)]
impl Objects {
    #[zbus(out_args("objects"))]
    async fn get_managed_objects(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<HashMap<OwnedObjectPath, Interfaces>, Refusal> {
        let asker = self.context.callers.identify(connection, &header).await?;
        let all = self.context.list(&asker.caller, Listing::default()).await?;
        if all.is_longer_than(OBJECTS_MAX) {
            return Err(too_many().into());
        }
        let accounts = if asker.caller.is_confined() {
            all.iter().map(Arc::new).collect()
        } else {
            self.context.accounts.all()
        };
        let interfaces = |shown: Shown| {
            HashMap::from([(AccountObject::name().to_string(), shown.into_iter().collect())])
        };
        Ok(accounts
            .iter()
            .map(|account| (paths::account(&account.id), interfaces(properties(account))))
            .collect())
    }

    #[zbus(signal)]
    async fn interfaces_added(
        emitter: &SignalEmitter<'_>,
        object: ObjectPath<'_>,
        interfaces: HashMap<&str, HashMap<&str, Variant<'_>>>,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn interfaces_removed(
        emitter: &SignalEmitter<'_>,
        object: ObjectPath<'_>,
        interfaces: &[&str],
    ) -> zbus::Result<()>;
}
