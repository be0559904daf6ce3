//! The presets: one file each, embedded.

use crate::model::ProviderId;
use crate::provider::Provider;

/// The presets' texts, by name.
const FILES: [(&str, &str); 1] = [("parqex", include_str!("presets/parqex.toml"))];

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
