//! A hundred callers at once, and an access token that has run out.

use std::error::Error;
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::faces::{self, Face};
use crate::screen::{self, Screen};
use crate::support::clock;
use crate::support::daemon::Daemon;
use crate::support::process;
use crate::support::provider::Fault;
use crate::support::varlink::Varlink;
use crate::{ACCOUNT, Stage, present, quiet};

const BY_SOCKET: usize = 60;
const BY_BUS: usize = 30;
const BY_COMMAND: usize = 10;
const ALL: usize = BY_SOCKET + BY_BUS + BY_COMMAND;

/// How long the provider takes over the refresh: long enough for all callers to come while it is
/// under way.
const SLOW: Duration = Duration::from_secs(1);
/// How long a caller waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a caller got.
type Answer = (Face, Result<String, String>);

/// Lets the token run out while the daemon is dead, and has everybody ask at once when it is back.
pub(crate) fn raise(screen: &mut Screen, stage: &mut Stage) -> Result<(), Box<dyn Error>> {
    screen.step(&format!("The token runs out; then {ALL} callers ask at once"));
    let old = quiet(stage)?;
    stage.daemon.kill9()?;
    let left = stage.provider.access_token_left(&old);
    screen.note(&format!("the daemon is dead; the token has {:.1} s to live", left.as_secs_f64()));
    // it is time itself that is waited for: nothing tells when a token has run out
    std::thread::sleep(left);
    let expired = !stage.provider.is_access_token_valid(&old);

    let before = stage.provider.log().refreshes().count();
    stage.provider.next(Fault::Delay(SLOW));
    stage.daemon.restart()?;
    let start = clock::now();
    let answers = ask_at_once(stage)?;
    let took = clock::since(start);
    let after = stage.provider.log().refreshes().count();

    for (face, count) in
        [(Face::Socket, BY_SOCKET), (Face::DBus, BY_BUS), (Face::CommandLine, BY_COMMAND)]
    {
        let ok = answers.iter().filter(|(by, answer)| *by == face && answer.is_ok()).count();
        screen.note(&format!("{face:<13} {ok} of {count} have a token"));
    }
    for (face, error) in
        answers.iter().filter_map(|(by, answer)| Some((by, answer.as_ref().err()?))).take(3)
    {
        screen.note(&format!("{face:<13} {error}"));
    }
    let tokens: Vec<&String> =
        answers.iter().filter_map(|(_, answer)| answer.as_ref().ok()).collect();
    let detail = format!("{} in {:.1} s", tokens.len(), took.as_secs_f64());
    screen.check("every caller was answered", tokens.len() == ALL, &detail);
    let first = tokens.first().ok_or("nobody was answered")?.as_str();
    let one = tokens.iter().all(|token| *token == first) && expired && first != old;
    screen.check("all have the same new token", one, &screen::short(first));
    let status = present(&stage.provider, first)?;
    screen.check("the resource takes the new token", status == 200, &format!("HTTP {status}"));
    let detail = format!("{} refresh", after - before);
    screen.check("at most one refresh for all of them", after - before <= 1, &detail);
    let reuses = stage.provider.log().reuses;
    screen.check("no reuse detected by the provider", reuses == 0, &format!("{reuses} times"));
    Ok(())
}

fn ask_at_once(stage: &Stage) -> Result<Vec<Answer>, Box<dyn Error>> {
    // each thread arrives with its connections made; the bus's callers share one thread
    let gate = Arc::new(Barrier::new(BY_SOCKET + BY_COMMAND + 1));
    let mut threads: Vec<JoinHandle<Vec<Answer>>> = Vec::new();
    for _ in 0..BY_SOCKET {
        let gate = Arc::clone(&gate);
        let varlink = Varlink::connect(&stage.faces.socket);
        threads.push(std::thread::spawn(move || {
            gate.wait();
            let token = varlink.map_err(Into::into).and_then(|mut v| faces::by_socket(&mut v));
            vec![(Face::Socket, token.map_err(|error| error.to_string()))]
        }));
    }
    for _ in 0..BY_COMMAND {
        threads.push(by_command(&stage.daemon, Arc::clone(&gate)));
    }
    let address = stage.faces.address.clone();
    threads.push(std::thread::spawn(move || by_bus(&address, &gate)));

    let mut answers = Vec::new();
    for thread in threads {
        answers.extend(thread.join().map_err(|_| "a caller panicked")?);
    }
    Ok(answers)
}

fn by_command(daemon: &Daemon, gate: Arc<Barrier>) -> JoinHandle<Vec<Answer>> {
    let mut command = daemon.command(&["token", ACCOUNT]);
    std::thread::spawn(move || {
        gate.wait();
        let token = match process::run(&mut command, "", PATIENCE) {
            Ok(finished) if finished.status.success() => {
                Ok(finished.stdout.trim_end_matches('\n').to_owned())
            }
            Ok(finished) => Err(format!("{} {}", finished.status, finished.stderr.trim())),
            Err(error) => Err(error.to_string()),
        };
        vec![(Face::CommandLine, token)]
    })
}

/// Thirty callers on connections of their own.
fn by_bus(address: &str, gate: &Barrier) -> Vec<Answer> {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            gate.wait();
            return vec![(Face::DBus, Err(error.to_string()))];
        }
    };
    runtime.block_on(async {
        let mut connections = Vec::new();
        for _ in 0..BY_BUS {
            connections.push(faces::connect(address).await);
        }
        gate.wait();
        let mut calls = JoinSet::new();
        for connection in connections {
            calls.spawn(async move {
                let call = async { faces::by_bus(&connection?).await };
                match tokio::time::timeout(PATIENCE, call).await {
                    Ok(token) => (Face::DBus, token.map_err(|error| error.to_string())),
                    Err(_) => (Face::DBus, Err("no answer in time".to_owned())),
                }
            });
        }
        calls.join_all().await
    })
}
