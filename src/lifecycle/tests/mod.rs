//! Tests on virtual time.

mod adjusting;
mod asking;
mod bounds;
mod challenges;
mod comings_and_goings;
mod device;
mod errands;
mod holding;
mod invariants;
mod keeping;
mod narrowing;
mod neighbours;
mod registrations;
mod rest;
mod scenarios;
mod side_roads;
mod user;
mod world;

use std::time::Duration;

use super::words::{Origin, Rules, TokenEndpoint};
use crate::model::{Failure, FailureClass};

/// Rules of a careful, ordinary provider.
pub(super) fn rules() -> Rules {
    Rules {
        endpoint: TokenEndpoint {
            origin: Origin("https://id.example".into()),
            path: "/token".into(),
        },
        default_lifetime: None,
        strict: true,
        grace: Duration::from_secs(30),
        not_before: None,
        refresh_late: false,
        throttle: None,
        refresh_lifetime: None,
        refresh_idle: None,
        grant_lifetime: None,
        narrows: true,
        exchanges: false,
        case_insensitive: false,
    }
}

/// A failure of a class.
pub(super) fn failure(class: FailureClass) -> Failure {
    let code = (class == FailureClass::DeadGrant).then(|| "invalid_grant".to_owned());
    Failure { code, ..Failure::new(class, "as scripted") }
}
