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
    /// A try to renew one has ended.
    Renewed {
        /// Which.
        client: ClientKey,
        /// When the new secret ends, if it does; it is on disk.
        result: Result<Option<Wall>, Failure>,
    },
}
