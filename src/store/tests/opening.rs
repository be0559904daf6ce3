//! Starts that must not succeed, and those that must.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;

use super::*;

fn put_database(home: &Home, contents: &[u8]) -> PathBuf {
    let path = home.places().database;
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, contents).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A home with one account and a client secret, closed.
fn used() -> Home {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.close();
    home
}

fn error_of(home: &Home) -> StoreError {
    home.try_open().map(|_| ()).unwrap_err()
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let home = Home::new();
    let path = put_database(&home, b"Dear diary, today I lost my tokens.");
    assert_eq!(error_of(&home), StoreError::Foreign { path: path.clone(), application: None });
    assert_eq!(fs::read(&path).unwrap(), b"Dear diary, today I lost my tokens.");
}

#[test]
fn another_programs_database_is_refused_and_left_as_it_is() {
    let home = Home::new();
    let path = put_database(&home, b"");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE diary (day);").unwrap();
    // its log is not checkpointed, and stays so
    let log = files::beside(&path, "-wal");
    fs::set_permissions(&log, fs::Permissions::from_mode(0o600)).unwrap();
    let before = (fs::read(&path).unwrap(), fs::read(&log).unwrap());
    assert_eq!(error_of(&home), StoreError::Foreign { path: path.clone(), application: Some(0) });
    assert_eq!((fs::read(&path).unwrap(), fs::read(&log).unwrap()), before);
}

#[test]
fn a_newer_schema_is_refused_by_number() {
    let home = used();
    let writer = home.writer();
    writer.connection().pragma_update(None, "user_version", 8).unwrap();
    writer.finish();
    let error = error_of(&home);
    assert_eq!(error, StoreError::Newer { found: 8, known: 7 });
    assert!(error.to_string().contains("schema 8"));
}

#[test]
fn clients_that_an_earlier_version_left_behind_go_at_the_migration() {
    let home = used();
    let writer = home.writer();
    let before = "DROP INDEX attempt_account;
                  DROP INDEX attempt_client;
                  INSERT INTO client (provider, client) VALUES ('parqex', 'forgotten');
                  PRAGMA user_version = 6;";
    writer.connection().execute_batch(before).unwrap();
    writer.finish();
    assert_eq!(home.open().loaded.clients, [client()]);
}

