//! Programs in a sandbox, and the user who is asked about them: real sandboxes, a real filter in front of the
//! bus, and a notification server whose buttons are pressed.

use std::collections::HashMap;

use serde_json::Value;
use tokio::task::JoinSet;
use zbus::Connection;
use zbus::fdo::{ObjectManagerProxy, PropertiesProxy};

use crate::client::{AccessControlProxy, AccountProxy, ManagerProxy, Options, fault};
use crate::scene::{ACCOUNT, ACCOUNT_INTERFACE, NAME, PROVIDER, ROOT, Scene, parse, said};
use crate::screen::{Asked, Screen, forge};
use crate::soon;
use crate::support::login::Login;
use crate::support::provider::Config;
use crate::support::sandbox::{Proxy, Sandbox};
use crate::support::secret;

const APP: &str = "org.example.Sandboxed";
const IDENTITY: &str = "flatpak:org.example.Sandboxed";

/// A program behind the filter of its sandbox.
struct Sandboxed {
    connection: Connection,
    _proxy: Proxy,
    _sandbox: Sandbox,
}

impl Sandboxed {
    async fn start(scene: &Scene) -> Self {
        let sandbox = Sandbox::flatpak(APP).unwrap();
        let proxy = sandbox.proxy(scene.daemon.home(), scene.bus.address(), NAME).unwrap();
        let address = proxy.patient_address().unwrap();
        let connection = zbus::connection::Builder::address(address.as_str()).build().await;
        Self { connection: connection.unwrap(), _proxy: proxy, _sandbox: sandbox }
    }

    async fn manager(&self) -> ManagerProxy<'static> {
        ManagerProxy::new(&self.connection).await.unwrap()
    }

    async fn token(&self, account: &str) -> zbus::Result<String> {
        soon(self.manager().await.get_access_token(account, HashMap::new())).await.map(|it| it.0)
    }
}

fn pending(scene: &Scene) -> Vec<Value> {
    let answer = parse(&scene.daemon.run(&["access", "pending", "--json"]).unwrap());
    answer["pending"].as_array().unwrap().clone()
}

