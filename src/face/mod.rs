//! Floor 4: the surfaces that callers reach.

pub mod dbus;
pub mod socket;
