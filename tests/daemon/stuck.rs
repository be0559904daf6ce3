//! A mount that does not answer.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::scene::{ACCOUNT, PROVIDER, Scene, ask, file, settle, token_of};
use crate::support::daemon::Home;
use crate::support::process;
use crate::support::provider::Config;

const PATIENCE: Duration = Duration::from_secs(40);

/// A home whose configuration is stuck on order; see `stuck.c`.
fn with_stuck_files(home: Home) -> Home {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/daemon/stuck.c");
    let shim = home.path("stuck.so");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-o"]).args([&shim, &source]).arg("-ldl");
    let compiled = process::run(&mut compile, "", PATIENCE).unwrap();
    assert!(compiled.status.success(), "{compiled:?}");
    let [shim, order, below] = [shim, home.path("stuck"), home.path("config/ostler")]
        .map(|path| path.display().to_string());
    home.env("LD_PRELOAD", &shim).env("STUCK_ORDER", &order).env("STUCK_PATH", &below)
}

#[test]
fn files_that_cannot_be_read_hold_nobody_up_and_are_read_when_they_can_be() {
    let mut scene = Scene::at_home(Config::parqex(), with_stuck_files);
    scene.sign_in(ACCOUNT);
    let token = scene.token();
    let (order, definition) = (
        scene.daemon.home().path("stuck"),
        scene.daemon.home().path("config/ostler").join(file(PROVIDER)),
    );
    let changed = scene.provider.definition(PROVIDER).replace("Test provider", "Changed");
    fs::write(&order, "").unwrap();
    fs::write(&definition, changed).unwrap();
    scene.daemon.signal(Signal::HUP).unwrap();
    scene.daemon.wait_notice(|notice| notice.starts_with("RELOADING=1")).unwrap();
    settle(&scene.daemon);
    let next = token_of(&scene.renew(&token).unwrap());
    assert!(scene.admits(&next), "tokens are what it is for");

    // the service manager is not kept waiting for ever, and the user is told why
    let ready = |notices: &[String]| notices.iter().filter(|it| *it == "READY=1").count() == 2;
    scene.daemon.wait_notices(ready).unwrap();
    let log = scene.daemon.log();
    assert!(log.contains("their file system does not answer"), "{log}");
    let is_changed = |scene: &Scene| {
        let providers = ask(&scene.daemon, "ListProviders", &json!({})).unwrap();
        providers.to_string().contains("\"Changed\"")
    };
    assert!(!is_changed(&scene));

    // when it answers again, what is there by then is in force; each look takes its time
    fs::remove_file(&order).unwrap();
    assert!((0..1_000_000).any(|_| is_changed(&scene)), "{}", scene.daemon.log());
    assert!(scene.admits(&token_of(&scene.renew(&next).unwrap())));

    // and no stop waits for it
    fs::write(&order, "").unwrap();
    scene.daemon.signal(Signal::HUP).unwrap();
    settle(&scene.daemon);
    assert!(scene.daemon.terminate().unwrap().success());
    assert!(order.exists(), "it is stuck yet");
}
