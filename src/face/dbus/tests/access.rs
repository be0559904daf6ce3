//! Rules about programs, questions to the user, and who puts them.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use zbus::{Connection, OwnedVariant, Variant, interface};

use super::client::{AccessControlProxy, Details, fault, next, text};
use super::play::Play;
use super::{Stage, soon};
use crate::api::{Event, Request, Verdict};
use crate::model::Decision;

async fn access(client: &Connection) -> AccessControlProxy<'static> {
    AccessControlProxy::new(client).await.unwrap()
}

fn number(details: &Details, name: &str) -> i64 {
    i64::try_from(details[name].try_clone().unwrap()).unwrap()
}

#[tokio::test]
async fn rules_are_listed_made_and_ended() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let access = access(&stage.client().await).await;
    let grants = access.list_grants().await.unwrap();
    let [grant] = grants.as_slice() else { panic!("{grants:?}") };
    let told = ["id", "alias", "caller", "tier", "decision", "created_by"];
    assert_eq!(
        told.map(|name| text(grant, name)),
        ["g3", "parqex", "exe:/usr/bin/*", "claimed", "deny", "exe:/usr/bin/ostler"]
    );
    assert_eq!(
        ["expires_at", "created_at", "last_used"].map(|name| number(grant, name)),
        [1_900_000_000, 10, 0]
    );

    let rule = HashMap::from([
        ("account", Variant::from("parqex")),
        ("caller", "flatpak:org.example.Mail".into()),
        ("scopes", vec!["OPENDOOR"].into()),
        ("decision", "allow".into()),
        ("expires_at", 1_900_000_000_i64.into()),
    ]);
    assert_eq!(access.set_grant(rule).await.unwrap(), "g3");
    let (_, set) = stage.play.last(|request| match request {
        Request::SetGrant(set) => Some(set.clone()),
        _ => None,
    });
    assert_eq!(set.account.unwrap().as_str(), "parqex");
    assert_eq!(set.caller.to_string(), "flatpak:org.example.Mail");
    assert_eq!(set.scopes.unwrap().join(" "), "OPENDOOR");
    assert_eq!((set.decision, set.expires_at), (Decision::Allow, Some(1_900_000_000)));

    access.remove_grant("g3").await.unwrap();
    for wrong in ["3", "q3", ""] {
        assert_eq!(fault(access.remove_grant(wrong).await), "InvalidOption");
    }
    for wrong in [
        HashMap::from([("caller", Variant::from("exe:/a"))]),
        HashMap::from([("decision", Variant::from("allow"))]),
        HashMap::from([("caller", Variant::from("curl")), ("decision", "allow".into())]),
        HashMap::from([("caller", Variant::from("*")), ("decision", "maybe".into())]),
        HashMap::from([
            ("caller", Variant::from("*")),
            ("decision", "deny".into()),
            ("x", 1.into()),
        ]),
    ] {
        assert_eq!(fault(access.set_grant(wrong).await), "InvalidOption");
    }
}

#[tokio::test]
async fn questions_are_listed_and_answered_and_their_change_is_told() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let access = access(&stage.client().await).await;
    let mut changed = access.receive_pending_changed().await.unwrap();
    stage.play.tell(Event::Pending { count: 2 });
    assert_eq!(*next(&mut changed).await.args().unwrap().count(), 2);
    let pending = access.list_pending().await.unwrap();
    let [question] = pending.as_slice() else { panic!("{pending:?}") };
    assert_eq!(
        ["id", "alias", "caller", "tier", "face"].map(|name| text(question, name)),
        ["q7", "parqex", "flatpak:org.example.Mail", "verified", "dbus"]
    );
    for (word, verdict) in
        [("allow", Verdict::Allow), ("once", Verdict::Once), ("deny", Verdict::Deny)]
    {
        access.respond("q7", word, HashMap::new()).await.unwrap();
        let (_, respond) = stage.play.last(|request| match request {
            Request::Respond(respond) => Some(respond.clone()),
            _ => None,
        });
        assert_eq!((respond.question.0, respond.verdict), (7, verdict));
    }
    assert_eq!(fault(access.respond("q7", "maybe", HashMap::new()).await), "InvalidOption");
    assert_eq!(fault(access.respond("7", "allow", HashMap::new()).await), "InvalidOption");
}

