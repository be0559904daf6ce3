//! From facts to findings: what each means, and what to do about it.

use std::path::PathBuf;

use super::faults::login_required;
use super::looking::{Asked, Examined, Published};
use crate::api::{Account, Answer, Area, Finding, State, Unrevoked, login_command};
use crate::lifecycle::RegistrationView;
use crate::model::{AccountName, ClientId, Now, span};
use crate::oauth::{Missing, Unreached};
use crate::store::{self, KeyError, StoreError};

/// How far clocks may lie apart without a word, in seconds.
const SKEW_MAX: i64 = 60;
/// Less room on the disk than this, in bytes, and it is time to make some.
const ROOM_LOW: u64 = 100 << 20;
/// Less than this, and a commit may fail any moment.
const ROOM_GONE: u64 = 8 << 20;
/// How many accounts are named where many are meant.
const NAMED: usize = 4;

/// The key, the database and its disk.
pub(super) fn of_disk(examined: &Examined, places: &store::Places) -> Vec<Finding> {
    let database = places.database.display().to_string();
    let Some(checkup) = &examined.disk else {
        let message = "could not be read to its end in time: the disk may be stuck";
        let finding = Finding::problem(Area::Database, database, message);
        return vec![finding.hint("look at what the kernel says: journalctl --dmesg")];
    };
    let keys = places.keys.display().to_string();
    let key = match &checkup.key {
        Ok(protection) => {
            let message = format!("opens the database ({protection})");
            Finding::ok(Area::Key, keys, message)
        }
        Err(StoreError::Key(error)) => {
            Finding::problem(Area::Key, keys, error.to_string()).hint(mend_key(error))
        }
        // the command line says more of that
        Err(StoreError::Permissions { .. }) => {
            Finding::warning(Area::Key, keys.clone(), "not read, since other users can open it")
                .hint(format!("run: chmod 600 '{keys}'"))
        }
        Err(error) => Finding::problem(Area::Key, keys, error.to_string())
            .hint("mend that before the daemon is restarted: it has the key in memory still"),
    };
    let state = match &checkup.database {
        Ok(sound) => {
            let message = format!("sound, {}, schema {}", size(sound.bytes), sound.schema);
            Finding::ok(Area::Database, database.clone(), message)
        }
        Err(error) => {
            let directory = places.database.parent().unwrap_or(&places.database).display();
            let hint = format!(
                "keep a copy before anything else: cp -a '{directory}' '{directory}.copy'; then \
                 restore a backup, or move the file away and sign in again"
            );
            Finding::problem(Area::Database, database.clone(), error.to_string()).hint(hint)
        }
    };
    let room = checkup.free.map(|free| {
        let message = format!("{} free on its disk", size(free));
        let make_room = "make room: without it no refresh can be written down, and none is begun";
        if free < ROOM_GONE {
            Finding::problem(Area::Database, database, message).hint(make_room)
        } else if free < ROOM_LOW {
            Finding::warning(Area::Database, database, message).hint(make_room)
        } else {
            Finding::ok(Area::Database, database, message)
        }
    });
    let marks = checkup.marks.iter().map(of_marks);
    [key, state].into_iter().chain(room).chain(marks).collect()
}

fn of_marks((path, state): &(PathBuf, Result<usize, StoreError>)) -> Finding {
    const COST: &str = "an older copy of the database may go unnoticed";
    let place = path.display().to_string();
    let hint = "make room and see to it that the file can be written; the next refresh mends it";
    match state {
        Ok(0) => Finding::ok(Area::Database, place, "knows how new each login is"),
        Ok(behind) => {
            let message = format!("behind for {behind} accounts: {COST}");
            Finding::warning(Area::Database, place, message).hint(hint)
        }
        Err(error) => {
            Finding::warning(Area::Database, place, format!("{error}: {COST}")).hint(hint)
        }
    }
}

fn mend_key(error: &KeyError) -> &'static str {
    match error {
        KeyError::Missing { .. } => {
            "restore it from a backup, and do not restart the daemon before: it has the key in \
             memory still"
        }
        KeyError::Unreadable { .. } | KeyError::DoesNotFit { .. } | KeyError::OtherKey => {
            "restore the file that belongs to the database, and do not restart the daemon before: \
             it has the key in memory still"
        }
        KeyError::NoRandomness => "look at what the kernel says: journalctl --dmesg",
    }
}

