//! What each command does, and what a restart finds.

use super::*;
use crate::model::Portion;

fn secret(credentials: &Credentials) -> Option<&str> {
    credentials.secret.as_ref().map(ClientSecret::expose)
}

fn token(credentials: &Credentials) -> Option<&str> {
    credentials.refresh.as_ref().map(RefreshToken::expose)
}

#[test]
fn a_sign_in_is_there_after_a_restart() {
    let home = Home::new();
    let mut run = home.open();
    assert!(run.loaded.accounts.is_empty() && run.loaded.clients.is_empty());
    assert_eq!(run.loaded.next_flight, FlightId(1));
    assert_eq!(run.loaded.protection, "a key file: protects copies of the database only");
    let credentials = run.begin(1, exchange(1, Some("canary-client-secret"))).unwrap();
    assert_eq!((token(&credentials), secret(&credentials)), (None, Some("canary-client-secret")));
    run.answered(1, answer()).unwrap();
    run.grant(change(1, 1, 1, Some("canary-refresh-1"))).unwrap();
    run.close();

    let mut run = home.open();
    let [record] = &run.loaded.accounts[..] else { panic!() };
    assert_eq!(record.seed, seed(1));
    assert_eq!(record.standing, Standing::Good);
    assert_eq!(record.generation, Generation(1));
    assert!(record.refresh.is_some());
    let loaded = record.issued.as_ref().unwrap();
    let wanted = issued(1);
    assert_eq!(loaded.access.open(), wanted.access.open());
    assert_eq!(loaded.token_type, wanted.token_type);
    assert_eq!(loaded.scopes, wanted.scopes);
    assert_eq!(loaded.sent, wanted.sent);
    assert_eq!(loaded.lifetime, wanted.lifetime);
    assert_eq!(run.loaded.clients, [client()]);
    assert!(run.loaded.attempts.is_empty());
    assert_eq!(run.loaded.next_flight, FlightId(2));

    let credentials = run.begin(2, refresh(1, 1)).unwrap();
    assert_eq!(token(&credentials), Some("canary-refresh-1"));
    assert_eq!(secret(&credentials), Some("canary-client-secret"));
}

#[test]
fn nothing_of_an_exchange_exists_before_its_grant() {
    let home = Home::new();
    let mut run = home.open();
    run.begin(1, exchange(1, Some("canary"))).unwrap();
    run.close();
    let run = home.open();
    assert!(run.loaded.accounts.is_empty());
    assert!(run.loaded.clients.is_empty());
}

#[test]
fn a_flight_for_a_part_of_a_login_is_still_one_after_a_crash() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    let resources = Some(vec!["https://a.example/".parse().unwrap()]);
    let target = Target::new(resources, Some("front".parse().unwrap())).unwrap();
    let parts = [
        Portion { scopes: Scopes::parse_lenient("read"), target: Target::default() },
        Portion { scopes: Scopes::default(), target },
    ];
    let (id, generation) = (account(1), Generation(1));
    for (flight, portion) in (2..).zip(&parts) {
        let portion = Some(portion.clone());
        let kind = BeginKind::Refresh { account: id.clone(), generation, portion };
        run.begin(flight, kind).unwrap();
    }
    let after = home.crash().open();
    let kinds: Vec<_> = after.loaded.attempts.iter().map(|attempt| attempt.kind.clone()).collect();
    let wanted = parts.map(|portion| AttemptKind::Refresh {
        account: id.clone(),
        generation,
        portion: Some(portion),
    });
    assert_eq!(kinds, wanted);
}

