//! A crowd on both faces while the provider takes its time.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use zbus::Connection;

use crate::dbus;
use crate::scene::{ACCOUNT, Scene, connect, fault_kind, settle, token_of};
use crate::support::bus::Bus;
use crate::support::provider::{Config, Fault, OldAccess};
use crate::support::secret;
use crate::support::varlink::Varlink;

const CALLERS: usize = 1000;

/// Room for the callers' connections, here and in the daemon, which inherits it.
pub(crate) fn make_room() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(4096, |most| most.min(4096));
    assert!(wanted > 2 * CALLERS as u64, "{CALLERS} callers need more descriptors than {wanted}");
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }).unwrap();
    }
}

/// A scene whose socket takes that many connections.
fn scene(connections: usize) -> Scene {
    make_room();
    let mut scene = Scene::new(Config::parqex().old_access(OldAccess::Dies));
    let settings = format!("max_connections = {connections}\n");
    std::fs::write(scene.daemon.home().path("config/ostler/ostler.toml"), settings).unwrap();
    scene.daemon.restart().unwrap();
    scene.sign_in(ACCOUNT);
    scene
}

/// As many callers as said, all of whom have asked for another token than `old`.
fn crowd(scene: &Scene, count: usize, old: &str) -> Vec<Varlink> {
    let parameters = json!({ "account": ACCOUNT, "rejected": secret::fingerprint(old) });
    let call = json!({ "method": "dev.ostler.Ostler1.GetToken", "parameters": parameters });
    let callers = (0..count).map(|_| {
        let mut caller = connect(&scene.daemon);
        caller.send(&call).unwrap();
        caller
    });
    callers.collect()
}

/// Callers on the bus, all of whom have asked for another token than the one they have.
pub(crate) struct BusCrowd {
    runtime: Runtime,
    /// One set for each connection.
    calls: Vec<JoinSet<Result<String, String>>>,
}

impl BusCrowd {
    /// So many connections, with so many calls each.
    pub(crate) fn ask(address: &str, connections: usize, calls: usize, old: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let rejected = secret::fingerprint(old);
        let connect = || zbus::connection::Builder::address(address).build();
        let connections: Vec<Connection> =
            (0..connections).map(|_| runtime.block_on(connect()).unwrap()).collect();
        let ask = |connection: &Connection| {
            let mut set = JoinSet::new();
            for _ in 0..calls {
                set.spawn_on(another(connection.clone(), rejected.clone()), runtime.handle());
            }
            set
        };
        let calls = connections.iter().map(ask).collect();
        let crowd = Self { runtime, calls };
        crowd.run();
        for connection in &connections {
            // behind the calls on the same way
            crowd.runtime.block_on(dbus::ping(connection)).unwrap();
        }
        crowd
    }

    /// Every other connection leaves the bus, with calls that are not answered.
    pub(crate) fn half_hang_up(&mut self) {
        let mut count = 0;
        self.calls.retain(|_| {
            count += 1;
            count % 2 == 0
        });
        self.run();
    }

    /// Lets all that can be done at once be done: the runtime has no thread of its own.
    fn run(&self) {
        self.runtime.block_on(async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        });
    }

    /// The first so many answers, which have to be errors: their names.
    pub(crate) fn wait_for_errors(&mut self, count: usize) -> Vec<String> {
        let set = &mut self.calls[0];
        let next = || self.runtime.block_on(set.join_next()).unwrap().unwrap().unwrap_err();
        std::iter::repeat_with(next).take(count).collect()
    }

    /// The other answers.
    pub(crate) fn finish(self) -> Vec<Result<String, String>> {
        let answers = self.calls.into_iter().map(|set| self.runtime.block_on(set.join_all()));
        answers.flatten().collect()
    }
}

/// Another token than the one with that fingerprint, or the name of the error.
async fn another(connection: Connection, rejected: String) -> Result<String, String> {
    let mut options = dbus::Options::new();
    options.insert("rejected", rejected.as_str().into());
    match dbus::manager(&connection, "GetAccessToken", &(ACCOUNT, options)).await {
        Ok(reply) => Ok(dbus::token_in(&reply).unwrap()),
        Err(zbus::Error::MethodError(name, ..)) => Err(name.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_thousand_callers_cost_one_refresh_and_those_who_stay_are_all_answered() {
    let bus = Bus::start().unwrap();
    let address = bus.address().to_owned();
    make_room();
    // with the settings that everybody has
    let scene = Scene::on_bus(Config::parqex().old_access(OldAccess::Dies), bus);
    scene.sign_in(ACCOUNT);
    let old = scene.token();
    scene.provider.next(Fault::Hold);
    let mut on_socket = crowd(&scene, CALLERS, &old);
    let mut on_bus = BusCrowd::ask(&address, 10, CALLERS / 10, &old);
    scene.provider.wait(|log| log.granted_refreshes() == 1).unwrap();
    settle(&scene.daemon);
    assert!(on_socket.iter().all(|caller| !caller.has_answer().unwrap()), "all of them wait");

    // every other one hangs up
    let mut count = 0;
    on_socket.retain(|_| {
        count += 1;
        count % 2 == 0
    });
    on_bus.half_hang_up();
    settle(&scene.daemon);
    scene.provider.release();
    let answers: Vec<_> = on_socket.iter_mut().map(|caller| caller.answer().unwrap()).collect();
    assert_eq!(answers.len(), CALLERS / 2);
    let new = token_of(&answers[0]);
    assert_ne!(new, old);
    assert!(answers.iter().all(|answer| token_of(answer) == new), "one token for all");
    let answers = on_bus.finish();
    assert_eq!(answers.len(), CALLERS / 2);
    assert!(answers.iter().all(|answer| answer.as_ref() == Ok(&new)), "on the bus, too");
    assert!(scene.admits(&new));
    assert_eq!(scene.provider.log().refreshes().count(), 1);
    assert_eq!(scene.token(), new);
    scene.assert_clean();
}

#[test]
fn when_all_seats_are_taken_by_callers_who_wait_the_next_one_is_told_so() {
    const SEATS: usize = 32;
    let scene = scene(SEATS);
    let old = scene.token();
    scene.provider.next(Fault::Hold);
    let mut callers = crowd(&scene, SEATS, &old);
    scene.provider.wait(|log| log.granted_refreshes() == 1).unwrap();
    // the last of them may still be on its way in; whoever comes after it is one too many
    let mut late = (0..1000).map(|_| {
        let mut late = connect(&scene.daemon);
        // who is turned away need not have been heard
        let _ = late.send(&json!({ "method": "dev.ostler.Ostler1.Status" }));
        late.answer()
    });
    let turned_away = late.find(Result::is_err).expect("no room is left");
    assert_eq!(fault_kind(turned_away), "RateLimited");
    scene.provider.release();
    let new = token_of(&callers[0].answer().unwrap());
    assert!(callers[1..].iter_mut().all(|caller| token_of(&caller.answer().unwrap()) == new));
    // those who sit idle make room
    let mut more = crowd(&scene, SEATS, &old);
    assert!(more.iter_mut().all(|caller| token_of(&caller.answer().unwrap()) == new));
    assert_eq!(scene.provider.log().refreshes().count(), 1);
}
