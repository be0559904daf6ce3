//! Words about registrations whose secret ends.

use crate::model::{ClientKey, Failure, Wall};

/// News of a registration.
#[derive(Debug)]
pub enum RegistrationEvent {
    /// A client registered itself, or is on record, and its secret ends. What is known of it already stays.
    Known {
        /// Which.
        client: ClientKey,
        /// When its secret does.
        ends: Wall,
    },
    /// Nobody uses a client any more.
    Gone(ClientKey),
    /// What a provider has made of one is on its way to the disk. [`RegistrationEvent::Kept`] or
    /// [`RegistrationEvent::Unkept`] follows: a renewal and a login may each have something written down.
    Keeping(ClientKey),
    /// That is over: it is on the disk, or will never be.
    Kept(ClientKey),
    /// The disk has refused it for now. It is in memory, until [`Effect::Keep`](super::Effect::Keep).
    Unkept {
        /// Which.
        client: ClientKey,
        /// Why.
        why: String,
    },
    /// A try to renew one has ended.
    Renewed {
        /// Which.
        client: ClientKey,
        /// When the new secret ends, if it does; it is on disk.
        result: Result<Option<Wall>, Failure>,
    },
}