#[test]
fn a_damaged_database_is_refused_and_not_replaced() {
    let home = used();
    let path = home.places().database;
    let mut bytes = fs::read(&path).unwrap();
    for byte in &mut bytes[100..4096] {
        *byte = 0xa5;
    }
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(error_of(&home), StoreError::Damaged { .. }));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_log_that_lost_its_database_is_not_thrown_away() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    let after = home.crash();
    let path = after.places().database;
    fs::write(&path, b"").unwrap();
    let log = fs::read(files::beside(&path, "-wal")).unwrap();
    for _ in 0..2 {
        assert!(matches!(error_of(&after), StoreError::Damaged { .. }));
        assert_eq!(fs::read(files::beside(&path, "-wal")).unwrap(), log);
        // nor when the file is gone altogether
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn without_its_key_file_a_database_with_secrets_stays_shut() {
    let home = used();
    let keys = home.places().keys;
    let kept = fs::read(&keys).unwrap();
    fs::remove_file(&keys).unwrap();
    assert_eq!(error_of(&home), KeyError::Missing { path: keys.clone() }.into());
    assert!(!keys.exists(), "no new key was made");
    // with the file restored all is well
    fs::write(&keys, kept).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(home.try_open().unwrap().accounts.len(), 1);
}

#[test]
fn the_key_file_of_another_database_does_not_fit() {
    let (home, other) = (used(), used());
    let keys = home.places().keys;
    fs::copy(other.places().keys, &keys).unwrap();
    let why = "it belongs to another database";
    assert_eq!(error_of(&home), KeyError::DoesNotFit { path: keys, why }.into());
}

#[test]
fn a_key_file_for_this_database_with_another_data_key_does_not_fit() {
    let home = used();
    let keys = home.places().keys;
    let database = table::meta::database(home.writer().connection()).unwrap();
    let other = seal::DataKey::random().unwrap();
    let file = keyfile::KeyFile::new(database, &other, &Machine::here(), NOW.wall).unwrap();
    file.write(&keys, &other).unwrap();
    let why = "its data key is not the one of the database";
    assert_eq!(error_of(&home), KeyError::DoesNotFit { path: keys, why }.into());
}

#[test]
fn a_changed_or_emptied_key_file_does_not_open() {
    let home = used();
    let keys = home.places().keys;
    let text = fs::read_to_string(&keys).unwrap();
    fs::write(&keys, text.replace("created_ms = 17", "created_ms = 16")).unwrap();
    let why = "it was changed since ostler wrote it";
    assert_eq!(error_of(&home), KeyError::Unreadable { path: keys.clone(), why }.into());
    fs::write(&keys, "").unwrap();
    assert!(matches!(error_of(&home), StoreError::Key(KeyError::Unreadable { .. })));
    assert_eq!(fs::read(&keys).unwrap(), b"", "it was not replaced");
}

#[test]
fn copied_to_another_machine_or_user_database_and_key_stay_shut() {
    let home = used();
    let here = Machine::here();
    for elsewhere in [
        Machine { id: format!("{}0", here.id), uid: here.uid },
        Machine { uid: here.uid + 1, id: here.id },
    ] {
        let error = open_writer(&home.places(), &elsewhere, NOW).map(|_| ()).unwrap_err();
        assert!(matches!(error, StoreError::Key(KeyError::DoesNotFit { .. })), "{error}");
    }
}

#[test]
fn a_first_start_that_was_interrupted_is_mended() {
    // the database was made, its key file was not
    let home = Home::new();
    home.try_open().unwrap();
    fs::remove_file(home.places().keys).unwrap();
    home.try_open().unwrap();
    // the file of the database was made, nothing more
    let home = Home::new();
    put_database(&home, b"");
    home.try_open().unwrap();
    let mut run = home.open();
    run.sign_in();
}

#[test]
fn a_new_database_leaves_the_key_file_of_another_where_it_is() {
    let home = used();
    let places = home.places();
    let key = fs::read(&places.keys).unwrap();
    // the state directory is elsewhere for once, the configuration directory is not
    let elsewhere = Places { database: home.dir.path().join("other/ostler.db"), ..home.places() };
    // the second time the new database is there already, and still empty
    for _ in 0..2 {
        let error = open(&elsewhere, NOW).map(|_| ()).unwrap_err();
        assert!(matches!(error, StoreError::Key(KeyError::DoesNotFit { .. })), "{error}");
        assert_eq!(fs::read(&places.keys).unwrap(), key);
        assert!(!files::beside(&places.keys, ".unused").exists());
    }
    assert_eq!(home.try_open().unwrap().accounts.len(), 1);
}

#[test]
fn an_empty_database_sets_a_useless_key_file_aside_and_keeps_it() {
    // not readable as a key file
    let home = Home::new();
    home.try_open().unwrap();
    let keys = home.places().keys;
    fs::write(&keys, "torn").unwrap();
    assert!(home.try_open().unwrap().accounts.is_empty());
    assert_eq!(fs::read(files::beside(&keys, ".unused")).unwrap(), b"torn");
    // for this database, but made on another machine
    let home = Home::new();
    let here = Machine::here();
    let elsewhere = Machine { id: format!("{}0", here.id), uid: here.uid };
    drop(open_writer(&home.places(), &elsewhere, NOW).unwrap());
    let keys = home.places().keys;
    let old = fs::read(&keys).unwrap();
    assert!(home.try_open().unwrap().accounts.is_empty());
    assert_ne!(fs::read(&keys).unwrap(), old);
    assert_eq!(fs::read(files::beside(&keys, ".unused")).unwrap(), old);
}

#[test]
fn a_value_under_a_key_that_is_not_the_files_is_not_taken_for_damage() {
    let home = used();
    let writer = home.writer();
    let sql = "UPDATE access_token
               SET token = CAST(substr(token, 1, 1) || x'00000000' || substr(token, 6) AS BLOB)";
    writer.connection().execute(sql, []).unwrap();
    writer.finish();
    assert_eq!(error_of(&home), KeyError::OtherKey.into());
}

#[test]
fn files_that_others_can_read_are_refused_with_the_cure() {
    for pick in [|places: Places| places.database, |places: Places| places.keys] {
        let home = used();
        let path = pick(home.places());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = error_of(&home);
        assert_eq!(error, StoreError::Permissions { path: path.clone(), mode: 0o644 });
        assert!(error.to_string().contains(&format!("chmod 600 '{}'", path.display())));
    }
}

#[test]
fn a_place_that_cannot_be_made_is_named() {
    let home = Home::new();
    fs::write(home.dir.path().join("state"), "in the way").unwrap();
    let error = error_of(&home);
    assert!(
        matches!(&error, StoreError::File { kind: ErrorKind::NotADirectory, path, .. }
            if path.ends_with("state/ostler")),
        "{error}"
    );
    let home = Home::new();
    fs::write(home.dir.path().join("config"), "in the way").unwrap();
    assert!(matches!(error_of(&home), StoreError::File { kind: ErrorKind::NotADirectory, .. }));
}

#[test]
fn a_directory_in_the_databases_place_is_no_database() {
    let home = Home::new();
    fs::create_dir_all(home.places().database).unwrap();
    fs::set_permissions(home.places().database, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(error_of(&home), StoreError::File { kind: ErrorKind::IsADirectory, .. }));
}

#[test]
fn the_database_is_set_up_to_be_durable_and_to_forget() {
    let home = used();
    let writer = home.writer();
    let pragma = |name: &str| -> String {
        let read = |row: &rusqlite::Row<'_>| Ok(format!("{:?}", row.get_ref(0)?.as_i64().ok()));
        writer.connection().pragma_query_value(None, name, read).unwrap()
    };
    assert_eq!(pragma("synchronous"), "Some(2)", "FULL");
    assert_eq!(pragma("secure_delete"), "Some(1)");
    assert_eq!(pragma("foreign_keys"), "Some(1)");
    assert_eq!(pragma("trusted_schema"), "Some(0)");
    assert_eq!(pragma("application_id"), format!("Some({})", u32::from_be_bytes(*b"ostl")));
    let mode: String =
        writer.connection().pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    let check: String =
        writer.connection().pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

#[test]
fn a_store_that_is_closed_does_not_wait_for_the_look_at_its_files() {
    use std::sync::atomic::AtomicBool;
    let home = Home::new();
    home.open().store.close();
    let connection = rusqlite::Connection::open(home.places().database).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE filler (a PRIMARY KEY) WITHOUT ROWID;
             INSERT INTO filler WITH RECURSIVE n (i) AS
                 (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT i FROM n;",
        )
        .unwrap();
    drop(connection);
    let mut writer = home.writer();
    writer.check(&Arc::new(AtomicBool::new(true))).unwrap_err();
    // it is not taken for sound by that
    writer.check(&Arc::new(AtomicBool::new(true))).unwrap_err();
    writer.check(&Arc::new(AtomicBool::new(false))).unwrap();
    writer.check(&Arc::new(AtomicBool::new(true))).expect("it is known to be sound");
}

#[test]
fn damaged_files_are_not_written_into() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.store.close();
    let path = home.places().database;
    let good = std::fs::read(&path).unwrap();
    let mut found = 0;
    for page in 1..good.len() / 4096 {
        let mut bytes = good.clone();
        bytes[page * 4096..][..4096].fill(0xa5);
        std::fs::write(&path, &bytes).unwrap();
        // what a start reads it finds by itself
        let Ok(Opened { store, mut reports, loaded }) = open(&home.places(), NOW) else { continue };
        found += 1;
        assert_eq!(loaded.accounts.len(), 1, "what it loads it can be served from");
        store.send(stand(Standing::Held { why: "never".into() })).unwrap();
        let damaged = |report| match report {
            Some(
                Report::Checked { result: Err(error) } | Report::Stood { result: Err(error), .. },
            ) => matches!(error, StoreError::Damaged { .. }),
            other => panic!("{other:?}"),
        };
        assert!(damaged(reports.blocking_recv()) && damaged(reports.blocking_recv()), "{page}");
        store.close();
        assert!(std::fs::read(&path).unwrap() == bytes, "{page}");
    }
    assert!(found >= 4, "{found}");
}