#[test]
fn a_crash_leaves_each_flight_where_it_was() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, refresh(1, 1)).unwrap();
    run.begin(7, exchange(2, Some("canary"))).unwrap();
    run.answered(7, answer()).unwrap();

    let after = home.crash().open();
    let [sent, answered] = &after.loaded.attempts[..] else { panic!() };
    assert_eq!(sent.flight, FlightId(2));
    let generation = Generation(1);
    assert_eq!(sent.kind, AttemptKind::Refresh { account: account(1), generation, portion: None });
    assert_eq!(sent.sent, stamp());
    assert!(sent.answer.is_none());
    assert_eq!(answered.flight, FlightId(7));
    assert_eq!(answered.kind, AttemptKind::Exchange { seed: Box::new(seed(2)), client: client() });
    let (found, wanted) = (answered.answer.as_ref().unwrap(), answer());
    assert_eq!(found.status, wanted.status);
    assert_eq!(found.content_type, wanted.content_type);
    assert_eq!(found.retry_after, wanted.retry_after);
    assert_eq!(found.date, wanted.date);
    assert_eq!(found.www_authenticate, wanted.www_authenticate);
    assert_eq!(found.body, wanted.body);
    assert_eq!(after.loaded.next_flight, FlightId(8));
}

#[test]
fn an_answer_found_at_a_start_can_still_become_a_grant() {
    let home = Home::new();
    let mut run = home.open();
    run.begin(1, exchange(1, Some("canary-client-secret"))).unwrap();
    run.answered(1, answer()).unwrap();

    let after = home.crash();
    let mut run = after.open();
    run.grant(change(1, 1, 1, Some("canary-refresh-1"))).unwrap();
    let credentials = run.begin(2, refresh(1, 1)).unwrap();
    assert_eq!(secret(&credentials), Some("canary-client-secret"));
}

#[test]
fn dropping_the_store_still_commits_what_was_sent() {
    let home = Home::new();
    let Running { store, mut reports, .. } = home.open();
    store.send(begin(1, exchange(1, None))).unwrap();
    store.send(Command::Grant(Box::new(change(1, 1, 1, Some("canary"))))).unwrap();
    drop(store);
    while reports.blocking_recv().is_some() {}
    assert_eq!(home.open().loaded.accounts.len(), 1);
}

#[test]
fn a_rotation_keeps_the_old_token_until_the_new_one_proved_good() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, refresh(1, 1)).unwrap();
    run.grant(change(2, 1, 2, Some("canary-refresh-2"))).unwrap();
    assert_eq!(generations(&home), [(1, true), (2, false)]);
    run.begin(3, refresh(1, 2)).unwrap();
    run.grant(change(3, 1, 3, Some("canary-refresh-3"))).unwrap();
    assert_eq!(generations(&home), [(2, true), (3, false)]);
    let credentials = run.begin(4, refresh(1, 3)).unwrap();
    assert_eq!(token(&credentials), Some("canary-refresh-3"));
}

#[test]
fn without_a_new_refresh_token_the_one_in_force_stays() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, refresh(1, 1)).unwrap();
    run.grant(change(2, 1, 1, None)).unwrap();
    assert_eq!(generations(&home), [(1, false)]);
    let credentials = run.begin(3, refresh(1, 1)).unwrap();
    assert_eq!(token(&credentials), Some("canary-refresh-1"));
}

#[test]
fn nothing_of_the_login_before_goes_on_in_another() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    // another login that brought no refresh token
    run.begin(2, exchange(1, None)).unwrap();
    run.grant(change(2, 1, 2, None)).unwrap();
    assert_eq!(generations(&home), [(1, true)]);
    let mut run = reopened(run, &home);
    let record = &run.loaded.accounts[0];
    assert!(record.refresh.is_none());
    assert_eq!(record.issued.as_ref().unwrap().access.open().unwrap().expose(), "canary-access-2");
    let refused = run.begin(3, refresh(1, 2)).unwrap_err();
    assert_eq!(refused, Refusal::NoRefreshToken.into());
    // and one that brought no access token
    run.begin(3, exchange(1, None)).unwrap();
    let rescued = GrantChange { issued: None, ..change(3, 1, 3, Some("canary-refresh-3")) };
    run.grant(rescued).unwrap();
    let mut run = reopened(run, &home);
    assert!(run.loaded.accounts[0].issued.is_none());
    assert_eq!(token(&run.begin(4, refresh(1, 3)).unwrap()), Some("canary-refresh-3"));
}

