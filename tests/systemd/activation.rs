//! Who starts the daemon: the session, the first connection, the first call on the bus.

use serde_json::json;

use crate::container::TESTER;
use crate::scene::{ACCOUNT, Scene};
use crate::support::provider::Config;

/// A Varlink call by a program that is nobody's client library.
const VARLINK: &str = r#"
    use IO::Socket::UNIX;
    my $socket = IO::Socket::UNIX->new("$ENV{XDG_RUNTIME_DIR}/ostler/socket") or die "$!";
    print $socket '{"method":"dev.ostler.Ostler1.GetToken","parameters":{"account":"door"}}', "\0";
    $socket->flush;
    $/ = "\0";
    my $answer = <$socket>;
    chop $answer;
    print $answer;
"#;

#[test]
fn a_token_comes_from_each_face_and_whoever_asks_first_starts_the_daemon() {
    let Some(scene) = Scene::signed_in(Config::standard()) else { return };
    let token = scene.token();
    assert!(scene.provider.is_access_token_valid(&token));

    // the first connection
    scene.systemctl(TESTER, &["stop", "ostler.service"]);
    assert!(!scene.is_active("ostler.service") && scene.is_active("ostler.socket"));
    let answer = scene.machine.said_as(TESTER, &["perl", "-e", VARLINK]);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["parameters"]["access_token"], json!(token));
    assert!(scene.is_active("ostler.service"));

    // the first call on the bus, which starts the unit and no daemon beside it
    scene.systemctl(TESTER, &["stop", "ostler.service"]);
    let answer = scene.busctl(&["GetAccessToken", "sa{sv}", ACCOUNT, "0"]);
    assert_eq!(answer["data"][0], json!(token));
    assert!(scene.is_active("ostler.service"));

    // the command line
    scene.systemctl(TESTER, &["stop", "ostler.service"]);
    assert_eq!(scene.token(), token);
    assert!(scene.is_active("ostler.service"));
    assert_eq!(scene.provider.log().refreshes().count(), 0, "four starts cost no refresh");
}

#[test]
fn the_socket_is_the_users_alone_and_the_daemon_takes_it_over() {
    let Some(scene) = Scene::installed(Config::standard()) else { return };
    let stat = ["stat", "-c", "%a %u %F", "/run/user/4242/ostler", "/run/user/4242/ostler/socket"];
    assert_eq!(scene.machine.said(&stat), "700 4242 directory\n600 4242 socket");
    scene.systemctl(TESTER, &["start", "ostler.service"]);
    let environment = format!("/proc/{}/environ", scene.daemon());
    let environment = scene.machine.said(&["cat", &environment]);
    assert!(
        environment.split('\0').any(|set| set == "LISTEN_FDNAMES=agent:agent"),
        "{environment}"
    );
    // a second daemon finds the state taken
    let second = scene.machine.run_as(TESTER, &["/usr/libexec/ostlerd"]);
    assert_eq!(second.status.code(), Some(69), "{second:?}");
}
