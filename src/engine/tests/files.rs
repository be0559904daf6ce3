//! The files of a daemon, which a crash leaves as they are.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::store::Places;

pub(super) fn places(home: &Path) -> Places {
    Places {
        database: home.join("state/ostler/ostler.db"),
        keys: home.join("config/ostler/keys.toml"),
        marks: Vec::new(),
    }
}

/// In memory where that is to be had: there are thousands of them, and each commit syncs.
pub(super) fn home() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

pub(super) fn read(home: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut open = vec![home.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in directory.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if !path.to_string_lossy().ends_with("-shm") {
                let place = path.strip_prefix(home).unwrap().to_owned();
                files.push((place, fs::read(&path).unwrap()));
            }
        }
    }
    files
}

pub(super) fn write(home: &Path, files: &[(PathBuf, Vec<u8>)]) {
    for (place, bytes) in files {
        let path = home.join(place);
        let mut directory = DirBuilder::new();
        directory.recursive(true).mode(0o700).create(path.parent().unwrap()).unwrap();
        let mut file = OpenOptions::new();
        let mut file = file.write(true).create_new(true).mode(0o600).open(path).unwrap();
        file.write_all(bytes).unwrap();
    }
}

pub(super) fn copy(from: &Path, to: &Path) {
    write(to, &read(from));
}