#[test]
fn a_rescued_refresh_token_is_kept_though_no_access_token_came() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, refresh(1, 1)).unwrap();
    let rescued = GrantChange { issued: None, ..change(2, 1, 2, Some("canary-refresh-2")) };
    run.grant(rescued).unwrap();
    run.close();
    let mut run = home.open();
    let record = &run.loaded.accounts[0];
    assert_eq!(record.generation, Generation(2));
    assert_eq!(record.issued.as_ref().unwrap().access.open().unwrap().expose(), "canary-access-1");
    assert_eq!(token(&run.begin(3, refresh(1, 2)).unwrap()), Some("canary-refresh-2"));
}

#[test]
fn an_older_generation_never_replaces_a_newer_one() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, refresh(1, 1)).unwrap();
    run.begin(3, exchange(1, None)).unwrap();
    run.grant(change(3, 1, 2, Some("canary-refresh-2"))).unwrap();
    let late = change(2, 1, 3, Some("canary-late"));
    assert_eq!(run.grant(late).unwrap(), Kept::Superseded);
    // its flight is over, and the tokens are those of the newer one
    let after = home.crash().open();
    assert_eq!(after.loaded.attempts.len(), 0);
    assert_eq!(after.loaded.accounts[0].generation, Generation(2));
    let issued = after.loaded.accounts[0].issued.as_ref().unwrap();
    assert_eq!(issued.access.open().unwrap().expose(), "canary-access-2");
    assert_eq!(token(&run.begin(4, refresh(1, 2)).unwrap()), Some("canary-refresh-2"));
}

#[test]
fn a_refresh_begins_with_the_generation_in_force_or_not_at_all() {
    let home = Home::new();
    let mut run = home.open();
    let unknown = run.begin(1, refresh(1, 1)).unwrap_err();
    assert_eq!(unknown, Refusal::UnknownAccount.into());
    run.sign_in();
    for wrong in [0, 2] {
        let refused = run.begin(2, refresh(1, wrong)).unwrap_err();
        assert_eq!(refused, Refusal::Generation { current: Generation(1) }.into());
    }
    run.begin(2, refresh(1, 1)).unwrap();
    assert_eq!(run.begin(2, refresh(1, 1)).unwrap_err(), Refusal::FlightTaken.into());
    assert_eq!(home.crash().open().loaded.attempts.len(), 1);
}

#[test]
fn an_account_without_refresh_token_has_nothing_to_refresh_with() {
    let home = Home::new();
    let mut run = home.open();
    run.begin(1, exchange(1, None)).unwrap();
    run.grant(change(1, 1, 0, None)).unwrap();
    assert_eq!(run.begin(2, refresh(1, 1)).unwrap_err(), Refusal::NoRefreshToken.into());
    run.close();
    assert!(home.open().loaded.accounts[0].refresh.is_none());
}

#[test]
fn a_name_is_one_accounts_own_and_that_is_checked_before_anything_is_spent() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    let mut twin = seed(2);
    twin.name = seed(1).name;
    let twin =
        Exchange { seed: twin, client: client(), secret: None, registration: None, key: None };
    let refused = run.begin(2, BeginKind::Exchange(Box::new(twin))).unwrap_err();
    assert_eq!(refused, Refusal::NameTaken.into());
}

#[test]
fn signing_in_again_keeps_the_id_and_the_stored_secret() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.stand(Standing::NeedsLogin { why: "revoked".into() }).unwrap();
    let credentials = run.begin(2, exchange(1, None)).unwrap();
    assert_eq!(secret(&credentials), Some("canary-client-secret"));
    run.grant(change(2, 1, 2, Some("canary-refresh-2"))).unwrap();
    run.begin(3, exchange(1, Some("canary-newer-secret"))).unwrap();
    run.grant(change(3, 1, 3, Some("canary-refresh-3"))).unwrap();
    let credentials = run.begin(4, refresh(1, 3)).unwrap();
    assert_eq!(secret(&credentials), Some("canary-newer-secret"));
    run.close();
    let run = home.open();
    let [record] = &run.loaded.accounts[..] else { panic!() };
    assert_eq!(record.standing, Standing::Good);
}

