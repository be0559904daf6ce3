//! The floors of the house hold: a room uses rooms on floors below it, never one beside or above;
//! and a library that shapes a room is known to that room alone.
#![expect(clippy::unwrap_used, reason = "a test may fail where it reads its own sources")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, its floor, and the rooms that it may use.
const ROOMS: [(&str, u8, &[&str]); 14] = [
    ("model", 0, &[]),
    ("crash", 0, &[]),
    ("lifecycle", 1, &["model"]),
    ("api", 1, &["model"]),
    ("provider", 1, &["model"]),
    ("oauth", 2, &["provider", "model", "crash"]),
    ("store", 2, &["model", "crash"]),
    ("sys", 2, &["model"]),
    ("config", 2, &["model"]),
    // the system bus: not a face, for nobody reaches us there, and not sys, which knows the kernel alone
    ("host", 2, &[]),
    ("engine", 3, &["lifecycle", "oauth", "store", "sys", "api", "provider", "model", "crash"]),
    ("face", 4, &["api", "engine", "sys", "model"]),
    (
        "daemon",
        5,
        &[
            "face",
            "engine",
            "lifecycle",
            "oauth",
            "store",
            "sys",
            "host",
            "config",
            "api",
            "provider",
            "model",
            "crash",
        ],
    ),
    ("cli", 5, &["api", "model"]),
];

/// A word in the code, and the only places below `src` where it may stand.
const KNOWN_TO: [(&str, &[&str]); 10] = [
    ("reqwest::", &["oauth/"]),
    ("rusqlite::", &["store/"]),
    ("zbus::", &["face/dbus/", "host/"]),
    ("chacha20poly1305::", &["store/"]),
    ("listenfd::", &["sys/socket.rs"]),
    ("use nix::", &["sys/peer/"]),
    ("sd_notify::", &["sys/notify.rs"]),
    ("signal_hook::", &["sys/signals.rs", "cli/hidden.rs"]),
    ("tracing_journald::", &["sys/log.rs"]),
    ("clock_gettime", &["sys/clock.rs"]),
];

/// Rooms whose code the command line carries: none of them may drag in a runtime.
const COMMAND_LINE: [&str; 3] = ["cli", "api", "model"];

const LINES_MAX: usize = 550;

/// Rooms whose files are smaller than that.
const SMALL: [(&str, usize); 2] = [("engine", 400), ("lifecycle", 400)];

