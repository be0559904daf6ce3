//! Signing in, the first time and again.

use serde_json::{Value, json};

use crate::scene::{
    ACCOUNT, PROVIDER, Scene, USER, account, ask, failed, fault_kind, file, home, owner, succeeded,
    token_of,
};
use crate::support::agent::{self, Ending};
use crate::support::bus::Bus;
use crate::support::daemon::Daemon;
use crate::support::login::{Introduction, Login};
use crate::support::provider::{Auth, Config, Provider, SignIn};
use crate::{database, dbus};

#[test]
fn a_sign_in_by_paste_ends_with_an_account_that_has_a_good_token() {
    let scene = Scene::new(Config::parqex());
    let finished = scene.sign_in(ACCOUNT);
    // standard output is the address to visit and nothing else
    let mut lines = finished.stdout.lines();
    assert!(lines.next().unwrap().starts_with(&scene.provider.authorization_url()));
    assert_eq!(lines.next(), None);
    for words in [
        "To sign in to test as door, visit\n",
        "an address that begins with https://door.example.test/parqex/done",
        "checking with the provider ...\n",
        "signed in: door (test), scopes CLOSEDOOR OPENDOOR, token valid for ",
        ", renewable\n",
    ] {
        assert!(finished.stderr.contains(words), "{words:?} is missing: {}", finished.stderr);
    }
    let shown = scene.account();
    assert_eq!(shown["state"], json!("ready"));
    assert_eq!(shown["provider"], json!(PROVIDER));
    assert_eq!(shown["client_id"], json!(scene.provider.config().client.id));
    assert_eq!(shown["scopes"], json!(["CLOSEDOOR", "OPENDOOR"]));
    assert_eq!(owner(&scene.provider, &scene.token()).as_deref(), Some(USER));
    assert_eq!(database::refresh_tokens(&scene.daemon, ACCOUNT), 1);
    assert_eq!(database::rows(&scene.daemon, "attempt"), 0);
    scene.assert_clean();
}

#[test]
fn a_sign_in_by_loopback_shows_account_and_scopes_once_the_grant_is_stored() {
    let scene = Scene::new(Config::standard());
    let login = Login::new(PROVIDER, "work/mail");
    let finished = login
        .run_with(&scene.daemon, &scene.provider, |url| {
            assert_eq!(database::rows(&scene.daemon, "account"), 0);
            let Ending::Callback { page, .. } = agent::visit(url)? else {
                panic!("the daemon does not listen")
            };
            // the page is what tells the user that nothing can be lost any more
            assert_eq!(database::refresh_tokens(&scene.daemon, "work/mail"), 1);
            assert_eq!(page.status, 200);
            let text = page.text();
            for words in [
                "<title>Signed in",
                "The account <b>work/mail</b> is ready.",
                "<li><code>api:read</code></li>",
                "<li><code>api:write</code></li>",
                "You can close this page.",
            ] {
                assert!(text.contains(words), "{words:?} is missing: {text}");
            }
            let policy = page.header("Content-Security-Policy").unwrap();
            assert!(policy.starts_with("default-src 'none';"), "{policy}");
            assert_eq!(page.header("Cache-Control"), Some("no-store"));
            Ok(None)
        })
        .unwrap();
    assert!(finished.status.success(), "{finished:?}");
    assert!(finished.stderr.contains("waiting for the browser ...\n"), "{finished:?}");
    assert!(finished.stderr.contains("signed in: work/mail (test)"), "{finished:?}");
    let answer = ask(&scene.daemon, "GetToken", &json!({ "account": "work/mail" })).unwrap();
    assert_eq!(owner(&scene.provider, &token_of(&answer)).as_deref(), Some(USER));
    assert_eq!(answer["token_type"], json!("Bearer"));
    assert_eq!(answer["scopes"], json!(["api:read", "api:write"]));
    assert_eq!(answer["stale"], json!(false));
}

#[test]
fn a_no_at_the_provider_is_told_in_the_browser_and_on_the_command_line() {
    let scene = Scene::new(Config::standard().sign_in(SignIn::Refused));
    let login = Login::new(PROVIDER, ACCOUNT);
    let finished = login
        .run_with(&scene.daemon, &scene.provider, |url| {
            let Ending::Callback { page, .. } = agent::visit(url)? else {
                panic!("the daemon does not listen")
            };
            assert_eq!(page.status, 400);
            let text = page.text();
            assert!(text.contains("Not signed in") && text.contains("access_denied"), "{text}");
            assert!(text.contains("ostler login test --as door"), "{text}");
            Ok(None)
        })
        .unwrap();
    assert_eq!(finished.status.code(), Some(77), "{finished:?}");
    let last = finished.stderr.lines().last().unwrap();
    assert_eq!(
        last,
        "ostler: door: the provider sent you back with an error (access_denied); \
         run: ostler login test --as door"
    );
    assert_eq!(database::rows(&scene.daemon, "account"), 0);
    assert_eq!(database::rows(&scene.daemon, "client"), 0);
}

