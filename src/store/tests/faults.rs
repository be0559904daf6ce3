//! Commits that cannot happen.

use rusqlite::Connection;

use super::*;

/// Lets the database grow by no more than it is now.
fn fill(writer: &Writer) {
    let pages: i64 =
        writer.connection().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let set = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    writer.connection().pragma_update_and_check(None, "max_page_count", pages, set).unwrap();
}

fn make_room(writer: &Writer) {
    let set = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    writer.connection().pragma_update_and_check(None, "max_page_count", 100_000, set).unwrap();
}

fn signed_in(writer: &mut Writer) {
    let reports = writer.commit(vec![
        begin(1, exchange(1, None)),
        Command::Grant(Box::new(change(1, 1, 1, Some("canary-refresh-1")))),
        begin(2, refresh(1, 1)),
    ]);
    assert!(matches!(&reports[2], Report::Begun { result: Ok(_), .. }), "{reports:?}");
}

#[test]
fn on_a_full_disk_a_grant_comes_back_and_can_be_tried_again() {
    let home = Home::new();
    let mut writer = home.writer();
    signed_in(&mut writer);
    fill(&writer);
    let token = "canary".repeat(5000);
    let mut reports = writer.commit(vec![Command::Grant(Box::new(change(2, 1, 2, Some(&token))))]);
    let Some(Report::Granted { result: Err((error, change)), .. }) = reports.pop() else {
        panic!("{reports:?}")
    };
    assert_eq!(error, Unwritable::Full.into());
    assert!(error.may_pass());
    assert_eq!(change.refresh.as_ref().unwrap().expose(), token);
    assert_eq!(home.crash().open().loaded.attempts.len(), 1, "nothing of it was written");

    make_room(&writer);
    let reports = writer.commit(vec![Command::Grant(change)]);
    assert!(matches!(&reports[..], [Report::Granted { result: Ok(_), .. }]), "{reports:?}");
    let mut after = home.crash().open();
    assert_eq!(after.begin(3, refresh(1, 2)).unwrap().refresh.unwrap().expose(), token);
}

#[test]
fn on_a_full_disk_small_commands_of_the_same_batch_are_judged_by_themselves() {
    let home = Home::new();
    let mut writer = home.writer();
    signed_in(&mut writer);
    fill(&writer);
    let body = Zeroizing::new(vec![b'x'; 100_000]);
    let large = Arc::new(RawAnswer { body, ..answer() });
    let reports = writer.commit(vec![
        stand(Standing::Good),
        Command::Answered { flight: FlightId(2), answer: large },
        Command::Stand { account: account(1), standing: Standing::Held { why: "x".into() } },
    ]);
    let [
        Report::Stood { result: first, .. },
        Report::Answered { result: Err(error), .. },
        Report::Stood { result: last, .. },
    ] = &reports[..]
    else {
        panic!("{reports:?}")
    };
    assert_eq!(*error, Unwritable::Full.into());
    // what is reported is what is there
    let after = home.crash().open();
    let held = after.loaded.accounts[0].standing != Standing::Good;
    assert_eq!(held, last.is_ok());
    assert_eq!(first.is_ok(), last.is_ok(), "one transaction");
}

#[test]
fn a_transaction_that_sqlite_gives_up_fails_every_command_in_it() {
    let home = Home::new();
    let mut writer = home.writer();
    signed_in(&mut writer);
    // stands for an I/O error in the middle, upon which SQLite rolls back by itself
    writer
        .connection()
        .execute_batch(
            "CREATE TEMP TRIGGER fault BEFORE UPDATE OF standing ON main.account
             WHEN NEW.why = 'fault' BEGIN SELECT RAISE(ROLLBACK, 'disk I/O error'); END;",
        )
        .unwrap();
    let held = |why: &str| Command::Stand {
        account: account(1),
        standing: Standing::Held { why: why.into() },
    };
    let reports = writer.commit(vec![
        held("before"),
        Command::Grant(Box::new(change(2, 1, 2, Some("canary-refresh-2")))),
        held("fault"),
        stand(Standing::Good),
    ]);
    let [
        Report::Stood { result: Err(_), .. },
        Report::Granted { result: Err((_, change)), .. },
        Report::Stood { result: Err(_), .. },
        Report::Stood { result: Err(_), .. },
    ] = &reports[..]
    else {
        panic!("{reports:?}")
    };
    assert_eq!(change.refresh.as_ref().unwrap().expose(), "canary-refresh-2");
    let after = home.crash().open();
    assert_eq!(after.loaded.accounts[0].standing, Standing::Good);
    assert_eq!(after.loaded.accounts[0].generation, Generation(1));
    // and the next batch is a fresh start
    let reports = writer.commit(vec![stand(Standing::Good)]);
    assert!(matches!(&reports[..], [Report::Stood { result: Ok(()), .. }]));
}

