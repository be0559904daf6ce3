//! The presets: one file each, embedded.

use crate::model::ProviderId;
use crate::provider::Provider;

/// The presets' texts, by name.
const FILES: [(&str, &str); 5] = [
    ("github", include_str!("presets/github.toml")),
    ("gitlab", include_str!("presets/gitlab.toml")),
    ("google", include_str!("presets/google.toml")),
    ("microsoft", include_str!("presets/microsoft.toml")),
    ("parqex", include_str!("presets/parqex.toml")),
];

/// All presets, by name.
pub fn presets() -> impl Iterator<Item = Provider> {
    FILES.iter().map(|(name, text)| {
        Provider::parse(text).unwrap_or_else(|error| unreachable!("preset {name}: {error}"))
    })
}

/// The preset of a name.
#[must_use]
pub fn preset(id: &ProviderId) -> Option<Provider> {
    let (_, text) = FILES.iter().find(|(name, _)| *name == id.as_str())?;
    Provider::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{Body, Method, Pkce, Redirect, Rotation};

    #[test]
    fn each_preset_is_sound_named_as_its_file_and_says_where_its_facts_are_from() {
        for (name, text) in FILES {
            let provider = Provider::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
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
    fn parqex_is_asked_as_it_documents() {
        let parqex = preset(&"parqex".parse().unwrap()).unwrap();
        assert_eq!((parqex.http.method, parqex.http.body), (Method::Get, Body::Query));
        assert_eq!((parqex.pkce, parqex.rotation), (Pkce::Off, Rotation::Strict));
        assert_eq!(parqex.redirect, Redirect::HttpsOnly);
        assert_eq!(parqex.scopes.separator, ",");
    }
}
