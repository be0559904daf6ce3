//! Signing in the way a desktop program does: over the bus, with a real provider and a browser.

use std::collections::HashMap;
use std::net::TcpStream;

use serde_json::{Value, json};
use zbus::fdo::ObjectManagerProxy;
use zbus::{Connection, OwnedObjectPath, Variant};

use crate::client::{
    AccountProxy, CompletedStream, Details, ManagerProxy, Options, RequestProxy, fault, next, text,
};
use crate::scene::{ACCOUNT, ACCOUNT_INTERFACE, NAME, PROVIDER, ROOT, Scene, parse};
use crate::support::agent::{self, Ending};
use crate::support::provider::{Config, Redirect, SignIn};
use crate::support::varlink::Varlink;

/// The page that is registered for a client without a loopback; nobody serves it.
const PAGE: &str = "https://app.example.test/cb";

/// A sign-in that was started over the bus.
struct Open {
    request: RequestProxy<'static>,
    completed: CompletedStream,
}

impl Open {
    /// Subscribes to the end of a sign-in, and then starts it.
    async fn start(client: &Connection, scene: &Scene, more: Options<'_>) -> Self {
        let sender = client.unique_name().unwrap().trim_start_matches(':').replace('.', "_");
        let path = OwnedObjectPath::try_from(format!("{ROOT}/requests/{sender}/mine")).unwrap();
        let request = RequestProxy::new(client, path.clone()).await.unwrap();
        let completed = request.receive_completed().await.unwrap();
        let id = scene.provider.config().client.id.as_str();
        let mut options: Options<'_> = HashMap::from([
            ("handle_token", "mine".into()),
            ("alias", ACCOUNT.into()),
            ("client_id", id.into()),
        ]);
        options.extend(more);
        let manager = ManagerProxy::new(client).await.unwrap();
        assert_eq!(manager.add_account(PROVIDER, options).await.unwrap(), path);
        Self { request, completed }
    }

    /// Where the user's browser is to go.
    async fn uri(&self) -> String {
        self.request.authorization_uri().await.unwrap()
    }

    /// How it ends.
    async fn end(&mut self) -> (u32, Details) {
        let signal = next(&mut self.completed).await;
        let end = signal.args().unwrap();
        let results =
            end.results().iter().map(|(name, value)| (name.clone(), value.try_clone().unwrap()));
        (*end.response(), results.collect())
    }
}