#[test]
fn signing_in_with_another_client_forgets_the_one_before() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    let key = ClientKey { provider: "other".parse().unwrap(), ..key() };
    let moved = Exchange {
        seed: AccountSeed { client: key.clone(), ..seed(1) },
        client: ClientRecord {
            key: key.clone(),
            redirect_uri: None,
            discovered: None,
            secret_ends: None,
        },
        secret: None,
        registration: None,
        key: None,
    };
    let credentials = run.begin(2, BeginKind::Exchange(Box::new(moved))).unwrap();
    assert!(credentials.secret.is_none());
    run.grant(change(2, 1, 2, Some("canary-refresh-2"))).unwrap();
    run.close();
    let run = home.open();
    assert_eq!(run.loaded.accounts[0].seed.client, key);
    assert_eq!(run.loaded.clients.iter().map(|client| &client.key).collect::<Vec<_>>(), [&key]);
}

#[test]
fn standings_survive_and_a_grant_sets_them_right() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    for standing in [
        Standing::Held { why: "invalid_client".into() },
        Standing::NeedsLogin { why: "invalid_grant".into() },
    ] {
        run.stand(standing.clone()).unwrap();
        run = reopened(run, &home);
        assert_eq!(run.loaded.accounts[0].standing, standing);
        assert!(run.loaded.accounts[0].refresh.is_some());
    }
    run.begin(2, refresh(1, 1)).unwrap();
    run.grant(change(2, 1, 2, Some("canary-refresh-2"))).unwrap();
    run = reopened(run, &home);
    assert_eq!(run.loaded.accounts[0].standing, Standing::Good);
}

#[test]
fn an_abandoned_attempt_is_over_and_the_token_is_not() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, refresh(1, 1)).unwrap();
    let standing = Standing::NeedsLogin { why: "invalid_grant".into() };
    run.abandon(2, Some(standing.clone())).unwrap();
    assert_eq!(run.abandon(2, None).unwrap_err(), Refusal::UnknownFlight.into());
    run = reopened(run, &home);
    assert!(run.loaded.attempts.is_empty());
    assert_eq!(run.loaded.accounts[0].standing, standing);
    assert_eq!(token(&run.begin(3, refresh(1, 1)).unwrap()), Some("canary-refresh-1"));
}

#[test]
fn commands_about_what_is_not_there_are_refused() {
    let home = Home::new();
    let mut run = home.open();
    assert_eq!(run.stand(Standing::Good).unwrap_err(), Refusal::UnknownAccount.into());
    assert_eq!(run.erase(&account(1)).map(|_| ()).unwrap_err(), Refusal::UnknownAccount.into());
    assert_eq!(run.answered(9, answer()).unwrap_err(), Refusal::UnknownFlight.into());
    let (error, _) = run.grant(change(9, 1, 1, Some("canary"))).unwrap_err();
    assert_eq!(error, Refusal::UnknownFlight.into());
    run.sign_in();
    run.begin(2, refresh(1, 1)).unwrap();
    let (error, back) = run.grant(change(2, 2, 2, Some("canary"))).unwrap_err();
    assert_eq!(error, Refusal::UnknownFlight.into());
    assert_eq!(back.account, account(2));
}

#[test]
fn erasing_gives_out_what_there_is_to_revoke() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, exchange(2, None)).unwrap();
    run.grant(change(2, 2, 1, Some("canary-refresh-other"))).unwrap();
    run.begin(3, refresh(1, 1)).unwrap();

    let erased = run.erase(&account(1)).unwrap();
    assert_eq!(erased.left.refresh.unwrap().expose(), "canary-refresh-1");
    assert_eq!(erased.left.access.unwrap().expose(), "canary-access-1");
    assert_eq!(erased.client, client());
    assert_eq!(erased.left.secret.unwrap().expose(), "canary-client-secret");

    // the flight that was under way comes too late, and its tokens come back to be revoked
    let (error, back) = run.grant(change(3, 1, 2, Some("canary-late"))).unwrap_err();
    assert_eq!(error, Refusal::UnknownFlight.into());
    assert_eq!(back.refresh.unwrap().expose(), "canary-late");

    run = reopened(run, &home);
    assert_eq!(run.loaded.accounts.len(), 1);
    assert_eq!(run.loaded.clients, [client()], "the other account still uses it");
    run.erase(&account(2)).unwrap();
    run = reopened(run, &home);
    assert!(run.loaded.accounts.is_empty() && run.loaded.clients.is_empty());
    assert_eq!(run.loaded.next_flight, FlightId(4), "flight numbers are not used again");
}

