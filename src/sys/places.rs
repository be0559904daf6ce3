//! Where things lie: the XDG base directories (XDG Base Directory Specification 0.8).

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The directories of one user's daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `$XDG_RUNTIME_DIR/ostler`: the socket.
    pub runtime: PathBuf,
    /// `$XDG_STATE_HOME/ostler`: the database and its lock.
    pub state: PathBuf,
    /// `$XDG_CONFIG_HOME/ostler`: settings, key file, provider definitions.
    pub config: PathBuf,
    /// `$XDG_CACHE_HOME/ostler`: what may be lost.
    pub cache: PathBuf,
}

/// Why the directories cannot be told or used.
#[derive(Debug, thiserror::Error)]
pub enum PlacesError {
    /// A variable that has no default is not set.
    #[error("{0} is not set: start ostlerd from a login session, or set it")]
    Unset(&'static str),
    /// A variable holds a relative path, which the specification calls invalid.
    #[error("{0} must be an absolute path")]
    Relative(&'static str),
    /// A directory cannot be made or read.
    #[error("cannot use {path}: {source}")]
    Directory {
        /// Which.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A directory that somebody else owns or may write to.
    #[error("{path} is not this user's alone: others own it or may write to it; chmod 700 it")]
    Exposed {
        /// Which.
        path: String,
    },
}

impl Places {
    /// The directories that the environment names. `var` reads a variable.
    pub fn from_env(var: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, PlacesError> {
        let absolute =
            |name: &'static str| match var(name).filter(|path| !path.as_os_str().is_empty()) {
                None => Ok(None),
                Some(path) if path.is_absolute() => Ok(Some(path)),
                Some(_) => Err(PlacesError::Relative(name)),
            };
        let home = |name, below: &str| match absolute(name)? {
            Some(path) => Ok(path),
            None => Ok(absolute("HOME")?.ok_or(PlacesError::Unset("HOME"))?.join(below)),
        };
        let runtime = absolute("XDG_RUNTIME_DIR")?.ok_or(PlacesError::Unset("XDG_RUNTIME_DIR"))?;
        Ok(Self {
            runtime: runtime.join("ostler"),
            state: home("XDG_STATE_HOME", ".local/state")?.join("ostler"),
            config: home("XDG_CONFIG_HOME", ".config")?.join("ostler"),
            cache: home("XDG_CACHE_HOME", ".cache")?.join("ostler"),
        })
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.runtime.join("socket")
    }

    /// The socket that is good for tokens alone, in a directory of its own: that can be shown to a container,
    /// and the socket be made anew in it.
    #[must_use]
    pub fn tokens_socket(&self) -> PathBuf {
        self.runtime.join("tokens/socket")
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.state.join("ostler.db")
    }

    /// The lock on the state.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }

    /// The key slots.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.config.join("keys.toml")
    }

    /// How new the database must be. One copy lies beside the keys, for a database that is brought
    /// back alone; the other where backups as a rule do not look.
    #[must_use]
    pub fn marks(&self) -> Vec<PathBuf> {
        [&self.config, &self.cache].map(|directory| directory.join("marks")).into()
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> PathBuf {
        self.config.join("ostler.toml")
    }

    /// The user's provider definitions.
    #[must_use]
    pub fn providers(&self) -> PathBuf {
        self.config.join("providers")
    }
}

/// Makes a directory that only its owner may enter, with its parents; refuses one that is there if
/// another user could put files into it. That others may look into it is the user's choice: what is
/// secret in it has a mode of its own.
pub fn private_directory(path: &Path) -> Result<(), PlacesError> {
    let failed = |source| PlacesError::Directory { path: path.display().to_string(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let metadata = std::fs::metadata(path).map_err(failed)?;
    let exposed = metadata.permissions().mode() & 0o022 != 0;
    if exposed || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(PlacesError::Exposed { path: path.display().to_string() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(vars: &[(&str, &str)]) -> Result<Places, PlacesError> {
        let vars: Vec<(String, PathBuf)> =
            vars.iter().map(|(name, value)| ((*name).to_owned(), PathBuf::from(value))).collect();
        Places::from_env(|name| vars.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
    }

    #[test]
    fn defaults_lie_below_home_and_the_runtime_directory_has_none() {
        let places_ = places(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/run/u")]).unwrap();
        assert_eq!(places_.socket(), Path::new("/run/u/ostler/socket"));
        assert_eq!(places_.database(), Path::new("/h/.local/state/ostler/ostler.db"));
        assert_eq!(places_.keys(), Path::new("/h/.config/ostler/keys.toml"));
        let unset = places(&[("HOME", "/h")]).unwrap_err();
        assert!(matches!(unset, PlacesError::Unset("XDG_RUNTIME_DIR")));
        let relative = places(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", "run")]).unwrap_err();
        assert!(matches!(relative, PlacesError::Relative("XDG_RUNTIME_DIR")));
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        private_directory(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        private_directory(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o775)).unwrap();
        assert!(matches!(private_directory(&path), Err(PlacesError::Exposed { .. })));
    }
}
