//! gcloud: application default credentials, and the `adc.json` that it keeps for each account under
//! `legacy_credentials`. Values of its `credentials.db` have the same form, with more fields. Both
//! hold gcloud's own client, unless the user brought one with `--client-id-file`.

use serde::Deserialize;

use super::draft::{Draft, Hidden};
use super::known;
use super::{Format, ImportError, Imported, json};
use crate::model::Scopes;

#[derive(Deserialize)]
struct Credentials {
    r#type: Option<String>,
    account: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Hidden>,
    refresh_token: Option<Hidden>,
    scopes: Option<Asked>,
    token_uri: Option<String>,
    /// The same, in credentials of a workforce pool.
    token_url: Option<String>,
    universe_domain: Option<String>,
}

/// google-auth writes a list, and others a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Asked {
    List(Vec<String>),
    Text(String),
}

pub(super) fn read(text: &str) -> Result<Vec<Imported>, ImportError> {
    json::logins(Format::Gcloud, text, draft)
}

fn draft(credentials: Credentials) -> Result<Draft, ImportError> {
    const LOGIN: &str = "run: gcloud auth application-default login, and give what that writes";
    let kind = credentials.r#type.as_deref().unwrap_or_default();
    let found = match kind {
        // the latter is of a workforce pool, whose users are not Google's
        "authorized_user" | "external_account_authorized_user" => None,
        "service_account" | "gdch_service_account" => {
            Some("the key of a service account, which is no login of a user")
        }
        "impersonated_service_account" => {
            Some("a way to act as a service account, which is more than a login")
        }
        "external_account" => Some("a pointer to a login that is kept elsewhere"),
        _ => Some("JSON, but not credentials of a user (their type is authorized_user)"),
    };
    if let Some(found) = found {
        return Err(ImportError::Foreign { found, then: LOGIN });
    }
    let endpoint = credentials.token_uri.or(credentials.token_url).or_else(|| {
        // where nothing is said it is Google's, unless this is of another cloud built alike
        let universe = credentials.universe_domain.as_deref().unwrap_or("googleapis.com");
        (kind == "authorized_user" && universe == "googleapis.com")
            .then(|| known::GOOGLE.to_owned())
    });
    let scopes = match credentials.scopes {
        Some(Asked::List(list)) => list.join(" "),
        Some(Asked::Text(text)) => text,
        None => String::new(),
    };
    Ok(Draft {
        name: credentials.account,
        token_endpoint: endpoint,
        client_id: credentials.client_id,
        client_secret: credentials.client_secret,
        refresh_token: credentials.refresh_token,
        scopes: Scopes::parse_lenient(&scopes),
        ..Draft::default()
    })
}
