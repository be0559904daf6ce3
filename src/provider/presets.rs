//! The presets: one file each, embedded.

use super::definition::Provider;
use super::example::split_examples;
use super::template;
use crate::model::ProviderId;

/// The presets' texts, by name.
const FILES: [(&str, &str); 71] = [
    ("airtable", include_str!("presets/airtable.toml")),
    ("amazon", include_str!("presets/amazon.toml")),
    ("asana", include_str!("presets/asana.toml")),
    ("atlassian", include_str!("presets/atlassian.toml")),
    ("auth0", include_str!("presets/auth0.toml")),
    ("authentik", include_str!("presets/authentik.toml")),
    ("bitbucket", include_str!("presets/bitbucket.toml")),
    ("box", include_str!("presets/box.toml")),
    ("calendly", include_str!("presets/calendly.toml")),
    ("canva", include_str!("presets/canva.toml")),
    ("clickup", include_str!("presets/clickup.toml")),
    ("cognito", include_str!("presets/cognito.toml")),
    ("discord", include_str!("presets/discord.toml")),
    ("docusign", include_str!("presets/docusign.toml")),
    ("dropbox", include_str!("presets/dropbox.toml")),
    ("ebay", include_str!("presets/ebay.toml")),
    ("etsy", include_str!("presets/etsy.toml")),
    ("exact-online", include_str!("presets/exact-online.toml")),
    ("facebook", include_str!("presets/facebook.toml")),
    ("fastmail", include_str!("presets/fastmail.toml")),
    ("figma", include_str!("presets/figma.toml")),
    ("fitbit", include_str!("presets/fitbit.toml")),
    ("gitea", include_str!("presets/gitea.toml")),
    ("github", include_str!("presets/github.toml")),
    ("github-app", include_str!("presets/github-app.toml")),
    ("gitlab", include_str!("presets/gitlab.toml")),
    ("google", include_str!("presets/google.toml")),
    ("hubspot", include_str!("presets/hubspot.toml")),
    ("intercom", include_str!("presets/intercom.toml")),
    ("jobber", include_str!("presets/jobber.toml")),
    ("keycloak", include_str!("presets/keycloak.toml")),
    ("linear", include_str!("presets/linear.toml")),
    ("linkedin", include_str!("presets/linkedin.toml")),
    ("mailchimp", include_str!("presets/mailchimp.toml")),
    ("mastodon", include_str!("presets/mastodon.toml")),
    ("microsoft", include_str!("presets/microsoft.toml")),
    ("miro", include_str!("presets/miro.toml")),
    ("monday", include_str!("presets/monday.toml")),
    ("netsuite", include_str!("presets/netsuite.toml")),
    ("nextcloud", include_str!("presets/nextcloud.toml")),
    ("notion", include_str!("presets/notion.toml")),
    ("okta", include_str!("presets/okta.toml")),
    ("ory-hydra", include_str!("presets/ory-hydra.toml")),
    ("oura", include_str!("presets/oura.toml")),
    ("parqex", include_str!("presets/parqex.toml")),
    ("paypal", include_str!("presets/paypal.toml")),
    ("pinterest", include_str!("presets/pinterest.toml")),
    ("quickbooks", include_str!("presets/quickbooks.toml")),
    ("reddit", include_str!("presets/reddit.toml")),
    ("salesforce", include_str!("presets/salesforce.toml")),
    ("sentry", include_str!("presets/sentry.toml")),
    ("shopify", include_str!("presets/shopify.toml")),
    ("slack", include_str!("presets/slack.toml")),
    ("spotify", include_str!("presets/spotify.toml")),
    ("strava", include_str!("presets/strava.toml")),
    ("tiktok", include_str!("presets/tiktok.toml")),
    ("todoist", include_str!("presets/todoist.toml")),
    ("trakt", include_str!("presets/trakt.toml")),
    ("twitch", include_str!("presets/twitch.toml")),
    ("webex", include_str!("presets/webex.toml")),
    ("whoop", include_str!("presets/whoop.toml")),
    ("wise", include_str!("presets/wise.toml")),
    ("withings", include_str!("presets/withings.toml")),
    ("wordpress-com", include_str!("presets/wordpress-com.toml")),
    ("x", include_str!("presets/x.toml")),
    ("xero", include_str!("presets/xero.toml")),
    ("yahoo", include_str!("presets/yahoo.toml")),
    ("zendesk", include_str!("presets/zendesk.toml")),
    ("zitadel", include_str!("presets/zitadel.toml")),
    ("zoho", include_str!("presets/zoho.toml")),
    ("zoom", include_str!("presets/zoom.toml")),
];

/// All presets, by name, with values to show in their gaps.
pub fn presets() -> impl Iterator<Item = Provider> {
    FILES.iter().map(|(name, text)| {
        template::sample(split_examples(text).0)
            .unwrap_or_else(|error| unreachable!("preset {name}: {error}"))
    })
}

/// The preset of a name, with values to show in its gaps.
#[must_use]
pub fn preset(id: &ProviderId) -> Option<Provider> {
    template::sample(split_examples(preset_text(id)?).0).ok()
}

/// The file of a preset.
#[must_use]
pub fn preset_text(id: &ProviderId) -> Option<&'static str> {
    preset_texts().find(|(name, _)| *name == id.as_str()).map(|(_, text)| text)
}

/// The files of all of them.
pub(super) fn preset_texts() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{Body, Example, ExampleOf, Method, Pkce, Redirect, Rotation, examples};

    #[test]
    fn each_preset_is_sound_named_as_its_file_and_says_where_its_facts_are_from() {
        for (name, text) in FILES {
            let provider = template::sample(split_examples(text).0)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(provider.id.as_str(), name);
            assert!(provider.source.is_some(), "{name} has no source");
            assert!(provider.verified.is_some(), "{name} says nothing of what was verified");
            assert!(provider.scopes.known.covers(&provider.scopes.defaults), "{name}");
        }
        let names: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert!(names.is_sorted());
    }

    #[test]
    fn a_definition_survives_being_written_down() {
        for provider in presets() {
            assert_eq!(Provider::parse(&provider.to_toml()).unwrap(), provider);
        }
    }

    #[test]
    fn each_preset_has_examples_of_an_exchange_and_of_a_refusal() {
        for (name, text) in FILES {
            let examples = examples(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let has = |wanted: fn(&Example) -> bool| examples.iter().any(wanted);
            assert!(examples.len() >= 3, "{name} has {}", examples.len());
            assert!(
                has(|it| it.of == ExampleOf::Exchange && it.expect.outcome == "granted"),
                "{name}"
            );
            assert!(has(|it| it.expect.outcome != "granted"), "{name}");
        }
    }

    #[test]
    fn parqex_is_asked_as_it_documents() {
        let parqex = preset(&"parqex".parse().unwrap()).unwrap();
        assert_eq!((parqex.http.method, parqex.http.body), (Method::Get, Body::Query));
        assert_eq!((parqex.pkce, parqex.rotation), (Pkce::Off, Rotation::Strict));
        assert_eq!(parqex.redirect, Redirect::HttpsOnly);
        assert_eq!(parqex.scopes.separator, ",");
    }
}
