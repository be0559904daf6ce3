//! The files themselves: who may read them, and how one is replaced as a whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::StoreError;

const DIRECTORY_MODE: u32 = 0o700;
pub(super) const FILE_MODE: u32 = 0o600;
const OTHERS: u32 = 0o077;

/// Makes the directory of a file, parents included, and checks that files can be made in it: `SQLite`
/// would only say "unable to open".
pub(super) fn prepare_directory(file: &Path) -> Result<(), StoreError> {
    let directory = directory_of(file);
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(directory)
        .map_err(StoreError::file("create the directory", directory))?;
    rustix::fs::access(directory, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
        .map_err(io::Error::from)
        .map_err(StoreError::file("write in the directory", directory))
}

/// Makes an empty file that only its owner can read; a file that is there stays as it is.
pub(super) fn create_private(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path) {
        Ok(file) => {
            file.sync_all().map_err(StoreError::file("create", path))?;
            sync_directory(path)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::file("create", path)(error)),
    }
}

/// Refuses a file that other users can read or write; one that is not there is fine.
pub(super) fn check_private(path: &Path) -> Result<(), StoreError> {
    let mode = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o7777,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::file("look at", path)(error)),
    };
    if mode & OTHERS != 0 {
        return Err(StoreError::Permissions { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Puts a file in the place of another, durably: after a crash there is the old one or the new one,
/// whole. A symbolic link stays one; what it points to is replaced.
pub(super) fn replace(path: &Path, contents: &[u8]) -> Result<(), StoreError> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let fresh = beside(path, ".new");
    let written = write_new(&fresh, contents)
        .map_err(StoreError::file("write", &fresh))
        .and_then(|()| fs::rename(&fresh, path).map_err(StoreError::file("replace", path)));
    if let Err(error) = written {
        // it is ours and of no use; that it could not be removed changes nothing
        let _ = fs::remove_file(&fresh);
        return Err(error);
    }
    sync_directory(path)
}

/// Renames a file out of the way, to a name that says what it was.
pub(super) fn set_aside(path: &Path, mark: &str) -> Result<PathBuf, StoreError> {
    let mut aside = beside(path, &format!(".{mark}"));
    let mut count = 1;
    while aside.exists() {
        count += 1;
        aside = beside(path, &format!(".{mark}.{count}"));
    }
    fs::rename(path, &aside).map_err(StoreError::file("rename", path))?;
    sync_directory(path)?;
    Ok(aside)
}

/// The path with `suffix` after its last component.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn write_new(path: &Path, contents: &[u8]) -> io::Result<()> {
    // what a crash left there is incomplete by definition
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

/// A new name is durable only when its directory is.
fn sync_directory(file: &Path) -> Result<(), StoreError> {
    let directory = directory_of(file);
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(StoreError::file("sync the directory", directory))
}

fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn directories_and_files_are_made_for_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/file");
        prepare_directory(&path).unwrap();
        create_private(&path).unwrap();
        assert_eq!(mode(&dir.path().join("a")), 0o700);
        assert_eq!(mode(&dir.path().join("a/b")), 0o700);
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_file_that_exists_is_not_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "kept").unwrap();
        create_private(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"kept");
    }

    #[test]
    fn a_file_open_to_others_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        check_private(&path).unwrap();
        fs::write(&path, "").unwrap();
        for bad in [0o640, 0o604, 0o620, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bad)).unwrap();
            let refused = check_private(&path).unwrap_err();
            assert_eq!(refused, StoreError::Permissions { path: path.clone(), mode: bad });
            assert!(refused.to_string().contains("run: chmod 600"));
            assert_eq!(mode(&path), bad);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        check_private(&path).unwrap();
    }

    #[test]
    fn replacing_leaves_one_private_file_and_follows_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        let link = dir.path().join("link");
        fs::write(&target, "old").unwrap();
        fs::write(dir.path().join("target.new"), "torn by a crash").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        replace(&link, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(mode(&target), 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_set_aside_never_overwrites_what_was_set_aside_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        for contents in ["one", "two"] {
            fs::write(&path, contents).unwrap();
            set_aside(&path, "unused").unwrap();
        }
        assert_eq!(fs::read(dir.path().join("keys.toml.unused")).unwrap(), b"one");
        assert_eq!(fs::read(dir.path().join("keys.toml.unused.2")).unwrap(), b"two");
    }

    #[test]
    fn a_parent_that_is_a_file_is_named_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let blocker = dir.path().join("blocker");
        fs::write(&blocker, "").unwrap();
        let error = prepare_directory(&blocker.join("state/ostler.db")).unwrap_err();
        assert!(matches!(error, StoreError::File { kind: io::ErrorKind::NotADirectory, .. }));
    }
}
