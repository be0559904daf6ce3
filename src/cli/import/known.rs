//! Which provider an address belongs to. A preset is named where its endpoints are meant beyond
//! doubt: with another tenant, region or server of one's own it would be asked in vain.

use url::Url;

use crate::model::ProviderId;

/// Google's token endpoint, as it is today.
pub(super) const GOOGLE: &str = "https://oauth2.googleapis.com/token";

/// Microsoft's, for accounts of every kind.
pub(super) const MICROSOFT: &str = "https://login.microsoftonline.com/common/oauth2/v2.0/token";

/// Token endpoints of presets: those in the presets, and others that the providers gave out before
/// and that know the same tokens.
const TOKEN_ENDPOINTS: [(&str, &str); 10] = [
    (GOOGLE, "google"),
    ("https://accounts.google.com/o/oauth2/token", "google"),
    ("https://accounts.google.com/o/oauth2/v2/token", "google"),
    ("https://www.googleapis.com/oauth2/v3/token", "google"),
    ("https://www.googleapis.com/oauth2/v4/token", "google"),
    (MICROSOFT, "microsoft"),
    ("https://github.com/login/oauth/access_token", "github"),
    ("https://gitlab.com/oauth/token", "gitlab"),
    ("https://api.parqex.com/oauth/v2/endpoints/token", "parqex"),
    ("https://api.parqex.com/oauth/v2/endpoints/token/", "parqex"),
];

/// Issuers of presets, without a slash at the end.
const ISSUERS: [(&str, &str); 3] = [
    ("https://accounts.google.com", "google"),
    ("https://gitlab.com", "gitlab"),
    ("https://login.microsoftonline.com/common/v2.0", "microsoft"),
];

pub(super) fn by_token_endpoint(endpoint: &Url) -> Option<ProviderId> {
    preset(&TOKEN_ENDPOINTS, endpoint.as_str())
}

/// The preset of an issuer, or the issuer itself.
pub(super) fn by_issuer(issuer: &str) -> Option<ProviderId> {
    preset(&ISSUERS, issuer.trim_end_matches('/')).or_else(|| issuer.parse().ok())
}

fn preset(table: &[(&str, &str)], address: &str) -> Option<ProviderId> {
    let (_, id) = table.iter().find(|(known, _)| *known == address)?;
    id.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRESETS: [&str; 5] = [
        include_str!("../../provider/presets/github.toml"),
        include_str!("../../provider/presets/gitlab.toml"),
        include_str!("../../provider/presets/google.toml"),
        include_str!("../../provider/presets/microsoft.toml"),
        include_str!("../../provider/presets/parqex.toml"),
    ];

    #[test]
    fn every_preset_is_known_by_its_token_endpoint_and_its_issuer() {
        for text in PRESETS {
            // with the usual values in the gaps
            let text = text.replace("{host}", "gitlab.com").replace("{tenant}", "common");
            let preset: toml::Table = text.parse().unwrap();
            let field = |name| preset.get(name).and_then(toml::Value::as_str);
            let id: ProviderId = field("id").unwrap().parse().unwrap();
            let endpoint: Url = field("token_url").unwrap().parse().unwrap();
            assert_eq!(by_token_endpoint(&endpoint).as_ref(), Some(&id));
            if let Some(issuer) = field("issuer") {
                assert_eq!(by_issuer(issuer), Some(id));
            }
        }
    }

    #[test]
    fn the_tables_name_presets_only() {
        for (address, id) in TOKEN_ENDPOINTS.iter().chain(&ISSUERS) {
            let named = format!("id = \"{id}\"");
            assert!(PRESETS.iter().any(|text| text.contains(&named)), "{address}");
        }
    }

    #[test]
    fn another_tenant_or_another_server_is_no_preset() {
        for address in [
            "https://login.microsoftonline.com/organizations/oauth2/v2.0/token",
            "https://gitlab.example.org/oauth/token",
            "http://oauth2.googleapis.com/token",
            "https://oauth2.googleapis.com.example.org/token",
        ] {
            assert_eq!(by_token_endpoint(&address.parse().unwrap()), None, "{address}");
        }
    }

    #[test]
    fn an_issuer_that_no_preset_has_stands_for_itself() {
        let issuer = "https://iam.example.org/realm/";
        assert_eq!(by_issuer(issuer).unwrap().as_str(), issuer);
        assert_eq!(by_issuer("https://accounts.google.com/").unwrap().as_str(), "google");
    }
}
