//! The accounts as the bus shows them: which there are, and how the bus hears that they changed.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use zbus::fdo::Properties;
use zbus::object_server::{Interface, SignalEmitter};
use zbus::{Connection, Variant};

use super::account::AccountObject;
use super::context::{Context, locked};
use super::paths;
use super::token::{values, wanted};
use crate::api::{Account, Fault, FaultKind, State};
use crate::model::{AccountId, AccountName, IDENTITY};

/// How many accounts have objects on the bus. Each takes some kilobytes of a tree that the library describes as a
/// whole to whoever introspects the root, and all of them have to fit into one message of `GetManagedObjects`.
/// It errs on the side of few: what has no object is asked for by name, and listed a page at a time.
pub(super) const OBJECTS_MAX: usize = 4096;

/// How many accounts are looked at before others have their turn.
pub(super) const STRIDE: usize = 64;

/// The last known state of each account that has an object. The objects on the bus read their properties here.
#[derive(Default)]
pub(super) struct Known(Mutex<Index>);

#[derive(Default)]
struct Index {
    by_id: BTreeMap<AccountId, Arc<Account>>,
    by_name: HashMap<AccountName, AccountId>,
}

impl Index {
    fn has_room_for(&self, id: &AccountId) -> bool {
        self.by_id.len() < OBJECTS_MAX || self.by_id.contains_key(id)
    }

    fn remove(&mut self, id: &AccountId) -> Option<Arc<Account>> {
        let known = self.by_id.remove(id)?;
        // somebody else may have the name by now
        if self.by_name.get(&known.name) == Some(id) {
            self.by_name.remove(&known.name);
        }
        Some(known)
    }
}

impl Known {
    pub(super) fn find(&self, id: &AccountId) -> Option<Arc<Account>> {
        locked(&self.0).by_id.get(id).cloned()
    }

    /// The account that callers mean by `text`: its name, or else its id.
    pub(super) fn named(&self, text: &str) -> Option<Arc<Account>> {
        let known = locked(&self.0);
        let name: Option<AccountName> = text.parse().ok();
        let by_name = name.and_then(|name| known.by_id.get(known.by_name.get(&name)?));
        by_name.or_else(|| known.by_id.get(&text.parse().ok()?)).cloned()
    }

    /// The name that callers mean by `text`. What is not known here may be known to the engine: its
    /// event may be on the way, or there is no room for its object.
    pub(super) fn resolve(&self, text: &str) -> Result<AccountName, Fault> {
        match self.named(text) {
            Some(account) => Ok(account.name.clone()),
            None => text.parse().map_err(|error| {
                Fault::new(FaultKind::NoSuchAccount, format!("no account has that name: {error}"))
            }),
        }
    }

    /// Whether an account has an object, or can have one.
    pub(super) fn has_room_for(&self, id: &AccountId) -> bool {
        locked(&self.0).has_room_for(id)
    }

    /// Takes a state over, and gives the one before.
    pub(super) fn put(&self, account: Account) -> Option<Arc<Account>> {
        let mut known = locked(&self.0);
        let before = known.remove(&account.id);
        known.by_name.insert(account.name.clone(), account.id.clone());
        known.by_id.insert(account.id.clone(), Arc::new(account));
        before
    }

