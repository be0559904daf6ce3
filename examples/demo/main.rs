//! Shows ostler at work, live, against a provider of its own on this machine:
//!
//! ```text
//! cargo run --release --example demo              # nobody needed, under a minute
//! cargo run --release --example demo -- --browser # sign in with your own browser
//! ```
//!
//! The provider speaks `ParqEx`'s dialect with access tokens of 8 seconds, replaces the refresh token
//! at every refresh, and ends the sign-in for good if an old one ever comes back. Daemon, database,
//! bus and command line are the real ones, in a temporary home. The exit status is 0 only if
//! everything claimed was seen to be true.

mod build;
mod faces;
mod screen;
mod storm;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use faces::Faces;
use screen::Screen;
use support::bus::Bus;
use support::daemon::{Daemon, Home};
use support::http::Ask;
use support::login::Login;
use support::provider::{Config, Log, Outcome, Provider, Redirect, SignIn};
use support::{clock, secret};

/// The account's name.
const ACCOUNT: &str = "door";
/// The provider's name.
const PROVIDER: &str = "parqex-demo";
/// Who signs in.
const USER: &str = "alice";
/// Life of an access token.
const LIFETIME: Duration = Duration::from_secs(8);
/// How long a person may take to sign in.
const PERSON: Duration = Duration::from_mins(5);
/// How long the demo may take without a person.
const LIMIT: Duration = Duration::from_mins(1);

/// How many lines of the daemon's log are shown when something went wrong.
const LAST_WORDS: usize = 20;

/// Who signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visitor {
    /// The headless agent, which pastes where it was redirected.
    Agent,
    /// A person with a browser.
    Person,
}

/// Everything that runs.
struct Stage {
    provider: Provider,
    daemon: Daemon,
    faces: Faces,
    /// Kept for its end, which comes after the daemon's.
    _bus: Bus,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let visitor = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Visitor::Agent,
        ["--browser"] => Visitor::Person,
        _ => {
            screen::usage("usage: demo [--browser]");
            return ExitCode::from(64);
        }
    };
    let mut screen = Screen::new();
    if let Err(error) = play(&mut screen, visitor) {
        let error = error.to_string();
        error.lines().for_each(|line| screen.note(line));
        screen.check("the demo came to its end", false, error.lines().next().unwrap_or_default());
    }
    if screen.summary() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn play(screen: &mut Screen, visitor: Visitor) -> Result<(), Box<dyn Error>> {
    screen.step("Build the daemon and the command line");
    let binaries = build::binaries()?;
    screen.rewind();
    let start = clock::now();

    screen.step("Start a provider, a bus and the daemon");
    let provider = Provider::start(config(visitor));
    let bus = Bus::start()?;
    let home = Home::new(binaries)?
        .bus(&bus)
        .config(&format!("providers/{PROVIDER}.toml"), &provider.definition(PROVIDER))?;
    let daemon = Daemon::start(home)?;
    screen.note(&format!("provider  {} in ParqEx's dialect", provider.base()));
    screen
        .note(&format!("tokens    live {} s, strict rotation, reuse is fatal", LIFETIME.as_secs()));
    screen.note(&format!("bus       {}", bus.kind()));
    screen.note(&format!("home      {}", daemon.home().path("").display()));
    screen.note(&format!("daemon    process {}", daemon.pid().unwrap_or_default()));
    let faces = Faces::new(bus.address(), daemon.socket_path())?;
    let mut stage = Stage { provider, daemon, faces, _bus: bus };

    if let Err(error) = scenes(screen, &mut stage, visitor) {
        screen.step("The daemon's log ends with");
        let log = stage.daemon.log();
        let lines: Vec<_> = log.lines().collect();
        lines
            .iter()
            .skip(lines.len().saturating_sub(LAST_WORDS))
            .for_each(|line| screen.note(line));
        return Err(error);
    }
    if visitor == Visitor::Agent {
        let took = clock::since(start);
        let detail = format!("{:.1} s", took.as_secs_f64());
        screen.check("all of it in less than a minute", took < LIMIT, &detail);
    }
    Ok(())
}

fn scenes(screen: &mut Screen, stage: &mut Stage, visitor: Visitor) -> Result<(), Box<dyn Error>> {
    sign_in(screen, stage, visitor)?;
    agree(screen, stage)?;
    refresh_ahead(screen, stage)?;
    survive(screen, stage)?;
    storm::raise(screen, stage)?;
    look_back(screen, stage)
}

fn config(visitor: Visitor) -> Config {
    let config = Config::parqex().access_lifetime(LIFETIME);
    match visitor {
        Visitor::Agent => config,
        Visitor::Person => config.redirect(Redirect::Loopback).sign_in(SignIn::Page),
    }
}

fn sign_in(screen: &mut Screen, stage: &Stage, visitor: Visitor) -> Result<(), Box<dyn Error>> {
    screen.step(&format!("ostler login {PROVIDER} --as {ACCOUNT}"));
    let mut login = Login::new(PROVIDER, ACCOUNT);
    let ended = match visitor {
        Visitor::Agent => {
            screen.note("the provider redirects to a page that nobody serves: its URL is pasted");
            login.run(&stage.daemon, &stage.provider)?
        }
        Visitor::Person => {
            login.patience = PERSON;
            login.run_with(&stage.daemon, &stage.provider, |url| {
                screen.note("please sign in; if no browser opens, visit");
                screen.note(url);
                open_browser(url);
                Ok(None)
            })?
        }
    };
    for line in ended.stderr.lines().filter(|_| !ended.status.success()) {
        screen.note(line);
    }
    let granted = stage.provider.log().requests.iter().any(|r| r.outcome == Outcome::Granted);
    screen.check("signed in", ended.status.success() && granted, &ended.status.to_string());
    Ok(())
}

