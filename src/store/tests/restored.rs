//! Older copies of the database, and tokens that nothing uses any more.

use std::fs;

use super::*;

const DAY: Duration = Duration::from_hours(24);

fn later(days: u32) -> Now {
    let span = DAY * days;
    Now { wall: Wall(NOW.wall.0 + i64::try_from(span.as_millis()).unwrap()), boot: NOW.boot + span }
}

fn open_at(home: &Home, now: Now) -> Running {
    Running::from(open(&home.places(), now).unwrap())
}

/// A refresh from `generation` to the next one.
fn renew(run: &mut Running, flight: u64, generation: u64) {
    run.begin(flight, refresh(1, generation)).unwrap();
    let token = format!("canary-refresh-{}", generation + 1);
    run.grant(change(flight, 1, generation + 1, Some(&token))).unwrap();
}

/// Account 1 with a closed database, and a copy of that.
fn copied() -> (Home, Vec<u8>) {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.close();
    let copy = fs::read(home.places().database).unwrap();
    (home, copy)
}

fn tokens(home: &Home) -> i64 {
    let writer = home.writer();
    writer
        .connection()
        .query_row("SELECT count(*) FROM refresh_token", [], |row| row.get(0))
        .unwrap()
}

fn needs_login(run: &Running) -> bool {
    matches!(run.loaded.accounts[0].standing, Standing::NeedsLogin { .. })
}

#[test]
fn an_older_copy_of_the_database_is_noticed_with_either_copy_of_the_marks() {
    for lost in [None, Some(0), Some(1)] {
        let (home, copy) = copied();
        let mut run = home.open();
        renew(&mut run, 2, 1);
        run.close();
        fs::write(home.places().database, &copy).unwrap();
        if let Some(lost) = lost {
            fs::remove_file(&home.places().marks[lost]).unwrap();
        }
        let mut run = home.open();
        let Standing::NeedsLogin { why } = &run.loaded.accounts[0].standing else {
            panic!("{lost:?}: {:?}", run.loaded)
        };
        assert!(why.contains("run: ostler resume work/1"), "{why}");
        assert_eq!(run.loaded.accounts[0].generation, Generation(2));
        // and told to, it is used
        run.stand(Standing::Good).unwrap();
        let mut run = Running::from(reopen(run, &home));
        assert!(!needs_login(&run));
        let sent = run.begin(3, refresh(1, 2)).unwrap();
        assert_eq!(sent.refresh.unwrap().expose(), "canary-refresh-1");
        run.grant(change(3, 1, 3, Some("canary-refresh-3"))).unwrap();
        assert!(!needs_login(&Running::from(reopen(run, &home))));
    }
}

fn reopen(run: Running, home: &Home) -> Opened {
    run.close();
    open(&home.places(), NOW).unwrap()
}

#[test]
fn what_an_older_copy_was_about_to_send_or_had_for_an_answer_is_as_old() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, refresh(1, 1)).unwrap();
    run.begin(3, exchange(1, None)).unwrap();
    run.answered(3, answer()).unwrap();
    let old = home.crash();
    run.grant(change(3, 1, 2, Some("canary-refresh-2"))).unwrap();
    run.close();
    // everything of the old state but the marks
    for path in old.places().marks.iter().zip(&home.places().marks) {
        fs::copy(path.1, path.0).unwrap();
    }
    let run = old.open();
    assert!(run.loaded.attempts.is_empty(), "{:?}", run.loaded.attempts);
    assert!(needs_login(&run));
}

#[test]
fn a_crash_between_a_commit_and_its_mark_is_no_older_copy() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    let marks: Vec<_> = home.places().marks.iter().map(|path| fs::read(path).unwrap()).collect();
    renew(&mut run, 2, 1);
    let after = home.crash();
    for (path, marks) in after.places().marks.iter().zip(marks) {
        fs::write(path, marks).unwrap();
    }
    let run = after.open();
    assert!(!needs_login(&run));
    // from now on the marks are in step again
    run.close();
    assert!(!needs_login(&after.open()));
}

#[test]
fn a_login_after_an_older_copy_came_back_is_newer_than_all_that_ever_was() {
    let (home, copy) = copied();
    let mut run = home.open();
    for generation in 1..6 {
        renew(&mut run, 1 + generation, generation);
    }
    run.close();
    fs::write(home.places().database, &copy).unwrap();
    let mut run = home.open();
    assert_eq!(run.loaded.accounts[0].generation, Generation(6));
    run.begin(9, exchange(1, None)).unwrap();
    run.grant(change(9, 1, 7, Some("canary-refresh-7"))).unwrap();
    let run = Running::from(reopen(run, &home));
    assert!(!needs_login(&run));
    assert_eq!(run.loaded.accounts[0].generation, Generation(7));
}

#[test]
fn an_account_that_was_erased_leaves_no_mark() {
    let (home, copy) = copied();
    let mut run = home.open();
    renew(&mut run, 2, 1);
    run.erase(&account(1)).unwrap();
    run.close();
    for path in home.places().marks {
        assert!(!fs::read_to_string(path).unwrap().contains(account(1).as_str()));
    }
    fs::write(home.places().database, &copy).unwrap();
    assert!(!needs_login(&home.open()), "nothing is known of it");
}

#[test]
fn a_token_that_the_provider_called_dead_is_kept_for_thirty_days() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, refresh(1, 1)).unwrap();
    run.abandon(2, Some(Standing::NeedsLogin { why: "invalid_grant".into() })).unwrap();
    run.close();
    for day in [1, 15, 29] {
        let run = open_at(&home, later(day));
        assert!(run.loaded.accounts[0].refresh.is_some(), "day {day}");
        run.close();
    }
    let run = open_at(&home, later(30));
    assert!(needs_login(&run) && run.loaded.accounts[0].refresh.is_none());
    run.close();
    assert_eq!(tokens(&home), 0);
}

#[test]
fn a_token_that_is_to_be_used_again_leaves_quarantine() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, refresh(1, 1)).unwrap();
    run.abandon(2, Some(Standing::NeedsLogin { why: "invalid_grant".into() })).unwrap();
    run.stand(Standing::Good).unwrap();
    run.close();
    let mut run = open_at(&home, later(400));
    assert!(run.loaded.accounts[0].refresh.is_some());
    assert!(run.begin(3, refresh(1, 1)).is_ok());
}

#[test]
fn another_login_keeps_the_token_before_it_for_thirty_days_and_a_refresh_does_not() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, exchange(1, None)).unwrap();
    run.grant(change(2, 1, 2, Some("canary-refresh-2"))).unwrap();
    renew(&mut run, 3, 2);
    renew(&mut run, 4, 3);
    run.close();
    // the one of the first login, the one in force and the one before it
    assert_eq!(tokens(&home), 3);
    // no start is needed for its end: what happens a month later does it
    let mut run = home.open();
    let sent = Stamp { at: later(30), ..stamp() };
    let kind = refresh(1, 4);
    run.ask(Command::Begin(Box::new(Begin { flight: FlightId(5), sent, kind })));
    run.close();
    assert_eq!(tokens(&home), 2);
}
