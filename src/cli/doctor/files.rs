//! Who can reach the socket, and who can read or write what is kept.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::api::{Area, DaemonInfo, Finding};

/// Permission bits of others: to read or write at all, and to write.
const ALL: u32 = 0o077;
const WRITE: u32 = 0o022;

/// The socket and its directory.
pub(super) fn socket(path: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(directory) = path.parent() {
        found.extend(directory_of(Area::Socket, directory));
    }
    let at = path.display().to_string();
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            let hint = format!("move it away: mv '{at}' '{at}.old'; then start the daemon");
            found.push(Finding::problem(Area::Socket, at, "is in the way: no socket").hint(hint));
        }
        Ok(metadata) => found.extend(exposed(Area::Socket, path, &metadata, ALL)),
        // that nobody listens is told by who tries to ask
        Err(error) if error.kind() == ErrorKind::NotFound => return found,
        Err(error) => found.push(Finding::problem(Area::Socket, at, error.to_string())),
    }
    if found.is_empty() {
        let message = "it and its directory are this user's alone";
        found.push(Finding::ok(Area::Socket, path.display().to_string(), message));
    }
    found
}

/// The database, the key file and their directories. A daemon that was started in another environment
/// keeps its database elsewhere, and says where.
pub(super) fn kept(
    variables: &dyn Fn(&str) -> Option<OsString>,
    daemon: Option<&DaemonInfo>,
) -> Vec<Finding> {
    let home = |name, below: &str| {
        let set = |name| variables(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        set(name).or_else(|| Some(set("HOME")?.join(below))).map(|base| base.join("ostler"))
    };
    let said = daemon.map(|daemon| PathBuf::from(&daemon.database));
    let database = said.or_else(|| Some(home("XDG_STATE_HOME", ".local/state")?.join("ostler.db")));
    let config = home("XDG_CONFIG_HOME", ".config");
    let (Some(database), Some(config)) = (database, config) else {
        let message = "HOME is not set, so nobody knows where the database is";
        return vec![Finding::problem(Area::File, "", message).hint("set HOME")];
    };
    let keys = config.join("keys.toml");
    let mut found = Vec::new();
    for directory in [database.parent(), Some(config.as_path())].into_iter().flatten() {
        found.extend(directory_of(Area::File, directory));
    }
    let beside = |suffix| {
        let mut name = database.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    };
    for path in [database.clone(), beside("-wal"), beside("-shm"), keys.clone()] {
        found.extend(file(&path));
    }
    // a running daemon has looked more closely
    let is_lost = daemon.is_none() && database.exists() && is_missing(&keys);
    if is_lost {
        let message = "the key file is missing: nothing in the database can be opened without it";
        let hint = "restore it from a backup; or move the database away and sign in again";
        found.push(Finding::problem(Area::File, keys.display().to_string(), message).hint(hint));
    }
    if found.is_empty() {
        let message = if is_missing(&database) {
            "not there yet; the first start of the daemon makes it"
        } else {
            "it, the key file and their directories are this user's alone"
        };
        found.push(Finding::ok(Area::File, database.display().to_string(), message));
    }
    found
}

fn is_missing(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

fn file(path: &Path) -> Option<Finding> {
    match fs::metadata(path) {
        Ok(metadata) => exposed(Area::File, path, &metadata, ALL),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => {
            Some(Finding::problem(Area::File, path.display().to_string(), error.to_string()))
        }
    }
}

/// Others may look into a directory, but not put anything there.
fn directory_of(area: Area, path: &Path) -> Option<Finding> {
    match fs::metadata(path) {
        Ok(metadata) => exposed(area, path, &metadata, WRITE),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => Some(Finding::problem(area, path.display().to_string(), error.to_string())),
    }
}

fn exposed(area: Area, path: &Path, metadata: &Metadata, forbidden: u32) -> Option<Finding> {
    let at = path.display();
    let us = rustix::process::geteuid().as_raw();
    if metadata.uid() != us {
        let message = format!("belongs to another user (id {})", metadata.uid());
        let hint = format!("find out why; then run: sudo chown -R {us} '{at}'");
        return Some(Finding::problem(area, at.to_string(), message).hint(hint));
    }
    let mode = metadata.mode() & 0o7777;
    (mode & forbidden != 0).then(|| {
        let (what, right) = match (forbidden, metadata.is_dir()) {
            (WRITE, _) => ("other users can write to it", "700"),
            (_, true) => ("other users can look into it", "700"),
            _ => ("other users can open it", "600"),
        };
        let message = format!("{what} (mode {mode:04o})");
        Finding::problem(area, at.to_string(), message).hint(format!("run: chmod {right} '{at}'"))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::api::Level;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn only(found: &[Finding]) -> &Finding {
        assert_eq!(found.len(), 1, "{found:?}");
        &found[0]
    }

    #[test]
    fn a_socket_that_others_can_reach_is_told_with_the_command_that_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        assert!(socket(&path).is_empty(), "who asks tells that nobody listens");
        let listener = UnixListener::bind(&path).unwrap();
        set(&path, 0o600);
        assert_eq!(only(&socket(&path)).level, Level::Ok);
        set(&path, 0o666);
        let found = socket(&path);
        assert_eq!(only(&found).message, "other users can open it (mode 0666)");
        assert_eq!(only(&found).hint, Some(format!("run: chmod 600 '{}'", path.display())));
        set(&path, 0o600);
        set(dir.path(), 0o777);
        assert_eq!(only(&socket(&path)).message, "other users can write to it (mode 0777)");
        drop(listener);
        fs::remove_file(&path).unwrap();
        set(dir.path(), 0o700);
        fs::write(&path, "").unwrap();
        assert!(socket(&path)[0].message.contains("in the way"));
    }

    #[test]
    fn files_are_looked_for_where_the_environment_says() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().to_owned();
        let variables = move |name: &str| (name == "HOME").then(|| home.clone().into_os_string());
        let found = kept(&variables, None);
        assert_eq!(only(&found).level, Level::Ok);
        assert!(only(&found).subject.ends_with(".local/state/ostler/ostler.db"), "{found:?}");
        let state = dir.path().join(".local/state/ostler");
        fs::create_dir_all(&state).unwrap();
        set(&state, 0o700);
        fs::write(state.join("ostler.db"), "").unwrap();
        set(&state.join("ostler.db"), 0o600);
        assert!(only(&kept(&variables, None)).message.contains("key file is missing"));
        set(&state.join("ostler.db"), 0o640);
        let found = kept(&variables, None);
        assert_eq!(found[0].message, "other users can open it (mode 0640)");
        assert_eq!(only(&kept(&|_| None, None)).level, Level::Problem);
    }
}
