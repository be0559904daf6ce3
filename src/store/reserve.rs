//! Room on the disk for what is to come back: an intent that still fits while its answer does not
//! would cost the login, since the answer may hold the only copy of a refresh token.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::{Errno, retry_on_intr};

use super::error::StoreError;
use super::files;

/// What the longest answer that is read (1 MiB) can take: in the log the sealed answer, the tokens out
/// of it and the zeros that wipe it, and then a place in the database. It is enough for a thousand
/// answers of the usual length.
const SIZE: u64 = 4 << 20;

/// A file of zeros beside the database, whose blocks are given back when a commit needs them.
pub(super) struct Reserve {
    path: PathBuf,
    /// Open while the room is kept.
    kept: Option<File>,
}

impl Reserve {
    /// Nothing is kept yet.
    pub(super) fn beside(database: &Path) -> Self {
        Self { path: files::beside(database, ".reserve"), kept: None }
    }

    /// Keeps the room, if that is not so already. It fails on a disk that could not take an answer.
    pub(super) fn keep(&mut self) -> Result<(), StoreError> {
        if self.kept.is_some() {
            return Ok(());
        }
        let failed =
            |error: io::Error| StoreError::NoRoom { path: self.path.clone(), kind: error.kind() };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(files::FILE_MODE)
            .open(&self.path)
            .map_err(failed)?;
        if let Err(error) = allocate(&file) {
            // what little there is goes to those who can use it
            let _ = file.set_len(0);
            return Err(failed(error));
        }
        self.kept = Some(file);
        Ok(())
    }

    /// Gives the room up; says whether there was any.
    pub(super) fn give_up(&mut self) -> bool {
        // a disk that does not let go of the blocks may let go of the file
        self.kept
            .take()
            .is_some_and(|file| file.set_len(0).is_ok() || fs::remove_file(&self.path).is_ok())
    }
}

fn allocate(file: &File) -> io::Result<()> {
    match retry_on_intr(|| fallocate(file, FallocateFlags::empty(), 0, SIZE)) {
        // the file system knows no such thing: what is written takes room, too
        Err(Errno::OPNOTSUPP) => {
            let zeros = [0; 1 << 12];
            let mut file = file;
            (0..SIZE / zeros.len() as u64).try_for_each(|_| file.write_all(&zeros))
        }
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn what_is_kept_takes_blocks_and_what_is_given_up_takes_none() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("ostler.db");
        let blocks = || std::fs::metadata(dir.path().join("ostler.db.reserve")).unwrap().blocks();
        let mut reserve = Reserve::beside(&database);
        assert!(!reserve.give_up(), "there was none");
        for _ in 0..2 {
            reserve.keep().unwrap();
            reserve.keep().unwrap();
            assert!(blocks() * 512 >= SIZE);
            assert!(reserve.give_up());
            assert_eq!(blocks(), 0);
        }
        reserve.keep().unwrap();
        // as another run would find it
        Reserve::beside(&database).keep().unwrap();
        assert!(blocks() * 512 >= SIZE);
    }

    #[test]
    fn where_nothing_can_be_kept_the_place_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = Reserve::beside(&dir.path().join("gone/ostler.db")).keep().unwrap_err();
        assert!(error.to_string().contains("gone/ostler.db.reserve"), "{error}");
        assert!(error.may_pass());
    }
}
