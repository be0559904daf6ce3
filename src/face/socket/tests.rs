//! The socket over real sockets: what a client sees.

#![expect(clippy::needless_pass_by_value, reason = "`json!` reads better without a borrow")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;
use crate::api::{self, Event, INTERFACE_DESCRIPTION, REQUEST_MAX, Request, Response};
use crate::model::{AccountId, AccountName, RequestId, Scopes};

mod description;
mod noise;

const TOKEN: &str = "fake-access-token";

fn token(account: &AccountName) -> Response {
    Response::Token(api::Token {
        account: account.clone(),
        access_token: Arc::new(crate::model::AccessToken::new(TOKEN.to_owned())),
        token_type: "Bearer".to_owned(),
        expires_at: Some(1_800_000_000),
        scopes: Scopes::parse_lenient("a b"),
        stale: false,
        certificate_bound: false,
        values: [("base_url", "https://api.invalid/")].into_iter().collect(),
    })
}

fn account(name: &str) -> api::Account {
    api::Account {
        detail: Some("detail".to_owned()),
        scopes: Scopes::parse_lenient("a b"),
        expires_at: Some(1_800_000_000),
        last_refresh: Some(1_799_990_000),
        next_refresh: Some(1_799_999_000),
        last_failure: Some(crate::model::FailureClass::Transient),
        failures: 1,
        ..api::Account::for_tests(name)
    }
}

/// Answers as an engine would; an account's name says how: `slow` never, `delayed` in a second.
async fn answer(_: Caller, request: Request) -> Result<Response, Fault> {
    match request {
        Request::GetToken(asked) => match asked.account.as_str() {
            "slow" => std::future::pending().await,
            "delayed" => {
                sleep(Duration::from_secs(1)).await;
                Ok(token(&asked.account))
            }
            "nobody" => Err(Fault::new(FaultKind::NoSuchAccount, "no such account")
                .of(asked.account)
                .retry_at(7)),
            _ => Ok(token(&asked.account)),
        },
        Request::ListAccounts(_) => Ok(Response::Accounts([account("door")].into_iter().collect())),
        _ => Ok(Response::Done {}),
    }
}

/// A socket being served.
struct Served {
    path: PathBuf,
    handle: Handle,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

fn door(listener: UnixListener, owner: u32) -> Door {
    Door { listener, face: Face::Socket, owner }
}

fn serve_with(handle: Handle, limits: Limits) -> Served {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let owner = rustix::process::geteuid().as_raw();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(door(listener, owner), handle.clone(), shutdown.clone(), limits));
    Served { path, handle, shutdown, task, _dir: dir }
}

fn served() -> Served {
    serve_with(Handle::for_tests(answer), Limits::default())
}

struct Client(UnixStream);

impl Client {
    async fn new(path: &Path) -> Self {
        Self(UnixStream::connect(path).await.unwrap())
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    async fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.send(frame(method, parameters)).await;
        self.answer().await.unwrap()
    }

    /// The next answer; `None` if the connection was closed instead.
    async fn answer(&mut self) -> Option<Value> {
        let mut frame = Vec::new();
        loop {
            match self.0.read_u8().await {
                Ok(0) => return Some(serde_json::from_slice(&frame).unwrap()),
                Ok(byte) => frame.push(byte),
                Err(_) => return None,
            }
        }
    }
}

fn frame(method: &str, parameters: Value) -> Vec<u8> {
    message(&json!({"method": format!("dev.ostler.Ostler1.{method}"), "parameters": parameters}))
}

fn message(value: &Value) -> Vec<u8> {
    let mut frame = serde_json::to_vec(&value).unwrap();
    frame.push(0);
    frame
}

