//! What the servers of the histories do to whoever shows something that is used up: the same as the certified provider
//! of `tests/oidc`, which ends the whole grant. A history in which the daemon did any of it would lose a login.

use super::provider::{Custody, GRACE, Kind, Servers, Verdict};
use super::robots;
use super::tokens::parse;
use crate::model::{Boot, Now, Scopes, Target, Wall};
use crate::oauth::{Client, TokenRequest};
use crate::provider::Provider;

const HOUR: i64 = 3_600_000;

fn servers(kind: Kind) -> Servers {
    let mut servers = Servers::default();
    servers.add("one", kind, HOUR, HOUR);
    servers
}

/// The refresh token that comes of one, as far as there is a new one.
fn rotated(servers: &mut Servers, token: &str, now: i64) -> String {
    match servers.take(token, now) {
        Verdict::Granted { refresh, .. } => refresh.unwrap_or_else(|| token.to_owned()),
        _ => panic!("{token} was refused: {:?}", over(servers, token)),
    }
}

fn is_dead(servers: &mut Servers, token: &str, now: i64) -> bool {
    matches!(servers.take(token, now), Verdict::Dead)
}

/// Why the login of a token is over.
fn over(servers: &Servers, token: &str) -> Option<&'static str> {
    servers.grants[parse(token).unwrap().0].over
}

#[test]
fn a_refresh_token_that_comes_twice_ends_its_login_with_the_newest_token() {
    let mut servers = servers(Kind::Strict);
    let second = rotated(&mut servers, "rt-one-0", 0);
    let third = rotated(&mut servers, &second, 1);
    assert!(is_dead(&mut servers, "rt-one-0", 2));
    assert_eq!(over(&servers, &third), Some("a refresh token was used twice"));
    assert!(is_dead(&mut servers, &third, 3), "the family is revoked");
}

#[test]
fn within_its_grace_a_refresh_token_may_come_again_and_after_it_ends_its_login() {
    let mut servers = servers(Kind::Timed);
    rotated(&mut servers, "rt-one-0", 0);
    let again = rotated(&mut servers, "rt-one-0", GRACE - 1);
    assert!(is_dead(&mut servers, "rt-one-0", GRACE), "it counts from the first use");
    assert!(is_dead(&mut servers, &again, GRACE));
}

#[test]
fn a_refresh_token_may_come_again_until_its_successor_has_and_then_ends_its_login() {
    let mut servers = servers(Kind::Confirmed);
    rotated(&mut servers, "rt-one-0", 0);
    let second = rotated(&mut servers, "rt-one-0", HOUR);
    let third = rotated(&mut servers, &second, HOUR);
    assert!(is_dead(&mut servers, "rt-one-0", HOUR));
    assert!(is_dead(&mut servers, &third, HOUR));
}

#[test]
fn a_refresh_token_that_is_never_replaced_works_until_its_login_is_revoked() {
    let mut servers = servers(Kind::Static);
    for now in 0..3 {
        assert_eq!(rotated(&mut servers, "rt-one-0", now), "rt-one-0");
    }
    servers.grants.get_mut("one").unwrap().over = Some("revoked");
    assert!(is_dead(&mut servers, "rt-one-0", 4));
}

#[test]
fn nothing_comes_of_a_revoked_login_and_nothing_brings_it_back() {
    for kind in [Kind::Strict, Kind::Timed, Kind::Confirmed] {
        let mut servers = servers(kind);
        let second = rotated(&mut servers, "rt-one-0", 0);
        servers.grants.get_mut("one").unwrap().over = Some("revoked");
        for token in ["rt-one-0", &second, "rt-one-7", "rt-two-0", "code-one", "code-two"] {
            assert!(is_dead(&mut servers, token, 1), "{kind:?}: {token}");
        }
        assert_eq!(over(&servers, &second), Some("revoked"), "{kind:?}");
    }
}

