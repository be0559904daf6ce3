//! Signing in over the bus.

use std::collections::HashMap;

use zbus::fdo::{ObjectManagerProxy, PropertiesProxy};
use zbus::names::InterfaceName;
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, Variant};

use super::super::paths;
use super::super::requests::PER_CALLER;
use super::client::{AccountProxy, ManagerProxy, Options, RequestProxy, error, fault, next, text};
use super::play::{Play, STATE, account};
use super::{Stage, soon};
use crate::api::{Event, Fault, FaultKind, Login, Request};
use crate::model::RequestId;

const REQUEST: &str = "dev.ostler.Ostler1.Request";

fn login(request: &Request) -> Option<Login> {
    match request {
        Request::Login(login) => Some((**login).clone()),
        _ => None,
    }
}

fn awaited(request: &Request) -> Option<RequestId> {
    match request {
        Request::AwaitLogin(question) => Some(question.request.clone()),
        _ => None,
    }
}

fn is_cancel(request: &Request) -> bool {
    matches!(request, Request::Cancel(_))
}

/// Starts a sign-in, and is subscribed to its end before it starts.
async fn start<'a>(
    client: &Connection,
    token: &'a str,
    more: impl IntoIterator<Item = (&'a str, Variant<'a>)>,
) -> (RequestProxy<'static>, CompletedStream) {
    let path = paths::request(&client.unique_name().unwrap().into(), token);
    let request = RequestProxy::new(client, path.clone()).await.unwrap();
    let completed = request.receive_completed().await.unwrap();
    let mut options: Options<'_> = HashMap::from([("handle_token", token.into())]);
    options.extend(more);
    let manager = ManagerProxy::new(client).await.unwrap();
    assert_eq!(manager.add_account("parqex", options).await.unwrap(), path);
    (request, completed)
}

use super::client::CompletedStream;

