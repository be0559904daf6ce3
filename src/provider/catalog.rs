//! All providers by name: the presets, and the user's files over them.

use std::borrow::Cow;
use std::collections::btree_map::{BTreeMap, Entry as Place};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::definition::Provider;
use super::example::split_examples;
use super::extend;
use super::presets::preset_texts;
use super::template::{self, Variable};
use crate::model::ProviderId;

/// The providers that can be named at login. Discovered ones are not here: they belong to a client.
#[derive(Debug, Clone)]
pub struct Catalog {
    known: BTreeMap<ProviderId, Known>,
}

#[derive(Debug, Clone)]
struct Known {
    /// The definition, read when somebody asks for it: of many presets a user has few.
    text: Cow<'static, str>,
    file: Option<PathBuf>,
    /// The provider with the usual values in its gaps, shared with those who speak by it.
    usual: OnceLock<Arc<Provider>>,
}

/// A provider of the catalog.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Its definition, with values to show in its gaps.
    pub provider: Provider,
    /// The user's file that it is from; `None` for presets.
    pub file: Option<&'a Path>,
}

/// Why a name leads to no provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// Nothing has that name.
    #[error("no provider is called {0}")]
    Unknown(ProviderId),
    /// A gap of its definition has no value.
    #[error("{id} has to know: {}", variable.title)]
    Wanting {
        /// The provider.
        id: ProviderId,
        /// What has no value.
        variable: Variable,
    },
    /// A value does not fit.
    #[error("{id}: {problem}")]
    Unfit {
        /// The provider.
        id: ProviderId,
        /// What is wrong with it.
        problem: String,
    },
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
        let known = preset_texts().filter_map(|(name, text)| {
            let known = Known { text: text.into(), file: None, usual: OnceLock::new() };
            Some((name.parse().ok()?, known))
        });
        Self { known: known.collect() }
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

    /// The provider of that name, if there is one.
    #[must_use]
    pub fn find(&self, id: &ProviderId) -> Option<Arc<Provider>> {
        self.resolve(id).ok()
    }

    /// The provider of that name: its definition with the values that the name has behind colons, or
    /// the usual ones.
    pub fn resolve(&self, id: &ProviderId) -> Result<Arc<Provider>, Unresolved> {
        let (name, values) = id.parts();
        let known = self.named(name).ok_or_else(|| Unresolved::Unknown(id.clone()))?;
        if values.is_none()
            && let Some(provider) = known.usual.get()
        {
            return Ok(Arc::clone(provider));
        }
        let unfit = |problem| Unresolved::Unfit { id: id.clone(), problem };
        let (text, _) = split_examples(&known.text);
        let variables = template::variables(text).map_err(|error| unfit(error.problem()))?;
        let mut given = values.into_iter().flat_map(|values| values.split(':'));
        let mut filled = BTreeMap::new();
        for variable in &variables {
            let value = given.next().filter(|value| !value.is_empty());
            let Some(value) = value.or(variable.default.as_deref()) else {
                return Err(Unresolved::Wanting { id: id.clone(), variable: variable.clone() });
            };
            variable.check(value).map_err(unfit)?;
            filled.insert(variable.name.as_str(), value);
        }
        if given.next().is_some() {
            let count = variables.len();
            return Err(unfit(format!("its name takes {count} values behind colons, not more")));
        }
        let provider = Provider::parse(&template::fill(text, &filled));
        let mut provider = provider.map_err(|error| unfit(error.problem()))?;
        provider.id = id.clone();
        let provider = Arc::new(provider);
        Ok(match values {
            None => Arc::clone(known.usual.get_or_init(|| provider)),
            Some(_) => provider,
        })
    }

    /// The name that a provider is known by: without values that are the usual ones.
    #[must_use]
    pub fn canonical(&self, id: &ProviderId) -> ProviderId {
        let (name, Some(values)) = id.parts() else { return id.clone() };
        let Some(known) = self.named(name) else { return id.clone() };
        let (text, _) = split_examples(&known.text);
        let Ok(variables) = template::variables(text) else { return id.clone() };
        let usual = variables.iter().map(|variable| variable.default.as_deref());
        let usual: Option<Vec<&str>> = usual.collect();
        match usual {
            Some(usual) if usual.join(":") == values => name.parse().unwrap_or_else(|_| id.clone()),
            _ => id.clone(),
        }
    }

    /// The text of a definition, with its examples.
    #[must_use]
    pub fn text(&self, id: &ProviderId) -> Option<&str> {
        Some(&self.named(id.parts().0)?.text)
    }

    /// The user's file that defines it; `None` for presets.
    #[must_use]
    pub fn file(&self, id: &ProviderId) -> Option<&Path> {
        self.named(id.parts().0)?.file.as_deref()
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.known.values().filter_map(|known| {
            let provider = template::sample(split_examples(&known.text).0).ok()?;
            Some(Entry { provider, file: known.file.as_deref() })
        })
    }

    fn named(&self, name: &str) -> Option<&Known> {
        self.known.get(&name.parse().ok()?)
    }

    fn add(&mut self, path: PathBuf, text: &str) -> Result<(), FileError> {
        let read = extend::extended(text).and_then(|whole| {
            let provider = template::sample(split_examples(&whole).0)?;
            let whole = whole.into_owned();
            Ok((provider.id, whole))
        });
        let (id, whole) = match read {
            Ok(read) => read,
            Err(error) => {
                let line = error.line(text);
                let mut problem = error.problem();
                if self.hide_preset(&path) {
                    problem.push_str("; the preset of that name is not used either");
                }
                return Err(FileError { path, line, problem });
            }
        };
        let known = Known { text: whole.into(), file: Some(path), usual: OnceLock::new() };
        match self.known.entry(id) {
            Place::Occupied(place) if place.get().file.is_some() => {
                let first = place.get().file.as_deref().unwrap_or(Path::new("")).display();
                let problem =
                    format!("expected an id of its own: {first} defines {} too", place.key());
                let path = known.file.unwrap_or_default();
                Err(FileError { path, line: id_line(text), problem })
            }
            Place::Occupied(mut place) => {
                place.insert(known);
                Ok(())
            }
            Place::Vacant(place) => {
                place.insert(known);
                Ok(())
            }
        }
    }

    fn hide_preset(&mut self, path: &Path) -> bool {
        let Some(id) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()) else {
            return false;
        };
        match self.known.entry(id) {
            Place::Occupied(place) if place.get().file.is_none() => {
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
        assert_eq!(catalog.iter().count(), Catalog::presets().iter().count());
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
    fn a_name_fills_the_gaps_of_a_definition() {
        let text = "id = \"desk\"\ntitle = \"D\"\nauthorization_url = \"https://{sub}.x.example/a\"\n\
                    token_url = \"https://{sub}.{region}.x.example/t\"\n\
                    [[variable]]\nname = \"sub\"\ntitle = \"Your part of the address\"\n\
                    [[variable]]\nname = \"region\"\ntitle = \"Region\"\ndefault = \"eu\"\n\
                    choices = [\"eu\", \"us\"]\n";
        let (catalog, errors) = Catalog::read([("p/desk.toml".into(), text.to_owned())]);
        assert_eq!(errors, []);
        let token = |name: &str| catalog.resolve(&id(name)).map(|it| it.token_url.to_string());
        assert_eq!(token("desk:acme").unwrap(), "https://acme.eu.x.example/t");
        assert_eq!(token("desk:acme:us").unwrap(), "https://acme.us.x.example/t");
        assert_eq!(catalog.resolve(&id("desk:acme")).unwrap().id.as_str(), "desk:acme");
        for (name, says) in [
            ("desk", "desk has to know: Your part of the address"),
            ("desk:a.b", "desk:a.b: sub is letters, digits and hyphens"),
            ("desk:a:mars", "desk:a:mars: region is one of eu, us"),
            ("desk:a:eu:b", "desk:a:eu:b: its name takes 2 values behind colons, not more"),
            ("disk:a", "no provider is called disk:a"),
        ] {
            assert_eq!(token(name).unwrap_err().to_string(), says);
        }
    }

    #[test]
    fn usual_values_are_no_part_of_the_name() {
        let catalog = Catalog::presets();
        let canonical = |name: &str| catalog.canonical(&id(name)).to_string();
        assert_eq!(canonical("microsoft:common"), "microsoft");
        assert_eq!(canonical("microsoft:contoso.com"), "microsoft:contoso.com");
        assert_eq!(canonical("parqex"), "parqex");
        assert_eq!(canonical("https://issuer.example:8/"), "https://issuer.example:8/");
        let tenant = catalog.resolve(&id("microsoft:contoso.com")).unwrap();
        let common = catalog.resolve(&id("microsoft")).unwrap();
        assert!(tenant.token_url.path().starts_with("/contoso.com/"));
        assert!(common.token_url.path().starts_with("/common/"));
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
