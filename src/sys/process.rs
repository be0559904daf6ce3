//! What the daemon does to itself before it does anything else.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Keeps other processes of the same user out of this one's memory: no ptrace, no `/proc/PID/mem`,
/// no core dump (`PR_SET_DUMPABLE`, prctl(2); ptrace(2), "Ptrace access mode checking"). ssh-agent
/// does the same. If one of the two measures fails, the other is taken nevertheless.
pub fn forbid_inspection() -> std::io::Result<()> {
    // the wider measure first: it rules out core dumps too
    let not_dumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let no_core = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    Ok(not_dumpable.and(no_core)?)
}

/// Raises the limit on open files from the soft one, which is low for the sake of programs that use
/// select(2), to the hard one (getrlimit(2)). Gives the limit that holds from now on, whether or not
/// it could be raised.
#[must_use]
pub fn allow_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // fails only where the kernel is told to forbid it, and then the old limit holds
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
