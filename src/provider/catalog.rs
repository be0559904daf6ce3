//! All providers by name: the presets, and the user's files over them.

use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::definition::Provider;
use super::presets::presets;
use crate::model::ProviderId;

/// The providers that can be named at login. Discovered ones are not here: they belong to a client.
#[derive(Debug, Clone)]
pub struct Catalog {
    known: BTreeMap<ProviderId, Known>,
}

#[derive(Debug, Clone)]
struct Known {
    /// Shared with those who speak by it: a definition is read once and never copied.
    provider: Arc<Provider>,
    file: Option<PathBuf>,
}

/// Why a user's file does not count: `FILE:LINE: what is wrong and what was expected`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: Option<usize>,
    /// What is wrong with it and what was expected.
    pub problem: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.problem)
    }
}

impl Catalog {
    /// The presets alone.
    #[must_use]
    pub fn presets() -> Self {
        let entry = |provider: Provider| {
            (provider.id.clone(), Known { provider: Arc::new(provider), file: None })
        };
        Self { known: presets().map(entry).collect() }
    }

    /// The presets and the user's files, given as path and text, in the order of their paths. A
    /// file overrides the preset of the same id. What cannot be read costs nobody else anything;
    /// but if it bears the name of a preset it was meant to override that one, which then is not
    /// used: its endpoints may be the very thing the user wanted to change.
    pub fn read(files: impl IntoIterator<Item = (PathBuf, String)>) -> (Self, Vec<FileError>) {
        let mut catalog = Self::presets();
        let mut errors = Vec::new();
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort();
        for (path, text) in files {
            if let Err(error) = catalog.add(path, &text) {
                errors.push(error);
            }
        }
        (catalog, errors)
    }

    /// The provider of that name.
    #[must_use]
    pub fn find(&self, id: &ProviderId) -> Option<&Arc<Provider>> {
        self.known.get(id).map(|known| &known.provider)
    }

    /// The user's file that defines it; `None` for presets.
    #[must_use]
    pub fn file(&self, id: &ProviderId) -> Option<&Path> {
        self.known.get(id)?.file.as_deref()
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.known.values().map(|known| &*known.provider)
    }

    fn add(&mut self, path: PathBuf, text: &str) -> Result<(), FileError> {
        let provider = match Provider::parse(text) {
            Ok(provider) => provider,
            Err(error) => {
                let line = error.line(text);
                let mut problem = error.problem();
                if self.hide_preset(&path) {
                    problem.push_str("; the preset of that name is not used either");
                }
                return Err(FileError { path, line, problem });
            }
        };
        match self.known.entry(provider.id.clone()) {
            Entry::Occupied(place) if place.get().file.is_some() => {
                let first = place.get().file.as_deref().unwrap_or(Path::new("")).display();
                let problem =
                    format!("expected an id of its own: {first} defines {} too", place.key());
                Err(FileError { path, line: id_line(text), problem })
            }
            Entry::Occupied(mut place) => {
                place.insert(Known { provider: Arc::new(provider), file: Some(path) });
                Ok(())
            }
            Entry::Vacant(place) => {
                place.insert(Known { provider: Arc::new(provider), file: Some(path) });
                Ok(())
            }
        }
    }

    fn hide_preset(&mut self, path: &Path) -> bool {
        let Some(id) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()) else {
            return false;
        };
        match self.known.entry(id) {
            Entry::Occupied(place) if place.get().file.is_none() => {
                place.remove();
                true
            }
            _ => false,
        }
    }
}

fn id_line(text: &str) -> Option<usize> {
    let is_id = |line: &str| line.split_once('=').is_some_and(|(key, _)| key.trim() == "id");
    text.lines().position(is_id).map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, id: &str, token_url: &str) -> (PathBuf, String) {
        let text = format!(
            "id = \"{id}\"\ntitle = \"T\"\nauthorization_url = \"https://x.example/a\"\n\
             token_url = \"{token_url}\"\n"
        );
        (path.into(), text)
    }

    fn id(text: &str) -> ProviderId {
        text.parse().unwrap()
    }

    #[test]
    fn a_users_file_overrides_the_preset_of_its_id() {
        let (catalog, errors) =
            Catalog::read([file("p/gitlab.toml", "gitlab", "https://git.example/t")]);
        assert_eq!(errors, []);
        let gitlab = catalog.find(&id("gitlab")).unwrap();
        assert_eq!(gitlab.token_url.as_str(), "https://git.example/t");
        assert_eq!(catalog.file(&id("gitlab")), Some(Path::new("p/gitlab.toml")));
        assert_eq!(catalog.file(&id("parqex")), None);
        assert_eq!(catalog.iter().count(), presets().count());
    }

    #[test]
    fn an_error_names_file_line_and_what_was_expected() {
        let (catalog, errors) = Catalog::read([
            file("p/mine.toml", "mine", "https://x.example/t"),
            file("p/bad.toml", "bad", "http://x.example/t"),
        ]);
        assert!(catalog.find(&id("mine")).is_some(), "one bad file costs no other");
        assert!(catalog.find(&id("bad")).is_none());
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            ["p/bad.toml:4: token_url: must be https (plain http is allowed to 127.0.0.1 and \
              [::1] alone)"]
        );
    }

    #[test]
    fn a_broken_override_does_not_fall_back_to_the_preset() {
        let (catalog, errors) = Catalog::read([("p/google.toml".into(), "id = 5".into())]);
        assert!(catalog.find(&id("google")).is_none());
        assert!(
            errors[0].to_string().starts_with("p/google.toml:1: invalid type"),
            "{}",
            errors[0]
        );
        assert!(errors[0].problem.ends_with("is not used either"));
    }

    #[test]
    fn two_files_with_one_id_are_told_apart_by_path_not_by_chance() {
        let (catalog, errors) = Catalog::read([
            file("p/b.toml", "same", "https://b.example/t"),
            file("p/a.toml", "same", "https://a.example/t"),
        ]);
        assert_eq!(catalog.file(&id("same")), Some(Path::new("p/a.toml")));
        assert_eq!(
            errors[0].to_string(),
            "p/b.toml:1: expected an id of its own: p/a.toml defines same too"
        );
    }
}