#[test]
fn an_abandoned_sign_in_gives_its_port_to_the_next_one() {
    let mut scene = Scene::new(Config::standard());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let definition = scene.provider.definition(PROVIDER);
    let fixed = format!("kind = \"fixed_port\"\nport = {free}");
    let fixed = definition.replace("kind = \"loopback_ip\"", &fixed);
    assert_ne!(fixed, definition);
    let path = scene.daemon.home().path("config/ostler").join(file(PROVIDER));
    std::fs::write(path, fixed).unwrap();
    scene.daemon.reload().unwrap();

    let id = &scene.provider.config().client.id;
    let begin = |account: &str| {
        let login = json!({ "provider": PROVIDER, "account": account, "client_id": id });
        ask(&scene.daemon, "Login", &login).unwrap()
    };
    let end = |started: &Value| {
        ask(&scene.daemon, "AwaitLogin", &json!({ "request": started["request"] }))
    };
    // nobody goes there; then the same account again, and then another one
    let given_up = [begin(ACCOUNT), begin(ACCOUNT)];
    let started = begin("garage");
    for started in &given_up {
        assert_eq!(fault_kind(end(started)), "Cancelled");
    }
    agent::visit(started["authorization_uri"].as_str().unwrap()).unwrap();
    assert_eq!(end(&started).unwrap()["account"], json!("garage"));
}

#[test]
fn command_line_socket_and_bus_give_the_same_token() {
    let bus = Bus::start().unwrap();
    let address = bus.address().to_owned();
    let scene = Scene::on_bus(Config::parqex(), bus);
    scene.sign_in(ACCOUNT);
    let by_socket = scene.token();
    let by_command = scene.daemon.run(&["token", ACCOUNT]).unwrap();
    assert_eq!(succeeded(&by_command), format!("{by_socket}\n"));
    let by_json = scene.daemon.run(&["token", ACCOUNT, "--json"]).unwrap();
    let answer: Value = serde_json::from_str(succeeded(&by_json)).unwrap();
    assert_eq!(token_of(&answer), by_socket);
    assert_eq!(dbus::Client::connect(&address).token(ACCOUNT).unwrap(), by_socket);
    assert!(scene.admits(&by_socket));
    assert_eq!(scene.provider.log().refreshes().count(), 0);
}

#[test]
fn the_second_sign_in_needs_neither_client_id_nor_secret_nor_redirect() {
    let scene = Scene::signed_in(Config::parqex());
    let mut login = Login::new(PROVIDER, "gate");
    login.client = Introduction::Known;
    scene.run_login(&login);
    // nor after a restart
    let Scene { mut daemon, provider, .. } = scene;
    daemon.restart().unwrap();
    let mut login = Login::new(PROVIDER, "lift");
    login.client = Introduction::Known;
    assert!(login.run(&daemon, &provider).unwrap().status.success());
    for name in [ACCOUNT, "gate", "lift"] {
        assert_eq!(account(&daemon, name)["client_id"], json!(provider.config().client.id));
    }
    assert_eq!(database::rows(&daemon, "client"), 1);
}

#[test]
fn without_a_client_id_that_is_known_the_user_is_told_how_to_give_one() {
    let scene = Scene::new(Config::parqex());
    let finished = scene.daemon.run(&["login", PROVIDER]).unwrap();
    let line = failed(&finished, 64);
    assert!(line.contains("has to know which client asks"), "{line}");
    assert!(line.contains("--client-id"), "{line}");
}

#[test]
fn a_client_secret_can_come_from_a_command() {
    let scene = Scene::new(Config::parqex());
    // not in the command's own words: those can be read by others
    let vault = scene.daemon.home().path("home/vault");
    std::fs::write(&vault, format!("{}\n", scene.provider.config().client.secret)).unwrap();
    let mut login = Login::new(PROVIDER, ACCOUNT);
    login.client = Introduction::Command("cat vault");
    scene.run_login(&login);
    let token = scene.token();
    assert_ne!(token_of(&scene.renew(&token).unwrap()), token, "the secret is kept");

    let finished =
        scene.daemon.run(&["login", PROVIDER, "--client-secret-command", "exit 3"]).unwrap();
    let line = failed(&finished, 64);
    assert!(line.contains("the command for the client secret failed"), "{line}");
}