#[test]
fn a_client_stays_while_a_sign_in_counts_on_its_secret() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.begin(2, exchange(2, None)).unwrap();
    run.erase(&account(1)).unwrap();
    run.grant(change(2, 2, 1, Some("canary"))).unwrap();
    let credentials = run.begin(3, refresh(2, 1)).unwrap();
    assert_eq!(secret(&credentials), Some("canary-client-secret"));
}

#[test]
fn the_last_sign_in_that_fails_takes_the_client_with_it() {
    let home = Home::new();
    let mut run = home.open();
    run.begin(1, exchange(2, Some("canary"))).unwrap();
    run.grant(change(1, 2, 1, Some("canary"))).unwrap();
    run.begin(2, exchange(1, None)).unwrap();
    run.erase(&account(2)).unwrap();
    run.abandon(2, None).unwrap();
    run.close();
    assert!(home.open().loaded.clients.is_empty());
}

#[test]
fn a_batch_is_one_commit_in_order_and_a_failing_command_undoes_only_itself() {
    let home = Home::new();
    let mut writer = home.writer();
    let reports = writer.commit(vec![
        begin(1, exchange(1, None)),
        begin(2, refresh(9, 1)),
        Command::Grant(Box::new(change(1, 1, 1, Some("canary-refresh-1")))),
        begin(3, refresh(1, 1)),
        Command::Grant(Box::new(change(3, 1, 2, Some("canary-refresh-2")))),
    ]);
    let [
        Report::Begun { flight: FlightId(1), result: Ok(_) },
        Report::Begun { flight: FlightId(2), result: Err(refused) },
        Report::Granted { flight: FlightId(1), result: Ok(Kept::InForce(Generation(1))) },
        Report::Begun { flight: FlightId(3), result: Ok(credentials) },
        Report::Granted { flight: FlightId(3), result: Ok(Kept::InForce(Generation(2))) },
    ] = &reports[..]
    else {
        panic!("{reports:?}")
    };
    assert_eq!(*refused, Refusal::UnknownAccount.into());
    assert_eq!(token(credentials), Some("canary-refresh-1"));
    assert_eq!(home.crash().open().loaded.accounts[0].generation, Generation(2));
}

