//! The desktop entry: the way by which addresses of ostler's own scheme come back from the browser.

use std::fs;

use crate::support::process;
use crate::{PATIENCE, said, source};

#[test]
fn desktops_take_the_entry_and_open_addresses_of_the_scheme_with_it() {
    let entry = source().join("packaging/dev.ostler.Ostler.desktop");
    let text = fs::read_to_string(&entry).unwrap();
    assert_eq!(said("desktop-file-validate", &[entry.to_str().unwrap()]), "");
    assert!(text.contains("Exec=/usr/bin/ostler callback %u\n"), "{text}");

    let data = tempfile::tempdir().unwrap();
    let applications = data.path().join("applications");
    fs::create_dir(&applications).unwrap();
    fs::copy(&entry, applications.join("dev.ostler.Ostler.desktop")).unwrap();
    said("update-desktop-database", &[applications.to_str().unwrap()]);
    let mut command = std::process::Command::new("xdg-mime");
    command.args(["query", "default", "x-scheme-handler/dev.ostler"]);
    for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CONFIG_DIRS"] {
        command.env(name, data.path().join("nothing"));
    }
    command.env("XDG_DATA_DIRS", data.path()).env_remove("XDG_CURRENT_DESKTOP");
    let found = process::run(&mut command, "", PATIENCE).unwrap();
    assert_eq!(found.stdout, "dev.ostler.Ostler.desktop\n", "{found:?}");
}