/// Opens the person's own browser. On a thread, since some browsers stay in the foreground; and
/// without a look at the result, since the person has the URL as well.
fn open_browser(url: &str) {
    let mut command = Command::new("xdg-open");
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    std::thread::spawn(move || command.status());
}

/// Three faces, one token, and the resource takes it.
fn agree(screen: &mut Screen, stage: &Stage) -> Result<(), Box<dyn Error>> {
    screen.step("Ask for the token in three ways");
    // a scheduled refresh may fall between two of the questions, but not twice in a row
    let mut answers = stage.faces.all(&stage.daemon)?;
    if !same(&answers) {
        answers = stage.faces.all(&stage.daemon)?;
    }
    for ((face, token), how) in answers.iter().zip([
        format!("ostler token {ACCOUNT}"),
        format!("GetToken {{\"account\":\"{ACCOUNT}\"}}"),
        format!("GetAccessToken {ACCOUNT} {{}}"),
    ]) {
        screen.note(&format!("{face:<13} {how:<32} {}", screen::short(token)));
    }
    screen.check("command line, socket and D-Bus give the same token", same(&answers), "");
    let status = present(&stage.provider, &answers[0].1)?;
    screen.check("the resource takes it", status == 200, &format!("HTTP {status}"));
    Ok(())
}

fn same(answers: &[(faces::Face, String)]) -> bool {
    answers.windows(2).all(|pair| pair[0].1 == pair[1].1)
}

/// Shows an access token to the resource.
fn present(provider: &Provider, token: &str) -> Result<u16, Box<dyn Error>> {
    Ok(Ask::get(&provider.resource_url()).bearer(token).send()?.status)
}

/// Nobody asks, and the token stays fresh.
fn refresh_ahead(screen: &mut Screen, stage: &Stage) -> Result<(), Box<dyn Error>> {
    screen.step("Nobody asks; the daemon refreshes ahead of expiry");
    let before = stage.provider.log().granted_refreshes();
    let mut ahead = true;
    for count in 1..=2 {
        let log = stage.provider.wait(|log| log.granted_refreshes() >= before + count)?;
        let left = left_at_last_refresh(&log);
        ahead &= left.is_some();
        screen.note(&format!(
            "refresh {count}: the token before had {:.1} s to live",
            left.unwrap_or_default().as_secs_f64()
        ));
    }
    screen.check("two refreshes with no caller, each before expiry", ahead, "");
    Ok(())
}

/// How long the access token had to live that the last refresh replaced; nothing if it was too late.
fn left_at_last_refresh(log: &Log) -> Option<Duration> {
    let mut granted =
        log.requests.iter().filter(|r| r.outcome == Outcome::Granted).rev().map(|r| r.at);
    let (last, previous) = (granted.next()?, granted.next()?);
    LIFETIME.checked_sub(last.checked_sub(previous)?)
}

/// How often to look at a token in its life.
const LOOKS: u32 = 80;

/// Waits for a moment with no refresh under way or near, and gives the token of that moment. A kill
/// between request and answer loses the answer, and at a provider this strict no client whatever
/// survives that.
fn quiet(stage: &Stage) -> Result<String, Box<dyn Error>> {
    // a new token is handed out once it is on the disk, a moment after the provider has given it
    for _ in 0..5 * LOOKS {
        let token = faces::by_command(&stage.daemon)?;
        if stage.provider.access_token_left(&token) > LIFETIME * 3 / 4 {
            return Ok(token);
        }
        thread::sleep(LIFETIME / LOOKS);
    }
    Err("the daemon never has a fresh token".into())
}

/// A crash costs nothing.
fn survive(screen: &mut Screen, stage: &mut Stage) -> Result<(), Box<dyn Error>> {
    screen.step("kill -9 the daemon, and start it again");
    quiet(stage)?;
    let killed = stage.daemon.pid().unwrap_or_default();
    stage.daemon.kill9()?;
    stage.daemon.restart()?;
    let pid = stage.daemon.pid().unwrap_or_default();
    screen.note(&format!("process {killed} was killed, process {pid} is ready"));
    let standing = faces::standing(&stage.daemon)?;
    let token = faces::by_command(&stage.daemon)?;
    screen.note(&format!("ostler status: {standing}; ostler token: {}", screen::short(&token)));
    let once = stage.provider.log().authorizations == 1;
    screen.check("still signed in", once && standing != "login-required", &standing);
    let status = present(&stage.provider, &token)?;
    screen.check("its token is good", status == 200, &format!("HTTP {status}"));
    Ok(())
}

/// What must not have happened, did not.
fn look_back(screen: &mut Screen, stage: &mut Stage) -> Result<(), Box<dyn Error>> {
    screen.step("Look back");
    let status = stage.daemon.terminate()?;
    screen.check("the daemon ends when asked to", status.success(), &status.to_string());
    let log = stage.provider.log();
    let detail = format!("{} refreshes", log.refreshes().count());
    screen.check("no refresh token was ever used twice", log.reuses == 0, &detail);
    let detail = format!("{} at most", log.most_in_flight);
    screen.check("never two token requests at once", log.most_in_flight == 1, &detail);
    let alive = stage.provider.newest_refresh_token(USER).is_some();
    screen.check("the sign-in is alive at the provider", alive, "");
    let leaks = secret::leaks(&stage.daemon.log());
    screen.check("no secret in the daemon's log", leaks.is_empty(), &leaks.join(" "));
    let (files, leaks) = faces::secrets_below(&stage.daemon.home().path("state"))?;
    let detail = format!("{files} files {}", leaks.join(" "));
    screen.check("no secret in clear on disk", files > 0 && leaks.is_empty(), &detail);
    Ok(())
}
