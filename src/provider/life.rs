//! The fields about how long tokens live and what ends them.

use serde::{Deserialize, Serialize};

/// What a refresh does to the refresh token that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Rotation {
    /// Dead at once; using it again may kill the grant. The careful assumption.
    #[default]
    Strict,
    /// Never replaced.
    Static,
    /// Replaced; the old one works for some seconds more.
    Timed {
        /// How many.
        seconds: u64,
    },
    /// Replaced; the old one works until the new one is first used.
    UntilConfirmed,
    /// Replaced; the old one is not ended by that.
    Overlapping,
    /// The answer may or may not bring a new one.
    Maybe,
}

/// What a refresh does to the access token before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum AtRefresh {
    /// Nothing: it lives until it expires.
    #[default]
    Lives,
    /// It dies at once.
    Dies,
    /// It dies some seconds later.
    DiesAfter {
        /// How many.
        seconds: u64,
    },
}

/// A throttle on refreshes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxRefreshes {
    /// So many refreshes
    pub count: u32,
    /// in so many seconds.
    pub window: u64,
}
