//! Asking for tokens.

use std::collections::HashMap;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use zbus::Variant;

use super::Stage;
use super::client::{AccessControlProxy, AccountProxy, HandOut, ManagerProxy, error, fault, text};
use super::play::{Play, TOKEN, account};
use crate::api::{Account, Fault, FaultKind, GetToken, Request, State};
use crate::model::{Face, Fingerprint};

fn question(request: &Request) -> Option<GetToken> {
    match request {
        Request::GetToken(question) => Some(question.clone()),
        _ => None,
    }
}

fn check(handed: &HandOut, name: &str) {
    let (token, token_type, expires_at, details) = handed;
    assert_eq!(*token, format!("{TOKEN}-{name}"));
    assert_eq!((token_type.as_str(), *expires_at), ("Bearer", 1_900_000_000));
    let scopes = Vec::<String>::try_from(details["scopes"].try_clone().unwrap()).unwrap();
    assert_eq!(scopes, ["CLOSEDOOR", "OPENDOOR"]);
    assert!(!bool::try_from(&details["stale"]).unwrap());
    let path = zbus::OwnedObjectPath::try_from(details["account"].try_clone().unwrap()).unwrap();
    assert_eq!(path.as_str(), super::super::paths::account(&account(name).id).as_str());
    assert_eq!(details.len(), 3);
}

#[tokio::test]
async fn a_token_is_given_by_alias_by_id_and_by_object() {
    let stage = Stage::set(Play::with(&["parqex", "work/mail"])).await;
    let client = stage.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    check(&manager.get_access_token("work/mail", HashMap::new()).await.unwrap(), "work/mail");
    let id = account("parqex").id;
    check(&manager.get_access_token(id.as_str(), HashMap::new()).await.unwrap(), "parqex");

    let path = manager.lookup_account("work/mail").await.unwrap();
    assert_eq!(path, manager.lookup_account(account("work/mail").id.as_str()).await.unwrap());
    let object = AccountProxy::new(&client, path).await.unwrap();
    check(&object.get_access_token(HashMap::new()).await.unwrap(), "work/mail");
}

#[tokio::test]
async fn the_engine_hears_the_options_and_who_asks() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let client = stage.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    manager.get_access_token("parqex", HashMap::new()).await.unwrap();
    let (caller, asked) = stage.play.last(question);
    assert_eq!(caller.face, Face::Bus);
    assert_eq!(caller.pid, i32::try_from(std::process::id()).ok());
    assert_eq!((asked.min_valid, asked.timeout_ms), (None, Some(20_000)));
    assert!(asked.scopes.is_none() && asked.rejected.is_none() && asked.narrow.is_none());

    let print = Fingerprint::of("fake-rejected");
    let options = HashMap::from([
        ("min_validity", Variant::from(300_u32)),
        ("scopes", vec!["OPENDOOR"].into()),
        ("narrow", true.into()),
        ("challenge", "Bearer error=x".into()),
        ("rejected", print.to_string().into()),
    ]);
    manager.get_access_token("parqex", options).await.unwrap();
    let (_, asked) = stage.play.last(question);
    assert_eq!(asked.min_valid, Some(300));
    assert_eq!(asked.scopes.unwrap().join(" "), "OPENDOOR");
    assert_eq!((asked.narrow, asked.rejected), (Some(true), Some(print)));
    assert_eq!(asked.challenge.as_deref(), Some("Bearer error=x"));
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_says_so() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let client = stage.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    let bound = Account {
        certificate_bound: true,
        certificate_ends_at: Some(1_900_000_000),
        ..account("parqex")
    };
    stage.play.change(bound, false);
    let path = manager.lookup_account("parqex").await.unwrap();
    let (_, _, _, details) = manager.get_access_token("parqex", HashMap::new()).await.unwrap();
    assert!(bool::try_from(&details["certificate_bound"]).unwrap(), "{details:?}");
    assert!(path.as_str().contains(account("parqex").id.as_str()));
}

