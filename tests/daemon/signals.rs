//! Signals, and sockets that somebody else made.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::scene::{
    ACCOUNT, PROVIDER, Scene, ask, connect, fault, file, renew, settle, succeeded, token_of,
};
use crate::support::daemon::Home;
use crate::support::process::Kept;
use crate::support::provider::{Config, Provider};
use crate::support::varlink::Varlink;

/// How long a process may take to end.
const PATIENCE: Duration = Duration::from_secs(40);

#[test]
fn a_hangup_signal_brings_new_changed_and_removed_provider_files_into_force() {
    let mut scene = Scene::signed_in(Config::parqex());
    let other = Provider::start(Config::standard());
    let config = scene.daemon.home().path("config/ostler");
    let titles = |scene: &Scene| {
        let finished = scene.daemon.run(&["providers", "--json"]).unwrap();
        let answer: serde_json::Value = serde_json::from_str(succeeded(&finished)).unwrap();
        let providers = answer["providers"].as_array().unwrap().clone();
        providers.iter().map(|provider| provider["title"].as_str().unwrap().to_owned()).collect()
    };
    let before: Vec<String> = titles(&scene);
    let definition = scene.provider.definition(PROVIDER).replace("Test provider", "Changed");
    std::fs::write(config.join(file(PROVIDER)), definition).unwrap();
    let definition = other.definition("other").replace("Test provider", "Another");
    std::fs::write(config.join(file("other")), definition).unwrap();
    assert_eq!(titles(&scene), before, "nothing is read without being told to");
    scene.daemon.reload().unwrap();
    let after: Vec<String> = titles(&scene);
    assert!(after.contains(&"Changed".to_owned()) && after.contains(&"Another".to_owned()));
    assert!(!after.contains(&"Test provider".to_owned()), "{after:?}");
    assert!(scene.admits(&scene.token()));

    // a provider without a definition is asked nothing, and its accounts say why
    let old = scene.token();
    std::fs::remove_file(config.join(file(PROVIDER))).unwrap();
    scene.daemon.reload().unwrap();
    assert_eq!(scene.token(), old, "what there is goes on being good");
    let (kind, parameters) = fault(scene.renew(&old));
    assert_eq!(kind, "ClientRejected");
    let message = parameters["message"].as_str().unwrap();
    assert!(message.contains("no definition of provider test is at hand"), "{message}");
    assert_eq!(scene.account()["state"], json!("held"));
    let definition = scene.provider.definition(PROVIDER);
    std::fs::write(config.join(file(PROVIDER)), definition).unwrap();
    scene.daemon.reload().unwrap();
    assert!(scene.admits(&token_of(&scene.renew(&old).unwrap())));
    scene.assert_clean();
}

#[test]
fn a_broken_provider_file_at_a_reload_costs_no_other() {
    let mut scene = Scene::signed_in(Config::parqex());
    let config = scene.daemon.home().path("config/ostler");
    std::fs::write(config.join(file("broken")), "id = [\n").unwrap();
    scene.daemon.reload().unwrap();
    assert!(scene.daemon.log().contains("broken.toml"), "the log names it");
    let token = scene.token();
    assert!(scene.admits(&token_of(&scene.renew(&token).unwrap())));
}

#[test]
fn a_stop_during_a_refresh_waits_for_the_answer_and_keeps_it() {
    let mut scene = Scene::signed_in(Config::parqex());
    let mut caller = scene.refresh_under_way();
    scene.daemon.signal(Signal::TERM).unwrap();
    scene.daemon.wait_notice(|notice| notice == "STOPPING=1").unwrap();
    settle(&scene.daemon);
    assert!(!caller.has_answer().unwrap());
    scene.provider.release();
    let new = token_of(&caller.answer().unwrap());
    assert!(scene.daemon.terminate().unwrap().success());
    assert!(!scene.daemon.socket_path().exists(), "its socket goes with it");

    scene.daemon.restart().unwrap();
    assert_eq!(scene.token(), new, "the rotated grant is the one in force");
    assert!(scene.admits(&token_of(&scene.renew(&new).unwrap())));
    scene.assert_clean();
}