    pub(super) fn remove(&self, id: &AccountId) {
        locked(&self.0).remove(id);
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<Account>> {
        locked(&self.0).by_id.values().cloned().collect()
    }

    fn ids(&self) -> Vec<AccountId> {
        locked(&self.0).by_id.keys().cloned().collect()
    }
}

/// Shows an account as it is now: an object if it is new and there is room for one, changed properties if not.
pub(super) async fn publish(
    context: &Arc<Context>,
    connection: &Connection,
    account: Account,
    new_token: bool,
) -> zbus::Result<()> {
    let (id, expires_at) = (account.id.clone(), account.expires_at);
    if !context.accounts.has_room_for(&id) {
        return Ok(());
    }
    let path = paths::account(&id);
    let before = context.accounts.put(account.clone());
    let Some(before) = before else {
        let object = AccountObject::new(Arc::clone(context), id);
        connection.object_server().at(path, object).await?;
        return Ok(());
    };
    let emitter = SignalEmitter::new(connection, path)?;
    let changed = difference(&before, &account);
    if !changed.is_empty() {
        let interface = AccountObject::name();
        Properties::properties_changed(&emitter, interface, changed, Cow::Borrowed(&[])).await?;
    }
    if new_token {
        AccountObject::access_token_changed(&emitter, seconds(expires_at)).await?;
    }
    Ok(())
}

/// Takes an account off the bus.
pub(super) async fn withdraw(
    context: &Context,
    connection: &Connection,
    id: &AccountId,
) -> zbus::Result<()> {
    if context.accounts.find(id).is_some() {
        let path = paths::account(id);
        let gone = connection.object_server().remove::<AccountObject, _>(path).await;
        context.accounts.remove(id);
        gone?;
    }
    Ok(())
}

/// Brings the bus up to date after events were missed.
pub(super) async fn resync(context: &Arc<Context>, connection: &Connection) -> zbus::Result<()> {
    // Only an engine that is stopping does not answer; then the service is about to end, too.
    let Ok(accounts) = context.list_accounts().await else { return Ok(()) };
    let mut there = HashSet::new();
    for stride in accounts.clone().pieces(STRIDE) {
        let known = stride.listed().map(|listed| &listed.timeless().id);
        there.extend(known.filter(|id| context.accounts.find(id).is_some()).cloned());
        tokio::task::yield_now().await;
    }
    for id in context.accounts.ids().into_iter().filter(|id| !there.contains(id)) {
        withdraw(context, connection, &id).await?;
    }
    for stride in accounts.pieces(STRIDE) {
        for account in stride.iter().filter(|it| context.accounts.has_room_for(&it.id)) {
            let before = context.accounts.find(&account.id);
            let new_token = before.is_some_and(|it| it.last_refresh != account.last_refresh);
            publish(context, connection, account, new_token).await?;
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// What an account shows, by the names of its properties.
pub(super) type Shown = [(&'static str, Variant<'static>); 21];

pub(super) fn properties(account: &Account) -> Shown {
    let text = |text: &str| Variant::from(text.to_owned());
    [
        ("Id", text(account.id.as_str())),
        ("Alias", text(account.name.as_str())),
        ("Provider", text(account.provider.as_str())),
        ("ClientId", text(account.client_id.as_str())),
        ("Scopes", scopes(account).into()),
        ("State", account.state.as_str().into()),
        ("StateDetail", detail(account).into()),
        ("ExpiresAt", seconds(account.expires_at).into()),
        ("LastRefresh", seconds(account.last_refresh).into()),
        ("NextRefresh", seconds(account.next_refresh).into()),
        ("Mode", account.mode.as_str().into()),
        ("LoginEndsAt", seconds(account.login_ends_at).into()),
        ("LoginEndsSoon", account.login_ends_soon.into()),
        ("CertificateEndsAt", seconds(account.certificate_ends_at).into()),
        ("CertificateBound", account.certificate_bound.into()),
        ("Resources", resources(account).into()),
        ("Audience", text(account.audience.as_ref().map_or("", |it| it.as_str()))),
        ("Identity", identity(account).into()),
        ("Values", values(&account.values).into()),
        ("Wanted", wanted(account).into()),
        ("Enabled", (account.state != State::Disabled).into()),
    ]
}

/// The properties that differ, with their new values: one signal for one event.
fn difference(before: &Account, after: &Account) -> HashMap<&'static str, Variant<'static>> {
    let pairs = properties(before).into_iter().zip(properties(after));
    pairs.filter(|(before, after)| before != after).map(|(_, after)| after).collect()
}

/// D-Bus has no null: what is unknown is 0.
pub(super) fn seconds(time: Option<i64>) -> i64 {
    time.unwrap_or(0)
}

/// D-Bus has no null: where there is nothing to say, the text is empty.
pub(super) fn detail(account: &Account) -> String {
    account.detail.clone().unwrap_or_default()
}

/// What tokens are for; nothing where the login named nothing.
pub(super) fn resources(account: &Account) -> Vec<String> {
    account.resource.iter().map(ToString::to_string).collect()
}

/// Whom the provider calls its user; empty where it does not say.
pub(super) fn identity(account: &Account) -> String {
    account.values.get(IDENTITY).unwrap_or_default().to_owned()
}

pub(super) fn scopes(account: &Account) -> Vec<String> {
    account.scopes.iter().map(ToString::to_string).collect()
}
