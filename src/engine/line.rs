//! What is told of the accounts without being asked: the log hears of each that changed, and the service manager has
//! one line about all of them.

use std::collections::HashMap;

use super::roster::Count;
use crate::api::{Account, State};
use crate::model::AccountId;
use crate::sys::notify;

/// What was told last.
pub(super) struct Told {
    /// The state of each account, to the log.
    states: HashMap<AccountId, State>,
    /// The line, to the service manager.
    line: String,
    /// Whether the line may be out of date.
    is_old: bool,
}

impl Default for Told {
    fn default() -> Self {
        Self { states: HashMap::new(), line: String::new(), is_old: true }
    }
}

impl Told {
    /// An account has changed.
    pub(super) fn changed(&mut self, account: &Account) {
        self.is_old = true;
        let Account { id, name, state, detail, .. } = account;
        // a refresh that goes well is not worth two lines
        if *state != State::Refreshing && self.states.insert(id.clone(), *state) != Some(*state) {
            let (state, detail) = (state.as_str(), detail.as_deref());
            tracing::info!(account = %name, state, detail, "account changed state");
        }
    }

    /// An account has lost its tokens.
    pub(super) fn logged_out(&mut self) {
        self.is_old = true;
    }

    /// An account is gone.
    pub(super) fn gone(&mut self, account: &AccountId) {
        self.states.remove(account);
        self.is_old = true;
    }

    /// Keeps the one line that `systemctl status` shows true.
    pub(super) fn tell_manager(&mut self, count: Count) {
        if !std::mem::take(&mut self.is_old) {
            return;
        }
        let line = line(count);
        if line == self.line {
            return;
        }
        if notify::status(&line) {
            self.line = line;
        } else {
            self.is_old = true;
        }
    }
}

fn line(count: Count) -> String {
    let mut line = match count.accounts {
        0 => "no accounts yet".to_owned(),
        1 => "1 account".to_owned(),
        many => format!("{many} accounts"),
    };
    let parts = [
        (count.login_required, "login-required"),
        (count.held, "held"),
        (count.backing_off, "backing-off"),
    ];
    for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
        line = format!("{line}, {count} {what}");
    }
    line
}
