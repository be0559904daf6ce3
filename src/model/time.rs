//! Instants on two clocks. Deadlines live on the boot clock, which counts suspend and never jumps;
//! wall time is for showing and for surviving a reboot.

use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch (`CLOCK_REALTIME`). May jump.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Wall(pub i64);

impl Wall {
    /// Whole seconds since the epoch, rounded down: what faces show.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

/// Milliseconds since boot (`CLOCK_BOOTTIME`), suspend included. Negative for what was before this
/// boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Boot(pub i64);

impl Boot {
    /// Before anything: what was due before anybody looked.
    pub const LONG_AGO: Boot = Boot(i64::MIN);

    /// How long from `earlier` to this; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Boot) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Boot {
    type Output = Boot;

    fn add(self, span: Duration) -> Boot {
        Boot(self.0.saturating_add(millis(span)))
    }
}

impl Sub<Duration> for Boot {
    type Output = Boot;

    fn sub(self, span: Duration) -> Boot {
        Boot(self.0.saturating_sub(millis(span)))
    }
}

impl Add<Duration> for Wall {
    type Output = Wall;

    fn add(self, span: Duration) -> Wall {
        Wall(self.0.saturating_add(millis(span)))
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The two clocks, read together. Only `sys::clock` reads clocks; everybody else is given one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall time.
    pub wall: Wall,
    /// Time since boot.
    pub boot: Boot,
}

impl Now {
    /// What the wall clock will show at `boot`, if nobody sets it.
    #[must_use]
    pub fn wall_at(self, boot: Boot) -> Wall {
        Wall(self.wall.0.saturating_add(boot.0.saturating_sub(self.boot.0)))
    }
}

/// The kernel's name for this boot (`/proc/sys/kernel/random/boot_id`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub String);

/// An instant that can be written down: it finds its place on the boot clock again after a restart
/// of the daemon or of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Both clocks at the instant.
    pub at: Now,
    /// The boot that `at.boot` counts from.
    pub boot_id: BootId,
}

impl Stamp {
    /// The instant on today's boot clock. In another boot the wall clock has to serve; `None` if it
    /// was set back since, so that the age cannot be known. It serves, too, where this boot's clock has
    /// not come that far: in another time namespace it has another offset (`time_namespaces(7)`).
    #[must_use]
    pub fn on_boot_clock(&self, boot_id: &BootId, now: Now) -> Option<Boot> {
        if self.boot_id == *boot_id && self.at.boot <= now.boot {
            return Some(self.at.boot);
        }
        let age = now.wall.0.checked_sub(self.at.wall.0)?;
        (age >= 0).then(|| Boot(now.boot.0.saturating_sub(age)))
    }
}

/// A number of seconds in its two largest units, for people; nothing is less than 0.
#[must_use]
pub fn span(seconds: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let seconds = seconds.max(0);
    let largest = UNITS.iter().position(|(size, _)| seconds >= *size).unwrap_or(UNITS.len() - 1);
    let (size, name) = UNITS[largest];
    let text = format!("{} {name}", seconds / size);
    // seconds beside minutes say nothing
    match UNITS.get(largest + 1).filter(|(smaller, _)| *smaller > 1) {
        Some((smaller, name)) if seconds % size >= *smaller => {
            format!("{text} {} {name}", seconds % size / smaller)
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(wall: i64, boot: i64) -> Now {
        Now { wall: Wall(wall), boot: Boot(boot) }
    }

    #[test]
    fn within_a_boot_a_jump_of_the_wall_clock_changes_nothing() {
        let here = BootId("b1".into());
        let stamp = Stamp { at: now(1_000_000, 5_000), boot_id: here.clone() };
        assert_eq!(stamp.on_boot_clock(&here, now(9_000_000, 6_000)), Some(Boot(5_000)));
    }

    #[test]
    fn a_boot_clock_that_went_back_is_another_one() {
        let here = BootId("b1".into());
        let stamp = Stamp { at: now(1_000_000, 9_000_000), boot_id: here.clone() };
        assert_eq!(stamp.on_boot_clock(&here, now(1_060_000, 5_000)), Some(Boot(-55_000)));
    }

    #[test]
    fn across_boots_the_wall_clock_serves_unless_it_went_back() {
        let stamp = Stamp { at: now(1_000_000, 5_000), boot_id: BootId("b1".into()) };
        let later = BootId("b2".into());
        assert_eq!(stamp.on_boot_clock(&later, now(1_060_000, 1_000)), Some(Boot(-59_000)));
        assert_eq!(stamp.on_boot_clock(&later, now(999_000, 1_000)), None);
    }
}