#[tokio::test]
async fn a_stale_token_says_so_and_an_unknown_expiry_is_zero() {
    let mut old = account("parqex");
    (old.state, old.expires_at) = (State::BackingOff, None);
    let play = Play::with(&[]);
    play.enter(old);
    let stage = Stage::set(play).await;
    let client = stage.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    let (_, _, expires_at, details) =
        manager.get_access_token("parqex", HashMap::new()).await.unwrap();
    assert_eq!(expires_at, 0);
    assert!(bool::try_from(&details["stale"]).unwrap());
}

#[tokio::test]
async fn an_account_whose_event_is_still_on_the_way_is_served() {
    let stage = Stage::set(Play::with(&[])).await;
    stage.play.enter(account("parqex"));
    let client = stage.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    check(&manager.get_access_token("parqex", HashMap::new()).await.unwrap(), "parqex");
}

#[tokio::test]
async fn every_fault_arrives_as_an_error_of_its_name() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let client = stage.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    for kind in FaultKind::all() {
        let told = Fault::new(kind, "what happened").of("parqex".parse().unwrap());
        stage.play.refuse(told.clone());
        let (name, text) = error(manager.get_access_token("parqex", HashMap::new()).await);
        assert_eq!(name, format!("dev.ostler.Ostler1.Error.{}", kind.name()));
        assert_eq!(text, told.to_string());
    }
}

#[tokio::test]
async fn an_unknown_account_or_option_is_refused_by_name() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let client = stage.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    for none in ["other", "", "-x", "not a name", "aaaaaaaaaaaaa"] {
        let refused = fault(manager.get_access_token(none, HashMap::new()).await);
        assert_eq!(refused, "NoSuchAccount", "{none:?}");
        assert_eq!(fault(manager.lookup_account(none).await), "NoSuchAccount", "{none:?}");
    }
    for (name, value) in [
        ("scope", Variant::from("OPENDOOR")),
        ("min_validity", "300".into()),
        ("min_validity", (-1_i32).into()),
        ("scopes", "OPENDOOR".into()),
        ("rejected", "not a fingerprint".into()),
        ("force", true.into()),
    ] {
        let options = HashMap::from([(name, value)]);
        let (error, text) = error(manager.get_access_token("parqex", options).await);
        assert_eq!(error, "dev.ostler.Ostler1.Error.InvalidOption");
        assert!(text.contains(name), "{text}");
    }
}

#[tokio::test]
async fn a_token_is_written_into_a_callers_socket_and_into_nothing_else() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let client = stage.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    let path = manager.lookup_account("parqex").await.unwrap();
    let object = AccountProxy::new(&client, path).await.unwrap();
    let (mine, its) = UnixStream::pair().unwrap();
    let options = HashMap::from([("min_validity", Variant::from(7_u32))]);
    let its = OwnedFd::from(its).into();
    let (expires_at, details) = object.write_access_token(its, options).await.unwrap();
    let mut token = String::new();
    (&mine).read_to_string(&mut token).unwrap();
    assert_eq!(token, format!("{TOKEN}-parqex"));
    assert_eq!((expires_at, text(&details, "token_type").as_str()), (1_900_000_000, "Bearer"));
    assert_eq!(details.len(), 4);
    assert_eq!(stage.play.last(question).1.min_valid, Some(7));

    let (_reader, pipe) = std::io::pipe().unwrap();
    let pipe = OwnedFd::from(pipe).into();
    let (name, words) = error(object.write_access_token(pipe, HashMap::new()).await);
    assert_eq!(name, "dev.ostler.Ostler1.Error.InvalidOption");
    assert!(words.contains("socketpair"), "{words}");
    // what is refused is refused before a socket is touched
    let (mine, its) = UnixStream::pair().unwrap();
    let options = HashMap::from([("scope", Variant::from("x"))]);
    let refused = object.write_access_token(OwnedFd::from(its).into(), options).await;
    assert_eq!(fault(refused), "InvalidOption");
    assert_eq!((&mine).read_to_string(&mut token).unwrap(), 0);
}

