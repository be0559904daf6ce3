//! What a caller waits for a refresh, beside one request and three synced pages; and how long many callers wait for one.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use crate::Failure;
use crate::issuer::{Issuer, provider};
use crate::options::Options;
use crate::sheet::{Of, Sheet};
use crate::stage::{ACCOUNT, Stage, home};
use crate::support::daemon::Daemon;
use crate::support::provider::Fault;
use crate::support::varlink::Varlink;
use crate::support::{clock, many, secret};
use crate::tools::read;

/// How many refreshes and syncs the middle of a round is taken from.
const EACH: usize = 5;
/// The commits of a refresh: the intent, the answer, what it means.
const COMMITS: f64 = 3.0;
/// How many callers wait for one refresh.
const WAITERS: usize = 1000;
/// Tokens that nothing is to be done about.
const LONG: Duration = Duration::from_hours(24);

pub(crate) fn play(options: &Options, sheet: &mut Sheet) -> Result<(), Failure> {
    alone(options, sheet)?;
    for _ in 0..options.choose(3, 9) {
        for at in 0..options.builds.len() {
            sheet.add("refresh.waiters", Of::Build(at), waiters(options, at)?);
        }
    }
    Ok(())
}

/// One caller, whose refresh is the only one.
fn alone(options: &Options, sheet: &mut Sheet) -> Result<(), Failure> {
    let rounds = options.choose(9, 25);
    // one refresh of each account, at an address of its own: nothing holds it up
    let accounts = rounds * EACH;
    let issuer = Issuer::start(accounts, LONG)?;
    let mut daemons = Vec::new();
    for build in &options.builds {
        let home = issuer.known_in(home(build)?)?;
        many::sign_in_at(&home, accounts, |number| (provider(number), LONG))?;
        daemons.push(Daemon::start(home)?);
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
    for round in 0..rounds {
        let accounts = round * EACH..(round + 1) * EACH;
        for (at, daemon) in daemons.iter().enumerate() {
            let mut varlink = Varlink::connect(&daemon.socket_path())?;
            let times = accounts.clone().map(|number| refresh(&mut varlink, &many::name(number)));
            sheet.add("refresh.time", Of::Build(at), middle(times.collect::<Result<_, _>>()?));
        }
        let times = accounts.map(|origin| request(&runtime, &client, &issuer.token_url(origin)));
        let request = middle(times.collect::<Result<_, _>>()?);
        let page = daemons[0].home().path("state/page");
        let mut command = Command::new(options.tools.join("sync"));
        let synced = read(command.arg(page).arg(EACH.to_string()))?;
        sheet.add("refresh.floor", Of::Floor, request + COMMITS * synced.get("in_place")?);
    }
    Ok(())
}

/// How long a caller waits whose token was rejected.
fn refresh(varlink: &mut Varlink, account: &str) -> Result<Duration, Failure> {
    let rejected = rejected(varlink, account)?;
    let question = json!({ "account": account, "rejected": rejected });
    let begun = clock::now();
    varlink.ask("GetToken", &question)?;
    Ok(clock::since(begun))
}

/// What a caller says to whom the token is of no use.
fn rejected(varlink: &mut Varlink, account: &str) -> Result<String, Failure> {
    let answer = varlink.ask("GetToken", &json!({ "account": account }))?;
    let token = answer["access_token"].as_str().ok_or("an answer without a token")?;
    Ok(secret::fingerprint(token))
}

/// How long a request takes by itself, on a new connection.
fn request(runtime: &Runtime, client: &reqwest::Client, url: &str) -> Result<Duration, Failure> {
    let request = client
        .post(url)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("grant_type=refresh_token&client_id=many&refresh_token=rt");
    let begun = clock::now();
    runtime.block_on(async { request.send().await?.error_for_status()?.bytes().await })?;
    Ok(clock::since(begun))
}

/// From the moment at which the provider answers to that at which the last caller has its token, in nanoseconds.
fn waiters(options: &Options, at: usize) -> Result<f64, Failure> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let stage = Stage::new(&options.builds[at], None)?;
    let socket = stage.daemon.socket_path();
    let rejected = rejected(&mut Varlink::connect(&socket)?, ACCOUNT)?;
    stage.provider.next(Fault::Hold);
    let mut callers =
        (0..WAITERS).map(|_| waiter(&socket, &rejected)).collect::<io::Result<Vec<_>>>()?;
    stage.provider.wait(|log| log.granted_refreshes() == 1)?;
    // which is answered once what was sent before has been read: all of them wait by now
    waiter(&socket, "")?.answer()?;
    let begun = clock::now();
    stage.provider.release();
    for caller in &mut callers {
        caller.answer()?;
    }
    Ok(clock::since(begun).as_secs_f64() * 1e9)
}

/// A caller who has asked and not been answered.
fn waiter(socket: &Path, rejected: &str) -> io::Result<Varlink> {
    let mut varlink = Varlink::connect(socket)?;
    let question = match rejected {
        "" => json!({ "account": ACCOUNT }),
        rejected => json!({ "account": ACCOUNT, "rejected": rejected }),
    };
    let method = "dev.ostler.Ostler1.GetToken";
    varlink.send(&json!({ "method": method, "parameters": question }))?;
    Ok(varlink)
}

fn middle(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e9
}
