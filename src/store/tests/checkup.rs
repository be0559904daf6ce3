//! A look at the files from beside a store that is at work.

use std::fs;
use std::io::{Seek, SeekFrom, Write};

use super::*;

#[test]
fn a_store_at_work_is_found_sound_and_works_on() {
    let home = Home::new();
    let places = home.places();
    let opened = open(&places, NOW).unwrap();
    let found = check(&places);
    let sound = found.database.unwrap();
    assert_eq!(sound.schema, 7);
    assert!(sound.bytes > 4096);
    assert!(found.free.unwrap() > 0);
    assert!(found.key.unwrap().starts_with("a key file"));
    opened.store.send(stand(Standing::Good)).unwrap();
    opened.store.close();
}

#[test]
fn a_key_file_that_went_missing_or_changed_is_told_before_the_next_start_needs_it() {
    let home = Home::new();
    let places = home.places();
    let opened = open(&places, NOW).unwrap();
    let text = fs::read_to_string(&places.keys).unwrap();
    fs::write(&places.keys, text.replace("secret = \"", "secret = \"00")).unwrap();
    assert!(matches!(check(&places).key, Err(StoreError::Key(KeyError::Unreadable { .. }))));
    fs::remove_file(&places.keys).unwrap();
    assert!(matches!(check(&places).key, Err(StoreError::Key(KeyError::Missing { .. }))));
    assert!(check(&places).database.is_ok());
    opened.store.close();
}

#[test]
fn a_damaged_page_is_found_though_nobody_has_read_it() {
    let home = Home::new();
    let places = home.places();
    open(&places, NOW).unwrap().store.close();
    let page = {
        let connection = rusqlite::Connection::open(&places.database).unwrap();
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'account_client'";
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let opened = open(&places, NOW).unwrap();
    let mut file = fs::OpenOptions::new().write(true).open(&places.database).unwrap();
    file.seek(SeekFrom::Start(u64::try_from(page - 1).unwrap() * 4096)).unwrap();
    file.write_all(&[0x55; 64]).unwrap();
    drop(file);
    let error = check(&places).database.unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { detail } if !detail.is_empty()), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
    opened.store.close();
}
