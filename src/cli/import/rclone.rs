//! rclone: `rclone.conf`, an INI file with a section for each remote. Those with OAuth have a `token`,
//! which is JSON as Go's oauth2 writes it. A `client_id` is there only if the user brought one.

use serde::Deserialize;

use super::draft::{Draft, Hidden, Place};
use super::known;
use super::{Format, ImportError, Imported, LOGINS_MAX};
use crate::model::Scopes;

#[derive(Deserialize)]
struct Token {
    /// The other name is of the time before Go's oauth2.
    #[serde(alias = "RefreshToken")]
    refresh_token: Option<Hidden>,
}

/// What of a section matters. Values are places in the input, which the caller wipes.
#[derive(Default)]
struct Remote<'a> {
    line: usize,
    name: &'a str,
    kind: &'a str,
    token: &'a str,
    token_line: usize,
    client_id: &'a str,
    client_secret: &'a str,
    token_url: &'a str,
    scope: &'a str,
    access_scopes: &'a str,
    tenant: &'a str,
    region: &'a str,
}

pub(super) fn read(text: &str) -> Result<Vec<Imported>, ImportError> {
    let mut found = Vec::new();
    let mut remote = Remote::default();
    for (place, line) in text.lines().enumerate() {
        let place = Place { line: place + 1, format: Format::Rclone };
        let line = line.trim();
        if line.starts_with("RCLONE_ENCRYPT_V") {
            return Err(ImportError::Encrypted { by: "rclone", format: Format::Rclone });
        }
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            keep(remote, &mut found)?;
            remote = Remote { line: place.line, name: name.trim(), ..Remote::default() };
        } else {
            let (key, value) = line.split_once(['=', ':']).ok_or(place.malformed())?;
            // before any section: JSON, say, such as `rclone config dump` prints
            if remote.line == 0 {
                return Err(place.malformed());
            }
            remote.set(bare(key.trim()), unquoted(value.trim()), place.line);
        }
    }
    keep(remote, &mut found)?;
    Ok(found)
}

fn keep(remote: Remote<'_>, found: &mut Vec<Imported>) -> Result<(), ImportError> {
    found.extend(remote.login()?);
    if found.len() > LOGINS_MAX { Err(ImportError::TooMany) } else { Ok(()) }
}

/// A key without the quotes that it may be in.
fn bare(key: &str) -> &str {
    key.trim_matches(['"', '`'])
}

/// A value without the quotes that rclone puts around one with a backtick in it.
fn unquoted(value: &str) -> &str {
    ["\"\"\"", "`"]
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value)
}

impl<'a> Remote<'a> {
    fn set(&mut self, key: &str, value: &'a str, line: usize) {
        match key {
            "type" => self.kind = value,
            "token" => (self.token, self.token_line) = (value, line),
            "client_id" => self.client_id = value,
            "client_secret" => self.client_secret = value,
            // the other name is jottacloud's
            "token_url" | "tokenURL" => self.token_url = value,
            "scope" => self.scope = value,
            "access_scopes" => self.access_scopes = value,
            "tenant" => self.tenant = value,
            "region" => self.region = value,
            _ => {}
        }
    }

    /// The login of this remote, if it has one.
    fn login(self) -> Result<Option<Imported>, ImportError> {
        let place = |line| Place { line, format: Format::Rclone };
        // what a token may also be, in remotes without OAuth, is a text of their own
        if !self.token.starts_with('{') {
            return Ok(None);
        }
        let token: Token =
            serde_json::from_str(self.token).map_err(|_| place(self.token_line).malformed())?;
        Draft {
            name: Some(self.name.to_owned()),
            token_endpoint: self.token_endpoint().map(ToOwned::to_owned),
            scopes: self.scopes(),
            client_id: Some(self.client_id.to_owned()),
            client_secret: Some(Hidden::of(self.client_secret)),
            refresh_token: token.refresh_token,
            ..Draft::default()
        }
        .finish(place(self.line))
    }

    /// What the remote says, or what rclone has built in, where that is one address.
    fn token_endpoint(&self) -> Option<&str> {
        if !self.token_url.is_empty() {
            return Some(self.token_url);
        }
        match self.kind {
            "drive" | "google photos" | "google cloud storage" => Some(known::GOOGLE),
            "onedrive" => (matches!(self.region, "" | "global")
                && matches!(self.tenant, "" | "common"))
            .then_some(known::MICROSOFT),
            "box" => Some("https://app.box.com/api/oauth2/token"),
            "dropbox" => Some("https://api.dropboxapi.com/oauth2/token"),
            "hidrive" => Some("https://my.hidrive.com/oauth2/token"),
            "premiumizeme" => Some("https://www.premiumize.me/token"),
            "yandex" => Some("https://oauth.yandex.com/token"),
            _ => None,
        }
    }

    fn scopes(&self) -> Scopes {
        match self.kind {
            // short names, with commas between them
            "drive" => {
                let names = self.scope.split(',').map(str::trim).filter(|name| !name.is_empty());
                let long = names.map(|name| format!("https://www.googleapis.com/auth/{name}"));
                long.filter_map(|scope| scope.parse().ok()).collect()
            }
            "onedrive" => Scopes::parse_lenient(self.access_scopes),
            _ => Scopes::default(),
        }
    }
}
