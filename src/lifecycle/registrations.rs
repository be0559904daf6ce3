//! Registrations whose secret ends (RFC 7591, 3.2.1: `client_secret_expires_at`): they are renewed before it
//! does (RFC 7592), and tried again until that has worked, for without a secret all logins of the client stand.
//!
//! What a provider has made of a registration is as dear as a grant, for what was before may be of no use any more:
//! stop and sleep wait until it is on the disk, and a disk that refuses it is given it again.
//!
//! ```text
//! due = end - a week, or in half of the time that is left if that is less than two weeks
//! ```

use std::time::Duration;

use std::collections::{BTreeMap, BTreeSet};

use super::retry::{BackOff, asked_pause, disk_failure, disk_pause};
use super::timers::Timers;
use super::words::{Effect, RegistrationEvent};
use crate::model::{Boot, ClientKey, Failure, FailureClass, Now, Wall};

/// How long before its end a secret is renewed, in milliseconds.
const AHEAD: i64 = 7 * 24 * 3_600_000;
/// The pauses between two tries.
const PAUSES: BackOff = BackOff { first: Duration::from_mins(1), most: Duration::from_hours(6) };

/// A registration whose secret ends, as it is shown.
#[derive(Debug)]
pub struct RegistrationView<'a> {
    /// Which.
    pub client: &'a ClientKey,
    /// When its secret ends.
    pub ends: Wall,
    /// When it is renewed; absent while that is under way.
    pub next: Option<Boot>,
    /// Why that did not work last.
    pub failure: Option<&'a Failure>,
}

/// All registrations that something is to be done for.
#[derive(Debug, Default)]
pub(super) struct Registrations {
    /// Those whose secret ends.
    ending: BTreeMap<ClientKey, Registration>,
    timers: Timers<ClientKey>,
    /// Those that are being renewed.
    renewing: BTreeSet<ClientKey>,
    /// Those that are to be on the disk as the provider has them by now.
    keeping: BTreeMap<ClientKey, Keeping>,
    /// When the disk is given them again.
    again: Timers<ClientKey>,
}

/// What a provider has made of a registration, on its way to the disk.
#[derive(Debug, Default)]
struct Keeping {
    /// How much of it the disk has been given and has not reported on.
    writes: u32,
    /// How often the disk has refused it.
    refused: u32,
}

#[derive(Debug)]
struct Registration {
    ends: Wall,
    stage: Stage,
    failures: u32,
    failure: Option<Failure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting(Boot),
    Renewing,
}

impl Registration {
    /// It could not be renewed: when that is tried again.
    fn back_off(&mut self, failure: Failure, now: Boot) -> Boot {
        self.failures = self.failures.saturating_add(1);
        let pause = match failure.class {
            // who refuses that may be of another mind some day
            FailureClass::ClientBroken | FailureClass::RequestBroken | FailureClass::DeadGrant => {
                PAUSES.most
            }
            _ => failure.retry_after.map_or(PAUSES.doubled(self.failures), asked_pause),
        };
        self.failure = Some(failure);
        now + pause
    }
}

/// When a secret is to be renewed that ends then.
fn due(ends: Wall, now: Now) -> Boot {
    let left = ends.0.saturating_sub(now.wall.0).max(0);
    let pause = (left - AHEAD).max(left / 2);
    now.boot + Duration::from_millis(pause.unsigned_abs())
}

