//! How the SQLite that is built in was compiled, by its own account: `.cargo/config.toml` says how it should be.

use std::collections::BTreeSet;

use rusqlite::Connection;

fn options() -> BTreeSet<String> {
    let db = Connection::open_in_memory().unwrap();
    let mut statement = db.prepare("PRAGMA compile_options").unwrap();
    let options = statement.query_map([], |row| row.get(0)).unwrap();
    options.collect::<Result<_, _>>().unwrap()
}

fn functions() -> BTreeSet<String> {
    let db = Connection::open_in_memory().unwrap();
    let mut statement = db.prepare("SELECT DISTINCT name FROM pragma_function_list").unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    names.collect::<Result<_, _>>().unwrap()
}

fn modules() -> BTreeSet<String> {
    let db = Connection::open_in_memory().unwrap();
    let mut statement = db.prepare("SELECT name FROM pragma_module_list").unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    names.collect::<Result<_, _>>().unwrap()
}

#[test]
fn what_no_statement_of_ours_uses_is_not_in_it() {
    let options = options();
    for part in [
        "ENABLE_COLUMN_METADATA",
        "ENABLE_DBSTAT_VTAB",
        "ENABLE_FTS3",
        "ENABLE_FTS3_PARENTHESIS",
        "ENABLE_FTS5",
        "ENABLE_LOAD_EXTENSION",
        "ENABLE_RTREE",
        "ENABLE_STAT4",
        "SOUNDEX",
    ] {
        assert!(!options.contains(part), "{part} is in it");
    }
    for left_out in [
        "OMIT_DECLTYPE",
        "OMIT_DEPRECATED",
        "OMIT_JSON",
        "OMIT_LOAD_EXTENSION",
        "OMIT_SHARED_CACHE",
    ] {
        assert!(options.contains(left_out), "no {left_out}: {options:?}");
    }
    let (functions, modules) = (functions(), modules());
    assert!(functions.contains("randomblob"), "{functions:?}");
    for function in ["json", "load_extension", "rtreecheck", "soundex"] {
        assert!(!functions.contains(function), "{function}() is in it");
    }
    for module in ["dbstat", "fts3", "fts5", "json_each", "rtree"] {
        assert!(!modules.contains(module), "{module} is in it");
    }
}

#[test]
fn what_guards_the_data_is_in_it() {
    let options = options();
    for guard in ["DEFAULT_FOREIGN_KEYS", "ENABLE_API_ARMOR", "THREADSAFE=1", "DQS=0"] {
        assert!(options.contains(guard), "no {guard}: {options:?}");
    }
}
