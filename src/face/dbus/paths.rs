//! Names on the bus.

use zbus::names::UniqueName;
use zbus::{ObjectPath, OwnedObjectPath};

use crate::model::AccountId;

/// The well-known name.
pub(super) const BUS_NAME: &str = "dev.ostler.Ostler1";

/// The object manager and the manager.
pub(super) const ROOT: &str = "/dev/ostler/Ostler1";

/// Where `systemctl service-log-level` looks, on every service (`org.freedesktop.LogControl1(5)`).
pub(super) const LOG_CONTROL: &str = "/org/freedesktop/LogControl1";

/// The object of an account.
pub(super) fn account(id: &AccountId) -> OwnedObjectPath {
    path(format!("{ROOT}/accounts/{}", id.as_str()))
}

/// The object of a sign-in: callers that choose the token know the path before they ask, and can
/// subscribe to its signal first. The sender is spelled as in the desktop portals.
pub(super) fn request(sender: &UniqueName<'_>, token: &str) -> OwnedObjectPath {
    let sender = sender.trim_start_matches(':').replace(['.', '-'], "_");
    path(format!("{ROOT}/requests/{sender}/{token}"))
}

fn path(text: String) -> OwnedObjectPath {
    ObjectPath::try_from(text)
        .expect("ids, tokens and spelled senders have letters, digits and underscores only")
        .into()
}
