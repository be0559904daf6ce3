//! What the disk does, on a real database.

use crate::store::by_hand::{ByHand, Lock};

/// What the disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    /// It takes everything.
    Well,
    /// It is full.
    Full,
    /// Another program keeps the database locked: no commit is possible until it lets go.
    Locked,
    /// A statement is refused for good, and trying again does not help.
    Refuses(Refused),
}

/// What is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The intent of a flight.
    Intents,
    /// Raw answers.
    Answers,
    /// Access tokens, with the grants that they are in.
    AccessTokens,
    /// Refresh tokens, with theirs.
    RefreshTokens,
    /// What becomes of an account, with the whole transaction: `SQLite` gives that up upon some errors.
    Accounts,
}

impl Refused {
    pub(super) const ALL: [Self; 5] =
        [Self::Intents, Self::Answers, Self::AccessTokens, Self::RefreshTokens, Self::Accounts];

    /// The statement, and how it is refused.
    fn statement(self) -> (&'static str, &'static str) {
        match self {
            Self::Intents => ("INSERT ON main.attempt", "ABORT"),
            Self::Answers => ("UPDATE OF answer ON main.attempt", "ABORT"),
            Self::AccessTokens => ("INSERT ON main.access_token", "ABORT"),
            Self::RefreshTokens => ("INSERT ON main.refresh_token", "ABORT"),
            Self::Accounts => ("UPDATE ON main.account", "ROLLBACK"),
        }
    }
}

impl Disk {
    /// From now on the disk is like that. Gives the lock of the other program, if there is one: it is held until that is
    /// dropped.
    pub(super) fn bring_about(self, desk: &ByHand) -> Option<Lock> {
        // of what there was before nothing stays; nobody has so many pages
        desk.execute("PRAGMA max_page_count = 1000000; DROP TRIGGER IF EXISTS temp.refusal");
        match self {
            Self::Well => None,
            // no lower than what it has
            Self::Full => {
                desk.execute("PRAGMA max_page_count = 1");
                None
            }
            Self::Locked => Some(desk.lock()),
            Self::Refuses(what) => {
                let (statement, how) = what.statement();
                desk.execute(&format!(
                    "CREATE TEMP TRIGGER refusal BEFORE {statement}
                     BEGIN SELECT RAISE({how}, 'refused for good'); END"
                ));
                None
            }
        }
    }
}
