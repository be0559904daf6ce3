//! Floor 2: the operating system, one file for each thing it is asked for.

pub mod alarm;
pub mod clock;
mod descriptor;
pub mod handover;
pub mod lock;
pub mod log;
mod mount;
pub mod network;
pub mod notify;
pub mod peer;
pub mod places;
pub mod process;
pub mod signals;
pub mod socket;
pub mod wall;