#[test]
fn reports_come_in_the_order_of_the_commands_whatever_the_batches() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    for round in 0..300_u64 {
        run.store.send(stand(Standing::Good)).unwrap();
        run.store.send(begin(10 + round, exchange(2, None))).unwrap();
    }
    for round in 0..300_u64 {
        assert!(matches!(run.reports.blocking_recv(), Some(Report::Stood { .. })));
        match run.reports.blocking_recv() {
            Some(Report::Begun { flight, result: Ok(_) }) => assert_eq!(flight.0, 10 + round),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn many_more_commands_than_anybody_reads_reports_of_are_all_taken_and_reported() {
    const MANY: usize = 20_000;
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    let Running { store, mut reports, .. } = run;
    for _ in 0..MANY {
        store.send(stand(Standing::Good)).unwrap();
    }
    // nobody has read one, and closing does not hang on that
    store.close();
    let mut read = 0;
    while let Some(report) = reports.blocking_recv() {
        assert!(matches!(report, Report::Stood { result: Ok(()), .. }), "{report:?}");
        read += 1;
    }
    assert_eq!(read, MANY);
}

#[test]
fn what_was_sent_is_committed_though_nobody_reads_reports_any_more() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    let Running { store, reports, .. } = run;
    drop(reports);
    store.send(stand(Standing::Held { why: "unheard".into() })).unwrap();
    store.close();
    let loaded = home.try_open().unwrap();
    assert_eq!(loaded.accounts[0].standing, Standing::Held { why: "unheard".into() });
}

fn reopened(run: Running, home: &Home) -> Running {
    run.close();
    home.open()
}

/// The refresh tokens of account 1: generation and whether it is superseded.
fn generations(home: &Home) -> Vec<(i64, bool)> {
    let writer = home.crash().writer();
    let sql = "SELECT generation, superseded_wall_ms IS NOT NULL FROM refresh_token ORDER BY 1";
    let mut statement = writer.connection().prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn owed() -> Owed {
    Owed { since: stamp(), worth: Some(Duration::from_hours(24)) }
}

impl Running {
    fn left(&mut self, errand: ErrandId) -> Result<Box<Left>, StoreError> {
        match self.ask(Command::OpenErrand(errand)) {
            Report::ErrandOpened { errand: of, result } if of == errand => result,
            other => panic!("{other:?}"),
        }
    }

    fn end(&mut self, errand: ErrandId, part: ErrandPart) {
        let report = self.ask(Command::EndErrand { errand, part });
        assert!(matches!(report, Report::ErrandEnded { result: Ok(()), .. }), "{report:?}");
    }
}

#[test]
fn what_is_to_be_revoked_is_on_disk_in_the_commit_in_which_the_account_goes() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    let erased = run.erase_owing(&account(1), Some(owed())).unwrap();
    let errand = erased.errand.unwrap();
    // killed before anything was sent
    let home = home.crash();
    let mut run = home.open();
    assert!(run.loaded.accounts.is_empty() && run.loaded.clients.is_empty());
    let [record] = &run.loaded.errands[..] else { panic!("{:?}", run.loaded.errands) };
    assert_eq!((record.errand, &record.account), (errand, &account(1)));
    assert_eq!((record.name.as_str(), record.registered), ("work/1", false));
    assert_eq!(record.client, ClientRecord { redirect_uri: None, ..client() });
    assert_eq!((&record.since, record.worth), (&stamp(), Some(Duration::from_hours(24))));
    let left = run.left(errand).unwrap();
    assert_eq!(left.refresh.unwrap().expose(), "canary-refresh-1");
    assert_eq!(left.access.unwrap().expose(), "canary-access-1");
    assert_eq!(left.secret.unwrap().expose(), "canary-client-secret");

    run.end(errand, ErrandPart::Tokens);
    assert!(run.left(errand).unwrap().is_empty());
    run.end(errand, ErrandPart::Whole);
    assert!(matches!(run.left(errand), Err(StoreError::Refused(Refusal::UnknownErrand))));
    run.close();
    assert!(home.open().loaded.errands.is_empty());
}

#[test]
fn who_keeps_the_tokens_leaves_nothing_behind() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    assert!(run.erase(&account(1)).unwrap().errand.is_none());
    run.close();
    assert!(home.open().loaded.errands.is_empty());
}

/// A crash right after a login must leave nothing behind that undoes it.
#[test]
fn a_login_ends_in_its_own_commit_what_it_makes_void() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    run.erase_owing(&account(1), Some(owed())).unwrap();
    run.begin(2, exchange(1, None)).unwrap();
    assert_eq!(home.crash().try_open().unwrap().errands.len(), 1, "no login, no end");
    run.grant(change(2, 1, 1, Some("canary"))).unwrap();
    assert!(home.crash().try_open().unwrap().errands.is_empty());
    run.close();
}

#[test]
fn there_is_an_end_to_logouts_that_wait() {
    let home = Home::new();
    let mut run = home.open();
    let mut kept = 0;
    // of accounts of their own: another login in the place of one that is gone ends what waits for it
    for number in 1..=65_u8 {
        run.begin(number.into(), exchange(number, None)).unwrap();
        run.grant(change(number.into(), number, 1, Some("canary"))).unwrap();
        let erased = run.erase_owing(&account(number), Some(owed())).unwrap();
        kept += u32::from(erased.errand.is_some());
    }
    assert_eq!(kept, 64, "the account is gone all the same");
    run.close();
    let loaded = home.try_open().unwrap();
    assert_eq!((loaded.accounts.len(), loaded.errands.len()), (0, 64));
}

fn registered(ends: Option<i64>) -> ClientRecord {
    ClientRecord { secret_ends: ends.map(Wall), ..client() }
}

