//! The two binaries, built like the demo itself.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

use crate::support::daemon::Binaries;

/// Has cargo build what is missing or stale, with the demo's own profile and target directory.
pub(crate) fn binaries() -> Result<Binaries, Box<dyn Error>> {
    // .../target/PROFILE/examples/demo
    let demo = std::env::current_exe()?;
    let dir = demo.parent().and_then(|examples| examples.parent()).ok_or("the demo has no home")?;
    let profile = match dir.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(name) => name,
        None => "release",
    };
    let target = dir.parent().ok_or("the demo has no target directory")?;
    // cargo sets CARGO for what it runs
    let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    // with the demo in the selection, features are resolved as they were for it, and no dependency
    // is built a second time
    let status = Command::new(cargo)
        .args(["build", "--locked", "--bins", "--example", "demo"])
        .args(["--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    if !status.success() {
        return Err("cargo could not build the binaries".into());
    }
    Ok(Binaries { ostlerd: dir.join("ostlerd"), ostler: dir.join("ostler") })
}
