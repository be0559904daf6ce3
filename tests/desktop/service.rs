//! What the service manager is told (`sd_notify(3)`).

use rustix::process::Signal;

use crate::scene::{PROVIDER, Scene, home, said};
use crate::support::provider::Config;

const EXTRA: &str = "id = \"extra\"\ntitle = \"Extra\"\n\
    authorization_url = \"https://a.example/\"\ntoken_url = \"https://t.example/\"\n";

#[test]
fn the_service_manager_is_told_how_things_stand_from_start_to_end() {
    // a tenth of a second
    let mut scene = Scene::in_home(Config::standard(), home().env("WATCHDOG_USEC", "100000"));
    let told = |line: &'static str| move |notice: &str| notice == line;
    scene.daemon.wait_notice(told("STATUS=no accounts yet")).unwrap();
    // signs of life come again and again
    let beats = |notices: &[String]| notices.iter().filter(|it| *it == "WATCHDOG=1").count() >= 3;
    scene.daemon.wait_notices(beats).unwrap();
    scene.sign_in();
    scene.daemon.wait_notice(told("STATUS=1 account")).unwrap();
    scene.end_login();
    scene.daemon.wait_notice(told("STATUS=1 account, 1 login-required")).unwrap();

    let file = scene.daemon.home().path("config/ostler/providers/extra.toml");
    std::fs::write(file, EXTRA).unwrap();
    scene.daemon.signal(Signal::HUP).unwrap();
    let reloaded = |notices: &[String]| {
        let at = |line| notices.iter().rposition(|notice| notice == line);
        at("RELOADING=1").is_some_and(|reloading| at("READY=1") > Some(reloading))
    };
    scene.daemon.wait_notices(reloaded).unwrap();
    let notices = scene.daemon.notices().unwrap();
    let reloading = notices.iter().position(|notice| notice == "RELOADING=1").unwrap();
    // systemd.service(5), Type=notify-reload
    let clock = notices[reloading + 1].strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(clock.parse::<u64>().unwrap() > 0);
    let last_status = notices.iter().rfind(|notice| notice.starts_with("STATUS=")).unwrap();
    assert_eq!(last_status, "STATUS=1 account, 1 login-required", "it is still true");
    let providers = scene.daemon.run(&["providers"]).unwrap();
    for name in [PROVIDER, "extra", "parqex"] {
        let is_there = said(&providers).lines().any(|line| line.starts_with(name));
        assert!(is_there, "{name} in {providers:?}");
    }

    assert!(scene.daemon.terminate().unwrap().success());
    let notices = scene.daemon.notices().unwrap();
    let ends = notices.iter().filter(|notice| *notice == "STOPPING=1").count();
    assert_eq!(ends, 1, "{notices:?}");
    let foreign = notices.iter().find(|notice| {
        !["READY", "STATUS", "WATCHDOG", "RELOADING", "MONOTONIC_USEC", "STOPPING"]
            .contains(&notice.split('=').next().unwrap())
    });
    assert_eq!(foreign, None);
}
