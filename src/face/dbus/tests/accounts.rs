//! Accounts as objects: they appear, change and vanish.

use std::collections::HashMap;

use zbus::fdo::{ManagedObjects, ObjectManagerProxy, PropertiesProxy};
use zbus::{Connection, OwnedObjectPath};

use super::super::accounts::{Known, OBJECTS_MAX};
use super::super::paths;
use super::client::{AccountProxy, next};
use super::play::{Play, TOKEN, account};
use super::{Stage, soon};
use crate::api::{Account, Event, State};
use crate::model::AccountId;

const ACCOUNT: &str = "dev.ostler.Ostler1.Account";

fn path(account: &Account) -> OwnedObjectPath {
    paths::account(&account.id)
}

async fn object_manager(client: &Connection) -> ObjectManagerProxy<'static> {
    let builder = ObjectManagerProxy::builder(client).destination(paths::BUS_NAME);
    builder.path(paths::ROOT).build().await.unwrap()
}

async fn properties(client: &Connection, account: &Account) -> PropertiesProxy<'static> {
    let builder = PropertiesProxy::builder(client).destination(paths::BUS_NAME);
    builder.path(path(account)).build().await.unwrap()
}

fn accounts(objects: &ManagedObjects) -> Vec<String> {
    let with_account = objects.iter().filter(|(_, has)| has.contains_key(ACCOUNT));
    let mut paths: Vec<String> = with_account.map(|(path, _)| path.to_string()).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn accounts_are_there_from_the_start_with_all_they_show() {
    let stage = Stage::set(Play::with(&["parqex", "work/mail"])).await;
    let client = stage.client().await;
    let objects = object_manager(&client).await.get_managed_objects().await.unwrap();
    let mut expected =
        vec![path(&account("parqex")).to_string(), path(&account("work/mail")).to_string()];
    expected.sort();
    assert_eq!(accounts(&objects), expected);
    let shown = &objects[&path(&account("parqex"))][ACCOUNT];
    let mut lines: Vec<String> =
        shown.iter().map(|(name, value)| format!("{name} {:?}", **value)).collect();
    lines.sort();
    let text = lines.join("\n");
    for part in [
        "Alias Str",
        "\"parqex\"",
        "ClientId",
        "client-1",
        "OPENDOOR",
        "\"ready\"",
        "ExpiresAt I64(1900000000)",
        "LastRefresh I64(1899990000)",
        "NextRefresh I64(0)",
        "\"always\"",
        "LoginEndsAt I64(0)",
        "LoginEndsSoon Bool(false)",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert_eq!(shown.len(), 21, "{text}");
    assert!(!text.contains(TOKEN));
}

#[tokio::test]
async fn an_account_appears_changes_and_vanishes() {
    let stage = Stage::set(Play::with(&[])).await;
    let client = stage.client().await;
    let objects = object_manager(&client).await;
    let mut added = objects.receive_interfaces_added().await.unwrap();
    let mut removed = objects.receive_interfaces_removed().await.unwrap();

    // appears
    let mut parqex = account("parqex");
    stage.play.change(parqex.clone(), true);
    let signal = next(&mut added).await;
    let signal = signal.args().unwrap();
    assert_eq!(*signal.object_path(), *path(&parqex));
    let shown = &signal.interfaces_and_properties()[ACCOUNT];
    assert_eq!(<&str>::try_from(&shown["Alias"]).unwrap(), "parqex");

    // changes: only what differs, in one signal; and no new token
    let properties = properties(&client, &parqex).await;
    let object = AccountProxy::new(&client, path(&parqex)).await.unwrap();
    let mut news = properties.receive_properties_changed().await.unwrap();
    let mut tokens = object.receive_access_token_changed().await.unwrap();
    parqex.state = State::LoginRequired;
    parqex.detail = Some("invalid_grant: the login has ended".to_owned());
    stage.play.change(parqex.clone(), false);
    let signal = next(&mut news).await;
    let signal = signal.args().unwrap();
    assert_eq!(signal.interface_name().as_str(), ACCOUNT);
    let changed = signal.changed_properties();
    let mut names: Vec<&str> = changed.keys().copied().collect();
    names.sort_unstable();
    assert_eq!(names, ["State", "StateDetail"]);
    assert_eq!(<&str>::try_from(&changed["State"]).unwrap(), "login-required");
    assert_eq!(object.state().await.unwrap(), "login-required");

    // an event that changes nothing the bus shows is no signal; the next one comes first
    parqex.failures = 3;
    stage.play.change(parqex.clone(), false);
    (parqex.state, parqex.detail) = (State::Ready, None);
    parqex.expires_at = Some(1_900_003_600);
    stage.play.change(parqex.clone(), true);
    let signal = next(&mut news).await;
    let changed = signal.args().unwrap();
    let changed = changed.changed_properties();
    assert_eq!(i64::try_from(&changed["ExpiresAt"]).unwrap(), 1_900_003_600);
    assert_eq!(<&str>::try_from(&changed["StateDetail"]).unwrap(), "");
    let signal = next(&mut tokens).await;
    assert_eq!(*signal.args().unwrap().expires_at(), 1_900_003_600);

    // vanishes
    stage.play.exit("parqex");
    stage.play.tell(Event::Removed { id: parqex.id.clone(), name: parqex.name.clone() });
    let signal = next(&mut removed).await;
    let signal = signal.args().unwrap();
    assert_eq!(*signal.object_path(), *path(&parqex));
    assert_eq!(accounts(&objects.get_managed_objects().await.unwrap()), [""; 0]);
}

#[tokio::test]
async fn after_missed_events_the_bus_shows_how_things_stand() {
    let stage = Stage::set(Play::with(&["gone", "kept"])).await;
    let client = stage.client().await;
    let objects = object_manager(&client).await;
    let mut added = objects.receive_interfaces_added().await.unwrap();
    let kept = AccountProxy::new(&client, path(&account("kept"))).await.unwrap();
    let mut tokens = kept.receive_access_token_changed().await.unwrap();

    stage.play.exit("gone");
    stage.play.enter(account("new"));
    let mut refreshed = account("kept");
    (refreshed.last_refresh, refreshed.expires_at) = (Some(1_900_000_001), Some(1_900_003_601));
    stage.play.enter(refreshed);
    stage.play.tell(Event::Missed { count: 300 });

    assert_eq!(*next(&mut added).await.args().unwrap().object_path(), *path(&account("new")));
    assert_eq!(*next(&mut tokens).await.args().unwrap().expires_at(), 1_900_003_601);
    let mut expected = vec![path(&account("kept")).to_string(), path(&account("new")).to_string()];
    expected.sort();
    assert_eq!(accounts(&objects.get_managed_objects().await.unwrap()), expected);
}

#[tokio::test]
async fn a_logout_answers_what_became_of_the_tokens_and_the_object_goes() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let client = stage.client().await;
    let mut removed = object_manager(&client).await.receive_interfaces_removed().await.unwrap();
    let object = AccountProxy::new(&client, path(&account("parqex"))).await.unwrap();
    let end = object.logout(HashMap::new()).await.unwrap();
    assert_eq!(end, ("failed".to_owned(), "HTTP status 503".to_owned()));
    assert_eq!(*next(&mut removed).await.args().unwrap().object_path(), *path(&account("parqex")));
    let late = soon(object.get_access_token(HashMap::new())).await.unwrap_err();
    assert!(matches!(late, zbus::Error::FDO(_)), "{late:?}");
}

#[test]
fn accounts_are_found_by_the_name_that_they_have_now() {
    let known = Known::default();
    let door = account("door");
    assert!(known.put(door.clone()).is_none());
    let renamed = Account { name: "gate".parse().unwrap(), ..door.clone() };
    assert_eq!(known.put(renamed).map(|before| before.name.clone()), Some(door.name.clone()));
    assert!(known.named("door").is_none());
    assert_eq!(known.named("gate").unwrap().id, door.id);
    assert_eq!(known.named(door.id.as_str()).unwrap().id, door.id);
    // another one takes the name, and the first one's end does not take it away
    let other = Account { name: "gate".parse().unwrap(), ..account("other") };
    known.put(other.clone());
    known.remove(&door.id);
    assert_eq!(known.named("gate").unwrap().id, other.id);
}

#[test]
fn there_is_room_for_so_many_and_again_when_one_is_gone() {
    let known = Known::default();
    let numbered = |number: usize| {
        let id = AccountId::from_random(number.to_le_bytes());
        Account { id, name: format!("n{number}").parse().unwrap(), ..account("door") }
    };
    for number in 0..OBJECTS_MAX {
        assert!(known.has_room_for(&numbered(number).id));
        known.put(numbered(number));
    }
    let late = numbered(OBJECTS_MAX).id;
    assert!(!known.has_room_for(&late));
    assert!(known.has_room_for(&numbered(7).id), "it has its place");
    known.remove(&numbered(7).id);
    assert!(known.has_room_for(&late));
}
