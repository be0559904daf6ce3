//! The machine around us: it goes to sleep and wakes, finds its network again, has its clock set.
//!
//! A refresh that is cut off by a suspend may cost a login: the provider has turned the refresh token
//! in, and the answer with the new one is lost. So none leaves between the notice of a suspend and the
//! wake, and after that the network gets a moment to come back. What the machine tells are hints: they
//! hold a try up for a bounded time and bring another one forward, and nothing depends on them.

use std::time::Duration;

use crate::model::{Boot, Now};

/// How long an announced sleep is waited for. A machine that still runs then does not sleep, whatever
/// became of the word that it woke; one that did sleep finds this over when it wakes, for the boot
/// clock counts the sleep.
const REST_MAX: Duration = Duration::from_mins(1);

/// How long a machine that woke waits for its network.
const NETWORK_PATIENCE: Duration = Duration::from_secs(5);

/// The pause between two hints that are heeded, doubled while they keep coming. One change of the
/// network comes as a handful of them, the useful one last; a router that advertises itself every few
/// seconds must not cost a provider in trouble its rest.
const HINT_PAUSE_MIN: Duration = Duration::from_secs(3);
const HINT_PAUSE_MAX: Duration = Duration::from_mins(1);

/// What is known of the machine.
#[derive(Debug, Default)]
pub(super) struct Machine {
    sleep: Sleep,
    /// Nobody has looked yet whether the database could take an answer.
    unchecked: bool,
    /// When the last hint was heeded, and how long the next one waits after it.
    heeded: Option<(Boot, Duration)>,
    /// When a hint that came too soon after another one will be heeded.
    hint: Option<Boot>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Sleep {
    #[default]
    Awake,
    /// About to sleep, at the longest until then.
    Resting(Boot),
    /// Awake again, and without network, at the longest until then.
    Waking(Boot),
}

impl Machine {
    /// Whether nothing may leave.
    pub(super) fn rests(&self) -> bool {
        self.unchecked || self.sleep != Sleep::Awake
    }

    /// When it needs attention by itself.
    pub(super) fn next_deadline(&self) -> Option<Boot> {
        match self.sleep {
            Sleep::Awake => self.hint,
            Sleep::Resting(until) | Sleep::Waking(until) => Some(until),
        }
    }

    /// Notes that the last hint is heeded now.
    fn heed(&mut self, now: Boot) {
        let pause = match self.heeded {
            Some((last, pause)) if now.since(last) <= HINT_PAUSE_MAX => {
                (pause * 2).min(HINT_PAUSE_MAX)
            }
            _ => HINT_PAUSE_MIN,
        };
        self.heeded = Some((now, pause));
        self.hint = None;
    }

    /// The database is being looked at: what is damaged may come to light only when an answer is to be written down.
    /// Until that is over nothing leaves.
    pub(super) fn await_check(&mut self) {
        self.unchecked = true;
    }

    /// The database is sound.
    pub(super) fn checked(&mut self) {
        self.unchecked = false;
    }

    /// It is about to sleep or to shut down.
    pub(super) fn go_to_rest(&mut self, now: Boot) {
        self.sleep = Sleep::Resting(now + REST_MAX);
    }

    /// It woke, or does not sleep after all.
    pub(super) fn wake(&mut self, now: Boot) {
        if let Sleep::Resting(_) = self.sleep {
            self.sleep = Sleep::Waking(now + NETWORK_PATIENCE);
        }
    }

    /// An address or a route came up, or a portal let the user in. Says whether that is to be heeded now.
    pub(super) fn network_up(&mut self, now: Boot) -> bool {
        match self.sleep {
            // what the network does on its way down says nothing about the time after
            Sleep::Resting(_) => false,
            Sleep::Waking(_) => {
                self.sleep = Sleep::Awake;
                self.heed(now);
                true
            }
            Sleep::Awake => {
                let open = self.heeded.map(|(last, pause)| last + pause);
                if let Some(open) = open.filter(|open| *open > now) {
                    self.hint = Some(open);
                    return false;
                }
                self.heed(now);
                true
            }
        }
    }

    /// Does what time alone brings. Says whether a hint is to be heeded.
    pub(super) fn mind(&mut self, now: Now) -> bool {
        match self.sleep {
            Sleep::Resting(until) if until <= now.boot => {
                self.wake(now.boot);
                false
            }
            Sleep::Waking(until) if until <= now.boot => {
                self.sleep = Sleep::Awake;
                self.heed(now.boot);
                true
            }
            Sleep::Awake if self.hint.is_some_and(|at| at <= now.boot) => {
                self.heed(now.boot);
                true
            }
            Sleep::Awake | Sleep::Resting(_) | Sleep::Waking(_) => false,
        }
    }
}