/// The way to providers, and the providers.
pub(super) fn of_network(examined: &Examined) -> Vec<Finding> {
    let mut found: Vec<Finding> = examined
        .proxies
        .iter()
        .map(|(variable, proxy)| {
            Finding::ok(Area::Network, *variable, format!("names the proxy {proxy}"))
        })
        .collect();
    for asked in &examined.providers {
        found.extend(of_provider(asked, !examined.proxies.is_empty()));
    }
    if examined.left_out > 0 {
        let message = format!("{} more providers were not asked", examined.left_out);
        found.push(Finding::ok(Area::Network, "", message));
    }
    found
}

fn of_provider(asked: &Asked, by_proxy: bool) -> Vec<Finding> {
    let origin = asked.origin.as_str();
    match (&asked.probe, asked.times) {
        (Some(Ok(reached)), Some((sent, came))) => {
            let took = came.boot.since(sent.boot).as_millis();
            let message = match reached.status {
                Some(status) => format!("answers (HTTP status {status}, {took} ms)"),
                None => format!("is there, and lets nobody in without a certificate ({took} ms)"),
            };
            let answers = Finding::ok(Area::Provider, origin, message);
            let skew = reached.date.and_then(|date| of_clock(origin, date, sent, came));
            [answers].into_iter().chain(skew).collect()
        }
        (Some(Err(unreached)), _) => {
            let message = format!("{}; {}", unreached.detail, needed_by(&asked.accounts));
            let hint = reach(asked, unreached, by_proxy);
            vec![Finding::problem(Area::Provider, origin, message).hint(hint)]
        }
        (None, _) | (Some(Ok(_)), None) => {
            let message = format!("no answer in time; {}", needed_by(&asked.accounts));
            vec![Finding::problem(Area::Provider, origin, message).hint("check the network")]
        }
    }
}

fn reach(asked: &Asked, unreached: &Unreached, by_proxy: bool) -> String {
    let host = asked.url.host_str().unwrap_or_default();
    let port = asked.url.port_or_known_default().unwrap_or_default();
    match unreached.missing {
        Missing::Connection | Missing::Name if by_proxy => {
            format!("check the network and the proxy; run: curl -sSI {}/", asked.origin)
        }
        Missing::Name => format!("check the network and the name server; run: getent hosts {host}"),
        Missing::Connection => {
            format!("check the network and the firewall; run: curl -sSI {}/", asked.origin)
        }
        Missing::Proof => format!(
            "a portal or a proxy may answer in its place, the clock may be wrong, or a certificate \
             authority is missing; run: openssl s_client -connect {host}:{port} </dev/null"
        ),
        Missing::Answer => {
            "it is in trouble, or something on the way is; ostler keeps trying".into()
        }
    }
}

/// How far the provider's clock is from ours. Its time is somewhere between question and answer, and
/// without its fractions of a second.
fn of_clock(origin: &str, date: i64, sent: Now, came: Now) -> Option<Finding> {
    let ahead = sent.wall.seconds() - (date + 1);
    let behind = date - came.wall.seconds();
    let (apart, which) = if ahead > 0 { (ahead, "ahead of") } else { (behind, "behind") };
    (apart > SKEW_MAX).then(|| {
        let message = format!("this machine's clock is {} {which} the provider's", span(apart));
        Finding::warning(Area::Provider, origin, message)
            .hint("set the clock, unless theirs is wrong; run: timedatectl set-ntp true")
    })
}

fn needed_by(accounts: &[AccountName]) -> String {
    let names: Vec<&str> = accounts.iter().take(NAMED).map(AccountName::as_str).collect();
    let more = match accounts.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("needed by {}{more}", names.join(", "))
}

