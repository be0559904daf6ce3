//! The keys that tokens are bound to: where they are, how long, and what opens them.

use super::*;

/// The keys of accounts and of exchanges under way.
fn keys(run: &Running) -> (Vec<String>, Vec<String>) {
    let ProofKeys { accounts, flights } = &run.loaded.keys;
    let accounts = accounts.iter().map(|(id, key)| format!("{id} {}", key.expose()));
    let flights = flights.iter().map(|(flight, key)| format!("{} {}", flight.0, key.expose()));
    (accounts.collect(), flights.collect())
}

fn rows(home: &Home) -> i64 {
    let writer = home.writer();
    let count = writer
        .connection()
        .query_row("SELECT count(*) FROM proof_key", [], |row| row.get(0))
        .unwrap();
    writer.finish();
    count
}

fn later(days: i64) -> Stamp {
    let Stamp { at, boot_id } = stamp();
    Stamp { at: Now { wall: Wall(at.wall.0 + days * 86_400_000), ..at }, boot_id }
}

#[test]
fn a_key_goes_from_the_exchange_to_the_account_and_survives_a_crash_in_between() {
    let home = Home::new();
    let mut run = home.open();
    run.begin(1, bound(1, "canary-key-1")).unwrap();
    run.answered(1, answer()).unwrap();
    assert!(!holds(&home.database_bytes(), b"canary"), "it is sealed");
    let after = home.crash();
    let mut run = after.open();
    assert_eq!(keys(&run), (vec![], vec!["1 canary-key-1".to_owned()]));
    run.grant(change(1, 1, 1, Some("canary-refresh-1"))).unwrap();
    run.close();
    let id = account(1);
    let run = after.open();
    assert_eq!(keys(&run), (vec![format!("{id} canary-key-1")], vec![]));
    run.close();
    assert!(!holds(&after.database_bytes(), b"canary-key"));
}

#[test]
fn a_refresh_keeps_the_key_and_another_login_has_its_own_or_none() {
    let home = Home::new();
    let mut run = home.open();
    run.begin(1, bound(1, "canary-key-1")).unwrap();
    run.grant(change(1, 1, 1, Some("canary-refresh-1"))).unwrap();
    run.begin(2, refresh(1, 1)).unwrap();
    run.grant(change(2, 1, 2, Some("canary-refresh-2"))).unwrap();
    let id = account(1);
    let mut run = reopen(run, &home);
    assert_eq!(keys(&run).0, [format!("{id} canary-key-1")]);
    run.begin(3, bound(1, "canary-key-2")).unwrap();
    run.grant(change(3, 1, 3, Some("canary-refresh-3"))).unwrap();
    let mut run = reopen(run, &home);
    assert_eq!(keys(&run).0, [format!("{id} canary-key-2")]);
    run.begin(4, exchange(1, None)).unwrap();
    run.grant(change(4, 1, 4, Some("canary-refresh-4"))).unwrap();
    let mut run = reopen(run, &home);
    assert_eq!(keys(&run).0, Vec::<String>::new());

    // those before are kept as long as the refresh tokens that are of no use without them
    run.close();
    assert_eq!(rows(&home), 2);
    run = home.open();
    let begin = Begin { flight: FlightId(5), sent: later(30), kind: refresh(1, 4) };
    run.ask(Command::Begin(Box::new(begin)));
    run.close();
    assert_eq!(rows(&home), 0);
}

#[test]
fn a_key_goes_with_what_it_belongs_to() {
    let home = Home::new();
    let mut run = home.open();
    run.begin(1, bound(1, "canary-key-1")).unwrap();
    run.abandon(1, None).unwrap();
    run.begin(2, bound(2, "canary-key-2")).unwrap();
    run.grant(change(2, 2, 1, Some("canary-refresh-2"))).unwrap();
    run.close();
    assert_eq!(rows(&home), 1);
    let mut run = home.open();
    run.erase(&account(2)).unwrap();
    run.close();
    assert_eq!(rows(&home), 0);
}

#[test]
fn a_key_does_not_open_for_another_account() {
    let home = Home::new();
    let mut run = home.open();
    for (number, flight) in [(1, 1), (2, 2)] {
        run.begin(flight, bound(number, "canary-key")).unwrap();
        run.grant(change(flight, number, 1, Some("canary-refresh"))).unwrap();
    }
    run.close();
    let writer = home.writer();
    let swap = "UPDATE proof_key SET account = 3 - account";
    assert_eq!(writer.connection().execute(swap, []).unwrap(), 2);
    writer.finish();
    assert_eq!(keys(&home.open()).0, Vec::<String>::new());
}

fn reopen(run: Running, home: &Home) -> Running {
    run.close();
    home.open()
}