#[tokio::test]
async fn providers_and_what_the_daemon_can_do_are_told() {
    let stage = Stage::set(Play::with(&[])).await;
    let client = stage.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    let providers = manager.list_providers().await.unwrap();
    assert_eq!(providers.len(), 1);
    let parqex = &providers["parqex"];
    assert_eq!(text(parqex, "title"), "ParqEx");
    assert_eq!(text(parqex, "source"), "preset");
    assert_eq!(text(parqex, "redirect"), "paste");
    assert_eq!(manager.version().await.unwrap(), env!("CARGO_PKG_VERSION"));
    assert_eq!(manager.api_minor().await.unwrap(), 0);
    assert_eq!(manager.features().await.unwrap(), ["agent", "paste", "rejected", "write"]);
}

#[tokio::test]
async fn who_uses_an_account_is_told_with_what_that_is_worth() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let client = stage.client().await;
    let access = AccessControlProxy::new(&client).await.unwrap();
    let id = account("parqex").id;
    let options = HashMap::from([("account", Variant::from(id.as_str()))]);
    let uses = access.list_uses(options).await.unwrap();
    let [usage] = uses.as_slice() else { panic!("{uses:?}") };
    let told = ["alias", "caller", "tier", "face"].map(|name| text(usage, name));
    assert_eq!(told, ["parqex", "exe:/usr/bin/curl", "claimed", "socket"]);
    let number = |name: &str| i64::try_from(usage[name].try_clone().unwrap()).unwrap();
    assert_eq!((number("first"), number("last")), (10, 20));
    assert_eq!(u64::try_from(usage["count"].try_clone().unwrap()).unwrap(), 3);
    assert_eq!(u32::try_from(usage["pid"].try_clone().unwrap()).unwrap(), 7);
    let path = zbus::OwnedObjectPath::try_from(usage["account"].try_clone().unwrap()).unwrap();
    assert_eq!(path.as_str(), super::super::paths::account(&id).as_str());
    let asked = |request: &Request| match request {
        Request::ListUses(question) => Some(question.account.clone()),
        _ => None,
    };
    assert_eq!(stage.play.last(asked).1.unwrap().as_str(), "parqex");

    assert_eq!(access.list_uses(HashMap::new()).await.unwrap().len(), 1);
    let nobody = HashMap::from([("account", Variant::from("nobody"))]);
    assert_eq!(fault(access.list_uses(nobody).await), "NoSuchAccount");
}

#[tokio::test]
async fn a_proof_comes_with_the_token_that_it_is_of() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let client = stage.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    let path = manager.lookup_account("parqex").await.unwrap();
    let object = AccountProxy::new(&client, path).await.unwrap();
    let options = HashMap::from([("nonce", Variant::from("n-1")), ("min_validity", 90_u32.into())]);
    let signed = object.sign_proof("GET", "https://api.example/a", options).await.unwrap();
    let (token, proof, expires_at, details) = signed;
    assert_eq!((token, expires_at), (format!("{TOKEN}-parqex"), 1_900_000_000));
    assert_eq!(proof, "proof of GET https://api.example/a");
    assert_eq!(details.len(), 3);
    let (caller, asked) = stage.play.last(|request| match request {
        Request::SignProof(question) => Some((**question).clone()),
        _ => None,
    });
    assert_eq!(caller.face, Face::Bus);
    assert_eq!((asked.nonce.as_deref(), asked.min_valid), (Some("n-1"), Some(90)));

    let odd = HashMap::from([("nonces", Variant::from("n-1"))]);
    let refused = object.sign_proof("GET", "https://api.example/a", odd).await;
    assert_eq!(fault(refused), "InvalidOption");
}