/// An account.
pub(super) fn of_account(account: &Account, renewal: Renewal, now: Now) -> Finding {
    let now = now.wall.seconds();
    let name = account.name.as_str();
    let left = account.expires_at.map(|at| at - now);
    let detail = account.detail.as_deref().unwrap_or("no reason is known");
    let login = login_command(&account.provider, &account.name);
    let ok = |message: String| Finding::ok(Area::Account, name, message);
    let warning = |message: String| Finding::warning(Area::Account, name, message);
    let problem = |message: String| Finding::problem(Area::Account, name, message);
    match account.state {
        State::LoginRequired => problem(login_required(detail)).hint(format!("run: {login}")),
        State::Held => problem(format!("the provider rejects the request ({detail})"))
            .hint(format!("check client id and secret, then run: {login}")),
        State::BackingOff => {
            let next = account
                .next_refresh
                .map_or(String::new(), |at| format!("; next try in {}", span(at - now)));
            let message = format!("{} in a row ({detail}){next}", failures(account.failures));
            match left {
                Some(left) if left > 0 => {
                    let message = format!("{message}; the token is good for {}", span(left));
                    warning(message).hint("nothing yet: ostler keeps trying")
                }
                _ => problem(message).hint("ostler keeps trying; see what else is found here"),
            }
        }
        State::SignedOut => warning("signed out".to_owned()).hint(format!("run: {login}")),
        State::SigningIn => ok("a sign-in is under way".to_owned()),
        State::Disabled => ok("out of use; its login is kept".to_owned()),
        State::Ready | State::Refreshing => match (renewal, left) {
            (Renewal::Impossible, Some(left)) if left <= 0 => {
                let message = "the token ran out, and the provider gave nothing to renew it with";
                problem(message.to_owned()).hint(format!("run: {login}"))
            }
            (Renewal::Impossible, left) => {
                let when = left.map_or(String::new(), |left| format!(" in {}", span(left)));
                let message = format!(
                    "the login ends with its token{when}: there is nothing to renew it with"
                );
                warning(message).hint(
                    "sign in with the scope by which the provider gives refresh \
                                       tokens (offline_access, as a rule)",
                )
            }
            (Renewal::Possible, _) if account.login_ends_soon => {
                let when = account.login_ends_at.filter(|at| *at > now);
                let when =
                    when.map_or("any moment".to_owned(), |at| format!("in {}", span(at - now)));
                warning(format!("the login ends {when}, unless the provider moves that on"))
                    .hint(format!("sign in again in good time; run: {login}"))
            }
            (Renewal::Possible, _) if account.certificate_ends_soon(now) => {
                let when = account.certificate_ends_at.filter(|at| *at > now);
                let when =
                    when.map_or("is over".to_owned(), |at| format!("ends in {}", span(at - now)));
                warning(format!("the client's certificate {when}")).hint(format!(
                    "sign in again with the new one; run: {login} --client-certificate FILE"
                ))
            }
            // a try is under way, or what it brought is not on the disk yet
            (Renewal::Possible, _)
                if account.state == State::Refreshing && account.detail.is_some() =>
            {
                warning(detail.to_owned()).hint("nothing yet: ostler keeps trying")
            }
            (Renewal::Possible, Some(left)) => {
                ok(format!("{}, token good for {}", account.state.as_str(), span(left)))
            }
            (Renewal::Possible, None) => ok(account.state.as_str().to_owned()),
        },
    }
}

/// Whether an account has something to get its next token with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewal {
    Possible,
    Impossible,
}

fn failures(count: u32) -> String {
    match count {
        1 => "1 failure".to_owned(),
        many => format!("{many} failures"),
    }
}

/// A sign-in that brought no account.
pub(super) fn of_sign_in(name: &AccountName, answer: &Answer) -> Finding {
    Finding::warning(Area::Account, name.as_str(), "the last sign-in brought no tokens")
        .hint("try again: ostler login")
        .answer(Some(answer.clone()))
}

/// An account whose provider nobody describes any more.
pub(super) fn undefined(account: &Account) -> Finding {
    let message = format!("the definition of its provider {} is gone", account.provider);
    Finding::problem(Area::Account, account.name.as_str(), message).hint(
        "put it back into ~/.config/ostler/providers, then run: systemctl --user reload ostler",
    )
}

/// The document that describes the user's own client.
pub(super) fn of_document(url: &ClientId, found: &Published) -> Finding {
    let hint = format!("publish what this prints: ostler provider document {url}");
    let url = url.as_str();
    match found {
        Ok(Ok(())) => Finding::ok(Area::Network, url, "describes a client as providers want it"),
        Ok(Err(problem)) => {
            Finding::problem(Area::Network, url, format!("is of no use to providers: {problem}"))
                .hint(hint)
        }
        Err(why) => {
            let message = format!("could not be fetched from here ({why}), as providers have to");
            Finding::warning(Area::Network, url, message).hint(hint)
        }
    }
}