/// Rooms whose files do not use each other in circles.
const LAYERED: [&str; 9] =
    ["config", "daemon", "engine", "face", "host", "lifecycle", "model", "store", "sys"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![below.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A room is a folder, or a single file.
fn files_of(room: &str) -> Vec<PathBuf> {
    let single = source().join(format!("{room}.rs"));
    if single.exists() { vec![single] } else { files(&source().join(room)) }
}

/// The code of a file without comment lines: prose may name what code may not.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"))
}

/// The rooms that a piece of code names by `crate::room`, also in `use crate::{a, b}`.
fn rooms_named(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (place, _) in code.match_indices("crate::") {
        let rest = &code[place + "crate::".len()..];
        let list = match rest.strip_prefix('{') {
            Some(inner) => inner.split('}').next().unwrap_or_default(),
            None => {
                rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
            }
        };
        for item in list.split(',') {
            let word = item.trim().split("::").next().unwrap_or_default().trim();
            named.insert(word.to_owned());
        }
    }
    named
}

#[test]
fn a_room_uses_only_rooms_on_floors_below() {
    let mut wrong = Vec::new();
    for (room, floor, may_use) in ROOMS {
        for used in may_use {
            let below = ROOMS.iter().find(|(name, ..)| name == used).map(|(_, floor, _)| *floor);
            assert!(below.is_some_and(|below| below < floor), "the table: {room} -> {used}");
        }
        for path in files_of(room) {
            for named in rooms_named(&code(&path)) {
                let is_room = ROOMS.iter().any(|(name, ..)| *name == named);
                if is_room && named != room && !may_use.contains(&named.as_str()) {
                    wrong.push(format!("{} uses {named}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The files of a room, and which of them each uses. A folder inside counts as one file.
fn uses_inside(room: &str) -> BTreeMap<String, BTreeSet<String>> {
    let base = source().join(room);
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in files(&base).iter().filter(|path| !is_test(path)) {
        let inside = path.strip_prefix(&base).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
        let name = first.trim_end_matches(".rs").to_owned();
        if name == "mod" {
            continue;
        }
        let text = code(path);
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let up = "super::".repeat(inside.components().count());
        let ways = [up, format!("crate::{room}::")];
        let words = ways.iter().flat_map(|way| text.split(way.as_str()).skip(1));
        let named = words.filter_map(|rest| {
            let word = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
            (!word.is_empty() && word != "super" && word != name).then(|| word.to_owned())
        });
        uses.entry(name.clone()).or_default().extend(named);
    }
    uses
}

#[test]
fn the_files_of_a_room_do_not_use_each_other_in_circles() {
    for room in LAYERED {
        let mut uses = uses_inside(room);
        // a file that uses none of those that are left is taken away, until none is left or all that are turn in circles
        loop {
            let left: BTreeSet<String> = uses.keys().cloned().collect();
            let before = left.len();
            uses.retain(|_, used| used.intersection(&left).next().is_some());
            if uses.len() == before {
                break;
            }
        }
        let circle: Vec<&String> = uses.keys().collect();
        assert!(
            uses.is_empty(),
            "{room}: these use each other in a circle, or one that does: {circle:?}"
        );
    }
}

#[test]
fn every_folder_or_file_is_a_room_and_every_room_is_declared() {
    let library = code(&source().join("lib.rs"));
    for entry in fs::read_dir(source()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let file = name.strip_suffix(".rs").filter(|name| *name != "lib");
        if let Some(name) = file.or((path.is_dir() && name != "bin").then_some(&name)) {
            assert!(ROOMS.iter().any(|(room, ..)| *room == name), "{name} has no floor");
            assert!(library.contains(&format!("pub mod {name};")), "{name} is not in lib.rs");
        }
    }
}

#[test]
fn a_library_is_known_to_its_own_room_alone() {
    let mut wrong = Vec::new();
    for path in files(&source()) {
        let place = path.strip_prefix(source()).unwrap().to_string_lossy().into_owned();
        let code = code(&path);
        for (word, places) in KNOWN_TO {
            if code.contains(word) && !places.iter().any(|known| place.starts_with(known)) {
                wrong.push(format!("{place} knows {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_the_command_line_carries_has_no_runtime() {
    for room in COMMAND_LINE {
        for path in files(&source().join(room)) {
            let code = code(&path);
            for word in ["tokio", "rusqlite", "zbus", "reqwest"] {
                assert!(!code.contains(&format!("{word}::")), "{} uses {word}", path.display());
            }
        }
    }
}

#[test]
fn no_code_but_the_clock_reads_one_and_no_file_outgrows_its_room() {
    for path in files(&source()) {
        let text = fs::read_to_string(&path).unwrap();
        if !is_test(&path) {
            let lines = text.split("#[cfg(test)]").next().unwrap_or_default().lines().count();
            let room = |(room, _): &&(&str, usize)| path.starts_with(source().join(room));
            let most = SMALL.iter().find(room).map_or(LINES_MAX, |(_, most)| *most);
            assert!(lines <= most, "{} has {lines} lines", path.display());
        }
        let place = path.strip_prefix(source()).unwrap();
        if place != Path::new("sys/clock.rs") {
            for word in ["Instant::now(", "SystemTime::now(", "Timestamp::now(", "Zoned::now("] {
                assert!(!code(&path).contains(word), "{} reads a clock", path.display());
            }
        }
    }
}
