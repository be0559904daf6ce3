//! What a command said, held to what commands promise.

use serde_json::Value;

use super::process::Finished;

/// The one line that a command printed, which has to have gone well.
#[track_caller]
pub(crate) fn line(finished: &Finished) -> String {
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(finished.stderr, "", "{finished:?}");
    let line = finished.stdout.strip_suffix('\n').unwrap_or_else(|| panic!("{finished:?}"));
    assert!(!line.contains('\n'), "{finished:?}");
    line.to_owned()
}

/// The fault that a command with `--json` ended with, and its exit code.
#[track_caller]
pub(crate) fn fault(finished: &Finished) -> (Value, i32) {
    let last = finished.stderr.lines().last().unwrap_or_else(|| panic!("{finished:?}"));
    let fault: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{finished:?}"));
    for field in ["fault", "message", "hint"] {
        assert!(fault[field].as_str().is_some_and(|text| !text.is_empty()), "{fault}");
    }
    (fault, finished.status.code().unwrap_or_default())
}
