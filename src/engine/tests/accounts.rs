//! The accounts of the small world: what they are called, and whether they have a login.

use super::provider::{Kind, Servers};
use super::world::{Asked, Question, World};

/// The accounts of the small world, and what their servers do.
pub(super) const ACCOUNTS: [(&str, &str, Kind, i64); 7] = [
    ("one", "strict", Kind::Strict, 3_600_000),
    ("two", "strict", Kind::Strict, 900_000),
    ("three", "timed", Kind::Timed, 1_800_000),
    ("four", "confirmed", Kind::Confirmed, 1_200_000),
    ("five", "static", Kind::Static, 3_600_000),
    ("six", "robots", Kind::Secret, 1_800_000),
    ("seven", "robots", Kind::Key, 900_000),
];

/// Those of them that have a person.
pub(super) const PEOPLE: usize = 5;

/// The names that accounts can have.
pub(super) const ALIASES: [(&str, &str); 7] = [
    ("one", "uno"),
    ("two", "due"),
    ("three", "tre"),
    ("four", "quattro"),
    ("five", "cinque"),
    ("six", "sei"),
    ("seven", "sette"),
];

impl World {
    /// The name that an account has by now.
    pub(super) fn name(&self, who: &'static str) -> &'static str {
        self.names.get(who).copied().unwrap_or(who)
    }

    /// The one that it has not.
    pub(super) fn other_name(&self, who: &'static str) -> &'static str {
        let (first, second) = ALIASES.into_iter().find(|(name, _)| *name == who).unwrap();
        if self.name(who) == first { second } else { first }
    }

    pub(super) fn renamed(&mut self, who: &'static str, name: &'static str) {
        self.names.insert(who, name);
    }

    /// The user has ended what the account had, or may have.
    pub(super) fn end(&mut self, who: &'static str) {
        self.ended.insert(who, u32::try_from(self.sky.air().servers.grants.len()).unwrap());
    }

    /// Whether an account has a login that its provider honours, and its user.
    pub(super) fn honoured(&self, servers: &Servers, who: &str) -> bool {
        let ended = |number: u32| self.ended.get(who).is_some_and(|ended| number <= *ended);
        // who is about to leave may have left, and not have been told yet
        let leaves = |it: &Question| it.account == who && it.asked == Asked::Leave;
        !self.questions.iter().any(leaves)
            && servers
                .newest(who, self.now())
                .is_some_and(|(number, stands)| stands && !ended(number))
    }
}
