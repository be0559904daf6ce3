//! `mutt_oauth2.py` of mutt and neomutt: its token file is one JSON object, which by default gpg
//! encrypts. In mutt's script the client is a part of the script; neomutt's newer one keeps it here.

use serde::Deserialize;

use super::draft::{Draft, Hidden};
use super::known;
use super::{Format, ImportError, Imported, json};

#[derive(Deserialize)]
struct TokenFile {
    registration: Option<String>,
    email: Option<String>,
    refresh_token: Option<Hidden>,
    client_id: Option<String>,
    client_secret: Option<Hidden>,
}

pub(super) fn read(text: &str) -> Result<Vec<Imported>, ImportError> {
    json::logins(Format::MuttOauth2, text, |file: TokenFile| {
        // a key in the script's table of endpoints: these two are there as it is delivered
        let endpoint = match file.registration.as_deref() {
            Some("google") => Some(known::GOOGLE),
            Some("microsoft") => Some(known::MICROSOFT),
            _ => None,
        };
        Ok(Draft {
            name: file.email,
            token_endpoint: endpoint.map(ToOwned::to_owned),
            client_id: file.client_id,
            client_secret: file.client_secret,
            refresh_token: file.refresh_token,
            ..Draft::default()
        })
    })
}
