//! What can be read of processes by others while they run.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The command lines of all processes that come of this one, as other users of the machine can read
/// them.
pub(crate) struct Sampler {
    seen: Arc<Mutex<BTreeSet<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    pub(crate) fn start() -> Self {
        let (seen, stop) =
            (Arc::new(Mutex::new(BTreeSet::new())), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (seen, stop) = (Arc::clone(&seen), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    seen.lock().unwrap().extend(command_lines());
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        });
        Self { seen, stop, thread: Some(thread) }
    }

    /// All that were seen, one a line.
    pub(crate) fn end(mut self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        let seen = self.seen.lock().unwrap();
        seen.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Processes come and go while one looks: what is gone has nothing to show.
fn command_lines() -> Vec<String> {
    let mut parents = HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // the name before it, in brackets, can hold anything (proc_pid_stat(5))
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        if let Some(parent) = parent.and_then(|parent| parent.parse::<u32>().ok()) {
            parents.insert(pid, parent);
        }
    }
    let is_ours = |pid: &u32| {
        let ancestors = std::iter::successors(Some(*pid), |pid| parents.get(pid).copied());
        ancestors.skip(1).any(|pid| pid == std::process::id())
    };
    let ours = parents.keys().filter(|pid| is_ours(pid));
    ours.filter_map(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
        .collect()
}
