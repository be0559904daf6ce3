//! Bad days: what the daemon does where it cannot work. It says so to everybody who asks, and leaves
//! every file as it is.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use crate::database::FILE;
use crate::dbus;
use crate::scene::{
    ACCOUNT, PROVIDER, Scene, ask, failed, fault, file, files, home, settle, token_of,
};
use crate::support::bus::Bus;
use crate::support::daemon::{Daemon, StartError};
use crate::support::process;
use crate::support::provider::{Config, Fault, Provider};

const PATIENCE: Duration = Duration::from_secs(40);

/// Where files are that a bad start must not touch.
const KEPT: [&str; 2] = ["state", "config"];

fn kept(daemon: &Daemon) -> Vec<(String, Vec<u8>)> {
    KEPT.iter().flat_map(|dir| files(&daemon.home().path(dir))).collect()
}

/// That a daemon tells everybody the same fault, with these words in it, on all faces.
fn assert_impaired(daemon: &mut Daemon, bus: &str, words: &str) {
    // without what opens the secrets it is not the disk that is to blame
    let locked = words.starts_with("keys.toml is missing") || words.starts_with("keys.toml cannot");
    let (expected, code) = if locked { ("Locked", 78) } else { ("Storage", 74) };
    let told =
        daemon.notices().unwrap().iter().any(|notice| {
            notice.starts_with("STATUS=cannot keep tokens: ") && notice.contains(words)
        });
    assert!(told, "the service manager is not told: {:?}", daemon.notices());
    for (method, parameters) in [
        ("GetToken", json!({ "account": ACCOUNT })),
        ("Status", json!({})),
        ("ListAccounts", json!({})),
        ("Login", json!({ "provider": PROVIDER })),
        ("Logout", json!({ "account": ACCOUNT })),
        ("Resume", json!({ "account": ACCOUNT })),
    ] {
        let (kind, parameters) = fault(ask(daemon, method, &parameters));
        assert_eq!(kind, expected, "{method}");
        let message = parameters["message"].as_str().unwrap();
        assert!(message.contains(words), "{method}: {message}");
    }
    for command in [["token", ACCOUNT].as_slice(), &["status"], &["accounts"], &["monitor"]] {
        let finished = daemon.run(command).unwrap();
        let line = failed(&finished, code);
        assert!(line.contains(words), "{command:?}: {line}");
        assert!(
            line.contains("; mend that, then run: ") || line.contains("mend the file"),
            "{line}"
        );
    }
    let (name, text) = dbus::error(dbus::Client::connect(bus).token(ACCOUNT));
    assert_eq!(name, expected, "{text}");
    assert!(text.contains(words), "{text}");
}

/// Damages the files of an account, starts the daemon, and sees that it says so, that it touches
/// nothing, and that all is well again once the damage is mended.
fn on_a_bad_day(words: &str, damage: impl FnOnce(&Daemon), mend: impl FnOnce(&Daemon)) {
    let bus = Bus::start().unwrap();
    let address = bus.address().to_owned();
    let mut scene = Scene::on_bus(Config::parqex(), bus);
    scene.sign_in(ACCOUNT);
    let token = scene.token();
    assert!(scene.daemon.terminate().unwrap().success());
    damage(&scene.daemon);
    let before = kept(&scene.daemon);
    scene.daemon.restart().unwrap();
    assert_impaired(&mut scene.daemon, &address, words);
    assert!(kept(&scene.daemon) == before, "files changed");
    assert!(scene.daemon.terminate().unwrap().success());
    assert!(kept(&scene.daemon) == before, "files changed at the end");

    mend(&scene.daemon);
    scene.daemon.restart().unwrap();
    assert_eq!(scene.token(), token);
    assert!(scene.admits(&token_of(&scene.renew(&token).unwrap())));
    scene.assert_clean();
}

/// Moves the version of the schema on by so many.
fn move_version(daemon: &Daemon, by: i64) {
    let connection = Connection::open(daemon.home().path(FILE)).unwrap();
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    connection.pragma_update(None, "user_version", version + by).unwrap();
}