/// The account's object in the results of a sign-in that went well.
async fn account(
    client: &Connection,
    (response, results): (u32, Details),
) -> AccountProxy<'static> {
    assert_eq!(response, 0, "{results:?}");
    let path = results["account"].try_clone().unwrap();
    AccountProxy::new(client, OwnedObjectPath::try_from(path).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_desktop_program_signs_a_user_in_and_has_the_account_at_once() {
    let scene = Scene::new(Config::standard());
    let client = scene.client().await;
    let builder = ObjectManagerProxy::builder(&client).destination(NAME).path(ROOT);
    let objects = builder.build().await.unwrap();
    assert!(objects.get_managed_objects().await.unwrap().is_empty());
    let mut open = Open::start(&client, &scene, Options::new()).await;
    assert_eq!(open.request.account().await.unwrap(), ACCOUNT);
    assert!(!open.request.paste().await.unwrap());
    let redirect = open.request.redirect_uri().await.unwrap();
    let mut added = objects.receive_interfaces_added().await.unwrap();
    let mut removed = objects.receive_interfaces_removed().await.unwrap();

    let ending = agent::visit(&open.uri().await).unwrap();
    let Ending::Callback { url, page } = ending else { panic!("{ending:?}") };
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(url.as_str().starts_with(&redirect), "{url}");
    let signal = next(&mut added).await;
    let signal = signal.args().unwrap();
    assert!(signal.interfaces_and_properties().contains_key(ACCOUNT_INTERFACE));

    let object = account(&client, open.end().await).await;
    assert_eq!(object.inner().path(), signal.object_path());
    assert_eq!(object.state().await.unwrap(), "ready");
    let (token, kind, expires, details) = object.get_access_token(Options::new()).await.unwrap();
    assert!(scene.provider.is_access_token_valid(&token));
    assert_eq!(kind, "Bearer");
    assert_eq!(json!(expires), scene.account()["expires_at"]);
    assert!(!bool::try_from(details["stale"].try_clone().unwrap()).unwrap());
    assert_eq!(scene.token(), token, "the command line gives the same");
    // the sign-in's object goes with it
    let gone = next(&mut removed).await;
    assert_eq!(gone.args().unwrap().object_path(), open.request.inner().path());
    let left = objects.get_managed_objects().await.unwrap();
    // the library lists the nodes on the way, too, as objects without interfaces
    let left = left.iter().filter(|(_, interfaces)| !interfaces.is_empty());
    let left: Vec<_> = left.map(|(path, _)| path.as_str()).collect();
    assert_eq!(left, [object.inner().path().as_str()]);
}

#[tokio::test]
async fn a_redirect_that_the_daemon_cannot_see_is_pasted() {
    let scene = Scene::new(Config::standard().redirect(Redirect::Page(PAGE.to_owned())));
    let client = scene.client().await;
    let options = Options::from([("redirect_uri", Variant::from(PAGE))]);
    let mut open = Open::start(&client, &scene, options).await;
    assert!(open.request.paste().await.unwrap());
    assert_eq!(open.request.redirect_uri().await.unwrap(), PAGE);
    let uri = open.uri().await;
    let ending = agent::visit(&uri).unwrap();
    let redirect = ending.url().as_str();
    let forged = redirect.replace("state=", "state=x");
    for wrong in ["", "https://app.example.test/other?code=x", uri.as_str(), forged.as_str()] {
        assert_eq!(fault(open.request.submit_redirect(wrong).await), "InvalidOption", "{wrong}");
    }
    open.request.submit_redirect(redirect).await.unwrap();
    let object = account(&client, open.end().await).await;
    assert_eq!(object.state().await.unwrap(), "ready");
    assert!(scene.provider.is_access_token_valid(&scene.token()));
}

#[tokio::test]
async fn a_cancelled_sign_in_completes_and_closes_its_port() {
    let scene = Scene::new(Config::standard());
    let client = scene.client().await;
    let mut open = Open::start(&client, &scene, Options::new()).await;
    let redirect: url::Url = open.request.redirect_uri().await.unwrap().parse().unwrap();
    let address = redirect.socket_addrs(|| None).unwrap();
    drop(TcpStream::connect(&*address).expect("it listens"));
    open.request.cancel().await.unwrap();
    let (response, results) = open.end().await;
    assert_eq!((response, &*text(&results, "error")), (1, "dev.ostler.Ostler1.Error.Cancelled"));
    assert!(TcpStream::connect(&*address).is_err(), "nobody listens there any more");
    assert_eq!(parse(&scene.daemon.run(&["accounts", "--json"]).unwrap()), json!({"accounts": []}));
}

#[tokio::test]
async fn a_user_who_says_no_is_told_so_in_the_browser_and_the_program_with_a_typed_error() {
    let scene = Scene::new(Config::standard().sign_in(SignIn::Refused));
    let client = scene.client().await;
    let mut open = Open::start(&client, &scene, Options::new()).await;
    let ending = agent::visit(&open.uri().await).unwrap();
    let Ending::Callback { page, .. } = ending else { panic!("{ending:?}") };
    assert!(page.text().contains("access_denied"), "{}", page.text());
    let (response, results) = open.end().await;
    assert_eq!((response, &*text(&results, "error")), (2, "dev.ostler.Ostler1.Error.LoginFailed"));
    assert!(text(&results, "message").contains("access_denied"), "{results:?}");
}

/// The end of a sign-in, as the socket's watchers hear of it.
fn next_end(monitor: &mut Varlink) -> Value {
    loop {
        let frame = monitor.receive().unwrap().expect("the daemon goes on");
        let mut message: Value = serde_json::from_slice(&frame).unwrap();
        if message["parameters"]["event"] == json!("login") {
            return message["parameters"].take();
        }
    }
}

#[tokio::test]
async fn a_program_that_leaves_takes_its_sign_in_along() {
    let scene = Scene::new(Config::standard());
    let mut monitor = Varlink::connect(&scene.daemon.socket_path()).unwrap();
    monitor.send(&json!({ "method": "dev.ostler.Ostler1.Monitor", "more": true })).unwrap();
    // answered after the monitor was: the daemon watches by then
    let (leaver, other) = (scene.client().await, scene.client().await);
    let open = Open::start(&leaver, &scene, Options::new()).await;
    let redirect: url::Url = open.request.redirect_uri().await.unwrap().parse().unwrap();
    leaver.close().await.unwrap();
    let end = next_end(&mut monitor);
    assert_eq!(end["fault"]["fault"], json!("Cancelled"), "{end}");
    let address = redirect.socket_addrs(|| None).unwrap();
    assert!(TcpStream::connect(&*address).is_err(), "nobody listens there any more");

    // the name is free for the next one
    let mut open = Open::start(&other, &scene, Options::new()).await;
    agent::visit(&open.uri().await).unwrap();
    let object = account(&other, open.end().await).await;
    assert_eq!(object.state().await.unwrap(), "ready");
}

#[tokio::test]
async fn an_account_whose_login_ended_is_signed_in_again_and_out_through_its_object() {
    let scene = Scene::signed_in(Config::standard());
    let client = scene.client().await;
    let object = AccountProxy::new(&client, scene.path()).await.unwrap();
    scene.end_login();
    assert_eq!(object.state().await.unwrap(), "login-required");
    let options = Options::from([("handle_token", "again".into())]);
    let path = object.reauthorize(options).await.unwrap();
    let request = RequestProxy::new(&client, path).await.unwrap();
    let completed = request.receive_completed().await.unwrap();
    let mut open = Open { request, completed };
    agent::visit(&open.uri().await).unwrap();
    let again = account(&client, open.end().await).await;
    assert_eq!(again.inner().path(), object.inner().path(), "the same account");
    assert_eq!(again.state().await.unwrap(), "ready");

    let token = scene.token();
    assert!(scene.provider.is_access_token_valid(&token));
    let end = object.logout(Options::new()).await.unwrap();
    assert_eq!(end, ("revoked".to_owned(), String::new()));
    assert!(!scene.provider.is_access_token_valid(&token));
    let builder = ObjectManagerProxy::builder(&client).destination(NAME).path(ROOT);
    let objects = builder.build().await.unwrap();
    assert!(objects.get_managed_objects().await.unwrap().is_empty());
}
