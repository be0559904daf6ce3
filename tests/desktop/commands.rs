//! The command line as people and scripts see it.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::DEADLINE;
use crate::scene::{ACCOUNT, PROVIDER, Scene, home, parse, run, said};
use crate::support::conversation::read_lines;
use crate::support::process::Kept;
use crate::support::provider::Config;
use crate::support::secret;

/// What `ostler status` shows on a terminal that has so many columns.
fn on_terminal(scene: &Scene, columns: u16, variables: &str) -> Vec<String> {
    let ostler = env!("CARGO_BIN_EXE_ostler");
    let line = format!("stty cols {columns}; exec env {variables} {ostler} status");
    let mut script = scene.program("script");
    let shown = run(script.args(["--quiet", "--return", "--command", &line, "/dev/null"]));
    said(&shown).lines().map(|line| line.trim_end_matches('\r').to_owned()).collect()
}

#[test]
fn status_fits_the_terminal_and_is_coloured_only_for_eyes() {
    let scene = Scene::signed_in(Config::standard());
    scene.end_login();
    let wide = on_terminal(&scene, 200, "");
    let header = ["ACCOUNT", "PROVIDER", "STATE", "TOKEN", "LAST ERROR"];
    let shown: Vec<_> = wide[0].split("\x1b[2m").skip(1).collect();
    assert_eq!(shown.len(), header.len(), "{wide:?}");
    for (cell, name) in shown.iter().zip(header) {
        assert!(cell.starts_with(&format!("{name}\x1b[0m")), "{wide:?}");
    }
    assert!(
        wide[1].starts_with("work/mail  test      \x1b[31mlogin-required\x1b[0m  "),
        "{wide:?}"
    );
    assert!(wide[1].ends_with("  invalid_grant: refused by the test provider"), "{wide:?}");
    let to_do = "work/mail needs you: ostler login test --as work/mail";
    assert!(wide.iter().any(|line| line == to_do), "{wide:?}");
    assert!(wide.iter().any(|line| line.ends_with(", on D-Bus")), "{wide:?}");

    let narrow = on_terminal(&scene, 66, "NO_COLOR=1");
    assert!(!narrow.concat().contains('\x1b'), "{narrow:?}");
    for line in &narrow[..2] {
        assert!(line.chars().count() <= 66, "{line}");
    }
    assert!(narrow[1].ends_with('…'), "{narrow:?}");
    let column = |line: &str, word: &str| line.find(word).map(|at| line[..at].chars().count());
    assert_eq!(column(&narrow[0], "STATE"), column(&narrow[1], "login-required"), "{narrow:?}");

    let piped = scene.daemon.run(&["status"]).unwrap();
    assert!(
        said(&piped).contains("refused by the test provider") && !said(&piped).contains('\x1b'),
        "{piped:?}"
    );
}

#[test]
fn status_accounts_and_providers_say_the_same_in_json() {
    let scene = Scene::signed_in(Config::standard());
    let status = parse(&scene.daemon.run(&["status", "--json"]).unwrap());
    assert_eq!(status["daemon"]["pid"], json!(scene.daemon.pid()));
    assert_eq!(status["daemon"]["version"], json!(env!("CARGO_PKG_VERSION")));
    assert_eq!(status["daemon"]["bus"], json!(true));
    let account = &status["accounts"][0];
    assert_eq!(
        (&account["name"], &account["provider"], &account["client_id"], &account["state"]),
        (&json!(ACCOUNT), &json!(PROVIDER), &json!("native-app"), &json!("ready"))
    );
    assert_eq!(account["scopes"], json!(["api:read", "api:write"]));
    let accounts = parse(&scene.daemon.run(&["accounts", "--json"]).unwrap());
    assert_eq!(accounts["accounts"][0], *account);
    let listed = scene.daemon.run(&["accounts"]).unwrap();
    let lines: Vec<_> = said(&listed).lines().collect();
    assert_eq!(
        lines.iter().map(|line| line.split_whitespace().collect()).collect::<Vec<Vec<_>>>(),
        [
            vec!["ACCOUNT", "PROVIDER", "STATE", "CLIENT", "SCOPES"],
            vec![ACCOUNT, PROVIDER, "ready", "native-app", "api:read", "api:write"]
        ]
    );

    let providers = parse(&scene.daemon.run(&["providers", "--json"]).unwrap());
    let providers = providers["providers"].as_array().unwrap();
    let found = |id: &str| providers.iter().find(|provider| provider["id"] == json!(id)).unwrap();
    assert_eq!(
        (&found("parqex")["source"], &found("parqex")["redirect"]),
        (&json!("preset"), &json!("paste"))
    );
    let file = scene.daemon.home().path("config/ostler/providers/test.toml");
    assert_eq!(found(PROVIDER)["source"], json!(file));
    let listed = scene.daemon.run(&["providers"]).unwrap();
    assert_eq!(said(&listed).lines().count(), providers.len() + 1);

    let detail = scene.daemon.run(&["status", ACCOUNT]).unwrap();
    for (line, start) in said(&detail).lines().zip([
        "account        work/mail",
        "id             a",
        "provider       test",
        "client         native-app",
        "state          ready",
        "scopes         api:read api:write",
        "token expires  20",
        "last refresh   20",
        "next refresh   20",
    ]) {
        assert!(line.starts_with(start), "{line}");
    }
    let everything = [status.to_string(), accounts.to_string(), listed.stdout, detail.stdout];
    assert_eq!(secret::leaks(&everything.concat()), [""; 0]);
}