impl Running {
    /// Account 1 signs in with a client that has just registered itself.
    fn register(&mut self) {
        let BeginKind::Exchange(mut made) = exchange(1, Some("canary-first")) else { panic!() };
        made.client = registered(Some(1000));
        made.registration = Some(Arc::new(Registration::new("canary-managed".into())));
        self.begin(1, BeginKind::Exchange(made)).unwrap();
        self.grant(change(1, 1, 1, Some("canary-refresh-1"))).unwrap();
    }

    fn managed(&mut self) -> String {
        match self.ask(Command::OpenClient { client: key(), by: Opener::Renewal }) {
            Report::ClientOpened { result, .. } => {
                result.unwrap().registration.unwrap().expose().to_owned()
            }
            other => panic!("{other:?}"),
        }
    }

    fn renew(&mut self, client: ClientRecord, secret: Option<&str>) -> Result<(), StoreError> {
        let renewal = Renewal {
            client,
            secret: secret.map(|secret| ClientSecret::new(secret.into())),
            registration: Registration::new("canary-rotated".into()),
        };
        match self.ask(Command::Renew(Box::new(renewal))) {
            Report::Renewed { result, .. } => result.map(drop).map_err(|(error, _)| error),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_renewed_registration_is_there_after_a_crash_with_its_secret_and_its_end() {
    let home = Home::new();
    let mut run = home.open();
    run.register();
    assert_eq!(run.managed(), "canary-managed");
    let home = home.crash();
    let mut run = home.open();
    assert_eq!(run.loaded.clients, [registered(Some(1000))]);
    run.renew(registered(Some(2000)), Some("canary-second")).unwrap();
    let home = home.crash();
    let mut run = home.open();
    assert_eq!(run.loaded.clients, [registered(Some(2000))]);
    assert_eq!(run.managed(), "canary-rotated");
    let credentials = run.begin(2, refresh(1, 1)).unwrap();
    assert_eq!(secret(&credentials), Some("canary-second"));
    // without a new secret the old one goes on
    run.renew(registered(None), None).unwrap();
    assert_eq!(secret(&run.begin(3, refresh(1, 1)).unwrap()), Some("canary-second"));
    run.close();
    assert_eq!(home.open().loaded.clients, [registered(None)]);
}

#[test]
fn a_sign_in_with_a_client_that_is_there_does_not_set_its_secret_back() {
    let home = Home::new();
    let mut run = home.open();
    run.register();
    run.renew(registered(Some(2000)), Some("canary-second")).unwrap();
    let BeginKind::Exchange(mut again) = exchange(1, None) else { panic!() };
    again.client = registered(Some(1000));
    run.begin(2, BeginKind::Exchange(again)).unwrap();
    run.grant(change(2, 1, 2, Some("canary-refresh-2"))).unwrap();
    run.close();
    let mut run = home.open();
    assert_eq!(run.loaded.clients, [registered(Some(2000))]);
    assert_eq!(run.managed(), "canary-rotated");
}

#[test]
fn a_registration_that_nobody_uses_any_more_is_not_renewed() {
    let home = Home::new();
    let mut run = home.open();
    let error = run.renew(registered(None), None).unwrap_err();
    assert_eq!(error, Refusal::UnknownClient.into());
}

#[test]
fn a_client_that_a_sign_in_alone_kept_goes_with_it() {
    let home = Home::new();
    let mut run = home.open();
    run.sign_in();
    let other = ClientKey { client: "other".parse().unwrap(), ..key() };
    let login = |number| {
        BeginKind::Exchange(Box::new(Exchange {
            seed: AccountSeed { client: other.clone(), ..seed(number) },
            client: ClientRecord { key: other.clone(), ..client() },
            secret: None,
            registration: None,
            key: None,
        }))
    };
    run.begin(2, login(2)).unwrap();
    run.grant(change(2, 2, 1, Some("canary-refresh-2"))).unwrap();
    run.begin(3, login(1)).unwrap();
    run.erase(&account(2)).unwrap();
    let given_back = Command::GiveBack {
        account: account(1),
        standing: Standing::NeedsLogin { why: "given back".into() },
        owed: Owed { since: stamp(), worth: None },
    };
    let report = run.ask(given_back);
    assert!(matches!(report, Report::Erased { result: Ok(_), .. }), "{report:?}");
    run.close();
    assert_eq!(home.open().loaded.clients, [client()]);
}
