//! What the daemon does to itself before it touches a secret.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Keeps other processes of the same user out of this one's memory: no ptrace, no `/proc/PID/mem`,
/// no core dump (`PR_SET_DUMPABLE`, prctl(2); ptrace(2), "Ptrace access mode checking"). ssh-agent
/// does the same. If one of the two measures fails, the other is taken nevertheless.
pub fn forbid_inspection() -> std::io::Result<()> {
    // the wider measure first: it rules out core dumps too
    let not_dumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let no_core = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    Ok(not_dumpable.and(no_core)?)
}