#[test]
fn a_commit_that_fails_at_the_very_end_fails_every_command_in_it() {
    let home = Home::new();
    let mut writer = home.writer();
    signed_in(&mut writer);
    // a constraint that is only checked at COMMIT stands for a sync that fails there
    writer
        .connection()
        .execute_batch(
            "CREATE TABLE later (account INTEGER
                 REFERENCES account (id) DEFERRABLE INITIALLY DEFERRED);
             CREATE TEMP TRIGGER fault AFTER UPDATE OF standing ON main.account
             BEGIN INSERT INTO later VALUES (999); END;",
        )
        .unwrap();
    let reports = writer.commit(vec![
        Command::Grant(Box::new(change(2, 1, 2, Some("canary-refresh-2")))),
        stand(Standing::Good),
    ]);
    let [Report::Granted { result: Err((_, change)), .. }, Report::Stood { result: Err(_), .. }] =
        &reports[..]
    else {
        panic!("{reports:?}")
    };
    assert_eq!(change.refresh.as_ref().unwrap().expose(), "canary-refresh-2");
    assert_eq!(home.crash().open().loaded.accounts[0].generation, Generation(1));
    writer.connection().execute_batch("DROP TRIGGER fault").unwrap();
    let reports = writer.commit(vec![stand(Standing::Good)]);
    assert!(matches!(&reports[..], [Report::Stood { result: Ok(()), .. }]));
}

#[test]
fn a_lock_held_elsewhere_is_told_apart_and_passes() {
    let home = Home::new();
    let mut writer = home.writer();
    signed_in(&mut writer);
    writer.connection().busy_timeout(Duration::from_millis(1)).unwrap();
    let other = Connection::open(home.places().database).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let reports = writer.commit(vec![stand(Standing::Good)]);
    let [Report::Stood { result: Err(error), .. }] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!(*error, Unwritable::Locked.into());
    assert!(error.may_pass());
    other.execute_batch("ROLLBACK").unwrap();
    let reports = writer.commit(vec![stand(Standing::Good)]);
    assert!(matches!(&reports[..], [Report::Stood { result: Ok(()), .. }]));
}

#[test]
fn a_read_only_database_is_told_apart() {
    let home = Home::new();
    let mut writer = home.writer();
    signed_in(&mut writer);
    writer.connection().pragma_update(None, "query_only", true).unwrap();
    let reports = writer.commit(vec![stand(Standing::Good)]);
    let [Report::Stood { result: Err(error), .. }] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!(*error, Unwritable::ReadOnly.into());
}

#[test]
fn a_refusal_will_not_pass_by_itself() {
    assert!(!StoreError::from(Refusal::UnknownAccount).may_pass());
    assert!(!StoreError::from(KeyError::OtherKey).may_pass());
}

/// A registration that is changed gives a secret back, as a refresh gives a token.
#[test]
fn a_registration_is_not_opened_for_a_change_without_room_for_what_comes_back() {
    let home = Home::new();
    let mut writer = home.writer();
    signed_in(&mut writer);
    writer.finish();
    let reserve = home.places().database.with_file_name("ostler.db.reserve");
    std::fs::remove_file(&reserve).unwrap();
    // nothing can be kept in a directory
    std::fs::create_dir(&reserve).unwrap();
    let mut writer = home.writer();
    for by in [Opener::Renewal, Opener::Login(1)] {
        let reports = writer.commit(vec![Command::OpenClient { client: key(), by }]);
        let [Report::ClientOpened { result: Err(error), .. }] = &reports[..] else {
            panic!("{reports:?}")
        };
        assert!(matches!(error, StoreError::NoRoom { .. }), "{error}");
    }
}
