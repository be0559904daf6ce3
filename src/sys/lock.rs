//! One owner of the state: a lock that the kernel lets go of however the daemon ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Held as long as it lives (flock(2)).
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon owns the state.
    #[error("another ostlerd owns {path}; only one can keep its tokens")]
    Taken {
        /// The lock file.
        path: String,
    },
    /// The lock file cannot be made.
    #[error("cannot lock {path}: {source}")]
    File {
        /// The lock file.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock, or says at once that it is taken.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::File { path: path.display().to_string(), source };
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(LockError::Taken { path: path.display().to_string() }),
            Err(error) => Err(failed(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_refused_and_the_lock_is_free_when_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::take(&path).unwrap();
        assert!(matches!(Lock::take(&path), Err(LockError::Taken { .. })));
        drop(first);
        Lock::take(&path).unwrap();
    }
}
