//! Floor 2: settings, from `$XDG_CONFIG_HOME/ostler/ostler.toml`. Everything has a default; the file
//! need not be there.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::{AccountName, ClientId, Mode, Modes, check_document_url};

/// What a user can set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Refreshes at the same time, over all accounts; 1 to 256.
    pub max_flights: usize,
    /// Connections to the socket at the same time; 16 to 4096.
    pub max_connections: usize,
    /// Whether the desktop is told when an account has to be signed in again.
    pub notifications: bool,
    /// The address of the document that describes the user's own client to providers that take such clients.
    pub client_id_metadata_document: Option<ClientId>,
    /// When accounts are refreshed without anybody asking: `always`, `warm` or `lazy`.
    pub mode: Mode,
    /// What holds for single accounts, by name.
    pub accounts: BTreeMap<AccountName, AccountSettings>,
}

/// What a user can set for one account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// Its mode.
    pub mode: Mode,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_flights: 32,
            max_connections: 1536,
            notifications: true,
            client_id_metadata_document: None,
            mode: Mode::default(),
            accounts: BTreeMap::new(),
        }
    }
}

/// Why a text is not settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not TOML, an unknown field, or a value of the wrong form; the message has line and column.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A number out of its range.
    #[error("{field} is {value}, but has to be from {least} to {most}")]
    Range {
        /// The field.
        field: &'static str,
        /// Its value.
        value: usize,
        /// The least value.
        least: usize,
        /// The greatest value.
        most: usize,
    },
    /// What should be the address of a client's document is none.
    #[error("client_id_metadata_document {problem}")]
    Document {
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Settings {
    /// Reads settings.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let settings: Self = toml::from_str(text)?;
        for (field, value, least, most) in [
            ("max_flights", settings.max_flights, 1, 256),
            ("max_connections", settings.max_connections, 16, 4096),
        ] {
            if !(least..=most).contains(&value) {
                return Err(SettingsError::Range { field, value, least, most });
            }
        }
        if let Some(url) = &settings.client_id_metadata_document {
            check_document_url(url.as_str())
                .map_err(|problem| SettingsError::Document { problem })?;
        }
        Ok(settings)
    }

    /// The modes of all accounts.
    #[must_use]
    pub fn modes(&self) -> Modes {
        let accounts = self.accounts.iter().map(|(name, own)| (name.clone(), own.mode));
        Modes { default: self.mode, accounts: accounts.collect() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_file_is_the_default_and_a_typing_error_is_named_with_its_line() {
        assert_eq!(Settings::parse("").unwrap(), Settings::default());
        let error = Settings::parse("max_flights = 8\nmax_flight = 9\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("max_flight"), "{error}");
    }

    #[test]
    fn an_account_may_have_a_mode_of_its_own() {
        let text = "mode = \"warm\"\n[accounts.\"work/mail\"]\nmode = \"lazy\"\n";
        let modes = Settings::parse(text).unwrap().modes();
        assert_eq!(modes.of(&"work/mail".parse().unwrap()), Mode::Lazy);
        assert_eq!(modes.of(&"parqex".parse().unwrap()), Mode::Warm);
        let error = Settings::parse("mode = \"hot\"").unwrap_err().to_string();
        assert!(error.contains("line 1") && error.contains("always"), "{error}");
    }

    #[test]
    fn numbers_have_a_range() {
        let error = Settings::parse("max_flights = 0").unwrap_err().to_string();
        assert_eq!(error, "max_flights is 0, but has to be from 1 to 256");
    }

    #[test]
    fn a_client_of_the_users_own_has_the_address_of_its_document() {
        let settings =
            |url: &str| Settings::parse(&format!("client_id_metadata_document = \"{url}\""));
        let found = settings("https://me.example/ostler.json").unwrap();
        assert_eq!(
            found.client_id_metadata_document.unwrap().as_str(),
            "https://me.example/ostler.json"
        );
        let error = settings("https://me.example").unwrap_err().to_string();
        assert_eq!(error, "client_id_metadata_document must have a path");
    }

    proptest! {
        #[test]
        fn any_text_is_settings_within_their_ranges_or_refused(
            text in prop_oneof![
                ".{0,100}",
                "(max_(flights|connections) = [-0-9_.e\"]{1,20}\n){0,3}",
            ],
        ) {
            if let Ok(settings) = Settings::parse(&text) {
                prop_assert!((1..=256).contains(&settings.max_flights));
                prop_assert!((16..=4096).contains(&settings.max_connections));
            }
        }
    }
}
