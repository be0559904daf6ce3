//! Errands: what accounts that are gone leave to be done at their providers (RFC 7009; RFC 7592, 2.3). Each is
//! run at once, then with growing pauses and when the network comes back, until it is done, or until
//! there is no point in it any more.
//!
//! ```text
//! end = since + min(a week, the life of the tokens)     a week if a client is to be unregistered
//! ```

use std::time::Duration;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::retry::{BackOff, asked_pause};
use super::schedule::spread;
use super::timers::Timers;
use super::words::{Effect, ErrandEffect, ErrandEvent, ErrandSeed};
use crate::model::{AccountName, AccountSeed, Boot, ClientKey, ErrandId, Failure, FailureClass};

/// How long an errand is worth while at most.
const WORTH_MAX: Duration = Duration::from_hours(7 * 24);
/// The pauses between two tries.
const PAUSES: BackOff = BackOff { first: Duration::from_secs(10), most: Duration::from_hours(1) };
/// How many are run at the same time.
const RUNNING_MAX: usize = 4;

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
pub(super) struct Errands {
    /// By number, which is the order in which they came up.
    all: BTreeMap<ErrandId, Errand>,
    /// When each is to be tried again.
    tries: Timers<ErrandId>,
    /// When each is given up.
    ends: Timers<ErrandId>,
    running: HashSet<ErrandId>,
    /// Those that are due, and wait until it is known whether a login takes the place of what they are about.
    kept: BTreeSet<ErrandId>,
    /// By client: somebody who signs in with it wants them done.
    of_client: HashMap<ClientKey, HashSet<ErrandId>>,
}

/// What may leave.
#[derive(Debug)]
pub(super) struct Gate {
    /// None may: the machine rests, or the daemon stops.
    pub(super) rests: bool,
    /// The logins that are on their way in.
    pub(super) incoming: Vec<AccountSeed>,
}

impl Gate {
    /// Whether a login is on its way into the place of the one that is gone: what that left is let be until it is
    /// known whether the login comes. Many providers would take it along (RFC 7009, 2.1), and what the user has
    /// agreed to may be one with it from then on. This errs towards waiting: where nobody comes back to a sign-in,
    /// old tokens live on for the minutes until it expires.
    fn keeps(&self, gone: &ErrandSeed) -> bool {
        self.incoming.iter().any(|by| takes_its_place(by, gone))
    }
}

fn takes_its_place(by: &AccountSeed, gone: &ErrandSeed) -> bool {
    gone.client == by.client && (gone.account == by.id || gone.name == by.name)
}

/// What an account that is gone left to be done.
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

impl Errand {
    /// A try has failed: when the next one is made.
    fn back_off(&mut self, failure: Failure, now: Boot) -> Boot {
        self.failures = self.failures.saturating_add(1);
        let dice = spread(&self.seed.account, u64::from(self.failures));
        let pause = match failure.retry_after {
            Some(asked) => asked_pause(asked),
            None => PAUSES.pause(self.failures, dice),
        };
        self.failure = Some(failure);
        now + pause
    }

    /// Whether it failed on the way, and no provider has put it off itself.
    fn may_hurry(&self, now: Boot) -> bool {
        let asked = self.failure.as_ref().is_some_and(|it| it.retry_after.is_some());
        matches!(self.stage, Stage::Waiting(at) if at > now) && !asked
    }
}

