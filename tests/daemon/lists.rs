//! Lists of more accounts than one message holds.

use std::collections::HashMap;
use std::time::Duration;

use ostler::model::AccountId;
use rusqlite::Connection;
use serde_json::{Value, json};
use zbus::wire::OwnedVariant;

use crate::database::FILE;
use crate::dbus::Client;
use crate::scene::{ACCOUNT, Scene, ask, connect, fault_kind, succeeded};
use crate::support::bus::Bus;
use crate::support::daemon::{Daemon, StartError};
use crate::support::process;
use crate::support::provider::Config;
use crate::support::varlink::Varlink;

/// More than fit into a reply of 16 MiB, or into a message of the bus.
const COUNT: u64 = 70_000;

/// How often more a daemon is waited for that has so much to read.
const PATIENT: usize = 10;

/// How long a command may take that prints so much.
const LONG: Duration = Duration::from_mins(10);

/// The name of one of them; all of them come behind the account that was signed in.
fn name(number: u64) -> String {
    format!("many/{number:05}")
}

fn all() -> Vec<String> {
    std::iter::once(ACCOUNT.to_owned()).chain((0..COUNT).map(name)).collect()
}

/// A daemon with one account that was signed in, and many that wait for a login.
fn scene(bus: Bus) -> Scene {
    let mut scene = Scene::on_bus(Config::parqex(), bus);
    scene.sign_in(ACCOUNT);
    scene.daemon.terminate().unwrap();
    let mut database = Connection::open(scene.daemon.home().path(FILE)).unwrap();
    let transaction = database.transaction().unwrap();
    let mut insert = transaction
        .prepare(
            "INSERT INTO account (account, name, client, scopes, standing, why, generation)
             SELECT ?1, ?2, id, 'open close', 'needs-login', 'made for a list', 0 FROM client",
        )
        .unwrap();
    for number in 0..COUNT {
        let id = AccountId::from_random(number.to_le_bytes());
        insert.execute((id.as_str(), name(number))).unwrap();
    }
    drop(insert);
    transaction.commit().unwrap();
    drop(database);
    scene.daemon.begin_to_start().unwrap();
    // a lot to read for a daemon that is not optimised
    let mut ready = scene.daemon.wait_ready();
    for _ in 0..PATIENT {
        if !matches!(ready, Err(StartError::Slow(_))) {
            break;
        }
        ready = scene.daemon.wait_ready();
    }
    ready.unwrap();
    scene
}

/// What a command prints to the end.
fn printed(daemon: &Daemon, arguments: &[&str]) -> String {
    let finished = process::run(&mut daemon.command(arguments), "", LONG).unwrap();
    succeeded(&finished).to_owned()
}

fn names(reply: &Value) -> Vec<String> {
    let accounts = reply["accounts"].as_array().unwrap();
    accounts.iter().map(|account| account["name"].as_str().unwrap().to_owned()).collect()
}

/// What all replies to a call with `more` have in a list.
fn streamed(daemon: &Daemon, method: &str, list: &str) -> Vec<Value> {
    let mut varlink = connect(daemon);
    let replies = varlink.call_more(&format!("dev.ostler.Ostler1.{method}"), &json!({})).unwrap();
    replies.flat_map(|reply| reply.unwrap()[list].as_array().unwrap().clone()).collect()
}

/// Somebody who has the first piece of a list, and there is no room on the way for all the others.
fn begun(daemon: &Daemon) -> Varlink {
    let mut varlink = connect(daemon);
    let call = json!({ "method": "dev.ostler.Ostler1.Status", "parameters": {}, "more": true });
    varlink.send(&call).unwrap();
    varlink.receive().unwrap().unwrap();
    varlink
}

#[test]
fn seventy_thousand_accounts_are_listed_to_the_last_one() {
    let bus = Bus::start().unwrap();
    let client = Client::connect(bus.address());
    let mut scene = scene(bus);
    let daemon = &mut scene.daemon;
    let line = format!("STATUS={} accounts, {COUNT} login-required", COUNT + 1);
    daemon.wait_notice(|notice| notice == line).unwrap();
    let daemon = &scene.daemon;
    let all = all();

    // the socket: a stream, pages, and one reply as long as one can be
    for method in ["Status", "ListAccounts"] {
        let listed = streamed(daemon, method, "accounts");
        let listed: Vec<&str> = listed.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(listed, all, "{method}");
        assert_eq!(fault_kind(ask(daemon, method, &json!({}))), "TooLarge");
    }
    let mut paged = Vec::new();
    let mut page = json!({ "limit": 9_999 });
    loop {
        let reply = ask(daemon, "ListAccounts", &page).unwrap();
        paged.extend(names(&reply));
        match reply.get("next") {
            Some(next) => page["after"] = next.clone(),
            None => break,
        }
    }
    assert_eq!(paged, all);
    let one = ask(daemon, "Status", &json!({ "account": name(COUNT / 2) })).unwrap();
    assert_eq!(names(&one), [name(COUNT / 2)]);
    let none = ask(daemon, "Status", &json!({ "account": "nobody" }));
    assert_eq!(fault_kind(none), "NoSuchAccount");

    // the command line
    let status: Value = serde_json::from_str(&printed(daemon, &["status", "--json"])).unwrap();
    assert_eq!(names(&status), all);
    assert!(status["daemon"]["pid"].is_number() && status["unrevoked"].is_array());
    let text = printed(daemon, &["accounts"]);
    let first = |line: &str| line.split(' ').next().unwrap().to_owned();
    let lines: Vec<String> = text.lines().skip(1).map(first).collect();
    assert_eq!(lines, all);
    let text = printed(daemon, &["status"]);
    assert_eq!(text.lines().skip(1).take(all.len()).map(first).collect::<Vec<_>>(), all);
    assert!(text.contains(&format!("and {} more like that", COUNT - 200)), "the rest of them");
    assert!(printed(daemon, &["status", &name(7)]).contains("made for a list"));

    // lists that nobody goes on reading hold up neither tokens nor other lists
    let halted: Vec<Varlink> = (0..10).map(|_| begun(daemon)).collect();
    assert!(scene.admits(&scene.token()));
    assert_eq!(streamed(daemon, "ListAccounts", "accounts").len(), all.len());
    drop(halted);

    // the doctor says something of each
    let findings = streamed(daemon, "Diagnose", "findings");
    let about: Vec<_> = findings.iter().filter(|it| it["area"] == "account").collect();
    assert_eq!(about.len(), all.len());

    // D-Bus: pages, and a refusal of what cannot be whole
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let reply = client.call("ListAccounts", &(after.as_str(), 0_u32)).unwrap();
        let body = reply.body();
        let (page, next): (Vec<HashMap<String, OwnedVariant>>, String) =
            body.deserialize().unwrap();
        paged.extend(page.iter().map(|it| String::try_from(it["Alias"].clone()).unwrap()));
        if next.is_empty() {
            break;
        }
        after = next;
    }
    assert_eq!(paged, all);
    let refused = client.managed_objects().unwrap_err();
    assert!(refused.to_string().contains("Manager.ListAccounts"), "{refused}");
    assert_eq!(client.token(ACCOUNT).unwrap(), scene.token());
    scene.assert_clean();
}
