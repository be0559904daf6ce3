//! The listening socket: taken from systemd, or bound.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use listenfd::ListenFd;

use super::places::{PlacesError, private_directory};

/// The name that `ostler.socket` gives its socket (`FileDescriptorName=`, systemd.socket(5)).
const NAME: &str = "agent";

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Its directory cannot be used.
    #[error(transparent)]
    Place(#[from] PlacesError),
    /// Somebody listens there already.
    #[error("another ostlerd listens at {path}")]
    Taken {
        /// Where.
        path: String,
    },
    /// What is there is not a socket.
    #[error("{path} is in the way: it is not a socket")]
    InTheWay {
        /// Where.
        path: String,
    },
    /// systemd passed something else than was asked for.
    #[error("the service manager passed no stream socket named {NAME}: {0}")]
    Passed(io::Error),
    /// The kernel refused.
    #[error("cannot listen at {path}: {source}")]
    Bind {
        /// Where.
        path: String,
        /// What it said.
        source: io::Error,
    },
}

/// A socket bound at `path`, with modes 0700 for its directory and 0600 for itself. Call with the
/// lock on the state held: what lies there is stale then, unless somebody answers.
pub fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    let shown = || path.display().to_string();
    let failed = |source| SocketError::Bind { path: shown(), source };
    if let Some(directory) = path.parent() {
        private_directory(directory)?;
    }
    if let Ok(metadata) = std::fs::symlink_metadata(path) {
        if !metadata.file_type().is_socket() {
            return Err(SocketError::InTheWay { path: shown() });
        }
        if UnixStream::connect(path).is_ok() {
            return Err(SocketError::Taken { path: shown() });
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// The sockets that the service manager passed.
#[derive(Debug)]
pub struct Passed {
    /// The one for everything.
    pub agent: UnixListener,
    /// The one for tokens alone, if the unit has it.
    pub tokens: Option<UnixListener>,
}

/// What the service manager passed, if it did (`sd_listen_fds(3)`); the socket that listens at `tokens` is the
/// one for tokens. Call once, before other threads start.
pub fn passed(tokens: &Path) -> Result<Option<Passed>, SocketError> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut fds = ListenFd::from_env();
    if fds.len() == 0 {
        return Ok(None);
    }
    // a name is missing when somebody starts the daemon by another socket activator
    let is_ours = |place: usize| match names.split(':').nth(place) {
        Some(name) if !names.is_empty() => name == NAME,
        _ => fds.len() == 1,
    };
    let places: Vec<usize> = (0..fds.len()).filter(|place| is_ours(*place)).collect();
    let (mut agent, mut for_tokens) = (None, None);
    for place in places {
        let Some(listener) = fds.take_unix_listener(place).map_err(SocketError::Passed)? else {
            continue;
        };
        listener.set_nonblocking(true).map_err(SocketError::Passed)?;
        let address = listener.local_addr().map_err(SocketError::Passed)?;
        tracing::debug!(
            fd = listener.as_raw_fd(),
            ?address,
            "socket passed by the service manager"
        );
        if address.as_pathname() == Some(tokens) {
            for_tokens = Some(listener);
        } else {
            agent.get_or_insert(listener);
        }
    }
    let missing = || SocketError::Passed(io::Error::from(io::ErrorKind::NotFound));
    Ok(Some(Passed { agent: agent.ok_or_else(missing)?, tokens: for_tokens }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ostler/socket");
        let first = bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(bind(&path), Err(SocketError::Taken { .. })));
        drop(first);
        bind(&path).unwrap();
    }

    #[test]
    fn what_is_not_a_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ostler/socket");
        private_directory(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&path), Err(SocketError::InTheWay { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
