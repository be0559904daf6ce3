//! oidc-agent (4 and 5): an account configuration as `oidc-gen -p ACCOUNT` prints it. The file itself
//! is encrypted, by a password or by gpg, and ends with a line that names the version.

use serde::Deserialize;

use super::draft::{Draft, Hidden};
use super::{Format, ImportError, Imported, json};
use crate::model::Scopes;

#[derive(Deserialize)]
struct Configuration {
    name: Option<String>,
    issuer_url: Option<String>,
    /// Its name in old versions.
    issuer: Option<String>,
    mytoken_url: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Hidden>,
    refresh_token: Option<Hidden>,
    /// Of version 4.
    scope: Option<String>,
    /// Of version 5: what is asked for at sign-in.
    auth_scope: Option<String>,
    audience: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
}

pub(super) fn read(text: &str) -> Result<Vec<Imported>, ImportError> {
    if is_encrypted(text) {
        return Err(ImportError::Encrypted { by: "oidc-agent", format: Format::OidcAgent });
    }
    json::logins(Format::OidcAgent, text, draft)
}

fn draft(configuration: Configuration) -> Result<Draft, ImportError> {
    if configuration.mytoken_url.is_some_and(|url| !url.is_empty()) {
        return Err(ImportError::Foreign {
            found: "an account with a mytoken, which is no refresh token",
            then: "sign in to the provider itself with ostler login",
        });
    }
    // "max" is not a scope: it stands for all that the provider has
    let scopes = [configuration.auth_scope, configuration.scope];
    let scopes = scopes.into_iter().flatten().find(|text| !matches!(text.as_str(), "" | "max"));
    let issuer = configuration.issuer_url.filter(|url| !url.is_empty()).or(configuration.issuer);
    Ok(Draft {
        name: configuration.name,
        issuer,
        client_id: configuration.client_id,
        client_secret: configuration.client_secret,
        refresh_token: configuration.refresh_token,
        scopes: Scopes::parse_lenient(&scopes.unwrap_or_default()),
        audience: configuration.audience,
        redirect_uris: configuration.redirect_uris,
        ..Draft::default()
    })
}

/// Since 2.1 the first line is the length of what follows in base64; before, all was on one line,
/// with the length and a colon first.
fn is_encrypted(text: &str) -> bool {
    let begin = text.trim_start();
    let digits = begin.len() - begin.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    digits > 0 && begin[digits..].starts_with([':', '\n', '\r'])
        || text.lines().next_back().is_some_and(|line| line.starts_with("Generated using version"))
}
