//! What a caller waits for a refresh, beside one request and three synced pages.

use std::process::Command;

use serde_json::json;

use crate::Failure;
use crate::options::Options;
use crate::sheet::{Of, Sheet};
use crate::stage::Stage;
use crate::support::provider::Provider;
use crate::support::varlink::Varlink;
use crate::support::{clock, secret};
use crate::tools::read;

/// One refresh of each in a round: those of one account have to be some seconds apart.
const ACCOUNTS: [&str; 5] = ["flap", "gate", "hatch", "lid", "port"];
/// The commits of a refresh: the intent, the answer, what it means.
const COMMITS: f64 = 3.0;

pub(crate) fn play(options: &Options, sheet: &mut Sheet) -> Result<(), Failure> {
    for _ in 0..options.choose(3, 9) {
        let mut requests = 0.0;
        for (at, build) in options.builds.iter().enumerate() {
            let stage = Stage::new(build, None)?;
            for account in ACCOUNTS {
                stage.sign_in(account)?;
            }
            sheet.add("refresh.time", Of::Build(at), refreshes(&stage)?);
            requests = request(&stage.provider)?;
        }
        let dir = tempfile::tempdir()?;
        let mut command = Command::new(options.tools.join("sync"));
        let synced = read(command.arg(dir.path().join("page")).arg("50"))?;
        sheet.add("refresh.floor", Of::Floor, requests + COMMITS * synced.get("in_place")?);
    }
    Ok(())
}

/// The middle of what each account's refresh takes.
fn refreshes(stage: &Stage) -> Result<f64, Failure> {
    let mut varlink = Varlink::connect(&stage.daemon.socket_path())?;
    let mut times = Vec::new();
    for account in ACCOUNTS {
        let answer = varlink.ask("GetToken", &json!({ "account": account }))?;
        let token = answer["access_token"].as_str().ok_or("an answer without a token")?;
        let question = json!({ "account": account, "rejected": secret::fingerprint(token) });
        let begun = clock::now();
        varlink.ask("GetToken", &question)?;
        times.push(clock::since(begun));
    }
    Ok(middle(times))
}

/// The middle of what a request takes that the provider refuses, on a new connection.
fn request(provider: &Provider) -> Result<f64, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
    let mut times = Vec::new();
    for _ in 0..ACCOUNTS.len() {
        let begun = clock::now();
        let url = provider.token_url();
        runtime.block_on(async { client.get(url).send().await?.bytes().await })?;
        times.push(clock::since(begun));
    }
    Ok(middle(times))
}

fn middle(mut times: Vec<std::time::Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e9
}
