//! From the texts of a login to its values. All that a reader does not know stays absent.

use serde::{Deserialize, Deserializer};
use url::Url;
use zeroize::Zeroizing;

use super::known;
use super::{Format, ImportError, Imported};
use crate::model::{ClientSecret, RefreshToken, Scopes};

/// As long as a token may be that a provider answers with.
const SECRET_MAX: usize = 64 * 1024;

const NAME_MAX: usize = 256;
const ADDRESS_MAX: usize = 2048;

/// A secret on its way: wiped wherever it is dropped.
#[derive(Default)]
pub(super) struct Hidden(Zeroizing<String>);

impl Hidden {
    pub(super) fn of(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    fn take(mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// A login as it was written.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) name: Option<String>,
    pub(super) issuer: Option<String>,
    /// The provider's token endpoint, if the input names one.
    pub(super) token_endpoint: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<Hidden>,
    pub(super) refresh_token: Option<Hidden>,
    pub(super) scopes: Scopes,
    pub(super) audience: Option<String>,
    /// In the order in which the program would use them.
    pub(super) redirect_uris: Vec<String>,
}

/// Where a login begins in an input, and whose form that has.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) format: Format,
}

impl Place {
    fn wrong(self, field: &'static str, problem: &'static str) -> ImportError {
        ImportError::Field { line: self.line, field, problem, format: self.format }
    }

    pub(super) fn malformed(self) -> ImportError {
        ImportError::Malformed { line: self.line, format: self.format }
    }
}

impl Draft {
    /// The login, if there is a refresh token. An odd value refuses the login where it would be
    /// needed to renew it, and is left out where it would only be of use.
    pub(super) fn finish(self, place: Place) -> Result<Option<Imported>, ImportError> {
        let Some(refresh_token) = secret(self.refresh_token, place, "the refresh token")? else {
            return Ok(None);
        };
        let refresh_token = RefreshToken::new(refresh_token);
        let client_secret = secret(self.client_secret, place, "the client secret")?;
        let client_secret = client_secret.map(ClientSecret::new);
        let client_id = given(self.client_id)
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| place.wrong("the client id", "is no client id"))?;
        let token_endpoint = given(self.token_endpoint)
            .map(|text| address(&text))
            .transpose()
            .map_err(|problem| place.wrong("the token endpoint", problem))?;
        let issuer = given(self.issuer)
            .map(|text| address(&text).map(|_| text))
            .transpose()
            .map_err(|problem| place.wrong("the issuer", problem))?;
        // an issuer says more than one of its endpoints
        let provider = match (&issuer, &token_endpoint) {
            (Some(issuer), _) => known::by_issuer(issuer),
            (None, Some(endpoint)) => known::by_token_endpoint(endpoint),
            (None, None) => None,
        };
        let redirect_uri = self.redirect_uris.into_iter().find(|text| address(text).is_ok());
        Ok(Some(Imported {
            name: given(self.name).map(|name| shortened(&name)).filter(|name| !name.is_empty()),
            provider,
            token_endpoint,
            client_id,
            client_secret,
            refresh_token,
            scopes: Some(self.scopes).filter(|scopes| !scopes.is_empty()),
            audience: given(self.audience).and_then(|text| text.parse().ok()),
            redirect_uri,
        }))
    }
}

/// An empty text says as little as none.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// The secret, if it is one as the standard has it (RFC 6749, A.2 and A.17): visible ASCII and spaces.
fn secret(
    hidden: Option<Hidden>,
    place: Place,
    field: &'static str,
) -> Result<Option<String>, ImportError> {
    let Some(hidden) = hidden.filter(|hidden| !hidden.0.is_empty()) else { return Ok(None) };
    if hidden.0.len() > SECRET_MAX {
        return Err(place.wrong(field, "is too long to be one"));
    }
    if !hidden.0.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err(place.wrong(field, "has characters in it that none has"));
    }
    Ok(Some(hidden.take()))
}

fn address(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is no address")?;
    if text.len() > ADDRESS_MAX {
        return Err("is too long for an address");
    }
    if !matches!(url.scheme(), "https" | "http") {
        return Err("is no web address");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user or a password in it");
    }
    Ok(url)
}

/// The first line of a name, cut where a name ends at the latest.
fn shortened(name: &str) -> String {
    let line = name.trim().split(char::is_control).next().unwrap_or_default();
    let end = line.floor_char_boundary(NAME_MAX);
    line[..end].trim_end().to_owned()
}