fn aside(daemon: &Daemon, path: &str) -> (PathBuf, PathBuf) {
    (daemon.home().path(path), daemon.home().path("aside"))
}

#[test]
fn a_daemon_gives_signs_of_life_whether_it_can_keep_tokens_or_not() {
    let home = home().env("WATCHDOG_USEC", "200000");
    let mut daemon = Daemon::start(home).unwrap();
    daemon.wait_notice(|notice| notice == "WATCHDOG=1").unwrap();
    assert!(daemon.terminate().unwrap().success());
    move_version(&daemon, 90);
    daemon.restart().unwrap();
    daemon.wait_notice(|notice| notice.starts_with("STATUS=cannot keep tokens")).unwrap();
    daemon.wait_notice(|notice| notice == "WATCHDOG=1").unwrap();
}

#[test]
fn a_database_of_a_later_version_is_left_alone() {
    on_a_bad_day(
        "the database has schema 9",
        |daemon| move_version(daemon, 90),
        |daemon| move_version(daemon, -90),
    );
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    on_a_bad_day(
        "ostler.db is not a database of ostler",
        |daemon| {
            let (database, aside) = aside(daemon, FILE);
            std::fs::rename(&database, aside).unwrap();
            let connection = Connection::open(&database).unwrap();
            connection
                .execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")
                .unwrap();
            drop(connection);
            std::fs::set_permissions(&database, PermissionsExt::from_mode(0o600)).unwrap();
        },
        |daemon| {
            let (database, aside) = aside(daemon, FILE);
            std::fs::rename(aside, database).unwrap();
        },
    );
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    on_a_bad_day(
        "ostler.db is not a database of ostler",
        |daemon| {
            let (database, aside) = aside(daemon, FILE);
            std::fs::rename(&database, aside).unwrap();
            std::fs::write(&database, "a shopping list, and nothing else\n".repeat(8)).unwrap();
            std::fs::set_permissions(&database, PermissionsExt::from_mode(0o600)).unwrap();
        },
        |daemon| {
            let (database, aside) = aside(daemon, FILE);
            std::fs::rename(aside, database).unwrap();
        },
    );
}

#[test]
fn a_damaged_database_is_left_alone() {
    on_a_bad_day(
        "the database is damaged",
        |daemon| {
            let (database, aside) = aside(daemon, FILE);
            std::fs::copy(&database, aside).unwrap();
            let mut bytes = std::fs::read(&database).unwrap();
            bytes[100..].fill(0xa5);
            std::fs::write(database, bytes).unwrap();
        },
        |daemon| {
            let (database, aside) = aside(daemon, FILE);
            std::fs::rename(aside, database).unwrap();
        },
    );
}

#[test]
fn a_missing_key_file_is_not_made_anew() {
    on_a_bad_day(
        "keys.toml is missing; restore it",
        |daemon| {
            let (keys, aside) = aside(daemon, "config/ostler/keys.toml");
            std::fs::rename(keys, aside).unwrap();
        },
        |daemon| {
            let (keys, aside) = aside(daemon, "config/ostler/keys.toml");
            std::fs::rename(aside, keys).unwrap();
        },
    );
}

#[test]
fn a_key_file_that_somebody_changed_is_not_used() {
    on_a_bad_day(
        "keys.toml cannot be used: it was changed since ostler wrote it",
        |daemon| {
            let (keys, aside) = aside(daemon, "config/ostler/keys.toml");
            std::fs::copy(&keys, aside).unwrap();
            let text = std::fs::read_to_string(&keys).unwrap();
            std::fs::write(keys, format!("note = \"mine\"\n{text}")).unwrap();
        },
        |daemon| {
            let (keys, aside) = aside(daemon, "config/ostler/keys.toml");
            std::fs::rename(aside, keys).unwrap();
        },
    );
}

