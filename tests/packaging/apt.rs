//! How tests/run installs what it needs.

use std::fs::{File, create_dir_all};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rustix::fs::{FlockOperation, fcntl_lock};

use crate::source;

/// An apt of its own, so that nothing of the machine is touched: no sources, and lists elsewhere.
#[test]
fn a_package_list_that_another_apt_holds_is_waited_for() {
    use std::io::Write;
    if Command::new("apt-get").arg("--version").stdout(Stdio::null()).status().is_err() {
        // past the harness, which would keep it to itself
        let _ = writeln!(std::io::stderr(), "skipped: no apt-get");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let lists = dir.path().join("lists");
    create_dir_all(lists.join("partial")).unwrap();
    let lock = File::create(lists.join("lock")).unwrap();
    // as apt locks: fcntl(2), the whole file
    fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let script = format!(
        ". tests/apt.sh; patient_apt_get -qq -o Dir::State::Lists={} -o Dir::Etc::SourceList=/dev/null \
         -o Dir::Etc::SourceParts=/dev/null update",
        lists.display()
    );
    let mut waiting = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(source())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap()).lines();
    let line = said.next().unwrap().unwrap();
    assert!(line.starts_with("waiting for another apt: E: Could not get lock"), "{line}");
    fcntl_lock(&lock, FlockOperation::Unlock).unwrap();
    let rest: Vec<_> = said.map(Result::unwrap).collect();
    assert!(waiting.wait().unwrap().success(), "{rest:?}");
}
