//! The one alarm: a timerfd on `CLOCK_BOOTTIME`, which counts suspend, as the runtime's own timers
//! do not (`timerfd_create(2)`).

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use super::descriptor::watched;

use crate::model::Boot;

/// What an alarm rings by: one instant on the boot clock, and the news that it is there.
pub trait Timer: Send {
    /// Sets it; `None` silences it. An instant that has passed is due at once.
    fn set(&mut self, at: Option<Boot>) -> io::Result<()>;

    /// Ready once, when the instant is there.
    fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Rings once at the instant it is set to.
pub struct Alarm {
    timer: Box<dyn Timer>,
    set_to: Option<Boot>,
}

impl Alarm {
    /// An alarm by the machine's boot clock that is not set. Call inside the runtime.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        let timer = watched(timer)?;
        Ok(Self::by(Box::new(timer)))
    }

    /// An alarm by another timer.
    #[must_use]
    pub fn by(timer: Box<dyn Timer>) -> Self {
        Self { timer, set_to: None }
    }

    /// Sets it; `None` silences it. Setting it to what it is set to costs nothing.
    pub fn set(&mut self, at: Option<Boot>) -> io::Result<()> {
        if at != self.set_to {
            self.timer.set(at)?;
            self.set_to = at;
        }
        Ok(())
    }

    /// Waits until it rings. It has to be set anew afterwards.
    pub async fn ring(&mut self) -> io::Result<()> {
        std::future::poll_fn(|context| self.timer.poll_due(context)).await?;
        self.set_to = None;
        Ok(())
    }
}

impl Timer for AsyncFd<OwnedFd> {
    fn set(&mut self, at: Option<Boot>) -> io::Result<()> {
        // all zeros would disarm the timer, so the past is the first millisecond of this boot
        let value = at.map_or(Timespec { tv_sec: 0, tv_nsec: 0 }, |at| {
            let millis = at.0.max(1);
            Timespec { tv_sec: millis / 1000, tv_nsec: millis % 1000 * 1_000_000 }
        });
        let once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval: once, it_value: value };
        timerfd_settime(self.get_ref(), TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }

    fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.poll_read_ready(context))?;
            let mut expirations = [0; 8];
            match rustix::io::read(self.get_ref(), &mut expirations) {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock::Clock;
    use std::time::Duration;

    #[tokio::test(flavor = "current_thread")]
    async fn it_rings_at_its_time_and_at_once_for_the_past() {
        let clock = Clock::open().unwrap();
        let mut alarm = Alarm::new().unwrap();
        let at = clock.now().boot + Duration::from_millis(20);
        alarm.set(Some(at)).unwrap();
        alarm.ring().await.unwrap();
        assert!(clock.now().boot >= at);
        alarm.set(Some(Boot(i64::MIN))).unwrap();
        alarm.ring().await.unwrap();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_new_setting_replaces_the_old_one() {
        let clock = Clock::open().unwrap();
        let mut alarm = Alarm::new().unwrap();
        alarm.set(Some(clock.now().boot + Duration::from_hours(1))).unwrap();
        alarm.set(Some(clock.now().boot + Duration::from_millis(5))).unwrap();
        alarm.ring().await.unwrap();
    }
}