#[test]
fn monitor_shows_the_accounts_and_then_what_happens_until_the_daemon_stops() {
    let mut scene = Scene::signed_in(Config::standard());
    let watch = |arguments: &[&str]| {
        let mut command = scene.daemon.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Kept::spawn(&mut command).unwrap();
        let lines = read_lines(process.stdout().unwrap());
        let words = read_lines(process.stderr().unwrap());
        (process, lines, words)
    };
    let (mut in_json, events, last_words) = watch(&["monitor", "--json"]);
    let (_in_text, lines, _) = watch(&["monitor"]);
    let next = || -> Value {
        let line = events.recv_timeout(DEADLINE).expect("an event comes in time");
        assert_eq!(secret::leaks(&line), [""; 0], "{line}");
        serde_json::from_str(&line).unwrap()
    };
    // the accounts as they are come first, so both are listening from here on
    let first = next();
    assert_eq!((&first["event"], &first["account"]["name"]), (&json!("account"), &json!(ACCOUNT)));
    let line = lines.recv_timeout(DEADLINE).unwrap();
    assert!(line.starts_with("work/mail: ready at test, token until 20"), "{line}");

    let old = scene.token();
    let new = said(&scene.renew(&old)).to_owned();
    assert_ne!(new, old);
    let mut seen = Vec::new();
    loop {
        let event = next();
        seen.push(event["account"]["state"].as_str().unwrap().to_owned());
        if event["new_token"] == json!(true) {
            break;
        }
    }
    assert_eq!(seen, ["refreshing", "ready"]);
    let told: Vec<_> = lines.iter().take(2).collect();
    assert!(told[0].starts_with("work/mail: refreshing at test, token until 20"), "{told:?}");
    assert!(told[1].starts_with("work/mail: ready at test, new token, token until 20"), "{told:?}");

    said(&scene.daemon.run(&["logout", ACCOUNT]).unwrap());
    let removed = next();
    assert_eq!((&removed["event"], &removed["name"]), (&json!("removed"), &json!(ACCOUNT)));
    assert_eq!(lines.recv_timeout(DEADLINE).unwrap(), "work/mail: removed");
    assert!(scene.daemon.terminate().unwrap().success());
    assert_eq!(in_json.wait(DEADLINE).unwrap().code(), Some(69));
    let fault: Value = serde_json::from_str(&last_words.recv_timeout(DEADLINE).unwrap()).unwrap();
    assert_eq!(fault["fault"], json!("ShuttingDown"));
}

#[test]
fn help_and_version_need_no_daemon_and_its_absence_is_said_with_the_way_out() {
    let home = home();
    let ostler = |arguments: &[&str]| run(&mut home.command(arguments));
    assert_eq!(said(&ostler(&["--version"])), format!("ostler {}", env!("CARGO_PKG_VERSION")));
    let help = ostler(&["--help"]);
    for command in ["login", "token", "status", "accounts", "logout", "providers", "monitor"] {
        assert!(said(&help).contains(&format!("\n  {command} ")), "{command} in {help:?}");
        let of_command = ostler(&[command, "--help"]);
        assert!(said(&of_command).contains(&format!("Usage: ostler {command}")), "{of_command:?}");
        assert!(said(&of_command).contains("--json"), "{of_command:?}");
    }
    let nothing = ostler(&[]);
    assert_eq!((nothing.status.code(), &*nothing.stdout), (Some(64), ""));
    assert!(nothing.stderr.contains("Usage: ostler"), "{nothing:?}");
    let alone = ostler(&["status"]);
    assert_eq!((alone.status.code(), &*alone.stdout), (Some(69), ""));
    let socket = home.path("run/ostler/socket");
    assert_eq!(
        alone.stderr,
        format!(
            "ostler: no daemon listens on {}; run: systemctl --user start ostler.socket (or ostlerd \
             by hand)\n",
            socket.display()
        )
    );
}
