//! The example applications, as a user runs them: both do the same.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use crate::DEADLINE;
use crate::scene::{ACCOUNT, Scene, USER, run, said};
use crate::support::agent;
use crate::support::process::Kept;
use crate::support::provider::Config;

/// The one in Rust, which `cargo test` has built; run by itself, this test crate has not.
fn in_rust() -> PathBuf {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--locked", "--example", "client", "--manifest-path"]);
    said(&run(build.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))));
    // target/debug/deps/desktop-0123456789abcdef
    let this = std::env::current_exe().unwrap();
    this.parent().unwrap().parent().unwrap().join("examples/client")
}

fn in_python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/client.py")
}

/// Everything that such a program meets.
fn lives_its_life(program: &Path) {
    let scene = Scene::signed_in(Config::standard());
    let url = scene.provider.resource_url();
    let command = || {
        let mut command = scene.program(program.to_str().unwrap());
        command.args([ACCOUNT, &url]);
        command
    };
    let admitted = format!("{{\"user\":\"{USER}\"}}");
    assert_eq!(said(&run(&mut command())), admitted);
    assert_eq!(scene.provider.log().refreshes().count(), 0);

    // the API rejects the token before its time: one refresh, and the user does not notice
    scene.provider.expire_access_tokens(USER);
    assert_eq!(said(&run(&mut command())), admitted);
    assert_eq!(scene.provider.log().refreshes().count(), 1);

    // the provider ends the login: the user signs in again, and the program goes on
    scene.end_login();
    let mut waiting = command();
    waiting.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut waiting = Kept::spawn(&mut waiting).unwrap();
    let mut lines = BufReader::new(waiting.stderr().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let uri = line.strip_prefix("Please sign in: ").unwrap_or_else(|| panic!("{line}"));
    agent::visit(uri).unwrap();
    let shown = thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
    let mut answer = String::new();
    BufReader::new(waiting.stdout().unwrap()).read_line(&mut answer).unwrap();
    assert!(waiting.wait(DEADLINE).unwrap().success(), "{:?}", shown.join());
    assert_eq!(answer.trim_end(), admitted);

    // what cannot be done is said in the daemon's words
    let mut unknown = scene.program(program.to_str().unwrap());
    let refused = run(unknown.args(["nobody", &url]));
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("no account"), "{refused:?}");
}

#[test]
fn the_client_in_rust_gets_tokens_replaces_rejected_ones_and_has_the_user_sign_in() {
    lives_its_life(&in_rust());
}

#[test]
fn the_client_in_python_gets_tokens_replaces_rejected_ones_and_has_the_user_sign_in() {
    lives_its_life(&in_python());
}