#[test]
fn a_database_that_others_can_read_is_not_used() {
    let mode = |daemon: &Daemon, mode| {
        let path = daemon.home().path(FILE);
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    on_a_bad_day(
        "is open to other users (mode 0644); run: chmod 600",
        |daemon| mode(daemon, 0o644),
        |daemon| mode(daemon, 0o600),
    );
}

#[test]
fn broken_settings_are_told_with_file_and_line() {
    let settings = |daemon: &Daemon| daemon.home().path("config/ostler/ostler.toml");
    on_a_bad_day(
        "ostler.toml: TOML parse error at line 2",
        |daemon| std::fs::write(settings(daemon), "max_flights = 4\nmax_fligths = 5\n").unwrap(),
        |daemon| std::fs::remove_file(settings(daemon)).unwrap(),
    );
}

#[test]
fn a_file_in_the_place_of_the_state_directory_is_left_alone() {
    on_a_bad_day(
        "cannot use ",
        |daemon| {
            let (state, aside) = aside(daemon, "state/ostler");
            std::fs::rename(&state, aside).unwrap();
            std::fs::write(state, "precious\n").unwrap();
        },
        |daemon| {
            let (state, aside) = aside(daemon, "state/ostler");
            std::fs::remove_file(&state).unwrap();
            std::fs::rename(aside, state).unwrap();
        },
    );
}

#[test]
fn a_state_directory_that_others_can_write_to_is_not_used() {
    let mode = |daemon: &Daemon, mode| {
        let path = daemon.home().path("state/ostler");
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    on_a_bad_day(
        "is not this user's alone",
        |daemon| mode(daemon, 0o777),
        |daemon| mode(daemon, 0o700),
    );
}

#[test]
fn a_lock_that_cannot_be_made_is_told_and_not_taken_for_another_daemon() {
    on_a_bad_day(
        "cannot lock ",
        |daemon| {
            let lock = daemon.home().path("state/ostler/lock");
            std::fs::remove_file(&lock).unwrap();
            std::fs::create_dir(lock).unwrap();
        },
        |daemon| std::fs::remove_dir(daemon.home().path("state/ostler/lock")).unwrap(),
    );
}

#[test]
fn a_broken_provider_file_costs_its_own_accounts_new_tokens_and_no_others() {
    let first = Provider::start(Config::parqex());
    let second = Provider::start(Config::standard());
    let home = home()
        .config(&file("first"), &first.definition("first"))
        .unwrap()
        .config(&file("second"), &second.definition("second"))
        .unwrap();
    let mut daemon = Daemon::start(home).unwrap();
    for (name, provider) in [("first", &first), ("second", &second)] {
        let login = crate::support::login::Login::new(name, name);
        assert!(login.run(&daemon, provider).unwrap().status.success());
    }
    let path = daemon.home().path("config/ostler").join(file("first"));
    std::fs::write(&path, "id = \"first\"\ntitle = \n").unwrap();
    daemon.restart().unwrap();
    let token = |daemon: &Daemon, name: &str| {
        token_of(&ask(daemon, "GetToken", &json!({ "account": name })).unwrap())
    };
    assert!(daemon.log().contains("first.toml"), "the log names it");
    let old = token(&daemon, "first");
    assert!(first.is_access_token_valid(&old), "what there is goes on being good");
    let (kind, parameters) = fault(crate::scene::renew(&daemon, "first", &old));
    assert_eq!(kind, "ClientRejected");
    let message = parameters["message"].as_str().unwrap();
    assert!(message.contains("no definition of provider first is at hand"), "{message}");
    let other = token(&daemon, "second");
    let new = token_of(&crate::scene::renew(&daemon, "second", &other).unwrap());
    assert!(second.is_access_token_valid(&new));
}

#[test]
fn a_second_daemon_is_refused_and_the_first_one_goes_on() {
    let bus = Bus::start().unwrap();
    let client = dbus::Client::connect(bus.address());
    let scene = Scene::on_bus(Config::parqex(), bus);
    scene.sign_in(ACCOUNT);
    let old = scene.token();
    // even with a refresh under way
    scene.provider.next(Fault::Hold);
    let mut caller = crate::scene::connect(&scene.daemon);
    let rejected = crate::support::secret::fingerprint(&old);
    let parameters = json!({ "account": ACCOUNT, "rejected": rejected });
    let call = json!({ "method": "dev.ostler.Ostler1.GetToken", "parameters": parameters });
    caller.send(&call).unwrap();
    scene.provider.wait(|log| log.granted_refreshes() == 1).unwrap();

    let mut second = scene.daemon.home().daemon_command();
    let second = process::run(&mut second, "", PATIENCE).unwrap();
    assert_eq!(second.status.code(), Some(69), "{second:?}");
    assert!(second.stderr.contains("another ostlerd owns "), "{second:?}");
    assert!(second.stderr.contains("only one can keep its tokens"), "{second:?}");
    assert_eq!(second.stdout, "");

    settle(&scene.daemon);
    scene.provider.release();
    let new = token_of(&caller.answer().unwrap());
    assert!(scene.admits(&new));
    assert_eq!(client.token(ACCOUNT).unwrap(), new);
    assert!(scene.daemon.socket_path().exists());
    scene.assert_clean();
}

#[test]
fn without_a_runtime_directory_the_daemon_ends_and_says_what_to_set() {
    let error = Daemon::start(home().without("XDG_RUNTIME_DIR")).unwrap_err();
    let StartError::Ended { status, log } = error else { panic!("{error}") };
    assert_eq!(status.code(), Some(78));
    assert!(log.contains("XDG_RUNTIME_DIR is not set"), "{log}");
    let error = Daemon::start(home().env("XDG_STATE_HOME", "not/absolute")).unwrap_err();
    let StartError::Ended { status, log } = error else { panic!("{error}") };
    assert_eq!(status.code(), Some(78));
    assert!(log.contains("XDG_STATE_HOME must be an absolute path"), "{log}");
    let home = home().without("XDG_RUNTIME_DIR");
    let finished = process::run(&mut home.command(&["status"]), "", PATIENCE).unwrap();
    let line = failed(&finished, 69);
    assert!(line.contains("XDG_RUNTIME_DIR is not set"), "{line}");
    assert!(line.contains("--socket"), "{line}");
}

#[test]
fn what_is_in_the_place_of_the_socket_and_is_none_is_left_alone() {
    let home = home();
    std::fs::create_dir(home.path("run/ostler")).unwrap();
    std::fs::set_permissions(home.path("run/ostler"), PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::write(home.path("run/ostler/socket"), "precious").unwrap();
    let finished = process::run(&mut home.daemon_command(), "", PATIENCE).unwrap();
    assert_eq!(finished.status.code(), Some(69), "{finished:?}");
    assert!(finished.stderr.contains("is in the way: it is not a socket"), "{finished:?}");
    assert_eq!(std::fs::read(home.path("run/ostler/socket")).unwrap(), b"precious");
}

#[test]
fn a_socket_that_a_crash_left_behind_is_replaced() {
    let mut scene = Scene::signed_in(Config::parqex());
    let token = scene.token();
    scene.daemon.kill9().unwrap();
    assert!(scene.daemon.socket_path().exists());
    let finished = scene.daemon.run(&["token", ACCOUNT]).unwrap();
    assert!(failed(&finished, 69).contains("no daemon listens on "));
    scene.daemon.restart().unwrap();
    assert_eq!(scene.token(), token);
}

#[test]
fn arguments_that_are_not_known_are_a_usage_error() {
    let home = home();
    let run = |argument: &str| {
        let mut command = home.daemon_command();
        command.arg(argument);
        process::run(&mut command, "", PATIENCE).unwrap()
    };
    let wrong = run("--frobnicate");
    assert_eq!((wrong.status.code(), wrong.stdout.as_str()), (Some(64), ""));
    assert!(wrong.stderr.contains("--frobnicate"), "{wrong:?}");
    let version = run("--version");
    assert!(version.status.success());
    assert_eq!(version.stdout, format!("ostlerd {}\n", env!("CARGO_PKG_VERSION")));
}