#[tokio::test]
async fn a_token_is_asked_for_and_answered() {
    let served = served();
    let mut client = Client::new(&served.path).await;
    for _ in 0..3 {
        let answer = client.ask("GetToken", json!({"account": "door", "min_valid": 5})).await;
        assert_eq!(answer["parameters"]["access_token"], TOKEN);
        assert_eq!(answer["parameters"]["scopes"], json!(["a", "b"]));
        assert_eq!(answer.get("continues"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_in_one_write_are_answered_in_their_order_even_if_the_first_takes_longest() {
    let served = served();
    let mut client = Client::new(&served.path).await;
    let names = ["delayed", "b", "delayed", "c", "nobody", "d"];
    let calls: Vec<u8> =
        names.iter().flat_map(|name| frame("GetToken", json!({"account": name}))).collect();
    client.send(&calls).await;
    for name in names {
        assert_eq!(client.answer().await.unwrap()["parameters"]["account"], name);
    }
}

#[tokio::test]
async fn faults_and_refusals_carry_their_names_and_parameters() {
    let served = served();
    let mut client = Client::new(&served.path).await;
    let answer = client.ask("GetToken", json!({"account": "nobody"})).await;
    assert_eq!(answer["error"], "dev.ostler.Ostler1.NoSuchAccount");
    assert_eq!(
        answer["parameters"],
        json!({"account": "nobody", "message": "no such account", "hint": "run: ostler accounts",
               "retry_at": 7})
    );
    let cases = [
        (
            json!({"method": "dev.ostler.Ostler1.Nope"}),
            "MethodNotFound",
            json!({"method": "dev.ostler.Ostler1.Nope"}),
        ),
        (
            json!({"method": "org.example.Nope"}),
            "InterfaceNotFound",
            json!({"interface": "org.example"}),
        ),
        (
            json!({"method": "dev.ostler.Ostler1.GetToken"}),
            "InvalidParameter",
            json!({"parameter": "account"}),
        ),
        (
            json!({"method": "dev.ostler.Ostler1.Status", "upgrade": true}),
            "InvalidParameter",
            json!({"parameter": "upgrade"}),
        ),
        (json!({"method": "dev.ostler.Ostler1.Monitor"}), "ExpectedMore", json!({})),
        (
            json!({"method": "org.varlink.service.GetInterfaceDescription", "parameters": {"interface": "a.b"}}),
            "InterfaceNotFound",
            json!({"interface": "a.b"}),
        ),
    ];
    for (call, name, parameters) in cases {
        client.send(message(&call)).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer["error"], format!("org.varlink.service.{name}"), "{call}");
        assert_eq!(answer["parameters"], parameters, "{call}");
    }
    // and the connection is as good as before
    assert!(client.ask("Cancel", json!({"request": "raaaaaaaaaaaaaaaa"})).await["error"].is_null());
}

#[tokio::test]
async fn what_is_not_a_call_is_answered_once_and_the_connection_closed() {
    let served = served();
    for bytes in [&b"nonsense\0"[..], b"\0", b"{\"method\":\0", b"[1]\0"] {
        let mut client = Client::new(&served.path).await;
        client.send(bytes).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer["error"], "dev.ostler.Ostler1.InvalidOption");
        assert_eq!(client.answer().await, None);
    }
}

#[tokio::test]
async fn a_request_may_be_as_long_as_said_and_no_longer() {
    let served = served();
    let mut client = Client::new(&served.path).await;
    let mut exact = frame("ListAccounts", json!({}));
    exact.pop();
    exact.resize(REQUEST_MAX, b' ');
    exact.push(0);
    client.send(&exact).await;
    assert!(client.answer().await.unwrap()["parameters"]["accounts"].is_array());

    client.send(vec![b' '; REQUEST_MAX + 1]).await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer["parameters"]["message"], "a request has at most 65536 bytes");
    assert_eq!(client.answer().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_request_half_sent_is_dropped_after_ten_seconds_and_an_idle_client_after_five_minutes() {
    let served = served();
    let mut idle = Client::new(&served.path).await;
    let mut half = Client::new(&served.path).await;
    half.send(b"{\"method\":").await;
    let nothing_yet = timeout(Duration::from_secs(9), half.answer()).await;
    assert!(nothing_yet.is_err());
    // a byte now and then does not buy time
    half.send(b" ").await;
    let closed = timeout(Duration::from_secs(2), half.answer()).await;
    assert_eq!(closed, Ok(None));

    sleep(Duration::from_mins(4)).await;
    idle.ask("ListAccounts", json!({})).await;
    assert!(timeout(Duration::from_secs(5 * 60 - 1), idle.answer()).await.is_err());
    assert_eq!(timeout(Duration::from_secs(2), idle.answer()).await, Ok(None));
}

#[tokio::test]
async fn whoever_wants_no_answer_gets_none_and_still_has_it_done_after_leaving() {
    let (seen, mut done) = tokio::sync::mpsc::channel(8);
    let handle = Handle::for_tests(move |_, request| {
        let seen = seen.clone();
        async move {
            tokio::task::yield_now().await;
            seen.send(format!("{request:?}").split('(').next().unwrap().to_owned()).await.unwrap();
            Ok(Response::Done {})
        }
    });
    let served = serve_with(handle, Limits::default());
    let mut client = Client::new(&served.path).await;
    let oneway = |method: &str| {
        let method = format!("dev.ostler.Ostler1.{method}");
        message(&json!({"method": method, "parameters": {"account": "a"}, "oneway": true}))
    };
    client.send([oneway("GetToken"), oneway("Nope"), oneway("Logout")].concat()).await;
    drop(client);
    assert_eq!(done.recv().await.unwrap(), "GetToken");
    assert_eq!(done.recv().await.unwrap(), "Logout");

    let mut client = Client::new(&served.path).await;
    client.send(oneway("Nope")).await;
    let answer = client.ask("Status", json!({})).await;
    assert_eq!(answer, json!({"parameters": {}}), "the first answer is that to the second call");
}

#[tokio::test]
async fn a_client_that_ended_its_own_side_is_answered_and_one_that_left_is_not_waited_for() {
    let waiting = Arc::new(AtomicUsize::new(0));
    let (count, mut asked) = (Arc::clone(&waiting), tokio::sync::mpsc::channel(8));
    let handle = Handle::for_tests(move |_, _| {
        struct Waiter(Arc<AtomicUsize>);
        impl Drop for Waiter {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        count.fetch_add(1, Ordering::SeqCst);
        let (waiter, asked) = (Waiter(Arc::clone(&count)), asked.0.clone());
        async move {
            let _waiter = waiter;
            asked.send(()).await.unwrap();
            sleep(Duration::from_millis(200)).await;
            Ok(Response::Done {})
        }
    });
    let served = serve_with(handle, Limits::default());

    let mut half = Client::new(&served.path).await;
    half.send(frame("Status", json!({}))).await;
    half.0.shutdown().await.unwrap();
    assert_eq!(half.answer().await, Some(json!({"parameters": {}})));
    assert_eq!(half.answer().await, None);
    asked.1.recv().await.unwrap();

    let mut gone = Client::new(&served.path).await;
    gone.send(frame("Status", json!({}))).await;
    asked.1.recv().await.unwrap();
    drop(gone);
    let withdrawn = async {
        while waiting.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_millis(100), withdrawn).await.expect("withdrawn before its answer");
}

#[tokio::test]
async fn a_monitor_shows_the_accounts_as_they_are_and_then_what_happens() {
    let served = served();
    let mut client = Client::new(&served.path).await;
    client.send(message(&json!({"method": "dev.ostler.Ostler1.Monitor", "more": true}))).await;
    let first = client.answer().await.unwrap();
    assert_eq!(first["continues"], true);
    assert_eq!(first["parameters"]["event"], "account");
    assert_eq!(first["parameters"]["account"]["name"], "door");

    let id = AccountId::from_random([1; 8]);
    served.handle.announce(Event::Removed { id: id.clone(), name: "door".parse().unwrap() });
    let next = client.answer().await.unwrap();
    assert_eq!(next["parameters"], json!({"event": "removed", "id": id, "name": "door"}));
    assert_eq!(next["continues"], true);

    served.shutdown.cancel();
    let last = client.answer().await.unwrap();
    assert_eq!(last["error"], "dev.ostler.Ostler1.ShuttingDown");
    assert_eq!(client.answer().await, None);
    served.task.await.unwrap();
}

#[tokio::test]
async fn monitors_are_limited_and_end_with_their_client() {
    let served = serve_with(Handle::for_tests(answer), Limits { monitors: 1, ..Limits::default() });
    let monitor = message(&json!({"method": "dev.ostler.Ostler1.Monitor", "more": true}));
    let mut first = Client::new(&served.path).await;
    first.send(&monitor).await;
    first.answer().await.unwrap();
    let mut second = Client::new(&served.path).await;
    second.send(&monitor).await;
    assert_eq!(second.answer().await.unwrap()["error"], "dev.ostler.Ostler1.RateLimited");
    drop(first);
    let admitted = async {
        loop {
            second.send(&monitor).await;
            if second.answer().await.unwrap()["error"].is_null() {
                return;
            }
        }
    };
    timeout(Duration::from_secs(10), admitted).await.expect("the place is free again");
}

#[tokio::test]
async fn two_hundred_clients_at_once_are_all_answered() {
    let served = served();
    let mut clients = JoinSet::new();
    for number in 0..200 {
        let path = served.path.clone();
        clients.spawn(async move {
            let mut client = Client::new(&path).await;
            for turn in 0..5 {
                let name = format!("n{number}-{turn}");
                let answer = client.ask("GetToken", json!({"account": name})).await;
                assert_eq!(answer["parameters"]["account"], name);
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_never_reads_delays_no_one_and_is_dropped() {
    let limits = Limits { write: Duration::from_millis(500), ..Limits::default() };
    let served = serve_with(Handle::for_tests(answer), limits);
    let mut deaf = Client::new(&served.path).await;
    let calls: Vec<u8> =
        std::iter::repeat_n(frame("ListAccounts", json!({})), 100).flatten().collect();
    // until neither side has room for another byte
    while let Ok(sent) = timeout(Duration::from_millis(100), deaf.0.write_all(&calls)).await {
        sent.unwrap();
    }
    let mut other = Client::new(&served.path).await;
    let prompt =
        timeout(Duration::from_millis(400), other.ask("GetToken", json!({"account": "a"})));
    assert_eq!(prompt.await.expect("at once")["parameters"]["access_token"], TOKEN);
    // what fitted before is all it gets
    let mut rest = Vec::new();
    sleep(limits.write).await;
    let end = timeout(Duration::from_secs(10), deaf.0.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "the connection was closed");
}

#[tokio::test]
async fn a_flood_of_idle_connections_locks_nobody_out() {
    let served =
        serve_with(Handle::for_tests(answer), Limits { connections: 8, ..Limits::default() });
    let mut busy = Client::new(&served.path).await;
    busy.send(frame("GetToken", json!({"account": "slow"}))).await;
    let mut honest = Client::new(&served.path).await;
    honest.ask("ListAccounts", json!({})).await;
    let mut flood = Vec::new();
    for _ in 0..40 {
        let mut idle = Client::new(&served.path).await;
        idle.send(b"{").await;
        flood.push(idle);
        // who asks now and then is never the one that has been silent longest
        honest.ask("ListAccounts", json!({})).await;
    }
    assert_eq!(flood[0].answer().await, None, "the oldest was closed");
    let mut newcomer = Client::new(&served.path).await;
    newcomer.ask("ListAccounts", json!({})).await;
    let still_waiting = timeout(Duration::from_millis(50), busy.answer()).await;
    assert!(still_waiting.is_err(), "who is being served stays");
}

#[tokio::test]
async fn whoever_has_asked_already_is_not_sent_away_for_a_newcomer() {
    let served =
        serve_with(Handle::for_tests(answer), Limits { connections: 1, ..Limits::default() });
    // all of it before the service has its turn
    let mut first = std::os::unix::net::UnixStream::connect(&served.path).unwrap();
    std::io::Write::write_all(&mut first, &frame("ListAccounts", json!({}))).unwrap();
    let _second = std::os::unix::net::UnixStream::connect(&served.path).unwrap();
    first.set_nonblocking(true).unwrap();
    let mut first = Client(UnixStream::from_std(first).unwrap());
    assert!(first.answer().await.unwrap()["parameters"]["accounts"].is_array());
}

#[tokio::test]
async fn when_everybody_is_being_served_the_next_one_is_told_so() {
    let served =
        serve_with(Handle::for_tests(answer), Limits { connections: 2, ..Limits::default() });
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut client = Client::new(&served.path).await;
        client.ask("ListAccounts", json!({})).await;
        client.send(frame("GetToken", json!({"account": "slow"}))).await;
        busy.push(client);
    }
    // until both requests have been taken up, one of the two is silent, and whoever comes gets in
    let mut turned_away = false;
    while !turned_away {
        let mut late = Client::new(&served.path).await;
        // who is turned away need not have been heard
        let _ = late.0.write_all(&frame("ListAccounts", json!({}))).await;
        let answer = late.answer().await.unwrap();
        turned_away = answer["error"] == "dev.ostler.Ostler1.RateLimited";
    }
}

#[tokio::test]
async fn another_user_is_denied() {
    let handle = Handle::for_tests(answer);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let stranger = rustix::process::geteuid().as_raw() + 1;
    tokio::spawn(serve(
        door(listener, stranger),
        handle,
        CancellationToken::new(),
        Limits::default(),
    ));
    let mut client = Client::new(&path).await;
    assert_eq!(client.answer().await.unwrap()["error"], "dev.ostler.Ostler1.Denied");
    assert_eq!(client.answer().await, None);
    assert!(check_user(1000, 1000).is_ok());
    for (uid, owner) in [(1001, 1000), (0, 1000), (1000, 0)] {
        assert_eq!(check_user(uid, owner).unwrap_err().kind, FaultKind::Denied);
    }
}

#[tokio::test(start_paused = true)]
async fn at_shutdown_calls_in_progress_are_answered_and_idle_connections_closed() {
    let served = served();
    let mut idle = Client::new(&served.path).await;
    let mut delayed = Client::new(&served.path).await;
    delayed.send(frame("GetToken", json!({"account": "delayed"}))).await;
    let mut slow = Client::new(&served.path).await;
    slow.send(frame("GetToken", json!({"account": "slow"}))).await;
    sleep(Duration::from_millis(10)).await;
    served.shutdown.cancel();
    assert_eq!(idle.answer().await, None);
    assert_eq!(delayed.answer().await.unwrap()["parameters"]["access_token"], TOKEN);
    assert_eq!(delayed.answer().await, None);
    assert_eq!(slow.answer().await.unwrap()["error"], "dev.ostler.Ostler1.ShuttingDown");
    assert!(UnixStream::connect(&served.path).await.is_err());
    served.task.await.unwrap();
}
