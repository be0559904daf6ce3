//! Registrations whose secret ends (RFC 7591, 3.2.1: `client_secret_expires_at`): they are renewed before it
//! does (RFC 7592), and tried again until that has worked, for without a secret all logins of the client stand.
//!
//! ```text
//! due = end - a week, or in half of the time that is left if that is less than two weeks
//! ```

use std::time::Duration;

use super::machine::Lifecycle;
use super::retry::asked_pause;
use super::words::Effect;
use crate::model::{Boot, ClientKey, Failure, FailureClass, Now, Wall};

/// How long before its end a secret is renewed, in milliseconds.
const AHEAD: i64 = 7 * 24 * 3_600_000;
/// The pauses between two tries.
const PAUSE_MIN: Duration = Duration::from_mins(1);
const PAUSE_MAX: Duration = Duration::from_hours(6);
/// No place of an account: all of them are meant.
const NOWHERE: usize = usize::MAX;

/// News of a registration.
#[derive(Debug)]
pub enum RegistrationEvent {
    /// A client registered itself, or is on record, and its secret ends. What is known of it already stays.
    Known {
        /// Which.
        client: ClientKey,
        /// When its secret does.
        ends: Wall,
    },
    /// Nobody uses a client any more.
    Gone(ClientKey),
    /// A try to renew one has ended.
    Renewed {
        /// Which.
        client: ClientKey,
        /// When the new secret ends, if it does; it is on disk.
        result: Result<Option<Wall>, Failure>,
    },
}

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

/// All registrations whose secret ends.
#[derive(Debug, Default)]
pub(super) struct Registrations(Vec<Registration>);

#[derive(Debug)]
struct Registration {
    client: ClientKey,
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

impl Registrations {
    /// When one of them is to be renewed.
    pub(super) fn next_deadline(&self, rests: bool) -> Option<Boot> {
        let waits = |registration: &Registration| match registration.stage {
            Stage::Waiting(at) => Some(at),
            Stage::Renewing => None,
        };
        self.0.iter().filter_map(waits).min().filter(|_| !rests)
    }

    /// Brings forward what failed on the way.
    pub(super) fn hurry(&mut self, now: Boot) {
        for registration in &mut self.0 {
            let lost = registration.failure.as_ref().is_some_and(|failure| {
                failure.class == FailureClass::NotSent && failure.retry_after.is_none()
            });
            if let Stage::Waiting(at) = registration.stage
                && lost
                && at > now
            {
                registration.stage = Stage::Waiting(now);
            }
        }
    }

    /// The wall clock was set, and ends are on it.
    pub(super) fn place(&mut self, now: Now) {
        for registration in self.0.iter_mut().filter(|it| it.failure.is_none()) {
            if let Stage::Waiting(_) = registration.stage {
                registration.stage = Stage::Waiting(due(registration.ends, now));
            }
        }
    }

    fn find(&mut self, client: &ClientKey) -> Option<&mut Registration> {
        self.0.iter_mut().find(|registration| registration.client == *client)
    }
}

impl Registration {
    /// It could not be renewed: when that is tried again.
    fn back_off(&mut self, failure: Failure, now: Boot) {
        self.failures = self.failures.saturating_add(1);
        let doubled = PAUSE_MIN.saturating_mul(1 << (self.failures - 1).min(16)).min(PAUSE_MAX);
        let pause = match failure.class {
            // who refuses that may be of another mind some day
            FailureClass::ClientBroken | FailureClass::RequestBroken | FailureClass::DeadGrant => {
                PAUSE_MAX
            }
            _ => failure.retry_after.map_or(doubled, asked_pause),
        };
        self.failure = Some(failure);
        self.stage = Stage::Waiting(now + pause);
    }
}

/// When a secret is to be renewed that ends then.
fn due(ends: Wall, now: Now) -> Boot {
    let left = ends.0.saturating_sub(now.wall.0).max(0);
    let pause = (left - AHEAD).max(left / 2);
    now.boot + Duration::from_millis(pause.unsigned_abs())
}

impl Lifecycle {
    /// The registrations whose secret ends.
    pub fn registrations(&self) -> impl Iterator<Item = RegistrationView<'_>> {
        self.registrations.0.iter().map(|registration| RegistrationView {
            client: &registration.client,
            ends: registration.ends,
            next: match registration.stage {
                Stage::Waiting(at) => Some(at),
                Stage::Renewing => None,
            },
            failure: registration.failure.as_ref(),
        })
    }

    pub(super) fn registration(&mut self, event: RegistrationEvent, now: Now) {
        match event {
            RegistrationEvent::Known { client, ends } => {
                if self.registrations.find(&client).is_none() {
                    let stage = Stage::Waiting(due(ends, now));
                    let failures = 0;
                    let known = Registration { client, ends, stage, failures, failure: None };
                    self.registrations.0.push(known);
                }
            }
            RegistrationEvent::Gone(client) => {
                self.registrations.0.retain(|registration| registration.client != client);
            }
            RegistrationEvent::Renewed { client, result } => self.renewed(&client, result, now),
        }
    }

    fn renewed(&mut self, client: &ClientKey, result: Result<Option<Wall>, Failure>, now: Now) {
        let Some(registration) = self.registrations.find(client) else { return };
        if registration.stage != Stage::Renewing {
            return;
        }
        match result {
            Ok(None) => self.registrations.0.retain(|registration| registration.client != *client),
            Ok(Some(ends)) if ends > registration.ends => {
                registration.ends = ends;
                registration.failures = 0;
                registration.failure = None;
                registration.stage = Stage::Waiting(due(ends, now));
            }
            Ok(Some(_)) => {
                let why = "the provider did not move the end of the secret on";
                registration.back_off(Failure::new(FailureClass::Transient, why), now.boot);
                return;
            }
            Err(failure) => return registration.back_off(failure, now.boot),
        }
        // who was refused with the old secret, or while it was replaced, has another one now
        self.retry_client(client, NOWHERE, now);
    }

    /// Renews what is due.
    pub(super) fn mind_registrations(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.machine.rests() || self.draining {
            return;
        }
        for registration in &mut self.registrations.0 {
            if let Stage::Waiting(at) = registration.stage
                && at <= now.boot
            {
                registration.stage = Stage::Renewing;
                out.push(Effect::Renew(registration.client.clone()));
            }
        }
    }
}
