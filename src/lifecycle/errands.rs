//! Errands: what accounts that are gone leave to be done at their providers (RFC 7009; RFC 7592, 2.3). Each is
//! run at once, then with growing pauses and when the network comes back, until it is done, or until
//! there is no point in it any more.
//!
//! ```text
//! end = since + min(a week, the life of the tokens)     a week if a client is to be unregistered
//! ```

use std::time::Duration;

use super::machine::Lifecycle;
use super::retry::asked_pause;
use super::schedule::spread;
use super::words::Effect;
use crate::model::{
    AccountId, AccountName, AccountSeed, Boot, ClientKey, ErrandId, Failure, FailureClass, Now,
};

/// How long an errand is worth while at most.
const WORTH_MAX: Duration = Duration::from_hours(7 * 24);
/// The pauses between two tries.
const PAUSE_MIN: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_hours(1);
/// How many are run at the same time.
const RUNNING_MAX: usize = 4;

/// An errand, as the schedule needs to know it.
#[derive(Debug, Clone)]
pub struct ErrandSeed {
    /// Its number.
    pub errand: ErrandId,
    /// The account that is gone.
    pub account: AccountId,
    /// Its name.
    pub name: AccountName,
    /// The client that its tokens were issued to.
    pub client: ClientKey,
    /// When it went.
    pub since: Boot,
    /// How long its tokens live from then, where that is known.
    pub worth: Option<Duration>,
    /// Whether a client is to be unregistered, too.
    pub registered: bool,
}

/// News of an errand.
#[derive(Debug)]
pub enum ErrandEvent {
    /// There is one. It is on disk.
    New(ErrandSeed),
    /// A try has ended: it is done, or there is no doing it, or it failed in a way that passes.
    Tried {
        /// Which.
        errand: ErrandId,
        /// What keeps it from being done for now.
        result: Result<(), Failure>,
    },
}

/// What is to be done about an errand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrandEffect {
    /// Run it, then say [`ErrandEvent::Tried`].
    Run(ErrandId),
    /// Tell who waits for it that it has to wait itself.
    Waits(ErrandId),
    /// Forget it: it is done, or given up.
    Over(ErrandId),
}

/// An errand as it is shown.
#[derive(Debug)]
pub struct ErrandView<'a> {
    /// The account that is gone.
    pub name: &'a AccountName,
    /// The client that its tokens were issued to.
    pub client: &'a ClientKey,
    /// When it went.
    pub since: Boot,
    /// When the next try is made; absent while one is under way.
    pub next: Option<Boot>,
    /// When it is given up.
    pub end: Boot,
    /// What went wrong last.
    pub failure: Option<&'a Failure>,
}

/// Whether it is worth while to try an errand again that failed like that: the provider was not reached, or
/// is in trouble (RFC 7009, 2.2.1). A provider that understood the request and refused it refuses it again.
#[must_use]
pub fn may_pass(failure: &Failure) -> bool {
    match failure.class {
        FailureClass::NotSent | FailureClass::Ambiguous | FailureClass::Captive => true,
        FailureClass::Transient => {
            let known = ["temporarily_unavailable", "server_error", "slow_down"];
            let said = failure.code.as_deref().is_some_and(|code| known.contains(&code));
            let status = failure.status.unwrap_or(503);
            said || failure.retry_after.is_some()
                || status >= 500
                || [408, 425, 429].contains(&status)
        }
        FailureClass::ClientBroken | FailureClass::RequestBroken | FailureClass::DeadGrant => false,
    }
}

/// All errands.
#[derive(Debug, Default)]
pub(super) struct Errands(Vec<Errand>);

#[derive(Debug)]
struct Errand {
    seed: ErrandSeed,
    end: Boot,
    stage: Stage,
    failures: u32,
    failure: Option<Failure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting(Boot),
    Running,
}

impl Errands {
    pub(super) fn views(&self) -> impl Iterator<Item = ErrandView<'_>> {
        self.0.iter().map(|errand| ErrandView {
            name: &errand.seed.name,
            client: &errand.seed.client,
            since: errand.seed.since,
            next: match errand.stage {
                Stage::Waiting(at) => Some(at),
                Stage::Running => None,
            },
            end: errand.end,
            failure: errand.failure.as_ref(),
        })
    }

    /// When one of them needs attention. Where none may leave, that is when one is given up.
    pub(super) fn next_deadline(&self, rests: bool) -> Option<Boot> {
        let none_leaves = rests || self.running() >= RUNNING_MAX;
        let wakes = |errand: &Errand| match errand.stage {
            Stage::Waiting(_) if none_leaves => Some(errand.end),
            Stage::Waiting(at) => Some(at.min(errand.end)),
            Stage::Running => None,
        };
        self.0.iter().filter_map(wakes).min()
    }

    fn running(&self) -> usize {
        self.0.iter().filter(|errand| errand.stage == Stage::Running).count()
    }

    fn place_of(&self, id: ErrandId) -> Option<usize> {
        self.0.iter().position(|errand| errand.seed.errand == id)
    }

    /// Brings forward what failed on the way, and what no provider has put off itself.
    pub(super) fn hurry(&mut self, now: Boot) {
        self.hurry_those(now, |_| true);
    }

    fn hurry_those(&mut self, now: Boot, which: impl Fn(&Errand) -> bool) {
        for errand in self.0.iter_mut().filter(|errand| which(errand)) {
            let asked = errand.failure.as_ref().is_some_and(|it| it.retry_after.is_some());
            if let Stage::Waiting(at) = errand.stage
                && at > now
                && !asked
            {
                errand.stage = Stage::Waiting(now);
                errand.failures = 0;
            }
        }
    }
}

