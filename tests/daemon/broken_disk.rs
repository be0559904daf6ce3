//! A disk that fails on order, and a power cut that leaves what was synced; see `broken_disk.c`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::io::Errno;
use serde_json::Value;

use crate::database::FILE;
use crate::scene::Scene;
use crate::support::daemon::{Daemon, Home};
use crate::support::process;
use crate::support::provider::Config;

const PATIENCE: Duration = Duration::from_secs(40);

/// How long a call fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// As long as it is ordered.
    Mended,
    /// As long as the reserve holds room.
    GivenUp,
    /// One time, after so many calls that work.
    Once(u32),
}

/// One call that fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    /// `write`, `truncate`, `allocate`, `sync`, `map`, `open` or `rename`.
    pub(crate) call: &'static str,
    /// `db`, `wal`, `shm`, `reserve`, `keys` or `marks`.
    pub(crate) file: &'static str,
    pub(crate) errno: Errno,
    pub(crate) until: Until,
}

impl Trouble {
    pub(crate) fn always(call: &'static str, file: &'static str, errno: Errno) -> Self {
        Self { call, file, errno, until: Until::Mended }
    }

    fn line(self) -> String {
        let Self { call, file, errno, until } = self;
        let until = match until {
            Until::Mended => "always".to_owned(),
            Until::GivenUp => "given-up".to_owned(),
            Until::Once(after) => format!("once:{after}"),
        };
        format!("{call} {file} {} {until}\n", errno.raw_os_error())
    }
}

/// The library, compiled once for all tests of a run.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/daemon/broken_disk.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("broken_disk.so");
        let fresh = library.with_extension(std::process::id().to_string());
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-o"]).args([&fresh, &source]).arg("-ldl");
        let compiled = process::run(&mut compile, "", PATIENCE).unwrap();
        assert!(compiled.status.success(), "{compiled:?}");
        // another run may have it in use
        fs::rename(fresh, &library).unwrap();
        library
    })
}

/// A home on such a disk.
pub(crate) fn on_broken_disk(home: Home) -> Home {
    let truth = home.path("truth");
    fs::create_dir(&truth).unwrap();
    [
        ("LD_PRELOAD", library().to_owned()),
        ("DISK_ORDER", home.path("order")),
        ("DISK_LOG", home.path("refused")),
        ("DISK_HOLD", home.path("hold")),
        ("DISK_TRUTH", truth),
        ("DISK_RESERVE", home.path("state/ostler/ostler.db.reserve")),
    ]
    .into_iter()
    .fold(home, |home, (name, path)| home.env(name, &path.display().to_string()))
}

/// Whether a disk can be broken here: a program that is linked statically loads no library first.
pub(crate) fn can_break(home: &Home) -> bool {
    let program = PathBuf::from(home.daemon_command().get_program());
    let loads = fs::read(program).unwrap()[..4096].windows(5).any(|bytes| bytes == b"/ld-l");
    if !loads {
        let _ = writeln!(std::io::stderr(), "skipped: a static program loads no library first");
    }
    loads
}

/// A scene on such a disk, without accounts.
pub(crate) fn scene(config: Config) -> Option<Scene> {
    let scene = Scene::at_home(config, on_broken_disk);
    can_break(scene.daemon.home()).then_some(scene)
}

/// Has calls fail from now on.
pub(crate) fn break_disk(home: &Home, troubles: &[Trouble]) {
    let order = home.path("order");
    let fresh = order.with_extension("new");
    fs::write(&fresh, troubles.iter().map(|trouble| trouble.line()).collect::<String>()).unwrap();
    fs::rename(fresh, order).unwrap();
}

/// Everything works again. Gives the calls that failed, each as "call file errno".
pub(crate) fn mend_disk(home: &Home) -> Vec<String> {
    // one that was to fail once has removed it
    let _ = fs::remove_file(home.path("order"));
    let log = home.path("refused");
    let text = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_file(log);
    text.lines().map(str::to_owned).collect()
}

/// The store's thread waits where it reads the database from now on, or goes on.
pub(crate) fn hold_reads(home: &Home, hold: bool) {
    let order = home.path("hold");
    if hold { fs::write(order, "").unwrap() } else { fs::remove_file(order).unwrap() }
}

/// Kills the daemon with the power: of the database and its log there is what was synced, and no more.
pub(crate) fn cut_power(daemon: &mut Daemon) {
    daemon.kill9().unwrap();
    let database = daemon.home().path(FILE);
    let directory = database.parent().unwrap();
    for name in ["ostler.db", "ostler.db-wal"] {
        let truth = daemon.home().path("truth").join(name);
        if truth.exists() {
            fs::copy(&truth, directory.join(name)).unwrap();
            let dirty = daemon.home().path("truth").join(format!("{name}.dirty"));
            let length = fs::metadata(&dirty).unwrap().len();
            fs::write(dirty, vec![0; length.try_into().unwrap()]).unwrap();
        }
    }
    // which is memory
    let _ = fs::remove_file(directory.join("ostler.db-shm"));
}

/// Whether an account is shown as one whose new token the disk does not take.
pub(crate) fn is_unwritten(account: &Value) -> bool {
    let detail = account["detail"].as_str();
    detail.is_some_and(|detail| detail.contains("nothing can be written down"))
}