async fn properties_of(
    client: &Connection,
    path: &OwnedObjectPath,
) -> HashMap<String, zbus::OwnedVariant> {
    let builder = PropertiesProxy::builder(client).destination(paths::BUS_NAME);
    let proxy = builder.path(path.clone()).build().await.unwrap();
    proxy.get_all(InterfaceName::try_from(REQUEST).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_sign_in_is_fed_the_redirect_and_ends_with_the_account() {
    let stage = Stage::set(Play::with(&[])).await;
    let client = stage.client().await;
    let options = [
        ("alias", Variant::from("work/door")),
        ("client_id", "client-2".into()),
        ("redirect_uri", "https://app.example/done".into()),
        ("scopes", vec!["OPENDOOR"].into()),
        ("login_hint", "me@example.org".into()),
    ];
    let (request, mut completed) = start(&client, "first_1", options).await;
    let (_, asked) = stage.play.last(login);
    assert_eq!(asked.provider.as_str(), "parqex");
    assert_eq!(asked.account.unwrap().as_str(), "work/door");
    assert_eq!(asked.client_id.unwrap().as_str(), "client-2");
    assert!(asked.client_secret.is_none());
    assert_eq!(asked.redirect_uri.as_deref(), Some("https://app.example/done"));
    assert_eq!(asked.scopes.unwrap().join(" "), "OPENDOOR");
    assert_eq!(asked.login_hint.as_deref(), Some("me@example.org"));

    assert_eq!(request.kind().await.unwrap(), "browser");
    assert_eq!(request.account().await.unwrap(), "work/door");
    assert!(request.authorization_uri().await.unwrap().contains(STATE));
    assert_eq!(request.redirect_uri().await.unwrap(), "https://app.example/done");
    assert!(request.paste().await.unwrap());
    assert_eq!(request.expires_at().await.unwrap(), 1_900_000_600);

    let refused = request.submit_redirect("https://app.example/done?error=nothing").await;
    assert_eq!(fault(refused), "InvalidOption");
    request.submit_redirect("https://app.example/done?code=fake-code&state=x").await.unwrap();
    let signal = next(&mut completed).await;
    let signal = signal.args().unwrap();
    assert_eq!(*signal.response(), 0);
    let path = signal.results()["account"].try_clone().unwrap();
    let path = OwnedObjectPath::try_from(path).unwrap();
    assert_eq!(path, paths::account(&account("work/door").id));
    // the account is there by then, although no event told of it
    let object = AccountProxy::new(&client, path).await.unwrap();
    assert_eq!(object.state().await.unwrap(), "ready");
    // and the request is gone
    let late = soon(request.cancel()).await.unwrap_err();
    assert!(matches!(late, zbus::Error::FDO(_)), "{late:?}");
}

#[tokio::test]
async fn a_cancelled_sign_in_ends_with_one_and_a_failed_one_with_two() {
    let stage = Stage::set(Play::with(&[])).await;
    let client = stage.client().await;
    let (request, mut completed) = start(&client, "a", []).await;
    request.cancel().await.unwrap();
    let signal = next(&mut completed).await;
    let signal = signal.args().unwrap();
    assert_eq!(*signal.response(), 1);
    assert_eq!(text(signal.results(), "error"), "dev.ostler.Ostler1.Error.Cancelled");

    let (_, mut completed) = start(&client, "b", []).await;
    stage.play.until(|request| awaited(request).is_some()).await;
    let (_, id) = stage.play.last(awaited);
    let why = Fault::new(FaultKind::LoginFailed, "access_denied: the user said no");
    assert!(stage.play.end(&id, Err(why.clone())));
    let signal = next(&mut completed).await;
    let signal = signal.args().unwrap();
    assert_eq!(*signal.response(), 2);
    assert_eq!(text(signal.results(), "error"), "dev.ostler.Ostler1.Error.LoginFailed");
    assert_eq!(text(signal.results(), "message"), why.to_string());
}

#[tokio::test]
async fn an_account_is_signed_in_anew_through_its_object() {
    let stage = Stage::set(Play::with(&["work/mail"])).await;
    let client = stage.client().await;
    let path = paths::account(&account("work/mail").id);
    let object = AccountProxy::new(&client, path).await.unwrap();
    let options = HashMap::from([("scopes", Variant::from(vec!["OPENDOOR"]))]);
    let request = object.reauthorize(options).await.unwrap();
    let (_, asked) = stage.play.last(login);
    assert_eq!(asked.account.unwrap().as_str(), "work/mail");
    assert_eq!(asked.provider.as_str(), "parqex");
    assert!(asked.client_id.is_none(), "the one it has");
    // without a handle_token the daemon chooses
    let own = client.unique_name().unwrap().trim_start_matches(':').replace('.', "_");
    assert!(request.starts_with(&format!("/dev/ostler/Ostler1/requests/{own}/r")), "{request}");
    let refused = object.reauthorize(HashMap::from([("alias", "x".into())])).await;
    assert_eq!(fault(refused), "InvalidOption");
}

#[tokio::test]
async fn a_sign_in_is_nobody_elses_business() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let (creator, stranger) = (stage.client().await, stage.client().await);
    let everything = MatchRule::builder().interface(REQUEST).build().unwrap();
    let mut overheard = MessageStream::for_match_rule(everything, &stranger, None).await.unwrap();
    let builder = ObjectManagerProxy::builder(&stranger).destination(paths::BUS_NAME);
    let objects = builder.path(paths::ROOT).build().await.unwrap();
    let mut added = objects.receive_interfaces_added().await.unwrap();
    let (request, mut completed) = start(&creator, "mine", []).await;
    let path = OwnedObjectPath::from(request.inner().path().to_owned());

    let signal = next(&mut added).await;
    assert!(!format!("{:?}", signal.message().body()).contains(STATE));
    let signal = signal.args().unwrap();
    assert!(signal.interfaces_and_properties()[REQUEST].is_empty());
    let managed = objects.get_managed_objects().await.unwrap();
    assert!(!managed.contains_key(&path));
    assert!(properties_of(&stranger, &path).await.is_empty());
    assert_eq!(properties_of(&creator, &path).await.len(), 8);

    let stolen = RequestProxy::new(&stranger, path).await.unwrap();
    assert_eq!(fault(stolen.authorization_uri().await), "Denied");
    assert_eq!(fault(stolen.submit_redirect("https://app.example/?code=fake").await), "Denied");
    assert_eq!(fault(stolen.cancel().await), "Denied");
    assert_eq!(stage.play.open(), 1, "nothing of that reached the engine");

    request.cancel().await.unwrap();
    next(&mut completed).await;
    // A broadcast that comes later arrives first: the end itself was for the creator alone.
    let rule = MatchRule::builder().interface("dev.ostler.Ostler1.Account").build().unwrap();
    let mut broadcasts = MessageStream::for_match_rule(rule, &stranger, None).await.unwrap();
    stage.play.change(account("parqex"), true);
    next(&mut broadcasts).await.unwrap();
    tokio::select! {
        biased;
        heard = next(&mut overheard) => panic!("overheard {heard:?}"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test]
async fn a_creator_that_vanishes_takes_its_sign_in_along() {
    let stage = Stage::set(Play::with(&[])).await;
    let creator = stage.client().await;
    start(&creator, "attached", []).await;
    assert_eq!(stage.play.open(), 1);
    creator.close().await.unwrap();
    stage.play.until(is_cancel).await;
    assert_eq!(stage.play.open(), 0);
}

#[tokio::test]
async fn a_detached_sign_in_outlives_its_creator() {
    let stage = Stage::set(Play::with(&[])).await;
    let (creator, witness) = (stage.client().await, stage.client().await);
    start(&creator, "detached", [("detach", true.into())]).await;
    start(&creator, "attached", []).await;
    assert_eq!(stage.play.open(), 2);
    creator.close().await.unwrap();
    stage.play.until(is_cancel).await;
    assert_eq!(stage.play.open(), 1, "only the attached one is cancelled");

    // and it can still end well: the account appears
    let builder = ObjectManagerProxy::builder(&witness).destination(paths::BUS_NAME);
    let objects = builder.path(paths::ROOT).build().await.unwrap();
    let mut added = objects.receive_interfaces_added().await.unwrap();
    stage.play.change(account("parqex"), true);
    let path = paths::account(&account("parqex").id);
    assert_eq!(*next(&mut added).await.args().unwrap().object_path(), *path);
}

#[tokio::test]
async fn a_caller_has_eight_sign_ins_open_at_most() {
    let stage = Stage::set(Play::with(&[])).await;
    let (greedy, other) = (stage.client().await, stage.client().await);
    let manager = ManagerProxy::new(&greedy).await.unwrap();
    let mut open = Vec::new();
    for _ in 0..PER_CALLER {
        open.push(manager.add_account("parqex", HashMap::new()).await.unwrap());
    }
    assert_eq!(fault(manager.add_account("parqex", HashMap::new()).await), "RateLimited");
    assert_eq!(stage.play.open(), PER_CALLER, "the engine was not asked for it");
    start(&other, "one", []).await;

    let first = RequestProxy::new(&greedy, open.swap_remove(0)).await.unwrap();
    let mut completed = first.receive_completed().await.unwrap();
    first.cancel().await.unwrap();
    next(&mut completed).await;
    // the place is free once the object is gone, which the end announces
    soon(async {
        while manager.add_account("parqex", HashMap::new()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_sign_in_is_not_given_is_refused() {
    let stage = Stage::set(Play::with(&[])).await;
    let client = stage.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    let secret = HashMap::from([("client_secret", "fake-client-secret".into())]);
    let (name, text) = error(manager.add_account("parqex", secret).await);
    assert_eq!(name, "dev.ostler.Ostler1.Error.InvalidOption");
    assert!(text.contains("ostler login") && !text.contains("fake-client-secret"), "{text}");
    for token in ["", "a-b", "a/b", "ä", &"x".repeat(65)] {
        let options = HashMap::from([("handle_token", Variant::from(token))]);
        assert_eq!(fault(manager.add_account("parqex", options).await), "InvalidOption");
    }
    let twice = || HashMap::from([("handle_token", Variant::from("twice"))]);
    manager.add_account("parqex", twice()).await.unwrap();
    assert_eq!(fault(manager.add_account("parqex", twice()).await), "InvalidOption");
    assert_eq!(fault(manager.add_account("No Such", HashMap::new()).await), "InvalidOption");
    assert_eq!(stage.play.open(), 1);
}

#[tokio::test]
async fn the_account_of_a_sign_in_is_announced_before_its_end() {
    let stage = Stage::set(Play::with(&[])).await;
    let client = stage.client().await;
    let rule = MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .sender(paths::BUS_NAME)
        .build()
        .unwrap();
    let mut signals = MessageStream::for_match_rule(rule, &client, None).await.unwrap();
    let (request, _) = start(&client, "a", []).await;
    let parqex = account("parqex");
    stage.play.tell(Event::Account { account: Box::new(parqex), new_token: true });
    request.submit_redirect("https://app.example/done?code=fake-code").await.unwrap();
    let mut seen = Vec::new();
    while seen.last().is_none_or(|member| member != "Completed") {
        let message = next(&mut signals).await.unwrap();
        seen.push(message.header().member().unwrap().to_string());
    }
    // the request's object, the account's object, the end
    assert_eq!(seen, ["InterfacesAdded", "InterfacesAdded", "Completed"]);
}