#[test]
fn a_code_of_a_browser_or_a_device_that_comes_twice_ends_all_that_the_account_has() {
    let mut servers = servers(Kind::Strict);
    servers.admit("one.1", Kind::Strict, HOUR, false);
    assert!(matches!(servers.take("code-one.1", 0), Verdict::Pending), "nobody has agreed");
    servers.grants.get_mut("one.1").unwrap().agreed = true;
    let first = rotated(&mut servers, "code-one.1", 1);
    let second = rotated(&mut servers, &first, 2);
    assert!(is_dead(&mut servers, "code-one.1", 3));
    for token in [second.as_str(), "rt-one-0"] {
        assert_eq!(over(&servers, token), Some("a code was used twice"), "{token}");
        assert!(is_dead(&mut servers, token, 4), "{token}");
    }
}

#[test]
fn a_spent_token_that_is_sent_while_its_successor_is_at_hand_is_a_fault_whatever_comes_of_it() {
    for custody in [Custody::Held, Custody::Recorded, Custody::Durable] {
        let mut servers = servers(Kind::Timed);
        let second = rotated(&mut servers, "rt-one-0", 0);
        servers.note(&second, custody);
        rotated(&mut servers, "rt-one-0", 1);
        assert_eq!(servers.wrong.len(), 1, "{custody:?}");
    }
    let mut servers = servers(Kind::Timed);
    let second = rotated(&mut servers, "rt-one-0", 0);
    servers.note(&second, Custody::Lost);
    rotated(&mut servers, "rt-one-0", 1);
    assert_eq!(servers.wrong, [""; 0], "nobody has anything else to send");
}

/// What a key signs for an account.
fn assertion(account: &str) -> String {
    let text = format!(
        "id = \"robots\"\ntitle = \"robots\"\nauthorization_url = \"https://robots.example/a\"\n\
         token_url = \"{}\"\n",
        robots::TOKEN_URL
    );
    let provider = Provider::parse(&text).unwrap();
    let (id, secret) = (robots::client(account, Kind::Key), robots::secret(Kind::Key).unwrap());
    let client = Client { id: &id, secret: Some(&secret) };
    let (scopes, target) = (Scopes::default(), Target::default());
    let now = Now { wall: Wall(HOUR), boot: Boot(0) };
    let subject = robots::subject(Kind::Key);
    let request =
        TokenRequest::jwt_bearer(&provider, client, subject.as_deref(), &scopes, &target, now);
    format!("assertion-{}", request.unwrap().parameter("assertion").unwrap())
}

#[test]
fn an_assertion_works_once_and_one_that_comes_twice_ends_the_login() {
    let mut servers = servers(Kind::Key);
    let (first, second) = (assertion("one"), assertion("one"));
    for shown in [&first, &second] {
        assert!(matches!(servers.take(shown, 0), Verdict::Granted { refresh: None, .. }));
    }
    let (signed, _) = first.rsplit_once('.').unwrap();
    assert!(is_dead(&mut servers, &format!("{signed}.AAAA"), 1), "another key signed that");
    assert!(is_dead(&mut servers, &assertion("two"), 1), "nobody has let that client in");
    assert_eq!(servers.grants["one"].over, None);
    assert!(is_dead(&mut servers, &first, 2));
    assert_eq!(servers.grants["one"].over, Some("an assertion was used twice"));
    assert!(is_dead(&mut servers, &assertion("one"), 3));
}

#[test]
fn a_client_without_its_secret_is_nobody_and_so_is_one_that_is_not_let_in_any_more() {
    let mut servers = servers(Kind::Secret);
    let secret = robots::secret(Kind::Secret).unwrap();
    let shown = format!("secret-robot-one:{}", secret.expose());
    for wrong in ["secret-robot-one:", "secret-robot-one:fake", "secret-app:fake", "secret-"] {
        assert!(matches!(servers.take(wrong, 0), Verdict::Stranger), "{wrong}");
    }
    assert!(matches!(servers.take(&shown, 0), Verdict::Granted { refresh: None, .. }));
    servers.grants.get_mut("one").unwrap().over = Some("revoked");
    assert!(matches!(servers.take(&shown, 0), Verdict::Stranger));
    servers.admit_client("one.1", Kind::Secret, HOUR);
    assert!(matches!(servers.take(&shown, 0), Verdict::Granted { refresh: None, .. }));
}
