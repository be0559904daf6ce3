//! What is different for clients that show a certificate on the connection (RFC 8705).

use serde::{Deserialize, Serialize};
use url::Url;

use super::definition::{Provider, is_false};
use super::dialect::Revocation;

/// Where such clients go in the place of the ordinary endpoints (RFC 8705, 5), and what they get there.
/// An endpoint that is not here is the ordinary one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mtls {
    /// Whether access tokens are bound to the certificate (RFC 8705, 3).
    #[serde(skip_serializing_if = "is_false")]
    pub bound_tokens: bool,
    /// The token endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_url: Option<Url>,
    /// Where to refresh, if not at the token endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_url: Option<Url>,
    /// The device authorization endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_url: Option<Url>,
    /// Where authorization requests are pushed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub par_url: Option<Url>,
    /// The introspection endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_url: Option<Url>,
    /// The user's own description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_url: Option<Url>,
    /// Where tokens are revoked, in the style of the ordinary endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_url: Option<Url>,
}

impl Mtls {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The addresses, with their names in a definition.
    pub(super) fn endpoints(&self) -> [(&'static str, Option<&Url>); 7] {
        [
            ("mtls.token_url", self.token_url.as_ref()),
            ("mtls.refresh_url", self.refresh_url.as_ref()),
            ("mtls.device_url", self.device_url.as_ref()),
            ("mtls.par_url", self.par_url.as_ref()),
            ("mtls.introspection_url", self.introspection_url.as_ref()),
            ("mtls.userinfo_url", self.userinfo_url.as_ref()),
            ("mtls.revocation_url", self.revocation_url.as_ref()),
        ]
    }
}

impl Provider {
    /// The definition as it holds for a client that shows a certificate. An alias moves an endpoint and
    /// does not make one.
    #[must_use]
    pub fn for_certificates(&self) -> Self {
        let moved = |ordinary: Option<&Url>, alias: Option<&Url>| {
            ordinary.map(|ordinary| alias.unwrap_or(ordinary).clone())
        };
        let Mtls { token_url, refresh_url, revocation_url, .. } = &self.mtls;
        let revocation = self.revocation.as_ref().map(|Revocation { url, style }| Revocation {
            url: revocation_url.as_ref().unwrap_or(url).clone(),
            style: *style,
        });
        Self {
            token_url: token_url.as_ref().unwrap_or(&self.token_url).clone(),
            refresh_url: moved(self.refresh_url.as_ref(), refresh_url.as_ref()),
            device_url: moved(self.device_url.as_ref(), self.mtls.device_url.as_ref()),
            par_url: moved(self.par_url.as_ref(), self.mtls.par_url.as_ref()),
            introspection_url: moved(
                self.introspection_url.as_ref(),
                self.mtls.introspection_url.as_ref(),
            ),
            userinfo_url: moved(self.userinfo_url.as_ref(), self.mtls.userinfo_url.as_ref()),
            revocation,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_take_the_place_of_endpoints_that_are_there() {
        let provider = Provider::parse(
            "id = \"x\"\ntitle = \"X\"\nauthorization_url = \"https://x.example/a\"\n\
             token_url = \"https://x.example/t\"\nuserinfo_url = \"https://x.example/u\"\n\
             [revocation]\nurl = \"https://x.example/r\"\nstyle = \"json\"\n\
             [mtls]\ntoken_url = \"https://mtls.x.example/t\"\n\
             device_url = \"https://mtls.x.example/d\"\nrevocation_url = \"https://mtls.x.example/r\"",
        )
        .unwrap();
        let theirs = provider.for_certificates();
        assert_eq!(theirs.token_url.as_str(), "https://mtls.x.example/t");
        assert_eq!(theirs.refresh_endpoint().as_str(), "https://mtls.x.example/t");
        assert_eq!(theirs.authorization_url, provider.authorization_url, "the browser's own");
        assert_eq!(theirs.userinfo_url, provider.userinfo_url, "it has no alias");
        assert_eq!(theirs.device_url, None, "there is none to move");
        let (ours, before) = (theirs.revocation.unwrap(), provider.revocation.unwrap());
        assert_eq!(ours.url.as_str(), "https://mtls.x.example/r");
        assert_eq!(ours.style, before.style);
    }

    #[test]
    fn an_alias_is_an_address_to_which_secrets_may_go() {
        let text = "id = \"x\"\ntitle = \"X\"\nauthorization_url = \"https://x.example/a\"\n\
                    token_url = \"https://x.example/t\"\n[mtls]\ntoken_url = \"http://x.example/t\"";
        let error = Provider::parse(text).unwrap_err();
        assert!(error.problem().contains("mtls.token_url"), "{error}");
        assert!(error.problem().contains("https"), "{error}");
    }
}
