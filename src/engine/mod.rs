//! Floor 3: the one task that owns the [`Lifecycle`](crate::lifecycle::Lifecycle) and turns its
//! effects into work.
//!
//! ```text
//! asks ----------> mailbox --+                       +--> store thread (ordered commits)
//! signals -------> control --+                       +--> flights (one task each, hard deadline)
//! store reports -------------+--> event -> lifecycle -+--> answers (one channel each)
//! flights, other tasks ------+                       +--> events for those who watch
//! alarm (boot clock) --------+
//! ```
//!
//! In its loop there is no I/O, no cryptography and no waiting but for the next event. What a flight
//! brings takes this way: the raw answer goes to the disk; when it is there it is interpreted; the
//! grant goes to the disk; when that is there it is answered.

mod access;
mod asks;
mod certificate;
mod definitions;
mod devices;
mod diagnosis;
mod doctor;
mod dpop;
mod effects;
mod ending;
mod errands;
mod faults;
mod findings;
mod fitting;
mod flights;
mod handle;
mod identity;
mod impaired;
mod lists;
mod logout;
mod plan;
mod prompts;
mod proof;
mod recovery;
mod registrations;
mod roster;
mod shown;
mod signing;
mod signins;
mod task;
#[cfg(test)]
mod tests;
mod undo;
mod uses;

pub use access::confined;
pub use faults::unkept;
pub use handle::{Handle, Watch};
pub use impaired::impaired;
pub use prompts::{Prompt, Prompts};
pub use task::{Control, Engine, Info, Parts, Reload};
