//! The one place that reads clocks.
#![expect(clippy::disallowed_methods, reason = "this is the file that the ban leaves it to")]

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};

use crate::model::{Boot, BootId, Now, Stamp, Wall};

/// What a clock reads the time from.
pub trait Time: Debug + Send + Sync {
    /// Both clocks, now.
    fn now(&self) -> Now;
}

/// The clocks of a boot. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock {
    boot_id: BootId,
    time: Arc<dyn Time>,
}

/// The time that the kernel tells.
#[derive(Debug)]
struct Machine;

impl Time for Machine {
    fn now(&self) -> Now {
        let wall = clock_gettime(ClockId::Realtime);
        let boot = clock_gettime(ClockId::Boottime);
        Now {
            wall: Wall(wall.tv_sec * 1000 + wall.tv_nsec / 1_000_000),
            boot: Boot(boot.tv_sec * 1000 + boot.tv_nsec / 1_000_000),
        }
    }
}

impl Clock {
    /// The machine's clocks.
    pub fn open() -> io::Result<Self> {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(Self::of(BootId(id.trim().to_owned()), Arc::new(Machine)))
    }

    /// Clocks that show another time.
    pub fn of(boot_id: BootId, time: Arc<dyn Time>) -> Self {
        Self { boot_id, time }
    }

    /// Both clocks, now.
    #[must_use]
    pub fn now(&self) -> Now {
        self.time.now()
    }

    /// Now, in the form that survives a restart.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp { at: self.now(), boot_id: self.boot_id.clone() }
    }

    /// This boot's name.
    #[must_use]
    pub fn boot_id(&self) -> &BootId {
        &self.boot_id
    }
}
