//! The user's files, read with a limit: settings and provider definitions.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::config::{Settings, SettingsError};
use crate::engine::Reload;
use crate::provider::Catalog;
use crate::sys::places::Places;

/// The longest file that is read, in bytes.
const FILE_MAX: u64 = 64 * 1024;
/// The most provider files that are read.
const FILES_MAX: usize = 256;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilesError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// It can be read, but holds no settings.
    #[error("{path}: {source}")]
    Settings {
        /// Which.
        path: String,
        /// What is wrong with it.
        source: SettingsError,
    },
}

/// The settings; the defaults if there is no file.
pub(super) fn settings(path: &Path) -> Result<Settings, FilesError> {
    let shown = || path.display().to_string();
    match text(path) {
        Ok(text) => {
            Settings::parse(&text).map_err(|source| FilesError::Settings { path: shown(), source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Settings::default()),
        Err(source) => Err(FilesError::Read { path: shown(), source }),
    }
}

/// Both, read anew. Settings that cannot be used leave those in force that were read before.
pub(super) fn reload(places: &Places) -> Reload {
    let settings = settings(&places.settings())
        .inspect_err(|error| tracing::error!(%error, "settings not used"))
        .ok();
    Reload {
        catalog: catalog(&places.providers()),
        modes: settings.as_ref().map(Settings::modes),
        document: settings.and_then(|settings| settings.client_id_metadata_document),
    }
}

/// The presets and what the user's files add to them. A file that cannot be used is logged and left
/// out: it must not cost the accounts of other providers.
pub(super) fn catalog(directory: &Path) -> Catalog {
    let mut files = Vec::new();
    for path in definitions(directory) {
        match text(&path) {
            Ok(text) => files.push((path, text)),
            Err(error) => tracing::error!(path = %path.display(), %error, "provider file not read"),
        }
    }
    let (catalog, errors) = Catalog::read(files);
    for error in errors {
        tracing::error!(%error, "provider file not used");
    }
    catalog
}

fn definitions(directory: &Path) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::error!(path = %directory.display(), %error, "provider files not read");
            }
            return Vec::new();
        }
    };
    let is_toml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
    let mut paths: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(is_toml).collect();
    paths.sort();
    if paths.len() > FILES_MAX {
        tracing::error!(files = paths.len(), read = FILES_MAX, "too many provider files");
        paths.truncate(FILES_MAX);
    }
    paths
}

fn text(path: &Path) -> io::Result<String> {
    // not to wait for the other end of a pipe, nor to open a device that does something: open(2)
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut text = String::new();
    file.take(FILE_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 64 KiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_means_defaults_and_a_bad_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ostler.toml");
        assert_eq!(settings(&path).unwrap(), Settings::default());
        std::fs::write(&path, "max_flights = \"many\"").unwrap();
        let error = settings(&path).unwrap_err().to_string();
        assert!(error.contains("ostler.toml") && error.contains("line 1"), "{error}");
    }

    #[test]
    fn what_is_no_regular_file_is_left_out_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe.toml");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        let error = settings(&path).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
        std::fs::create_dir(dir.path().join("directory.toml")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("endless.toml")).unwrap();
        let providers = |catalog: Catalog| catalog.iter().count();
        assert_eq!(providers(catalog(dir.path())), providers(Catalog::presets()));
    }

    #[test]
    fn a_huge_or_broken_provider_file_costs_no_other() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("huge.toml"), "x".repeat(70_000)).unwrap();
        std::fs::write(dir.path().join("broken.toml"), "id = ").unwrap();
        let good = "id = \"mine\"\ntitle = \"Mine\"\n\
            authorization_url = \"https://a.example/\"\ntoken_url = \"https://t.example/\"\n";
        std::fs::write(dir.path().join("mine.toml"), good).unwrap();
        let catalog = catalog(dir.path());
        assert!(catalog.find(&"mine".parse().unwrap()).is_some());
        assert!(catalog.find(&"parqex".parse().unwrap()).is_some());
    }
}