/// The secret of a client that registered itself, if something is wrong with it.
pub(super) fn of_secret(
    view: &RegistrationView<'_>,
    users: &[AccountName],
    now: Now,
) -> Option<Finding> {
    let left = view.ends.seconds() - now.wall.seconds();
    let why = view.failure.map_or(String::new(), |failure| format!(" ({failure})"));
    let client = &view.client.client;
    let needed = needed_by(users);
    let provider = view.client.provider.as_str();
    let hint = "ostler keeps trying to renew it; to have a new client, log its accounts out, and sign in again";
    if left <= 0 {
        let ago = span(-left);
        let message = format!("the secret of client {client} ended {ago} ago{why}; {needed}");
        return Some(Finding::problem(Area::Provider, provider, message).hint(hint));
    }
    view.failure.map(|_| {
        let left = span(left);
        let message = format!(
            "the secret of client {client} ends in {left}, and is not renewed{why}; {needed}"
        );
        Finding::warning(Area::Provider, provider, message).hint(hint)
    })
}

/// A logout that the provider could not be told yet.
pub(super) fn unrevoked(left: &Unrevoked, now: Now) -> Finding {
    let now = now.wall.seconds();
    let why = left.reason.as_deref().map_or(String::new(), |reason| format!(" ({reason})"));
    let next =
        left.next_try.map_or(String::new(), |at| format!("; next try in {}", span(at - now)));
    let message = format!("signed out, and its tokens are not revoked yet{why}{next}");
    let hint = format!(
        "nothing yet: ostler keeps trying for {}; {} can be told on its own page, too",
        span(left.ends_at - now),
        left.provider
    );
    Finding::warning(Area::Account, left.account.as_str(), message).hint(hint)
}