fn rules(scene: &Scene) -> Vec<Value> {
    let answer = parse(&scene.daemon.run(&["access", "list", "--json"]).unwrap());
    answer["grants"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_sandboxed_program_has_its_token_when_the_user_presses_allow() {
    let scene = Scene::signed_in(Config::parqex());
    let mut screen = Screen::start(&scene.bus, 7).await;
    let app = Sandboxed::start(&scene).await;
    // many calls, one question
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let manager = app.manager().await;
        calls.spawn(async move { manager.get_access_token(ACCOUNT, HashMap::new()).await });
    }
    let shown = screen.shown().await;
    assert_eq!(shown.title, "May this program use work/mail?");
    assert!(
        shown.body.starts_with(&format!("{IDENTITY} (its sandbox vouches for that name)")),
        "{}",
        shown.body
    );
    assert_eq!((shown.urgency, shown.span), (2, 0), "until it is answered");
    let buttons: Vec<&str> = shown.buttons.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(buttons, ["allow", "once", "deny"]);
    assert!(secret::leaks(&shown.body).is_empty());
    let listed = pending(&scene);
    assert_eq!((listed.len(), listed[0]["caller"].as_str()), (1, Some(IDENTITY)));

    // somebody else's click is none
    let stranger = scene.client().await;
    forge(&stranger, NAME, shown.id, "allow").await;
    forge(&app.connection, NAME, shown.id, "allow").await;
    // what comes later and is answered was sent later
    ManagerProxy::new(&stranger).await.unwrap().version().await.unwrap();
    assert_eq!(pending(&scene).len(), 1);
    assert!(calls.try_join_next().is_none(), "nobody has a token yet");

    screen.press(shown.id, "allow").await;
    while let Some(call) = soon(calls.join_next()).await {
        assert_eq!(call.unwrap().unwrap().0, scene.token());
    }
    assert_eq!(screen.next().await, Asked::Closed { id: shown.id });
    app.token(ACCOUNT).await.unwrap();
    let made = rules(&scene);
    let [rule] = made.as_slice() else { panic!("{made:?}") };
    assert_eq!(rule["caller"], IDENTITY);
    assert_eq!((&rule["decision"], &rule["account"]), (&"allow".into(), &ACCOUNT.into()));
    assert_eq!((&rule["tier"], &rule["created_by"]), (&"verified".into(), &"notification".into()));
    assert!(screen.asked.try_recv().is_err(), "the user is not asked again");
}

#[tokio::test]
async fn once_is_once_and_no_is_no() {
    let scene = Scene::signed_in(Config::parqex());
    let mut screen = Screen::start(&scene.bus, 1).await;
    let app = Sandboxed::start(&scene).await;
    let manager = app.manager().await;
    for (button, outcome) in [("once", None), ("once", None), ("deny", Some("Denied"))] {
        let call = manager.get_access_token(ACCOUNT, HashMap::new());
        let pressing = async {
            let shown = screen.shown().await;
            screen.press(shown.id, button).await;
            assert_eq!(screen.next().await, Asked::Closed { id: shown.id });
        };
        let (call, ()) = tokio::join!(soon(call), pressing);
        match outcome {
            None => assert_eq!(call.unwrap().0, scene.token()),
            Some(error) => assert_eq!(fault(call), error),
        }
    }
    assert_eq!(fault(app.token(ACCOUNT).await), "Denied");
    assert!(screen.asked.try_recv().is_err(), "a no is remembered");
    assert!(rules(&scene).is_empty());
}

#[tokio::test]
async fn a_question_that_is_put_away_or_answered_elsewhere_leaves_the_screen() {
    let scene = Scene::signed_in(Config::parqex());
    let mut screen = Screen::start(&scene.bus, 1).await;
    let app = Sandboxed::start(&scene).await;
    let manager = app.manager().await;

    let dismissing = async {
        let shown = screen.shown().await;
        screen.dismiss(shown.id).await;
    };
    let call = manager.get_access_token(ACCOUNT, HashMap::new());
    let (call, ()) = tokio::join!(soon(call), dismissing);
    assert_eq!(fault(call), "ApprovalRequired");
    assert_eq!(fault(app.token(ACCOUNT).await), "ApprovalRequired");
    assert!(screen.asked.try_recv().is_err(), "who put it away is left alone");

    sign_in(&scene, "door");
    let answering = async {
        let shown = screen.shown().await;
        let question = pending(&scene).into_iter().find(|it| it["account"] == "door").unwrap();
        let question = question["id"].as_str().unwrap().to_owned();
        said(&scene.daemon.run(&["access", "approve", &question, "--once"]).unwrap());
        assert_eq!(screen.next().await, Asked::Closed { id: shown.id });
    };
    let call = manager.get_access_token("door", HashMap::new());
    let (call, ()) = tokio::join!(soon(call), answering);
    call.unwrap();
}

#[tokio::test]
async fn where_nobody_can_be_asked_the_program_is_told_what_to_run() {
    let scene = Scene::signed_in(Config::parqex());
    let app = Sandboxed::start(&scene).await;
    assert_eq!(fault(app.token(ACCOUNT).await), "ApprovalRequired");
    // one that shows no buttons is of no use
    let mut plain = Screen::with(&scene.bus, 1, &["body"]).await;
    let (name, text) = crate::client::error(app.token(ACCOUNT).await);
    assert_eq!(name, "dev.ostler.Ostler1.Error.ApprovalRequired");
    assert!(plain.asked.try_recv().is_err());
    let command = text.rsplit_once("run: ").unwrap().1;
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let shown = scene.daemon.run(&["access", "pending"]).unwrap();
    assert!(said(&shown).contains(IDENTITY), "{shown:?}");
    said(&scene.daemon.run(&words).unwrap());
    assert_eq!(app.token(ACCOUNT).await.unwrap(), scene.token());
    assert!(pending(&scene).is_empty());

    // an agent is asked even where there is no server
    let silent: Options<'_> = HashMap::from([("interactive", false.into())]);
    sign_in(&scene, "door");
    let refused = app.manager().await.get_access_token("door", silent).await;
    assert_eq!(fault(refused), "ApprovalRequired");
}

fn sign_in(scene: &Scene, account: &str) {
    let finished = Login::new(PROVIDER, account).run(&scene.daemon, &scene.provider).unwrap();
    assert!(finished.status.success(), "{finished:?}");
}

#[tokio::test]
async fn a_sandboxed_program_gets_tokens_that_it_was_granted_and_nothing_else() {
    let scene = Scene::signed_in(Config::parqex());
    sign_in(&scene, "door");
    said(&scene.daemon.run(&["access", "allow", IDENTITY, "--account", "door"]).unwrap());
    let app = Sandboxed::start(&scene).await;
    let manager = app.manager().await;
    app.token("door").await.unwrap();
    assert_eq!(fault(app.token(ACCOUNT).await), "ApprovalRequired");

    // of the accounts it knows the one
    let objects = ObjectManagerProxy::builder(&app.connection).destination(NAME).path(ROOT);
    let objects = objects.build().await.unwrap().get_managed_objects().await.unwrap();
    let aliases: Vec<String> = objects
        .values()
        .filter_map(|has| has.get(ACCOUNT_INTERFACE)?["Alias"].try_clone().ok()?.try_into().ok())
        .collect();
    assert_eq!(aliases, ["door"]);
    let hidden = scene.path();
    let properties = PropertiesProxy::builder(&app.connection).destination(NAME).path(&hidden);
    let properties = properties.build().await.unwrap();
    let interface = zbus::names::InterfaceName::try_from(ACCOUNT_INTERFACE).unwrap();
    assert!(properties.get(interface.clone(), "Alias").await.is_err());
    let all = properties.get_all(interface).await;
    assert!(all.is_err() || all.unwrap().is_empty());
    assert_eq!(fault(manager.lookup_account(ACCOUNT).await), "NoSuchAccount");
    manager.lookup_account("door").await.unwrap();

    // and may do nothing
    let account = AccountProxy::builder(&app.connection).path(hidden.clone());
    let account = account.build().await.unwrap();
    assert_eq!(fault(account.reauthorize(HashMap::new()).await), "Denied");
    assert_eq!(fault(account.logout(HashMap::new()).await), "Denied");
    assert_eq!(fault(manager.add_account(PROVIDER, HashMap::new()).await), "Denied");
    assert_eq!(fault(manager.list_providers().await), "Denied");
    let access = AccessControlProxy::new(&app.connection).await.unwrap();
    assert_eq!(fault(access.list_uses(HashMap::new()).await), "Denied");
    assert_eq!(fault(access.list_grants().await), "Denied");
    let rule: Options<'_> =
        HashMap::from([("caller", IDENTITY.into()), ("decision", "allow".into())]);
    assert_eq!(fault(access.set_grant(rule).await), "Denied");
    assert_eq!(fault(access.remove_grant("g1").await), "Denied");
    assert_eq!(fault(access.list_pending().await), "Denied");
    let question = pending(&scene)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(fault(access.respond(&question, "allow", HashMap::new()).await), "Denied");
    let agent = "/org/example/Agent".try_into().unwrap();
    assert_eq!(fault(access.register_agent(agent, HashMap::new()).await), "Denied");
    let log = zbus::Proxy::new(
        &app.connection,
        NAME,
        "/org/freedesktop/LogControl1",
        "org.freedesktop.LogControl1",
    );
    assert!(log.await.unwrap().set_property("LogLevel", "debug").await.is_err());
    assert_eq!(rules(&scene).len(), 1);
}
