//! Device authorization (RFC 8628): the user types a short code in, in a browser that may be on
//! another machine.

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use url::Url;

use super::answer::read_failure;
use super::client::{Client, authenticate, reach};
use super::error::OauthError;
use super::http::Http;
use super::request::{Outgoing, Params, SentSecrets, form_body, plain_headers, targets};
use super::scrub::plain;
use crate::model::{ClientSecret, DeviceCode, Failure, FailureClass, Now, Scopes, Target};
use crate::provider::{Provider, check_endpoint, is_loopback};

/// How long a code is good for where the answer does not say, although it must.
const LIFETIME: Duration = Duration::from_mins(10);
/// The longest that is waited for a user.
const LIFETIME_MAX: Duration = Duration::from_mins(30);
/// The interval where the answer does not say (RFC 8628, 3.2).
const INTERVAL: Duration = Duration::from_secs(5);
/// The longest interval that is believed.
const INTERVAL_MAX: Duration = Duration::from_mins(2);
/// The longest code that a person could type in, in bytes.
const USER_CODE_MAX: usize = 64;
/// The longest device code, in bytes.
const DEVICE_CODE_MAX: usize = 8 * 1024;

/// What a provider wants the user to do, and what to ask it with meanwhile.
#[derive(Debug)]
pub struct DeviceAuthorization {
    /// What the token endpoint is asked with.
    pub device_code: DeviceCode,
    /// What the user types in.
    pub user_code: String,
    /// Where.
    pub verification_uri: Url,
    /// The same with the code in it.
    pub verification_uri_complete: Option<Url>,
    /// How long both codes are good for.
    pub lifetime: Duration,
    /// The time between two questions, at least.
    pub interval: Duration,
}

/// The answer of a device authorization endpoint (RFC 8628, 3.2), with Google's older name.
#[derive(Deserialize)]
struct Answer {
    device_code: DeviceCode,
    user_code: String,
    #[serde(alias = "verification_url")]
    verification_uri: String,
    #[serde(default, alias = "verification_url_complete")]
    verification_uri_complete: Option<String>,
    #[serde(default)]
    expires_in: Option<f64>,
    #[serde(default)]
    interval: Option<f64>,
}

/// Begins an authorization on another device.
pub async fn authorize_device(
    http: &Http,
    provider: &Provider,
    client: Client<'_>,
    scopes: &Scopes,
    target: &Target,
    now: Now,
) -> Result<DeviceAuthorization, OauthError> {
    let provider = &*reach(provider, client);
    let Some(url) = &provider.device_url else { return Err(OauthError::NoDeviceFlow) };
    check_endpoint(url)
        .map_err(|problem| OauthError::Endpoint { what: "device endpoint", problem })?;
    let mut params = Params::default();
    let scope = scopes.join(&provider.scopes.separator);
    if !scope.is_empty() {
        params.set("scope", &scope);
    }
    for (name, value) in targets(target) {
        params.set(name, value);
    }
    let mut headers = plain_headers();
    authenticate(provider, client, &mut params, &mut headers, now)?;
    // RFC 8628, 3.1: the client says who it is, also where it authenticates itself in a header
    params.set("client_id", client.id.as_str());
    let body = Some(form_body(&params, provider, &mut headers));
    let request = Outgoing::new(Method::POST, url.clone(), headers, body).from(client, now)?;
    let answer = http.carry(request).await;
    let answer = answer.map_err(|error| OauthError::Device(error.into_failure()))?;
    if (200..300).contains(&answer.status)
        && let Ok(said) = serde_json::from_slice::<Answer>(&answer.body)
    {
        return said.check(url);
    }
    let sent = SentSecrets::new(client.secret.map(ClientSecret::expose));
    Err(OauthError::Device(read_failure(provider, &answer, &sent, now)))
}

impl Answer {
    fn check(self, endpoint: &Url) -> Result<DeviceAuthorization, OauthError> {
        let odd = |what: &str| {
            let failure = Failure::new(FailureClass::RequestBroken, what.to_owned());
            Err(OauthError::Device(failure))
        };
        let code = self.device_code.expose();
        if code.is_empty() || code.len() > DEVICE_CODE_MAX {
            return odd("the answer holds no device code");
        }
        let user_code = plain(&self.user_code);
        let fits = (1..=USER_CODE_MAX).contains(&user_code.len());
        if !fits || user_code != self.user_code {
            return odd("the answer holds no code that a person could type in");
        }
        // it is opened in a browser, and shown to people who will type it
        let page = |text: &str| {
            let url = Url::parse(text).ok()?;
            let fits = url.scheme() == "https" || (is_loopback(&url) && is_loopback(endpoint));
            fits.then_some(url)
        };
        let Some(verification_uri) = page(&self.verification_uri) else {
            return odd("the answer names no page to visit, or none with https");
        };
        let seconds = |seconds: Option<f64>, usual, max: Duration| {
            let said = seconds.filter(|seconds| *seconds > 0.0);
            let said = said.and_then(|seconds| Duration::try_from_secs_f64(seconds.min(1e6)).ok());
            said.map_or(usual, |said| said.min(max))
        };
        Ok(DeviceAuthorization {
            verification_uri_complete: self.verification_uri_complete.as_deref().and_then(page),
            lifetime: seconds(self.expires_in, LIFETIME, LIFETIME_MAX),
            interval: seconds(self.interval, INTERVAL, INTERVAL_MAX).max(Duration::from_secs(1)),
            device_code: self.device_code,
            user_code,
            verification_uri,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<DeviceAuthorization, OauthError> {
        let endpoint = Url::parse("https://as.example/device").unwrap();
        serde_json::from_str::<Answer>(json).unwrap().check(&endpoint)
    }

    #[test]
    fn the_answer_of_rfc_8628() {
        let read = read(
            "{\"device_code\":\"fake-device\",\"user_code\":\"WDJB-MJHT\",\
             \"verification_uri\":\"https://example.com/device\",\
             \"verification_uri_complete\":\"https://example.com/device?user_code=WDJB-MJHT\",\
             \"expires_in\":1800,\"interval\":7}",
        )
        .unwrap();
        assert_eq!(read.device_code.expose(), "fake-device");
        assert_eq!(read.user_code, "WDJB-MJHT");
        assert_eq!(read.verification_uri.as_str(), "https://example.com/device");
        assert!(read.verification_uri_complete.is_some());
        assert_eq!((read.lifetime.as_secs(), read.interval.as_secs()), (1800, 7));
    }

    #[test]
    fn googles_older_names_and_what_is_not_said() {
        let read = read(
            "{\"device_code\":\"d\",\"user_code\":\"U\",\
             \"verification_url\":\"https://www.google.com/device\"}",
        )
        .unwrap();
        assert_eq!((read.lifetime, read.interval), (LIFETIME, INTERVAL));
    }

    #[test]
    fn nothing_is_shown_or_opened_that_is_not_what_it_should_be() {
        for (code, page) in [
            ("", "https://x.example/"),
            ("a\\nb", "https://x.example/"),
            ("A", "http://x.example/"),
            ("A", "file:///etc/passwd"),
            ("A", "javascript:alert(1)"),
            ("A", "http://127.0.0.1:5/"),
        ] {
            let json = format!(
                "{{\"device_code\":\"d\",\"user_code\":\"{code}\",\"verification_uri\":\"{page}\"}}"
            );
            assert!(read(&json).is_err(), "{json}");
        }
    }
}
