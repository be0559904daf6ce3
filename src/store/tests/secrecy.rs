//! What can be found in the files, and what opens where.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn no_secret_is_in_the_files_in_clear() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, refresh(1, 1)).unwrap();
    run.answered(2, answer()).unwrap();
    run.begin(3, exchange(2, Some("canary-riding"))).unwrap();
    // with the log not yet checkpointed, and after
    for bytes in [home.database_bytes(), {
        run.close();
        home.database_bytes()
    }] {
        assert!(holds(&bytes, b"work/1"), "the search itself works");
        assert!(!holds(&bytes, b"canary"));
        assert!(!holds(&bytes, b"refresh_token\":"));
    }
}

#[test]
fn after_erasing_neither_the_sealed_nor_the_clear_form_is_left() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, refresh(1, 1)).unwrap();
    run.grant(change(2, 1, 2, Some(&"canary-long".repeat(2000)))).unwrap();
    run.begin(3, refresh(1, 2)).unwrap();
    run.answered(3, answer()).unwrap();
    let sealed = sealed_values(&home.crash());
    assert_eq!(sealed.len(), 5, "two refresh tokens, an access token, a secret, an answer");
    let before = home.database_bytes();
    assert!(sealed.iter().all(|blob| holds(&before, &blob[..60])));

    run.erase(&account(1)).unwrap();
    let after = home.database_bytes();
    // the long one is spread over pages: look for any piece of it
    let pieces: HashSet<&[u8]> = sealed.iter().flat_map(|blob| blob.windows(16)).collect();
    assert!(before.windows(16).any(|window| pieces.contains(window)));
    assert!(!after.windows(16).any(|window| pieces.contains(window)));
    assert!(!holds(&after, b"canary"));
    assert!(!holds(&after, b"work/1"));
}

#[test]
fn what_waits_to_be_revoked_is_sealed_and_leaves_no_trace_when_it_is() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    let owed = Owed { since: stamp(), worth: None };
    let errand = run.erase_owing(&account(1), Some(owed)).unwrap().errand.unwrap();
    assert!(!holds(&home.database_bytes(), b"canary"));
    let sealed: Vec<Vec<u8>> = {
        let after = home.crash();
        let writer = after.writer();
        let sql = "SELECT refresh FROM errand UNION ALL SELECT access FROM errand
                   UNION ALL SELECT secret FROM errand";
        let mut statement = writer.connection().prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert_eq!(sealed.len(), 3);
    let before = home.database_bytes();
    assert!(sealed.iter().all(|blob| holds(&before, &blob[..60])));
    run.ask(Command::EndErrand { errand, part: ErrandPart::Whole });
    let after = home.database_bytes();
    assert!(sealed.iter().all(|blob| !holds(&after, &blob[..60])));
    assert!(!holds(&after, b"work/1"));
}

#[test]
fn a_spent_token_is_gone_from_the_file() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    let first = sealed_values(&home.crash()).into_iter().next().unwrap();
    run.begin(2, refresh(1, 1)).unwrap();
    run.grant(change(2, 1, 2, Some("canary-refresh-2"))).unwrap();
    run.begin(3, refresh(1, 2)).unwrap();
    run.grant(change(3, 1, 3, Some("canary-refresh-3"))).unwrap();
    run.close();
    assert!(!holds(&home.database_bytes(), &first[29..]));
}

#[test]
fn a_sealed_value_does_not_open_in_another_row() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, exchange(2, None)).unwrap();
    run.grant(change(2, 2, 1, Some("canary-other"))).unwrap();
    run.close();
    let writer = home.writer();
    let swap = "CREATE TEMP TABLE kept AS SELECT id, token FROM refresh_token;
                UPDATE refresh_token SET token =
                    (SELECT token FROM kept WHERE kept.id <> refresh_token.id);";
    writer.connection().execute_batch(swap).unwrap();
    writer.finish();
    let mut run = home.open();
    for number in [1, 2] {
        let error = run.begin(10 + u64::from(number), refresh(number, 1)).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_client_secret_does_not_follow_its_row_to_another_provider() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.close();
    let writer = home.writer();
    writer.connection().execute("UPDATE client SET provider = 'mallory'", []).unwrap();
    writer.finish();
    let error = home.open().begin(2, refresh(1, 1)).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_damaged_value_costs_itself_and_not_the_start() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, refresh(1, 1)).unwrap();
    run.answered(2, answer()).unwrap();
    run.close();
    let writer = home.writer();
    writer
        .connection()
        .execute_batch(
            "UPDATE access_token SET token = CAST(substr(token, 1, 40) || zeroblob(20) AS BLOB);
             UPDATE attempt SET answer = substr(answer, 1, 40);
             UPDATE refresh_token SET token = substr(token, 1, 40);",
        )
        .unwrap();
    writer.finish();
    let mut run = home.open();
    let issued = run.loaded.accounts[0].issued.as_ref().unwrap();
    assert!(issued.access.open().is_none());
    assert!(run.loaded.attempts[0].answer.is_none());
    // it cannot be used, but it can be erased
    assert!(matches!(run.begin(3, refresh(1, 1)), Err(StoreError::Damaged { .. })));
    let erased = run.erase(&account(1)).unwrap();
    assert!(erased.left.refresh.is_none() && erased.left.access.is_none());
    assert_eq!(erased.left.secret.unwrap().expose(), "canary-client-secret");
}

#[test]
fn all_files_are_their_owners_alone() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    let places = home.places();
    let mut count = 0;
    for directory in [places.database.parent().unwrap(), places.keys.parent().unwrap()] {
        assert_eq!(mode(directory), 0o700);
        for entry in directory.read_dir().unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
            count += 1;
        }
    }
    assert_eq!(count, 6, "database, log, its index, room for answers, key file, marks");
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

/// All sealed values there are, the first refresh token first.
fn sealed_values(home: &Home) -> Vec<Vec<u8>> {
    let writer = home.writer();
    let sql = "SELECT token FROM refresh_token UNION ALL SELECT token FROM access_token
               UNION ALL SELECT secret FROM client WHERE secret IS NOT NULL
               UNION ALL SELECT secret FROM attempt WHERE secret IS NOT NULL
               UNION ALL SELECT answer FROM attempt WHERE answer IS NOT NULL";
    let mut statement = writer.connection().prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}