/// A program that asks the user, as the user of this test does.
struct Agent {
    asked: mpsc::UnboundedSender<String>,
    answer: Answer,
}

#[derive(Clone, Copy)]
enum Answer {
    Word(&'static str),
    Broken,
    Never,
}

#[interface(name = "dev.ostler.Ostler1.Agent")]
impl Agent {
    async fn ask(
        &self,
        question: &str,
        details: HashMap<String, OwnedVariant>,
    ) -> zbus::fdo::Result<String> {
        let caller = text(&details, "caller");
        self.asked.send(format!("ask {question} {caller}")).unwrap();
        match self.answer {
            Answer::Word(word) => Ok(word.to_owned()),
            Answer::Broken => Err(zbus::fdo::Error::Failed("no screen".to_owned())),
            Answer::Never => std::future::pending().await,
        }
    }

    fn cancel(&self, question: &str) {
        self.asked.send(format!("cancel {question}")).unwrap();
    }
}

const AGENT: &str = "/org/example/Agent";

async fn register(
    client: &Connection,
    answer: Answer,
) -> (AccessControlProxy<'static>, mpsc::UnboundedReceiver<String>) {
    let (asked, heard) = mpsc::unbounded_channel();
    client.object_server().at(AGENT, Agent { asked, answer }).await.unwrap();
    let access = access(client).await;
    access.register_agent(AGENT.try_into().unwrap(), HashMap::new()).await.unwrap();
    (access, heard)
}

#[tokio::test]
async fn an_agent_is_asked_in_the_daemons_place_until_it_leaves() {
    let (stage, desk) = Stage::with_desk(Play::with(&["parqex"])).await;
    let client = stage.client().await;
    let (_, mut heard) = register(&client, Answer::Word("once")).await;
    let answer = desk.ask().await;
    assert_eq!(soon(heard.recv()).await.unwrap(), "ask q7 flatpak:org.example.Mail");
    assert_eq!(soon(answer).await, Some(Verdict::Once));

    let other = stage.client().await;
    let second = access(&other).await;
    let refused = second.register_agent(AGENT.try_into().unwrap(), HashMap::new()).await;
    assert_eq!(fault(refused), "RateLimited");
    client.close().await.unwrap();
    // the bus tells of that in its own time
    let registered = async {
        while second.register_agent(AGENT.try_into().unwrap(), HashMap::new()).await.is_err() {}
    };
    soon(registered).await;
    second.unregister_agent().await.unwrap();
    assert_eq!(soon(desk.ask().await).await, None, "nobody asks any more");
}

#[tokio::test]
async fn an_agent_that_does_not_know_what_to_do_answers_nothing() {
    for (answer, word) in [(Answer::Word(""), "dismissed"), (Answer::Broken, "not shown")] {
        let (stage, desk) = Stage::with_desk(Play::with(&["parqex"])).await;
        let client = stage.client().await;
        let (_access, _heard) = register(&client, answer).await;
        assert_eq!(soon(desk.ask().await).await, None, "{word}");
        assert_eq!(desk.dismissals.load(Ordering::SeqCst), usize::from(word == "dismissed"));
    }
}

#[tokio::test]
async fn a_question_that_is_settled_elsewhere_is_taken_back() {
    let (stage, desk) = Stage::with_desk(Play::with(&["parqex"])).await;
    let client = stage.client().await;
    let (_access, mut heard) = register(&client, Answer::Never).await;
    let answer = desk.ask().await;
    assert!(soon(heard.recv()).await.unwrap().starts_with("ask q7"));
    drop(answer);
    assert_eq!(soon(heard.recv()).await.unwrap(), "cancel q7");
}
