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
//! In its loop there is no I/O, no cryptography but for the first look at a token of an earlier run, and no waiting but
//! for the next event. What a flight
//! brings takes this way: the raw answer goes to the disk; when it is there it is interpreted; the
//! grant goes to the disk; when that is there it is answered.
//!
//! The engine is made of components, each with its state for itself: `waiters`, `clients`, `keys`, `flights`,
//! `sign_ins`, `fitting` (logins whose client is read or changed first), `registrations`, `logouts`, `errands`,
//! `asking` (questions to the user), `uses`, `doctor`, `roster` (what is shown of accounts) and `line` (what is told
//! without being asked). They reach store, clock, tasks and lifecycle by one value, the `context`. None calls another:
//! what one finds out comes back to the engine, whose methods (`asks`, `effects`, `reports`, `landings`, `logins`,
//! `leaving`, `lists`, `grants`, `orders`, ...) say where it goes next. `task` knows the components, those methods know
//! `task`, and no component knows either.

mod access;
mod answers;
mod asking;
mod asks;
mod certificate;
mod clients;
mod context;
mod control;
mod defined;
mod definitions;
mod devices;
mod diagnosis;
mod doctor;
mod done;
mod dpop;
mod effects;
mod ending;
mod errands;
mod faults;
mod findings;
mod fitting;
mod flights;
mod flying;
mod grants;
mod handle;
mod identity;
mod impaired;
mod keys;
mod landings;
mod leaving;
mod line;
mod lists;
mod logins;
mod logouts;
mod looking;
mod orders;
mod plan;
mod planning;
mod preparing;
mod prompts;
mod proof;
mod recovery;
mod registering;
mod registrations;
mod reports;
mod revoking;
mod roster;
mod rules;
mod shown;
mod sign_in;
mod sign_ins;
mod signing;
mod start;
mod task;
#[cfg(test)]
mod tests;
mod unread;
mod uses;
mod waiters;

pub use access::confined;
pub use control::{Control, Reload};
pub use faults::unkept;
pub use handle::{Handle, Watch};
pub use impaired::impaired;
pub use prompts::{Prompt, Prompts};
pub use task::{Engine, Info, Parts};