#[test]
fn a_stop_ends_who_watches_and_who_waits_for_a_sign_in() {
    let mut scene = Scene::new(Config::parqex());
    let client = scene.provider.config().client.clone();
    let login = json!({
        "provider": PROVIDER, "account": ACCOUNT, "client_id": client.id,
        "client_secret": client.secret, "redirect_uri": "https://door.example.test/parqex/done",
    });
    let started = ask(&scene.daemon, "Login", &login).unwrap();
    let mut waiting = connect(&scene.daemon);
    let parameters = json!({ "request": started["request"] });
    waiting
        .send(&json!({ "method": "dev.ostler.Ostler1.AwaitLogin", "parameters": parameters }))
        .unwrap();
    let mut watching = connect(&scene.daemon);
    watching.send(&json!({ "method": "dev.ostler.Ostler1.Monitor", "more": true })).unwrap();
    settle(&scene.daemon);
    assert!(scene.daemon.terminate().unwrap().success());
    assert_eq!(fault(waiting.answer()).0, "ShuttingDown");
    let last = loop {
        match watching.answer() {
            Ok(_) => {}
            last => break last,
        }
    };
    assert_eq!(fault(last).0, "ShuttingDown");
}

/// `systemd-socket-activate`, which listens and becomes the daemon when somebody comes.
struct Activated {
    process: Kept,
    socket: PathBuf,
}

impl Activated {
    fn listen(home: &Home, name: &str, socket: &str) -> Self {
        let socket = home.path(socket);
        let daemon = home.daemon_command();
        let mut command = Command::new("systemd-socket-activate");
        command.arg("--listen").arg(&socket).arg(format!("--fdname={name}"));
        // it passes nothing on that it was not told to
        for (name, value) in daemon.get_envs() {
            let value = value.unwrap_or_default().to_str().unwrap();
            command.arg(format!("--setenv={}={value}", name.to_str().unwrap()));
        }
        command.arg(daemon.get_program());
        let (reader, writer) = std::io::pipe().unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer);
        let process = Kept::spawn(&mut command).unwrap_or_else(|error| {
            panic!("this test needs systemd-socket-activate (package systemd): {error}")
        });
        drop(command);
        let mut lines = BufReader::new(reader).lines().map_while(Result::ok);
        let listening = lines.find(|line| line.contains("Listening on"));
        assert!(listening.is_some(), "systemd-socket-activate ended before it listened");
        // the daemon says more, and must be able to
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, socket }
    }

    fn connect(&self) -> Varlink {
        Varlink::connect(&self.socket).unwrap()
    }
}

#[test]
fn a_daemon_that_is_started_by_a_connection_answers_it_and_leaves_the_socket_in_its_place() {
    let mut scene = Scene::signed_in(Config::parqex());
    let token = scene.token();
    assert!(scene.daemon.terminate().unwrap().success());
    let mut activated = Activated::listen(scene.daemon.home(), "agent", "run/ostler/socket");
    // the first word is said before anybody is there to hear it
    let answer = activated.connect().ask("GetToken", &json!({ "account": ACCOUNT })).unwrap();
    assert_eq!(token_of(&answer), token);
    assert_eq!(succeeded(&scene.daemon.run(&["token", ACCOUNT]).unwrap()), format!("{token}\n"));
    let new = token_of(&renew(&scene.daemon, ACCOUNT, &token).unwrap());
    activated.process.signal(Signal::TERM).unwrap();
    assert!(activated.process.wait(PATIENCE).unwrap().success());
    assert!(activated.socket.exists(), "it belongs to who made it");
    std::fs::remove_file(&activated.socket).unwrap();
    scene.daemon.restart().unwrap();
    assert_eq!(scene.token(), new);
    scene.assert_clean();
}

#[test]
fn a_socket_of_another_name_is_not_taken() {
    let scene = Scene::new(Config::parqex());
    let mut activated = Activated::listen(scene.daemon.home(), "other", "run/other");
    let mut caller = activated.connect();
    let status = activated.process.wait(PATIENCE).unwrap();
    assert_eq!(status.code(), Some(69));
    assert!(matches!(caller.receive(), Ok(None)), "nobody answers");
    assert!(scene.daemon.run(&["status"]).unwrap().status.success(), "the first one goes on");
}

#[test]
fn a_second_daemon_with_a_socket_of_its_own_tells_its_callers_that_it_is_one_too_many() {
    let scene = Scene::signed_in(Config::parqex());
    let mut second = Activated::listen(scene.daemon.home(), "agent", "run/second");
    let asked = second.connect().ask("GetToken", &json!({ "account": ACCOUNT }));
    let (kind, parameters) = fault(asked);
    assert_eq!(kind, "Storage");
    let message = parameters["message"].as_str().unwrap();
    assert!(message.contains("another ostlerd owns "), "{message}");
    assert!(Path::new(&second.socket).exists());
    second.process.signal(Signal::TERM).unwrap();
    assert!(second.process.wait(PATIENCE).unwrap().success());
    let token = scene.token();
    assert!(scene.admits(&token_of(&scene.renew(&token).unwrap())));
}
