//! The delay inhibitor: the machine waits with sleep and shutdown until it is let go, for 5 s as a rule
//! (`InhibitDelayMaxSec=`, logind.conf(5)).

use std::os::fd::OwnedFd;

use zbus::Connection;
use zbus::names::UniqueName;

pub(super) const NAME: &str = "org.freedesktop.login1";
pub(super) const PATH: &str = "/org/freedesktop/login1";
pub(super) const INTERFACE: &str = "org.freedesktop.login1.Manager";

/// Takes one (`org.freedesktop.login1(5)`, "Inhibit"). It is held as long as the descriptor is open.
///
/// It is taken once and held while nothing sleeps, and not for each flight: to take it when a flight
/// starts would cost a round trip over the bus before each refresh, and would come too late where sleep
/// was announced in between. An idle daemon lets it go within a millisecond of the announcement.
pub(super) async fn inhibit(
    connection: &Connection,
    logind: &UniqueName<'_>,
) -> zbus::Result<OwnedFd> {
    let request = ("sleep:shutdown", "ostler", "token requests under way have to end", "delay");
    // to the process whose signals are heeded, whoever has the name by now
    let reply = connection
        .call_method(Some(logind.clone()), PATH, Some(INTERFACE), "Inhibit", &request)
        .await?;
    let descriptor: zbus::wire::OwnedFd = reply.body().deserialize()?;
    Ok(descriptor.into())
}
