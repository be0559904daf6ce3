//! Floor 2: what other services of this machine announce on the system bus: that it sleeps, wakes or
//! shuts down (systemd-logind or elogind), and that it is online (NetworkManager).
//!
//! All of it is hints. Without a system bus, without these services, or after a word of theirs that
//! got lost, the daemon works as ever: its alarm counts sleep, and the kernel tells of networks
//! (`sys::network`). What NetworkManager adds is the moment in which a portal lets the user in: no
//! address changes then.

mod logind;
mod watch;

pub use watch::{News, watch};