impl Errands {
    /// Those that are not done yet, the oldest first.
    pub(super) fn views(&self) -> impl Iterator<Item = ErrandView<'_>> {
        self.all.values().map(|errand| ErrandView {
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
        let tries = if self.may_leave(rests) { self.tries.first() } else { None };
        [tries, self.ends.first()].into_iter().flatten().min()
    }

    fn may_leave(&self, rests: bool) -> bool {
        !rests && self.running.len() < RUNNING_MAX
    }

    /// Whether [`Self::mind`] may have something to do.
    pub(super) fn is_due(&self, now: Boot) -> bool {
        let due = |at: Option<Boot>| at.is_some_and(|at| at <= now);
        due(self.tries.first()) || due(self.ends.first()) || !self.kept.is_empty()
    }

    /// News of one.
    pub(super) fn hear(
        &mut self,
        event: ErrandEvent,
        gate: &Gate,
        now: Boot,
        out: &mut Vec<Effect>,
    ) {
        match event {
            ErrandEvent::New(seed) => {
                let id = seed.errand;
                let may_leave = self.may_leave(gate.rests) && !gate.keeps(&seed);
                self.take_up(seed, now);
                if may_leave {
                    self.run(id, out);
                } else {
                    out.push(Effect::Errand(ErrandEffect::Waits(id)));
                }
            }
            ErrandEvent::Tried { errand: id, result } => {
                let Some(errand) = self.all.get_mut(&id) else { return };
                self.running.remove(&id);
                let next = result.err().map(|failure| errand.back_off(failure, now));
                match next.filter(|next| *next < errand.end) {
                    Some(next) => {
                        self.wait(id, next);
                        out.push(Effect::Errand(ErrandEffect::Waits(id)));
                    }
                    None => self.forget(id, out),
                }
            }
        }
    }

    fn take_up(&mut self, seed: ErrandSeed, now: Boot) {
        let id = seed.errand;
        let worth = match seed.worth {
            Some(worth) if !seed.registered => worth.min(WORTH_MAX),
            _ => WORTH_MAX,
        };
        let end = seed.since + worth;
        self.of_client.entry(seed.client.clone()).or_default().insert(id);
        // the first try is made whatever it is worth
        let stage = Stage::Waiting(now);
        self.all.insert(id, Errand { seed, end, stage, failures: 0, failure: None });
        self.wait(id, now);
    }

    fn wait(&mut self, id: ErrandId, at: Boot) {
        let Some(errand) = self.all.get_mut(&id) else { return };
        errand.stage = Stage::Waiting(at);
        self.kept.remove(&id);
        self.tries.set(&id, Some(at));
        self.ends.set(&id, Some(errand.end));
    }

    /// Gives up what is past its end, and runs what is due.
    pub(super) fn mind(&mut self, gate: &Gate, now: Boot, out: &mut Vec<Effect>) {
        while let Some(id) = self.ends.ring(now) {
            self.forget(id, out);
        }
        let all = &self.all;
        let is_kept = |id: &ErrandId| all.get(id).is_some_and(|errand| gate.keeps(&errand.seed));
        for id in self.kept.extract_if(.., |id| !is_kept(id)) {
            self.tries.set(&id, Some(now));
        }
        while self.may_leave(gate.rests)
            && let Some(id) = self.tries.ring(now)
        {
            if self.all.get(&id).is_some_and(|errand| gate.keeps(&errand.seed)) {
                self.kept.insert(id);
            } else {
                self.run(id, out);
            }
        }
    }

    fn run(&mut self, id: ErrandId, out: &mut Vec<Effect>) {
        let Some(errand) = self.all.get_mut(&id) else { return };
        errand.stage = Stage::Running;
        self.tries.set(&id, None);
        self.kept.remove(&id);
        // what is under way comes to its end, whenever that is
        self.ends.set(&id, None);
        self.running.insert(id);
        out.push(Effect::Errand(ErrandEffect::Run(id)));
    }

    fn forget(&mut self, id: ErrandId, out: &mut Vec<Effect>) {
        let Some(errand) = self.all.remove(&id) else { return };
        self.tries.set(&id, None);
        self.ends.set(&id, None);
        self.kept.remove(&id);
        self.running.remove(&id);
        if let Some(of_client) = self.of_client.get_mut(&errand.seed.client) {
            of_client.remove(&id);
            if of_client.is_empty() {
                self.of_client.remove(&errand.seed.client);
            }
        }
        out.push(Effect::Errand(ErrandEffect::Over(id)));
    }

    /// Brings forward what failed on the way, and what no provider has put off itself.
    pub(super) fn hurry(&mut self, now: Boot) {
        let all: Vec<ErrandId> = self.all.keys().copied().collect();
        self.bring_forward(all, now);
    }

    /// Somebody signs in with a client: what it still has to revoke goes out before the user agrees.
    pub(super) fn hurry_those_of(&mut self, client: &ClientKey, now: Boot) {
        self.bring_forward(self.those_of(client), now);
    }

    fn those_of(&self, client: &ClientKey) -> Vec<ErrandId> {
        self.of_client.get(client).into_iter().flatten().copied().collect()
    }

    fn bring_forward(&mut self, which: Vec<ErrandId>, now: Boot) {
        for id in which {
            if let Some(errand) = self.all.get_mut(&id)
                && errand.may_hurry(now)
            {
                errand.failures = 0;
                self.wait(id, now);
            }
        }
    }

    /// A new login is in the place of one whose tokens are not revoked yet. From now on that is left: with many
    /// providers it would take the new login along (RFC 7009, 2.1).
    pub(super) fn supersede(
        &mut self,
        by: &AccountSeed,
        gate: &Gate,
        now: Boot,
        out: &mut Vec<Effect>,
    ) {
        for id in self.those_of(&by.client) {
            let Some(errand) = self.all.get_mut(&id) else { continue };
            if takes_its_place(by, &errand.seed) {
                // one that is under way ends with this try
                errand.end = errand.end.min(now);
                if let Stage::Waiting(at) = errand.stage {
                    self.wait(id, at);
                }
            }
        }
        self.mind(gate, now, out);
    }
}
