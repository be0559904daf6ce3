//! Which accounts are kept fresh ahead of time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::names::AccountName;

/// When an account's access token is refreshed without anybody asking for it. In every mode the
/// refresh token is used before it would die of disuse, and a refresh whose outcome is not known is
/// settled at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Whenever it is due: a fresh token is always at hand.
    #[default]
    Always,
    /// As long as somebody asked for it within its last five lives.
    Warm,
    /// Never: only when somebody asks.
    Lazy,
}

impl Mode {
    /// The name used in the settings and on the faces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Warm => "warm",
            Self::Lazy => "lazy",
        }
    }
}

/// The modes of all accounts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Modes {
    /// That of an account which has none of its own.
    pub default: Mode,
    /// By account.
    pub accounts: BTreeMap<AccountName, Mode>,
}

impl Modes {
    /// The mode of an account.
    #[must_use]
    pub fn of(&self, account: &AccountName) -> Mode {
        self.accounts.get(account).copied().unwrap_or(self.default)
    }
}
