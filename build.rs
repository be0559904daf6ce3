//! Links the command line, and it alone, with the unwinder that std brings into every program inside it, and not as
//! a shared library: `libgcc_s.so.1` is needed for nothing but the backtrace of a panic, and to find, map and
//! relocate it costs `ostler token` a tenth of its time.
//!
//! Where the C compiler has no such archive the program is linked as ever, and starts a little later.

use std::env;
use std::path::Path;
use std::process::Command;

/// The unwinder as GCC brings it.
const UNWINDER: &str = "libgcc_eh.a";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // the static target of musl has an unwinder of its own
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|libc| libc == "gnu")
        && let Some(archive) = archive()
    {
        // whole, since what is linked before std is asked for nothing yet
        println!(
            "cargo::rustc-link-arg-bin=ostler=-Wl,--push-state,--whole-archive,{archive},--pop-state"
        );
    }
}

/// Where it is, as the linker's driver says. What the machine's own driver says is of no use to another one.
fn archive() -> Option<String> {
    let driver = match env::var("RUSTC_LINKER") {
        Ok(driver) => driver,
        Err(_) if env::var("HOST") == env::var("TARGET") => "cc".to_owned(),
        Err(_) => return None,
    };
    let said = Command::new(driver).arg(format!("-print-file-name={UNWINDER}")).output().ok()?;
    let path = String::from_utf8(said.stdout).ok()?.trim().to_owned();
    // a driver that does not know it repeats its name
    (Path::new(&path).is_absolute() && Path::new(&path).exists()).then_some(path)
}