/// A number of bytes in the unit that suits it.
fn size(bytes: u64) -> String {
    match bytes {
        0..0x400 => format!("{bytes} bytes"),
        0x400..0x10_0000 => format!("{} KiB", bytes >> 10),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Level;
    use crate::model::{Boot, Wall};
    use crate::oauth::Reached;

    const NOW: Now = Now { wall: Wall(1_000_000_000), boot: Boot(5_000) };

    fn account(state: State) -> Account {
        Account {
            provider: "https://id.example".parse().unwrap(),
            state,
            detail: Some("invalid_grant".to_owned()),
            expires_at: Some(1_003_600),
            next_refresh: Some(1_000_030),
            failures: 2,
            ..Account::for_tests("door")
        }
    }

    fn asked(probe: Option<crate::oauth::Probe>) -> Asked {
        Asked {
            origin: "https://id.example".to_owned(),
            url: "https://id.example/token".parse().unwrap(),
            accounts: ["a", "b", "c", "d", "e"].map(|name| name.parse().unwrap()).to_vec(),
            probe,
            times: Some((NOW, Now { wall: Wall(1_000_002_000), boot: Boot(7_000) })),
        }
    }

    #[test]
    fn an_account_is_as_bad_as_what_callers_get() {
        let of = |account: &Account, renewal| of_account(account, renewal, NOW);
        let level = |state| of(&account(state), Renewal::Possible).level;
        assert_eq!(level(State::Ready), Level::Ok);
        assert_eq!(level(State::BackingOff), Level::Warning);
        assert_eq!(level(State::Refreshing), Level::Warning, "what it got is not on the disk");
        let quiet = Account { detail: None, ..account(State::Refreshing) };
        assert_eq!(of(&quiet, Renewal::Possible).level, Level::Ok);
        assert_eq!(level(State::Held), Level::Problem);
        let over = of(&account(State::LoginRequired), Renewal::Possible);
        assert_eq!(over.message, "the login is over (invalid_grant)");
        let command = "run: ostler login --issuer https://id.example --as door";
        assert_eq!(over.hint.as_deref(), Some(command));
        let ending = Account {
            login_ends_at: Some(1_003_600),
            login_ends_soon: true,
            ..account(State::Ready)
        };
        let ending = of_account(&ending, Renewal::Possible, NOW);
        assert_eq!(ending.level, Level::Warning);
        assert!(ending.message.contains("the login ends in 1 h"), "{}", ending.message);
        let certified =
            Account { certificate_ends_at: Some(1_000_000 + 13 * 86400), ..account(State::Ready) };
        let certified = of(&certified, Renewal::Possible);
        assert_eq!(certified.level, Level::Warning);
        assert_eq!(certified.message, "the client's certificate ends in 13 d");
        assert!(certified.hint.unwrap().ends_with("--as door --client-certificate FILE"));
        let new = Account { certificate_ends_at: Some(9_000_000), ..account(State::Ready) };
        assert_eq!(of(&new, Renewal::Possible).level, Level::Ok);
        let late = Account { expires_at: Some(999_999), ..account(State::BackingOff) };
        let late = of(&late, Renewal::Possible);
        assert_eq!(late.level, Level::Problem);
        assert_eq!(late.message, "2 failures in a row (invalid_grant); next try in 30 s");
        assert_eq!(of(&account(State::Ready), Renewal::Impossible).level, Level::Warning);
        let gone = Account { expires_at: Some(999_999), ..account(State::Ready) };
        assert_eq!(of(&gone, Renewal::Impossible).level, Level::Problem);
    }

    #[test]
    fn clocks_are_compared_with_the_time_that_the_question_took() {
        let skew = |date| {
            let probe = Ok(Reached { status: Some(404), date: Some(date) });
            of_provider(&asked(Some(probe)), false).pop().unwrap()
        };
        for near in [1_000_000 - 61, 1_000_000, 1_000_002 + 60] {
            assert_eq!(skew(near).level, Level::Ok, "{near}");
        }
        let behind = skew(1_000_002 + 7200);
        assert_eq!(behind.level, Level::Warning);
        assert_eq!(behind.message, "this machine's clock is 2 h behind the provider's");
        let ahead = skew(1_000_000 - 601);
        assert_eq!(ahead.message, "this machine's clock is 10 min ahead of the provider's");
    }

    #[test]
    fn a_provider_that_is_not_there_is_told_with_who_needs_it_and_how_to_look() {
        let unreached = |missing| {
            let probe = Err(Unreached { missing, detail: "why".to_owned() });
            of_provider(&asked(Some(probe)), false).pop().unwrap()
        };
        let found = unreached(Missing::Name);
        assert_eq!(found.message, "why; needed by a, b, c, d and 1 more");
        assert!(found.hint.unwrap().ends_with("run: getent hosts id.example"));
        let proof = unreached(Missing::Proof).hint.unwrap();
        assert!(proof.contains("openssl s_client -connect id.example:443"), "{proof}");
        assert_eq!(of_provider(&asked(None), false)[0].level, Level::Problem);
    }

    #[test]
    fn a_secret_that_is_over_is_told_with_who_needs_it() {
        let client = crate::model::ClientKey {
            provider: "https://id.example".parse().unwrap(),
            client: "c".parse().unwrap(),
        };
        let failure = crate::model::Failure::new(crate::model::FailureClass::NotSent, "no way");
        let users = ["door".parse().unwrap()];
        let of = |ends: i64, failure| {
            let view =
                RegistrationView { client: &client, ends: Wall(ends * 1000), next: None, failure };
            of_secret(&view, &users, NOW)
        };
        assert_eq!(of(1_000_000 + 60, None), None, "it is renewed in time");
        let late = of(1_000_000 + 3600, Some(&failure)).unwrap();
        assert_eq!(late.level, Level::Warning);
        assert!(
            late.message.contains("ends in 1 h, and is not renewed (no way)"),
            "{}",
            late.message
        );
        let over = of(1_000_000 - 7200, None).unwrap();
        assert_eq!(over.level, Level::Problem);
        assert_eq!(over.message, "the secret of client c ended 2 h ago; needed by door");
    }

    #[test]
    fn a_document_that_is_of_no_use_is_a_problem_and_one_out_of_reach_a_warning() {
        let url: ClientId = "https://me.example/c".parse().unwrap();
        let level = |found: Published| of_document(&url, &found).level;
        assert_eq!(level(Ok(Ok(()))), Level::Ok);
        assert_eq!(level(Ok(Err("why".to_owned()))), Level::Problem);
        assert_eq!(level(Err("why".to_owned())), Level::Warning);
    }

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(
            [12, 84 << 10, 5 << 20, 12 << 30].map(size),
            ["12 bytes", "84 KiB", "5 MiB", "12 GiB"]
        );
    }
}
