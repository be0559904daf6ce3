//! Which tokens are on the disk: what a command brings, and whether its commit has happened.

use super::provider::{Custody, Servers};
use super::tokens::{access_tokens, refresh_tokens};
use crate::model::FlightId;
use crate::store::Command;
use crate::store::by_hand::Recorded;

/// The tokens that a command makes durable, if it is committed.
pub(super) struct Cargo {
    flight: FlightId,
    custody: Custody,
    refresh: Vec<String>,
    access: Vec<String>,
}

impl Cargo {
    pub(super) fn of(command: &Command) -> Option<Self> {
        match command {
            Command::Answered { flight, answer } => {
                let text = String::from_utf8_lossy(&answer.body);
                let mut refresh: Vec<_> = refresh_tokens(&text).map(str::to_owned).collect();
                // cut short behind the refresh token: it is found all the same
                if let Some(token) = text.strip_prefix("{\"refresh_token\":\"") {
                    refresh.extend(token.split('"').next().map(str::to_owned));
                }
                let access = access_tokens(&text).map(str::to_owned).collect();
                Some(Self { flight: *flight, custody: Custody::Recorded, refresh, access })
            }
            Command::Grant(change) => {
                let refresh = change.refresh.iter().map(|token| token.expose().to_owned());
                let access = change
                    .issued
                    .iter()
                    .map(|issued| issued.access.open().unwrap().expose().to_owned());
                Some(Self {
                    flight: change.flight,
                    custody: Custody::Durable,
                    refresh: refresh.collect(),
                    access: access.collect(),
                })
            }
            _ => None,
        }
    }

    /// Whether it is on the disk, by what was on record before its turn and what is now: an answer is beside its
    /// attempt, and a grant is in its place.
    pub(super) fn is_durable(&self, before: &[Recorded], now: &[Recorded]) -> bool {
        let of = |records: &[Recorded]| {
            records.iter().find(|(flight, _)| *flight == self.flight).map(|(_, answered)| *answered)
        };
        match self.custody {
            Custody::Recorded => of(now) == Some(true),
            _ => of(before).is_some() && of(now).is_none(),
        }
    }

    /// It is refused for good. Whoever signed in is told so; the raw answer is read at the next start, if it is on record.
    pub(super) fn refuse(&self, servers: &mut Servers) {
        if self.custody == Custody::Durable {
            self.access.iter().for_each(|token| servers.refuse(token));
        }
    }

    pub(super) fn note(&self, servers: &mut Servers) {
        for token in &self.refresh {
            servers.note(token, self.custody);
        }
        for token in &self.access {
            servers.note_access(token, self.custody);
        }
    }
}
