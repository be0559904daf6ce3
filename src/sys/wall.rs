//! Tells when somebody sets the wall clock: a timerfd on `CLOCK_REALTIME` that is never meant to expire
//! and is cancelled by every jump of that clock (`TFD_TIMER_CANCEL_ON_SET`, `timerfd_create(2)`). The
//! kernel cancels it at each resume, too.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use super::descriptor::watched;

/// The timer's instant: later than any clock is set to, and what the kernel can still count in
/// nanoseconds (the year 2262).
const NEVER: Timespec = Timespec { tv_sec: 9_223_372_036, tv_nsec: 0 };

/// Notices when the wall clock is set.
pub struct WallWatch {
    timer: AsyncFd<OwnedFd>,
}

impl WallWatch {
    /// Watches from now on. Call inside the runtime.
    pub fn start() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Realtime, flags)?;
        let once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let never = Itimerspec { it_interval: once, it_value: NEVER };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        match timerfd_settime(&timer, flags, &never) {
            // set in this very instant: it is armed all the same, and nothing was computed before
            Ok(_) | Err(Errno::CANCELED) => {}
            Err(error) => return Err(error.into()),
        }
        let timer = watched(timer)?;
        Ok(Self { timer })
    }

    /// Waits until the clock is set. The timer stays armed for the next time.
    pub async fn set(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.timer.readable().await?;
            let mut expirations = [0; 8];
            match rustix::io::read(self.timer.get_ref(), &mut expirations) {
                // the second is a clock in the year 2262
                Err(Errno::CANCELED) | Ok(_) => return Ok(()),
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::time::timerfd_gettime;
    use std::time::Duration;

    // What follows from a jump is tested with the lifecycle. The jump itself is not made here: a test
    // must not set the clock of the machine it runs on, and no namespace has a wall clock of its own.
    #[tokio::test(flavor = "current_thread")]
    async fn the_kernel_takes_the_timer_and_a_clock_that_nobody_sets_is_silent() {
        let mut watch = WallWatch::start().unwrap();
        let armed = timerfd_gettime(watch.timer.get_ref()).unwrap();
        assert!(armed.it_value.tv_sec > 1_000_000_000, "{armed:?}");
        let silent = tokio::time::timeout(Duration::from_millis(20), watch.set()).await;
        assert!(silent.is_err());
    }
}
