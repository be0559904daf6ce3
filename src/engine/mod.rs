//! Floor 3: the one task that owns the lifecycle and turns its effects into work.

mod handle;

pub use handle::{Handle, Watch};
