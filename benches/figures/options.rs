//! What is to be measured, as `benches/run` says it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Failure;
use crate::support::daemon::Binaries;

/// How thoroughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Two minutes.
    Quick,
    /// As long as it takes for figures that are to be shown.
    Full,
}

/// A build that is measured.
#[derive(Debug)]
pub(crate) struct Build {
    /// What it is called in the table.
    pub(crate) name: String,
    /// Its programs.
    pub(crate) binaries: Binaries,
    /// The command line as a static program, if that was built, too.
    pub(crate) static_ostler: Option<PathBuf>,
}

/// What is to be measured.
#[derive(Debug)]
pub(crate) struct Options {
    /// The builds, this one first.
    pub(crate) builds: Vec<Build>,
    /// Where the floors and meters are.
    pub(crate) tools: PathBuf,
    /// Where the results go.
    pub(crate) out: PathBuf,
    /// How thoroughly.
    pub(crate) pace: Pace,
    /// The scenes; all of them if none is named.
    scenes: Vec<String>,
    /// The core on which both ends run.
    core: usize,
}

impl Options {
    /// Reads the arguments: `--build NAME=DIRECTORY` once or twice, `--static NAME=DIRECTORY`, `--tools DIRECTORY`,
    /// `--out DIRECTORY`, `--quick`, and names of scenes.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, Failure> {
        let mut arguments = arguments.map(|it| it.into_string().map_err(|_| "not UTF-8"));
        let (mut tools, mut out) = (None, None);
        let (mut builds, mut scenes) = (Vec::new(), Vec::new());
        let mut pace = Pace::Full;
        while let Some(argument) = arguments.next().transpose()? {
            let mut value = || {
                arguments.next().ok_or(format!("{argument} wants a value"))?.map_err(Failure::from)
            };
            match argument.as_str() {
                "--build" => builds.push(build(&value()?)?),
                "--static" => make_static(&mut builds, &value()?)?,
                "--tools" => tools = Some(PathBuf::from(value()?)),
                "--out" => out = Some(PathBuf::from(value()?)),
                "--quick" => pace = Pace::Quick,
                // cargo says so to every bench
                "--bench" => {}
                name if name.starts_with('-') => return Err(format!("no option {name}").into()),
                name if crate::scenes::all().any(|scene| scene.name == name) => {
                    scenes.push(name.to_owned());
                }
                name => return Err(format!("no scene {name}").into()),
            }
        }
        let (Some(tools), Some(out), false) = (tools, out, builds.is_empty()) else {
            return Err("please start it by benches/run".into());
        };
        Ok(Self { builds, tools, out, pace, scenes, core: last_core()? })
    }

    /// Whether a scene is to be played.
    pub(crate) fn wants(&self, scene: &str) -> bool {
        self.scenes.is_empty() || self.scenes.iter().any(|name| name == scene)
    }

    /// One number for a quick run, another for a full one.
    pub(crate) fn choose<T>(&self, quick: T, full: T) -> T {
        match self.pace {
            Pace::Quick => quick,
            Pace::Full => full,
        }
    }

    /// Until that is dropped, whatever this thread starts runs on one core, and so does this thread.
    pub(crate) fn pin(&self) -> Result<Pin, Failure> {
        let before = sched_getaffinity(None)?;
        let mut one = CpuSet::new();
        one.set(self.core);
        sched_setaffinity(None, &one)?;
        Ok(Pin { before })
    }
}

/// See [`Options::pin`].
#[must_use]
pub(crate) struct Pin {
    before: CpuSet,
}

impl Drop for Pin {
    fn drop(&mut self) {
        // it ran on these cores before
        let _ = sched_setaffinity(None, &self.before);
    }
}

/// The last core that this process may use: the first one tends to have the machine's interrupts.
fn last_core() -> Result<usize, Failure> {
    let may = sched_getaffinity(None)?;
    (0..CpuSet::MAX_CPU).rfind(|core| may.is_set(*core)).ok_or_else(|| "no core".into())
}

fn split(text: &str) -> Result<(&str, &Path), Failure> {
    let (name, directory) = text.split_once('=').ok_or("a build is NAME=DIRECTORY")?;
    Ok((name, Path::new(directory)))
}

fn build(text: &str) -> Result<Build, Failure> {
    let (name, directory) = split(text)?;
    let binaries =
        Binaries { ostlerd: directory.join("ostlerd"), ostler: directory.join("ostler") };
    Ok(Build { name: name.to_owned(), binaries, static_ostler: None })
}

fn make_static(builds: &mut [Build], text: &str) -> Result<(), Failure> {
    let (name, directory) = split(text)?;
    let build = builds.iter_mut().find(|it| it.name == name).ok_or("--static of no build")?;
    build.static_ostler = Some(directory.join("ostler"));
    Ok(())
}