#[test]
fn a_wrong_client_secret_is_told_as_such_and_leaves_nothing_behind() {
    let mut scene = Scene::new(Config::standard().auth(Auth::Basic));
    std::fs::write(scene.daemon.home().path("home/vault"), "not-it\n").unwrap();
    let mut login = Login::new(PROVIDER, ACCOUNT);
    login.client = Introduction::Command("cat vault");
    let finished = login.run(&scene.daemon, &scene.provider).unwrap();
    assert_eq!(finished.status.code(), Some(78), "{finished:?}");
    let last = finished.stderr.lines().last().unwrap();
    assert!(last.contains("door: the provider rejects the client (invalid_client"), "{last}");
    assert!(scene.daemon.terminate().unwrap().success());
    for table in ["account", "client", "attempt"] {
        assert_eq!(database::rows(&scene.daemon, table), 0, "{table}");
    }
}

#[test]
fn two_accounts_at_one_provider_keep_apart() {
    let scene = Scene::new(Config::standard());
    for (account, user) in [("one", "alice"), ("two", "bob")] {
        let mut login = Login::new(PROVIDER, account);
        login.arguments = vec!["--login-hint", user];
        scene.run_login(&login);
    }
    let token = |name: &str| {
        token_of(&ask(&scene.daemon, "GetToken", &json!({ "account": name })).unwrap())
    };
    let (one, two) = (token("one"), token("two"));
    assert_eq!(owner(&scene.provider, &one).as_deref(), Some("alice"));
    assert_eq!(owner(&scene.provider, &two).as_deref(), Some("bob"));
    // what ends one of them is nothing to the other
    scene.provider.revoke_family("alice");
    let ended = crate::scene::renew(&scene.daemon, "one", &one);
    assert_eq!(crate::scene::fault_kind(ended), "LoginRequired");
    let newer = token_of(&crate::scene::renew(&scene.daemon, "two", &two).unwrap());
    assert_eq!(owner(&scene.provider, &newer).as_deref(), Some("bob"));
    assert_eq!(account(&scene.daemon, "two")["state"], json!("ready"));
}

#[test]
fn an_account_that_is_signed_in_again_stays_the_same_account() {
    let scene = Scene::signed_in(Config::parqex());
    let (before, old) = (scene.account(), scene.token());
    let (_, generation) = database::standing(&scene.daemon, ACCOUNT);
    let mut login = Login::new(PROVIDER, ACCOUNT);
    login.client = Introduction::Known;
    scene.run_login(&login);
    let (after, new) = (scene.account(), scene.token());
    assert_eq!(before["id"], after["id"]);
    assert_ne!(old, new);
    assert!(scene.admits(&new));
    assert!(database::standing(&scene.daemon, ACCOUNT).1 > generation);
    assert_eq!(database::rows(&scene.daemon, "account"), 1);
    // the grant in force is the second one
    let newest = token_of(&scene.renew(&new).unwrap());
    assert!(scene.admits(&newest));
    scene.assert_clean();
}

#[test]
fn a_name_that_another_provider_has_is_refused() {
    let first = Provider::start(Config::parqex());
    let second = Provider::start(Config::standard());
    let home = home()
        .config("providers/first.toml", &first.definition("first"))
        .unwrap()
        .config("providers/second.toml", &second.definition("second"))
        .unwrap();
    let daemon = Daemon::start(home).unwrap();
    assert!(Login::new("first", ACCOUNT).run(&daemon, &first).unwrap().status.success());
    let finished =
        daemon.run(&["login", "second", "--as", ACCOUNT, "--client-id", "native-app"]).unwrap();
    assert_eq!(
        failed(&finished, 64),
        "ostler: door: that is an account at first; choose another name with --as"
    );
}

#[test]
fn a_provider_that_nobody_described_is_not_signed_in_to() {
    let scene = Scene::new(Config::parqex());
    let finished = scene.daemon.run(&["login", "nobody", "--client-id", "x"]).unwrap();
    let line = failed(&finished, 67);
    assert!(line.contains("no provider is called nobody; run: ostler providers"), "{line}");
    let providers = scene.daemon.run(&["providers", "--json"]).unwrap();
    let providers: Value = serde_json::from_str(succeeded(&providers)).unwrap();
    let ours = providers["providers"].as_array().unwrap().iter();
    let ours = ours.clone().find(|provider| provider["id"] == json!(PROVIDER)).unwrap();
    assert_eq!(ours["redirect"], json!("paste"));
    assert!(ours["source"].as_str().unwrap().ends_with("config/ostler/providers/test.toml"));
}