impl Errand {
    /// A try has failed: when the next one is made.
    fn back_off(&mut self, failure: Failure, now: Boot) -> Boot {
        self.failures = self.failures.saturating_add(1);
        let pause = if let Some(asked) = failure.retry_after {
            asked_pause(asked)
        } else {
            let doubled = PAUSE_MIN.saturating_mul(1 << (self.failures - 1).min(16));
            let dice = spread(&self.seed.account, u64::from(self.failures));
            doubled.min(PAUSE_MAX).mul_f64(0.5 + dice / 2.0)
        };
        self.failure = Some(failure);
        now + pause
    }
}

impl Lifecycle {
    /// The errands that are not done yet, the oldest first.
    pub fn errands(&self) -> impl Iterator<Item = ErrandView<'_>> {
        self.errands.views()
    }

    pub(super) fn errand(&mut self, event: ErrandEvent, now: Now, out: &mut Vec<Effect>) {
        match event {
            ErrandEvent::New(seed) => {
                let id = seed.errand;
                let worth = match seed.worth {
                    Some(worth) if !seed.registered => worth.min(WORTH_MAX),
                    _ => WORTH_MAX,
                };
                let end = seed.since + worth;
                // the first try is made whatever it is worth
                let stage = Stage::Waiting(now.boot);
                self.errands.0.push(Errand { seed, end, stage, failures: 0, failure: None });
                if self.errands_may_leave() {
                    self.run_errand(self.errands.0.len() - 1, out);
                } else {
                    out.push(Effect::Errand(ErrandEffect::Waits(id)));
                }
            }
            ErrandEvent::Tried { errand: id, result } => {
                let Some(place) = self.errands.place_of(id) else { return };
                let errand = &mut self.errands.0[place];
                let next = match result {
                    Ok(()) => None,
                    Err(failure) => Some(errand.back_off(failure, now.boot)),
                };
                match next.filter(|next| *next < errand.end) {
                    Some(next) => {
                        errand.stage = Stage::Waiting(next);
                        out.push(Effect::Errand(ErrandEffect::Waits(id)));
                    }
                    None => self.forget_errand(place, out),
                }
            }
        }
    }

    /// Gives up what is past its end, and runs what is due.
    pub(super) fn mind_errands(&mut self, now: Now, out: &mut Vec<Effect>) {
        let mut place = 0;
        while let Some(errand) = self.errands.0.get(place) {
            match errand.stage {
                Stage::Waiting(_) if errand.end <= now.boot => {
                    self.forget_errand(place, out);
                    continue;
                }
                Stage::Waiting(at) if at <= now.boot && self.errands_may_leave() => {
                    self.run_errand(place, out);
                }
                _ => {}
            }
            place += 1;
        }
    }

    fn errands_may_leave(&self) -> bool {
        let rests = self.machine.rests() || self.draining;
        !rests && self.errands.running() < RUNNING_MAX
    }

    fn run_errand(&mut self, place: usize, out: &mut Vec<Effect>) {
        let errand = &mut self.errands.0[place];
        errand.stage = Stage::Running;
        out.push(Effect::Errand(ErrandEffect::Run(errand.seed.errand)));
    }

    fn forget_errand(&mut self, place: usize, out: &mut Vec<Effect>) {
        let errand = self.errands.0.remove(place);
        out.push(Effect::Errand(ErrandEffect::Over(errand.seed.errand)));
    }

    /// Somebody signs in with a client: what it still has to revoke goes out before the user agrees.
    pub(super) fn hurry_errands(&mut self, client: &ClientKey, now: Now) {
        self.errands.hurry_those(now.boot, |errand| errand.seed.client == *client);
    }

    /// A new login is in the place of one whose tokens are not revoked yet. From now on that is left: with many
    /// providers it would take the new login along (RFC 7009, 2.1).
    pub(super) fn supersede_errands(&mut self, by: &AccountSeed, now: Now, out: &mut Vec<Effect>) {
        let same = |errand: &Errand| {
            errand.seed.client == by.client
                && (errand.seed.account == by.id || errand.seed.name == by.name)
        };
        for errand in self.errands.0.iter_mut().filter(|errand| same(errand)) {
            // one that is under way ends with this try
            errand.end = errand.end.min(now.boot);
        }
        self.mind_errands(now, out);
    }
}