impl Registrations {
    pub(super) fn views(&self) -> impl Iterator<Item = RegistrationView<'_>> {
        self.ending.iter().map(|(client, registration)| RegistrationView {
            client,
            ends: registration.ends,
            next: match registration.stage {
                Stage::Waiting(at) => Some(at),
                Stage::Renewing => None,
            },
            failure: registration.failure.as_ref(),
        })
    }

    /// When one of them is to be renewed.
    pub(super) fn next_deadline(&self, rests: bool) -> Option<Boot> {
        let renewal = self.timers.first().filter(|_| !rests);
        renewal.into_iter().chain(self.again.first()).min()
    }

    /// Whether nothing of what a provider has made of a registration is still to come, or not yet on the disk.
    pub(super) fn are_quiet(&self) -> bool {
        self.keeping.is_empty() && self.renewing.is_empty()
    }

    fn keep(&mut self, client: ClientKey) {
        self.again.set(&client, None);
        self.keeping.entry(client).or_default().writes += 1;
    }

    fn kept(&mut self, client: &ClientKey) {
        // what was refused before is older
        self.again.set(client, None);
        if let Some(keeping) = self.keeping.get_mut(client) {
            keeping.writes = keeping.writes.saturating_sub(1);
            if keeping.writes == 0 {
                self.keeping.remove(client);
            }
        }
    }

    fn unkept(&mut self, client: &ClientKey, why: &str, now: Boot) {
        if let Some(keeping) = self.keeping.get_mut(client) {
            keeping.writes = keeping.writes.saturating_sub(1);
            keeping.refused = keeping.refused.saturating_add(1);
            self.again.set(client, Some(now + disk_pause(keeping.refused)));
        }
        if let Some(registration) = self.ending.get_mut(client) {
            registration.failure = Some(disk_failure(why));
        }
    }

    /// The daemon stops, and the disk has taken nothing for long.
    pub(super) fn give_up_keeping(&mut self) {
        let again = &mut self.again;
        self.keeping.retain(|client, keeping| {
            again.set(client, None);
            keeping.writes > 0
        });
    }

    fn no_longer_keep(&mut self, client: &ClientKey) {
        self.keeping.remove(client);
        self.again.set(client, None);
    }

    /// News of one. Gives the client whose secret is another one now.
    pub(super) fn hear(&mut self, event: RegistrationEvent, now: Now) -> Option<ClientKey> {
        match event {
            RegistrationEvent::Known { client, ends } => {
                if !self.ending.contains_key(&client) {
                    let at = due(ends, now);
                    let stage = Stage::Waiting(at);
                    self.timers.set(&client, Some(at));
                    let known = Registration { ends, stage, failures: 0, failure: None };
                    self.ending.insert(client, known);
                }
                None
            }
            RegistrationEvent::Keeping(client) => {
                self.keep(client);
                None
            }
            RegistrationEvent::Kept(client) => {
                self.kept(&client);
                None
            }
            RegistrationEvent::Unkept { client, why } => {
                self.unkept(&client, &why, now.boot);
                None
            }
            RegistrationEvent::Gone(client) => {
                self.no_longer_keep(&client);
                self.forget(&client);
                None
            }
            RegistrationEvent::Renewed { client, result } => self.renewed(client, result, now),
        }
    }

    fn renewed(
        &mut self,
        client: ClientKey,
        result: Result<Option<Wall>, Failure>,
        now: Now,
    ) -> Option<ClientKey> {
        self.renewing.remove(&client);
        let registration = self.ending.get_mut(&client)?;
        if registration.stage != Stage::Renewing {
            return None;
        }
        let failure = match result {
            Ok(None) => {
                self.forget(&client);
                return Some(client);
            }
            Ok(Some(ends)) if ends > registration.ends => {
                registration.ends = ends;
                registration.failures = 0;
                registration.failure = None;
                self.wait(&client, due(ends, now));
                return Some(client);
            }
            Ok(Some(_)) => {
                let why = "the provider did not move the end of the secret on";
                Failure::new(FailureClass::Transient, why)
            }
            Err(failure) => failure,
        };
        let at = registration.back_off(failure, now.boot);
        self.wait(&client, at);
        None
    }

    fn wait(&mut self, client: &ClientKey, at: Boot) {
        if let Some(registration) = self.ending.get_mut(client) {
            registration.stage = Stage::Waiting(at);
            self.timers.set(client, Some(at));
        }
    }

    fn forget(&mut self, client: &ClientKey) {
        self.ending.remove(client);
        self.renewing.remove(client);
        self.timers.set(client, None);
    }

    /// Gives the disk again what it refused, at all times, and renews what is due.
    pub(super) fn mind(&mut self, rests: bool, now: Now, out: &mut Vec<Effect>) {
        while let Some(client) = self.again.ring(now.boot) {
            out.push(Effect::Keep(client));
        }
        while !rests && let Some(client) = self.timers.ring(now.boot) {
            if let Some(registration) = self.ending.get_mut(&client) {
                registration.stage = Stage::Renewing;
                self.renewing.insert(client.clone());
                out.push(Effect::Renew(client));
            }
        }
    }

    /// Brings forward what failed on the way.
    pub(super) fn hurry(&mut self, now: Boot) {
        let lost = |registration: &Registration| {
            let failure = registration.failure.as_ref().filter(|it| it.retry_after.is_none());
            failure.is_some_and(|failure| failure.class == FailureClass::NotSent)
        };
        self.move_those(|it| {
            (lost(it) && matches!(it.stage, Stage::Waiting(at) if at > now)).then_some(now)
        });
    }

    /// The wall clock was set, and ends are on it.
    pub(super) fn place(&mut self, now: Now) {
        self.move_those(|it| it.failure.is_none().then(|| due(it.ends, now)));
    }

    /// Moves those that wait.
    fn move_those(&mut self, to: impl Fn(&Registration) -> Option<Boot>) {
        for (client, registration) in &mut self.ending {
            if let Stage::Waiting(_) = registration.stage
                && let Some(at) = to(registration)
            {
                registration.stage = Stage::Waiting(at);
                self.timers.set(client, Some(at));
            }
        }
    }
}
