//! ortie (2.3): what it writes to the account's `storage.write.command`, and `storage.read.command`
//! prints: the token endpoint's answer as JSON, all fields always there, and when it came. It says
//! nothing of whose it is; that is in `config.toml`, which in turn has no token.

use serde::Deserialize;

use super::draft::{Draft, Hidden};
use super::json;
use super::{Format, ImportError, Imported};
use crate::model::Scopes;

#[derive(Deserialize)]
struct Stored {
    refresh_token: Option<Hidden>,
    scope: Option<String>,
}

pub(super) fn read(text: &str) -> Result<Vec<Imported>, ImportError> {
    let begin = text.trim_start();
    if !begin.starts_with('{') && text.contains("client-id") && text.contains("storage") {
        return Err(ImportError::Foreign {
            found: "ortie's configuration, which has no tokens",
            then: "run its storage.read.command, and pipe in what it prints",
        });
    }
    json::logins(Format::Ortie, text, |stored: Stored| {
        Ok(Draft {
            refresh_token: stored.refresh_token,
            scopes: Scopes::parse_lenient(&stored.scope.unwrap_or_default()),
            ..Draft::default()
        })
    })
}
