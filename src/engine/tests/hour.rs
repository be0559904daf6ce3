//! The time of a boot, which a test moves.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::task::{Context, Poll};

use crate::model::{Boot, Now, Wall};
use crate::sys::alarm::Timer;
use crate::sys::clock::Time;

/// The wall clock at the true time 0, in milliseconds.
pub(super) const EPOCH: i64 = 1_800_000_000_000;
/// How long the machine was up when a history begins.
pub(super) const UP: i64 = 1_000_000;

/// The time of a boot.
#[derive(Debug)]
pub(super) struct Hour {
    /// The true time, in milliseconds.
    pub(super) now: AtomicI64,
    /// What the boot clock shows beyond it.
    pub(super) up: AtomicI64,
    /// How far the wall clock is off.
    pub(super) offset: AtomicI64,
    /// What the alarm is set to, on the boot clock.
    pub(super) alarm: AtomicI64,
}

impl Time for Hour {
    fn now(&self) -> Now {
        let now = self.now.load(Relaxed);
        Now {
            wall: Wall(EPOCH + now + self.offset.load(Relaxed)),
            boot: Boot(now + self.up.load(Relaxed)),
        }
    }
}

/// A timer that needs no waking: the engine is asked again whenever something may have happened.
pub(super) struct Bell(pub(super) Arc<Hour>);

impl Timer for Bell {
    fn set(&mut self, at: Option<Boot>) -> io::Result<()> {
        self.0.alarm.store(at.map_or(i64::MAX, |at| at.0), Relaxed);
        Ok(())
    }

    fn poll_due(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.alarm.load(Relaxed) > Time::now(&*self.0).boot.0 {
            return Poll::Pending;
        }
        self.0.alarm.store(i64::MAX, Relaxed);
        Poll::Ready(Ok(()))
    }
}
