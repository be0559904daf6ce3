//! The machine around us: it goes to sleep and wakes, finds its network again, has its clock set.
//!
//! A refresh that is cut off by a suspend may cost a login: the provider has turned the refresh token
//! in, and the answer with the new one is lost. So none leaves between the notice of a suspend and the
//! wake, and after that the network gets a moment to come back. What the machine tells are hints: they
//! hold a try up for a bounded time and bring another one forward, and nothing depends on them.

use std::time::Duration;

use super::account::{Account, News, Phase};
use super::machine::Lifecycle;
use super::words::Effect;
use crate::model::{Boot, Failure, FailureClass, Landing, Now};

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
        self.sleep != Sleep::Awake
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
}

impl Lifecycle {
    /// Whether the last request got through to its provider; yes before the first.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.online
    }

    /// Notes whether a request got through.
    pub(super) fn note_reach(&mut self, landing: &Landing, out: &mut Vec<Effect>) {
        let lost = |failure: &Failure| {
            matches!(failure.class, FailureClass::NotSent | FailureClass::Captive)
        };
        let online = !matches!(landing, Landing::Failed { failure, .. } if lost(failure));
        if std::mem::replace(&mut self.online, online) != online {
            out.push(Effect::Online(online));
        }
    }

    /// The machine is about to sleep or to shut down: what flies lands, and nothing else leaves. The
    /// exchange of a sign-in that comes back in this moment does: its code does not keep, and all that
    /// it can lose is a sign-in that the user has just begun.
    pub(super) fn go_to_rest(&mut self, now: Now) {
        self.machine.sleep = Sleep::Resting(now.boot + REST_MAX);
    }

    /// The machine woke, or does not sleep after all.
    pub(super) fn wake(&mut self, now: Now) {
        if let Sleep::Resting(_) = self.machine.sleep {
            self.machine.sleep = Sleep::Waking(now.boot + NETWORK_PATIENCE);
        }
    }

    /// An address or a route came up, or a portal let the user in.
    pub(super) fn network_up(&mut self, now: Now) {
        match self.machine.sleep {
            // what the network does on its way down says nothing about the time after
            Sleep::Resting(_) => {}
            Sleep::Waking(_) => self.awake(now),
            Sleep::Awake => {
                let open = self.machine.heeded.map(|(last, pause)| last + pause);
                match open.filter(|open| *open > now.boot) {
                    Some(open) => self.machine.hint = Some(open),
                    None => self.heed_hint(now),
                }
            }
        }
    }

    /// Does what time alone brings.
    pub(super) fn mind_machine(&mut self, now: Now) {
        match self.machine.sleep {
            Sleep::Resting(until) if until <= now.boot => self.wake(now),
            Sleep::Waking(until) if until <= now.boot => self.awake(now),
            Sleep::Awake if self.machine.hint.is_some_and(|at| at <= now.boot) => {
                self.heed_hint(now);
            }
            _ => {}
        }
    }

    fn awake(&mut self, now: Now) {
        self.machine.sleep = Sleep::Awake;
        self.heed_hint(now);
    }

    /// Another try is worth while for all whose last one failed on the way. Traffic paces them.
    fn heed_hint(&mut self, now: Now) {
        self.machine.heed(now.boot);
        self.traffic.reopen(now.boot);
        self.errands.hurry(now.boot);
        self.registrations.hurry(now.boot);
        for place in 0..self.accounts.len() {
            let Some(account) = &mut self.accounts[place] else { continue };
            if account.hurry(now.boot) {
                self.touch(place, News::Changed);
                self.rearm(place);
            }
        }
    }

    /// The wall clock was set: what it places on the boot clock moves, and all that is shown by it.
    /// A clock that was wrong also makes good certificates look bad, so it counts as a hint, too.
    pub(super) fn clock_set(&mut self, now: Now) {
        for place in 0..self.accounts.len() {
            let Some(account) = &mut self.accounts[place] else { continue };
            let (term, issued) = (account.login.term.take(), account.issued());
            if let Some(term) = term {
                self.take_term(place, term, now);
            }
            if let Some(issued) = issued {
                self.take_token(place, issued, now);
            }
            self.touch(place, News::Changed);
            self.rearm(place);
        }
        self.registrations.place(now);
        // each wake sets the clock, too, and the network comes after it
        if !self.machine.rests() {
            self.network_up(now);
        }
    }
}

impl Account {
    /// Brings the next try forward, if there is one to come and the provider itself has not said why
    /// or until when it has to wait. Says whether it did.
    fn hurry(&mut self, now: Boot) -> bool {
        let Phase::Waiting(until) = self.phase else { return false };
        let Some(failure) = &self.login.last_failure else { return false };
        let said = failure.class.is_verdict() || failure.retry_after.is_some();
        let at = self.next_start(now).map_or(now, |earliest| earliest.max(now));
        if said || self.obstacle().is_some() || at >= until {
            return false;
        }
        if failure.class == FailureClass::NotSent {
            // names may be known a moment later than the way is: then the short pauses serve
            self.login.streak.of_class = 0;
        }
        self.phase = Phase::Waiting(at);
        true
    }
}
